"""From slice headers to a regular grid, or to one plain sentence saying why there is none.

Positions along the slice normal decide order and spacing; SliceThickness never does. The grid is turned to the
usual axial view (+x to the patient's left, +y to the back, +z to the head) by exact flips, so that every consumer
sees the same orientation whatever way the patient lay.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hyrisk_desktop.errors import ExamError
from hyrisk_desktop.i18n import tr

Vector = NDArray[np.float64]

_AXIAL = 0.9  # cosine between slice normal and the body's axis: 25 degrees of patient rotation at most
_GAP_SHARE, _GAP_MM = 0.02, 0.01
_DRIFT_SHARE, _DRIFT_MM = 0.01, 0.02
_ROUNDING_MM, _LINE_MM = 0.05, 0.01
_LEAST_ROUNDED_MM = 0.4  # below, rounding to 0.1 mm can't be told from a missing slice


@dataclass(frozen=True, slots=True)
class Grid:
    """A checked stack of slices.

    Attributes:
        order: index into the given slices of each volume slice, feet to head.
        spacing_mm: (x, y, z).
        origin_mm: LPS position of voxel (0, 0, 0) after flipping.
        direction: 3 x 3, columns x, y, z.
        transpose, flip_x, flip_y: what turns a stored slice into a volume slice, in this order.
    """

    order: tuple[int, ...]
    spacing_mm: tuple[float, float, float]
    origin_mm: tuple[float, float, float]
    direction: Vector
    transpose: bool = False
    flip_x: bool = False
    flip_y: bool = False

    def turn(self, stored: NDArray[Any]) -> NDArray[Any]:
        """A view of a stored slice [row, column], seen in the volume's orientation."""
        view = stored.T if self.transpose else stored
        return view[:: -1 if self.flip_y else 1, :: -1 if self.flip_x else 1]

    @property
    def turned(self) -> bool:
        """Whether `turn` does anything."""
        return self.transpose or self.flip_x or self.flip_y


def axes_of(orientation: Sequence[float]) -> tuple[Vector, Vector]:
    """Unit vectors of a row (x) and of a column (y) from ImageOrientationPatient; ExamError where they are none."""
    values = np.asarray(orientation, np.float64)
    if values.shape != (6,) or not np.isfinite(values).all():
        raise _bad_orientation()
    row, column = values[:3], values[3:]
    lengths = np.linalg.norm(row), np.linalg.norm(column)
    if not all(0.99 < length < 1.01 for length in lengths) or abs(float(row @ column)) > 1e-3:
        raise _bad_orientation()
    return row / lengths[0], column / lengths[1]


def is_axial(orientation: Sequence[float]) -> bool:
    """Whether slices of this orientation cut the body crosswise."""
    try:
        row, column = axes_of(orientation)
    except ExamError:
        return False
    return bool(abs(np.cross(row, column)[2]) > _AXIAL)


def make_grid(
    positions: Vector,
    orientation: Sequence[float],
    pixel_spacing: Sequence[float],
    rows_columns: tuple[int, int],
    thickness_mm: float | None,
) -> Grid:
    """Check and order slices.

    Args:
        positions: [n, 3] ImagePositionPatient in mm.
        orientation: ImageOrientationPatient of all slices.
        pixel_spacing: PixelSpacing (between rows, between columns) in mm.
        rows_columns: matrix of the stored slices.
        thickness_mm: SliceThickness, used as z spacing only where there is a single slice.

    Raises:
        ExamError: the slices do not form a regular axial grid.
    """
    row, column = axes_of(orientation)
    if abs(np.cross(row, column)[2]) <= _AXIAL:
        raise ExamError("not_axial", tr("The slices are not axial. Open the axial series of this exam."))
    _check_numbers(positions, pixel_spacing)
    rows, columns = rows_columns
    step_x, step_y = float(pixel_spacing[1]), float(pixel_spacing[0])
    transpose = abs(row[1]) > abs(row[0])
    if transpose:
        row, column, rows, columns, step_x, step_y = column, row, columns, rows, step_y, step_x
    flip_x, flip_y = bool(row[0] < 0), bool(column[1] < 0)
    origin_shift = (row * step_x * (columns - 1) if flip_x else 0 * row) + (
        column * step_y * (rows - 1) if flip_y else 0 * column
    )
    x_axis, y_axis = (-row if flip_x else row), (-column if flip_y else column)
    z_axis = np.cross(x_axis, y_axis)
    along = positions @ z_axis
    order = np.argsort(along, kind="stable")
    spacing_z = _slice_increment(along[order], thickness_mm, coarse=_to_a_tenth(positions[:, 2]))
    _check_drift(positions[order] @ np.column_stack((x_axis, y_axis)), spacing_z)
    origin = positions[order[0]] + origin_shift
    return Grid(
        order=tuple(int(i) for i in order),
        spacing_mm=(step_x, step_y, spacing_z),
        origin_mm=(float(origin[0]), float(origin[1]), float(origin[2])),
        direction=np.column_stack((x_axis, y_axis, z_axis)),
        transpose=bool(transpose),
        flip_x=flip_x,
        flip_y=flip_y,
    )


