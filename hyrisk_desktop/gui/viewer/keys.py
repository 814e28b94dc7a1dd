"""What the keys do on the images: scroll, nudge, take or place the heart centre, confirm."""

from __future__ import annotations

from collections.abc import Mapping

from PySide6.QtCore import QEvent, QObject, Qt, Signal
from PySide6.QtGui import QKeyEvent

from hyrisk_desktop.gui.session import Session
from hyrisk_desktop.gui.state import Tool
from hyrisk_desktop.gui.viewer.display import Plane
from hyrisk_desktop.gui.viewer.slice_view import SliceView
from hyrisk_desktop.i18n import tr

AXES = {Plane.AXIAL: 2, Plane.CORONAL: 1, Plane.SAGITTAL: 0}
"""The axis of (x, y, z) along which each plane's slices lie."""


class ImageKeys(QObject):
    """Listens at the three views.

    Signals:
        confirmed: Enter was pressed with no tool in hand.
        placed: the reader places the heart centre at this voxel.
    """

    confirmed = Signal()
    placed = Signal(object)

    def __init__(self, session: Session, views: Mapping[Plane, SliceView], parent: QObject) -> None:
        super().__init__(parent)
        self._session, self._views = session, views
        for view in views.values():
            view.installEventFilter(self)

    def scroll_by(self, plane: Plane, steps: int) -> None:
        """Move the position along ``plane``'s normal."""
        position = list(self._session.view.position)
        position[AXES[plane]] += steps
        x, y, z = position
        self._session.set_view(position=(x, y, z), centre_selected=False)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Keys on the images scroll and nudge."""
        if isinstance(event, QKeyEvent) and event.type() == QKeyEvent.Type.KeyPress and isinstance(watched, SliceView):
            return self._key(watched, event)
        return False

    def _key(self, view: SliceView, event: QKeyEvent) -> bool:
        plane = next(p for p, v in self._views.items() if v is view)
        key, modifiers = event.key(), event.modifiers()
        arrows = {
            Qt.Key.Key_Left: (-1, 0),
            Qt.Key.Key_Right: (1, 0),
            Qt.Key.Key_Up: (0, -1),
            Qt.Key.Key_Down: (0, 1),
        }
        if key in arrows:
            self._arrow(plane, arrows[Qt.Key(key)], modifiers)
        elif key == Qt.Key.Key_PageUp:
            self.scroll_by(plane, 1)
        elif key == Qt.Key.Key_PageDown:
            self.scroll_by(plane, -1)
        elif key == Qt.Key.Key_Home:
            self.scroll_by(plane, 1_000_000)
        elif key == Qt.Key.Key_End:
            self.scroll_by(plane, -1_000_000)
        elif key in (Qt.Key.Key_Return, Qt.Key.Key_Enter) and event.isAutoRepeat():
            # Enter held down would take what nobody has looked at.
            return True
        elif key in (Qt.Key.Key_Return, Qt.Key.Key_Enter) and self._session.view.tool is Tool.PLACE_CENTRE:
            self._take_or_place()
        elif key in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            self.confirmed.emit()
        else:
            return False
        return True

    def _arrow(self, plane: Plane, step: tuple[int, int], modifiers: Qt.KeyboardModifier) -> None:
        session = self._session
        size = 5 if modifiers & Qt.KeyboardModifier.ShiftModifier else 1
        du, dv = (size * d for d in step)
        # Up on screen is towards the head in the reformatted planes, and z points that way.
        dx, dy, dz = {Plane.AXIAL: (du, dv, 0), Plane.CORONAL: (du, 0, -dv), Plane.SAGITTAL: (0, du, -dv)}[plane]
        if modifiers & Qt.KeyboardModifier.ControlModifier and session.read.complete:
            # A stray key must not change a read that was finished.
            session.told.emit(tr("This read is complete: press H and click to move its heart centre."))
        elif modifiers & Qt.KeyboardModifier.ControlModifier:
            session.nudge_centre(0, 0, -step[1])
        elif self._session.view.tool is Tool.PLACE_CENTRE:
            x, y, z = session.view.position
            session.set_view(position=(x + dx, y + dy, z + dz))
        elif session.view.centre_selected and session.read.centre is not None:
            session.nudge_centre(dx, dy, dz)
        else:
            self.scroll_by(plane, step[0] - step[1])

    def _take_or_place(self) -> None:
        """Enter: take the proposed centre, whatever slice is on show, or place one where the cursor was moved to."""
        session = self._session
        if session.read.centre is None and not session.looked_around:
            if session.proposal_pending:
                session.told.emit(tr("The heart centre is still being proposed: a moment, or click it."))
                return
            if session.proposal is None:
                # The middle of the image is nobody's heart centre.
                session.told.emit(tr("Move the cursor to the heart's centre with the arrows first, or click it."))
            else:
                self.placed.emit(session.proposal.voxel)
            return
        self.placed.emit(session.view.position)
