"""Why a plaque is not counted: each reason just over and just under its limit."""

from __future__ import annotations

import numpy as np
import pytest

from hyrisk_desktop.calcium import Doubt, Zone, doubt_words
from hyrisk_desktop.calcium.doubts import Blood, doubt_of, fat_share
from hyrisk_desktop.calcium.lesion_groups import group_lesions
from hyrisk_desktop.calcium.lesions import find_lesions
from hyrisk_desktop.calcium.profiles import STANDARD
from hyrisk_desktop.imaging.volume import CTVolume, Voxel
from tests.helpers.hearts import fatty_volume, heart_of, voxel_at

BLOOD = Blood(median_hu=40.0, noise_hu=30.0)
LAD, MITRAL, INSIDE = (28.0, -20.0, -4.0), (12.0, 24.0, -12.0), (8.0, -12.0, -22.0)
"""Of these, seen from the centre in mm, the first has an artery, the second the ring, the last nothing."""


def doubt_at(volume: CTVolume, *, zone: Zone = Zone.HEART, blood: Blood = BLOOD, depth_mm: int = 20) -> Doubt | None:
    """The doubt of the one plaque of ``volume``."""
    heart = heart_of(volume, depth_mm=depth_mm)
    found = find_lesions(volume, heart.box, STANDARD)
    (group,) = group_lesions(found)[0]
    return doubt_of(volume, heart, blood, group, zone, found.lesions)


def spot(place_mm: tuple[float, float, float], size: Voxel = (4, 4, 2), hu: int = 600, around: int = -90) -> CTVolume:
    x, y, z = voxel_at(place_mm)
    return fatty_volume(((x - 1, y - 1, z), size, hu), hu=around)


@pytest.mark.parametrize(
    ("zone", "doubt"),
    [(Zone.HEART, None), (Zone.AORTA, Doubt.DESCENDING_AORTA), (Zone.VESSELS, Doubt.GREAT_VESSELS)],
)
def test_the_zone_decides_first(zone: Zone, doubt: Doubt | None) -> None:
    assert doubt_at(spot(LAD), zone=zone) is doubt


def test_noise_is_small_and_within_five_standard_deviations_of_blood() -> None:
    # 40 HU + 5 x 30 HU = 190 HU; 8 pixels of 0.48 mm2 make 3.84 mm2, 9 make 4.32 mm2.
    assert doubt_at(spot(LAD, (4, 2, 1), 189)) is Doubt.NOISE
    assert doubt_at(spot(LAD, (4, 2, 1), 190)) is None
    assert doubt_at(spot(LAD, (3, 3, 1), 189)) is None
    assert doubt_at(spot(LAD, (4, 2, 3), 189)) is Doubt.NOISE
    assert doubt_at(spot(LAD, (4, 2, 1), 189), blood=Blood(40.0, 29.0)) is None
    assert doubt_at(spot(LAD, (4, 2, 1), 189), blood=Blood(44.0, 29.3)) is Doubt.NOISE


def test_the_largest_lesion_of_a_plaque_tells_whether_it_is_small() -> None:
    x, y, z = voxel_at(LAD)
    volume = fatty_volume(((x, y, z), (4, 2, 1), 189), ((x, y, z + 1), (4, 3, 1), 189))
    assert doubt_at(volume) is None


def test_noise_in_the_aorta_is_said_to_be_the_aorta() -> None:
    assert doubt_at(spot(LAD, (4, 2, 1), 150), zone=Zone.AORTA) is Doubt.DESCENDING_AORTA
    assert doubt_at(spot(LAD, (4, 2, 1), 150), zone=Zone.VESSELS) is Doubt.NOISE


def test_more_than_1000_mm2_in_a_slice_is_no_coronary_calcium() -> None:
    # 0.48 mm2 a pixel: 45 x 46 pixels make 994 mm2, 45 x 47 1015 mm2.
    x, y, z = voxel_at((5.0, -20.0, -10.0))
    for rows, doubt in ((46, None), (47, Doubt.LARGE)):
        volume = fatty_volume(((x - 20, y - 10, z), (45, rows, 1), 300))
        assert (doubt_at(volume) is Doubt.LARGE) is (doubt is Doubt.LARGE)


def with_lung(volume: CTVolume, columns_off: int, rows_off: int = 0) -> CTVolume:
    """``volume`` with one pixel of lung so far off the plaque's first voxel, in its slice."""
    x, y, z = voxel_at(LAD)
    volume.hu[z, y - 1 + rows_off, x - 1 + columns_off] = -800
    return volume


def test_a_small_spot_at_the_lung_is_an_edge() -> None:
    # 2 x 2 pixels of 0.8 x 0.6 mm: 1.92 mm2, half a side 0.69 mm; within 2.69 mm of the first voxel: 4 columns, 5 rows.
    small = (2, 2, 1)
    assert doubt_at(with_lung(spot(LAD, small, 299), 4)) is Doubt.EDGE
    assert doubt_at(with_lung(spot(LAD, small, 299), 5)) is None
    assert doubt_at(with_lung(spot(LAD, small, 299), 0, 5)) is Doubt.EDGE
    assert doubt_at(with_lung(spot(LAD, small, 299), 0, 6)) is None
    assert doubt_at(with_lung(spot(LAD, small, 300), 4)) is None
    assert doubt_at(with_lung(spot(LAD, (3, 3, 1), 299), 4)) is None
    assert doubt_at(with_lung(spot(LAD, (2, 2, 1), 299), -4)) is Doubt.EDGE


