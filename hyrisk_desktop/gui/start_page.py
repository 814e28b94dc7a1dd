"""What stands where the images will be before there are any: the ways to begin, and where one stopped."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, QTimer, Signal, Slot
from PySide6.QtGui import QAction, QResizeEvent
from PySide6.QtWidgets import (
    QBoxLayout,
    QLabel,
    QListWidget,
    QListWidgetItem,
    QPushButton,
    QScrollArea,
    QVBoxLayout,
    QWidget,
)

from hyrisk_desktop.demonstration import demonstration_ready
from hyrisk_desktop.gui.appearance import scaled
from hyrisk_desktop.gui.letters import plain
from hyrisk_desktop.gui.services.job_runner import Job, JobRunner
from hyrisk_desktop.gui.session import Session
from hyrisk_desktop.gui.viewer.cover import Cover
from hyrisk_desktop.gui.worklist.controller import Worklist
from hyrisk_desktop.i18n import day_text, tr
from hyrisk_desktop.settings import Settings
from hyrisk_desktop.worklist.records import Reader, ReadingList

if TYPE_CHECKING:
    from hyrisk_desktop.worklist.overview import ListOverview
    from hyrisk_desktop.worklist.store import Store

WAYS = ("open_folder", "open_file", "open_exams", "show_pacs", "open_demonstration", "show_manual")
"""Actions that the page has a button for, the way a reader begins most often first."""
_ITEM = Qt.ItemDataRole.UserRole
_LOOK_AGAIN_MS = 300
_LIST_PX = 300
"""What a list beside the buttons needs with its margins, at a text of 100 %."""


class StartPage(QWidget):
    """Covers ``desk`` while no exam is shown.

    Args:
        actions: the window's, by key. open_path: opens an exam opened before.
    """

    list_wanted = Signal(object)
    """A `ReadingList` that the reader wants to go on with."""

    def __init__(
        self,
        session: Session,
        worklist: Worklist,
        settings: Settings,
        runner: JobRunner,
        actions: dict[str, QAction],
        open_path: Callable[[Path], None],
        desk: QWidget,
    ) -> None:
        super().__init__(desk)
        self.setObjectName("startPage")
        self.setAccessibleName(tr("Start page"))
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self._session, self._worklist, self._settings, self._runner = session, worklist, settings, runner
        self._open_path, self._desk = open_path, desk
        self._found: list[ListOverview] = []
        self._assemble(actions)
        self._later = QTimer(self, interval=_LOOK_AGAIN_MS)
        self._later.setSingleShot(True)
        self._later.timeout.connect(self._look)
        for signal in (session.exam_changed, worklist.list_changed, worklist.ready):
            signal.connect(self._follow)
        worklist.rows_changed.connect(self._look_soon)
        Cover(self, desk)
        self._follow()

    def _assemble(self, actions: dict[str, QAction]) -> None:
        title = QLabel("HyRisk Desktop")
        title.setObjectName("startTitle")
        notice = QLabel(tr("Research use only. Not for diagnosis or treatment."))
        notice.setObjectName("researchNotice")
        notice.setWordWrap(True)
        self._demonstration = QLabel()
        self._demonstration.setObjectName("caption")
        self._demonstration.setWordWrap(True)
        ways, right = QVBoxLayout(), QVBoxLayout()
        for column in (ways, right):
            # Else the space between the columns stands between the buttons as well, and a notebook's screen cuts the last line.
            column.setSpacing(scaled(6))
        for key in WAYS:
            ways.addWidget(_button(actions[key]))
        ways.addWidget(self._demonstration)
        ways.addStretch(1)
        self.lists, self._lists_box = _list("startLists", tr("Worklists"), self._choose_list)
        self.exams, self._exams_box = _list("startExams", tr("Exams opened last"), self._choose_exam)
        right.addWidget(self._lists_box, 1)
        right.addWidget(self._exams_box, 1)
        self._ways, self._columns = ways, QBoxLayout(QBoxLayout.Direction.LeftToRight)
        self._columns.setSpacing(scaled(24))
        self._columns.addLayout(ways, 2)
        self._columns.addLayout(right, 3)
        scroll, inner = QScrollArea(), QWidget()
        scroll.setObjectName("startScroll")
        scroll.setWidgetResizable(True)
        scroll.setFrameShape(QScrollArea.Shape.NoFrame)
        scroll.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        whole = QVBoxLayout(self)
        whole.setContentsMargins(0, 0, 0, 0)
        # From the outside in, as in the main window.
        whole.addWidget(scroll)
        scroll.setWidget(inner)
        layout = QVBoxLayout(inner)
        layout.setContentsMargins(*(scaled(px) for px in (16, 20, 16, 20)))
        layout.addWidget(title)
        layout.addWidget(notice)
        layout.addSpacing(scaled(12))
        layout.addLayout(self._columns, 1)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """One column below the other where the texts of both would be cut."""
        super().resizeEvent(event)
        wide = self.width() >= self._ways.minimumSize().width() + scaled(_LIST_PX)
        direction = QBoxLayout.Direction
        self._columns.setDirection(direction.LeftToRight if wide else direction.TopToBottom)

    @Slot()
    def _follow(self) -> None:
        wanted = self._session.exam is None
        if wanted == self.isHidden():
            self.setGeometry(self._desk.rect())
            self.setVisible(wanted)
            self.raise_()
        if wanted:
            self._show_exams()
            self._look_soon()

    @Slot()
    def _look_soon(self) -> None:
        if self._session.exam is None:
            self._later.start()

    @Slot()
    def _look(self) -> None:
        """Ask the store and the disk, off this thread."""
        reader = self._worklist.reader
        if self._session.exam is not None:
            return
        if reader is not None:
            self._worklist.store.ask(lambda store: _lists(store, reader), self._show_lists, lambda _: None)
        job = Job("looking for the demonstration", lambda _: demonstration_ready(), self._show_ready, lambda _: None)
        self._runner.run_io(job)

    # --- what is shown

    def _show_lists(self, found: list[ListOverview]) -> None:
        if found == self._found:
            # Nothing new: the row in hand stays, and so does a button that is held down.
            return
        self._found = found
        self.lists.clear()
        for row in found:
            item = QListWidgetItem(_words(row))
            item.setData(_ITEM, row.reading_list)
            item.setToolTip("" if row.reading_list.blinded else str(row.reading_list.root))
            self.lists.addItem(item)
        self._lists_box.setVisible(bool(found))

    def _show_exams(self) -> None:
        names: list[str] = self._settings["recent_exams"]
        self.exams.clear()
        for name in names:
            path = Path(name)
            item = QListWidgetItem(f"{path.name}\n{path.parent}")
            item.setData(_ITEM, name)
            self.exams.addItem(item)
        self._exams_box.setVisible(bool(names))

    def _show_ready(self, ready: bool) -> None:
        text = tr("The demonstration exam is a synthetic phantom and no patient.")
        self._demonstration.setText(
            text if ready else text + tr(" It is being made, or is made when it is opened: half a minute.")
        )

    @Slot(QListWidgetItem)
    def _choose_list(self, item: QListWidgetItem) -> None:
        chosen = item.data(_ITEM)
        if isinstance(chosen, ReadingList):
            self.list_wanted.emit(chosen)

    @Slot(QListWidgetItem)
    def _choose_exam(self, item: QListWidgetItem) -> None:
        self._open_path(Path(item.data(_ITEM)))


def _lists(store: Store, reader: Reader) -> list[ListOverview]:
    from hyrisk_desktop.worklist.overview import overview

    return overview(store, reader)


def _words(row: ListOverview) -> str:
    name = (
        tr("{name} – read blinded", name=row.reading_list.name) if row.reading_list.blinded else row.reading_list.name
    )
    how_far = tr("{graded} of {exams} graded", graded=row.graded, exams=row.exams)
    if not row.stopped_at:
        return tr("{name}\n{how_far}, not begun", name=name, how_far=how_far)
    return tr("{name}\n{how_far}, last on {day}", name=name, how_far=how_far, day=_day(row.stopped_at))


def _day(moment: str) -> str:
    """The day of a stored moment where the reader sits: they are kept in UTC."""
    return day_text(datetime.fromisoformat(moment).astimezone().strftime("%Y%m%d"))


def _button(action: QAction) -> QPushButton:
    """Does what the action does, and names its keys, whichever it has by now."""
    button = QPushButton()
    button.setObjectName(f"start_{action.objectName()}")
    button.clicked.connect(action.trigger)

    def name() -> None:
        keys = action.shortcut().toString(action.shortcut().SequenceFormat.NativeText)
        text = plain(action.text())
        button.setText(tr("{text}   {keys}", text=text, keys=keys) if keys else text)

    action.changed.connect(name)
    name()
    return button


def _list(name: str, title: str, choose: Callable[[QListWidgetItem], None]) -> tuple[QListWidget, QWidget]:
    """A list under its title, and the box of both."""
    box = QWidget()
    heading = QLabel(title)
    heading.setObjectName("heading")
    found = QListWidget()
    found.setObjectName(name)
    found.setAccessibleName(title)
    found.setTextElideMode(Qt.TextElideMode.ElideMiddle)
    found.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
    found.setMinimumHeight(scaled(110))
    found.itemActivated.connect(choose)
    found.itemClicked.connect(choose)
    layout = QVBoxLayout(box)
    layout.setContentsMargins(0, 0, 0, 0)
    layout.addWidget(heading)
    layout.addWidget(found)
    box.setVisible(False)
    return found, box
