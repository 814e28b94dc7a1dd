"""Texts on an image: measured, broken and drawn once and then kept, as most of them stay while slices go by."""

from __future__ import annotations

import math
from functools import lru_cache

from PySide6.QtCore import QPointF, Qt
from PySide6.QtGui import QColor, QFont, QFontMetricsF, QImage, QPainter

SHADOW = QColor(0, 0, 0, 200)
_KEPT = 512


class Lettering:
    """One font on one painter in widget pixels.

    Attributes:
        painter: what is drawn on. ascent, height: of a line, in pixels.
    """

    def __init__(self, painter: QPainter, pixel_size: int) -> None:
        font = QFont(painter.font())
        font.setPixelSize(pixel_size)
        self.painter = painter
        self._font, self._scale = font.key(), painter.device().devicePixelRatio()
        metrics = _metrics(self._font)
        self.ascent, self.height = metrics.ascent(), metrics.height()

    def width(self, text: str) -> float:
        """Of ``text``, in pixels."""
        return _width(text, self._font)

    def elided(self, lines: tuple[str, ...], room: float) -> tuple[str, ...]:
        """The ``lines`` that say something, each cut to ``room`` pixels."""
        return _elided(lines, self._font, room)

    def wrapped(self, lines: tuple[str, ...], room: float) -> tuple[str, ...]:
        """See `wrapped`."""
        return _wrapped(lines, self._font, room)

    def draw(self, text: str, colour: QColor, x: float, y: float) -> None:
        """``text`` in ``colour`` with its baseline beginning at (``x``, ``y``)."""
        if not text:
            return
        stamp, scale = _stamp(text, colour.rgba(), self._font, self._scale), self._scale
        # On whole pixels of the screen, or the letters would be smeared over two.
        self.painter.drawImage(
            QPointF(round((x - 1) * scale) / scale, round((y - self.ascent - 1) * scale) / scale), stamp
        )

    def draw_around(self, text: str, colour: QColor, middle: float, y: float) -> None:
        """``text`` in ``colour`` with its baseline at ``y`` and its middle at ``middle``."""
        self.draw(text, colour, middle - self.width(text) / 2, y)


def wrapped(lines: tuple[str, ...], metrics: QFontMetricsF, room: float) -> tuple[str, ...]:
    """``lines`` broken between words so that none is wider than ``room`` pixels; a single long word stays whole."""
    found: list[str] = []
    for line in lines:
        rest = ""
        for word in line.split(" "):
            longer = f"{rest} {word}" if rest else word
            if rest.strip() and metrics.horizontalAdvance(longer) > room:
                found.append(rest)
                longer = word
            rest = longer
        if rest.strip():
            found.append(rest)
    return tuple(found)


@lru_cache(maxsize=8)
def _metrics(font_key: str) -> QFontMetricsF:
    return QFontMetricsF(_font(font_key))


def _font(key: str) -> QFont:
    font = QFont()
    font.fromString(key)
    return font


@lru_cache(maxsize=_KEPT)
def _width(text: str, font_key: str) -> float:
    return _metrics(font_key).horizontalAdvance(text)


@lru_cache(maxsize=_KEPT)
def _elided(lines: tuple[str, ...], font_key: str, room: float) -> tuple[str, ...]:
    metrics = _metrics(font_key)
    return tuple(metrics.elidedText(line, Qt.TextElideMode.ElideRight, room) for line in lines if line)


@lru_cache(maxsize=_KEPT)
def _wrapped(lines: tuple[str, ...], font_key: str, room: float) -> tuple[str, ...]:
    return wrapped(lines, _metrics(font_key), room)


@lru_cache(maxsize=_KEPT)
def _stamp(text: str, rgba: int, font_key: str, scale: float) -> QImage:
    """A text with its dark rim as a picture whose baseline begins at (1, 1 + ascent)."""
    metrics = _metrics(font_key)
    image = blank(metrics.horizontalAdvance(text) + 4, metrics.height() + 2, scale)
    painter = QPainter(image)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.setFont(_font(font_key))
    at = QPointF(1, 1 + metrics.ascent())
    painter.setPen(SHADOW)
    for dx, dy in ((-1, 0), (1, 0), (0, -1), (0, 1)):
        painter.drawText(QPointF(at.x() + dx, at.y() + dy), text)
    painter.setPen(QColor.fromRgba(rgba))
    painter.drawText(at, text)
    painter.end()
    return image


def blank(width: float, height: float, scale: float) -> QImage:
    """A transparent picture of that size in widget pixels, for a screen with ``scale`` pixels to each."""
    image = QImage(math.ceil(width * scale), math.ceil(height * scale), QImage.Format.Format_ARGB32_Premultiplied)
    image.setDevicePixelRatio(scale)
    image.fill(Qt.GlobalColor.transparent)
    return image
