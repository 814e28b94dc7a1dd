"""Outlines of hearts made by hand, so that what is scored in them can be worked out."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hyrisk_desktop.calcium import HeartRegion, Zone
from hyrisk_desktop.imaging.volume import CTVolume, Voxel

SPACING = (0.8, 0.6, 2.5)
SHAPE = (20, 110, 90)
CENTRE = (45, 50, 10)
"""(x, y, z) of `fatty_volume`'s middle."""


def fatty_volume(*boxes: tuple[Voxel, Voxel, int], hu: int = -90, noise: float = 4.0) -> CTVolume:
    """A block of fat with boxes of other HU, each as first voxel (x, y, z), size (x, y, z) and HU.

    Args:
        boxes: later ones over earlier ones. hu: of all else. noise: standard deviation of the whole.
    """
    array = np.full(SHAPE, hu, np.int16)
    array += np.random.default_rng(3).normal(0, noise, SHAPE).round().astype(np.int16)
    for (x, y, z), (w, h, d), value in boxes:
        array[z : z + d, y : y + h, x : x + w] = value
    return CTVolume(array, SPACING, (10.0, -20.0, 30.0), np.eye(3), "1.2.9")


def heart_of(
    volume: CTVolume,
    *,
    start: Voxel = (0, 0, 0),
    zones: NDArray[np.uint8] | None = None,
    centre: Voxel = CENTRE,
    depth_mm: int = 20,
    width_mm: float = 122.0,
) -> HeartRegion:
    """An outline: everything is heart unless ``zones`` [z, y, x] from ``start`` on say otherwise."""
    if zones is None:
        zones = np.full(volume.hu.shape, Zone.HEART, np.uint8)
    return HeartRegion(
        series_uid=volume.series_uid,
        centre=centre,
        start=start,
        zones=zones,
        depth_mm=np.full(zones.shape, depth_mm, np.uint8),
        width_mm=width_mm,
        to_lps_mm=volume.direction * np.asarray(volume.spacing_mm),
    )


def voxel_at(place_mm: tuple[float, float, float], centre: Voxel = CENTRE) -> Voxel:
    """The voxel of `fatty_volume` nearest to a place in mm to the left, to the back and up from ``centre``."""
    x, y, z = (round(c + mm / s) for c, mm, s in zip(centre, place_mm, SPACING, strict=True))
    return x, y, z
