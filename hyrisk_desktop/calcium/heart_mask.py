"""What of a chest is heart, on the coarse grid of `imaging.chest`: between the lungs, before spine and aorta, above the liver.

Nothing here was learned. In an axial slice the heart is what the lungs leave between them and does not belong to the
spine or the descending aorta. The aorta is followed as a disc from slice to slice; the height of the liver's dome beside
the heart says where the heart ends.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hyrisk_desktop.imaging.chest import F32, ChestGrid, Lungs, Mask

F64 = NDArray[np.float64]
Place = tuple[float, float, float]
"""Column, row and slice on the coarse grid; fractions allowed."""

# The inner surface of the chest: a slice is seen with those above it, where the lungs reach farther to the front.
# What lies as near to it as the wall may hold calcified cartilage.
_HULL_MM, _FEWEST_POINTS, _WALL_MM = 24.0, 12, 5.0

_BONE_HU, _SPINE_HALF_MM, _SPINE_BEHIND_MM, _SPINE_WIDE_MM, _SPINE_SMOOTH_MM = 140.0, 16.0, 25.0, 12.0, 36.0
# Where no bone is seen: this far behind the centre.
_USUAL_SPINE_MM = 62.0

# The descending aorta: discs of these radii, from the spine's middle to the left and from its front edge to the front.
_AORTA_RADII_MM, _RING_MM, _RING_WEIGHT = (11.0, 13.0, 15.0, 17.0), 5.0, 0.6
_AORTA_X_MM, _AORTA_Y_MM, _STEP_COST = (-4.0, 52.0), (-42.0, 14.0), 0.03
_AORTA_SMOOTH_MM, _AORTA_WALL_MM = 24.0, 3.0

# The liver's dome: where it is looked for, from the centre; how far below the centre it may lie, and the heart's lowest
# point below it. A high dome does not lift the heart.
_DOME_X_MM, _DOME_Y_MM, _DOME_BELOW_MM, _USUAL_DOME_MM = (-125.0, -70.0), (-35.0, 40.0), (8.0, 85.0), 55.0
# Its top is what all but a few columns of lung lie below: over those the lung lies on the heart's own side.
_DOME_SHARE = 0.92
_BELOW_DOME_MM, _LEAST_BELOW_MM, _CLEAR_OF_DOME_MM = 12.0, 56.0, 6.0
# Its lowest part grows narrower by so much (mm per mm).
_ROUND_MM, _ROUNDING = 18.0, 0.8

_ABOVE_MM, _VESSELS_MM = 20.0, 45.0
_REACH_MM = 105.0
# Vessels of the lungs are thinner than twice this, the heart is not.
_OPENING_MM, _RIM_MM = 11.0, 4.0
_FRONT_GAP_MM = 6.0


@dataclass(frozen=True, slots=True, eq=False)
class CoarseHeart:
    """Masks [z, y, x] on the coarse grid.

    Attributes:
        heart: what may hold coronary arteries.
        aorta: the descending aorta with its wall. vessels: the great vessels above the heart.
        spine_seen, dome_seen: whether these were found or put where they usually lie.
    """

    heart: Mask
    aorta: Mask
    vessels: Mask
    spine_seen: bool
    dome_seen: bool


def coarse_heart(grid: ChestGrid, lungs: Lungs, centre: Place) -> CoarseHeart:
    """The heart around ``centre`` between ``lungs``; its mask is empty where there is no tissue around the centre."""
    front, spine_seen = spine_front(grid, lungs, centre)
    aorta = _aorta(grid, aorta_path(grid, lungs, front))
    rows = np.arange(grid.hu.shape[1])[None, :, None]
    before_spine = rows < (front - _FRONT_GAP_MM / grid.step_mm[1])[:, None, None]
    tissue = _inner_chest(lungs.mask, grid.step_mm) & ~lungs.mask & ~aorta & before_spine & _near(grid, centre)
    heights: F64 = (np.arange(len(tissue), dtype=np.float64) - centre[2]) * grid.step_mm[2]
    dome, dome_seen = dome_height(grid, lungs, centre)
    body = _body(tissue & (heights <= _VESSELS_MM)[:, None, None], grid, centre)
    body = _rounded_off(body, heights, dome, grid)
    above = (heights > _ABOVE_MM)[:, None, None]
    return CoarseHeart(body & ~above, aorta, body & above, spine_seen, dome_seen)


def _near(grid: ChestGrid, centre: Place) -> Mask:
    """Voxels [z, y, x] within reach of a heart."""
    z, y, x = np.ogrid[tuple(slice(n) for n in grid.hu.shape)]
    parts = [((a - c) * s / _REACH_MM) ** 2 for a, c, s in zip((x, y, z), centre, grid.step_mm, strict=True)]
    near: Mask = parts[0] + parts[1] + parts[2] < 1
    return near


def _inner_chest(lungs: Mask, step_mm: tuple[float, float, float]) -> Mask:
    """Convex hull, slice by slice, of the lungs [z, y, x] there and a little above, without what may be chest wall."""
    from scipy import ndimage
    from scipy.spatial import ConvexHull, QhullError

    inner = np.zeros_like(lungs)
    rows, columns = np.ogrid[: lungs.shape[1], : lungs.shape[2]]
    reach = max(1, round(_HULL_MM / step_mm[2]))
    for z in range(len(lungs)):
        points = np.argwhere(lungs[z : z + reach].any(axis=0))
        if len(points) < _FEWEST_POINTS:
            continue
        try:
            sides = ConvexHull(points).equations
        except QhullError:
            continue  # all on one line
        inside = np.ones(lungs.shape[1:], np.bool_)
        for a, b, c in sides:
            inside &= a * rows + b * columns + c <= 1e-6
        inner[z] = ndimage.distance_transform_edt(inside, sampling=(step_mm[1], step_mm[0])) > _WALL_MM
    return inner


def spine_front(grid: ChestGrid, lungs: Lungs, centre: Place) -> tuple[F64, bool]:
    """Row of the vertebral bodies' front edge in each slice [z], and whether bone was seen."""
    from scipy import ndimage

    step_x, step_y, step_z = grid.step_mm
    first = max(0, round(centre[1] + _SPINE_BEHIND_MM / step_y))
    low, high = (max(0, round(lungs.midline + mm / step_x)) for mm in (-_SPINE_HALF_MM, _SPINE_HALF_MM))
    wide = (grid.hu[:, first:, low : high + 1] > _BONE_HU).sum(axis=2) * step_x >= _SPINE_WIDE_MM
    seen = wide.any(axis=1)
    slices = np.arange(len(wide))
    if not seen.any():
        return np.full(len(wide), centre[1] + _USUAL_SPINE_MM / step_y), False
    front = np.interp(slices, slices[seen], (first + wide.argmax(axis=1))[seen])
    size = 2 * max(1, round(_SPINE_SMOOTH_MM / step_z / 2)) + 1
    smooth: F64 = ndimage.median_filter(front, size, mode="nearest")
    return smooth, True


