"""Places of a usual heart and the vessels and sites that they suggest."""

from __future__ import annotations

import itertools

import pytest

from hyrisk_desktop.calcium.heart_atlas import _COURSES, VESSELS, Site, site_at, suggest_vessel

# (left, back, up) in mm from the heart centre, as a reader would point them out on plain scans.
PLACES = [
    ((2, 6, 10), "LM"),
    ((16, 3, 12), "LAD"),
    ((24, 3, 8), "LAD"),
    ((30, -24, -6), "LAD"),
    ((40, -36, -40), "LAD"),
    ((38, -12, -12), "LAD"),
    ((27, 18, -4), "LCX"),
    ((31, 30, -22), "LCX"),
    ((46, 6, -30), "LCX"),
    ((-24, -16, 1), "RCA"),
    ((-40, -25, -20), "RCA"),
    ((-30, -2, -46), "RCA"),
    ((10, -2, -57), "RCA"),
    ((-60, 20, 20), "other"),
    ((0, -70, 0), "other"),
]


@pytest.mark.parametrize(("place", "vessel"), PLACES)
def test_a_place_suggests_its_vessel(place: tuple[float, float, float], vessel: str) -> None:
    assert suggest_vessel(place) == vessel


def test_every_course_suggests_itself_and_hangs_together() -> None:
    assert {name for name, _ in _COURSES} == set(VESSELS) - {"other"}
    for name, course in _COURSES:
        for start, end in itertools.pairwise(course):
            middle = tuple((a + b) / 2 for a, b in zip(start, end, strict=True))
            assert suggest_vessel((middle[0], middle[1], middle[2])) == name


def test_farther_than_26_mm_from_every_course_is_other() -> None:
    # Straight to the right of the right coronary artery's widest point.
    assert suggest_vessel((-65.9, -24, -24)) == "RCA"
    assert suggest_vessel((-66.1, -24, -24)) == "other"


@pytest.mark.parametrize(
    ("place", "site"),
    [
        ((-12, 5, 6), Site.ROOT),
        ((-14, 4, 20), Site.ROOT),
        ((-10, 17.9, -2), Site.ROOT),
        ((-10, 18.1, -2), Site.ROOT_WALL),
        ((-10, 24.9, -2), Site.ROOT_WALL),
        ((-10, 5, -7.9), Site.ROOT),
        ((-10, 5, -8.1), Site.NONE),
        ((12, 28, -9), Site.MITRAL),
        ((12, 28, -32), Site.MITRAL),
        ((31, 14, -5), Site.NONE),
        ((0, 32.1, -4.9), Site.BEHIND),
        ((-30, 31.9, -4.9), Site.NONE),
        ((-30, 40, -5), Site.NONE),
        ((-30, 47.9, -20), Site.NONE),
        ((-30, 48.1, -20), Site.BEHIND),
        ((20, -8, 7), Site.NONE),
        ((-40, -24, -24), Site.NONE),
    ],
)
def test_sites_beside_the_coronary_arteries(place: tuple[float, float, float], site: Site) -> None:
    assert site_at(place) is site
