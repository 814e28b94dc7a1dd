"""Tapered tubes drawn into an image, each only where it is."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from model_training.phantom.fields import F32, Grid

F64 = NDArray[np.float64]


def window(axis: F32, low: float, high: float) -> slice:
    """Indices of ``axis`` between ``low`` and ``high``."""
    return slice(int(np.searchsorted(axis, low)), int(np.searchsorted(axis, high, side="right")))


def windows(axis: F32, low: F64, high: F64) -> list[slice]:
    """`window` of many [n] at once."""
    first, last = np.searchsorted(axis, low), np.searchsorted(axis, high, side="right")
    return [slice(a, b) for a, b in zip(first.tolist(), last.tolist(), strict=True)]


def strokes(image: F32, grid: Grid, rows: F64, hu: float, inside: F32 | None = None) -> None:
    """Draw tapered segments [n, 8] into ``image``, only where ``inside`` allows it; most lie in other slices."""
    low, high = np.minimum(rows[:, :3], rows[:, 3:6]), np.maximum(rows[:, :3], rows[:, 3:6])
    reach = rows[:, 6:].max(axis=1) + 1.5
    slice_reach = reach + 0.5 * grid.increment_mm
    zs = windows(grid.z, low[:, 2] - slice_reach, high[:, 2] + slice_reach)
    ys = windows(grid.y, low[:, 1] - reach, high[:, 1] + reach)
    xs = windows(grid.x, low[:, 0] - reach, high[:, 0] + reach)
    for row, where in zip(rows, zip(zs, ys, xs, strict=True), strict=True):
        if all(window.start < window.stop for window in where):
            _stroke(image, grid, row, hu, where, inside)


def _stroke(image: F32, grid: Grid, row: F64, hu: float, where: tuple[slice, slice, slice], inside: F32 | None) -> None:
    """Draw one segment [8] into the window ``where`` [z, y, x] of ``image``."""
    zs, ys, xs = where
    x, y = grid.x[None, None, xs] - np.float32(row[0]), grid.y[None, ys, None] - np.float32(row[1])
    ax, ay, az = (np.float32(row[3 + i] - row[i]) for i in range(3))
    per_length = np.float32(1.0) / (ax * ax + ay * ay + az * az + np.float32(1e-6))
    share = np.zeros((zs.stop - zs.start, ys.stop - ys.start, xs.stop - xs.start), np.float32)
    for sub in (-0.33, 0.33):
        z = grid.z[zs, None, None] - np.float32(row[2] - sub * grid.increment_mm)
        t = np.clip((x * ax + y * ay + z * az) * per_length, 0, 1)
        distance = np.sqrt((x - t * ax) ** 2 + (y - t * ay) ** 2 + (z - t * az) ** 2)
        share += np.clip(0.5 - (distance - row[6] - t * np.float32(row[7] - row[6])), 0, 1)
    share *= np.float32(0.5)
    if inside is not None:
        share *= inside[zs, ys, xs]
    under = image[zs, ys, xs]
    under += share * (np.float32(hu) - under)