def _check_numbers(positions: Vector, pixel_spacing: Sequence[float]) -> None:
    if len(pixel_spacing) != 2 or not all(np.isfinite(s) and 0.01 <= s <= 20 for s in pixel_spacing):
        raise ExamError(
            "pixel_spacing", tr("The exam gives no usable pixel spacing, so nothing can be measured. Export it again.")
        )
    if not np.isfinite(positions).all() or float(np.abs(positions).max(initial=0.0)) > 1e5:
        raise ExamError("position", tr("A slice has no usable position. Export the series again."))


def _to_a_tenth(values: Vector) -> bool:
    """Whether all values were written with one decimal."""
    return bool(np.abs(values * 10 - np.rint(values * 10)).max() < 1e-4)


def _slice_increment(along: Vector, thickness_mm: float | None, *, coarse: bool) -> float:
    """Distance of slices in mm from their sorted positions along the normal."""
    if len(along) == 1:
        return thickness_mm if thickness_mm and 0 < thickness_mm < 100 else 1.0
    gaps = np.diff(along)
    increment = float(np.median(gaps))
    if increment < _GAP_MM or float(gaps.min()) < _GAP_MM:
        raise ExamError(
            "duplicate_slice",
            tr("Several slices of this series lie at the same place. Export each reconstruction as its own series."),
        )
    off = np.abs(gaps - increment)
    tolerance = max(_GAP_SHARE * increment, _GAP_MM)
    if float(off.max()) > tolerance:
        if coarse and (fitted := _fitted_increment(along)):
            return fitted
        raise _uneven(gaps, increment, tolerance)
    return float((along[-1] - along[0]) / (len(along) - 1))


def _fitted_increment(along: Vector) -> float:
    """The slope of the line through positions that were rounded to 0.1 mm; 0 where more than rounding lies between.

    Rounding moves a slice by 0.05 mm at most, whatever the spacing; a missing slice moves some by a quarter of it.
    """
    index = np.arange(len(along))
    slope, start = np.polyfit(index, along, 1)
    # The line itself is known to within a rounding's share, and the positions to within a float's.
    fits = float(np.abs(along - (start + slope * index)).max()) <= _ROUNDING_MM + _LINE_MM
    return float(slope) if fits and slope >= _LEAST_ROUNDED_MM else 0.0


def _uneven(gaps: Vector, increment: float, tolerance: float) -> ExamError:
    """Name the fault: slices are missing where all odd gaps are multiples of the usual one."""
    odd = gaps[np.abs(gaps - increment) > tolerance]
    multiples = np.rint(odd / increment)
    if (
        len(odd) <= len(gaps) // 2
        and (multiples >= 2).all()
        and (np.abs(odd - multiples * increment) < 2 * tolerance).all()
    ):
        missing = int((multiples - 1).sum())
        return ExamError(
            "missing_slice",
            tr("{missing} of the series' slices are missing. Export the complete series again.", missing=missing)
            if missing > 1
            else tr("A slice of this series is missing. Export the complete series again."),
        )
    return ExamError(
        "uneven_spacing",
        tr(
            "The slices are unevenly spaced ({low:.2f} to {high:.2f} mm), so volumes can't be measured. "
            "Open a series with even spacing.",
            low=float(gaps.min()),
            high=float(gaps.max()),
        ),
    )


def _check_drift(lateral: Vector, spacing_z: float) -> None:
    """Refuse stacks whose slices slide sideways: a tilted gantry, or a slice with a wrong position."""
    if len(lateral) < 2:
        return
    steps = np.diff(lateral, axis=0)
    sizes = np.hypot(steps[:, 0], steps[:, 1])
    most = max(_DRIFT_SHARE * spacing_z, _DRIFT_MM)
    if float(sizes.max()) <= most:
        return
    usual = np.median(steps, axis=0)
    # A tilt moves every slice; where most stay in place, the few that don't were shifted, however little.
    if float(np.hypot(*usual)) > most and float(np.abs(steps - usual).max()) < max(_GAP_SHARE * spacing_z, 0.05):
        raise ExamError(
            "gantry_tilt",
            tr("The scan was made with a tilted gantry, which this program doesn't measure. Open an untilted series."),
        )
    raise ExamError(
        "shifted_slice",
        tr("Slices of this series are shifted sideways against each other. Export the series again."),
    )


def _bad_orientation() -> ExamError:
    return ExamError("orientation", tr("A slice has no usable orientation. Export the series again."))
