"""Fat around the heart, in cm3."""

from __future__ import annotations

import numpy as np
import pytest

from hyrisk_desktop.imaging.fat import FAT_HU, fat_near
from hyrisk_desktop.imaging.volume import CTVolume


def volume(hu: np.ndarray, spacing: tuple[float, float, float] = (0.7, 0.8, 2.5)) -> CTVolume:
    return CTVolume(hu.astype(np.int16), spacing, (0.0, 0.0, 0.0), np.eye(3), "fat")


def test_only_fat_counts_and_its_bounds_are_fat() -> None:
    hu = np.full((3, 5, 5), 40)
    values = (FAT_HU[0] - 1, FAT_HU[0], -100, FAT_HU[1], FAT_HU[1] + 1)
    hu[1, 2, :] = values
    assert fat_near(volume(hu), (2, 2, 1)) == pytest.approx(3 * 0.7 * 0.8 * 2.5 / 1000)


@pytest.mark.parametrize(("radius", "voxels"), [(0.69, 1), (0.71, 3), (0.81, 5), (1.1, 9), (2.49, 23), (2.51, 27)])
def test_distance_is_in_millimetres_along_each_axis(radius: float, voxels: int) -> None:
    hu = np.full((9, 9, 9), -100)
    found = fat_near(volume(hu), (4, 4, 4), radius) / (0.7 * 0.8 * 2.5 / 1000)
    distances = [
        (x * 0.7) ** 2 + (y * 0.8) ** 2 + (z * 2.5) ** 2 <= radius**2
        for x in range(-4, 5) for y in range(-4, 5) for z in range(-4, 5)
    ]  # fmt: skip
    assert found == pytest.approx(sum(distances))
    if radius < 2:
        assert sum(distances) == voxels


def test_it_ends_where_the_volume_does() -> None:
    hu = np.full((4, 6, 8), -100)
    assert fat_near(volume(hu), (0, 5, 3)) == pytest.approx(4 * 6 * 8 * 0.7 * 0.8 * 2.5 / 1000)
