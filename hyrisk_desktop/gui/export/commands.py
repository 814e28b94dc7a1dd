"""The actions that write the reading on screen as files, with or without identity, and bring one back from them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, QUrl, Signal, Slot
from PySide6.QtGui import QDesktopServices
from PySide6.QtWidgets import QFileDialog, QPushButton, QWidget

from hyrisk_desktop.gui.export.deidentified_writer import Deidentifying
from hyrisk_desktop.gui.export.restore_bar import RestoreBar
from hyrisk_desktop.gui.export.restoring import Restoring
from hyrisk_desktop.gui.export.writer import Exported, Exporting
from hyrisk_desktop.gui.session import Session
from hyrisk_desktop.gui.state import Tool
from hyrisk_desktop.gui.viewer.desk import Desk
from hyrisk_desktop.i18n import tr, trn
from hyrisk_desktop.settings import Settings

if TYPE_CHECKING:
    from hyrisk_desktop.exchange.deidentified.export import DeidentifiedExport
    from hyrisk_desktop.gui.export.printing import Printing


class ReadingFiles(QObject):
    """Export and restore, with what they show in the window.

    Signals:
        message: a line for the status bar.
        failed: an error.
    """

    message = Signal(str)
    failed = Signal(object)

    def __init__(
        self,
        session: Session,
        exporting: Exporting,
        deidentifying: Deidentifying,
        restoring: Restoring,
        settings: Settings,
        desk: Desk,
        window: QWidget,
    ) -> None:
        super().__init__(window)
        self._session, self._settings, self._desk, self._window = session, settings, desk, window
        self.exporting, self.deidentifying = exporting, deidentifying
        self.exporting.ended.connect(self._tell_export)
        self._printing: Printing | None = None
        self.deidentifying.ended.connect(self._tell_copy)
        self.restoring = restoring
        self.restoring.told.connect(self.message)
        self.restoring.failed.connect(self.failed)
        self.restoring.restored.connect(self._put_tool_away)
        bar = RestoreBar(desk)
        self.restoring.offered.connect(bar.offer)
        self.restoring.remarked.connect(bar.tell)
        self.restoring.over.connect(bar.hide)
        bar.accepted.connect(self.restoring.accept)
        self.show_folder = QPushButton(tr("Show in folder"))
        self.show_folder.setObjectName("showInFolder")
        self.show_folder.setVisible(False)
        self.show_folder.clicked.connect(self._show_folder)
        self._folder: Path | None = None
        self._written = ""

    def export_reading(self) -> None:
        """Ask what to write of the reading on screen, and where."""
        if not self.exporting.running:
            from hyrisk_desktop.gui.export.dialog import ExportReadingDialog

            ExportReadingDialog(self._session, self.exporting, self._settings, self._window).open()

    def print_reading(self) -> None:
        """Print the reading on screen."""
        if self._printing is None:
            from hyrisk_desktop.gui.export.printing import Printing

            self._printing = Printing(self._session, self.exporting, self.exporting.runner, self._window)
            self._printing.message.connect(self.message)
            self._printing.failed.connect(self.failed)
        self._printing.print_reading()

    def deidentified_copy(self) -> None:
        """Ask where to write exam and reading without identity."""
        if not self.deidentifying.running:
            from hyrisk_desktop.gui.export.deidentified_dialog import DeidentifiedCopyDialog

            dialog = DeidentifiedCopyDialog(self._session, self.deidentifying, self._settings, self._window)
            dialog.folder_wanted.connect(self._show_folder)
            dialog.open()

    def restore_reading(self) -> None:
        """Ask for a report of the exam on screen and restore it."""
        exam = self._session.exam
        start = self._settings["export_folder"]
        if not start and exam is not None and exam.record.files:
            start = str(exam.record.files[0].parent)
        kinds = tr("Reports in DICOM (*.dcm *.sr);;All files (*)")
        name, _ = QFileDialog.getOpenFileName(self._window, tr("Restore a reading from its report"), start, kinds)
        if name:
            self.restoring.restore(Path(name))

    @Slot(object)
    def _tell_export(self, answer: Exported | None) -> None:
        """What was written is told whatever is on screen by then: it shows no numbers."""
        if answer is None or not answer.written:
            return
        text = trn("{n} file written to {folder}: {names}", "{n} files written to {folder}: {names}", len(answer.written), folder=answer.folder.name, names=", ".join(answer.written))  # fmt: skip
        self._tell_written(answer.folder, text)

    @Slot(object)
    def _tell_copy(self, answer: DeidentifiedExport | None) -> None:
        if answer is not None:
            text = tr("The de-identified copy is in the folder {folder}.", folder=answer.folder.name)
            self._tell_written(answer.folder, text)

    def _tell_written(self, folder: Path, text: str) -> None:
        self._folder, self._written = folder, text
        self.show_folder.setToolTip(str(folder))
        self.message.emit(text)

    @Slot(str)
    def follow_status(self, text: str) -> None:
        """The button stands beside its own sentence and no other."""
        self.show_folder.setVisible(bool(text) and text == self._written)

    @Slot()
    def _show_folder(self) -> None:
        if self._folder is not None:
            QDesktopServices.openUrl(QUrl.fromLocalFile(str(self._folder)))

    @Slot()
    def _put_tool_away(self) -> None:
        """The next click would move the heart centre that has just been restored."""
        if self._desk.tool is Tool.PLACE_CENTRE:
            self._desk.set_tool(Tool.WINDOW)
