"""Scores against hand calculation, an independent slow implementation, and the published phantom."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from hyrisk_desktop.calcium import (
    Region,
    agatston_category,
    category_bounds,
    component_voxels,
    get_profile,
    score_box,
    score_region,
)
from hyrisk_desktop.calcium.profiles import FOUR_CONNECTED, NO_SPACING_CORRECTION, STANDARD, ScoringProfile
from hyrisk_desktop.errors import InputError
from hyrisk_desktop.imaging.volume import CTVolume
from tests.helpers.volumes import HEART_CENTRE, block_volume, box

CX, CY, CZ = HEART_CENTRE


def plain(hu: np.ndarray, spacing: tuple[float, float, float] = (1.0, 1.0, 3.0)) -> CTVolume:
    return CTVolume(hu, spacing, (0.0, 0.0, 0.0), np.eye(3), "1.2.3")


def test_block_by_hand() -> None:
    volume = block_volume([(box((CX, CY, CZ), (4, 3, 2)), 350)], spacing=(0.5, 0.8, 2.0))
    scores = score_region(volume, HEART_CENTRE)
    area = 12 * 0.5 * 0.8
    assert scores.agatston == pytest.approx(2 * area * 3 * 2.0 / 3.0)
    assert scores.volume_mm3 == pytest.approx(24 * 0.5 * 0.8 * 2.0)
    assert scores.sqrt_volume == pytest.approx(math.sqrt(scores.volume_mm3))
    assert [lesion.slice for lesion in scores.lesions] == [CZ, CZ + 1]
    lesion = scores.lesions[0]
    assert (lesion.area_mm2, lesion.max_hu, lesion.mean_hu, lesion.weight) == (pytest.approx(area), 350, 350, 3)
    assert lesion.center_xyz == (CX + 1.5, CY + 1.0, CZ)


@pytest.mark.parametrize(
    ("hu", "weight"), [(129, 0), (130, 1), (199, 1), (200, 2), (299, 2), (300, 3), (399, 3), (400, 4), (3000, 4)]
)
def test_weight_bounds(hu: int, weight: int) -> None:
    array = np.zeros((5, 70, 70), np.int16)
    array[2, 30:34, 30:34] = hu
    assert score_region(plain(array), (35, 35, 2)).agatston == pytest.approx(16 * weight)


@pytest.mark.parametrize(("pixels", "counted"), [(3, False), (4, True)])
def test_one_square_millimetre_counts_exactly(pixels: int, counted: bool) -> None:
    array = np.zeros((5, 70, 70), np.int16)
    array[2, 30, 30 : 30 + pixels] = 250
    scores = score_region(plain(array, (0.5, 0.5, 3.0)), (35, 35, 2))
    assert bool(scores.lesions) is counted


def test_diagonal_neighbours_are_one_lesion_only_with_eight_connectivity() -> None:
    array = np.zeros((5, 70, 70), np.int16)
    array[2, 30, 30] = array[2, 31, 31] = 450
    volume = plain(array)
    assert len(score_region(volume, (35, 35, 2)).lesions) == 1
    assert len(score_region(volume, (35, 35, 2), profile=FOUR_CONNECTED).lesions) == 2


def test_slices_are_never_joined() -> None:
    array = np.zeros((5, 70, 70), np.int16)
    array[1:4, 30:32, 30:32] = 150
    array[2, 30, 30] = 500
    assert [lesion.weight for lesion in score_region(plain(array), (35, 35, 2)).lesions] == [1, 4, 1]


def test_no_spacing_correction_ignores_the_increment() -> None:
    array = np.zeros((5, 70, 70), np.int16)
    array[2, 30:32, 30:32] = 250
    volume = plain(array, (1.0, 1.0, 1.5))
    assert score_region(volume, (35, 35, 2)).agatston == pytest.approx(4.0)
    assert score_region(volume, (35, 35, 2), profile=NO_SPACING_CORRECTION).agatston == pytest.approx(8.0)


def test_region_is_65_by_65_by_5_around_the_click() -> None:
    array = np.zeros((11, 200, 200), np.int16)
    for dx, dz in ((-32, 0), (-33, 0), (32, 0), (33, 0), (0, 2), (0, 3)):
        array[5 + dz, 100:102, 100 + dx] = 200
    scores = score_region(plain(array), (100, 100, 5))
    assert scores.region.size_xyz == (65, 65, 5)
    assert sorted(round(lesion.center_xyz[0]) for lesion in scores.lesions) == [68, 100, 132]
    assert {lesion.slice for lesion in scores.lesions} == {5, 7}


def test_border_cuts_a_lesion_and_says_so() -> None:
    array = np.zeros((5, 200, 200), np.int16)
    array[2, 100, 130:140] = 200
    scores = score_region(plain(array), (100, 100, 2))
    assert scores.lesions[0].area_mm2 == 3
    assert scores.lesions[0].cut_by_border
    assert [f.code for f in scores.findings] == ["lesion_cut"]


def test_lesion_that_only_touches_the_border_is_not_cut() -> None:
    array = np.zeros((5, 200, 200), np.int16)
    array[2, 100, 130:133] = 200
    assert not score_region(plain(array), (100, 100, 2)).lesions[0].cut_by_border


def test_excluding_and_including() -> None:
    volume = block_volume([(box((CX, CY, CZ), (4, 4, 1)), 350), (box((CX + 15, CY, CZ), (4, 4, 1)), 450)])
    everything = score_region(volume, HEART_CENTRE)
    first, second = everything.lesions
    without = score_region(volume, HEART_CENTRE, excluded={first.peak})
    assert without.agatston == pytest.approx(second.agatston)
    assert without.volume_mm3 == pytest.approx(second.volume_mm3)
    assert [lesion.excluded for lesion in without.lesions] == [True, False]
    # The exclusion is a place, not a number: it outlives a move of the region.
    moved = score_region(volume, (CX + 5, CY + 2, CZ), excluded={first.peak})
    assert moved.agatston == pytest.approx(second.agatston)


def test_region_outside_the_volume_is_said() -> None:
    volume = block_volume()
    assert [f.code for f in score_region(volume, (5, 5, 0)).findings] == ["region_outside"]
    with pytest.raises(InputError, match="outside"):
        score_region(volume, (-1, 5, 0))


def test_whole_heart_box() -> None:
    volume = block_volume([(box((CX + 40, CY, CZ + 6), (4, 4, 1)), 350)])
    assert score_region(volume, HEART_CENTRE).agatston == 0
    whole = score_box(volume, Region((CX - 60, CY - 60, 0), (CX + 60, CY + 60, 25)))
    assert whole.agatston == pytest.approx(16 * 0.7 * 0.8 * 3)
    assert whole.centre is None


@pytest.mark.parametrize(
    ("agatston", "category"), [(0, 0), (0.1, 1), (10, 1), (10.1, 2), (100, 2), (100.1, 3), (400, 3), (400.1, 4)]
)
def test_categories(agatston: float, category: int) -> None:
    assert agatston_category(agatston) == category


@pytest.mark.parametrize(("bound", "category"), [(0.0, 0), (10.0, 1), (100.0, 2), (400.0, 3)])
def test_a_category_ends_with_its_bound(bound: float, category: int) -> None:
    assert agatston_category(bound) == category
    assert agatston_category(math.nextafter(bound, math.inf)) == category + 1
    said = ["A = 0", "0 < A ≤ 10", "10 < A ≤ 100", "100 < A ≤ 400", "A > 400"]
    assert [category_bounds(n) for n in range(5)] == said


def test_unknown_profile() -> None:
    with pytest.raises(InputError, match="four_connected"):
        get_profile("agatston")


def test_empty_volume_scores_zero() -> None:
    scores = score_region(plain(np.zeros((5, 70, 70), np.int16)), (35, 35, 2))
    assert (scores.agatston, scores.volume_mm3, scores.lesions) == (0, 0, ())


def slow_reference(hu: np.ndarray, spacing: tuple[float, float, float], profile: ScoringProfile) -> tuple[float, float]:
    """Flood fill, written as differently as possible from the program's labelling."""
    area_px, increment = spacing[0] * spacing[1], spacing[2]
    agatston = volume = 0.0
    for picture in hu:
        todo = {tuple(p) for p in np.argwhere(picture >= profile.threshold_hu)}
        while todo:
            stack, lesion = [todo.pop()], []
            while stack:
                y, x = stack.pop()
                lesion.append((y, x))
                for dy in (-1, 0, 1):
                    for dx in (-1, 0, 1):
                        if profile.connectivity == 4 and dy and dx:
                            continue
                        if (y + dy, x + dx) in todo:
                            todo.remove((y + dy, x + dx))
                            stack.append((y + dy, x + dx))
            if len(lesion) * area_px < profile.min_area_mm2 - 1e-9:
                continue
            peak = max(picture[p] for p in lesion)
            weight = sum(peak >= bound for bound, _ in profile.weights)
            factor = increment / profile.reference_increment_mm if profile.reference_increment_mm else 1
            agatston += len(lesion) * area_px * weight * factor
            volume += len(lesion) * area_px * increment
    return agatston, volume


