"""The earlier exams of the patient on screen, newest first, and the ways to find more."""

from __future__ import annotations

from PySide6.QtCore import Qt, Signal, Slot
from PySide6.QtWidgets import QDialogButtonBox, QLabel, QListWidget, QListWidgetItem, QPushButton, QVBoxLayout, QWidget

from hyrisk_desktop.gui.letters import LetteredDialog
from hyrisk_desktop.gui.prior.found import PriorExam, when_text
from hyrisk_desktop.i18n import tr


class PriorsDialog(LetteredDialog):
    """Signals ``chosen`` with a `PriorExam`; ``folder_wanted`` and ``pacs_wanted`` where the one wanted is not there."""

    chosen = Signal(object)
    folder_wanted = Signal()
    pacs_wanted = Signal()

    def __init__(self, found: tuple[PriorExam, ...], *, blinded: bool, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("priorsDialog")
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setWindowTitle(tr("Earlier exams of this patient"))
        self.resize(620, 320)
        self.priors = QListWidget()
        self.priors.setObjectName("priorList")
        self.priors.setAccessibleName(tr("Earlier exams"))
        for prior in found:
            parts = (when_text(prior, blinded=blinded), "" if blinded else prior.description, prior.doubt)
            item = QListWidgetItem(" · ".join(part for part in parts if part))
            item.setData(Qt.ItemDataRole.UserRole, prior)
            self.priors.addItem(item)
        self.priors.setCurrentRow(0)
        self.priors.itemActivated.connect(self._choose)
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Open | QDialogButtonBox.StandardButton.Cancel)
        buttons.button(QDialogButtonBox.StandardButton.Open).setEnabled(bool(found))
        folder = QPushButton(tr("From a folder…"))
        folder.setObjectName("priorFromFolder")
        folder.clicked.connect(self._ask_for_folder)
        buttons.addButton(folder, QDialogButtonBox.ButtonRole.ActionRole)
        if not blinded:
            pacs = QPushButton(tr("Search the PACS…"))
            pacs.setObjectName("priorFromPacs")
            pacs.clicked.connect(self._ask_for_pacs)
            buttons.addButton(pacs, QDialogButtonBox.ButtonRole.ActionRole)
        buttons.accepted.connect(self._choose)
        buttons.rejected.connect(self.reject)
        layout = QVBoxLayout(self)
        sentence = tr(
            "Found in the worklists of this program and in the PACS; patient ID, birth date and name must agree."
        )
        if not found:
            sentence = tr("No earlier exam of this patient is known here; open one from where it is.")
        label = QLabel(sentence)
        label.setWordWrap(True)
        layout.addWidget(label)
        layout.addWidget(self.priors)
        layout.addWidget(buttons)

    @Slot()
    def _choose(self, *_: object) -> None:
        item = self.priors.currentItem()
        if item is not None:
            self.accept()
            self.chosen.emit(item.data(Qt.ItemDataRole.UserRole))

    @Slot()
    def _ask_for_folder(self) -> None:
        self.accept()
        self.folder_wanted.emit()

    @Slot()
    def _ask_for_pacs(self) -> None:
        self.accept()
        self.pacs_wanted.emit()
