"""Calcified lesions of one region: per-slice connected components, measured with bincount and no loop over pixels."""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hyrisk_desktop.calcium.profiles import ScoringProfile
from hyrisk_desktop.calcium.region import Region
from hyrisk_desktop.imaging.volume import CTVolume, Voxel


@dataclass(frozen=True, slots=True)
class Lesion:
    """One connected component of calcified pixels in one axial slice.

    Attributes:
        slice: slice index z.
        center_xyz: centroid in voxels, z whole.
        peak: voxel of the highest HU; names the lesion, so that excluding it outlives a move of the region.
        area_mm2, max_hu, mean_hu: of its pixels inside the region.
        weight: Agatston weight 1 to 4 by ``max_hu``.
        agatston, volume_mm3: its share of the scores, also when excluded.
        cut_by_border: calcified pixels go on outside the region, where they do not count.
        excluded: the reader took it out of the totals.
    """

    slice: int
    center_xyz: tuple[float, float, float]
    peak: Voxel
    area_mm2: float
    max_hu: float
    mean_hu: float
    weight: int
    agatston: float
    volume_mm3: float
    cut_by_border: bool
    excluded: bool


@dataclass(frozen=True, slots=True, eq=False)
class LabelledRegion:
    """Labels of the counted lesions.

    Attributes:
        region: the box inside the volume that ``labels`` covers.
        labels: [z, y, x] int32; 0 background, else index into ``lesions`` plus one.
        lesions: by slice, then as met in raster order.
        cut_away: components of at least the least area whose part inside the region is smaller, so that they don't count.
    """

    region: Region
    labels: NDArray[np.int32]
    lesions: tuple[Lesion, ...]
    cut_away: int = 0


def component_voxels(volume: CTVolume, lesion: Lesion, profile: ScoringProfile) -> frozenset[Voxel]:
    """All voxels (x, y, z) of the component that ``lesion`` belongs to, in its slice, beyond any region.

    Excluding these, and not just the part inside today's region, keeps a lesion excluded when the region moves.
    """
    from scipy import ndimage

    x, y, z = lesion.peak
    labels, _ = ndimage.label(volume.hu[z] >= profile.threshold_hu, structure(profile.connectivity)[1])
    rows, columns = np.nonzero(labels == labels[y, x])
    return frozenset((c, r, z) for c, r in zip(columns.tolist(), rows.tolist(), strict=True))


def structure(connectivity: int) -> NDArray[np.bool_]:
    """Neighbours [z, y, x] of a voxel within its slice, 8 or 4."""
    structure = np.zeros((3, 3, 3), bool)
    structure[1] = True if connectivity == 8 else [[0, 1, 0], [1, 1, 1], [0, 1, 0]]
    return structure


def find_lesions(
    volume: CTVolume, region: Region, profile: ScoringProfile, excluded: Collection[Voxel] = ()
) -> LabelledRegion:
    """Label and measure the lesions of ``region``.

    Args:
        volume, region: where to look. profile: threshold, connectivity and least area.
        excluded: voxels (x, y, z); a lesion that holds one of them is marked excluded.
    """
    from scipy import ndimage

    region = region.clipped(volume)
    hu = volume.hu[region.slices()]
    mask = hu >= profile.threshold_hu
    labels = np.zeros(hu.shape, np.int32)
    count = int(ndimage.label(mask, structure(profile.connectivity), output=labels)) if mask.any() else 0
    if count == 0:
        return LabelledRegion(region, labels, ())

    # Everything below works on the calcified pixels only, usually a few hundred.
    flat = np.flatnonzero(labels)
    label = labels.ravel()[flat]
    value = hu.ravel()[flat].astype(np.float64)
    pixels = np.bincount(label, minlength=count + 1)
    pixel_area = volume.spacing_mm[0] * volume.spacing_mm[1]
    # An area of exactly the minimum counts; the tolerance keeps it so when the spacing is not a binary fraction.
    kept = pixels * pixel_area >= profile.min_area_mm2 - 1e-9
    kept[0] = False
    cut_away = _cut_away(volume, region, profile, flat[~kept[label]], label[~kept[label]], hu.shape)
    renumber = np.zeros(count + 1, np.int32)
    renumber[kept] = np.arange(1, int(kept.sum()) + 1)
    labels = renumber[labels]
    keep_pixel = kept[label]
    flat, label, value = flat[keep_pixel], renumber[label[keep_pixel]], value[keep_pixel]
    if flat.size == 0:
        return LabelledRegion(region, labels, (), cut_away)
    lesions = _measure(volume, region, profile, _Pixels(flat, label, value, labels.shape), excluded)
    return LabelledRegion(region, labels, lesions, cut_away)


