"""The main window: assembles the parts and decides nothing."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import QByteArray, QSize, Slot
from PySide6.QtGui import QAction, QCloseEvent, QDragEnterEvent, QDropEvent, QKeyEvent, QResizeEvent, QShowEvent
from PySide6.QtWidgets import (
    QHBoxLayout,
    QMainWindow,
    QMenu,
    QWidget,
)

from hyrisk_desktop.gui.actions import Menus, action_table
from hyrisk_desktop.gui.application import Services
from hyrisk_desktop.gui.commands import Commands
from hyrisk_desktop.gui.heart.panel import HeartPanel
from hyrisk_desktop.gui.leaving import leave_unsaved
from hyrisk_desktop.gui.own_keys import use_keys
from hyrisk_desktop.gui.panels.calcium_panel import CalciumPanel
from hyrisk_desktop.gui.panels.findings_panel import FindingsPanel
from hyrisk_desktop.gui.panels.grade_panel import GradePanel
from hyrisk_desktop.gui.panels.reading_panel import Part, ReadingPanel
from hyrisk_desktop.gui.panels.risk_panel import RiskPanel
from hyrisk_desktop.gui.prior.change_panel import ChangePanel
from hyrisk_desktop.gui.prior.pane import PriorPane
from hyrisk_desktop.gui.prior.service import Layout
from hyrisk_desktop.gui.reading_area import ReadingArea
from hyrisk_desktop.gui.recent_exams import RecentExams
from hyrisk_desktop.gui.start_page import StartPage
from hyrisk_desktop.gui.state import Tool
from hyrisk_desktop.gui.status_line import StatusBar
from hyrisk_desktop.gui.viewer.desk import Desk
from hyrisk_desktop.gui.viewer.memory import ViewMemory
from hyrisk_desktop.gui.worklist.panel import WorklistPanel
from hyrisk_desktop.i18n import tr
from hyrisk_desktop.paths import views_path


class MainWindow(QMainWindow):
    """Images on the left, the reading panel on the right, status and progress below."""

    def __init__(self, services: Services) -> None:
        super().__init__()
        self._services = services
        self.closed = False
        """The window has been closed for good, and its services with it."""
        self.setObjectName("mainWindow")
        self.setAcceptDrops(True)
        self.desk = Desk(services.session)
        self.prior_pane = PriorPane(self.desk, services.session, services.priors)
        self.commands = Commands(services, self.desk, self)
        self._menus = Menus(self.menuBar(), self, self.commands.run, submenu_of_view=tr("Window preset"))
        self._show_actions()
        self.actions_by_key: dict[str, QAction] = self._menus.actions
        self._need_exam = [spec.key for spec in action_table() if spec.key and spec.needs_exam]
        recent = RecentExams(services.settings, services.loader, self)
        file_menu = self.actions_by_key["open_folder"].associatedObjects()[-1]
        assert isinstance(file_menu, QMenu)
        file_menu.insertMenu(self.actions_by_key["open_demonstration"], recent)
        self._assemble()
        self._bar = StatusBar(services.session, services.worklist, self)
        self.status = self._bar.line
        for part in (self.commands.reading_files.show_folder, self.commands.training_state):
            self._bar.insertPermanentWidget(1, part)
        self.setStatusBar(self._bar)
        self._add_start_page()
        self._connect()
        self.desk.set_overlay_level(services.settings["overlay_level"])
        self._restore_layout()
        self._show_exam()
        self._show_states()

    def _assemble(self) -> None:
        """From the outside in: with a style sheet each new parent of a part styles all that the part holds anew."""
        session = self._services.session
        central = QWidget()
        self.setCentralWidget(central)
        row = QHBoxLayout(central)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(0)
        width, _, columns = self._services.settings["worklist_state"].partition("|")
        self.worklist_panel = WorklistPanel(self._services.worklist, columns)
        self.worklist_panel.setVisible(False)
        self._area = ReadingArea(self.worklist_panel, self.desk, int(width) if width.isdigit() else 0, central)
        row.addWidget(self._area, 1)
        self.grade_panel = GradePanel(session)
        self.calcium_panel = CalciumPanel(session)
        self.heart_panel = HeartPanel(session)
        self.commands.heart.set_table(self.heart_panel.table)
        risk, findings = RiskPanel(session), FindingsPanel(session)
        change = ChangePanel(session, self._services.priors)
        self.reading_panel = ReadingPanel(
            (
                Part(self.grade_panel, compact=self.grade_panel.set_compact),
                Part(self.heart_panel, title=tr("Whole heart"), compact=self.heart_panel.set_compact),
                Part(risk, compact=risk.set_compact),
                Part(change, title=tr("Change")),
                Part(findings, 2, tr("Findings")),
                Part(self.calcium_panel, 3, tr("Lesions"), self.calcium_panel.details),
            ),
            rest=findings,
            parent=central,
        )
        row.addWidget(self.reading_panel)
        self.grade_panel.vessels.setVisible(self._services.settings["per_vessel"])

    def _add_start_page(self) -> None:
        services = self._services
        page = StartPage(
            services.session, services.worklist, services.settings, services.runner, self.actions_by_key,
            services.loader.open_path, self.desk,
        )  # fmt: skip
        page.list_wanted.connect(lambda chosen: services.worklist.open_list(chosen, open_place=True))
        self.views = ViewMemory(services.session, self.desk, views_path(), services.runner, self)
        self.views.load()

    def _connect(self) -> None:
        session, loader = self._services.session, self._services.loader
        session.exam_changed.connect(self._show_exam)
        for signal in (
            session.exam_changed,
            session.read_changed,
            self._services.worklist.list_changed,
            self.desk.tool_changed,
            self.commands.states_changed,
        ):
            signal.connect(self._show_states)
        loader.progressed.connect(self._bar.show_progress)
        loader.progressed.connect(self._show_loading)
        loader.idle.connect(self._bar.hide_progress)
        loader.idle.connect(self._show_states)
        loader.opened.connect(self._remember)
        loader.opened.connect(self._remark)
        self.commands.message.connect(self.status.say)
        self.status.text_changed.connect(self.commands.reading_files.follow_status)
        self.commands.preferences.applied.connect(self._follow_settings)
        worklist = self.commands.worklist
        worklist.shown_changed.connect(self.worklist_panel.setVisible)
        worklist.per_vessel_changed.connect(self.grade_panel.vessels.setVisible)
        worklist.search_wanted.connect(self.worklist_panel.focus_search)
        self._services.store.trouble.connect(self._bar.show_trouble)
        self._services.store.shared.connect(self._bar.show_shared)
        self.worklist_panel.entered.connect(self.desk.focus_image)
        self.grade_panel.entered.connect(self.desk.focus_image)

    # --- showing

    @Slot()
    def _show_exam(self) -> None:
        exam = self._services.session.exam
        name = tr("HyRisk Desktop – research use only")
        blinded = self._services.session.blinded
        what = tr("Blinded exam") if blinded else (exam and exam.record.description) or tr("Exam")
        self.setWindowTitle(f"{what} – {name}" if exam else name)

    @Slot()
    def _remark(self) -> None:
        """Why this series and not another."""
        exam = self._services.session.exam
        self.status.remark(exam.record.reason if exam is not None else "")

    @Slot()
    def _show_states(self) -> None:
        session = self._services.session
        for key in self._need_exam:
            self.actions_by_key[key].setEnabled(session.can_measure)
        self.actions_by_key["undo"].setEnabled(session.can_undo)
        self.actions_by_key["redo"].setEnabled(session.can_redo)
        self.actions_by_key["cancel_loading"].setEnabled(self._services.loader.loading)
        self.actions_by_key["place_centre"].setChecked(self.desk.tool is Tool.PLACE_CENTRE)
        self.actions_by_key["ruler"].setChecked(self.desk.tool is Tool.RULER)
        self.actions_by_key["probe"].setChecked(self.desk.tool is Tool.PROBE)
        self.actions_by_key["oblique"].setChecked(self.commands.oblique_plane.on)
        self.actions_by_key["explain_risk"].setChecked(session.explaining)
        self.actions_by_key["prior_flip"].setChecked(self._services.priors.layout is Layout.FLIPPED)
        self.actions_by_key["prior_unlink"].setChecked(not self._services.priors.linked)
        reading_list = self._services.worklist.reading_list
        self.actions_by_key["read_blinded"].setChecked(reading_list is not None and reading_list.blinded)
        self.actions_by_key["show_worklist"].setChecked(self.commands.worklist.shown)
        self.actions_by_key["per_vessel_grades"].setChecked(self._services.settings["per_vessel"])
        self.actions_by_key["whole_heart"].setChecked(session.read.whole_heart)
        self.actions_by_key["lasso"].setChecked(self.commands.heart.lasso.isVisible())
        self.actions_by_key["whole_heart_box"].setChecked(session.read.box is not None)

    def _show_actions(self) -> None:
        table = action_table(self._services.settings)
        self._menus.show(table)
        use_keys(action_table(), table)

    @Slot(object)
    def _follow_settings(self, changed: frozenset[str]) -> None:
        settings = self._services.settings
        self.grade_panel.vessels.setVisible(settings["per_vessel"])
        self._show_actions()
        self._show_states()
        # Texts on the images may name other keys now.
        self._services.session.view_changed.emit()

    @Slot()
    def _show_loading(self) -> None:
        self.actions_by_key["cancel_loading"].setEnabled(self._services.loader.loading)

    # --- recent exams and drops

    @Slot(object)
    def _remember(self, path: Path | None) -> None:
        exam = self._services.session.exam
        if path is not None and exam is not None and not exam.synthetic:
            self._services.settings.add_recent(path)

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        """Files and folders may be dropped anywhere on the window."""
        if any(url.isLocalFile() for url in event.mimeData().urls()):
            event.acceptProposedAction()

    def dropEvent(self, event: QDropEvent) -> None:
        """Open the first file or folder dropped."""
        files = [url.toLocalFile() for url in event.mimeData().urls() if url.isLocalFile()]
        if files:
            event.acceptProposedAction()
            self.open_path(Path(files[0]))

    def open_path(self, path: Path) -> None:
        """Open what lies at ``path``, as if it was dropped here."""
        self._services.worklist.open_path(path)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """A key whose action is switched off now: say why, instead of nothing."""
        if not self.commands.refuse(event.keyCombination(), self.actions_by_key):
            super().keyPressEvent(event)

    # --- layout

    def sizeHint(self) -> QSize:
        """A size that suits a full-HD screen."""
        return QSize(1500, 940)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """The panel's width depends on the window's."""
        super().resizeEvent(event)
        self.reading_panel.fit_width()

    def _restore_layout(self) -> None:
        settings = self._services.settings
        geometry = QByteArray.fromBase64(settings["window_geometry"].encode())
        if geometry.isEmpty() or not self.restoreGeometry(geometry):
            available = self.screen().availableGeometry()
            self.resize(self.sizeHint().boundedTo(available.size()))
        self.desk.restore_layout(settings["window_state"])

    def showEvent(self, event: QShowEvent) -> None:
        """The images get the keyboard first."""
        super().showEvent(event)
        self.desk.focus_image()

    def closeEvent(self, event: QCloseEvent) -> None:
        """Keep the layout; stop all work. Reads that can't be saved are not thrown away without a word."""
        if event.spontaneous() and self.commands.asks_before_leaving():
            event.ignore()
            return
        store = self._services.store
        if store.unsaved and store.flush() and not leave_unsaved(store.unsaved, self, kept=store.kept_on_disk):
            event.ignore()
            return
        settings = self._services.settings
        settings["window_geometry"] = bytes(self.saveGeometry().toBase64().data()).decode()
        settings["window_state"] = self.desk.layout_state()
        settings["worklist_state"] = f"{self._area.width_of_list}|{self.worklist_panel.layout_state()}"
        # Waiting for the worker may take seconds while torch is being imported: nobody should look at a dead window.
        self.hide()
        self.views.flush()
        self.closed = True
        self.commands.retraining.close()
        self._services.close()
        super().closeEvent(event)
