"""The exam on screen and the risk that was read there: an answer shows only where it belongs, a stored one until it is recomputed."""

from __future__ import annotations

from dataclasses import dataclass, replace

from PySide6.QtCore import QObject, Signal

from hyrisk_desktop.calcium import CalciumScores, WholeHeartScores
from hyrisk_desktop.comparison import Comparison
from hyrisk_desktop.findings import Finding, Severity
from hyrisk_desktop.gui.state import Exam, HeartAnswer, HeartRequest, ReadState, RiskRequest, RiskStatus
from hyrisk_desktop.i18n import tr
from hyrisk_desktop.imaging import CTVolume
from hyrisk_desktop.measurement import Measurement, Survey, collect_findings
from hyrisk_desktop.risk import RiskReading
from hyrisk_desktop.risk.explain import Explanation
from hyrisk_desktop.standing import SHOWN_ANYWAY, Standing, risk_standing, scores_standing, whole_heart_standing


@dataclass(frozen=True, slots=True)
class _Kept:
    """What became known of an exam after it was opened."""

    stored_id: int | None = None
    content_sha256: str = ""
    findings: tuple[Finding, ...] = ()


class Measured(QObject):
    """The half of `Session` that answers arrive at; what the reader does is the other half's affair.

    Signals:
        risk_changed: the risk, how it stands, or what qualifies it. explanation_changed: what it comes from.
        heart_changed: the whole-heart score, or that it is wanted.
    """

    risk_changed = Signal()
    explanation_changed = Signal()
    heart_changed = Signal()

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.exam: Exam | None = None
        self.read = ReadState()
        self.survey: Survey | None = None
        """Scores and findings at the read on screen, as the command line has them; None while they must not be seen."""
        self._around: tuple[Finding, ...] = ()
        self.heart: HeartAnswer | None = None
        """The whole heart as it was scored last on this exam; see `whole_heart`."""
        self.comparison: Comparison | None = None
        """With the prior exam that is shown, of the very read on screen; `gui.prior` works it out."""
        self.risk: RiskReading | None = None
        self.first_risk: RiskReading | None = None
        """The risk of the reader's own click, while its interval is still being worked out; never saved or exported."""
        self.explaining = False
        """Whether the reader wants the risk explained."""
        self.explanation: Explanation | None = None
        self.risk_status = RiskStatus.MODEL_LOADING
        self.risk_message = ""
        self.model: tuple[str, str] | None = None
        """Name and hash (weights and description) of the loaded model."""
        self.prevalences: tuple[float, ...] = ()
        """What the loaded model's risks assume, with and without a score; empty where that is not known."""
        self.model_findings: tuple[Finding, ...] = ()
        self._without_risk = (RiskStatus.MODEL_LOADING, "")
        """How things stand while there is no risk: still loading, no model and why, or waiting for a heart centre."""
        self.blinded = False
        """The list is read blinded: no identity, and neither scores nor risk before the grade is locked."""
        self._kept: dict[int, _Kept] = {}
        self._kept_risk: tuple[ReadState, RiskReading] | None = None

    @property
    def volume(self) -> CTVolume | None:
        """The pixels on screen."""
        return self.exam.volume if self.exam else None

    @property
    def volume_uid(self) -> str:
        """The series on screen, "" for none."""
        return self.exam.volume.series_uid if self.exam else ""

    @property
    def scores(self) -> CalciumScores | None:
        """The scores on screen."""
        return self.survey.scores if self.survey else None

    @property
    def measurement(self) -> Measurement | None:
        """Everything measured at the heart centre on screen, for reports; None without a centre and scores."""
        if self.survey is None or self.read.centre is None:
            return None
        heart = self.settled_heart
        return Measurement(self.read.centre, self.read.grade, self.survey.scores, self.risk, self.findings, heart)

    @property
    def can_measure(self) -> bool:
        """An exam is open and complete."""
        return self.exam is not None and not self.exam.loading

    @property
    def hides_results(self) -> bool:
        """Scores and risk must not be seen yet, so they are not computed either."""
        return self.blinded and not self.read.locked

    @property
    def stored_id(self) -> int | None:
        """The worklist's number of the exam on screen, None where it keeps none."""
        return (
            None if self.exam is None else self.exam.stored_id or self._kept.get(self.exam.exam_id, _Kept()).stored_id
        )

    @property
    def content_sha256(self) -> str:
        """Hash of the files that the exam on screen came from, "" until it is known."""
        return "" if self.exam is None else self._kept.get(self.exam.exam_id, _Kept()).content_sha256

    def adopt(self, exam_id: int, stored_id: int) -> None:
        """The worklist keeps that exam now, under ``stored_id``."""
        self._kept[exam_id] = replace(self._kept.get(exam_id, _Kept()), stored_id=stored_id)

    def note_content(self, exam_id: int, content_sha256: str, finding: Finding | None) -> None:
        """That exam's files have been hashed; ``finding`` says so if they are not what they were."""
        more = (finding,) if finding else ()
        kept = self._kept.get(exam_id, _Kept())
        self._kept[exam_id] = replace(kept, content_sha256=content_sha256, findings=more)
        if self.exam is not None and self.exam.exam_id == exam_id:
            self.risk_changed.emit()

    # --- the risk

    def risk_request(self) -> RiskRequest | None:
        """What the worker should answer now, or None while there is nothing to ask."""
        if not self.can_measure or self.exam is None or self.read.centre is None or self.model is None:
            return None
        if self.survey is None or self.hides_results:
            return None
        uid, agatston = self.exam.volume.series_uid, self.survey.region_agatston
        return RiskRequest(self.exam.exam_id, uid, self.read.centre, self.read.grade, agatston)

    def apply_risk(self, request: RiskRequest, reading: RiskReading) -> bool:
        """Show ``reading`` if it answers what is on screen now; a stale answer is dropped.

        Everything that identifies the answer is compared: exam, series, centre, grade and model.
        """
        if not self._answers(request, reading):
            return False
        self.risk, self.first_risk = reading, None
        self.set_risk_status(RiskStatus.READY)
        return True

    def apply_first_risk(self, request: RiskRequest, reading: RiskReading) -> None:
        """Show ``reading`` without its interval, which is still being worked out; checked like a risk."""
        if self.risk is None and self._answers(request, reading):
            self.first_risk = reading
            self.risk_changed.emit()

    def _answers(self, request: RiskRequest, reading: RiskReading) -> bool:
        if request != self.risk_request() or self.model is None or self.risk_kept:
            return False
        answered = (reading.series_uid, reading.centre, reading.grade, reading.agatston, reading.bundle_sha256)
        return answered == (request.series_uid, request.centre, request.grade, request.agatston, self.model[1])

    @property
    def shown_risk(self) -> RiskReading | None:
        """The risk on screen, with or without its interval."""
        return self.risk or self.first_risk

    @property
    def risk_kept(self) -> bool:
        """The risk on screen was read earlier, perhaps by another model than the one in use."""
        if self._kept_risk is None or self.hides_results:
            return False
        # What the risk was read from; a lock, a drawn box or another profile asks the model nothing new.
        before, now = self._kept_risk[0], self.read
        return (before.centre, before.grade, before.excluded) == (now.centre, now.grade, now.excluded)

    @property
    def risk_is_another_models(self) -> bool:
        """The risk on screen is not what the model in use, at its prevalence, would say."""
        if self.risk is None or self.model is None:
            return False
        same_prevalence = not self.prevalences or self.risk.prevalence in self.prevalences
        return self.risk.bundle_sha256 != self.model[1] or not same_prevalence

    def _take_kept_risk(self) -> None:
        """No risk, but where this very read came with one; a model that still loads then keeps nobody waiting."""
        self.first_risk = None
        self.risk = self._kept_risk[1] if self._kept_risk is not None and self.risk_kept else None
        if self.risk is not None:
            self.risk_status = RiskStatus.READY

    def set_model(
        self,
        model: tuple[str, str] | None,
        message: str = "",
        findings: tuple[Finding, ...] = (),
        prevalences: tuple[float, ...] = (),
    ) -> None:
        """A model has loaded (name, hash of weights and description), or none can be used and ``message`` says why.

        A risk that the worklist keeps stays on screen: another model takes its place only by `compute_risk_again`.

        Args:
            findings: what the reader must know of the choice, e.g. that it is not the model that was chosen.
            prevalences: what the model's risks assume.
        """
        if model is not None and self.risk is not None and self.stored_id is not None:
            self._kept_risk = self._kept_risk if self.risk_kept else (self.read, self.risk)
        self.model, self.model_findings, self.prevalences = model, findings, prevalences
        self._drop_explanation()
        self._take_kept_risk()
        self._without_risk = (RiskStatus.NO_CENTRE, "") if model else (RiskStatus.NO_MODEL, message)
        status = self._without_risk[0] if self.risk is None else RiskStatus.READY
        self.set_risk_status(status, message)

    def set_risk_status(self, status: RiskStatus, message: str = "") -> None:
        """Tell the risk panel how things stand."""
        self.risk_status, self.risk_message = status, message
        if status is not RiskStatus.COMPUTING:
            self.first_risk = None
        self.risk_changed.emit()

    # --- the whole heart

    def heart_request(self) -> HeartRequest | None:
        """What the whole heart should be scored for now, or None while nobody wants it or it must not be seen."""
        read, exam = self.read, self.exam
        if not read.whole_heart or read.centre is None or exam is None or self.survey is None:
            return None
        return HeartRequest(exam.exam_id, exam.volume.series_uid, read.centre, read.profile, read.heart, read.excluded)

    def apply_heart(self, answer: HeartAnswer) -> bool:
        """Show the whole heart if it is what is asked for now; a stale answer is dropped."""
        if answer.request != self.heart_request():
            return False
        self.heart = answer
        self.heart_changed.emit()
        self.risk_changed.emit()
        return True

    @property
    def whole_heart(self) -> WholeHeartScores | None:
        """The whole-heart score on screen; after a mark, that from before it for the moment that the new one takes."""
        wanted = self.heart_request()
        same = wanted is not None and self.heart is not None and self.heart.request.place == wanted.place
        return self.heart.scores if same and self.heart is not None else None

    @property
    def settled_heart(self) -> WholeHeartScores | None:
        """The same with every mark of the reader in it: what is kept and written."""
        settled = self.heart is not None and self.heart.request == self.heart_request()
        return self.heart.scores if settled and self.heart is not None else None

    @property
    def whole_heart_standing(self) -> Standing:
        """How far the whole-heart score on screen is to be trusted."""
        return whole_heart_standing(self.shown_findings)

    # --- what it comes from

    def set_explaining(self, wanted: bool) -> None:
        """The reader wants the risk explained, or no longer."""
        self.explaining, self.explanation = wanted, None
        self.explanation_changed.emit()

    def apply_explanation(self, request: RiskRequest, explanation: Explanation) -> bool:
        """Show ``explanation`` if it is of the risk on screen now; checked like a risk."""
        e = explanation
        asked = (
            request.series_uid, request.centre, request.grade, request.agatston, self.model[1] if self.model else ""
        )  # fmt: skip
        of = (e.series_uid, e.centre, e.grade, e.agatston, e.bundle_sha256)
        stale = request != self.risk_request() or of != asked
        if stale or not self.explaining or self.risk is None or self.risk_is_another_models:
            return False
        self.explanation = explanation
        self.explanation_changed.emit()
        return True

    def _drop_explanation(self) -> None:
        if self.explanation is not None:
            self.explanation = None
            self.explanation_changed.emit()

    # --- what qualifies it

    @property
    def findings(self) -> tuple[Finding, ...]:
        """All findings that qualify what is kept of the numbers on screen."""
        return self.findings_with(self.risk)

    @property
    def shown_findings(self) -> tuple[Finding, ...]:
        """`findings`, and those of a risk that is shown while its interval is still being worked out."""
        return self.findings_with(self.shown_risk)

    @property
    def risk_standing(self) -> Standing:
        """How far the risk on screen is to be trusted."""
        return risk_standing(self.shown_findings)

    @property
    def scores_standing(self) -> Standing:
        """How far the scores on screen are to be trusted."""
        return scores_standing(self.shown_findings)

    def hides(self, standing: Standing) -> bool:
        """Whether a number that stands so must not be read on screen."""
        return standing.withheld and not self.read.shown_anyway

    def findings_with(self, risk: RiskReading | None) -> tuple[Finding, ...]:
        """All findings that would stand beside ``risk`` here, what withholds a number first."""
        scan = (*self.exam.findings, *self._kept.get(self.exam.exam_id, _Kept()).findings) if self.exam else ()
        scan = (*scan, *self.model_findings, *self._other_model_finding())
        found = collect_findings(
            scan, self._around, self.scores, self.read.grade, risk, self.whole_heart,
            region_withheld=self.survey is not None and self.survey.region_withheld,
        )  # fmt: skip
        withheld = risk_standing(found).withheld or scores_standing(found).withheld
        return (*found, _shown_anyway()) if self.read.shown_anyway and withheld else found

    def _other_model_finding(self) -> tuple[Finding, ...]:
        if self.risk is None or self.model is None or not self.risk_is_another_models:
            return ()
        message = tr(
            "This risk was read with {model} at a prevalence of {prevalence:.0f} %, and {now} is in use: F5 computes it again.",
            model=self.risk.model, prevalence=100 * self.risk.prevalence, now=self.model[0],
        )  # fmt: skip
        return (Finding("other_model", Severity.INFO, message),)


def _shown_anyway() -> Finding:
    message = tr("What is withheld here was shown on screen, because the reader asked for it.")
    return Finding(SHOWN_ANYWAY, Severity.INFO, message)