def test_lung_of_another_slice_makes_no_edge() -> None:
    volume = spot(LAD, (2, 2, 1), 299)
    x, y, z = voxel_at(LAD)
    volume.hu[z - 1, y - 1, x + 1] = -800
    assert doubt_at(volume) is None


@pytest.mark.parametrize(("place", "doubt"), [(LAD, None), (MITRAL, None), (INSIDE, None)])
def test_in_fat_nothing_within_reach_of_an_artery_is_doubted(
    place: tuple[float, float, float], doubt: Doubt | None
) -> None:
    assert doubt_at(spot(place)) is doubt


@pytest.mark.parametrize(
    ("place", "doubt"),
    [
        (MITRAL, Doubt.MITRAL_RING),
        (INSIDE, Doubt.INSIDE),
        ((-10.0, 22.0, 2.0), Doubt.AORTIC_ROOT),  # the root's wall
        (LAD, Doubt.INSIDE),
    ],
)
def test_in_blood_it_is_doubted(place: tuple[float, float, float], doubt: Doubt) -> None:
    assert doubt_at(spot(place, around=45)) is doubt


@pytest.mark.parametrize("around", [-90, 45])
def test_where_no_artery_runs_fat_changes_nothing(around: int) -> None:
    assert doubt_at(spot((-11.0, 5.0, 4.0), around=around)) is Doubt.AORTIC_ROOT
    assert doubt_at(spot((4.0, 33.0, 3.0), around=around), depth_mm=1) is Doubt.BEHIND


@pytest.mark.parametrize(
    ("place", "depth_mm", "doubt"),
    [
        (INSIDE, 12, Doubt.INSIDE),
        (INSIDE, 11, None),
        (MITRAL, 3, Doubt.MITRAL_RING),  # with no fat at all the depth does not matter
        ((-10.0, 22.0, 2.0), 1, Doubt.AORTIC_ROOT),
    ],
)
def test_near_the_surface_runs_a_groove(place: tuple[float, float, float], depth_mm: int, doubt: Doubt | None) -> None:
    assert doubt_at(spot(place, around=45), depth_mm=depth_mm) is doubt


def some_fat(place_mm: tuple[float, float, float], share: float) -> CTVolume:
    """A spot in blood with about ``share`` of fat around it: a block on one side of it."""
    volume = spot(place_mm, around=45)
    x, y, z = voxel_at(place_mm)
    z_, y_, x_ = np.ogrid[: volume.hu.shape[0], : volume.hu.shape[1], : volume.hu.shape[2]]
    away = ((x_ - x) * 0.8) ** 2 + ((y_ - y) * 0.6) ** 2 + ((z_ - z) * 2.5) ** 2
    cut = np.quantile((y - y_ + 0 * away)[away <= 100], 1 - share)
    volume.hu[(volume.hu < 130) & (y - y_ + 0 * x_ + 0 * z_ > cut)] = -90
    return volume


@pytest.mark.parametrize(
    ("place", "share", "depth_mm", "doubt"),
    [
        (MITRAL, 0.17, 20, Doubt.MITRAL_RING),
        (MITRAL, 0.17, 12, None),
        (MITRAL, 0.30, 20, None),
        (INSIDE, 0.12, 20, None),
        ((-10.0, 22.0, 2.0), 0.12, 20, Doubt.AORTIC_ROOT),
        ((-10.0, 22.0, 2.0), 0.28, 20, None),
    ],
)
def test_how_much_fat_an_artery_needs(
    place: tuple[float, float, float], share: float, depth_mm: int, doubt: Doubt | None
) -> None:
    assert doubt_at(some_fat(place, share), depth_mm=depth_mm) is doubt


def share_of(volume: CTVolume) -> float:
    heart = heart_of(volume)
    return fat_share(volume, find_lesions(volume, heart.box, STANDARD).lesions)


def test_the_share_of_fat() -> None:
    assert share_of(spot(LAD)) > 0.97
    assert share_of(spot(LAD, around=45)) == 0
    assert share_of(some_fat(LAD, 0.5)) == pytest.approx(0.5, abs=0.08)
    # Neither lung nor calcium is fat, and calcium is no place where fat could be.
    assert share_of(spot(LAD, around=-800)) < 0.01
    assert share_of(spot(LAD, (12, 16, 3))) > 0.9


def test_fat_is_seen_at_the_volumes_corner() -> None:
    volume = fatty_volume(((0, 0, 0), (4, 4, 1), 500))
    assert share_of(volume) > 0.9


def test_fat_farther_than_10_mm_is_not_seen() -> None:
    place = (0.0, 0.0, 0.0)
    volume = spot(place, around=45)
    x, y, z = voxel_at(place)
    volume.hu[:, :, : x - 15] = -90
    volume.hu[:, : y - 20] = -90
    volume.hu[z + 7 :] = -90
    volume.hu[: z - 4] = -90
    assert share_of(volume) == 0
    volume.hu[:, :, : x - 8] = -90
    assert share_of(volume) > 0.02


def test_every_reason_has_its_words() -> None:
    words = [doubt_words(doubt) for doubt in Doubt]
    assert len(set(words)) == len(words)
    assert all(words)