@settings(max_examples=60, deadline=None)
@given(
    hu=hnp.arrays(np.int16, (3, 9, 11), elements=st.sampled_from([-3024, 0, 129, 130, 250, 399, 400, 1500])),
    spacing=st.tuples(*[st.sampled_from([0.5, 0.7, 1.0])] * 2, st.sampled_from([1.25, 2.5, 3.0])),
    profile=st.sampled_from([STANDARD, FOUR_CONNECTED, NO_SPACING_CORRECTION]),
)
def test_agrees_with_a_slow_reference(
    hu: np.ndarray, spacing: tuple[float, float, float], profile: ScoringProfile
) -> None:
    scores = score_box(plain(hu, spacing), Region((0, 0, 0), (11, 9, 3)), profile=profile)
    agatston, volume = slow_reference(hu, spacing, profile)
    assert scores.agatston == pytest.approx(agatston)
    assert scores.volume_mm3 == pytest.approx(volume)


@pytest.mark.real_data
def test_published_phantom_scores(real_data: Path) -> None:
    """Independent software scored this real scan of the QRM phantom; its numbers come out to four digits."""
    from hyrisk_desktop.imaging import find_series, read_volume

    folder = real_data / "qrm_cci_phantom_canon"
    volume = read_volume(find_series(folder / "dicom")[0])
    published = [i for i in json.loads((folder / "reference.json").read_text())["inserts"] if "seed_yx" in i]
    assert len(published) == 3
    for insert in published:
        (y, x), radius = insert["seed_yx"], insert["roi_radius_px"]
        # The reference scores a disc around the insert; what lies in the corners of our box is left out like a rib.
        box_scores = score_region(volume, (x, y, 22), size_xyz=(2 * radius + 1, 2 * radius + 1, 7))
        outside = {
            lesion.peak
            for lesion in box_scores.lesions
            if math.hypot(lesion.center_xyz[0] - x, lesion.center_xyz[1] - y) > radius
        }
        scores = score_region(volume, (x, y, 22), size_xyz=(2 * radius + 1, 2 * radius + 1, 7), excluded=outside)
        assert f"{scores.agatston:.4g}" == f"{insert['fqm']['agatston']:.4g}", insert["name"]
        assert f"{scores.volume_mm3:.4g}" == f"{insert['fqm']['volume_mm3']:.4g}", insert["name"]


