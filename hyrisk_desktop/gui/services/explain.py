"""Asks the worker thread what the risk on screen comes from, while the reader wants to know, and drops stale answers."""

from __future__ import annotations

from PySide6.QtCore import QObject, Signal, Slot

from hyrisk_desktop.gui.services.job_runner import JobContext, JobRunner, Operation
from hyrisk_desktop.gui.services.risk import RiskService
from hyrisk_desktop.gui.session import Session
from hyrisk_desktop.gui.state import RiskRequest
from hyrisk_desktop.i18n import tr
from hyrisk_desktop.imaging import CTVolume
from hyrisk_desktop.risk.explain import Explanation, explain


class ExplainService(QObject):
    """Follows the risk: explained is only what is on screen, after it is on screen.

    Signals:
        failed: an explanation could not be made; the reader's wish is then over.
    """

    failed = Signal(object)

    def __init__(self, session: Session, risk: RiskService, runner: JobRunner, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._session = session
        self._risk = risk
        self._explaining = Operation(runner.run_model)
        session.risk_changed.connect(self._ask)
        session.explanation_changed.connect(self._ask)

    @Slot()
    def _ask(self) -> None:
        session = self._session
        request, volume = session.risk_request(), session.volume
        if (
            not session.explaining
            or session.risk is None
            or session.explanation is not None
            or self._explaining.running
        ):
            return
        if session.hides(session.risk_standing):
            session.told.emit(
                tr("The risk is withheld, so there is nothing to explain: {why}.", why=session.risk_standing.why)
            )
            session.set_explaining(False)
            return
        if session.risk_is_another_models:
            session.told.emit(
                tr("Only a risk of the model in use can be explained: F5 computes this one again with it.")
            )
            session.set_explaining(False)
            return
        if request is not None and volume is not None:
            self._run(request, volume)

    def _run(self, request: RiskRequest, volume: CTVolume) -> None:
        predictor = self._risk.predictor
        if predictor is None:
            return

        def work(_: JobContext) -> Explanation:
            return explain(predictor, volume, request.centre, request.grade, agatston=request.agatston)

        def succeeded(explanation: Explanation) -> None:
            if predictor is not self._risk.predictor or not self._session.apply_explanation(request, explanation):
                self._ask()

        def failed(error: Exception) -> None:
            if self._session.risk_request() != request:
                self._ask()
                return
            self._session.set_explaining(False)
            self.failed.emit(error)

        self._explaining.start("explaining the risk", work, succeeded, failed)
