"""File > Send this reading to the PACS: which objects, to which node, in whose name."""

from __future__ import annotations

from PySide6.QtCore import Qt, Slot
from PySide6.QtWidgets import (
    QCheckBox,
    QComboBox,
    QDialogButtonBox,
    QFormLayout,
    QGroupBox,
    QLabel,
    QVBoxLayout,
    QWidget,
)

from hyrisk_desktop.exchange.reports.formats import formats
from hyrisk_desktop.exchange.reports.report import research_use
from hyrisk_desktop.gui.export.writer import is_dicom, readiness
from hyrisk_desktop.gui.export.writing_dialog import WritingDialog
from hyrisk_desktop.gui.pacs.nodes import Nodes
from hyrisk_desktop.gui.pacs.sending_reading import Queued, SendingReading
from hyrisk_desktop.gui.session import Session
from hyrisk_desktop.i18n import tr
from hyrisk_desktop.settings import Settings


class SendReadingDialog(WritingDialog):
    """The objects are made off the GUI thread and queued; what became of them stands under PACS > Sent."""

    def __init__(
        self, session: Session, writer: SendingReading, nodes: Nodes, settings: Settings, parent: QWidget | None = None
    ) -> None:
        super().__init__(session, writer, "send", parent)
        self.setObjectName("sendReadingDialog")
        self.setWindowTitle(tr("Send this reading to the PACS – research use only"))
        self.setMinimumWidth(560)
        self._sending, self._nodes, self._settings = writer, nodes, settings
        # Busy, without a share: one of three objects may take nearly all of the time.
        self._progress.setRange(0, 0)
        self.node = QComboBox()
        self.node.setObjectName("sendNode")
        self.node.setAccessibleName(tr("Send to"))
        self.node.addItems([n.name for n in nodes.all])
        self.node.setCurrentText(settings["pacs_send_to"])
        self._reader = self._edit("Reader", tr("Reader"), session.reader)
        self._boxes = {f.key: self._box(f.key, f.title, f.note) for f in formats() if f.dicom}
        self._notes = QLabel()
        self._notes.setObjectName("exportNotes")
        self._notes.setAccessibleName(tr("What the objects will lack, and what they warn of"))
        self._notes.setWordWrap(True)
        self._notes.setMinimumHeight(36)
        self._notes.setAlignment(Qt.AlignmentFlag.AlignTop)
        self._assemble()
        self._follow()

    def _box(self, key: str, title: str, note: str) -> QCheckBox:
        box = QCheckBox(tr("{title}: {note}", title=title, note=note))
        box.setObjectName(f"send_{key}")
        box.setChecked(key in self._settings["pacs_send_formats"])
        box.toggled.connect(self._show)
        return box

    def _assemble(self) -> None:
        form = QFormLayout()
        form.addRow(tr("Send to"), self.node)
        form.addRow(tr("Reader"), self._reader)
        group = QGroupBox(tr("Objects, in the exam's own study"))
        inside = QVBoxLayout(group)
        for box in self._boxes.values():
            inside.addWidget(box)
        buttons = QDialogButtonBox()
        self._send = buttons.addButton(tr("Send"), QDialogButtonBox.ButtonRole.ActionRole)
        self._send.setObjectName("startSending")
        self._send.clicked.connect(self._begin)
        buttons.addButton(tr("Cancel"), QDialogButtonBox.ButtonRole.RejectRole)
        buttons.rejected.connect(self.reject)
        research = QLabel(research_use())
        research.setObjectName("researchNotice")
        layout = QVBoxLayout(self)
        layout.addLayout(form)
        for widget in (group, self._notes, research, self._progress, self._message, buttons):
            layout.addWidget(widget)
        self._send.setDefault(True)

    # --- showing

    def _why_not(self) -> str:
        if not self._nodes.all:
            return tr("No PACS is set up yet: File > PACS, “Nodes”.")
        if self._exam is None or not is_dicom(self._exam):
            return tr("This exam isn't DICOM, so no DICOM object can refer to its images.")
        if self._exam.synthetic:
            return tr("A synthetic exam has no place in a PACS.")
        return readiness(self._session).why_not

    def _show(self, *_: object) -> None:
        ready, why_not, busy = readiness(self._session), self._why_not(), self._writer.running
        self._notes.setText(why_not or "\n".join((*ready.warnings, *ready.missing)))
        self._send.setEnabled(not why_not and not busy and any(b.isChecked() for b in self._boxes.values()))
        for widget in (self.node, self._reader, *self._boxes.values()):
            widget.setEnabled(not busy)
        self._progress.setVisible(busy)

    def _show_progress(self, done: int, total: int) -> None:
        if not self._stopping:
            self._message.setText(tr("Making object {n} of {total}…", n=min(done + 1, total), total=total))

    # --- acting

    @Slot()
    def _begin(self) -> None:
        request = self._writer.snapshot(self._reader.text().strip())
        if request is None or self._writer.running:
            return
        keys = [key for key, box in self._boxes.items() if box.isChecked()]
        self._settings["pacs_send_to"] = self.node.currentText()
        self._settings["pacs_send_formats"] = keys
        self._stopping = False
        self._sending.start(request, self.node.currentText(), keys)
        self._show()

    def _end(self, answer: Queued | None) -> None:
        self._show()
        if answer is None:
            self._message.setText(tr("Cancelled: nothing was sent."))
        else:
            self.accept()
