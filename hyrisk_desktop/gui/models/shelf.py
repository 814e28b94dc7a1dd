"""Work on the shelf of models that takes longer than a frame: hashing, testing, installing, comparing. All on workers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PySide6.QtCore import QObject, Signal

from hyrisk_desktop.errors import HyRiskError
from hyrisk_desktop.gui.services.job_runner import Job, JobContext, JobRunner
from hyrisk_desktop.gui.session import Session
from hyrisk_desktop.gui.state import RiskRequest
from hyrisk_desktop.i18n import tr
from hyrisk_desktop.risk import RiskReading
from hyrisk_desktop.risk.model_store import DOUBTFUL, InstalledModel, ModelStore
from hyrisk_desktop.risk.model_summary import beside_the_one_before


@dataclass(frozen=True, slots=True, eq=False)
class Shelf:
    """What lies there: all models, the one a roll-back would return to, and what is wrong with the choice."""

    models: tuple[InstalledModel, ...] = ()
    previous: InstalledModel | None = None
    warning: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class Comparison:
    """Two models and, where an exam is open, their readings of one question about it.

    Attributes:
        request: what both were asked, or None without a heart centre.
        readings: one per model; None where that model could not answer.
    """

    models: tuple[InstalledModel, InstalledModel]
    request: RiskRequest | None = None
    readings: tuple[RiskReading | None, RiskReading | None] = (None, None)


class ModelShelf(QObject):
    """Runs one piece of work after the other and tells how it ended; outlives the dialogs that ask for it.

    Signals:
        changed: a new `Shelf`.
        chosen: another model is in use now; carries its InstalledModel.
        compared: a `Comparison`.
        told: one sentence about what was done.
        failed: an error. doubtful: a model that must be asked about, and the sentence that says why.
        busy_changed: what is being done, or "".
    """

    changed = Signal(object)
    chosen = Signal(object)
    compared = Signal(object)
    told = Signal(str)
    failed = Signal(object)
    doubtful = Signal(object, str)
    busy_changed = Signal(str)

    def __init__(self, store: ModelStore, session: Session, runner: JobRunner, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._store = store
        self._session = session
        self._runner = runner
        self._job: Job | None = None
        self._waiting: list[Callable[[], None]] = []

    @property
    def busy(self) -> bool:
        """Whether something is being done; what is asked for meanwhile waits its turn."""
        return self._job is not None

    def refresh(self) -> None:
        """Look at every model's files again."""
        self._start(tr("Looking at the models…"), self._look, self.changed.emit)

    def activate(self, name: str) -> None:
        """Make the installed model ``name`` the one in use."""
        self._change(tr("Activating…"), lambda: self._store.activate(name))

    def roll_back(self) -> None:
        """Go back to the model that was in use before."""
        self._change(tr("Going back…"), self._store.roll_back)

    def import_model(self, source: Path, device: str | None, *, anyway: bool = False) -> None:
        """Test, install and use the model in a zip or a folder; ``anyway`` also one that is no better than chance."""

        def work() -> InstalledModel:
            _import_torch()
            return self._store.import_model(source, device, anyway=anyway)

        def failed(error: Exception) -> None:
            if isinstance(error, HyRiskError) and error.code == DOUBTFUL:
                self.doubtful.emit(source, error.message)
            else:
                self.failed.emit(error)

        self._change(tr("Testing the model on its known-answer exam…"), work, failed, with_network=True)

    def export_model(self, name: str, zip_path: Path) -> None:
        """Write a model as a zip."""

        def done(_: None) -> None:
            self.told.emit(tr("The model was exported."))

        self._start(tr("Exporting…"), lambda _: self._store.export_model(name, zip_path), done)

    def remove(self, name: str) -> None:
        """Delete an installed model."""

        def work(context: JobContext) -> Shelf:
            self._store.remove(name)
            return self._look(context)

        def done(shelf: Shelf) -> None:
            self.changed.emit(shelf)
            self.told.emit(tr("The model was removed."))

        self._start(tr("Removing…"), work, done)

    def compare(
        self, one: InstalledModel, other: InstalledModel, device: str | None, prevalence: float | None = None
    ) -> None:
        """Ask both models about the exam now open, at its heart centre and grade.

        Args:
            one, other: which. device, prevalence: as of `engine_choice.open_predictor`.
        """
        models = (one, other)
        request, volume = self._session.risk_request(), self._session.volume
        if request is None or volume is None:
            self.compared.emit(Comparison(models))
            return

        def work(_: JobContext) -> Comparison:
            from hyrisk_desktop.risk.engine_choice import open_predictor

            first, second = (
                open_predictor(model.directory, device, prevalence).predict(
                    volume, request.centre, request.grade, agatston=request.agatston
                )
                for model in models
            )
            return Comparison(models, request, (first, second))

        def done(comparison: Comparison) -> None:
            # The exam may have changed while the models were asked: its numbers are then not said.
            still = self._session.risk_request() == request
            self.compared.emit(comparison if still else Comparison(models))

        self._start(tr("Asking both models about this exam…"), work, done, with_network=True)

    # --- inside

    def _look(self, _: JobContext) -> Shelf:
        return Shelf(tuple(self._store.models()), self._store.previous(), self._store.active().warning)

    def _change(
        self,
        what: str,
        change: Callable[[], InstalledModel],
        fail: Callable[[Exception], None] | None = None,
        *,
        with_network: bool = False,
    ) -> None:
        def work(context: JobContext) -> tuple[InstalledModel, Shelf, str]:
            before = self._store.active_bundle()
            model = change()
            remark = beside_the_one_before(model.bundle, before) if model.bundle is not None else ""
            return model, self._look(context), remark

        def done(result: tuple[InstalledModel, Shelf, str]) -> None:
            model, shelf, remark = result
            self.changed.emit(shelf)
            self.chosen.emit(model)
            kept = tr("Risks read before stay as they are, marked *, until F5 computes them again.")
            said = (tr("“{title}” is in use now.", title=model.title), remark, kept)
            self.told.emit(" ".join(text for text in said if text))

        self._start(what, work, done, fail, with_network=with_network)

    def _start(
        self,
        what: str,
        work: Callable[[JobContext], Any],
        done: Callable[[Any], None],
        fail: Callable[[Exception], None] | None = None,
        *,
        with_network: bool = False,
    ) -> None:
        if self._job is not None:
            self._waiting.append(lambda: self._start(what, work, done, fail, with_network=with_network))
            return

        def succeeded(value: Any) -> None:
            self._end()
            done(value)
            self._next()

        def failed(error: Exception) -> None:
            self._end()
            (fail or self.failed.emit)(error)
            self._next()

        self._job = Job("work on the models", work, succeeded, failed, self._end)
        self.busy_changed.emit(what)
        (self._runner.run_model if with_network else self._runner.run_io)(self._job)

    def _end(self) -> None:
        self._job = None
        self.busy_changed.emit("")

    def _next(self) -> None:
        if self._waiting and self._job is None:
            self._waiting.pop(0)()


def _import_torch() -> None:
    from hyrisk_desktop.risk.preload import import_torch

    import_torch()
