"""Lesions that touch from slice to slice are one plaque, and its name is a voxel of it."""

from __future__ import annotations

import numpy as np
import pytest

from hyrisk_desktop.calcium import Region
from hyrisk_desktop.calcium.lesion_groups import group_lesions
from hyrisk_desktop.calcium.lesions import LabelledRegion, find_lesions
from hyrisk_desktop.calcium.profiles import STANDARD
from tests.helpers.hearts import SHAPE, fatty_volume

WHOLE = Region((0, 0, 0), SHAPE[::-1])


def found_in(*boxes: tuple[tuple[int, int, int], tuple[int, int, int], int]) -> LabelledRegion:
    return find_lesions(fatty_volume(*boxes), WHOLE, STANDARD)


def test_one_plaque_over_three_slices_is_told_once() -> None:
    found = found_in(((30, 40, 5), (4, 3, 2), 250), ((30, 40, 7), (4, 5, 1), 450))
    groups, group_of = group_lesions(found)
    assert len(groups) == 1
    assert group_of.tolist() == [0, 0, 0]
    (group,) = groups
    assert group.slices == (5, 7)
    assert group.lesions == (0, 1, 2)
    assert group.max_hu == 450
    assert group.id == (30, 40, 7)
    assert group.agatston == pytest.approx(0.48 * (12 * 2 * 2 + 20 * 4) * 2.5 / 3)
    assert group.volume_mm3 == pytest.approx(44 * 0.8 * 0.6 * 2.5)
    assert group.center_xyz == (
        pytest.approx(31.5),
        pytest.approx((24 * 41 + 20 * 42) / 44),
        pytest.approx((12 * 5 + 12 * 6 + 20 * 7) / 44),
    )


def test_corners_join_and_a_gap_does_not() -> None:
    corner = found_in(((30, 40, 5), (3, 3, 1), 300), ((33, 43, 6), (3, 3, 1), 300))
    assert len(group_lesions(corner)[0]) == 1
    for x, y, z in ((34, 43, 6), (33, 44, 6), (33, 43, 7)):
        apart = found_in(((30, 40, 5), (3, 3, 1), 300), ((x, y, z), (3, 3, 1), 300))
        groups, group_of = group_lesions(apart)
        assert [g.lesions for g in groups] == [(0,), (1,)]
        assert group_of.tolist() == [0, 1]


def test_two_lesions_of_a_slice_that_meet_in_another_are_one_plaque() -> None:
    found = found_in(((30, 40, 5), (3, 3, 1), 300), ((36, 40, 5), (3, 3, 1), 300), ((30, 40, 6), (9, 3, 1), 200))
    groups, _ = group_lesions(found)
    assert [g.lesions for g in groups] == [(0, 1, 2)]
    # Of equal peaks the first one names it.
    assert groups[0].id == (30, 40, 5)


def test_groups_come_in_the_order_of_their_first_lesion() -> None:
    found = found_in(((60, 80, 3), (3, 3, 1), 300), ((10, 10, 4), (3, 3, 1), 300), ((60, 80, 4), (3, 3, 1), 300))
    groups, group_of = group_lesions(found)
    assert [g.slices for g in groups] == [(3, 4), (4, 4)]
    assert group_of[0] == group_of[2] == 0


def test_what_is_too_small_to_be_a_lesion_joins_nothing() -> None:
    # Two pixels of 0.48 mm2 between two lesions.
    found = found_in(((30, 40, 5), (3, 3, 1), 300), ((30, 40, 6), (2, 1, 1), 300), ((30, 40, 7), (3, 3, 1), 300))
    assert len(group_lesions(found)[0]) == 2


def test_nothing_to_group() -> None:
    groups, group_of = group_lesions(found_in())
    assert groups == ()
    assert group_of.shape == (0,)
    assert group_of.dtype == np.int32