def test_a_lesion_whose_part_inside_is_below_the_least_area_is_said_to_be_cut() -> None:
    """The region of centre 100 begins at column 68; 0.5 x 0.5 mm pixels, so that three inside are 0.75 mm2."""
    for outside, cut in ((1, 1), (0, 0)):  # 4 pixels are 1 mm2, 3 are none anywhere
        array = np.zeros((5, 200, 200), np.int16)
        array[2, 100, 68 - outside : 71] = 250
        scores = score_region(plain(array, (0.5, 0.5, 3.0)), (100, 100, 2))
        assert (scores.agatston, scores.lesions) == (0, ())
        assert [f.code for f in scores.findings] == ["lesion_cut"] * cut
    array[2, 100, 69:70] = 250
    array[2, 110, 60:68] = 250  # a lesion outside that touches nothing inside
    assert "lesion_cut" not in {f.code for f in score_region(plain(array, (0.5, 0.5, 3.0)), (100, 100, 2)).findings}


def nearby(place: tuple[slice, slice, slice], hu: int = 250, inside: int = 0) -> list[tuple[str, str]]:
    """Findings of a region of columns and rows 68 to 132 and slices 18 to 22; 0.5 mm pixels, slices of 2 mm."""
    array = np.zeros((40, 200, 200), np.int16)
    array[place] = hu
    if inside:
        array[20, 100 : 100 + inside, 100] = 450
    scores = score_region(plain(array, (0.5, 0.5, 2.0)), (100, 100, 20))
    assert scores.agatston == pytest.approx(inside * 0.25 * 4 * 2 / 3)
    return [(f.code, str(f.severity)) for f in scores.findings]


