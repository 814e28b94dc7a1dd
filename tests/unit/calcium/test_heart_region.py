"""The proposed outline: the heart is in it, bones and the descending aorta are not, and hostile input gets a guess that says so."""

from __future__ import annotations

import itertools
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from hyrisk_desktop.calcium import HeartRegion, Zone, propose_heart, score_whole_heart
from hyrisk_desktop.calcium.heart_mask import CoarseHeart
from hyrisk_desktop.calcium.heart_region import _findings
from hyrisk_desktop.errors import InputError
from hyrisk_desktop.imaging import CTVolume, Voxel, find_series, propose_centre, read_volume
from model_training.phantom.render import make_phantom
from tests.benchmarks.bench_heart_centre import small_chest, unlike

SEEDS = (720000, 720001, 720004)
"""The second has the smallest pixels, and takes several times as long as the others."""


@cache
def chest(seed: int) -> tuple[CTVolume, Voxel]:
    """A whole phantom chest of 128 x 128 pixels and 4 mm slices, and its click."""
    volume, click = small_chest(seed, side=128, increment_mm=4.0)
    volume.hu.setflags(write=False)
    return volume, (round(click[0]), round(click[1]), round(click[2]))


@cache
def outlined(seed: int) -> HeartRegion:
    return propose_heart(*chest(seed))


def voxels(seed: int, points_mm: NDArray[np.float64]) -> list[Voxel]:
    """Points (x, y, z) in mm of the phantom's world as voxels of its chest."""
    volume, click = chest(seed)
    offsets = (points_mm - make_phantom(seed).heart.click) / np.asarray(volume.spacing_mm)
    x, y, z = (np.rint(offsets + click)).astype(int).T
    return list(zip(x.tolist(), y.tolist(), z.tolist(), strict=True))


def zone_at(heart: HeartRegion, voxel: Voxel) -> Zone:
    x, y, z = (v - s for v, s in zip(voxel, heart.start, strict=True))
    depth, rows, columns = heart.zones.shape
    inside = 0 <= x < columns and 0 <= y < rows and 0 <= z < depth
    return Zone(int(heart.zones[z, y, x])) if inside else Zone.OUTSIDE


