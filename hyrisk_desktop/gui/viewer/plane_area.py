"""A widget that shows an area of a plane: whole, in its middle, as large as fits."""

from __future__ import annotations

from PySide6.QtCore import QPointF, QRectF, QSize, Qt
from PySide6.QtGui import QKeyEvent, QTransform
from PySide6.QtWidgets import QAbstractScrollArea, QFrame, QWidget

_LEAST_MM, _MOST_MM = 1e-3, 1e6
"""Wide, of an area that is zoomed to: beyond, numbers end before pictures do."""


class PlaneArea(QAbstractScrollArea):
    """Knows which area is shown and where its millimetres lie; what is painted there is up to those who derive from it."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self._area = QRectF(0, 0, 1, 1)

    def _show_mm(self, area: QRectF) -> None:
        """Show ``area``, in mm of the plane."""
        self._area = area
        self.viewport().update()

    def _scale_around(self, place: QPointF, factor: float) -> None:
        """Show ``factor`` times as much, while ``place`` (mm) stays where it is."""
        if _LEAST_MM <= self._area.width() * factor <= _MOST_MM:
            first, last = (
                place + (corner - place) * factor for corner in (self._area.topLeft(), self._area.bottomRight())
            )
            self._show_mm(QRectF(first, last))

    @property
    def visible_mm(self) -> QRectF:
        """All that can be seen: the area, and on two sides what the widget's shape leaves room for."""
        size = self._size_px
        area, ratio = self._area, size.width() / size.height()
        more = QPointF(0, (area.width() / ratio - area.height()) / 2)
        if area.width() / area.height() <= ratio:
            more = QPointF((area.height() * ratio - area.width()) / 2, 0)
        return QRectF(area.topLeft() - more, area.bottomRight() + more)

    @property
    def mm_per_pixel(self) -> float:
        """Millimetres that a widget pixel covers, in both directions."""
        return self.visible_mm.width() / self._size_px.width()

    @property
    def _size_px(self) -> QSize:
        """Of the widget; never nothing, as of one that a neighbour left no room."""
        return self.viewport().size().expandedTo(QSize(1, 1))

    def _to_mm(self, position: QPointF) -> QPointF:
        """The place under a widget pixel."""
        return self._to_widget().inverted()[0].map(QPointF(position.toPoint()))

    def _to_widget(self) -> QTransform:
        """From mm of the plane to widget pixels."""
        size, shown = self._size_px, self.visible_mm
        middle, scale = shown.center(), (size.width() / shown.width(), size.height() / shown.height())
        return (
            QTransform.fromTranslate(size.width() / 2, size.height() / 2)
            .scale(*scale)
            .translate(-middle.x(), -middle.y())
        )

    def sizeHint(self) -> QSize:
        """As large as it is: a splitter that takes it in leaves it so."""
        return self.size()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Not for scrolling, as in other scroll areas: a key is for whoever holds the widget."""
        event.ignore()