def aorta_path(grid: ChestGrid, lungs: Lungs, front: F64) -> F64:
    """Column, row and radius (mm) of the descending aorta in each slice [z, 3].

    Of all ways from slice to slice the one whose discs are filled with tissue, and their surroundings least.

    Args:
        grid, lungs: the chest. front: the spine's front edge [z].
    """
    from scipy import ndimage

    fit, radius = _disc_fit(grid)
    step_x, step_y, step_z = grid.step_mm
    columns = np.arange(*(round(lungs.midline + mm / step_x) for mm in _AORTA_X_MM)).clip(0, fit.shape[2] - 1)
    offsets = np.arange(*(round(mm / step_y) for mm in _AORTA_Y_MM))
    rows = (np.rint(front)[:, None].astype(int) + offsets).clip(0, fit.shape[1] - 1)
    slices = np.arange(len(fit))
    way = _best_way(fit[slices[:, None, None], rows[:, :, None], columns])
    at_rows, at_columns = rows[slices, way[:, 0]], columns[way[:, 1]]
    path = np.stack([at_columns, at_rows, radius[slices, at_rows, at_columns]], axis=1).astype(np.float64)
    size = 2 * max(1, round(_AORTA_SMOOTH_MM / step_z / 2)) + 1
    smooth: F64 = ndimage.median_filter(path, (size, 1), mode="nearest")
    return smooth