@pytest.mark.parametrize("seed", SEEDS)
def test_the_coronary_arteries_lie_in_the_outline(seed: int) -> None:
    heart = outlined(seed)
    for name in ("LM", "LAD", "LCx", "RCA"):
        path = make_phantom(seed).heart.coronaries[name]
        zones = [zone_at(heart, voxel) for voxel in voxels(seed, path)]
        # Their last parts run at the diaphragm, where nobody can tell the heart from what lies below.
        assert np.mean([zone is Zone.HEART for zone in zones[: len(zones) * 3 // 4]]) > 0.9, name


@pytest.mark.parametrize("seed", SEEDS)
def test_the_descending_aorta_is_no_heart(seed: int) -> None:
    heart, thorax = outlined(seed), make_phantom(seed).thorax
    low, high = np.array([thorax.descending[5], thorax.descending[4]])
    line = low + np.linspace(0, 1, 12)[:, None] * (high - low)
    ring = [np.array([np.cos(a), np.sin(a), 0]) * thorax.aorta_mm for a in np.linspace(0, 2 * np.pi, 8, endpoint=False)]
    assert not any(zone_at(heart, voxel) is Zone.HEART for voxel in voxels(seed, line))
    wall = [zone_at(heart, voxel) for voxel in voxels(seed, np.concatenate([line + offset for offset in ring]))]
    assert np.mean([zone is Zone.HEART for zone in wall]) < 0.08
    assert np.mean([zone is Zone.AORTA for zone in wall]) > 0.4


@pytest.mark.parametrize("seed", SEEDS)
def test_neither_bone_nor_lung_is_in_the_outline(seed: int) -> None:
    volume, _ = chest(seed)
    heart = outlined(seed)
    hu = volume.hu[heart.box.slices()]
    assert (hu[heart.mask] > 300).sum() < 40  # coronary calcium, and nothing as large as a rib
    assert np.mean(hu[heart.mask] < -500) < 0.06
    # The sternum stays out.
    thorax = make_phantom(seed).thorax
    plate = np.array([[thorax.midline, thorax.depth - thorax.half_depth - 5.5, z] for z in range(-30, 30, 5)])
    assert not any(zone_at(heart, voxel) is Zone.HEART for voxel in voxels(seed, plate))


@pytest.mark.parametrize("seed", SEEDS)
def test_what_it_says_of_itself(seed: int) -> None:
    volume, click = chest(seed)
    heart = outlined(seed)
    assert (heart.series_uid, heart.centre) == (volume.series_uid, click)
    assert zone_at(heart, click) is Zone.HEART
    assert 85 < heart.width_mm < 170
    assert 0.25 < heart.mask.sum() * volume.voxel_volume_mm3 / 1e6 < 1.1
    assert {f.code for f in heart.findings} <= {"heart_outline"}
    x0, y0, z0 = heart.start
    assert heart.box.size_xyz == heart.zones.shape[::-1]
    assert heart.box.start == (x0, y0, z0)
    # Vessels lie above the heart, and nothing is deep outside of both.
    heights = [np.nonzero(heart.zones == zone)[0] for zone in (Zone.HEART, Zone.VESSELS)]
    assert heights[0].mean() < heights[1].min()
    assert heart.depth_mm[heart.zones == Zone.OUTSIDE].max() < 8
    assert 25 < heart.depth_mm.max() < 70
    assert heart.depth_mm[heart.zones == Zone.VESSELS].max() > 12
    assert heart.depth_at_mm((0, 0, 0)) == 0
    inside = heart.depth_at_mm(click)
    assert inside == heart.depth_mm[click[2] - z0, click[1] - y0, click[0] - x0] > 5


def test_places_are_told_in_a_hearts_own_size() -> None:
    heart = replace(outlined(SEEDS[0]), width_mm=122.0)
    x, y, z = heart.centre
    sx, sy, sz = chest(SEEDS[0])[0].spacing_mm
    assert heart.usual_place_mm(heart.centre) == (0, 0, 0)
    assert heart.usual_place_mm((x + 2, y - 3, z + 4)) == pytest.approx((2 * sx, -3 * sy, 4 * sz))
    # A large heart's places move inwards, within limits.
    for width, factor in ((110.9, 1.1), (152.5, 0.8303), (61.0, 1.18), (500.0, 0.83), (0.0, 1.18)):
        place = replace(heart, width_mm=width).usual_place_mm((x + 2, y - 3, z + 4))
        assert place == pytest.approx((2 * sx * factor, -3 * sy * factor, 4 * sz * factor), rel=1e-3)


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
@pytest.mark.parametrize("flips", [(0,), (1, 2)])
def test_the_same_heart_however_the_voxels_are_stored(order: tuple[int, int, int], flips: tuple[int, ...]) -> None:
    volume, click = chest(SEEDS[2])
    expected = outlined(SEEDS[2])
    hu = volume.hu.transpose([2 - axis for axis in order][::-1])
    direction = np.eye(3)[:, list(order)]
    spacing = [volume.spacing_mm[axis] for axis in order]
    centre = [click[axis] for axis in order]
    for axis in flips:
        direction[:, axis] *= -1
        hu = np.flip(hu, 2 - axis)
        centre[axis] = hu.shape[2 - axis] - 1 - centre[axis]
    turned = CTVolume(hu, (spacing[0], spacing[1], spacing[2]), (0.0, 0.0, 0.0), direction, volume.series_uid)
    heart = propose_heart(turned, (centre[0], centre[1], centre[2]))
    assert heart.width_mm == pytest.approx(expected.width_mm, abs=8)
    ratio = heart.mask.sum() / expected.mask.sum()
    assert ratio == pytest.approx(1, abs=0.08)
    # One and the same point, told from the centre.
    step = np.zeros(3)
    step[order.index(0)] = 9 * (-1 if order.index(0) in flips else 1)
    place = replace(heart, width_mm=122.0).usual_place_mm(tuple(np.add(centre, step)))
    assert place == pytest.approx((9 * volume.spacing_mm[0], 0, 0), abs=1e-6)


def test_a_centre_outside_the_scan_is_refused() -> None:
    volume, _ = chest(SEEDS[0])
    depth, rows, columns = volume.shape_zyx
    for centre in ((-1, 5, 5), (columns, 5, 5), (5, rows, 5), (5, 5, depth)):
        with pytest.raises(InputError, match="outside"):
            propose_heart(volume, centre)


def blank(shape: tuple[int, int, int], hu: int, spacing: tuple[float, float, float] = (0.9, 0.7, 3.0)) -> CTVolume:
    return CTVolume(np.full(shape, hu, np.int16), spacing, (0.0, 0.0, 0.0), np.eye(3), "1")


@pytest.mark.parametrize("hu", [-1000, -850, -3024, 0, 40, 500, 3071])
@pytest.mark.parametrize("shape", [(1, 1, 1), (1, 40, 30), (30, 1, 40), (25, 90, 110), (90, 3, 5)])
def test_what_shows_no_chest_gets_a_guess_that_says_so(shape: tuple[int, int, int], hu: int) -> None:
    volume = blank(shape, hu)
    depth, rows, columns = shape
    for centre in ((columns // 2, rows // 2, depth // 2), (0, 0, 0), (columns - 1, rows - 1, depth - 1)):
        heart = propose_heart(volume, centre)
        assert heart.findings[0].code == "heart_guessed"
        assert heart.box.clipped(volume) == heart.box
        whole = score_whole_heart(volume, heart)
        assert np.isfinite(whole.agatston)
        if hu <= -300:
            assert not heart.mask.any()


def test_without_lungs_it_is_an_ellipsoid_of_usual_size() -> None:
    volume = blank((70, 260, 230), 40)
    heart = propose_heart(volume, (110, 130, 45))
    assert [f.code for f in heart.findings] == ["heart_guessed"]
    litres = heart.mask.sum() * volume.voxel_volume_mm3 / 1e6
    assert litres == pytest.approx(4 / 3 * np.pi * 0.68 * 0.58 * 0.5, rel=0.05)
    z, y, x = (axis.mean() for axis in np.nonzero(heart.mask))
    middle = (np.array([x, y, z]) + heart.start - heart.centre) * volume.spacing_mm
    assert middle == pytest.approx([-4, -6, -22], abs=2)


@pytest.mark.parametrize("seed", SEEDS[:2])
def test_far_from_the_heart_the_centre_gets_a_guess(seed: int) -> None:
    volume, (x, y, _) = chest(seed)
    depth, rows, columns = volume.shape_zyx
    beside = x + round(85 / volume.spacing_mm[0])
    for centre in ((3, 3, 3), (columns - 4, y, depth - 3), (x, rows - 10, 5), (beside, y, volume.hu.shape[0] // 2)):
        assert "heart_guessed" in {f.code for f in propose_heart(volume, centre).findings}


@pytest.mark.parametrize(("depth_mm", "guessed"), [(44, True), (112, False)])
def test_too_little_between_the_lungs_is_no_heart(depth_mm: int, guessed: bool) -> None:
    """Two boxes of lung with 36 mm of tissue between them, on 4 mm voxels: about 60 or 300 ml."""
    hu = np.full((50, 60, 70), 40, np.int16)
    rows = slice(15, 15 + depth_mm // 4)
    hu[3:47, rows, 8:31] = hu[3:47, rows, 40:62] = -850
    volume = CTVolume(hu, (4.0, 4.0, 4.0), (0.0, 0.0, 0.0), np.eye(3), "1")
    heart = propose_heart(volume, (35, 15 + depth_mm // 8, 30))
    codes = {f.code for f in heart.findings}
    assert ("heart_guessed" in codes) is guessed
    # Of the wide one more than half is enough, and it is less than a heart.
    assert ("heart_small" in codes) is not guessed


@pytest.mark.parametrize("seed", SEEDS[:2])
def test_cut_and_noisy_scans_keep_the_coronary_arteries(seed: int) -> None:
    volume, click = small_chest(seed, side=128, increment_mm=4.0)
    phantom = make_phantom(seed)
    paths = np.concatenate([phantom.heart.coronaries[name][:30] for name in ("LM", "LAD", "LCx", "RCA")])
    looked_at = 0
    for name, other, place in unlike(volume, click):
        if name in {"80 mm of heart", "80% of the field", "50% of the field", "100 HU more noise", "to 60 mm above"}:
            centre = np.rint(place).astype(int)
            heart = propose_heart(other, (int(centre[0]), int(centre[1]), int(centre[2])))
            offsets = np.rint((paths - phantom.heart.click) / other.spacing_mm + centre).astype(int)
            zones = [zone_at(heart, (int(x), int(y), int(z))) for x, y, z in offsets]
            assert np.mean([zone is Zone.HEART for zone in zones]) > 0.9, name
            looked_at += 1
    assert looked_at == 5


def test_a_scan_that_ends_in_the_heart_says_so() -> None:
    volume, (x, y, z) = chest(SEEDS[0])
    cut = replace(volume, hu=volume.hu[z - 4 : z + 30])
    heart = propose_heart(cut, (x, y, 4))
    assert "heart_cut" in {f.code for f in heart.findings}
    assert heart.mask.any()


@pytest.mark.parametrize("seed", SEEDS[:1])
def test_thin_slices_and_odd_pixels_give_the_same_heart(seed: int) -> None:
    volume, (x, y, z) = chest(seed)
    sx, sy, sz = volume.spacing_mm
    fine = replace(volume, hu=volume.hu.repeat(2, 0).repeat(3, 1), spacing_mm=(sx, sy / 3, sz / 2))
    heart, expected = propose_heart(fine, (x, 3 * y + 1, 2 * z)), outlined(seed)
    assert heart.mask.sum() / 6 == pytest.approx(expected.mask.sum(), rel=0.1)
    assert heart.width_mm == pytest.approx(expected.width_mm, abs=10)


@pytest.mark.real_data
@pytest.mark.parametrize(
    ("name", "agatston", "in_heart", "not_counted"),
    [
        # LAD calcium is counted; the aortic root and both walls of the descending aorta are not.
        (
            "nlst_101287_T0",
            (60, 130),
            [(305, 215, 73), (319, 210, 72)],
            [(259, 222, 76), (297, 282, 41), (305, 317, 64)],
        ),
        # No coronary calcium: whatever is counted is wrong.
        ("lidc_idri_0002", (0, 0), [], []),
    ],
)
def test_real_chests(
    real_data: Path, name: str, agatston: tuple[float, float], in_heart: list[Voxel], not_counted: list[Voxel]
) -> None:
    volume = read_volume(find_series(real_data / name)[0])
    proposal = propose_centre(volume)
    assert proposal is not None
    heart = propose_heart(volume, proposal.voxel)
    assert not {f.code for f in heart.findings}
    whole = score_whole_heart(volume, heart)
    assert agatston[0] <= whole.agatston <= agatston[1]
    for voxel in in_heart:
        plaque = whole.at(voxel)
        assert plaque is not None
        assert (plaque.counted, plaque.suggested) == (True, "LAD")
    for voxel in not_counted:
        plaque = whole.at(voxel)
        assert plaque is not None
        assert not plaque.counted
    # Neither spine nor ribs nor sternum are in the list at all.
    assert max((group.volume_mm3 for group in whole.groups), default=0) < 1000


@pytest.mark.parametrize(
    ("changes", "codes"),
    [
        ({}, []),
        ({"spine_seen": False}, ["heart_outline"]),
        ({"dome_seen": False}, ["heart_outline"]),
        ({"guessed": True}, ["heart_guessed"]),
        ({"guessed": True, "spine_seen": False, "volume_ml": 1.0}, ["heart_guessed"]),
        ({"volume_ml": 299.9}, ["heart_small"]),
        ({"at": 0}, ["heart_cut"]),
        ({"at": -1}, ["heart_cut"]),
        ({"dome_seen": False, "volume_ml": 1.0, "at": 0}, ["heart_outline", "heart_small", "heart_cut"]),
    ],
)
def test_what_is_said_of_an_outline(changes: dict[str, Any], codes: list[str]) -> None:
    given = {"spine_seen": True, "dome_seen": True, "guessed": False, "volume_ml": 300.0, "at": 2} | changes
    heart, nothing = np.zeros((5, 3, 3), bool), np.zeros((5, 3, 3), bool)
    heart[given["at"]] = True
    found = CoarseHeart(heart, nothing, nothing, given["spine_seen"], given["dome_seen"])
    assert [f.code for f in _findings(found, given["volume_ml"], guessed=given["guessed"])] == codes
