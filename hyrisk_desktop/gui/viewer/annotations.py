"""What is painted over a slice in widget pixels: marks, corner texts, orientation letters, scale and ruler."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

from PySide6.QtCore import QPoint, QPointF, QRect, QRectF, Qt
from PySide6.QtGui import QColor, QImage, QPainter, QPen

from hyrisk_desktop.calcium import Region
from hyrisk_desktop.gui.viewer import interaction
from hyrisk_desktop.gui.viewer.display import ORIENTATION_LETTERS, Plane, PlaneGeometry
from hyrisk_desktop.gui.viewer.lettering import SHADOW, Lettering, blank
from hyrisk_desktop.i18n import tr
from hyrisk_desktop.imaging import Voxel
from hyrisk_desktop.worklist.notes import PROBE_MM, KeptMark
from hyrisk_desktop.worklist.records import Proposal

CURSOR = QColor(90, 170, 255, 110)
CENTRE = QColor(255, 225, 60)
REGION = QColor(80, 230, 140)
PROPOSED = QColor(255, 140, 220)
PATCH = QColor(110, 190, 255)
BOX = QColor(255, 160, 60)
TEXT = QColor(222, 228, 234)
KEPT = QColor(150, 230, 255)
_MARGIN = 8.0
_CENTRE_ROOM = 16
"""Half the side of the picture of the cross, in pixels."""
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
    kept: tuple[tuple[KeptMark, str], ...] = ()
    """Measures kept of the slice on show, with what they measure."""


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


def paint_marks(ink: Lettering, marks: Marks, geometry: PlaneGeometry, index: int, to_widget: ToWidget) -> None:
    """Draw cursor lines, region, patch, box and heart centre where they cross this slice.

    Args:
        ink: in widget pixels. marks: what to draw. geometry, index: the plane and slice on show.
        to_widget: millimetres in the plane to widget pixels.
    """
    painter = ink.painter

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
    # Upright lines of whole pixels are sharp as they are, and smoothing dashes costs as much as half a picture.
    painter.setRenderHint(QPainter.RenderHint.Antialiasing, False)
    if marks.position is not None:
        _cursor_lines(painter, point(marks.position))
    for region, colour, style in (
        (marks.patch, PATCH, Qt.PenStyle.DashLine),
        (marks.region, REGION, Qt.PenStyle.SolidLine),
    ):
        if region is not None and geometry.crosses(region, index):
            painter.setPen(QPen(colour, 1, style))
            painter.drawRect(corners(region))
    if marks.box is not None:
        _box(painter, corners(marks.box), inside=geometry.crosses(marks.box, index))
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    _all_kept(ink, marks, geometry, to_widget)
    if marks.proposed is not None:
        on_slice = round(geometry.to_plane(marks.proposed.voxel)[2]) == index
        named = on_slice and geometry.plane is Plane.AXIAL
        confident = marks.proposed.confident
        _proposed(ink, point(marks.proposed.voxel), on_slice=on_slice, named=named, confident=confident)
    if marks.centre is not None:
        on_slice = round(geometry.to_plane(marks.centre)[2]) == index
        _centre(painter, point(marks.centre), on_slice=on_slice, selected=marks.centre_selected)


def _box(painter: QPainter, rectangle: QRectF, *, inside: bool) -> None:
    """The whole-heart box with its handles; dotted beside its slices."""
    painter.setPen(QPen(BOX, 1, Qt.PenStyle.SolidLine if inside else Qt.PenStyle.DotLine))
    painter.drawRect(rectangle)
    painter.setBrush(BOX)
    for corner in (rectangle.topLeft(), rectangle.topRight(), rectangle.bottomLeft(), rectangle.bottomRight()):
        painter.drawRect(QRectF(corner.x() - 3.5, corner.y() - 3.5, 7, 7))
    painter.setBrush(Qt.BrushStyle.NoBrush)


def _all_kept(ink: Lettering, marks: Marks, geometry: PlaneGeometry, to_widget: ToWidget) -> None:
    su, sv = geometry.spacing_uv
    for mark, words in marks.kept:
        ends = [to_widget((x + 0.5) * su, (y + 0.5) * sv) for x, y in (mark.start, mark.end)]
        _kept(ink, mark, words, ends, to_widget)


def _kept(ink: Lettering, mark: KeptMark, words: str, ends: list[QPointF], to_widget: ToWidget) -> None:
    """A length as a line with ends, or a disc, and what it measures."""
    reach = abs(to_widget(PROBE_MM, 0.0).x() - to_widget(0.0, 0.0).x())
    for pen in (QPen(SHADOW, 3.5), QPen(KEPT, 1.4)):
        ink.painter.setPen(pen)
        if mark.is_probe:
            ink.painter.drawEllipse(ends[0], reach, reach)
        else:
            ink.painter.drawLine(*ends)
            for end in ends:
                ink.painter.drawEllipse(end, 2.0, 2.0)
    aside = reach if mark.is_probe else 6.0
    ink.draw(words, KEPT, ends[1].x() + aside + 4, ends[1].y() - 6)


def _cursor_lines(painter: QPainter, at: QPointF) -> None:
    """Lines of the linked cursor, open around the spot so that they hide nothing there."""
    view = painter.window()
    gap, x, y = 16, round(at.x()), round(at.y())
    # Whole pixels: a smoothed line of that length would cost more than the image under it.
    for line in (QRect(0, y, x - gap, 1), QRect(x + gap, y, view.width() - x - gap, 1)):
        if line.isValid():
            painter.fillRect(line, CURSOR)
    # Upright ones as a picture: Qt blends a rectangle one pixel wide eight times as slowly.
    for line in (QRect(x, 0, 1, y - gap), QRect(x, y + gap, 1, view.height() - y - gap)):
        if line.isValid():
            painter.drawImage(line.topLeft(), _upright(view.height()), QRect(0, 0, 1, line.height()))


@lru_cache(maxsize=8)
def _upright(height: int) -> QImage:
    image = QImage(1, height, QImage.Format.Format_ARGB32_Premultiplied)
    image.fill(CURSOR)
    return image


def _centre(painter: QPainter, at: QPointF, *, on_slice: bool, selected: bool) -> None:
    stamp = _centre_stamp(on_slice, selected and on_slice, painter.device().devicePixelRatio())
    painter.drawImage(QPointF(at.x() - _CENTRE_ROOM, at.y() - _CENTRE_ROOM), stamp)


@lru_cache(maxsize=8)
def _centre_stamp(on_slice: bool, ringed: bool, scale: float) -> QImage:
    """The cross as a picture around its middle."""
    image = blank(2 * _CENTRE_ROOM, 2 * _CENTRE_ROOM, scale)
    painter = QPainter(image)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.translate(_CENTRE_ROOM, _CENTRE_ROOM)
    colour = QColor(CENTRE)
    if not on_slice:
        colour.setAlpha(110)
    for pen in (QPen(SHADOW, 3.6), QPen(colour, 1.8)):
        painter.setPen(pen)
        for dx, dy in ((1, 0), (-1, 0), (0, 1), (0, -1)):
            painter.drawLine(QPointF(3 * dx, 3 * dy), QPointF(10 * dx, 10 * dy))
        if ringed:
            painter.drawEllipse(QPointF(0, 0), 12.5, 12.5)
    painter.end()
    return image


def _proposed(ink: Lettering, at: QPointF, *, on_slice: bool, named: bool, confident: bool) -> None:
    """A broken ring with a name, so that nobody takes it for a centre that a reader has placed."""
    colour = QColor(PROPOSED)
    if not on_slice:
        colour.setAlpha(110)
    for pen in (QPen(SHADOW, 3.6), QPen(colour, 1.8, Qt.PenStyle.DashLine if confident else Qt.PenStyle.DotLine)):
        ink.painter.setPen(pen)
        ink.painter.drawEllipse(at, 13, 13)
    if named:
        text = tr("proposed centre") if confident else tr("proposed centre, unsure")
        ink.draw(text, colour, at.x() + 18, at.y() - 10)


def paint_annotations(
    ink: Lettering,
    annotations: Annotations,
    size: tuple[int, int],
    zoom: float,
    geometry: PlaneGeometry,
    ruler: tuple[tuple[float, float], tuple[float, float]] | None,
    to_widget: ToWidget,
) -> None:
    """Draw the texts in the corners, the letters at the edges, the scale, the hint and the ruler.

    Args:
        ink: in widget pixels. annotations: the texts. size: width and height in pixels.
        zoom: screen pixels per image pixel. geometry: of the plane. ruler: both ends in mm, None for none.
        to_widget: millimetres in the plane to widget pixels.
    """
    width, height = size
    below = 1
    if annotations.show_texts:
        half = width / 2 - 2 * _MARGIN
        names, study = ink.elided(annotations.top_left, half), ink.elided(annotations.top_right, half)
        # What is measured is wrapped and never cut: half a number is a wrong number.
        left, right = ink.wrapped(annotations.bottom_left, half), ink.wrapped(annotations.bottom_right, half)
        below = max(2, len(left), len(right))
        _corner(ink, names, _MARGIN, _MARGIN, right=False, up=False)
        _corner(ink, study, width - _MARGIN, _MARGIN, right=True, up=False)
        _corner(ink, left, _MARGIN, height - _MARGIN, right=False, up=True)
        _corner(ink, right, width - _MARGIN, height - _MARGIN, right=True, up=True)
        _letters(ink, geometry, width, height)
        _scale(ink, geometry, zoom, height)
    # What kind of picture this is, and what a click does, is never hidden.
    if annotations.banner:
        _banner(ink, annotations, width)
    if annotations.hint:
        # Above the corners' texts, which reach below the middle where the view is narrow.
        (hint,) = ink.elided((annotations.hint,), width - 2 * _MARGIN)
        ink.draw_around(hint, CENTRE, width / 2, height - _MARGIN - ink.height * (below + 0.6))
    if ruler is not None:
        _ruler(ink, *ruler, to_widget)


def _banner(ink: Lettering, annotations: Annotations, width: int) -> None:
    """In the middle of the upper edge; where the corners' texts leave no room there, below them, on as many lines as it takes."""
    corners = (annotations.top_left, annotations.top_right) if annotations.show_texts else ()
    widest = max(
        (ink.width(line) for lines in corners for line in ink.elided(lines, width / 2 - 2 * _MARGIN)), default=0
    )
    beside = ink.width(annotations.banner) + 2 * widest + 4 * _MARGIN <= width
    top = _MARGIN + ink.ascent + (18 if beside else ink.height * max((len(lines) for lines in corners), default=1))
    for n, line in enumerate(ink.wrapped((annotations.banner,), width - 2 * _MARGIN)):
        ink.draw_around(line, QColor(255, 170, 60), width / 2, top + n * ink.height)


