"""Why a plaque of the whole heart is not counted until a reader takes it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from hyrisk_desktop.calcium.heart_atlas import Site, site_at
from hyrisk_desktop.calcium.heart_region import HeartRegion, Zone
from hyrisk_desktop.calcium.lesion_groups import LesionGroup
from hyrisk_desktop.calcium.lesions import Lesion
from hyrisk_desktop.calcium.scores import MAX_LESION_MM2
from hyrisk_desktop.i18n import tr
from hyrisk_desktop.imaging.volume import CTVolume

_NOISE_SDS, _NOISE_MM2 = 5.0, 4.0
"""Noise alone reaches 130 HU in small spots whose peak lies within so many standard deviations of blood. Measured on
phantoms (tests/benchmarks/bench_whole_heart.py): 4 of 1,900 such spots stay, 6 of 50 plaques go, with 0.1 % of the score."""
_LUNG_HU, _LUNG_MM, _EDGE_HU = -400.0, 2.0, 300.0
"""A small spot this near to lung and less bright is where a moving border of the heart was sharpened; arteries keep fat between
themselves and the lung."""
_FAT_HU, _CALCIUM_HU, _AROUND_MM = (-250.0, -15.0), 130.0, 10.0
_ALWAYS = 1.01
_LEAST_FAT = {Site.BEHIND: _ALWAYS, Site.ROOT: _ALWAYS, Site.ROOT_WALL: 0.18, Site.MITRAL: 0.22, Site.NONE: 0.05}
"""Coronary arteries run in fat; valves, rings and the aorta's wall lie in blood and muscle. Less than this share of fat within
10 mm is too little for a coronary artery there."""
_BARE_FAT = 0.13
"""At the mitral ring with less fat than this, at any depth."""
_LEAST_DEPTH_MM = {Site.BEHIND: 0.0, Site.ROOT: 0.0, Site.ROOT_WALL: 0.0, Site.MITRAL: 13.0, Site.NONE: 12.0}
"""Nearer to the heart's surface there is no ring and no chamber, but the groove in which an artery runs."""
_MOST_LESIONS = 12
"""Of a long plaque so many lesions are looked at."""


class Doubt(StrEnum):
    """Why a plaque is not counted."""

    NOISE = "noise"
    LARGE = "large"
    EDGE = "edge"
    DESCENDING_AORTA = "descending_aorta"
    GREAT_VESSELS = "great_vessels"
    BEHIND = "behind"
    AORTIC_ROOT = "aortic_root"
    MITRAL_RING = "mitral_ring"
    INSIDE = "inside_the_heart"
    EXCLUDED = "excluded"


def doubt_words(doubt: Doubt) -> str:
    """The reason in a few words."""
    return {
        Doubt.NOISE: tr("not above the noise"),
        Doubt.LARGE: tr("larger than calcium of a coronary artery: contrast agent or bone"),
        Doubt.EDGE: tr("a spot at the border to the lung, as motion leaves it"),
        Doubt.DESCENDING_AORTA: tr("wall of the descending aorta"),
        Doubt.GREAT_VESSELS: tr("above the heart: aorta, pulmonary artery or lymph node"),
        Doubt.BEHIND: tr("behind the heart: lymph node, airway, aorta or bone"),
        Doubt.AORTIC_ROOT: tr("aortic root or valve"),
        Doubt.MITRAL_RING: tr("mitral ring"),
        Doubt.INSIDE: tr("inside the heart, away from its vessels"),
        Doubt.EXCLUDED: tr("excluded by the reader"),
    }[doubt]


@dataclass(frozen=True, slots=True)
class Blood:
    """Blood and muscle around the heart centre: median and standard deviation in HU."""

    median_hu: float
    noise_hu: float


_SITES = {
    Site.BEHIND: Doubt.BEHIND,
    Site.ROOT: Doubt.AORTIC_ROOT,
    Site.ROOT_WALL: Doubt.AORTIC_ROOT,
    Site.MITRAL: Doubt.MITRAL_RING,
    Site.NONE: Doubt.INSIDE,
}


