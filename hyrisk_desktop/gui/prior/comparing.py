"""What has changed since the prior exam: asked on the model's thread whenever the read changes, and dropped where it no longer holds."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, QTimer, Signal, Slot

from hyrisk_desktop.calcium import NO_MARKS, get_profile
from hyrisk_desktop.comparison import Comparison, changes_between, same_region
from hyrisk_desktop.errors import HyRiskError, InputError
from hyrisk_desktop.gui.prior.loading import Loaded
from hyrisk_desktop.gui.sentences import sentence_of
from hyrisk_desktop.gui.services.job_runner import JobRunner, Operation
from hyrisk_desktop.gui.services.risk import RiskService
from hyrisk_desktop.gui.session import Session
from hyrisk_desktop.gui.state import HeartRequest, ReadState
from hyrisk_desktop.i18n import tr
from hyrisk_desktop.imaging import CTVolume, Voxel
from hyrisk_desktop.imaging.registration import Registration
from hyrisk_desktop.measurement import Measurement, conclude, measure, survey
from hyrisk_desktop.risk import RiskReading

if TYPE_CHECKING:
    from hyrisk_desktop.risk import Predictor

_WAIT_MS = 150


@dataclass(frozen=True, slots=True)
class _Asked:
    """Everything that a comparison is of; another one answers another question."""

    exam_id: int
    prior_id: int
    read: ReadState
    risk: RiskReading | None
    heart: HeartRequest | None
    same_model: bool
    """The risk is what the model in use, at its prevalence, says: only then can it say the prior's as well."""


class Comparing(QObject):
    """Works out `Session.comparison`.

    Signals:
        compared: there is another comparison, or none. failed: an error that nobody expects.
    """

    compared = Signal()
    failed = Signal(object)

    def __init__(self, session: Session, runner: JobRunner, risk: RiskService, parent: QObject) -> None:
        super().__init__(parent)
        self._session, self._risk = session, risk
        self._operation = Operation(runner.run_model)
        self._loaded: Loaded | None = None
        self._laid: Registration | None = None
        self.why_not = ""
        """Why there is none, for the reader; "" while it is being worked out."""
        self._asked: _Asked | None = None
        self._told_missing = ""
        self._then: tuple[object, Measurement] | None = None
        self._wait = QTimer(self)
        self._wait.setSingleShot(True)
        self._wait.setInterval(_WAIT_MS)
        self._wait.timeout.connect(self._ask)
        for signal in (session.scores_changed, session.heart_changed, session.risk_changed):
            signal.connect(self._check)

    def begin(self, loaded: Loaded, laid: Registration) -> None:
        """These exams are to be compared from now on."""
        self._loaded, self._laid, self._then = loaded, laid, None
        self._check()

    def end(self) -> None:
        """Nothing is to be compared."""
        self._loaded, self._laid, self._then = None, None, None
        self._check()

    def _wanted(self) -> _Asked | None:
        session = self._session
        if self._loaded is None or session.exam is None or session.measurement is None:
            return None
        heart = None if session.settled_heart is None or session.heart is None else session.heart.request
        same_model = session.risk is not None and not session.risk_is_another_models
        return _Asked(session.exam.exam_id, self._loaded.exam.exam_id, session.read, session.risk, heart, same_model)

    @Slot()
    def _check(self) -> None:
        """What is on screen may not be what was compared any more: that goes at once, the new answer takes a moment."""
        wanted = self._wanted()
        missing = "" if self._loaded is None or wanted is not None else self._missing()
        if wanted == self._asked and missing == self._told_missing:
            return
        self._asked, self._told_missing = wanted, missing
        self._operation.drop()
        self.why_not = missing
        self._session.comparison = None
        self.compared.emit()
        if wanted is not None:
            self._wait.start()

    def _missing(self) -> str:
        if self._session.hides_results:
            return tr("Blinded: the change shows once the grade is locked.")
        return tr("The change needs the heart centre.")

    @Slot()
    def _ask(self) -> None:
        asked, loaded, laid, volume = self._asked, self._loaded, self._laid, self._session.volume
        now = self._session.measurement
        if asked is None or asked != self._wanted() or loaded is None or laid is None or volume is None or now is None:
            return
        predictor = self._risk.predictor if asked.same_model else None
        prior, then = loaded.exam.volume, self._then
        back = prior.mm_to_voxel(laid.to_prior(volume.voxel_to_mm(now.centre)))
        key = (back, asked.read.profile, asked.read.whole_heart, predictor)

        def work(_: object) -> tuple[Measurement, Comparison]:
            kept = (
                then[1]
                if then is not None and then[0] == key
                else _measure_prior(loaded, volume, back, asked.read, predictor)
            )
            found = changes_between(volume, prior, _of_region(volume, asked.read, now), kept, laid)
            return kept, replace(found, prior_record=loaded.exam.record)

        def done(answer: tuple[Measurement, Comparison]) -> None:
            if asked == self._wanted():
                self._then, self._session.comparison = (key, answer[0]), answer[1]
                self.compared.emit()

        def failed(error: Exception) -> None:
            self.why_not = sentence_of(error)
            self.compared.emit()
            if not isinstance(error, HyRiskError):
                self.failed.emit(error)

        self._operation.start("comparing two exams", work, done, failed)


def _of_region(volume: CTVolume, read: ReadState, now: Measurement) -> Measurement:
    """The measurement on screen, or that of the region where a box was drawn: the prior exam has none to compare it with."""
    if read.box is None:
        return now
    profile = get_profile(read.profile)
    of_region = conclude(survey(volume, now.centre, now.grade, profile=profile, excluded=read.excluded), now.risk)
    return replace(of_region, whole_heart=now.whole_heart)


def _measure_prior(
    loaded: Loaded, current: CTVolume, centre: Voxel, read: ReadState, predictor: Predictor | None
) -> Measurement:
    """The prior exam at the same place, over the same millimetres, with the grade and the exclusions that the reader gave it then."""
    volume, then = loaded.exam.volume, loaded.read
    if not volume.contains(centre):
        raise InputError("centre_outside_prior", tr("The heart centre lies outside the prior exam."))
    grade, excluded = (None, frozenset()) if then is None else (then.grade, then.excluded)
    marks = NO_MARKS if then is None else then.heart
    heart = marks if read.whole_heart else None
    return measure(
        volume, centre, grade, predictor,
        region=same_region(current, volume), profile=get_profile(read.profile), excluded=excluded, heart=heart,
    )  # fmt: skip
