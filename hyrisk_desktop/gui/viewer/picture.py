"""Pictures in a plane: the slice, one RGB32 buffer that is filled by one look-up and painted as it is, and colours over it."""

from __future__ import annotations

from math import ceil, floor

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QPoint, QRect, QRectF, Qt
from PySide6.QtGui import QImage, QPainter, QRegion, QTransform

from hyrisk_desktop.gui.viewer.display import apply_window
from hyrisk_desktop.imaging.volume import HuArray

_ROWS = 32
"""Looked up at a time, so that what is worked with stays in the processor's cache."""


class Picture:
    """An image that covers a rectangle of the plane; nothing until it is told what.

    Attributes:
        area: what it covers, in mm of the plane.
    """

    def __init__(self) -> None:
        self.area = QRectF()
        self._buffer: NDArray[np.uint32] | None = None
        self._index: NDArray[np.intp] | None = None
        self._image = QImage()

    @property
    def shown(self) -> bool:
        """Whether there is anything to paint."""
        return not self._image.isNull()

    def show_slice(self, hu: HuArray, table: NDArray[np.uint32]) -> None:
        """Take a slice [v, u] of HU, as a `display.rgb32` table of 65,536 colours shows it."""
        if self._buffer is None or self._buffer.shape != hu.shape:
            self._buffer = np.empty(hu.shape, np.uint32)
            self._index = np.empty((_ROWS, hu.shape[1]), np.intp)
            rows, columns = hu.shape
            # The image looks at the buffer: what is written there is what is painted, without a copy. Qt's fast way of
            # scaling is the one for 32 bits.
            self._image = QImage(self._buffer.data, columns, rows, 4 * columns, QImage.Format.Format_RGB32)
        apply_window(hu, table, out=self._buffer, index=self._index)

    def show_colours(self, rgba: NDArray[np.uint8], area: QRectF) -> None:
        """Take colours [v, u, RGBA] over ``area``, in mm."""
        self.area = area
        rows, columns, _ = rgba.shape
        straight = QImage(np.ascontiguousarray(rgba).data, columns, rows, 4 * columns, QImage.Format.Format_RGBA8888)
        # A copy, so nothing looks at ``rgba`` any more.
        self._image = straight.convertToFormat(QImage.Format.Format_ARGB32_Premultiplied)

    def clear(self) -> None:
        """Paint nothing."""
        self._buffer, self._image = None, QImage()

    def paint(self, painter: QPainter, to_widget: QTransform) -> None:
        """Draw it, with ``to_widget`` from mm of the plane to widget pixels."""
        if not self.shown:
            return
        area, image = self.area, self._image
        to_mm = QTransform.fromTranslate(area.x(), area.y()).scale(
            area.width() / image.width(), area.height() / image.height()
        )
        # Through a transform: into a rectangle Qt scales a tenth more slowly.
        painter.setTransform(to_mm * to_widget)
        painter.drawImage(0, 0, image)
        painter.resetTransform()


def paint_ground(painter: QPainter, whole: QRect, shown: QRectF) -> None:
    """Paint black what ``shown`` leaves of ``whole``, in widget pixels."""
    first, last = QPoint(ceil(shown.left()), ceil(shown.top())), QPoint(floor(shown.right()), floor(shown.bottom()))
    # Two points are the first and the last pixel, edges are the first and one behind the last.
    for rest in QRegion(whole).subtracted(QRegion(QRect(first, last - QPoint(1, 1)))):  # type: ignore[attr-defined]
        painter.fillRect(rest, Qt.GlobalColor.black)