def doubt_of(
    volume: CTVolume, heart: HeartRegion, blood: Blood, group: LesionGroup, zone: Zone, lesions: Sequence[Lesion]
) -> Doubt | None:
    """Why ``group`` is not counted, or None where it is.

    Args:
        volume, heart, blood: where it was found. zone: that holds most of its voxels.
        lesions: of the group.
    """
    if zone is Zone.AORTA:
        return Doubt.DESCENDING_AORTA
    largest = max(lesion.area_mm2 for lesion in lesions)
    if largest > MAX_LESION_MM2:
        return Doubt.LARGE
    small = largest < _NOISE_MM2
    if small and group.max_hu < blood.median_hu + _NOISE_SDS * blood.noise_hu:
        return Doubt.NOISE
    if small and group.max_hu < _EDGE_HU and any(_touches_lung(volume, lesion) for lesion in lesions):
        return Doubt.EDGE
    if zone is Zone.VESSELS:
        return Doubt.GREAT_VESSELS
    site = site_at(heart.usual_place_mm(group.center_xyz))
    fat = fat_share(volume, lesions)
    deep = heart.depth_at_mm(group.center_xyz) >= _LEAST_DEPTH_MM[site]
    if (deep and fat < _LEAST_FAT[site]) or (site is Site.MITRAL and fat < _BARE_FAT):
        return _SITES[site]
    return None


def _touches_lung(volume: CTVolume, lesion: Lesion) -> bool:
    """Whether there is lung within `_LUNG_MM` of the box around a small lesion, in its slice."""
    x, y, z = lesion.peak
    half = _LUNG_MM + math.sqrt(lesion.area_mm2) / 2
    half_x, half_y = (math.ceil(half / mm) for mm in volume.spacing_mm[:2])
    around = volume.hu[z, max(0, y - half_y) : y + half_y + 1, max(0, x - half_x) : x + half_x + 1]
    return bool((around < _LUNG_HU).any())


def fat_share(volume: CTVolume, lesions: Sequence[Lesion]) -> float:
    """Share of fat in what lies within 10 mm of ``lesions`` and is no calcium; of many the largest are looked at."""
    largest = sorted(lesions, key=lambda lesion: -lesion.area_mm2)[:_MOST_LESIONS]
    shares = [(_fat_around(volume, lesion), lesion.volume_mm3) for lesion in largest]
    return math.fsum(share * size for share, size in shares) / math.fsum(size for _, size in shares)


def _fat_around(volume: CTVolume, lesion: Lesion) -> float:
    from scipy import ndimage

    middle = [round(c) for c in lesion.center_xyz]
    reach = [int(_AROUND_MM / mm) for mm in volume.spacing_mm]
    parts = [slice(max(0, m - r), m + r + 1) for m, r in zip(middle, reach, strict=True)]
    # Averaged over about 2 mm, so that noise makes no fat of muscle.
    width_x, width_y = (max(1, round(2.0 / mm)) for mm in volume.spacing_mm[:2])
    hu = volume.hu[parts[2], parts[1], parts[0]]
    smooth = ndimage.uniform_filter(hu.astype(np.float32), (1, width_y, width_x))
    z, y, x = (
        ((np.arange(part.start, part.start + size) - m) * mm) ** 2
        for part, size, m, mm in zip(parts[::-1], hu.shape, middle[::-1], volume.spacing_mm[::-1], strict=True)
    )
    ball = z[:, None, None] + y[None, :, None] + x[None, None, :] <= _AROUND_MM**2
    looked_at = ball & (smooth < _CALCIUM_HU)
    fat = looked_at & (smooth > _FAT_HU[0]) & (smooth < _FAT_HU[1])
    return float(fat.sum()) / max(int(looked_at.sum()), 1)
