"""A question about the exam on screen ends with it: an answer that comes later would be taken for one about the next."""

from __future__ import annotations

from PySide6.QtCore import QObject, Slot
from PySide6.QtWidgets import QDialog

from hyrisk_desktop.gui.session import Session


class _Ending(QObject):
    def __init__(self, dialog: QDialog, session: Session) -> None:
        super().__init__(dialog)
        self._dialog, self._session = dialog, session
        self._about = None if session.exam is None else session.exam.exam_id
        session.exam_changed.connect(self._follow)

    @Slot()
    def _follow(self) -> None:
        exam = self._session.exam
        if self._about != (None if exam is None else exam.exam_id):
            self._dialog.reject()


def end_with_exam(dialog: QDialog, session: Session) -> QDialog:
    """``dialog``, which is rejected as soon as another exam than now, or none, is on screen."""
    _Ending(dialog, session)
    return dialog
