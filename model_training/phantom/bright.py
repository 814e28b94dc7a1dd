"""Calcium as a scanner shows it: its voxels, the heart's motion, and the streaks of the densest."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from model_training.phantom.fields import F32, Grid
from model_training.phantom.scanner import Scanner
from model_training.phantom.strokes import window
from model_training.phantom.subject import stream

F64 = NDArray[np.float64]

STAR_HU_MM, STARS = 1500.0, 3
"""Calcium whose density (HU) times radius (mm) exceeds the first throws rays, the densest few of them only."""
CHIP = 1.205
"""Radius of the ball that a chip is cut from, over its blob's: chips then score as balls of the blob's radius would."""
CUTS = (0.52, 0.52, 0.66, 0.82)
"""How far from its middle a chip is cut, over that radius: both faces of the plate, then two edges."""
NEIGHBOUR_MM = 5.0
"""Blobs that follow each other and are nearer than this belong to one lesion."""
COPIES = ((0.4, 0.0, 0.59), (-0.5, 0.0, 0.28), (-0.2, 0.06, 0.04), (-0.7, 0.14, 0.06), (-0.85, 0.3, 0.03))
"""A moving lesion's copies: place along and across its way, over the way's length, and weight. Systole and diastole
last, so two are sharp; what is between and beyond them is a tail."""
FARTHEST_PX = 4
"""Copies lie no farther than this, so that a block's margin holds what moves into it."""


def _fractions(numbers: F64, salt: int) -> F64:
    """A number from 0 to 1 for each of ``numbers`` [n], the same always, without a pattern."""
    drawn: F64 = np.mod(np.sin(numbers * 12.9898 + 78.233 * salt) * 43758.5453, 1.0)
    return drawn


def chip_cuts(blobs: F64) -> F64:
    """Unit normals [n, 4, 3] of the planes that cut each of ``blobs`` [n, 5] to a chip.

    A plate lies along its lesion, as its neighbours in the rows tell. What is random follows from a blob's density
    alone, which neither growth nor motion changes: a plaque has the same shape at each exam.
    """
    step = np.diff(blobs[:, :3], axis=0)
    step[np.linalg.norm(step, axis=1) > NEIGHBOUR_MM] = 0.0
    zero = np.zeros((1, 3))
    along = np.concatenate([step, zero]) + np.concatenate([zero, step])
    shares = [_fractions(blobs[:, 4], salt) for salt in range(6)]
    up, around = 2.0 * shares[0] - 1.0, 2.0 * math.pi * shares[1]
    flat = np.sqrt(1.0 - up * up)
    along = along + 0.4 * np.stack([flat * np.cos(around), flat * np.sin(around), up], axis=1)
    along /= np.linalg.norm(along, axis=1, keepdims=True)
    # Two directions across it, turned by chance.
    helper = np.where(np.abs(along[:, 2:]) < 0.8, np.array([0.0, 0.0, 1.0]), np.array([1.0, 0.0, 0.0]))
    side = np.cross(along, helper)
    side /= np.linalg.norm(side, axis=1, keepdims=True)
    other = np.cross(along, side)
    turn = 2.0 * math.pi * shares[2][:, None]
    face = np.cos(turn) * side + np.sin(turn) * other
    edge = np.cos(turn) * other - np.sin(turn) * side
    lean, tip = (shares[index][:, None] - 0.5 for index in (3, 4))
    sign = np.where(shares[5][:, None] < 0.5, -1.0, 1.0)
    cuts = np.stack([face, -face, sign * edge + lean * along, along + tip * edge + 0.5 * lean * face], axis=1)
    unit: F64 = cuts / np.linalg.norm(cuts, axis=2, keepdims=True)
    return unit


def draw_calcium(blobs: F64, grid: Grid) -> F32 | None:
    """HU that calcium adds [z, y, x] before it is smeared and blurred, or None when there is none here.

    Args:
        blobs: [n, 5], see `calcium`. grid: where to draw.
    """
    reach = CHIP * blobs[:, 3] + 1.0
    low, high = blobs[:, 2] - reach - 0.5 * grid.increment_mm, blobs[:, 2] + reach + 0.5 * grid.increment_mm
    near = (low <= grid.z[-1]) & (high >= grid.z[0])
    if not near.any():
        return None
    added: F32 | None = None
    # The planes follow from neighbours, so they are worked out for all blobs.
    for (x0, y0, z0, radius, hu), cuts in zip(blobs[near], chip_cuts(blobs)[near], strict=True):
        reach = CHIP * radius + 1.0
        zs = window(grid.z, z0 - reach - 0.5 * grid.increment_mm, z0 + reach + 0.5 * grid.increment_mm)
        ys, xs = window(grid.y, y0 - reach, y0 + reach), window(grid.x, x0 - reach, x0 + reach)
        if zs.start >= zs.stop or ys.start >= ys.stop or xs.start >= xs.stop:
            continue
        if added is None:
            added = np.zeros(grid.shape, np.float32)
        x, y = grid.x[xs] - np.float32(x0), (grid.y[ys] - np.float32(y0))[:, None]
        share = _chip(x, y, grid.z[zs] - np.float32(z0), radius, cuts, grid)
        share *= np.float32(hu)
        there = added[zs, ys, xs]
        # Blobs of one lesion overlap; their densities don't add up.
        np.maximum(there, share, out=there)
    return added


