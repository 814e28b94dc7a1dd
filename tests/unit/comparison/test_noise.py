"""The band around a change, and the region that is the same in both exams, worked out by hand."""

from __future__ import annotations

import math
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from hyrisk_desktop.calcium import VESSELS, VesselScore, score_region
from hyrisk_desktop.comparison import same_region
from hyrisk_desktop.comparison.change import Change
from hyrisk_desktop.comparison.noise import SCAN_SD, UNSEEN_SD, noise_of
from hyrisk_desktop.imaging import CTVolume
from hyrisk_desktop.imaging.registration import Registration
from hyrisk_desktop.measurement import Measurement
from tests.helpers.volumes import HEART_CENTRE, block_volume, box

LAID = Registration(np.eye(4), 0.0)
X, Y, Z = HEART_CENTRE


def measured(volume: CTVolume, **more: object) -> Measurement:
    return Measurement(HEART_CENTRE, None, score_region(volume, HEART_CENTRE), None, (), **more)  # type: ignore[arg-type]


def test_the_same_millimetres_have_an_odd_number_of_voxels() -> None:
    volume = block_volume(spacing=(0.7, 0.8, 3.0))
    for spacing, expected in (
        ((0.7, 0.8, 3.0), (65, 65, 5)),
        ((0.35, 1.6, 1.5), (131, 33, 11)),
        ((0.7, 0.8, 15.0), (65, 65, 1)),
        ((0.7, 0.8, 100.0), (65, 65, 1)),
        ((0.71, 0.79, 3.2), (65, 65, 5)),
    ):
        prior = replace(volume, spacing_mm=spacing)
        assert same_region(volume, prior) == expected


def test_without_calcium_only_another_scan_is_left() -> None:
    volume = block_volume()
    found = noise_of(volume, volume, measured(volume), measured(volume), LAID)
    assert found["sqrt_volume"] == pytest.approx(1.96 * SCAN_SD)
    assert found["volume_mm3"] == pytest.approx(1.96 * SCAN_SD**2)
    assert found["agatston"] == pytest.approx(1.96 * SCAN_SD**2)
    assert set(found) == {"sqrt_volume", "volume_mm3", "agatston"}


def test_calcium_well_inside_is_moved_by_no_click() -> None:
    volume = block_volume([(box((X - 3, Y - 2, Z), (6, 5, 1)), 450)])
    m = measured(volume)
    found = noise_of(volume, volume, m, m, LAID)
    root = m.scores.sqrt_volume
    between = 2 * SCAN_SD * root + SCAN_SD**2
    assert m.scores.agatston > 0
    assert found["sqrt_volume"] == pytest.approx(1.96 * SCAN_SD)
    assert found["volume_mm3"] == pytest.approx(1.96 * between)
    assert found["agatston"] == pytest.approx(1.96 * between * m.scores.agatston / m.scores.volume_mm3)


def test_calcium_at_the_border_widens_the_band_by_what_is_cut_off() -> None:
    """In the outermost slice: a slice up or down takes all of it away, in both exams alike, and in the prior alone."""
    volume = block_volume([(box((X - 3, Y - 2, Z + 2), (6, 5, 1)), 450)])
    m = measured(volume)
    root = m.scores.sqrt_volume
    missed = float(np.std([root] * 18 + [0.0] * 9))
    found = noise_of(volume, volume, m, m, LAID)
    # The same click in two exams that lie alike cuts the same off: nothing is left of it.
    assert found["sqrt_volume"] == pytest.approx(1.96 * math.hypot(missed, SCAN_SD))
    nothing = block_volume()
    other = noise_of(volume, nothing, m, measured(nothing), LAID)
    assert other["sqrt_volume"] == pytest.approx(1.96 * math.hypot(missed, SCAN_SD))


def test_what_was_excluded_moves_nothing() -> None:
    volume = block_volume([(box((X - 3, Y - 2, Z + 2), (6, 5, 1)), 450)])
    scores = score_region(volume, HEART_CENTRE, excluded=[(X, Y, Z + 2)])
    assert scores.agatston == 0
    m = Measurement(HEART_CENTRE, None, scores, None, ())
    assert noise_of(volume, volume, m, m, LAID)["sqrt_volume"] == pytest.approx(1.96 * SCAN_SD)