def _ruler(ink: Lettering, one: tuple[float, float], other: tuple[float, float], to_widget: ToWidget) -> None:
    a, b = to_widget(*one), to_widget(*other)
    for pen in (QPen(SHADOW, 3.5), QPen(CENTRE, 1.6)):
        ink.painter.setPen(pen)
        ink.painter.drawLine(a, b)
    length = tr("{mm:.1f} mm", mm=interaction.distance_mm(a=one, b=other))
    ink.draw(length, CENTRE, b.x() + 8, b.y() - 6)


def _corner(ink: Lettering, lines: tuple[str, ...], x: float, y: float, *, right: bool, up: bool) -> None:
    top = y - len(lines) * ink.height if up else y
    for i, line in enumerate(lines):
        left = x - ink.width(line) if right else x
        ink.draw(line, TEXT, left, top + i * ink.height + ink.ascent)


def _letters(ink: Lettering, geometry: PlaneGeometry, width: int, height: int) -> None:
    left, right, top, bottom = ORIENTATION_LETTERS[geometry.plane]
    middle = height / 2 + ink.ascent / 2
    ink.draw(left, TEXT, _MARGIN, middle)
    ink.draw(right, TEXT, width - _MARGIN - ink.width(right), middle)
    ink.draw_around(top, TEXT, width / 2, _MARGIN + ink.ascent)
    ink.draw_around(bottom, TEXT, width / 2, height - _MARGIN)