def _chip(x: F32, y: F32, z: F32, radius: float, cuts: F64, grid: Grid) -> F32:
    """Share of each voxel [z, y, x] that a chip fills.

    Args:
        x, y, z: from its middle, mm: [x], [y, 1] and [z]. radius: of its blob, mm. cuts: [4, 3], its planes' normals.
        grid: of the voxels.
    """
    wide = CHIP * radius
    heights = z[:, None] + np.array([-0.4, -0.2, 0.0, 0.2, 0.4], np.float32) * np.float32(grid.increment_mm)
    z = heights[:, :, None, None]
    distance = np.sqrt((x * x + y * y) + z * z)
    distance -= np.float32(wide)
    for (nx, ny, nz), cut in zip(cuts.astype(np.float32), CUTS, strict=True):
        np.maximum(distance, (nx * x + ny * y - np.float32(cut * wide)) + nz * z, out=distance)
    distance *= np.float32(-1.0 / grid.pixel_mm)
    distance += np.float32(0.5)
    np.maximum(distance, 0, out=distance)
    np.minimum(distance, 1, out=distance)
    share: F32 = distance.mean(axis=1)
    return share


def smear_calcium(added: F32, scanner: Scanner) -> F32:
    """``added`` [z, y, x], as `draw_calcium` makes it, of a heart that moves: two copies of unequal weight and a tail.

    Whole-pixel shifts; the blur that follows hides the steps.
    """
    length = 1.6 * scanner.motion_mm / scanner.pixel_mm
    if length < 0.8:
        return added
    sine, cosine = math.sin(scanner.motion_angle_rad), math.cos(scanner.motion_angle_rad)
    total = np.zeros_like(added)
    rows, columns = added.shape[1:]
    for along, across, weight in COPIES:
        dy = max(-FARTHEST_PX, min(FARTHEST_PX, round(length * (along * sine + across * cosine))))
        dx = max(-FARTHEST_PX, min(FARTHEST_PX, round(length * (along * cosine - across * sine))))
        here = added[:, max(-dy, 0) : rows - max(dy, 0), max(-dx, 0) : columns - max(dx, 0)]
        total[:, max(dy, 0) : rows - max(-dy, 0), max(dx, 0) : columns - max(-dx, 0)] += np.float32(weight) * here
    return total


def add_stars(image: F32, grid: Grid, blobs: F64, seed: int) -> None:
    """Faint rays from the densest calcium, in place: what motion and beam hardening leave.

    Each ray goes farther to one side than to the other, and is dark or bright.

    Args:
        image: [z, y, x]. grid: where it lies. blobs: all calcium [n, 5]. seed: of the subject.
    """
    dense = blobs[blobs[:, 3] * blobs[:, 4] > STAR_HU_MM]
    reach = 20.0
    for row in dense[np.argsort(-dense[:, 3] * dense[:, 4])][:STARS]:
        x0, y0, z0, radius, hu = row
        zs = window(grid.z, z0 - 0.5 * radius - 0.5 * grid.increment_mm, z0 + 0.5 * radius + 0.5 * grid.increment_mm)
        ys, xs = window(grid.y, y0 - reach, y0 + reach), window(grid.x, x0 - reach, x0 + reach)
        if zs.start >= zs.stop or ys.start >= ys.stop or xs.start >= xs.stop:
            continue
        # Any blob's rays are its own, whichever block is drawn.
        rng = stream(seed, f"star {x0:.3f} {y0:.3f}")
        dx, dy = grid.x[None, xs] - np.float32(x0), grid.y[ys, None] - np.float32(y0)
        rays = np.zeros((dy.shape[0], dx.shape[1]), np.float32)
        for sign in (-1.0, 0.7, -0.5):
            # Most lie near the lateral way, the longest through the body.
            angle = rng.normal(0, 0.5) if sign > -0.9 else rng.uniform(0, math.pi)
            sine, cosine = np.float32(math.sin(angle)), np.float32(math.cos(angle))
            along, across = cosine * dx + sine * dy, cosine * dy - sine * dx
            ahead, behind = rng.uniform(5, 9), rng.uniform(0.6, 3)
            ahead, behind = (ahead, behind) if rng.random() < 0.5 else (behind, ahead)
            fade = np.where(along > 0, along * np.float32(-1 / ahead), along * np.float32(1 / behind))
            width = np.float32(0.4) + np.float32(0.02) * np.abs(along)
            rays += np.float32(sign) * np.exp(fade - 0.5 * (across / width) ** 2)
        rays *= np.clip(np.sqrt(dx * dx + dy * dy) / np.float32(radius) - 1.0, 0, 1)
        image[zs, ys, xs] += rays * np.float32(min(0.022 * hu * radius, 45.0))
