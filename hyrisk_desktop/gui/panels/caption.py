"""Texts that give way where the panel is narrow or its letters large: the number beside them is never cut, and the panel never jumps.

A label keeps its whole text; what there is no room for is left out only where it is painted.
"""

from __future__ import annotations

import bisect

from PySide6.QtCore import QRect, QSize, Qt
from PySide6.QtGui import QPainter, QPaintEvent
from PySide6.QtWidgets import QLabel

from hyrisk_desktop.gui.appearance import scaled

_LONGEST_WORD = 30


def _paint(label: QLabel, text: str, flags: int = 0) -> None:
    """Paint ``text`` in the place of the label's own."""
    painter = QPainter(label)
    place, palette = label.contentsRect(), label.palette()
    flags |= label.alignment().value
    label.style().drawItemText(painter, place, flags, palette, label.isEnabled(), text, label.foregroundRole())
    painter.end()


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
        _paint(self, "\n".join(metrics.elidedText(line, Qt.TextElideMode.ElideRight, room) for line in lines))


class Note(QLabel):
    """A text that wraps within a fixed number of lines, so that the panel never jumps when it changes."""

    def __init__(self, lines: int) -> None:
        super().__init__()
        self.setWordWrap(True)
        self.setAlignment(Qt.AlignmentFlag.AlignTop)
        self.set_lines(lines)

    def set_lines(self, lines: int) -> None:
        """Room for so many lines."""
        self.setFixedHeight(2 + scaled(16) * lines)

    def setText(self, text: str) -> None:
        """Show ``text``; the tooltip, and what screen readers hear, have it whole where it is too long."""
        super().setText(text)
        self.setToolTip(text)
        self.setAccessibleDescription(text)

    def shown(self) -> str:
        """As many words as there is room for: the upper half of a line more would look like a fault."""
        text, room = self.text(), self.contentsRect()
        high = QRect(0, 0, room.width(), 1 << 20)

        def fits(part: str) -> bool:
            box = self.fontMetrics().boundingRect(high, Qt.TextFlag.TextWordWrap, part)
            return box.height() <= room.height()

        if fits(text):
            return text
        count = bisect.bisect_left(range(len(text)), True, key=lambda n: not fits(f"{text[:n]}…")) - 1
        text = text[: max(count, 0)]
        # No word is cut, where words are written apart.
        apart = text.rfind(" ")
        return f"{text[:apart] if len(text) - apart < _LONGEST_WORD else text}…"

    def paintEvent(self, event: QPaintEvent) -> None:
        """The text as far as there is room."""
        if (shown := self.shown()) == self.text():
            super().paintEvent(event)
        else:
            _paint(self, shown, Qt.TextFlag.TextWordWrap.value)

    def hasHeightForWidth(self) -> bool:
        """No: a label that asks for height by width makes the whole panel taller than the window."""
        return False