def test_calcium_just_outside_the_region_is_said() -> None:
    """8 x 8 pixels are 16 mm2: 16 x 2 x 2 / 3 = 21.3."""
    said = [("calcium_nearby", "warning")]
    side = slice(100, 108)
    assert nearby(np.s_[23:24, side, side]) == said  # the third slice above the click, the first above the region
    assert nearby(np.s_[24:25, side, side]) == said
    assert nearby(np.s_[25:26, side, side]) == []
    assert nearby(np.s_[16:17, side, side]) == said
    assert nearby(np.s_[15:16, side, side]) == []
    assert nearby(np.s_[20:21, side, 144:152]) == said  # wholly within the 20 pixels beyond column 132
    assert nearby(np.s_[20:21, side, 145:153]) == []  # goes on beyond them
    assert nearby(np.s_[20:21, 49:57, side]) == said
    assert nearby(np.s_[20:21, 48:56, side]) == []
    assert nearby(np.s_[24:25, 100:125, 100:125]) == []  # 156 mm2 is bone
    assert nearby(np.s_[24:25, 100:124, 100:125]) == said  # 150 mm2
    assert nearby(np.s_[24:25, side, side], hu=129) == []


def test_little_calcium_outside_is_noise_and_what_changes_no_category_a_note() -> None:
    assert nearby(np.s_[24:25, 100:105, 100:103]) == [("calcium_nearby", "warning")]  # 3.75 mm2 x 2 x 2 / 3 = 5.0
    assert nearby(np.s_[24:25, 100:107, 100:102]) == []  # 4.67
    assert nearby(np.s_[24:25, 100:108, 100:108], inside=30) == [("calcium_nearby", "info")]  # 20 + 21.3
    assert nearby(np.s_[24:25, 100:108, 100:108], inside=12) == [("calcium_nearby", "warning")]  # 8 + 21.3


def test_calcium_outside_a_drawn_box_or_taken_out_by_the_reader_is_not_said() -> None:
    array = np.zeros((40, 200, 200), np.int16)
    array[24, 100:108, 100:108] = 250
    volume = plain(array, (0.5, 0.5, 2.0))
    assert score_box(volume, Region((68, 68, 18), (133, 133, 23))).findings == ()
    assert score_region(volume, (100, 100, 20), excluded=[(103, 103, 24)]).findings == ()
    assert len(score_region(volume, (100, 100, 20), excluded=[(99, 103, 24)]).findings) == 1
    assert score_region(volume, (100, 100, 20), excluded=[(107, 100, 24)]).findings == ()
    assert len(score_region(volume, (100, 100, 20), excluded=[(107, 99, 24)]).findings) == 1
    array[24, 103:108, 100:108] = 0  # eight columns and three rows
    assert len(score_region(volume, (100, 100, 20), excluded=[(102, 105, 24)]).findings) == 1
    assert score_region(volume, (100, 100, 20), excluded=[(105, 102, 24)]).findings == ()


