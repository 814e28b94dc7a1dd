"""What is painted over a slice in widget pixels: marks, corner texts, orientation letters, scale and ruler."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

from PySide6.QtCore import QPointF, QRect, QRectF, Qt
from PySide6.QtGui import QColor, QFont, QFontMetricsF, QImage, QPainter, QPen

from hyrisk_desktop.calcium import Region
from hyrisk_desktop.gui.viewer import interaction
from hyrisk_desktop.gui.viewer.display import ORIENTATION_LETTERS, Plane, PlaneGeometry
from hyrisk_desktop.i18n import tr
from hyrisk_desktop.imaging import Voxel
from hyrisk_desktop.worklist.records import Proposal

CURSOR = QColor(90, 170, 255, 110)
CENTRE = QColor(255, 225, 60)
REGION = QColor(80, 230, 140)
PROPOSED = QColor(255, 140, 220)
PATCH = QColor(110, 190, 255)
BOX = QColor(255, 160, 60)
TEXT = QColor(222, 228, 234)
_SHADOW = QColor(0, 0, 0, 200)
_MARGIN = 8.0
ToWidget = Callable[[float, float], QPointF]


@dataclass(frozen=True, slots=True)
class Marks:
    """What lies on the image, in voxels."""

    position: Voxel | None = None
    centre: Voxel | None = None
    centre_selected: bool = False
    region: Region | None = None
    patch: Region | None = None
    box: Region | None = None
    proposed: Proposal | None = None


@dataclass(frozen=True, slots=True)
class Annotations:
    """Corner texts (lines top to bottom) and visibility.

    Attributes:
        banner: shown in the middle of the upper edge, e.g. "SYNTHETIC".
        hint: one line in the middle of the lower edge: what the next click does.
    """

    top_left: tuple[str, ...] = ()
    top_right: tuple[str, ...] = ()
    bottom_left: tuple[str, ...] = ()
    bottom_right: tuple[str, ...] = ()
    banner: str = ""
    hint: str = ""
    show_marks: bool = True
    show_texts: bool = True


def paint_marks(painter: QPainter, marks: Marks, geometry: PlaneGeometry, index: int, to_widget: ToWidget) -> None:
    """Draw cursor lines, region, patch, box and heart centre where they cross this slice.

    Args:
        painter: in widget pixels. marks: what to draw. geometry, index: the plane and slice on show.
        to_widget: millimetres in the plane to widget pixels.
    """

    def corners(region: Region) -> QRectF:
        u0, v0, u1, v1 = geometry.rectangle(region)
        su, sv = geometry.spacing_uv
        a = to_widget((u0 + 0.5) * su, (v0 + 0.5) * sv)
        b = to_widget((u1 + 0.5) * su, (v1 + 0.5) * sv)
        return QRectF(a, b)

    def point(voxel: Voxel) -> QPointF:
        u, v, _ = geometry.to_plane(voxel)
        return to_widget((u + 0.5) * geometry.spacing_uv[0], (v + 0.5) * geometry.spacing_uv[1])

    painter.setBrush(Qt.BrushStyle.NoBrush)
    if marks.position is not None:
        _cursor_lines(painter, point(marks.position))
    for region, colour, style in (
        (marks.patch, PATCH, Qt.PenStyle.DashLine),
        (marks.region, REGION, Qt.PenStyle.SolidLine),
    ):
        if region is not None and geometry.crosses(region, index):
            painter.setPen(QPen(colour, 1.4, style))
            painter.drawRect(corners(region))
    if marks.box is not None:
        rectangle = corners(marks.box)
        inside = geometry.crosses(marks.box, index)
        painter.setPen(QPen(BOX, 1.4, Qt.PenStyle.SolidLine if inside else Qt.PenStyle.DotLine))
        painter.drawRect(rectangle)
        painter.setBrush(BOX)
        for corner in (rectangle.topLeft(), rectangle.topRight(), rectangle.bottomLeft(), rectangle.bottomRight()):
            painter.drawRect(QRectF(corner.x() - 3.5, corner.y() - 3.5, 7, 7))
        painter.setBrush(Qt.BrushStyle.NoBrush)
    if marks.proposed is not None:
        on_slice = round(geometry.to_plane(marks.proposed.voxel)[2]) == index
        named = on_slice and geometry.plane is Plane.AXIAL
        at = point(marks.proposed.voxel)
        _proposed(painter, at, on_slice=on_slice, named=named, confident=marks.proposed.confident)
    if marks.centre is not None:
        on_slice = round(geometry.to_plane(marks.centre)[2]) == index
        _centre(painter, point(marks.centre), on_slice=on_slice, selected=marks.centre_selected)


def _cursor_lines(painter: QPainter, at: QPointF) -> None:
    """Lines of the linked cursor, open around the spot so that they hide nothing there."""
    view = painter.window()
    gap, x, y = 16, round(at.x()), round(at.y())
    # Whole pixels filled: a smoothed line of that length would cost more than the image under it.
    for line in (
        QRect(0, y, x - gap, 1),
        QRect(x + gap, y, view.width() - x - gap, 1),
        QRect(x, 0, 1, y - gap),
        QRect(x, y + gap, 1, view.height() - y - gap),
    ):
        if line.isValid():
            painter.fillRect(line, CURSOR)


def _centre(painter: QPainter, at: QPointF, *, on_slice: bool, selected: bool) -> None:
    colour = QColor(CENTRE)
    if not on_slice:
        colour.setAlpha(110)
    for pen in (QPen(_SHADOW, 3.6), QPen(colour, 1.8)):
        painter.setPen(pen)
        for dx, dy in ((1, 0), (-1, 0), (0, 1), (0, -1)):
            painter.drawLine(QPointF(at.x() + 3 * dx, at.y() + 3 * dy), QPointF(at.x() + 10 * dx, at.y() + 10 * dy))
        if selected and on_slice:
            painter.drawEllipse(at, 12.5, 12.5)


def _proposed(painter: QPainter, at: QPointF, *, on_slice: bool, named: bool, confident: bool) -> None:
    """A broken ring with a name, so that nobody takes it for a centre that a reader has placed."""
    colour = QColor(PROPOSED)
    if not on_slice:
        colour.setAlpha(110)
    for pen in (QPen(_SHADOW, 3.6), QPen(colour, 1.8, Qt.PenStyle.DashLine if confident else Qt.PenStyle.DotLine)):
        painter.setPen(pen)
        painter.drawEllipse(at, 13, 13)
    if named:
        text = tr("proposed centre") if confident else tr("proposed centre, unsure")
        _text(painter, text, colour, at.x() + 18, at.y() - 10)


def paint_annotations(
    painter: QPainter,
    annotations: Annotations,
    size: tuple[int, int],
    zoom: float,
    geometry: PlaneGeometry,
    ruler: tuple[tuple[float, float], tuple[float, float]] | None,
    to_widget: ToWidget,
) -> None:
    """Draw the texts in the corners, the letters at the edges, the scale, the hint and the ruler.

    Args:
        painter: in widget pixels. annotations: the texts. size: width and height in pixels.
        zoom: screen pixels per image pixel. geometry: of the plane. ruler: both ends in mm, None for none.
        to_widget: millimetres in the plane to widget pixels.
    """
    width, height = size
    font = QFont(painter.font())
    font.setPixelSize(13 if min(width, height) > 380 else 11)
    painter.setFont(font)
    metrics = QFontMetricsF(font)
    below = 1
    if annotations.show_texts:
        half = width / 2 - 2 * _MARGIN
        elide = Qt.TextElideMode.ElideRight
        names, study = (
            tuple(metrics.elidedText(line, elide, half) for line in lines if line)
            for lines in (annotations.top_left, annotations.top_right)
        )
        # What is measured is wrapped and never cut: half a number is a wrong number.
        left, right = (wrapped(t, metrics, half) for t in (annotations.bottom_left, annotations.bottom_right))
        below = max(2, len(left), len(right))
        _corner(painter, metrics, names, _MARGIN, _MARGIN, right=False, up=False)
        _corner(painter, metrics, study, width - _MARGIN, _MARGIN, right=True, up=False)
        _corner(painter, metrics, left, _MARGIN, height - _MARGIN, right=False, up=True)
        _corner(painter, metrics, right, width - _MARGIN, height - _MARGIN, right=True, up=True)
        _letters(painter, metrics, geometry, width, height)
        _scale(painter, metrics, geometry, zoom, height)
    # What kind of picture this is, and what a click does, is never hidden.
    if annotations.banner:
        _line(painter, metrics, annotations.banner, QColor(255, 170, 60), width / 2, _MARGIN + metrics.ascent() + 18)
    if annotations.hint:
        # Above the corners' texts, which reach below the middle where the view is narrow.
        hint = metrics.elidedText(annotations.hint, Qt.TextElideMode.ElideRight, width - 2 * _MARGIN)
        _line(painter, metrics, hint, CENTRE, width / 2, height - _MARGIN - metrics.height() * (below + 0.6))
    if ruler is not None:
        _ruler(painter, *ruler, to_widget)


def _ruler(painter: QPainter, one: tuple[float, float], other: tuple[float, float], to_widget: ToWidget) -> None:
    a, b = to_widget(*one), to_widget(*other)
    for pen in (QPen(_SHADOW, 3.5), QPen(CENTRE, 1.6)):
        painter.setPen(pen)
        painter.drawLine(a, b)
    length = tr("{mm:.1f} mm", mm=interaction.distance_mm(a=one, b=other))
    _text(painter, length, CENTRE, b.x() + 8, b.y() - 6)


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


def _text(painter: QPainter, text: str, colour: QColor, x: float, y: float) -> None:
    if not text:
        return
    font, scale = painter.font(), painter.device().devicePixelRatio()
    stamp, ascent = _stamp(text, colour.rgba(), font.key(), scale)
    # On whole pixels of the screen, or the letters would be smeared over two.
    place = QPointF(round((x - 1) * scale) / scale, round((y - ascent - 1) * scale) / scale)
    painter.drawImage(place, stamp)


@lru_cache(maxsize=512)
def _stamp(text: str, rgba: int, font_key: str, scale: float) -> tuple[QImage, float]:
    """A text with its dark rim as a picture, and its ascent: most texts on an image stay while slices go by."""
    font = QFont()
    font.fromString(font_key)
    metrics = QFontMetricsF(font)
    width, height = metrics.horizontalAdvance(text) + 4, metrics.height() + 2
    image = QImage(math.ceil(width * scale), math.ceil(height * scale), QImage.Format.Format_ARGB32_Premultiplied)
    image.setDevicePixelRatio(scale)
    image.fill(Qt.GlobalColor.transparent)
    painter = QPainter(image)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.setFont(font)
    at = QPointF(1, 1 + metrics.ascent())
    painter.setPen(_SHADOW)
    for dx, dy in ((-1, 0), (1, 0), (0, -1), (0, 1)):
        painter.drawText(QPointF(at.x() + dx, at.y() + dy), text)
    painter.setPen(QColor.fromRgba(rgba))
    painter.drawText(at, text)
    painter.end()
    return image, metrics.ascent()


def _line(painter: QPainter, metrics: QFontMetricsF, text: str, colour: QColor, middle: float, y: float) -> None:
    _text(painter, text, colour, middle - metrics.horizontalAdvance(text) / 2, y)


def _corner(
    painter: QPainter,
    metrics: QFontMetricsF,
    lines: tuple[str, ...],
    x: float,
    y: float,
    *,
    right: bool,
    up: bool,
) -> None:
    top = y - len(lines) * metrics.height() if up else y
    for i, line in enumerate(lines):
        left = x - metrics.horizontalAdvance(line) if right else x
        _text(painter, line, TEXT, left, top + i * metrics.height() + metrics.ascent())


def _letters(painter: QPainter, metrics: QFontMetricsF, geometry: PlaneGeometry, width: int, height: int) -> None:
    left, right, top, bottom = ORIENTATION_LETTERS[geometry.plane]
    middle = height / 2 + metrics.ascent() / 2
    _text(painter, left, TEXT, _MARGIN, middle)
    _text(painter, right, TEXT, width - _MARGIN - metrics.horizontalAdvance(right), middle)
    _line(painter, metrics, top, TEXT, width / 2, _MARGIN + metrics.ascent())
    _line(painter, metrics, bottom, TEXT, width / 2, height - _MARGIN)


def _scale(painter: QPainter, metrics: QFontMetricsF, geometry: PlaneGeometry, zoom: float, height: int) -> None:
    """A scale along the left edge: the longest of 10, 5, 2 or 1 cm that fits, with a tick every centimetre."""
    px_per_mm = zoom / geometry.spacing_uv[0]
    if px_per_mm <= 0:
        return
    length = next((cm for cm in (10, 5, 2, 1) if cm * 10 * px_per_mm <= height * 0.34), 0)
    if not length:
        return
    x, px = _MARGIN + 18, length * 10 * px_per_mm
    top = height / 2 - px / 2
    painter.setPen(QPen(TEXT, 1.2))
    painter.drawLine(QPointF(x, top), QPointF(x, top + px))
    for cm in range(length + 1):
        y = top + cm * 10 * px_per_mm
        painter.drawLine(QPointF(x, y), QPointF(x + (8 if cm % 5 == 0 else 5), y))
    _text(painter, tr("{cm} cm", cm=length), TEXT, x + 12, top + metrics.ascent() / 2)