def _scale(ink: Lettering, geometry: PlaneGeometry, zoom: float, height: int) -> None:
    """A scale along the left edge: the longest of 10, 5, 2 or 1 cm that fits, with a tick every centimetre."""
    px_per_mm = zoom / geometry.spacing_uv[0]
    if px_per_mm <= 0:
        return
    length = next((cm for cm in (10, 5, 2, 1) if cm * 10 * px_per_mm <= height * 0.34), 0)
    if not length:
        return
    x, top = _MARGIN + 18, height / 2 - length * 5 * px_per_mm
    stamp = _scale_stamp(length, px_per_mm, ink.painter.device().devicePixelRatio())
    ink.painter.drawImage(QPoint(round(x) - 1, round(top) - 1), stamp)
    ink.draw(tr("{cm} cm", cm=length), TEXT, x + 12, top + ink.ascent / 2)


@lru_cache(maxsize=8)
def _scale_stamp(length: int, px_per_mm: float, scale: float) -> QImage:
    """A line of ``length`` cm with its ticks, from (1, 1) down."""
    px = length * 10 * px_per_mm
    image = blank(11, px + 3, scale)
    painter = QPainter(image)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.setPen(QPen(TEXT, 1.2))
    painter.drawLine(QPointF(1, 1), QPointF(1, 1 + px))
    for cm in range(length + 1):
        y = 1 + cm * 10 * px_per_mm
        painter.drawLine(QPointF(1, y), QPointF(9 if cm % 5 == 0 else 6, y))
    painter.end()
    return image
