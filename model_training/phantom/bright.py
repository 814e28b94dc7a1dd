"""Calcium as a scanner shows it: its voxels, the heart's motion, and the streaks of the densest."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from model_training.phantom.fields import F32, Grid
from model_training.phantom.scanner import Scanner, smear
from model_training.phantom.strokes import window
from model_training.phantom.subject import stream

F64 = NDArray[np.float64]

STAR_HU_MM, STARS = 900.0, 5
"""Calcium whose density (HU) times radius (mm) exceeds the first throws rays, the densest few of them only."""


def draw_calcium(blobs: F64, grid: Grid) -> F32 | None:
    """HU that calcium adds [z, y, x] before it is smeared and blurred, or None when there is none here.

    Args:
        blobs: [n, 5], see `calcium`. grid: where to draw.
    """
    added: F32 | None = None
    for x0, y0, z0, radius, hu in blobs:
        reach = radius + 1.0
        zs = window(grid.z, z0 - reach - 0.5 * grid.increment_mm, z0 + reach + 0.5 * grid.increment_mm)
        ys, xs = window(grid.y, y0 - reach, y0 + reach), window(grid.x, x0 - reach, x0 + reach)
        if zs.start >= zs.stop or ys.start >= ys.stop or xs.start >= xs.stop:
            continue
        if added is None:
            added = np.zeros(grid.shape, np.float32)
        plane = (grid.x[None, xs] - np.float32(x0)) ** 2 + (grid.y[ys, None] - np.float32(y0)) ** 2
        total = np.zeros((zs.stop - zs.start, *plane.shape), np.float32)
        for sub in (-0.4, -0.2, 0.0, 0.2, 0.4):
            z = grid.z[zs, None, None] + np.float32(sub * grid.increment_mm - z0)
            total += np.clip(0.5 - (np.sqrt(plane[None] + z * z) - np.float32(radius)) / grid.pixel_mm, 0, 1)
        there = added[zs, ys, xs]
        # Blobs of one lesion overlap; their densities don't add up.
        np.maximum(there, total * np.float32(0.2 * hu), out=there)
    return added


def smear_calcium(added: F32, scanner: Scanner) -> F32:
    """``added`` [z, y, x], as `draw_calcium` makes it, of a heart that moves."""
    return smear(added, 1.6 * scanner.motion_mm / scanner.pixel_mm, scanner.motion_angle_rad)


def add_stars(image: F32, grid: Grid, blobs: F64, seed: int) -> None:
    """Fine bright and dark rays from the densest calcium, in place: what motion and beam hardening leave.

    Args:
        image: [z, y, x]. grid: where it lies. blobs: all calcium [n, 5]. seed: of the subject.
    """
    dense = blobs[blobs[:, 3] * blobs[:, 4] > STAR_HU_MM]
    reach = 22.0
    for row in dense[np.argsort(-dense[:, 3] * dense[:, 4])][:STARS]:
        x0, y0, z0, radius, hu = row
        zs = window(grid.z, z0 - 0.5 * radius - 0.5 * grid.increment_mm, z0 + 0.5 * radius + 0.5 * grid.increment_mm)
        ys, xs = window(grid.y, y0 - reach, y0 + reach), window(grid.x, x0 - reach, x0 + reach)
        if zs.start >= zs.stop or ys.start >= ys.stop or xs.start >= xs.stop:
            continue
        # Any blob's rays are its own, whichever block is drawn.
        rng = stream(seed, f"star {x0:.3f} {y0:.3f}")
        dx, dy = grid.x[None, xs] - np.float32(x0), grid.y[ys, None] - np.float32(y0)
        distance = np.sqrt(dx * dx + dy * dy)
        rays = np.zeros(distance.shape, np.float32)
        for ray in range(4):
            angle, sign = rng.uniform(0, math.pi), 1.0 if ray % 2 else -1.0
            across = np.float32(math.cos(angle)) * dy - np.float32(math.sin(angle)) * dx
            rays += np.float32(sign) * np.exp(-0.5 * (across / np.float32(0.7)) ** 2)
        rays *= np.exp(-distance / np.float32(8.0)) * np.clip(distance / np.float32(radius) - 1.0, 0, 1)
        image[zs, ys, xs] += rays * np.float32(min(0.035 * hu * radius, 70.0))
