"""Help > Manual: the pages, a search in all of them, and the way back."""

from __future__ import annotations

from dataclasses import dataclass, replace

from PySide6.QtCore import Qt, QTimer, QUrl, Slot
from PySide6.QtGui import QDesktopServices, QImage, QKeySequence
from PySide6.QtWidgets import (
    QDialogButtonBox,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QListWidget,
    QListWidgetItem,
    QPushButton,
    QSplitter,
    QVBoxLayout,
    QWidget,
)

from hyrisk_desktop.gui.dialogs.manual_page import PageView, load_pictures
from hyrisk_desktop.gui.dialogs.message import describe
from hyrisk_desktop.gui.letters import LetteredDialog
from hyrisk_desktop.gui.services.job_runner import Job, JobRunner
from hyrisk_desktop.i18n import tr
from hyrisk_desktop.manual import INDEX, Page, find_page, read_pages, search, topic_of

_TOPIC = Qt.ItemDataRole.UserRole
_DELAY_MS = 120


@dataclass(frozen=True, slots=True)
class _Place:
    """Where the reader was: a page and how far it was scrolled."""

    topic: str
    scroll: int = 0


class ManualWindow(LetteredDialog):
    """A window beside the reading; closing it hides it, and it comes back where it was.

    Args:
        runner: reads the pages and their pictures off the GUI thread.
    """

    def __init__(self, runner: JobRunner, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("manualWindow")
        self.setWindowTitle(tr("Manual – research use only"))
        self.resize(1180, 860)
        self._runner = runner
        self._pages: tuple[Page, ...] = ()
        self._wanted = INDEX
        self._visited: list[_Place] = []
        self._at = -1
        self.search = QLineEdit()
        self.search.setObjectName("manualSearch")
        self.search.setAccessibleName(tr("Search the manual"))
        self.search.setPlaceholderText(tr("Search all pages…"))
        self.search.setClearButtonEnabled(True)
        self.list = QListWidget()
        self.list.setObjectName("manualPages")
        self.list.setAccessibleName(tr("Pages"))
        self.list.setWordWrap(True)
        self.view = PageView()
        self.back, self.forward = QPushButton(tr("Back")), QPushButton(tr("Forward"))
        self._none = QLabel(tr("No page holds these words."))
        self._none.setObjectName("manualNothing")
        self._searching = QTimer(self, singleShot=True, interval=_DELAY_MS)
        self._resizing = QTimer(self, singleShot=True, interval=_DELAY_MS)
        self._lay_out()
        self._connect()
        runner.run_io(Job("reading the manual", lambda _: read_pages(), self._take_pages, self._tell_failure))

    def _lay_out(self) -> None:
        self.back.setObjectName("manualBack")
        self.forward.setObjectName("manualForward")
        self.back.setShortcut(QKeySequence(QKeySequence.StandardKey.Back))
        self.forward.setShortcut(QKeySequence(QKeySequence.StandardKey.Forward))
        left, right = QWidget(), QWidget()
        column = QVBoxLayout(left)
        column.setContentsMargins(0, 0, 0, 0)
        for widget in (self.search, self._none, self.list):
            column.addWidget(widget)
        self._none.setVisible(False)
        page = QVBoxLayout(right)
        page.setContentsMargins(0, 0, 0, 0)
        top = QHBoxLayout()
        for button in (self.back, self.forward):
            button.setAutoDefault(False)
            top.addWidget(button)
        top.addStretch(1)
        page.addLayout(top)
        page.addWidget(self.view)
        splitter = QSplitter()
        splitter.addWidget(left)
        splitter.addWidget(right)
        splitter.setStretchFactor(1, 1)
        splitter.setSizes([300, 860])
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Close)
        buttons.button(QDialogButtonBox.StandardButton.Close).setAutoDefault(False)
        buttons.rejected.connect(self.close)
        layout = QVBoxLayout(self)
        layout.addWidget(splitter, 1)
        layout.addWidget(buttons)

    def _connect(self) -> None:
        self.back.clicked.connect(lambda: self._go(-1))
        self.forward.clicked.connect(lambda: self._go(1))
        self.search.textChanged.connect(self._searching.start)
        self.search.returnPressed.connect(self._search_now)
        self._searching.timeout.connect(self._fill_list)
        self._resizing.timeout.connect(self._load_pictures)
        self.list.currentItemChanged.connect(self._choose)
        self.view.resized.connect(lambda _: self._resizing.start())
        self.view.anchorClicked.connect(self._follow)
        self._update_buttons()

    # --- pages

    def show_topic(self, topic: str) -> None:
        """Come to the front, on that page."""
        self._wanted = topic
        if self._pages:
            self._visit(topic)
        self.show()
        self.raise_()
        self.activateWindow()

    @property
    def topic(self) -> str:
        """The page on show, "" while the pages are being read."""
        return self._visited[self._at].topic if self._at >= 0 else ""

    def _take_pages(self, pages: tuple[Page, ...]) -> None:
        self._pages = pages
        self._fill_list()
        self._visit(self._wanted)

    def _tell_failure(self, error: Exception) -> None:
        self.view.setPlainText(describe(error)[0])

    def _visit(self, topic: str) -> None:
        if topic != self.topic:
            self._keep_scroll()
            self._visited = [*self._visited[: self._at + 1], _Place(topic)]
            self._at += 1
            self._show()

    def _go(self, by: int) -> None:
        if 0 <= self._at + by < len(self._visited):
            self._keep_scroll()
            self._at += by
            self._show()

    def _keep_scroll(self) -> None:
        if self._at >= 0:
            self._visited[self._at] = replace(self._visited[self._at], scroll=self.view.verticalScrollBar().value())

    def _show(self) -> None:
        self.view.show_page(find_page(self._pages, self.topic))
        self.view.mark(self.search.text())
        self._select(self.topic)
        self._update_buttons()
        self._load_pictures()

    def _load_pictures(self) -> None:
        names, width, at = (
            self.view.pictures,
            self.view.picture_width_px(),
            self._visited[self._at] if self._visited else None,
        )

        def show(pictures: dict[str, QImage]) -> None:
            # The reader may have gone on, or made the window wider, meanwhile.
            if at is not None and at.topic == self.topic and width == self.view.picture_width_px():
                self.view.set_pictures(pictures)
                if at.scroll and not self.view.verticalScrollBar().value():
                    self.view.verticalScrollBar().setValue(at.scroll)

        self._runner.run_io(
            Job("pictures of the manual", lambda _: load_pictures(names, width), show, self._tell_failure)
        )

    def _update_buttons(self) -> None:
        self.back.setEnabled(self._at > 0)
        self.forward.setEnabled(self._at + 1 < len(self._visited))

    @Slot(QUrl)
    def _follow(self, target: QUrl) -> None:
        """A link: to another page, or, where it leads out of the manual, to the reader's browser."""
        if topic := topic_of(target.toString()):
            self._visit(topic)
        elif target.scheme() == "https":
            QDesktopServices.openUrl(target)

    # --- list and search

    @Slot()
    def _fill_list(self) -> None:
        words = self.search.text()
        hits = search(self._pages, words)
        rows = [(h.page.topic, f"{h.page.title}\n{h.excerpt}") for h in hits]
        if not words.strip():
            rows = [(page.topic, page.title) for page in self._pages]
        self.list.blockSignals(True)
        self.list.clear()
        for topic, text in rows:
            item = QListWidgetItem(text)
            item.setData(_TOPIC, topic)
            self.list.addItem(item)
        self.list.blockSignals(False)
        self._none.setVisible(bool(words.strip()) and not rows)
        self._select(self.topic)
        self.view.mark(words)

    @Slot()
    def _search_now(self) -> None:
        """Enter: to the first page found."""
        self._searching.stop()
        self._fill_list()
        if self.list.count():
            self.list.setFocus()
            self.list.setCurrentRow(0)

    def _select(self, topic: str) -> None:
        self.list.blockSignals(True)
        row = next((i for i in range(self.list.count()) if self.list.item(i).data(_TOPIC) == topic), -1)
        self.list.setCurrentRow(row)
        self.list.blockSignals(False)

    @Slot(QListWidgetItem, QListWidgetItem)
    def _choose(self, item: QListWidgetItem | None, _: QListWidgetItem | None) -> None:
        if item is not None:
            self._visit(item.data(_TOPIC))
