"""How much fat lies around the heart, by its HU: a measurement of the exam, whatever a network says."""

from __future__ import annotations

import numpy as np

from hyrisk_desktop.imaging.volume import CTVolume, Voxel

FAT_HU = (-190.0, -30.0)
"""Adipose tissue without contrast (Kvist 1986, as studies of epicardial fat use it)."""
NEAR_MM = 50.0


def fat_near(volume: CTVolume, centre: Voxel, radius_mm: float = NEAR_MM) -> float:
    """Volume in cm3 of voxels of `FAT_HU` within ``radius_mm`` of ``centre`` (x, y, z), as far as ``volume`` reaches."""
    slices = []
    for at, mm, size in zip(centre[::-1], volume.spacing_mm[::-1], volume.hu.shape, strict=True):
        reach = int(radius_mm / mm)
        slices.append(slice(max(0, at - reach), min(size, at + reach + 1)))
    block = volume.hu[tuple(slices)]
    z, y, x = (
        ((np.arange(part.start, part.stop) - at) * mm) ** 2
        for part, at, mm in zip(slices, centre[::-1], volume.spacing_mm[::-1], strict=True)
    )
    inside = z[:, None, None] + y[None, :, None] + x[None, None, :] <= radius_mm**2
    fat = inside & (block >= FAT_HU[0]) & (block <= FAT_HU[1])
    return float(fat.sum()) * float(np.prod(volume.spacing_mm)) / 1000.0
