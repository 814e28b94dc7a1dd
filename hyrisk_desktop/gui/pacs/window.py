"""File > PACS: search and retrieve, receive, the send queue, and the nodes."""

from __future__ import annotations

from PySide6.QtCore import Qt, Slot
from PySide6.QtWidgets import QDialogButtonBox, QTabWidget, QVBoxLayout, QWidget

from hyrisk_desktop.gui.letters import LetteredDialog
from hyrisk_desktop.gui.pacs.nodes_page import NodesPage
from hyrisk_desktop.gui.pacs.queue_page import QueuePage
from hyrisk_desktop.gui.pacs.receive_page import ReceivePage
from hyrisk_desktop.gui.pacs.search_page import SearchPage
from hyrisk_desktop.gui.pacs.service import Pacs
from hyrisk_desktop.i18n import tr


class PacsWindow(LetteredDialog):
    """Stays beside the reading; closing it lets retrievals and receiving go on."""

    def __init__(self, pacs: Pacs, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("pacsWindow")
        self.setWindowTitle(tr("PACS – research use only"))
        self.setWindowFlag(Qt.WindowType.WindowMaximizeButtonHint, True)
        self.resize(1080, 720)
        self.search, self.receive = SearchPage(pacs), ReceivePage(pacs)
        self.queue, self.nodes = QueuePage(pacs), NodesPage(pacs)
        self.tabs = QTabWidget()
        self.tabs.setObjectName("pacsTabs")
        for page, title in (
            (self.search, tr("Search and retrieve")),
            (self.receive, tr("Receive")),
            (self.queue, tr("Sent")),
            (self.nodes, tr("Nodes")),
        ):
            self.tabs.addTab(page, title)
        self.search.nodes_wanted.connect(self.show_nodes)
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Close)
        buttons.rejected.connect(self.close)
        close = buttons.button(QDialogButtonBox.StandardButton.Close)
        close.setAutoDefault(False)
        layout = QVBoxLayout(self)
        layout.addWidget(self.tabs, 1)
        layout.addWidget(buttons)
        if not pacs.nodes.all:
            self.show_nodes()

    @Slot()
    def show_nodes(self) -> None:
        """The page on which a PACS is described."""
        self.tabs.setCurrentWidget(self.nodes)

    @Slot()
    def show_queue(self) -> None:
        """The page that tells what became of what was sent."""
        self.tabs.setCurrentWidget(self.queue)

    def search_patient(self, patient_id: str) -> None:
        """Search for all exams of one patient; without a node, the page on which one is described is shown."""
        self.tabs.setCurrentWidget(self.search)
        self.search.search_patient(patient_id)
