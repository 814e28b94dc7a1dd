"""What drags, wheels and clicks mean, as plain functions: tested without a window."""

from __future__ import annotations

import math
from dataclasses import dataclass

from PySide6.QtCore import QPointF, Qt

from hyrisk_desktop.calcium import Region
from hyrisk_desktop.gui.viewer.display import Plane, PlaneGeometry

CLICK_TOLERANCE_PX = 4
HANDLE_TOLERANCE_PX = 9
_MIN_WIDTH, _MAX_WIDTH = 1.0, 8000.0
_MIN_BOX_VOXELS = 3
MAX_BOX_MM = 180.0
"""Longest edge of the whole-heart box; no heart is larger, and scoring stays within a frame or two."""


def drag_window(*, level: float, width: float, dx_px: float, dy_px: float) -> tuple[float, float]:
    """Level and width after a drag: right widens, down raises the level (darker), faster for wide windows.

    Args:
        level, width: before the drag, in HU. dx_px, dy_px: how far it went, right and down.
    """
    gain = max(0.5, width / 400.0)
    new_width = min(max(width + dx_px * gain, _MIN_WIDTH), _MAX_WIDTH)
    new_level = min(max(level + dy_px * gain, -2000.0), 5000.0)
    return round(new_level), round(new_width)


def zoom_factor(*, dy_px: float) -> float:
    """Magnification of a right-drag by ``dy_px`` down: 100 pixels double it."""
    return math.pow(2.0, dy_px / 100.0)


def wheel_steps(*, angle: int, remainder: int) -> tuple[int, int]:
    """Whole wheel notches (120 units each) in ``angle`` plus what was left, and the new rest; trackpads send fractions."""
    total = angle + remainder
    steps = int(total / 120)
    return steps, total - steps * 120


def is_click(*, dx_px: float, dy_px: float) -> bool:
    """Whether a press and release that far apart are a click and not a drag."""
    return math.hypot(dx_px, dy_px) <= CLICK_TOLERANCE_PX


def distance_mm(*, a: tuple[float, float], b: tuple[float, float]) -> float:
    """Length of a ruler between two points in mm."""
    return math.hypot(a[0] - b[0], a[1] - b[1])


@dataclass(frozen=True, slots=True)
class Corner:
    """A corner of the whole-heart box in a plane: on its low or high side of u and v."""

    high_u: bool
    high_v: bool


def hit_corner(
    *,
    rectangle: tuple[float, float, float, float],
    point: tuple[float, float],
    tolerance: tuple[float, float],
) -> Corner | None:
    """The corner of ``rectangle`` (u0, v0, u1, v1) within ``tolerance`` (u, v) of ``point``, or None."""
    u0, v0, u1, v1 = rectangle
    for high_u in (False, True):
        for high_v in (False, True):
            corner = (u1 if high_u else u0, v1 if high_v else v0)
            if abs(point[0] - corner[0]) <= tolerance[0] and abs(point[1] - corner[1]) <= tolerance[1]:
                return Corner(high_u, high_v)
    return None


def drag_corner(*, region: Region, geometry: PlaneGeometry, corner: Corner, point: tuple[float, float]) -> Region:
    """``region`` with ``corner`` at ``point`` (u, v), inside the volume and at least three voxels wide.

    Args:
        region: the box before. geometry: of the view. corner: the one that is dragged. point: where to.
    """
    axis_u, axis_v = {Plane.AXIAL: (0, 1), Plane.CORONAL: (0, 2), Plane.SAGITTAL: (1, 2)}[geometry.plane]
    # A face lies half a voxel outside its voxels: in voxels it is `start` on the low side and `stop` on the high one.
    face_u, face_v = round(point[0] + 0.5), round(point[1] + 0.5)
    high_on_v = corner.high_v
    if geometry.plane is not Plane.AXIAL:
        # v points down while z points up.
        face_v, high_on_v = geometry.shape_zyx[0] - face_v, not corner.high_v
    start, stop = list(region.start), list(region.stop)
    extent = geometry.shape_zyx[::-1]
    for axis, face, high in ((axis_u, face_u, corner.high_u), (axis_v, face_v, high_on_v)):
        longest = round(MAX_BOX_MM / geometry.spacing_mm[axis])
        if high:
            stop[axis] = min(max(face, start[axis] + _MIN_BOX_VOXELS), extent[axis], start[axis] + longest)
        else:
            start[axis] = max(min(face, stop[axis] - _MIN_BOX_VOXELS), 0, stop[axis] - longest)
    return Region((start[0], start[1], start[2]), (stop[0], stop[1], stop[2]))


@dataclass
class Drag:
    """A drag under way."""

    button: Qt.MouseButton
    start: QPointF
    last: QPointF
    corner: Corner | None = None
    grab: tuple[float, float] = (0.0, 0.0)
    ruler: bool = False
