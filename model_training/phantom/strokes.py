"""Tapered tubes drawn into an image, each only where it is."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from model_training.phantom.fields import F32, Grid

F64 = NDArray[np.float64]


def window(axis: F32, low: float, high: float) -> slice:
    """Indices of ``axis`` [n], which rises, between ``low`` and ``high``."""
    return slice(int(np.searchsorted(axis, low)), int(np.searchsorted(axis, high, side="right")))


def strokes(image: F32, grid: Grid, rows: F64, hu: float, inside: F32 | None = None) -> None:
    """Draw tapered tubes into ``image`` [z, y, x], only where ``inside`` allows it.

    Args:
        image, grid: drawn into, and where it lies. rows: [n, 8], start xyz, end xyz, start and end radius, mm.
        hu: of the tubes. inside: share of each pixel [z, y, x] that they may cover; None for all.
    """
    reach = rows[:, 6:].max(axis=1) + 1.5
    slice_reach = reach + 0.5 * grid.increment_mm
    # Most lie in other slices.
    here = (np.maximum(rows[:, 2], rows[:, 5]) + slice_reach >= grid.z[0]) & (
        np.minimum(rows[:, 2], rows[:, 5]) - slice_reach <= grid.z[-1]
    )
    rows, reach, slice_reach = rows[here], reach[here], slice_reach[here]
    low, high = np.minimum(rows[:, :3], rows[:, 3:6]), np.maximum(rows[:, :3], rows[:, 3:6])
    bounds, near = [], np.ones(len(rows), bool)
    for axis, index, margin in ((grid.z, 2, slice_reach), (grid.y, 1, reach), (grid.x, 0, reach)):
        first = np.searchsorted(axis, low[:, index] - margin)
        last = np.searchsorted(axis, high[:, index] + margin, side="right")
        near &= first < last
        bounds += [first, last]
    for row, ends in zip(rows[near], np.stack(bounds, axis=1)[near].tolist(), strict=True):
        z0, z1, y0, y1, x0, x1 = ends
        where = slice(z0, z1), slice(y0, y1), slice(x0, x1)
        if inside is None or inside[where].any():
            _stroke(image, grid, row, hu, where, inside)


def _stroke(image: F32, grid: Grid, row: F64, hu: float, where: tuple[slice, slice, slice], inside: F32 | None) -> None:
    """Draw one tube into a part of ``image``.

    Args:
        image, grid, hu, inside: as of `strokes`. row: [8]. where: the part, slices along z, y and x.
    """
    zs, ys, xs = where
    x0, y0, z0, x1, y1, z1, radius, end_radius = row.tolist()
    x, y = grid.x[xs] - np.float32(x0), (grid.y[ys] - np.float32(y0))[:, None]
    z = grid.z[zs] - np.float32(z0)
    # Two heights within each slice, as the slice averages over its thickness.
    step = np.float32(0.33 * grid.increment_mm)
    z = np.stack([z - step, z + step])[:, :, None, None]
    ax, ay, az = np.float32(x1 - x0), np.float32(y1 - y0), np.float32(z1 - z0)
    length2 = ax * ax + ay * ay + az * az + np.float32(1e-6)
    along = (x * ax + y * ay) + z * az
    t = along * (np.float32(1.0) / length2)
    np.maximum(t, 0, out=t)
    np.minimum(t, 1, out=t)
    # The square of the distance to the axis is p^2 - 2 t (p a) + t^2 a^2.
    share = t * length2
    along *= np.float32(2.0)
    share -= along
    share *= t
    share += (x * x + y * y) + z * z
    np.maximum(share, 0, out=share)
    np.sqrt(share, out=share)
    t *= np.float32(end_radius - radius)
    t += np.float32(radius + 0.5)
    np.subtract(t, share, out=share)
    np.maximum(share, 0, out=share)
    np.minimum(share, 1, out=share)
    covered = share[0] + share[1]
    covered *= np.float32(0.5)
    if inside is not None:
        covered *= inside[zs, ys, xs]
    under = image[zs, ys, xs]
    under += covered * (np.float32(hu) - under)
