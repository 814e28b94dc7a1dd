"""A name beside a number that gives way where the panel is narrow or its text large: the number is never cut."""

from __future__ import annotations

from PySide6.QtCore import QSize, Qt
from PySide6.QtGui import QPainter, QPaintEvent
from PySide6.QtWidgets import QLabel


class Caption(QLabel):
    """Cut with an ellipsis, line by line, where there is no room."""

    def minimumSizeHint(self) -> QSize:
        """As high as the text, and hardly any width."""
        return QSize(40, super().minimumSizeHint().height())

    def paintEvent(self, event: QPaintEvent) -> None:
        """The text as far as there is room."""
        metrics, room = self.fontMetrics(), self.contentsRect().width()
        lines = self.text().split("\n")
        if all(metrics.horizontalAdvance(line) <= room for line in lines):
            super().paintEvent(event)
            return
        cut = "\n".join(metrics.elidedText(line, Qt.TextElideMode.ElideRight, room) for line in lines)
        painter = QPainter(self)
        enabled = self.isEnabled()
        self.style().drawItemText(
            painter, self.contentsRect(), self.alignment(), self.palette(), enabled, cut, self.foregroundRole()
        )
        painter.end()
