"""What the actions about key images and kept measures do; see `gui.commands` for the others."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

from PySide6.QtCore import QObject, QPointF, Qt, Signal
from PySide6.QtWidgets import QDialogButtonBox, QLabel, QLineEdit, QVBoxLayout, QWidget

from hyrisk_desktop.gui.letters import LetteredDialog
from hyrisk_desktop.gui.session import Session
from hyrisk_desktop.gui.state import Tool
from hyrisk_desktop.gui.viewer.desk import Desk
from hyrisk_desktop.gui.viewer.display import Plane
from hyrisk_desktop.i18n import tr
from hyrisk_desktop.worklist.notes import LONGEST_NOTE, MOST_IMAGES, KeptMark, KeyImage

_REACH_PX = 10.0


class KeyImageDialog(LetteredDialog):
    """The sentence of a key image.

    Args:
        z: its slice. before: what it says already; None for a new one.

    Signals:
        wanted: the note. removed: it shall be no key image any more.
    """

    wanted = Signal(str)
    removed = Signal()

    def __init__(self, z: int, before: KeyImage | None, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("keyImageDialog")
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setWindowTitle(tr("Key image, slice {z}", z=z))
        self.note = QLineEdit("" if before is None else before.note)
        self.note.setObjectName("keyImageNote")
        self.note.setAccessibleName(tr("Note of the key image"))
        self.note.setMaxLength(LONGEST_NOTE)
        self.note.setPlaceholderText(tr("What it shows (may stay empty)"))
        self.note.setMinimumWidth(420)
        standard = QDialogButtonBox.StandardButton
        buttons = QDialogButtonBox(standard.Ok | standard.Cancel)
        if before is not None:
            remove = buttons.addButton(tr("Remove"), QDialogButtonBox.ButtonRole.DestructiveRole)
            remove.setObjectName("removeKeyImage")
            remove.clicked.connect(self._remove)
        buttons.accepted.connect(self._take)
        buttons.rejected.connect(self.reject)
        layout = QVBoxLayout(self)
        layout.addWidget(
            QLabel(tr("Goes with the read into PDF, structured report and key object selection; name no patient here."))
        )
        layout.addWidget(self.note)
        layout.addWidget(buttons)

    def _take(self) -> None:
        self.accept()
        self.wanted.emit(self.note.text().strip())

    def _remove(self) -> None:
        self.accept()
        self.removed.emit()


class NoteCommands(QObject):
    """Key images and kept measures.

    Signals:
        message: a line for the status bar.
    """

    message = Signal(str)

    def __init__(self, session: Session, desk: Desk, window: QWidget) -> None:
        super().__init__(window)
        self._session, self._desk, self._window = session, desk, window

    def handler(self, key: str) -> Callable[[], object] | None:
        """The method of an action's key, None where it is not one of the notes'."""
        return {"key_image": self.key_image, "keep_mark": self.keep_mark, "next_key_image": self.next_key_image}.get(
            key
        )

    def key_image(self) -> None:
        """Make the axial slice on show a key image, or change what it says."""
        session = self._session
        if not session.can_measure or session.exam is None:
            return
        view, notes, exam_id = session.view, session.read.notes, session.exam.exam_id
        z = view.position[2]
        if (before := notes.image_of(z)) is None and len(notes.key_images) >= MOST_IMAGES:
            self.message.emit(tr("There are {n} key images already; remove one first.", n=MOST_IMAGES))
            return
        dialog = KeyImageDialog(z, before, self._window)

        def still() -> bool:
            """The dialog's exam is the one on screen."""
            return session.exam is not None and session.exam.exam_id == exam_id

        def take(note: str) -> None:
            if still():
                session.edit(notes=session.read.notes.with_image(KeyImage(z, note, view.level, view.width)))
                self.message.emit(tr("Slice {z} is a key image.", z=z))

        def remove() -> None:
            if still():
                session.edit(notes=session.read.notes.without_image(z))

        dialog.wanted.connect(take)
        dialog.removed.connect(remove)
        dialog.open()

    def next_key_image(self) -> None:
        """Look at the next key image towards the head, then at the lowest one again."""
        images = self._session.read.notes.key_images
        if not images:
            self.message.emit(tr("There is no key image yet: K makes the slice on show one."))
            return
        x, y, at = self._session.view.position
        image = next((one for one in images if one.z > at), images[0])
        self._session.set_view(position=(x, y, image.z), level=image.level, width=image.width, slab_mm=0.0)

    def keep_mark(self) -> None:
        """Keep the ruler or the probe of the axial image with the read; on a measure that is kept, let go of it."""
        session, axial = self._session, self._desk.views[Plane.AXIAL]
        notes, geometry = session.read.notes, axial.geometry
        if not session.can_measure or geometry is None:
            return
        z = session.view.position[2]
        if (ruler := axial.ruler_mm) is not None:
            (su, sv), (a, b) = geometry.spacing_uv, ruler
            mark = KeptMark(z, (a[0] / su - 0.5, a[1] / sv - 0.5), (b[0] / su - 0.5, b[1] / sv - 0.5))
            axial.clear_ruler()
        elif (under := self._under_pointer(z)) is not None:
            session.edit(notes=replace(notes, marks=tuple(one for one in notes.marks if one is not under)))
            self.message.emit(tr("The measure is let go."))
            return
        elif session.view.tool is Tool.PROBE and self._desk.pointed[2] == z:
            x, y, _ = self._desk.pointed
            mark = KeptMark(z, (float(x), float(y)), (float(x), float(y)))
        else:
            self.message.emit(
                tr(
                    "Draw a ruler (R) or point with the probe (V) in the axial image first; on a kept measure this lets go of it."
                )
            )
            return
        session.edit(notes=notes.with_mark(mark))
        self.message.emit(tr("The measure is kept with the read."))

    def _under_pointer(self, z: int) -> KeptMark | None:
        axial = self._desk.views[Plane.AXIAL]
        x, y, _ = self._desk.pointed
        at = axial.position_of((x, y, z))

        def near(mark: KeptMark) -> bool:
            ends = [axial.position_of((*end, z)) for end in (mark.start, mark.end)]
            return _distance(at, ends[0], ends[1]) <= _REACH_PX

        return next((mark for mark in reversed(self._session.read.notes.marks) if mark.z == z and near(mark)), None)


def _distance(at: QPointF, one: QPointF, other: QPointF) -> float:
    """Pixels from a place to a line between two others."""
    along, away = other - one, at - one
    length = along.x() ** 2 + along.y() ** 2
    share = 0.0 if length == 0 else min(1.0, max(0.0, (away.x() * along.x() + away.y() * along.y()) / length))
    rest = away - along * share
    return math.hypot(rest.x(), rest.y())
