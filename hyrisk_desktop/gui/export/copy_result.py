"""What came of a de-identified copy: where it is, under which code, and what a person should look at."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QFormLayout, QGroupBox, QLabel, QVBoxLayout, QWidget

from hyrisk_desktop.findings import Severity
from hyrisk_desktop.i18n import tr

if TYPE_CHECKING:
    from hyrisk_desktop.exchange.deidentified.export import DeidentifiedExport


class CopyResult(QWidget):
    """The last page of the dialog."""

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("deidentifiedResult")
        self._title = QLabel(tr("The copy is made."))
        self._title.setObjectName("runTitle")
        self._folder, self._subject, self._objects = _value("deidentifiedWritten"), _value("writtenSubject"), QLabel()
        self._about_subject = QLabel()
        self._about_subject.setObjectName("caption")
        form = QFormLayout()
        form.addRow(tr("Folder"), self._folder)
        form.addRow(tr("Subject code"), self._subject)
        form.addRow("", self._about_subject)
        form.addRow(tr("Holds"), self._objects)
        self._box = QGroupBox(tr("Before you pass it on"))
        self._warnings = QVBoxLayout(self._box)
        self._warnings.setSpacing(8)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(10)
        layout.addWidget(self._title)
        layout.addLayout(form)
        layout.addWidget(self._box)
        layout.addStretch(1)

    def tell(self, export: DeidentifiedExport, about_subject: str) -> None:
        """Show what was written, and what its subject code is."""
        self._about_subject.setText(about_subject)
        self._folder.setText(str(export.folder))
        self._subject.setText(export.subject)
        self._objects.setText(tr("{n} DICOM objects, PDF, FHIR and JSON; every file was searched.", n=export.objects))
        for finding in export.warnings:
            self._add(finding.message, "" if finding.severity is Severity.INFO else "copyWarning")
        if not export.warnings:
            self._add(tr("Headers and pixels gave no reason for a warning."), "")
        self._add(tr("Look at every image: what is written or drawn into the pixels was copied with them."), "")

    def _add(self, text: str, name: str) -> None:
        label = QLabel(text)
        label.setObjectName(name or "copyNote")
        label.setWordWrap(True)
        self._warnings.addWidget(label)


def _value(name: str) -> QLabel:
    label = QLabel()
    label.setObjectName(name)
    label.setWordWrap(True)
    label.setTextInteractionFlags(
        Qt.TextInteractionFlag.TextSelectableByMouse | Qt.TextInteractionFlag.TextSelectableByKeyboard
    )
    return label