def heart_with(agatston: float, volume_mm3: float, *, extent: int | None, lad: float = 0.0) -> SimpleNamespace:
    """A whole-heart score; ``lad`` is the Agatston of the LAD, which holds half of that in mm3."""
    vessels = tuple(VesselScore(v, 1, 0, lad if v == "LAD" else 0.0, lad / 2 if v == "LAD" else 0.0) for v in VESSELS)
    return SimpleNamespace(agatston=agatston, volume_mm3=volume_mm3, extent=extent, vessels=vessels)


def test_each_vessel_differs_by_the_scan_around_its_own_calcium() -> None:
    volume = block_volume()
    now = measured(volume, whole_heart=heart_with(300.0, 400.0, extent=2, lad=200.0))
    then = measured(volume, whole_heart=heart_with(300.0, 400.0, extent=2, lad=72.0))
    found = noise_of(volume, volume, now, then, LAID)
    # Roots of 100 and 36 mm3, and 2 Agatston to a mm3.
    assert found["heart_lad"] == pytest.approx(1.96 * 2 * (2 * SCAN_SD * 8.0 + SCAN_SD**2))
    # Where there is no calcium in either, what a scan makes of nothing.
    assert found["heart_rca"] == pytest.approx(1.96 * SCAN_SD**2)


def test_risks_differ_by_both_intervals_and_hearts_by_the_scan_alone() -> None:
    volume = block_volume()
    heart = heart_with(300.0, 400.0, extent=2)
    now, then = measured(volume, whole_heart=heart), measured(volume, whole_heart=heart)
    object.__setattr__(now, "risk", SimpleNamespace(interval=(0.2, 0.5), head="hyrisknet"))
    object.__setattr__(then, "risk", SimpleNamespace(interval=(0.1, 0.5), head="hyrisknet"))
    found = noise_of(volume, volume, now, then, LAID)
    assert found["hyrisknet"] == pytest.approx(0.25)
    assert "risknet" not in found, "no interval is of it"
    between = 2 * SCAN_SD * 20.0 + SCAN_SD**2
    assert found["heart_sqrt_volume"] == pytest.approx(1.96 * SCAN_SD)
    assert found["heart_agatston"] == pytest.approx(1.96 * between * 300 / 400)


def test_intervals_of_two_heads_make_no_band() -> None:
    volume = block_volume()
    now, then = measured(volume), measured(volume)
    object.__setattr__(now, "risk", SimpleNamespace(interval=(0.2, 0.5), head="hyrisknet"))
    object.__setattr__(then, "risk", SimpleNamespace(interval=(0.1, 0.5), head="risknet"))
    assert not {"hyrisknet", "risknet"} & set(noise_of(volume, volume, now, then, LAID))


def test_a_heart_that_nobody_has_looked_at_may_differ_by_far_more() -> None:
    volume = block_volume()
    seen, unseen = heart_with(300.0, 400.0, extent=2), heart_with(300.0, 400.0, extent=None)
    for one, other in ((seen, unseen), (unseen, seen), (unseen, unseen)):
        found = noise_of(volume, volume, measured(volume, whole_heart=one), measured(volume, whole_heart=other), LAID)
        assert found["heart_sqrt_volume"] == pytest.approx(1.96 * UNSEEN_SD)
        assert found["sqrt_volume"] == pytest.approx(1.96 * SCAN_SD)


def test_clicks_that_leave_an_exam_are_left_out() -> None:
    volume = block_volume(shape=(13, 240, 260))
    m = measured(volume)
    assert noise_of(volume, volume, m, m, LAID)["sqrt_volume"] == pytest.approx(1.96 * SCAN_SD)


@pytest.mark.parametrize(
    ("difference", "noise", "beyond"),
    [
        (5.0, 5.0, False),
        (5.01, 5.0, True),
        (-5.01, 5.0, True),
        (-5.0, 5.0, False),
        (None, 5.0, False),
        (5.0, None, False),
    ],
)
def test_what_is_more_than_noise(difference: float | None, noise: float | None, beyond: bool) -> None:
    assert Change(1.0, 2.0, difference, None, noise).beyond_noise is beyond