def test_what_lies_partly_inside_or_is_cut_by_the_margin_on_any_side_is_not_nearby() -> None:
    """Pixels of 0.4 x 0.5 mm: the margin of 10 mm holds 25 columns and 20 rows, so 43 to 157 and 48 to 152."""
    side = slice(96, 104)
    for place, said in (
        ((side, slice(43, 51)), False), ((side, slice(44, 52)), True), ((side, slice(150, 158)), False),
        ((side, slice(149, 157)), True), ((slice(48, 56), side), False), ((slice(49, 57), side), True),
        ((slice(145, 153), side), False), ((slice(144, 152), side), True),
        ((side, slice(60, 69)), False), ((side, slice(60, 68)), True),  # reaches into the region's first column; stops before it
    ):  # fmt: skip
        array = np.zeros((40, 200, 210), np.int16)
        array[20][place] = 250
        found = {f.code: f.message for f in score_region(plain(array, (0.4, 0.5, 2.0)), (100, 100, 20)).findings}
        assert ("calcium_nearby" in found) is said, place
        assert not said or "score of 17," in found["calcium_nearby"]  # 64 pixels of 0.2 mm2, x 2 x 2 / 3


def test_the_largest_lesion_nearby_and_the_category_that_it_would_change() -> None:
    array = np.zeros((40, 200, 200), np.int16)
    array[24, 100:124, 100:125] = 250  # 600 pixels of 0.25 mm2
    spaced = (0.5, 0.5, 2.0)
    assert score_region(plain(array, spaced), (100, 100, 20)).findings
    array[24, 124, 100] = 250
    assert not score_region(plain(array, spaced), (100, 100, 20)).findings
    # 95 inside and 21 beside it: another category together, though the 21 alone are of the 95's.
    array[24] = 0
    array[24, 100:108, 100:108] = 250
    array[20, 90:101, 90:103] = 450
    scores = score_region(plain(array, spaced), (100, 100, 20))
    assert scores.agatston == pytest.approx(11 * 13 * 0.25 * 4 * 2 / 3)
    assert [(f.code, str(f.severity)) for f in scores.findings] == [("calcium_nearby", "warning")]


def test_the_least_area_to_the_last_digit() -> None:
    """Eight pixels of 0.25 x 0.5 mm are 1 mm2; three of 0.7 x 0.47 are 0.987, and one hundred of 0.1 x 0.1 are 1 again."""
    for spacing, pixels, counted in (
        ((0.25, 0.5, 3.0), 8, True),
        ((0.7, 0.47, 3.0), 3, False),
        ((0.7, 0.4761, 3.0), 3, False),  # 0.99981
        ((0.7, 0.4763, 3.0), 3, True),  # 1.00023
        ((0.2, 0.1, 3.0), 50, True),
        ((0.35, 0.2, 3.0), 15, True),
    ):
        array = np.zeros((5, 70, 75), np.int16)
        array[2, 30, 10 : 10 + pixels] = 250
        scores = score_box(plain(array, spacing), Region((0, 0, 0), (75, 70, 5)))
        assert bool(scores.lesions) is counted, spacing
        area = pixels * spacing[0] * spacing[1]
        assert scores.agatston == pytest.approx(area * 2 if counted else 0)


def region_of_one_lesion(place: tuple[slice, slice], profile: ScoringProfile = STANDARD) -> tuple[bool, int]:
    """Whether a lesion at [y, x] of a region of columns 8 to 14 and rows 6 to 14 is cut, and its pixels inside."""
    array = np.zeros((3, 20, 24), np.int16)
    array[1][place] = 200
    scores = score_region(plain(array, (1.0, 1.5, 3.0)), (11, 10, 1), size_xyz=(7, 9, 1), profile=profile)
    (lesion,) = scores.lesions
    assert ("lesion_cut" in {f.code for f in scores.findings}) is lesion.cut_by_border
    return lesion.cut_by_border, round(lesion.area_mm2 / 1.5)