def _disc_fit(grid: ChestGrid) -> tuple[F32, F32]:
    """How well a disc around each voxel [z, y, x] is filled with tissue and its surroundings are not; and its radius (mm)."""
    from scipy import ndimage

    step_x, step_y, _ = grid.step_mm
    # Fat counts for little, lung and bone for nothing.
    tissue = (np.clip((grid.hu + 300) / 300, 0, 1) * (grid.hu < _BONE_HU)).astype(np.float32)
    best, radii = np.full(tissue.shape, -np.inf, np.float32), np.zeros(tissue.shape, np.float32)
    for radius in _AORTA_RADII_MM:
        reach = radius + _RING_MM + 1.0
        y, x = np.mgrid[
            -int(reach // step_y) - 1 : int(reach // step_y) + 2, -int(reach // step_x) - 1 : int(reach // step_x) + 2
        ]
        distance = np.hypot(y * step_y, x * step_x)
        inner, outer = (np.clip((r - distance) / step_x + 0.5, 0, 1) for r in (radius, radius + _RING_MM))
        ring = outer - inner
        kernel = (inner / inner.sum() - _RING_WEIGHT * ring / ring.sum()).astype(np.float32)
        fit = ndimage.correlate(tissue, kernel[None], mode="nearest")
        better = fit > best
        best[better], radii[better] = fit[better], radius
    return best, radii


def _best_way(fit: F32) -> NDArray[np.intp]:
    """Indices [z, 2] through ``fit`` [z, i, j] with the greatest sum, at most one step along i and j from slice to slice."""
    moves = list(itertools.product((-1, 0, 1), repeat=2))
    total = fit[0].astype(np.float64)
    came = np.zeros(fit.shape, np.intp)
    height, width = total.shape
    for z in range(1, len(fit)):
        wide = np.pad(total, 1, constant_values=-np.inf)
        options = np.stack(
            [wide[1 + a : 1 + a + height, 1 + b : 1 + b + width] - _STEP_COST * (abs(a) + abs(b)) for a, b in moves]
        )
        came[z] = options.argmax(axis=0)
        total = options.max(axis=0) + fit[z]
    way = np.zeros((len(fit), 2), np.intp)
    way[-1] = np.unravel_index(int(total.argmax()), total.shape)
    for z in range(len(fit) - 1, 0, -1):
        way[z - 1] = way[z] + moves[came[z][tuple(way[z])]]
    return way


def _aorta(grid: ChestGrid, path: F64) -> Mask:
    """The discs of ``path`` [z, 3] with their wall, [z, y, x]."""
    rows, columns = np.ogrid[: grid.hu.shape[1], : grid.hu.shape[2]]
    x, y, radius = (path[:, i, None, None] for i in range(3))
    distance = np.hypot((columns - x) * grid.step_mm[0], (rows - y) * grid.step_mm[1])
    disc: Mask = distance < radius + _AORTA_WALL_MM
    return disc


def dome_height(grid: ChestGrid, lungs: Lungs, centre: Place) -> tuple[float, bool]:
    """Height in mm above the centre (so below zero) of the liver's dome under the right lung, and whether it was seen."""
    from scipy import ndimage

    step_x, step_y, step_z = grid.step_mm
    rows = slice(*(max(0, round(centre[1] + mm / step_y)) for mm in _DOME_Y_MM))
    columns = slice(*(max(0, round(centre[0] + mm / step_x)) for mm in _DOME_X_MM))
    part = lungs.mask[:, rows, columns]
    there = part.any(axis=0)
    # Where the scan ends in lung, its end is no dome.
    lowest = np.where(there & ~part[0], part.argmax(axis=0), 0)
    if there.any():
        top = float(np.quantile(ndimage.median_filter(lowest, 3)[there], _DOME_SHARE))
        height = (top - centre[2]) * step_z
        if top > 0 and -_DOME_BELOW_MM[1] <= height <= -_DOME_BELOW_MM[0]:
            return height, True
    return -_USUAL_DOME_MM, False


def _body(tissue: Mask, grid: ChestGrid, centre: Place) -> Mask:
    """The thick part of ``tissue`` [z, y, x] around the centre, with the rim that opening took."""
    from scipy import ndimage

    deep = ndimage.distance_transform_edt(tissue, sampling=grid.step_mm[::-1]) > _OPENING_MM
    labels, count = ndimage.label(deep)
    if not count:
        return np.zeros_like(tissue)
    z, y, x = np.nonzero(labels)
    away = ((x - centre[0]) * grid.step_mm[0]) ** 2 + ((y - centre[1]) * grid.step_mm[1]) ** 2
    away = away + ((z - centre[2]) * grid.step_mm[2]) ** 2
    nearest = int(away.argmin())
    chosen = labels == labels[z[nearest], y[nearest], x[nearest]]
    rim = ndimage.distance_transform_edt(~chosen, sampling=grid.step_mm[::-1]) <= _OPENING_MM + _RIM_MM
    body: Mask = rim & tissue
    return body


def _rounded_off(body: Mask, heights: F64, dome: float, grid: ChestGrid) -> Mask:
    """``body`` [z, y, x] ended below: under the dome it stays within what it covers above it, ever less of that."""
    from scipy import ndimage

    clear = np.flatnonzero(heights >= dome + _CLEAR_OF_DOME_MM)
    if not clear.size:
        return body
    z0 = int(clear[0])
    inward = ndimage.distance_transform_edt(body[z0], sampling=(grid.step_mm[1], grid.step_mm[0]))
    ended = body.copy()
    bottom = min(dome - _BELOW_DOME_MM, -_LEAST_BELOW_MM)
    for z in range(z0):
        if heights[z] < bottom:
            ended[z] = False
        else:
            ended[z] &= inward > _ROUNDING * max(0.0, bottom + _ROUND_MM - heights[z])
    return ended
