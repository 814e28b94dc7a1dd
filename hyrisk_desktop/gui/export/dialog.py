"""Export the reading on screen: what, where to, in whose name; with what will be missing said beforehand.

The files are rows of `exchange.formats`, one check box each. What is no file of a reading, such as a copy of the images or a
destination on the network, belongs below them, in a box of its own.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from pathlib import Path

from PySide6.QtCore import Qt, Slot
from PySide6.QtWidgets import (
    QCheckBox,
    QDialogButtonBox,
    QFormLayout,
    QGridLayout,
    QGroupBox,
    QLabel,
    QMessageBox,
    QVBoxLayout,
    QWidget,
)

from hyrisk_desktop.exchange.reports.formats import formats
from hyrisk_desktop.exchange.reports.report import research_use
from hyrisk_desktop.files import keep_exports_private
from hyrisk_desktop.gui.export.writer import Exported, Exporting, ExportRequest, is_dicom, readiness
from hyrisk_desktop.gui.export.writing_dialog import WritingDialog, clean_stem
from hyrisk_desktop.gui.letters import give_letters
from hyrisk_desktop.gui.session import Session
from hyrisk_desktop.i18n import tr, trn
from hyrisk_desktop.private_files import POSIX
from hyrisk_desktop.settings import Settings

_NAMED_IN_QUESTION = 4


def default_stem() -> str:
    """What file names begin with: the moment, which is unlike other exports' and tells of no patient."""
    return datetime.now().astimezone().strftime("hyrisk-%Y%m%d-%H%M%S")


