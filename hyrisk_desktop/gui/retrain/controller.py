"""Tools > Retrain: shows the runs where there are any, else the way to the first one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, QTimer, Signal, Slot
from PySide6.QtWidgets import QWidget

from hyrisk_desktop.gui.models.shelf import ModelShelf
from hyrisk_desktop.gui.retrain.run_files import find_runs
from hyrisk_desktop.gui.retrain.training_process import Command, Launcher, Run, RunState
from hyrisk_desktop.gui.services.job_runner import JobRunner
from hyrisk_desktop.gui.services.risk import RiskService
from hyrisk_desktop.i18n import tr
from hyrisk_desktop.paths import bundled_model_dir, runs_dir, training_process
from hyrisk_desktop.settings import Settings
from hyrisk_desktop.training_run import REPRODUCTION, VALIDATION

if TYPE_CHECKING:
    from hyrisk_desktop.gui.retrain.window import RetrainWindow
    from hyrisk_desktop.gui.retrain.wizard import RetrainWizard

_WATCH_MS = 4000


class Retraining(QObject):
    """Owns the retrain window and the wizard, both of which leave the reading alone.

    Args:
        runner: for jobs. shelf: installs a finished model. risk: whose model a training may start from.
        settings: the device to compute on. window: the windows' owner.
        command: how ``model_training`` is run.

    Signals:
        told: one sentence on how a training ended that nobody was watching.
        stands: a word on the training that is alive, also one that waits paused; "" without one.
        worklist_wanted: the cohort shall be made of the worklist's reads.
    """

    told = Signal(str)
    stands = Signal(str)
    worklist_wanted = Signal()

    def __init__(
        self,
        runner: JobRunner,
        shelf: ModelShelf,
        risk: RiskService,
        settings: Settings,
        window: QWidget,
        command: Command = training_process,
    ) -> None:
        super().__init__(window)
        self._runner, self._shelf, self._risk, self._settings, self._parent = runner, shelf, risk, settings, window
        self.launcher = Launcher(command)
        self.window: RetrainWindow | None = None
        self.wizard: RetrainWizard | None = None
        self._running: set[Path] = set()
        self._watch = QTimer(self, interval=_WATCH_MS)
        self._watch.timeout.connect(self._look)
        self._watch.start()
        QTimer.singleShot(0, self, self._look)

    def show(self) -> None:
        """Open what fits: the runs, or the wizard for the first one."""
        if find_runs(runs_dir()):
            self._show_runs()
        else:
            self._show_wizard()

    @Slot()
    def _show_reproduction(self) -> None:
        """Open the wizard for the paper."""
        self._show_wizard()
        assert self.wizard is not None
        self.wizard.cohort_page.choose(REPRODUCTION)

    @Slot()
    def show_validation(self) -> None:
        """Open the wizard for a validation of the model in use."""
        self._show_wizard()
        assert self.wizard is not None
        self.wizard.cohort_page.choose(VALIDATION)

    @Slot(object)
    def show_wizard(self, cohort: Path) -> None:
        """Open the wizard with a cohort chosen already."""
        self._show_wizard()
        assert self.wizard is not None
        self.wizard.cohort_page.path_edit.setText(str(cohort))

    def alive(self) -> list[Run]:
        """The trainings whose process runs or waits paused; reads their files."""
        return [run for path in find_runs(runs_dir()) if (run := self.launcher.read(path)).state.alive]

    def close(self) -> None:
        """Close both; a training goes on."""
        self._watch.stop()
        for widget in (self.window, self.wizard):
            if widget is not None:
                widget.close()

    @Slot(object)
    def _show_runs(self, wanted: Path | None = None) -> None:
        if self.window is None:
            from hyrisk_desktop.gui.retrain.window import RetrainWindow

            self.window = RetrainWindow(
                self._runner, self._shelf, self.launcher, runs_dir(), self._settings["device"], self._parent
            )
            self.window.new_wanted.connect(self._show_wizard)
            self.window.reproduction_wanted.connect(self._show_reproduction)
            self.window.resize(self.window.sizeHint().boundedTo(self.window.screen().availableSize()))
        self.window.refresh(wanted)
        if wanted is not None:
            self._running.add(wanted)
        _raise(self.window)

    @Slot()
    def _show_wizard(self) -> None:
        if self.wizard is None:
            from hyrisk_desktop.gui.retrain.wizard import RetrainWizard

            model = self._risk.model_dir or bundled_model_dir()
            self.wizard = RetrainWizard(self._runner, self.launcher, runs_dir(), model, self._parent)
            self.wizard.started.connect(self._show_runs)
            self.wizard.destroyed.connect(self._forget_wizard)
            self.wizard.cohort_page.worklist_wanted.connect(self.worklist_wanted)
        _raise(self.wizard)

    @Slot()
    def _look(self) -> None:
        """See whether a training has ended, also one that was started before this program was."""
        watched = self.window is not None and self.window.isVisible()
        runs = [self.launcher.read(path) for path in find_runs(runs_dir())]
        alive = [run for run in runs if run.state.alive]
        self.stands.emit(_standing(alive))
        before, self._running = self._running, {run.directory for run in alive}
        for run in runs:
            if run.directory in before and not run.state.alive and not watched:
                self.told.emit(_ended(run))

    @Slot()
    def _forget_wizard(self) -> None:
        self.wizard = None


def _told_of(alive: list[Run]) -> Run:
    """The training that a sentence names: one that waits for the reader goes first."""
    return next((run for run in alive if run.state is RunState.PAUSED), alive[0])


def _standing(alive: list[Run]) -> str:
    if not alive:
        return ""
    run = _told_of(alive)
    if run.state is RunState.PAUSED:
        return tr("Training “{name}” waits, paused", name=run.name)
    return tr("Training “{name}” runs", name=run.name)


def leaving_question(alive: list[Run]) -> str:
    """What closing the window means for the trainings that are alive, of which there is at least one."""
    run = _told_of(alive)
    if run.state is RunState.PAUSED:
        return tr("The training “{name}” waits, paused, and goes on waiting after the window is closed: Tools > Retrain "
                  "resumes it.", name=run.name)  # fmt: skip
    return tr("The training “{name}” goes on in the background after the window is closed; Tools > Retrain shows it.",
              name=run.name)  # fmt: skip


def _ended(run: Run) -> str:
    if run.state is RunState.FINISHED:
        return tr("The training “{name}” has finished; see Tools > Retrain.", name=run.name)
    return tr("The training “{name}” has stopped; see Tools > Retrain.", name=run.name)


def _raise(window: QWidget) -> None:
    window.show()
    window.raise_()
    window.activateWindow()
