"""A line drawn by hand around plaques of the slice on show, to choose several at once."""

from __future__ import annotations

from PySide6.QtCore import QEvent, QObject, QPointF, Qt, Signal
from PySide6.QtGui import QColor, QMouseEvent, QPainter, QPaintEvent, QPen, QPolygonF, QShowEvent
from PySide6.QtWidgets import QWidget

from hyrisk_desktop.gui.session import Session
from hyrisk_desktop.gui.viewer.slice_view import SliceView
from hyrisk_desktop.i18n import tr
from hyrisk_desktop.imaging import Voxel

_LINE = QColor(255, 225, 60)


class Lasso(QWidget):
    """Lies over the axial view while it is in use; Esc, or another press of its key, takes it away.

    Signals:
        caught: the ids of the plaques in the line.
    """

    caught = Signal(object)

    def __init__(self, session: Session, view: SliceView) -> None:
        super().__init__(view)
        self._session, self._view = session, view
        self._line: list[QPointF] = []
        self.setObjectName("lasso")
        self.setAccessibleName(tr("Lasso around plaques"))
        self.setCursor(Qt.CursorShape.CrossCursor)
        self.setVisible(False)
        view.installEventFilter(self)
        session.exam_changed.connect(self.hide)
        session.tool_changed.connect(self.hide)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """As large as the view; gone with Esc, which does nothing else then."""
        if event.type() == QEvent.Type.Resize:
            self.setGeometry(self._view.rect())
        if event.type() == QEvent.Type.ShortcutOverride and self.isVisible() and event.key() == Qt.Key.Key_Escape:  # type: ignore[attr-defined]
            self.hide()
            event.accept()
            return True
        return False

    def showEvent(self, event: QShowEvent) -> None:
        """Over everything that the view shows."""
        self.setGeometry(self._view.rect())
        self.raise_()
        super().showEvent(event)

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """A new line."""
        self._line = [event.position()]
        event.accept()

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Goes on."""
        if self._line:
            self._line.append(event.position())
            self.update()

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        """Closes it: what it holds is chosen."""
        line, self._line = QPolygonF([*self._line, event.position()]), []
        self.hide()
        self.caught.emit(self._within(line))

    def _within(self, line: QPolygonF) -> set[Voxel]:
        """The plaques of the slice on show whose middle there lies within ``line``."""
        heart, z = self._session.whole_heart, self._session.view.position[2]
        found = set()
        for plaque in () if heart is None else heart.groups:
            for lesion in plaque.lesions:
                if lesion.slice == z and line.containsPoint(
                    self._view.position_of(lesion.center_xyz), Qt.FillRule.OddEvenFill
                ):
                    found.add(plaque.id)
        return found

    def paintEvent(self, event: QPaintEvent) -> None:
        """The line so far."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(QPen(_LINE, 1.6))
        painter.drawPolyline(QPolygonF(self._line))
        painter.end()