class ExportReadingDialog(WritingDialog):
    """One check box for each kind of file, and what the files will lack."""

    def __init__(
        self, session: Session, exporting: Exporting, settings: Settings, parent: QWidget | None = None
    ) -> None:
        super().__init__(session, exporting, "export", parent)
        self.setObjectName("exportReadingDialog")
        self.setWindowTitle(tr("Export reading – research use only"))
        self._exporting, self._settings = exporting, settings
        self._request: ExportRequest | None = None
        self._boxes: dict[str, QCheckBox] = {}
        self._names: dict[str, QLabel] = {}
        layout = QVBoxLayout(self)
        layout.addWidget(self._file_box())
        layout.addLayout(self._form())
        layout.addWidget(self._notes_label())
        research = QLabel(research_use())
        research.setObjectName("researchNotice")
        layout.addWidget(research)
        # Busy, without a share: one of seven files may take nearly all of the time.
        self._progress.setRange(0, 0)
        self._message.setObjectName("exportReadingMessage")
        layout.addWidget(self._progress)
        layout.addWidget(self._message)
        layout.addWidget(self._button_box())
        # Once it belongs to the dialog; before, Enter in a field would press the dialog's first button.
        self._export.setDefault(True)
        self._follow()

    # --- parts

    def _file_box(self) -> QGroupBox:
        """One row for each kind of file."""
        box = QGroupBox(tr("Files"))
        grid = QGridLayout(box)
        grid.setHorizontalSpacing(18)
        grid.setVerticalSpacing(6)
        chosen = self._settings["export_formats"]
        dicom = self._exam is not None and is_dicom(self._exam)
        for row, one in enumerate(formats()):
            check = QCheckBox(one.title)
            check.setObjectName(f"export_{one.key}")
            fits = dicom or not one.dicom
            check.setEnabled(fits)
            check.setChecked(fits and one.key in chosen)
            note = QLabel(one.note if fits else tr("not possible: this exam isn't DICOM"))
            note.setObjectName("caption")
            check.setAccessibleDescription(note.text())
            name = QLabel()
            name.setObjectName("caption")
            check.toggled.connect(self._show)
            grid.addWidget(check, row, 0)
            grid.addWidget(note, row, 1)
            grid.addWidget(name, row, 2)
            self._boxes[one.key], self._names[one.key] = check, name
        grid.setColumnStretch(1, 1)
        grid.setColumnMinimumWidth(2, 230)
        return box

    def _form(self) -> QFormLayout:
        row = self._folder_row(tr("Folder"), self._settings["export_folder"] or str(Path.home()))
        self._stem = self._edit("Stem", tr("File names begin with"), default_stem())
        self._reader = self._edit("Reader", tr("Reader"), self._session.reader)
        form = QFormLayout()
        form.addRow(tr("Folder"), row)
        form.addRow(tr("File names begin with"), self._stem)
        form.addRow(tr("Reader"), self._reader)
        self._private = QCheckBox(tr("Only this account can read the files"))
        self._private.setObjectName("exportPrivate")
        self._private.setChecked(self._settings["private_exports"])
        # Windows knows no such mode: there the folder's own access list decides.
        self._private.setVisible(POSIX)
        form.addRow("", self._private)
        return form

    def _notes_label(self) -> QLabel:
        self._notes = QLabel()
        self._notes.setObjectName("exportNotes")
        self._notes.setAccessibleName(tr("What the files will lack, and what they warn of"))
        self._notes.setWordWrap(True)
        self._notes.setMinimumSize(640, 52)
        self._notes.setAlignment(Qt.AlignmentFlag.AlignTop)
        return self._notes

    def _button_box(self) -> QDialogButtonBox:
        buttons = QDialogButtonBox()
        self._export = buttons.addButton(tr("Export"), QDialogButtonBox.ButtonRole.ActionRole)
        self._export.setObjectName("startExport")
        self._close = buttons.addButton(tr("Cancel"), QDialogButtonBox.ButtonRole.RejectRole)
        self._close.setObjectName("closeExport")
        self._export.clicked.connect(self._begin)
        buttons.rejected.connect(self.reject)
        return buttons

    # --- showing

    def _chosen(self) -> dict[str, str]:
        """Names of the files wanted, by format."""
        stem = clean_stem(self._stem.text())
        return {f.key: stem + f.ending for f in formats() if self._boxes[f.key].isChecked()}

    @Slot()
    def _show(self, *_: object) -> None:
        ready, running, chosen = readiness(self._session), self._exporting.running, self._chosen()
        for key, label in self._names.items():
            label.setText(chosen.get(key, ""))
        said = [ready.why_not] if ready.why_not else [*ready.warnings, *ready.missing]
        self._notes.setText("\n".join(said))
        complete = bool(chosen and clean_stem(self._stem.text()) and self._folder.text().strip())
        self._export.setEnabled(complete and not ready.why_not and not running)
        dicom = self._exam is not None and is_dicom(self._exam)
        for one in formats():
            self._boxes[one.key].setEnabled(not running and (dicom or not one.dicom))
        for widget in (self._folder, self._stem, self._reader, self._browse, self._private):
            widget.setEnabled(not running)
        self._progress.setVisible(running)

    @Slot(int, int)
    def _show_progress(self, done: int, total: int) -> None:
        if not self._stopping:
            self._message.setText(tr("Making file {n} of {total}…", n=min(done + 1, total), total=total))

    # --- acting

    @Slot()
    def _begin(self) -> None:
        snapshot = self._exporting.snapshot()
        if snapshot is None or self._exporting.running:
            return
        folder = Path(self._folder.text().strip()).expanduser()
        places = {key: folder / name for key, name in self._chosen().items()}
        self._settings["export_folder"] = str(folder)
        self._settings["private_exports"] = self._private.isChecked()
        keep_exports_private(self._private.isChecked())
        offered = [f.key for f in formats() if self._boxes[f.key].isEnabled()]
        kept = [key for key in self._settings["export_formats"] if key not in offered]
        self._settings["export_formats"] = [*kept, *places]
        self._start(replace(snapshot, reader=self._reader.text().strip(), places=places))

    def _start(self, request: ExportRequest) -> None:
        self._request, self._stopping = request, False
        self._exporting.start(request)
        self._message.setText(tr("Making the files…"))
        self._show()

    @Slot(object)
    def _end(self, answer: Exported | None) -> None:
        self._show()
        self._message.setText("" if answer is not None else tr("Cancelled: nothing was written."))
        if answer is None:
            return
        if answer.existing:
            self._ask_to_replace(answer)
            return
        self.accept()

    def _ask_to_replace(self, answer: Exported) -> None:
        names = [path.name for path in answer.existing]
        shown, more = ", ".join(names[:_NAMED_IN_QUESTION]), len(names) - _NAMED_IN_QUESTION
        if more > 0:
            shown = tr("{names} and {n} more", names=shown, n=more)
        box = QMessageBox(self)
        box.setObjectName("replaceQuestion")
        box.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        box.setText(
            trn(
                "{n} of these files exists already: {names}. Replace it?",
                "{n} of these files exist already: {names}. Replace them?",
                len(names),
                names=shown,
            )
        )
        box.addButton(tr("Replace"), QMessageBox.ButtonRole.AcceptRole)
        box.setDefaultButton(box.addButton(tr("Keep them"), QMessageBox.ButtonRole.RejectRole))
        request = self._request
        assert request is not None
        agreed = replace(request, replace=request.replace | set(answer.existing))
        box.accepted.connect(lambda: self._start(agreed))
        give_letters(box)
        box.open()
