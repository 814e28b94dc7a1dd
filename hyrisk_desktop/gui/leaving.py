"""What is asked before the window closes: of reads that can't be saved, and of a training that goes on."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QMessageBox, QWidget

from hyrisk_desktop.gui.letters import give_letters
from hyrisk_desktop.i18n import tr, trn


def leave_unsaved(count: int, window: QWidget, *, kept: bool = False) -> bool:
    """Ask whether to close over ``count`` reads that can't be saved; waits for the answer.

    Args:
        count: how many. window: what closes. kept: they lie on this computer's disk, and the next start saves them.
    """
    box = QMessageBox(window)
    box.setObjectName("unsavedQuestion")
    box.setText(
        trn("{n} read is NOT SAVED in the worklist yet. It is kept on this computer: start the program here again to save it.", "{n} reads are NOT SAVED in the worklist yet. They are kept on this computer: start the program here again to save them.", count)
        if kept
        else trn("{n} read can't be saved now and is lost when the program closes.", "{n} reads can't be saved now and are lost when the program closes.", count)
    )  # fmt: skip
    stay = box.addButton(tr("&Stay"), QMessageBox.ButtonRole.RejectRole)
    words = tr("&Close, and save them later") if kept else tr("&Close without saving")
    leave = box.addButton(words, QMessageBox.ButtonRole.DestructiveRole)
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
