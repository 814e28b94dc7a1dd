"""What the dialogs that write the reading on screen have in common: one at a time, cancelled when closed, about one exam only."""

from __future__ import annotations

import re
from typing import Any

from PySide6.QtCore import Qt, Slot
from PySide6.QtWidgets import QFileDialog, QHBoxLayout, QLabel, QLineEdit, QProgressBar, QPushButton, QWidget

from hyrisk_desktop.gui.export.writer import ReadingWriter
from hyrisk_desktop.gui.letters import LetteredDialog
from hyrisk_desktop.gui.sentences import sentence_of
from hyrisk_desktop.gui.session import Session
from hyrisk_desktop.i18n import tr

# What no file name of any system may hold, or begin and end with.
_UNFIT_FOR_NAMES = re.compile(r'[\x00-\x1f<>:"/\\|?*]+')


def clean_stem(text: str) -> str:
    """``text`` as file names may begin; "" for nothing of use."""
    return _UNFIT_FOR_NAMES.sub("-", text).strip(" .-")[:100]


class WritingDialog(LetteredDialog):
    """Stays open while something is written; closing it then cancels that.

    Args:
        writer: does the work. prefix: begins the names of the dialog's parts.
    """

    def __init__(self, session: Session, writer: ReadingWriter, prefix: str, parent: QWidget | None) -> None:
        super().__init__(parent)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self._session, self._writer, self._prefix = session, writer, prefix
        self._exam = session.exam
        self._stopping = False
        self._progress = QProgressBar()
        self._progress.setObjectName(f"{prefix}Progress")
        self._progress.setAccessibleName(tr("Progress of the export"))
        kept = self._progress.sizePolicy()
        kept.setRetainSizeWhenHidden(True)
        self._progress.setSizePolicy(kept)
        self._message = QLabel()
        self._message.setObjectName(f"{prefix}Message")
        self._message.setAccessibleName(tr("How the export stands"))
        self._message.setWordWrap(True)
        self._message.setFixedHeight(36)

    def _follow(self) -> None:
        """Follow session and writer, once all parts are there."""
        for signal in (self._session.risk_changed, self._session.read_changed):
            signal.connect(self._show)
        self._session.exam_changed.connect(self._leave)
        self._writer.progressed.connect(self._show_progress)
        self._writer.ended.connect(self._end)
        self._writer.failed.connect(self._fail)
        self._show()

    def _edit(self, name: str, accessible: str, text: str = "") -> QLineEdit:
        edit = QLineEdit(text)
        edit.setObjectName(f"{self._prefix}{name}")
        edit.setAccessibleName(accessible)
        edit.textChanged.connect(self._show)
        return edit

    def _folder_row(self, accessible: str, text: str) -> QHBoxLayout:
        """A folder to type or to choose: ``_folder`` and ``_browse``."""
        self._folder = self._edit("Folder", accessible, text)
        self._browse = QPushButton(tr("Browse…"))
        self._browse.setObjectName(f"{self._prefix}Browse")
        self._browse.setAutoDefault(False)
        self._browse.clicked.connect(self._choose_folder)
        row = QHBoxLayout()
        row.addWidget(self._folder, 1)
        row.addWidget(self._browse)
        return row

    @Slot()
    def _choose_folder(self) -> None:
        name = QFileDialog.getExistingDirectory(self, self._folder.accessibleName(), self._folder.text())
        if name:
            self._folder.setText(name)

    # No slots of Qt's here: an overridden one is called even when the dialog is gone.

    def _show(self, *_: object) -> None:
        raise NotImplementedError

    def _show_progress(self, done: int, total: int) -> None:
        raise NotImplementedError

    def _end(self, answer: Any) -> None:
        raise NotImplementedError

    def _fail(self, error: Exception) -> None:
        self._show()
        unexpected = tr("Nothing was written; see the log.")
        self._message.setText(sentence_of(error, unexpected))

    def _leave(self) -> None:
        """Another exam has come on screen: this dialog was about the one before."""
        now = self._session.exam
        if now is None or self._exam is None or now.exam_id != self._exam.exam_id:
            if self._writer.running:
                self._writer.cancel()
            super().reject()

    def reject(self) -> None:
        """Cancel what runs; with nothing running, close."""
        if self._writer.running:
            self._stopping = True
            self._message.setText(tr("Stopping…"))
            self._writer.cancel()
        else:
            super().reject()
