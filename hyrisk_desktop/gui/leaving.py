"""What is asked before the window closes: of reads that can't be saved, and of a training that goes on."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QMessageBox, QWidget

from hyrisk_desktop.gui.letters import give_letters
from hyrisk_desktop.i18n import tr


def leave_unsaved(count: int, window: QWidget) -> bool:
    """Ask whether ``count`` reads that can't be saved shall be lost; waits for the answer."""
    box = QMessageBox(window)
    box.setObjectName("unsavedQuestion")
    box.setText(tr("{n} reads can't be saved now and are lost when the program closes.", n=count))
    stay = box.addButton(tr("&Stay"), QMessageBox.ButtonRole.RejectRole)
    leave = box.addButton(tr("&Close without saving"), QMessageBox.ButtonRole.DestructiveRole)
    box.setDefaultButton(stay)
    give_letters(box)
    box.exec()
    return box.clickedButton() is leave


def ask_to_leave(sentence: str, window: QWidget, leave: Callable[[], object]) -> None:
    """Say what goes on without the window, and call ``leave`` if the reader wants to close it all the same."""
    box = QMessageBox(window)
    box.setObjectName("leaveQuestion")
    box.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
    box.setWindowTitle(tr("Close the window"))
    box.setTextFormat(Qt.TextFormat.PlainText)
    box.setText(sentence)
    close = box.addButton(tr("&Close the window"), QMessageBox.ButtonRole.AcceptRole)
    stay = box.addButton(tr("&Stay"), QMessageBox.ButtonRole.RejectRole)
    box.setDefaultButton(stay)
    close.clicked.connect(lambda *_: leave())
    give_letters(box)
    box.open()
