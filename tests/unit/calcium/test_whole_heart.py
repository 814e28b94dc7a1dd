"""The whole-heart score in outlines made by hand: the same numbers as a region's, vessels, marks and doubts."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from hyrisk_desktop.calcium import VESSELS, Doubt, Region, WholeHeartScores, Zone, score_box, score_whole_heart
from hyrisk_desktop.calcium.profiles import FOUR_CONNECTED, NO_SPACING_CORRECTION, STANDARD
from hyrisk_desktop.calcium.whole_heart import drs_category
from hyrisk_desktop.errors import InputError
from hyrisk_desktop.findings import Severity
from hyrisk_desktop.imaging.volume import CTVolume, Voxel
from tests.helpers.hearts import CENTRE, SHAPE, fatty_volume, heart_of, voxel_at

PLACES = {
    "LAD": (28.0, -20.0, -4.0),
    "LCX": (29.0, 22.0, -8.0),
    "RCA": (-33.0, -22.0, -8.0),
}
LAD, LCX, RCA = (voxel_at(place) for place in PLACES.values())
ROOT = voxel_at((-11.0, 5.0, 4.0))


def plaque(start: Voxel, size: Voxel = (4, 3, 2), hu: int = 500) -> tuple[Voxel, Voxel, int]:
    return start, size, hu


def three_vessels(*more: tuple[Voxel, Voxel, int]) -> CTVolume:
    return fatty_volume(plaque(LAD), plaque(LCX, (5, 3, 1), 250), plaque(RCA, (3, 3, 3), 350), *more)


def scored(volume: CTVolume, **how: object) -> WholeHeartScores:
    return score_whole_heart(volume, heart_of(volume), **how)  # type: ignore[arg-type]


@pytest.mark.parametrize("profile", [STANDARD, FOUR_CONNECTED, NO_SPACING_CORRECTION])
def test_in_a_region_it_is_the_regions_score(profile: object) -> None:
    """A heart that fills a box gives the box's own numbers, lesion for lesion."""
    volume = three_vessels(plaque((33, 30, 6), (3, 4, 2), 180))
    box = Region((3, 12, 3), (88, 97, 18))
    shape = tuple(b - a for a, b in zip(box.start[::-1], box.stop[::-1], strict=True))
    heart = heart_of(volume, start=box.start, zones=np.full(shape, Zone.HEART, np.uint8))
    region = score_box(volume, box, profile=profile)  # type: ignore[arg-type]
    whole = score_whole_heart(volume, heart, profile=profile)  # type: ignore[arg-type]
    assert region.agatston > 40
    assert whole.agatston == pytest.approx(region.agatston)
    assert whole.volume_mm3 == pytest.approx(region.volume_mm3)
    assert whole.sqrt_volume == pytest.approx(region.sqrt_volume)
    assert whole.category == region.category
    lesions = [lesion for group in whole.groups for lesion in group.lesions]
    assert sorted(lesions, key=lambda lesion: lesion.peak) == sorted(region.lesions, key=lambda lesion: lesion.peak)


def test_by_hand() -> None:
    whole = scored(three_vessels())
    area, step = 0.8 * 0.6, 2.5 / 3
    assert [group.suggested for group in sorted(whole.groups, key=lambda g: -g.agatston)] == ["LAD", "RCA", "LCX"]
    by_vessel = {row.vessel: row for row in whole.vessels}
    assert list(by_vessel) == list(VESSELS)
    assert by_vessel["LAD"].agatston == pytest.approx(24 * area * 4 * step)
    assert by_vessel["LCX"].agatston == pytest.approx(15 * area * 2 * step)
    assert by_vessel["RCA"].agatston == pytest.approx(27 * area * 3 * step)
    assert by_vessel["LCX"].volume_mm3 == pytest.approx(15 * area * 2.5)
    assert (by_vessel["LM"].lesions, by_vessel["LM"].agatston) == (0, 0)
    assert whole.agatston == pytest.approx(sum(row.agatston for row in whole.vessels))
    assert whole.volume_mm3 == pytest.approx(66 * area * 2.5)
    assert whole.profile == "standard"
    assert whole.centre == CENTRE
    assert all(row.lesions == row.suggested for row in whole.vessels)


def test_suggestions_count_for_nothing_until_they_are_taken() -> None:
    volume = three_vessels()
    whole = scored(volume)
    assert whole.extent is None
    assert whole.suggested_extent == 3
    assert whole.cac_drs == "CAC-DRS A1"
    assert [group.vessel for group in whole.groups] == [None] * 3
    two = scored(volume, taken={LAD: "LAD", RCA: "RCA"})
    assert two.extent is None
    assert {row.vessel: row.suggested for row in two.vessels if row.lesions} == {"LAD": 0, "LCX": 1, "RCA": 0}
    # A reader may see it otherwise.
    all_three = scored(volume, taken={LAD: "LAD", RCA: "RCA", LCX: "LAD"})
    assert all_three.extent == all_three.suggested_extent == 2
    assert all_three.cac_drs == "CAC-DRS A1/N2"
    assert {row.vessel: row.lesions for row in all_three.vessels if row.lesions} == {"LAD": 2, "RCA": 1}
    assert all_three.agatston == pytest.approx(whole.agatston)
    other = scored(volume, taken={LAD: "other", RCA: "other", LCX: "other"})
    assert (other.extent, other.cac_drs, other.agatston) == (0, "CAC-DRS A0/N0", 0.0)
    assert {group.reason for group in other.groups} == {Doubt.EXCLUDED}
    assert scored(volume, taken={LAD: "other"}).agatston < whole.agatston


