"""The way to a new training: cohort, check, choices. Not modal: reading goes on beside it."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import Qt, Signal, Slot
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QPushButton, QStackedWidget, QVBoxLayout, QWidget

from hyrisk_desktop.errors import HyRiskError
from hyrisk_desktop.gui.appearance import colour
from hyrisk_desktop.gui.dialogs.message import ErrorDialog
from hyrisk_desktop.gui.letters import LetteredDialog
from hyrisk_desktop.gui.retrain.check_page import CheckPage
from hyrisk_desktop.gui.retrain.cohort_page import CohortPage
from hyrisk_desktop.gui.retrain.reproduction_choices import ReproductionPage
from hyrisk_desktop.gui.retrain.run_files import remember_run, run_folder
from hyrisk_desktop.gui.retrain.training_page import TrainingPage
from hyrisk_desktop.gui.retrain.training_process import Launcher
from hyrisk_desktop.gui.retrain.validation_choices import ValidationPage
from hyrisk_desktop.gui.services.job_runner import JobRunner
from hyrisk_desktop.i18n import tr
from hyrisk_desktop.training_run import REPRODUCTION, TRAINING, VALIDATION

_LAST = 2


class RetrainWizard(LetteredDialog):
    """Three pages, then Start.

    Args:
        runs: folder of the runs. model: the installed model bundle's folder.

    Signals:
        started: the folder of the run that was started.
    """

    started = Signal(object)

    def __init__(
        self, runner: JobRunner, launcher: Launcher, runs: Path, model: Path, parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self.setObjectName("retrainWizard")
        self.setWindowTitle(tr("Retrain: new training"))
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.resize(880, 660)
        self._launcher, self._runs = launcher, runs
        self.cohort_page = CohortPage()
        self.check_page = CheckPage(runner, launcher.command)
        self.training_page = TrainingPage(runner, launcher.command, runs, model)
        self.reproduction_page = ReproductionPage(runner, launcher.command, runs)
        self.validation_page = ValidationPage(runs, model)
        self._last_pages: dict[str, TrainingPage | ReproductionPage | ValidationPage] = {
            TRAINING: self.training_page,
            REPRODUCTION: self.reproduction_page,
            VALIDATION: self.validation_page,
        }
        self._stack = QStackedWidget()
        for page in (self.cohort_page, self.check_page, *self._last_pages.values()):
            self._stack.addWidget(page)
            page.changed.connect(self._show_states)
        self._steps = QLabel()
        self._steps.setObjectName("wizardSteps")
        self._steps.setTextFormat(Qt.TextFormat.RichText)
        row = self._make_buttons()
        rule = QFrame()
        rule.setFixedHeight(1)
        rule.setObjectName("rule")
        layout = QVBoxLayout(self)
        layout.addWidget(self._steps)
        layout.addWidget(rule)
        layout.addWidget(self._stack, 1)
        layout.addLayout(row)
        # Enter goes on from anywhere: no other button may take it.
        for button in self.findChildren(QPushButton):
            button.setAutoDefault(button is self._next)
        self._show_states()

    def _make_buttons(self) -> QHBoxLayout:
        self._back, self._next = QPushButton(tr("&Back")), QPushButton(tr("&Next"))
        self._back.setObjectName("wizardBack")
        self._next.setObjectName("wizardNext")
        self._next.setDefault(True)
        self._next.setMinimumWidth(110)
        cancel = QPushButton(tr("Cancel"))
        cancel.setObjectName("wizardCancel")
        self._back.clicked.connect(self._go_back)
        self._next.clicked.connect(self._go_on)
        cancel.clicked.connect(self.reject)
        notice = QLabel(tr("Research use only"))
        notice.setObjectName("researchNotice")
        row = QHBoxLayout()
        row.addWidget(notice, 1)
        for button in (self._back, self._next, cancel):
            row.addWidget(button)
        return row

    @property
    def page(self) -> int:
        """Number of the page on show, from 0; every goal has its choices on the last one."""
        return min(self._stack.currentIndex(), _LAST)

    @property
    def _choices(self) -> TrainingPage | ReproductionPage | ValidationPage:
        return self._last_pages[self.cohort_page.goal]

    @Slot()
    def _go_on(self) -> None:
        if not self._may_go_on():
            return
        if self.page == _LAST:
            self._start()
            return
        cohort = self.cohort_page.cohort()
        if self.page == 0 and cohort is not None:
            self.check_page.check(cohort)
        if self.page == 1 and cohort is not None:
            self._choices.begin(cohort, usable=self.check_page.usable)
            self._stack.setCurrentWidget(self._choices)
        else:
            self._stack.setCurrentIndex(self.page + 1)
        self._show_states()

    @Slot()
    def _go_back(self) -> None:
        self._stop()
        self._stack.setCurrentIndex(max(0, self.page - 1))
        self._show_states()

    def _may_go_on(self) -> bool:
        if self.page == 0:
            return self.cohort_page.cohort() is not None
        return self.check_page.ready if self.page == 1 else self._choices.problem() == ""

    @Slot()
    def _show_states(self) -> None:
        last = {TRAINING: tr("3  Training"), REPRODUCTION: tr("3  The paper"), VALIDATION: tr("3  Validation")}
        names = (tr("1  Cohort"), tr("2  Check"), last[self.cohort_page.goal])
        parts = (
            f'<span style="color:{colour("strong" if i == self.page else "quiet").name()}; font-weight:{600 if i == self.page else 400}">'
            f"{name}</span>"
            for i, name in enumerate(names)
        )
        self._steps.setText("&nbsp;&nbsp;&nbsp;›&nbsp;&nbsp;&nbsp;".join(parts))
        self._back.setEnabled(self.page > 0)
        self._allow_next(self._may_go_on())
        self._next.setText(tr("&Start") if self.page == _LAST else tr("&Next"))

    def _allow_next(self, may: bool) -> None:
        """Switch the button; while it's off the keyboard waits on the page, or Qt would hand it to Cancel."""
        waiting = self.focusWidget() in (self._next, self._stack)
        if waiting and not may:
            self._stack.setFocus()
        self._next.setEnabled(may)
        if waiting and may:
            self._next.setFocus()

    def _start(self) -> None:
        page, place = self._choices, self._choices.place
        run = run_folder(place.run_parent(), place.run_name())
        try:
            self._launcher.start(run, page.plan().arguments(), place.run_name(), self.cohort_page.goal)
            remember_run(self._runs, run)
        except (HyRiskError, OSError) as e:
            ErrorDialog(e, self).open()
            return
        self.started.emit(run)
        self.close()

    def _stop(self) -> None:
        for page in (self.check_page, *self._last_pages.values()):
            page.cancel()

    def done(self, result: int) -> None:
        """Leave no process behind that nobody waits for."""
        self._stop()
        super().done(result)
