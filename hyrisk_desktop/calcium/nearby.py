"""Calcium just outside the score region: what a slightly different click would have counted.

The region is 65 x 65 pixels x 5 slices, so the left main artery may lie one slice above it. Looked at is a margin of
`MARGIN_MM` in the plane and of `imaging.slab.NEAR_Z_MM` above and below, for components that would be lesions by the
profile's own rule and lie wholly in the margin. What the region's border cuts is said by ``lesion_cut``.
"""

from __future__ import annotations

import math
from collections.abc import Collection

import numpy as np

from hyrisk_desktop.calcium.lesions import structure
from hyrisk_desktop.calcium.profiles import ScoringProfile
from hyrisk_desktop.calcium.region import Region
from hyrisk_desktop.imaging.slab import NEAR_Z_MM
from hyrisk_desktop.imaging.volume import CTVolume, Voxel

MARGIN_MM = 10.0
"""Clicks on one heart differ by about 10 mm; farther out begin sternum and spine."""
LEAST_AGATSTON = 5.0
"""Less is noise: a cluster of just 1 mm2 makes 1 to 2."""
MOST_AREA_MM2 = 150.0
"""In one slice. Coronary lesions stay below; ribs, spine and contrast-filled blood do not, or go on beyond the margin."""


def agatston_nearby(
    volume: CTVolume, region: Region, profile: ScoringProfile, excluded: Collection[Voxel] = ()
) -> float:
    """Agatston score, by ``profile``, of the lesions in the margin around ``region``; 0 where it is noise only.

    Args:
        volume, region: what was scored.
        excluded: voxels (x, y, z) whose lesions the reader took out; they don't count here either.
    """
    from scipy import ndimage

    sx, sy, sz = volume.spacing_mm
    grow = math.floor(MARGIN_MM / sx + 1e-6), math.floor(MARGIN_MM / sy + 1e-6), math.floor(NEAR_Z_MM / sz + 1e-6)
    (x0, y0, z0), (x1, y1, z1) = region.start, region.stop
    wide = Region((x0 - grow[0], y0 - grow[1], z0 - grow[2]), (x1 + grow[0], y1 + grow[1], z1 + grow[2])).clipped(
        volume
    )
    hu = volume.hu[wide.slices()]
    mask = hu >= profile.threshold_hu
    inner = tuple(
        slice(max(0, a - w), max(0, b - w))
        for a, b, w in zip((z0, y0, x0), (z1, y1, x1), wide.start[::-1], strict=True)
    )
    if not mask.any() or np.count_nonzero(mask) == np.count_nonzero(mask[inner]):
        return 0.0
    labels, count = ndimage.label(mask, structure(profile.connectivity))
    gone = np.zeros(count + 1, bool)
    gone[0] = True
    gone[labels[inner]] = True  # in the region, at least in part
    for edge in (labels[:, 0], labels[:, -1], labels[:, :, 0], labels[:, :, -1]):
        gone[edge] = True  # goes on beyond the margin, as bone does
    for x, y, z in excluded:
        if all(a <= v < b for v, a, b in zip((x, y, z), wide.start, wide.stop, strict=True)):
            gone[labels[z - wide.start[2], y - wide.start[1], x - wide.start[0]]] = True
    calcified = labels[mask]
    area = np.bincount(calcified, minlength=count + 1) * sx * sy
    kept = np.flatnonzero(~gone & (area >= profile.min_area_mm2 - 1e-9) & (area <= MOST_AREA_MM2))
    if not kept.size:
        return 0.0
    peaks = np.full(count + 1, -np.inf)
    np.maximum.at(peaks, calcified, hu[mask].astype(np.float64))
    bounds = np.asarray([low for low, _ in profile.weights])
    weights = np.asarray([0, *(w for _, w in profile.weights)])[np.searchsorted(bounds, peaks[kept], side="right")]
    reference = profile.reference_increment_mm
    total = float((area[kept] * weights).sum()) * (1.0 if reference is None else sz / reference)
    return total if total >= LEAST_AGATSTON else 0.0