def test_any_voxel_of_a_plaque_names_it() -> None:
    volume = three_vessels()
    x, y, z = LAD
    for voxel in ((x, y, z), (x + 3, y + 2, z + 1)):
        taken = scored(volume, taken={voxel: "LM"})
        assert [g.vessel for g in taken.groups if g.suggested == "LAD"] == ["LM"]
    for beside in ((x - 1, y, z), (x, y + 3, z), (x, y, z + 2), (-1, 0, 0), (0, 0, 999), (SHAPE[2], 0, 0)):
        missed = scored(volume, taken={beside: "LM"})
        assert [g.vessel for g in missed.groups] == [None] * 3


def test_a_plaques_name_survives_another_outline() -> None:
    volume = three_vessels()
    whole = scored(volume)
    smaller = heart_of(
        volume, start=(4, 6, 1), zones=np.full((18, 101, 83), Zone.HEART, np.uint8), centre=(47, 49, 11), width_mm=105.0
    )
    again = score_whole_heart(volume, smaller, taken={group.id: "RCA" for group in whole.groups})
    assert {group.id for group in again.groups} == {group.id for group in whole.groups}
    assert all(group.vessel == "RCA" for group in again.groups)


def test_a_doubted_plaque_counts_once_it_is_taken_or_wanted() -> None:
    volume = three_vessels(plaque(ROOT, (5, 5, 2), 800))
    whole = scored(volume)
    (root,) = (group for group in whole.groups if group.doubt)
    assert (root.doubt, root.reason, root.counted) == (Doubt.AORTIC_ROOT, Doubt.AORTIC_ROOT, False)
    assert root.agatston == pytest.approx(50 * 0.48 * 4 * 2.5 / 3)
    taken = scored(volume, taken={ROOT: "LM"})
    wanted = scored(volume, counted=[ROOT])
    assert taken.agatston == wanted.agatston == pytest.approx(whole.agatston + root.agatston)
    (as_taken,) = (group for group in taken.groups if group.vessel)
    assert (as_taken.doubt, as_taken.reason, as_taken.counted) == (Doubt.AORTIC_ROOT, None, True)
    assert {row.vessel: row.lesions for row in taken.vessels}["LM"] == 1
    assert [g.vessel for g in wanted.groups] == [None] * 4


def test_what_a_reader_excludes_does_not_count_whatever_else_is_said() -> None:
    volume = three_vessels()
    whole = scored(volume)
    without = scored(volume, excluded=[LAD], taken={LAD: "LAD"}, counted=[LAD])
    (gone,) = (group for group in without.groups if not group.counted)
    assert (gone.doubt, gone.excluded, gone.reason) == (None, True, Doubt.EXCLUDED)
    assert without.agatston == pytest.approx(whole.agatston - gone.agatston)
    assert without.extent is None
    assert without.suggested_extent == 2


def test_marks_change_without_the_pixels() -> None:
    volume = three_vessels(plaque(ROOT, (20, 20, 1), 300))
    whole = scored(volume)
    for how in (
        {},
        {"taken": {LAD: "LM", ROOT: "LM"}},
        {"counted": [ROOT], "excluded": [LCX]},
        {"excluded": [ROOT, LAD, RCA, LCX]},
        {"taken": {(0, 0, 0): "RCA"}, "excluded": [(-5, 0, 0)]},
    ):
        # From wherever one comes.
        for before in (whole, whole.marked(taken={LCX: "RCA"}, excluded=[RCA], counted=[ROOT])):
            now, expected = before.marked(**how), scored(volume, **how)  # type: ignore[arg-type]
            assert (now.groups, now.vessels, now.findings) == (expected.groups, expected.vessels, expected.findings)
            assert (now.agatston, now.volume_mm3) == (expected.agatston, expected.volume_mm3)
            assert now.labels is whole.labels
    with pytest.raises(InputError, match="no vessel"):
        whole.marked(taken={LAD: "aorta"})


def test_zones_decide_by_most_of_a_plaques_voxels() -> None:
    volume = fatty_volume(plaque(LAD, (4, 3, 2)))
    x, y, z = LAD
    zones = np.full(SHAPE, Zone.HEART, np.uint8)
    zones[:, :, x + 2 :] = Zone.OUTSIDE
    half = score_whole_heart(volume, heart_of(volume, zones=zones))
    assert half.groups == ()
    assert half.at(LAD) is None
    zones[z, y, x + 2] = Zone.HEART
    most = score_whole_heart(volume, heart_of(volume, zones=zones))
    assert [group.counted for group in most.groups] == [True]
    assert most.agatston == pytest.approx(24 * 0.48 * 4 * 2.5 / 3)
    zones[:, :, x + 2 :] = Zone.AORTA
    zones[z, y, x + 2] = Zone.OUTSIDE
    assert [g.doubt for g in score_whole_heart(volume, heart_of(volume, zones=zones)).groups] == [None]
    zones[z, y, x + 2] = Zone.AORTA
    (aorta,) = score_whole_heart(volume, heart_of(volume, zones=zones)).groups
    assert (aorta.doubt, aorta.counted) == (Doubt.DESCENDING_AORTA, False)


