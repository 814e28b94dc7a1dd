"""Scores the whole heart on a worker whenever the session asks for it; the outline of a centre is proposed once."""

from __future__ import annotations

from PySide6.QtCore import QObject, Signal, Slot

from hyrisk_desktop.calcium import HeartRegion, get_profile, propose_heart
from hyrisk_desktop.errors import HyRiskError
from hyrisk_desktop.gui.overlay import heart_overlay, recoloured
from hyrisk_desktop.gui.sentences import sentence_of
from hyrisk_desktop.gui.services.job_runner import JobContext, JobRunner, Operation
from hyrisk_desktop.gui.session import Session
from hyrisk_desktop.gui.state import HeartAnswer, HeartRequest
from hyrisk_desktop.i18n import tr
from hyrisk_desktop.imaging import CTVolume, Voxel
from hyrisk_desktop.measurement import mark_heart, measure_heart


class HeartService(QObject):
    """Answers `Session.heart_request`.

    Signals:
        told: one sentence. failed: an error that nobody expects.
    """

    told = Signal(str)
    failed = Signal(object)

    def __init__(self, session: Session, runner: JobRunner) -> None:
        super().__init__()
        self._session = session
        self._operation = Operation(runner.run_io)
        self._asked: HeartRequest | None = None
        self._outline: tuple[tuple[int, Voxel], HeartRegion] | None = None
        session.heart_changed.connect(self._ask)

    @Slot()
    def _ask(self) -> None:
        session = self._session
        wanted, volume = session.heart_request(), session.volume
        if wanted == self._asked or volume is None:
            return
        self._asked = wanted
        self._operation.drop()
        if wanted is None or (session.heart is not None and session.heart.request == wanted):
            return
        if session.heart is not None and session.heart.request.place == wanted.place:
            # Marks read no pixel: they are there with the key that made them.
            self._asked = None
            session.apply_heart(_marked(session.heart, wanted))
            return
        where = (wanted.exam_id, wanted.centre)
        known = self._outline[1] if self._outline is not None and self._outline[0] == where else None

        def done(answer: HeartAnswer) -> None:
            self._outline = (where, answer.outline)
            self._asked = None
            session.apply_heart(answer)

        def failed(error: Exception) -> None:
            self.told.emit(tr("The whole heart can't be scored: {why}", why=sentence_of(error)))
            if not isinstance(error, HyRiskError):
                self.failed.emit(error)

        self._operation.start(
            "scoring the whole heart", lambda context: _score(volume, wanted, known, context), done, failed
        )


def _marked(before: HeartAnswer, wanted: HeartRequest) -> HeartAnswer:
    """The same plaques with what the reader says of them now."""
    scores = mark_heart(before.scores, wanted.marks, wanted.excluded)
    return HeartAnswer(wanted, before.outline, scores, recoloured(before.overlay, scores))


def _score(volume: CTVolume, wanted: HeartRequest, known: HeartRegion | None, context: JobContext) -> HeartAnswer:
    """On a worker thread."""
    outline = propose_heart(volume, wanted.centre) if known is None else known
    context.token.raise_if_cancelled()
    profile = get_profile(wanted.profile)
    scores = measure_heart(
        volume, wanted.centre, profile=profile, marks=wanted.marks, excluded=wanted.excluded, outline=outline
    )
    return HeartAnswer(wanted, outline, scores, heart_overlay(outline, scores))