def _cut_away(
    volume: CTVolume,
    region: Region,
    profile: ScoringProfile,
    flat: NDArray[np.intp],
    label: NDArray[np.int32],
    shape: tuple[int, ...],
) -> int:
    """How many of the components that are too small here (flat index and label of their pixels) go on outside to a lesion."""
    from scipy import ndimage

    x0, y0, z0 = region.start
    z, y, x = np.unravel_index(flat, shape)
    goes_on = _goes_on_outside(volume, region, profile, x + x0, y + y0, z + z0)
    # A component reaches the least area within as many steps as that has pixels, so a small window tells.
    reach = math.ceil(profile.min_area_mm2 / (volume.spacing_mm[0] * volume.spacing_mm[1])) + 1
    count = 0
    for one in np.unique(label[goes_on]):
        first = np.flatnonzero(label == one)[0]
        left, top = max(0, int(x[first]) + x0 - reach), max(0, int(y[first]) + y0 - reach)
        window = volume.hu[z[first] + z0, top : y[first] + y0 + reach + 1, left : x[first] + x0 + reach + 1]
        parts, _ = ndimage.label(window >= profile.threshold_hu, structure(profile.connectivity)[1])
        pixels = int(np.count_nonzero(parts == parts[y[first] + y0 - top, x[first] + x0 - left]))
        count += bool(pixels * volume.spacing_mm[0] * volume.spacing_mm[1] >= profile.min_area_mm2 - 1e-9)
    return count


@dataclass(frozen=True, slots=True, eq=False)
class _Pixels:
    """Counted pixels of a region: flat index, lesion number from 1, HU; and the region's shape (z, y, x)."""

    flat: NDArray[np.intp]
    label: NDArray[np.int32]
    hu: NDArray[np.float64]
    shape: tuple[int, ...]


def _measure(
    volume: CTVolume, region: Region, profile: ScoringProfile, pixels: _Pixels, excluded: Collection[Voxel]
) -> tuple[Lesion, ...]:
    x0, y0, z0 = region.start
    z, y, x = np.unravel_index(pixels.flat, pixels.shape)
    x, y, z = x + x0, y + y0, z + z0
    label, value = pixels.label, pixels.hu
    n = np.bincount(label)[1:]
    # Sorted by lesion, then falling HU, then raster order: the first pixel of each lesion is its peak.
    order = np.lexsort((pixels.flat, -value, label))
    peak = order[np.r_[0, np.cumsum(n)[:-1]]]
    max_hu = value[peak]
    means = [np.bincount(label, weights=w)[1:] / n for w in (x, y, value)]
    bounds = np.asarray([low for low, _ in profile.weights])
    weight = np.asarray([0, *(w for _, w in profile.weights)])[np.searchsorted(bounds, max_hu, side="right")]
    area = n * volume.spacing_mm[0] * volume.spacing_mm[1]
    reference = profile.reference_increment_mm
    factor = 1.0 if reference is None else volume.spacing_mm[2] / reference
    cut = np.zeros(n.size + 1, bool)
    cut[label[_goes_on_outside(volume, region, profile, x, y, z)]] = True
    out = np.zeros(n.size + 1, bool)
    if excluded:
        ex, ey, ez = np.asarray(sorted(excluded), np.int64).T
        _, rows, columns = volume.shape_zyx
        out[label[np.isin((z * rows + y) * columns + x, (ez * rows + ey) * columns + ex)]] = True
    return tuple(
        Lesion(
            slice=int(z[p]),
            center_xyz=(float(means[0][i]), float(means[1][i]), float(z[p])),
            peak=(int(x[p]), int(y[p]), int(z[p])),
            area_mm2=float(area[i]),
            max_hu=float(max_hu[i]),
            mean_hu=float(means[2][i]),
            weight=int(weight[i]),
            agatston=float(area[i] * weight[i] * factor),
            volume_mm3=float(n[i] * volume.voxel_volume_mm3),
            cut_by_border=bool(cut[i + 1]),
            excluded=bool(out[i + 1]),
        )
        for i, p in enumerate(peak)
    )


def _goes_on_outside(
    volume: CTVolume,
    region: Region,
    profile: ScoringProfile,
    x: NDArray[np.intp],
    y: NDArray[np.intp],
    z: NDArray[np.intp],
) -> NDArray[np.bool_]:
    """For each counted pixel, whether a calcified in-plane neighbour lies just outside the region."""
    (x0, y0, _), (x1, y1, _) = region.start, region.stop
    _, rows, columns = volume.shape_zyx
    result = np.zeros(x.size, bool)
    border = np.flatnonzero((x == x0) | (x == x1 - 1) | (y == y0) | (y == y1 - 1))
    steps = [(dx, dy) for dx in (-1, 0, 1) for dy in (-1, 0, 1) if (dx, dy) != (0, 0)]
    for dx, dy in steps:
        if profile.connectivity == 4 and dx and dy:
            continue
        nx, ny = x[border] + dx, y[border] + dy
        outside = (nx < x0) | (nx >= x1) | (ny < y0) | (ny >= y1)
        there = outside & (nx >= 0) & (nx < columns) & (ny >= 0) & (ny < rows)
        hit = border[there]
        result[hit] |= volume.hu[z[hit], ny[there], nx[there]] >= profile.threshold_hu
    return result
