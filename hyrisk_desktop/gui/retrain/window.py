"""The retrain window: all runs, and the one selected with its progress, results and log."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from PySide6.QtCore import QSize, Qt, QTimer, QUrl, Signal, Slot
from PySide6.QtGui import QDesktopServices, QHideEvent, QShowEvent
from PySide6.QtWidgets import (
    QHBoxLayout,
    QLabel,
    QListWidget,
    QListWidgetItem,
    QMessageBox,
    QPushButton,
    QTabWidget,
    QVBoxLayout,
    QWidget,
)

from hyrisk_desktop.errors import HyRiskError
from hyrisk_desktop.gui.dialogs.message import ErrorDialog
from hyrisk_desktop.gui.letters import give_letters
from hyrisk_desktop.gui.models.shelf import ModelShelf
from hyrisk_desktop.gui.retrain.monitor import Monitor, state_words
from hyrisk_desktop.gui.retrain.progress import Progress
from hyrisk_desktop.gui.retrain.result_page import AnyResults, ResultPage, load_any
from hyrisk_desktop.gui.retrain.run_files import bundles_of, find_runs
from hyrisk_desktop.gui.retrain.run_log import RunLog
from hyrisk_desktop.gui.retrain.training_process import Launcher, Run, RunState, discard, mark, request
from hyrisk_desktop.gui.services.job_runner import Job, JobRunner
from hyrisk_desktop.i18n import tr
from hyrisk_desktop.training_run import EVENTS, REPORT, EventTail

_TICK_MS, _BEHIND_MS = 330, 15
_BUDGET_S = 0.008
_LIST_EVERY = 6
_PROGRESS, _RESULTS, _LOG = range(3)


class RetrainWindow(QWidget):
    """Watches runs through their files; closing it leaves the training alone.

    Args:
        runs: folder of the runs. device: "cpu", "cuda" or "" for the self-test of a model to install.

    Signals:
        new_wanted, reproduction_wanted: the button for a new training, or for the paper, was pressed.
    """

    new_wanted = Signal()
    reproduction_wanted = Signal()

    def __init__(
        self,
        runner: JobRunner,
        shelf: ModelShelf,
        launcher: Launcher,
        runs: Path,
        device: str,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent, Qt.WindowType.Window)
        self.setObjectName("retrainWindow")
        self.setWindowTitle(tr("Retrain – research use only"))
        self._runner, self._shelf, self._launcher, self._runs, self._device = runner, shelf, launcher, runs, device
        self._run: Run | None = None
        self._tail: EventTail | None = None
        self._progress = Progress()
        self._results: tuple[Path, AnyResults | None] | None = None
        self._results_job: Job | None = None
        self._installing: Path | None = None
        self._ticks = 0
        self._timer = QTimer(self, singleShot=True)
        self._timer.timeout.connect(self._tick)
        self._assemble()
        self._connect()

    # --- parts

    def sizeHint(self) -> QSize:
        """Fits a screen of 1366 x 768."""
        return QSize(1240, 690)

    def _assemble(self) -> None:
        self._list = QListWidget()
        self._list.setObjectName("runsList")
        self._list.setAccessibleName(tr("Runs, newest first"))
        self._list.setWordWrap(True)
        self._list.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self._new = _button("newTraining", tr("&New training…"))
        self._reproduce = _button("reproducePaper", tr("Reproduce the p&aper…"))
        side = QVBoxLayout()
        heading = QLabel(tr("Runs"))
        heading.setObjectName("heading")
        side.addWidget(heading)
        side.addWidget(self._list, 1)
        side.addWidget(self._new)
        side.addWidget(self._reproduce)
        self.monitor, self.results = Monitor(), ResultPage()
        self._log = RunLog()
        self.tabs = QTabWidget()
        self.tabs.setObjectName("runTabs")
        self.tabs.addTab(self.monitor, tr("Progress"))
        self.tabs.addTab(self.results, tr("Results"))
        self.tabs.addTab(self._log, tr("Log"))
        main = QVBoxLayout()
        main.addLayout(self._make_head())
        main.addWidget(self.tabs, 1)
        main.addLayout(self._make_buttons())
        layout = QHBoxLayout(self)
        left = QWidget()
        left.setFixedWidth(216)
        side.setContentsMargins(0, 0, 0, 0)
        left.setLayout(side)
        layout.addWidget(left)
        layout.addLayout(main, 1)

    def _make_head(self) -> QHBoxLayout:
        self._name = QLabel(" ")
        self._name.setObjectName("runTitle")
        self._name.setAccessibleName(tr("Run"))
        self._state = QLabel(" ")
        self._state.setObjectName("runState")
        self._state.setAccessibleName(tr("State of the run"))
        self._synthetic = QLabel(" ")
        self._synthetic.setObjectName("syntheticBadge")
        row = QHBoxLayout()
        row.addWidget(self._name)
        row.addSpacing(12)
        row.addWidget(self._state)
        row.addStretch(1)
        row.addWidget(self._synthetic)
        return row

    def _make_buttons(self) -> QHBoxLayout:
        self._pause = _button("pauseTraining", tr("&Pause"))
        self._pause.setMinimumWidth(100)
        self._cancel = _button("cancelTraining", tr("Cancel training…"))
        close = _button("closeRetrain", tr("&Close"))
        close.setToolTip(tr("The training goes on; Tools > Retrain shows it again."))
        close.clicked.connect(self.close)
        notice = QLabel(tr("Research use only"))
        notice.setObjectName("researchNotice")
        row = QHBoxLayout()
        row.addWidget(self._pause)
        row.addWidget(self._cancel)
        row.addStretch(1)
        row.addWidget(notice)
        row.addSpacing(10)
        row.addWidget(close)
        return row

    def _connect(self) -> None:
        self._new.clicked.connect(lambda *_: self.new_wanted.emit())
        self._reproduce.clicked.connect(lambda *_: self.reproduction_wanted.emit())
        self._list.currentItemChanged.connect(self._select)
        self._pause.clicked.connect(self._pause_or_resume)
        self._cancel.clicked.connect(self._ask_cancel)
        self.tabs.currentChanged.connect(self._show_log)
        bar = self.results.bar
        bar.report_wanted.connect(self._open_report)
        bar.install_wanted.connect(self._install)
        bar.discard_wanted.connect(self._ask_discard)
        self._shelf.chosen.connect(self._installed)
        self._shelf.failed.connect(self._not_installed)
        self._shelf.busy_changed.connect(self._show_run)

    # --- the runs

    def refresh(self, wanted: Path | None = None) -> None:
        """Look for runs again, and select ``wanted``, else keep the selection, else the first that is alive or the newest."""
        runs = [self._launcher.read(path) for path in find_runs(self._runs)]
        current = wanted or (self._run.directory if self._run else None)
        if current not in [run.directory for run in runs]:
            current = next((run.directory for run in runs if run.state.alive), runs[0].directory if runs else None)
        self._list.blockSignals(True)
        while self._list.count() > len(runs):
            self._list.takeItem(self._list.count() - 1)
        for i, run in enumerate(runs):
            item = self._list.item(i) or QListWidgetItem(self._list)
            text = tr("{name}\n{state}", name=run.name, state=state_words(run))
            if item.text() != text:
                item.setText(text)
            item.setData(Qt.ItemDataRole.UserRole, run.directory)
            if run.directory == current:
                self._list.setCurrentItem(item)
        self._list.blockSignals(False)
        self._select()

    @property
    def runs(self) -> list[Path]:
        """Folders of the runs listed."""
        return [self._list.item(i).data(Qt.ItemDataRole.UserRole) for i in range(self._list.count())]

    @Slot()
    def _select(self) -> None:
        item = self._list.currentItem()
        folder = item.data(Qt.ItemDataRole.UserRole) if item is not None else None
        if folder is None or (self._run is not None and self._run.directory == folder):
            return
        self._tail, self._progress, self._results = EventTail(folder / EVENTS), Progress(), None
        self._run = self._launcher.read(folder)
        self.monitor.begin()
        self.results.begin()
        finished = self._run.state is RunState.FINISHED
        self.tabs.setCurrentIndex(_RESULTS if finished else _PROGRESS)
        # Its name and its models at once: reading the events of a long run takes many ticks.
        self._show_run()
        self._tick()

    @Slot()
    def _tick(self) -> None:
        """Read what is new, within a part of a frame, and show it."""
        if self._tail is None or self._run is None:
            return
        deadline, behind = time.monotonic() + _BUDGET_S, True
        while behind and time.monotonic() < deadline:
            events, behind = self._tail.read()
            for event in events:
                self._progress.apply(event)
        before = self._run
        self._run = self._launcher.read(self._run.directory)
        self._ticks += 1
        if not behind:
            self._show_run()
            self.monitor.show_progress(self._run, self._progress)
            if self._run.state is RunState.FINISHED and before.state is not RunState.FINISHED:
                self.tabs.setCurrentIndex(_RESULTS)
            self._show_log()
        if self.isVisible():
            self._timer.start(_BEHIND_MS if behind else _TICK_MS)
        if self._ticks % _LIST_EVERY == 0 or before.state is not self._run.state:
            self.refresh()

    @Slot()
    def _show_run(self) -> None:
        run = self._run
        if run is None:
            return
        synthetic = run.synthetic if run.synthetic is not None else self._progress.synthetic
        self._name.setText(run.name)
        self._state.setText(state_words(run))
        self._synthetic.setText(tr("Synthetic data") if synthetic else " ")
        finished = run.state is RunState.FINISHED
        self.tabs.setTabEnabled(_RESULTS, finished)
        paused, dead = run.state is RunState.PAUSED, run.state.resumable
        self._pause.setText(tr("&Resume") if paused or dead else tr("&Pause"))
        may = (run.state is RunState.RUNNING or paused) and not run.requested
        self._pause.setEnabled(may or (dead and not run.discarded))
        self._cancel.setEnabled(run.state.alive and run.state is not RunState.STARTING and run.requested != "cancel")
        if finished:
            self.results.bar.show_state(run, busy=self._shelf.busy, bundles=bundles_of(run.directory))
            self._load_results(run)

    # --- pausing, resuming, cancelling

    def _try(self, act: Callable[[], None]) -> None:
        """Do ``act``; what goes wrong becomes one sentence."""
        try:
            act()
        except (HyRiskError, OSError) as e:
            self._show_error(e)
        if self._run is not None:
            self._run = self._launcher.read(self._run.directory)
            self._show_run()
        self.refresh()
        self._timer.start(0)

    def _show_error(self, error: Exception) -> None:
        ErrorDialog(error, self).open()

    @Slot()
    def _pause_or_resume(self) -> None:
        run = self._run
        if run is None:
            return
        if run.state.resumable:
            self._try(lambda: self._launcher.resume(run.directory))
        else:
            what = "resume" if run.state is RunState.PAUSED else "pause"
            self._try(lambda: request(run.directory, what))

    @Slot()
    def _ask_cancel(self) -> None:
        if self._run is not None:
            folder = self._run.directory
            question = tr("Cancel this training? It stops at its next checkpoint, and can be resumed later.")
            self._ask(question, tr("Cancel training"), lambda: self._try(lambda: request(folder, "cancel")))

    def _ask(self, question: str, yes: str, act: Callable[[], None]) -> None:
        box = QMessageBox(QMessageBox.Icon.Question, tr("Retrain"), question, parent=self)
        box.setObjectName("retrainQuestion")
        box.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        accept = box.addButton(yes, QMessageBox.ButtonRole.AcceptRole)
        accept.setObjectName("questionYes")
        accept.clicked.connect(act)
        keep = box.addButton(tr("Leave it"), QMessageBox.ButtonRole.RejectRole)
        box.setDefaultButton(keep)
        give_letters(box)
        box.open()

    # --- results

    def _load_results(self, run: Run) -> None:
        folder = run.directory
        if self._results is not None and self._results[0] == folder:
            return
        self._results = (folder, None)

        def current(show: Callable[[Any], None]) -> Callable[[Any], None]:
            # Another run may have been selected meanwhile.
            return lambda value: show(value) if self._results is not None and self._results[0] == folder else None

        def work(_: object) -> AnyResults:
            return load_any(run.kind, folder)

        job = Job("reading the results of a run", work, current(self._show_results), current(self._show_error))
        self._runner.run_io(job)

    def _show_results(self, results: AnyResults) -> None:
        if self._run is not None:
            self._results = (self._run.directory, results)
            self.results.show_results(results)

    @Slot()
    def _open_report(self) -> None:
        if self._run is not None:
            QDesktopServices.openUrl(QUrl.fromLocalFile(str(self._run.directory / REPORT)))

    @Slot()
    def _install(self) -> None:
        bundle = self.results.bar.bundle
        if self._run is None or bundle is None or self._shelf.busy:
            return
        folder, results = self._run.directory, self._results[1] if self._results else None

        def install() -> None:
            self._installing = folder
            self._shelf.import_model(bundle, self._device or None, anyway=True)

        caution = tr("The results of this run are not known.") if results is None else results.doubt
        if caution:
            question = tr("{caution} Install and use this model all the same?", caution=caution)
            self._ask(question, tr("Install all the same"), install)
        else:
            install()

    @Slot(object)
    def _installed(self, model: object) -> None:
        folder, self._installing = self._installing, None
        if folder is not None:
            self._try(lambda: mark(folder, installed=getattr(model, "name", "")))

    @Slot(object)
    def _not_installed(self, _: Exception) -> None:
        # The program shows every failure of the shelf; here it only ends the waiting.
        if self._installing is not None:
            self._installing = None
            self._show_run()

    @Slot()
    def _ask_discard(self) -> None:
        if self._run is not None:
            folder = self._run.directory
            question = tr(
                "Delete the model of this run? Its log, results and report are kept; an installed copy stays."
            )
            self._ask(question, tr("Discard model"), lambda: self._try(lambda: discard(folder)))

    # --- the log

    @Slot()
    def _show_log(self) -> None:
        if self._run is not None and self.tabs.currentIndex() == _LOG:
            self._log.show_run(self._run.directory)

    # --- showing

    def showEvent(self, event: QShowEvent) -> None:
        """Watch while somebody looks."""
        give_letters(self)
        super().showEvent(event)
        self._timer.start(0)

    def hideEvent(self, event: QHideEvent) -> None:
        """The training goes on unwatched."""
        self._timer.stop()
        super().hideEvent(event)


def _button(name: str, text: str) -> QPushButton:
    button = QPushButton(text)
    button.setObjectName(name)
    return button