def test_every_side_of_the_region_cuts() -> None:
    row, column = slice(10, 11), slice(11, 12)
    assert region_of_one_lesion((row, slice(7, 10))) == (True, 2)
    assert region_of_one_lesion((row, slice(8, 10))) == (False, 2)
    assert region_of_one_lesion((row, slice(13, 16))) == (True, 2)
    assert region_of_one_lesion((row, slice(13, 15))) == (False, 2)
    assert region_of_one_lesion((slice(5, 8), column)) == (True, 2)
    assert region_of_one_lesion((slice(6, 8), column)) == (False, 2)
    assert region_of_one_lesion((slice(13, 16), column)) == (True, 2)
    assert region_of_one_lesion((slice(13, 15), column)) == (False, 2)


def test_a_corner_joins_only_eight_connected_pixels() -> None:
    array = np.zeros((3, 20, 24), np.int16)
    array[1, 6, 9] = array[1, 5, 10] = 200  # inside, and outside across a corner
    volume = plain(array, (1.0, 1.5, 3.0))
    how = {"size_xyz": (7, 9, 1)}
    assert score_region(volume, (11, 10, 1), **how).lesions[0].cut_by_border  # type: ignore[arg-type]
    assert not score_region(volume, (11, 10, 1), profile=FOUR_CONNECTED, **how).lesions[0].cut_by_border  # type: ignore[arg-type]
    array[1, 5, 9] = 200
    assert score_region(volume, (11, 10, 1), profile=FOUR_CONNECTED, **how).lesions[0].cut_by_border  # type: ignore[arg-type]


def test_nothing_goes_on_beyond_the_volume() -> None:
    """The first column's neighbour is not the last one, nor is the first row's."""
    array = np.zeros((3, 9, 13), np.int16)
    array[1, 4, 0] = array[1, 4, 12] = array[1, 0, 6] = array[1, 8, 6] = 200
    scores = score_box(plain(array, (1.0, 1.5, 3.0)), Region((0, 0, 0), (13, 9, 3)))
    assert [lesion.cut_by_border for lesion in scores.lesions] == [False] * 4
    # At the volume's edge as well, what is too small inside may be a lesion outside.
    array = np.zeros((3, 20, 24), np.int16)
    array[1, 1, 2:5] = array[1, 2, 4] = 200
    found = score_region(plain(array, (0.5, 0.5, 3.0)), (7, 5, 1), size_xyz=(9, 9, 1))
    assert (found.lesions, [f.code for f in found.findings]) == ((), ["lesion_cut"])


def test_how_far_a_small_part_is_followed_outside() -> None:
    """One pixel of four lies inside: 0.25 of 1 mm2."""
    for outside, cut in ((3, 1), (2, 0)):
        array = np.zeros((5, 200, 200), np.int16)
        array[2, 100, 68 - outside : 69] = 250
        assert len(score_region(plain(array, (0.5, 0.5, 3.0)), (100, 100, 2)).findings) == cut


def test_an_excluded_lesion_is_neither_cut_nor_somebody_elses() -> None:
    array = np.zeros((3, 20, 24), np.int16)
    array[1, 10, 13:16] = 200
    array[1, 11, 9] = 250
    volume = plain(array, (1.0, 1.5, 3.0))
    how = {"size_xyz": (7, 9, 1)}
    cut = score_region(volume, (11, 10, 1), excluded={(13, 10, 1)}, **how)  # type: ignore[arg-type]
    assert cut.findings == ()
    assert [lesion.excluded for lesion in cut.lesions] == [True, False]
    # Another voxel, although it has the same number where rows are taken for columns: 4 * 9 + 13 is 5 * 9 + 4.
    wide = np.zeros((4, 9, 21), np.int16)
    wide[2, 4, 13] = 200
    (lesion,) = score_box(plain(wide, (1.0, 1.5, 3.0)), Region((0, 0, 0), (21, 9, 4)), excluded={(4, 5, 2)}).lesions
    assert not lesion.excluded


