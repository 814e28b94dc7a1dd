"""Choose one of the worklists made before."""

from __future__ import annotations

from PySide6.QtCore import Qt, Signal, Slot
from PySide6.QtWidgets import QDialogButtonBox, QLabel, QListWidget, QListWidgetItem, QVBoxLayout, QWidget

from hyrisk_desktop.gui.letters import LetteredDialog
from hyrisk_desktop.i18n import tr
from hyrisk_desktop.worklist.records import ReadingList


class ChooseListDialog(LetteredDialog):
    """The lists, newest first; a double click or Open chooses one.

    Signals:
        chosen: the `ReadingList`.
    """

    chosen = Signal(object)

    def __init__(self, lists: list[ReadingList], current: ReadingList | None, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("chooseListDialog")
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setWindowTitle(tr("Open a worklist"))
        self.resize(560, 320)
        self._lists = QListWidget()
        self._lists.setObjectName("listOfLists")
        self._lists.setAccessibleName(tr("Worklists"))
        for reading_list in lists:
            name = tr("{name} – read blinded", name=reading_list.name) if reading_list.blinded else reading_list.name
            item = QListWidgetItem(f"{name}\n{reading_list.root}")
            item.setData(Qt.ItemDataRole.UserRole, reading_list)
            self._lists.addItem(item)
            if current is not None and reading_list.list_id == current.list_id:
                self._lists.setCurrentItem(item)
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Open | QDialogButtonBox.StandardButton.Cancel)
        buttons.button(QDialogButtonBox.StandardButton.Open).setEnabled(bool(lists))
        buttons.accepted.connect(self._choose)
        buttons.rejected.connect(self.reject)
        self._lists.itemActivated.connect(self._choose)
        layout = QVBoxLayout(self)
        if not lists:
            layout.addWidget(QLabel(tr("There is no worklist yet. Open a folder of exams (Ctrl+E).")))
        layout.addWidget(self._lists)
        layout.addWidget(buttons)

    @Slot()
    def _choose(self, *_: object) -> None:
        item = self._lists.currentItem()
        if item is not None:
            self.chosen.emit(item.data(Qt.ItemDataRole.UserRole))
            self.accept()
