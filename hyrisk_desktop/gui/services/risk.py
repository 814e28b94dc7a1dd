"""Asks the worker thread for the risk whenever the session's question changes, and drops stale answers."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal, Slot

from hyrisk_desktop.errors import HyRiskError
from hyrisk_desktop.gui.sentences import sentence_of
from hyrisk_desktop.gui.services.job_runner import Job, JobContext, JobRunner
from hyrisk_desktop.gui.session import Session
from hyrisk_desktop.gui.state import RiskRequest, RiskStatus
from hyrisk_desktop.i18n import tr
from hyrisk_desktop.imaging import CTVolume
from hyrisk_desktop.risk import RiskReading
from hyrisk_desktop.risk.model_store import ActiveModel

if TYPE_CHECKING:
    from hyrisk_desktop.risk import Predictor

_log = logging.getLogger(__name__)


class RiskService(QObject):
    """Owns the predictor, which only the worker thread touches.

    Signals:
        model_loaded: a model is in use now; carries its ActiveModel.
        failed: a prediction failed unexpectedly, or another model can't be used.
    """

    model_loaded = Signal(object)
    failed = Signal(object)

    def __init__(self, session: Session, runner: JobRunner, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._session = session
        self._runner = runner
        self._predictor: Predictor | None = None
        self._loading: Job | None = None
        self._running: RiskRequest | None = None
        self._answered: RiskRequest | None = None
        """What the risk on screen answers, by the model that is loaded."""
        self.model_dir: Path | None = None
        """Folder of the model that speaks, once one has loaded."""
        session.read_changed.connect(self._ask)

    @property
    def predictor(self) -> Predictor | None:
        """The loaded predictor, for jobs on the worker thread only."""
        return self._predictor

    def load_model(
        self,
        choose: Callable[[], ActiveModel],
        device: str | None,
        prevalence: float | None = None,
        engine: str = "auto",
    ) -> None:
        """Load and warm up the bundle that ``choose`` names, both on the worker thread.

        The newest call wins; the last good model survives a bad one.

        Args:
            choose: says which model. device, prevalence, engine: as of `engine_choice.open_predictor`.
        """
        if self._loading is not None:
            self._loading.cancel()
        if self._predictor is None and self._session.risk is None:
            self._session.set_risk_status(RiskStatus.MODEL_LOADING)

        def work(context: JobContext) -> tuple[ActiveModel, Predictor]:
            active = choose()
            return active, _load(active.directory, device, prevalence, engine, context)

        def succeeded(loaded: tuple[ActiveModel, Predictor]) -> None:
            if self._loading is not job:
                return
            self._loading = None
            active, self._predictor = loaded
            self._answered = None
            bundle = self._predictor.bundle
            _log.info("Model %s on %s (%s) is ready", bundle.sha256[:8], self._predictor.device, self._predictor.engine)
            if active.warning:
                _log.warning("The model chosen can't be used; %s is in use.", bundle.sha256[:8])
            self.model_dir = active.directory
            self._session.set_model(
                (bundle.name, bundle.bundle_sha256), findings=active.findings, prevalences=self._predictor.prevalences
            )
            self.model_loaded.emit(active)
            self._ask()

        def failed(error: Exception) -> None:
            if self._loading is not job:
                return
            self._loading = None
            self._not_loaded(error)

        job = Job("loading the model", work, succeeded, failed)
        self._loading = job
        self._runner.run_model(job)

    def _not_loaded(self, error: Exception) -> None:
        if self._predictor is not None:
            self.failed.emit(error)
            return
        message = sentence_of(error, tr("The model can't be loaded; see the log."))
        self._session.set_model(None, tr("No risk: {reason} Calcium scoring goes on.", reason=message))

    def release(self) -> None:
        """Let go of the model; for the end, when no job runs any more."""
        self._predictor = None

    @Slot()
    def _ask(self) -> None:
        """Start the prediction that the session needs now, unless one is under way: its end asks again."""
        request = self._session.risk_request()
        volume = self._session.volume
        if request is None or volume is None or self._predictor is None or self._session.risk_kept:
            return
        if self._session.risk is not None and self._answered == request:
            # The read has changed in what no risk depends on, such as a note.
            return
        self._session.set_risk_status(RiskStatus.COMPUTING)
        if self._running is None:
            self._run(request, volume, self._predictor)

    def _run(self, request: RiskRequest, volume: CTVolume, predictor: Predictor) -> None:
        self._running = request

        def work(context: JobContext) -> RiskReading:
            return predictor.predict(
                volume, request.centre, request.grade, agatston=request.agatston, on_first=context.partial
            )

        def first(reading: RiskReading) -> None:
            if predictor is self._predictor:
                self._session.apply_first_risk(request, reading)

        def succeeded(reading: RiskReading) -> None:
            self._running = None
            # Another model, or the same one with another prevalence, may have been loaded meanwhile.
            if predictor is not self._predictor or not self._session.apply_risk(request, reading):
                self._ask()
            else:
                self._answered = request

        def failed(error: Exception) -> None:
            self._running = None
            if self._session.risk_request() != request:
                self._ask()
                return
            expected = isinstance(error, HyRiskError)
            message = sentence_of(error, tr("The risk could not be computed; see the log."))
            self._session.set_risk_status(RiskStatus.FAILED, message)
            if not expected:
                self.failed.emit(error)

        def cancelled() -> None:
            self._running = None

        self._runner.run_model(Job("predicting the risk", work, succeeded, failed, cancelled, partial=first))


def _load(directory: Path, device: str | None, prevalence: float | None, engine: str, context: JobContext) -> Predictor:
    """On the worker thread: load with the engine that suits, and warm up."""
    from hyrisk_desktop.risk.engine_choice import open_predictor

    context.token.raise_if_cancelled()
    predictor = open_predictor(directory, device, prevalence, engine)
    context.token.raise_if_cancelled()
    predictor.warm_up()
    return predictor
