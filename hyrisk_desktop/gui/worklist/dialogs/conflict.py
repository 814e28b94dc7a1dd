"""Which of two states of a read stays, where another desk has saved one since it was opened here."""

from __future__ import annotations

from datetime import datetime

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QMessageBox, QPushButton, QWidget

from hyrisk_desktop.exchange.reports.report import grade_text
from hyrisk_desktop.i18n import listed, tr
from hyrisk_desktop.worklist.records import Read


def conflict_question(name: str, mine: Read, newer: Read, window: QWidget) -> tuple[QMessageBox, QPushButton | None]:
    """The question, not yet shown.

    Args:
        name: what the list calls the exam. mine: what was not saved. newer: what is stored. window: above which it stands.

    Returns:
        The box, and its button that replaces what is stored; None where that can't be, as its grade is locked.
    """
    box = QMessageBox(window)
    box.setObjectName("conflictQuestion")
    box.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
    box.setWindowTitle(tr("Read at two desks"))
    box.setText(
        tr("{exam} has been read at another desk since it was opened here, and your change is not saved.", exam=name)
    )
    locked = newer.locked and (mine.grade, mine.vessels, mine.locked) != (newer.grade, newer.vessels, True)
    lines = (
        tr("There ({when}): {what}.", when=_local_time(newer.updated_at), what=_what(newer)),
        tr("Here: {what}.", what=_what(mine)),
        tr("The grade there is locked, so it stays. ") if locked else "",
        tr("Both are kept in the audit trail, whichever stays."),
    )
    box.setInformativeText("\n".join(line for line in lines if line))
    show = box.addButton(tr("&Show what was saved there"), QMessageBox.ButtonRole.AcceptRole)
    replace = None if locked else box.addButton(
        tr("&Replace it by what is here"), QMessageBox.ButtonRole.DestructiveRole
    )  # fmt: skip
    box.setDefaultButton(show)
    return box, replace


def _what(read: Read) -> str:
    parts = [tr("grade {grade}", grade=grade_text(read.grade)) + (tr(", locked") if read.locked else "")]
    if read.centre is not None:
        parts.append(tr("heart centre {x}, {y}, {z}", x=read.centre[0], y=read.centre[1], z=read.centre[2]))
    if read.excluded:
        parts.append(tr("lesions excluded"))
    if read.whole_heart:
        parts.append(tr("whole heart scored"))
    return listed(parts)


def _local_time(stamp: str) -> str:
    try:
        return datetime.fromisoformat(stamp).astimezone().strftime("%H:%M:%S")
    except ValueError:
        return tr("time not known")