def test_two_lesions_of_a_slice_are_measured_each_by_itself() -> None:
    """A ring with a hole and a bar beside it, in a volume of three different spacings."""
    array = np.full((7, 30, 40), 40, np.int16)
    array[3, 10:13, 20:24] = 210
    array[3, 11, 21:23] = 100  # the hole
    array[3, 10, 20] = 305
    array[3, 12, 26:29] = (140, 450, 160)
    array[4, 12, 26] = 131
    scores = score_region(plain(array, (0.7, 0.8, 2.5)), (22, 13, 3), size_xyz=(20, 16, 4))
    ring, bar = scores.lesions
    assert (ring.slice, ring.peak, ring.max_hu, ring.weight) == (3, (20, 10, 3), 305, 3)
    assert ring.area_mm2 == pytest.approx(10 * 0.56)
    assert ring.mean_hu == pytest.approx((9 * 210 + 305) / 10)
    assert ring.center_xyz == pytest.approx((21.5, 11, 3))
    assert ring.volume_mm3 == pytest.approx(10 * 0.7 * 0.8 * 2.5)
    assert ring.agatston == pytest.approx(10 * 0.56 * 3 * 2.5 / 3)
    assert (bar.peak, bar.max_hu, bar.weight) == ((27, 12, 3), 450, 4)
    assert bar.center_xyz == (27, 12, 3)
    assert bar.mean_hu == pytest.approx(250)
    assert scores.region.start == (13, 6, 2)  # an even size has its extra voxel after the middle
    assert scores.region.stop == (33, 22, 6)
    assert scores.region_mm == pytest.approx((20 * 0.7, 16 * 0.8, 4 * 2.5))
    assert scores.volume_mm3 == pytest.approx(13 * 1.4)
    labels = np.zeros((4, 16, 20), np.int32)
    labels[1, 4:7, 7:11] = 1
    labels[1, 5, 8:10] = 0
    labels[1, 6, 13:16] = 2
    np.testing.assert_array_equal(scores.labels, labels)


def test_all_voxels_of_a_component_beyond_any_region() -> None:
    array = np.zeros((3, 20, 30), np.int16)
    array[1, 4, 10:14] = 200
    array[1, 5, 14] = 200
    array[1, 7, 14] = 200
    array[2, 4, 10] = 200
    volume = plain(array)
    (lesion,) = score_region(volume, (11, 4, 1), size_xyz=(3, 3, 1)).lesions
    assert component_voxels(volume, lesion, STANDARD) == {(10, 4, 1), (11, 4, 1), (12, 4, 1), (13, 4, 1), (14, 5, 1)}
    assert component_voxels(volume, lesion, FOUR_CONNECTED) == {(10, 4, 1), (11, 4, 1), (12, 4, 1), (13, 4, 1)}


def test_regions_at_and_beyond_the_ends() -> None:
    volume = plain(np.zeros((5, 20, 30), np.int16))
    assert Region((-3, 15, 1), (4, 25, 3)).clipped(volume) == Region((0, 15, 1), (4, 20, 3))
    gone = Region((-9, 25, -4), (-2, 40, -1)).clipped(volume)
    assert gone == Region((0, 20, 0), (0, 20, 0))
    assert Region.around((5, 6, 7), (1, 2, 3)) == Region((5, 6, 6), (6, 8, 9))
    for size in ((0, 3, 3), (3, 0, 3), (3, 3, 0)):
        with pytest.raises(InputError, match="at least one voxel"):
            Region.around((5, 6, 7), size)


@pytest.mark.real_data
def test_the_left_main_artery_above_the_region_of_a_real_exam(real_data: Path) -> None:
    from hyrisk_desktop.imaging import find_series, read_volume

    volume = read_volume(find_series(real_data / "nlst_101287_T0")[0])
    found = {f.code: f for f in score_region(volume, (280, 230, 69)).findings}
    assert "calcium_nearby" in found