def test_labels_find_the_plaque_under_a_voxel() -> None:
    volume = three_vessels()
    zones = np.full((16, 90, 80), Zone.HEART, np.uint8)
    whole = score_whole_heart(volume, heart_of(volume, start=(5, 10, 2), zones=zones))
    assert whole.label_start == (5, 10, 2)
    for index, group in enumerate(whole.groups, 1):
        assert whole.at(group.id) is group
        x, y, z = group.id
        assert whole.labels[z - 2, y - 10, x - 5] == index
        assert int((whole.labels == index).sum()) * volume.voxel_volume_mm3 == pytest.approx(group.volume_mm3)
    x, y, z = LAD
    assert whole.at((x + 4, y, z)) is None
    for outside in ((0, 0, 0), (4, 10, 2), (85, 10, 2), (5, 100, 2), (5, 10, 18)):
        assert whole.at(outside) is None
    # A plaque that lies outside leaves no gap in the numbers.
    first = whole.groups[0]
    zones[:, :, : first.id[0] + 10] = Zone.OUTSIDE
    rest = score_whole_heart(volume, heart_of(volume, start=(5, 10, 2), zones=zones))
    assert 0 < len(rest.groups) < len(whole.groups)
    assert all(rest.at(group.id) is group for group in rest.groups)
    assert rest.at(first.id) is None
    bare = whole.without_labels()
    assert bare.labels.size == 0
    assert (bare.groups, bare.vessels, bare.agatston) == (whole.groups, whole.vessels, whole.agatston)


@pytest.mark.parametrize(
    ("agatston", "category"),
    [(0, 0), (0.4, 1), (1, 1), (99.9, 1), (100, 2), (299.9, 2), (300, 3), (5000, 3)],
)
def test_the_a_of_cac_drs(agatston: float, category: int) -> None:
    assert drs_category(agatston) == category


def test_doubts_are_said_and_warn_where_they_change_the_category() -> None:
    assert scored(three_vessels()).findings == ()
    # About 100 Agatston are counted; 16 more change nothing, 256 do.
    counted = fatty_volume(plaque(LAD, (9, 7, 1), 600))
    assert scored(counted).agatston == pytest.approx(100.8)
    for size, severity in (((3, 4, 1), Severity.INFO), ((20, 20, 1), Severity.WARNING)):
        volume = fatty_volume(plaque(LAD, (9, 7, 1), 600), plaque(ROOT, size, 300))
        (finding,) = scored(volume).findings
        assert (finding.code, finding.severity) == ("heart_doubted", severity)
    assert scored(volume, taken={ROOT: "LM"}).findings == ()
    assert scored(volume, excluded=[ROOT]).findings == ()


def test_an_unknown_vessel_and_another_series_are_refused() -> None:
    volume = three_vessels()
    with pytest.raises(InputError, match="LCx"):
        scored(volume, taken={LAD: "LCx"})
    other = dataclasses.replace(volume, series_uid="1.2.10")
    with pytest.raises(InputError, match="another series"):
        score_whole_heart(other, heart_of(volume))
    smaller = dataclasses.replace(volume, hu=volume.hu[:-1])
    with pytest.raises(InputError, match="another series"):
        score_whole_heart(smaller, heart_of(volume))


@pytest.mark.parametrize("hu", [-1000, 0, 3071, -3024])
def test_nothing_to_score(hu: int) -> None:
    volume = fatty_volume(hu=hu, noise=0)
    zones = np.zeros(SHAPE, np.uint8)
    whole = score_whole_heart(volume, heart_of(volume, zones=zones))
    assert (whole.agatston, whole.groups, whole.category, whole.cac_drs) == (0, (), 0, "CAC-DRS A0/N0")
    assert not whole.labels.any()


def test_most_of_a_long_plaques_volume_decides_its_vessel() -> None:
    x, y, z = RCA
    # From the right coronary artery over to the left side, where its last part alone weighs more.
    bridge = ((x, y, z + 2), (74, 2, 1), 300)
    left, thin = ((x + 66, y, z + 3), (10, 12, 4), 300), ((x + 70, y, z + 3), (3, 3, 6), 300)
    for boxes, vessel in (((bridge,), "RCA"), ((bridge, left), "LAD"), ((bridge, thin), "RCA")):
        (group,) = scored(fatty_volume(((x, y, z), (9, 9, 2), 400), *boxes)).groups
        assert group.suggested == vessel


def test_what_lies_at_no_artery_counts_but_is_no_vessel() -> None:
    whole = scored(three_vessels(plaque((5, 100, 2))))
    assert [group.suggested for group in whole.groups if group.counted].count("other") == 1
    assert whole.suggested_extent == 3
