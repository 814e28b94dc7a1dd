"""The slice itself: one RGB32 buffer that is filled by one look-up and painted as it is."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QPointF, QRectF
from PySide6.QtGui import QImage, QPainter
from PySide6.QtWidgets import QGraphicsItem, QStyleOptionGraphicsItem, QWidget

from hyrisk_desktop.gui.viewer.display import apply_window
from hyrisk_desktop.imaging.volume import HuArray


class Picture(QGraphicsItem):
    """A grey picture whose pixel (u, v) covers the unit square at (u, v) of the item's own coordinates."""

    def __init__(self) -> None:
        super().__init__()
        self._buffer: NDArray[np.uint32] | None = None
        self._image = QImage()

    def show_slice(self, hu: HuArray, table: NDArray[np.uint32]) -> None:
        """Paint a slice [v, u] of HU through a `display.rgb32` table of 65,536 colours."""
        if self._buffer is None or self._buffer.shape != hu.shape:
            self.prepareGeometryChange()
            self._buffer = np.empty(hu.shape, np.uint32)
            rows, columns = hu.shape
            # The image looks at the buffer: what is written there is what is painted, without a copy. Qt's fast way of
            # scaling is the one for 32 bits.
            self._image = QImage(self._buffer.data, columns, rows, 4 * columns, QImage.Format.Format_RGB32)
        apply_window(hu, table, out=self._buffer)
        self.update()

    def clear(self) -> None:
        """Paint nothing."""
        self.prepareGeometryChange()
        self._buffer, self._image = None, QImage()

    def boundingRect(self) -> QRectF:
        """The whole picture."""
        return QRectF(self._image.rect())

    def paint(self, painter: QPainter, option: QStyleOptionGraphicsItem, widget: QWidget | None = None) -> None:
        """Draw the buffer."""
        painter.drawImage(QPointF(0, 0), self._image)
