"""Which calcification a phantom's voxel belongs to: what a perfect reader of the same image would say."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from model_training.phantom.bright import draw_calcium, smear_calcium
from model_training.phantom.calcium import OTHER_KINDS
from model_training.phantom.fields import F32, Grid
from model_training.phantom.heart import CALCIFIED_VESSELS
from model_training.phantom.render import CHUNK, MARGIN, Phantom
from model_training.phantom.scanner import blur

F64 = NDArray[np.float64]

KINDS = (*CALCIFIED_VESSELS, *OTHER_KINDS)
"""Label 1 is the first of them."""
LEAST_HU = 20.0
"""What a calcification adds at least to a voxel that is said to belong to it: it lifts soft tissue over 130 HU with noise."""


def calcium_labels(phantom: Phantom, grid: Grid) -> NDArray[np.uint8]:
    """For each voxel [z, y, x] of ``grid`` the index into `KINDS`, plus one, of what adds most HU there; 0: nothing.

    Drawn, smeared and blurred as `render` does it, each kind by itself.
    """
    blobs = _by_kind(phantom)
    wide = grid.padded(MARGIN)
    labels = np.zeros(grid.shape, np.uint8)
    for start in range(0, len(grid.z), CHUNK):
        part = wide.slices(start, min(start + CHUNK, len(grid.z)))
        most = np.full((len(part.z), *grid.shape[1:]), LEAST_HU, np.float32)
        for index, kind in enumerate(KINDS, 1):
            added = _added(phantom, blobs[kind], part)
            if added is not None:
                labels[start : start + len(part.z)][added > most] = index
                np.maximum(most, added, out=most)
    return labels


def calcium_rows(phantom: Phantom, click: tuple[int, int, int]) -> list[dict[str, Any]]:
    """Each calcification as plain values: its ``kind``, and the middle of its blobs in voxels (x, y, z) from 0.

    Args:
        phantom: whose. click: voxel of the heart centre in the exam.
    """
    scanner = phantom.scanner
    voxel_mm = np.array([scanner.pixel_mm, scanner.pixel_mm, scanner.increment_mm])
    rows = []
    for deposit in phantom.deposits:
        middle = (deposit.blobs[:, :3].mean(axis=0) - phantom.heart.click) / voxel_mm + click
        rows.append({"kind": deposit.kind, "voxel_xyz": [round(float(v), 1) for v in middle]})
    return rows


def _by_kind(phantom: Phantom) -> dict[str, F64]:
    found = defaultdict[str, list[F64]](list)
    for deposit in phantom.deposits:
        found[deposit.kind].append(deposit.blobs)
    return {kind: np.concatenate([np.zeros((0, 5)), *found[kind]]) for kind in KINDS}


def _added(phantom: Phantom, blobs: F64, wide: Grid) -> F32 | None:
    """HU that ``blobs`` add inside the margin of ``wide``, as the scanner sees them."""
    added = draw_calcium(blobs, wide)
    if added is None:
        return None
    scanner = phantom.scanner
    seen = blur(smear_calcium(added, scanner), scanner.kernel.blur_fwhm_mm / 2.355 / scanner.pixel_mm)
    return seen[:, MARGIN:-MARGIN, MARGIN:-MARGIN]
