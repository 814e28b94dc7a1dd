from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from hyrisk_desktop.risk.calibration import PlattCalibration, percentile
from hyrisk_desktop.risk.novelty import Novelty, novelty_findings, told_apart
from tests.helpers.volumes import block_volume


def test_platt_by_hand() -> None:
    assert PlattCalibration(2.0, 0.5).risk(0.25) == pytest.approx(1 / (1 + np.exp(-1.0)))


@pytest.mark.parametrize(
    "values",
    [
        (math.nan, 0.0, 0.5),
        (1.0, math.inf, 0.5),
        (1.0, 0.0, 0.0),
        (1.0, 0.0, 1.0),
        (1.0, 0.0, math.nan),
        ("1", 0.0, 0.5),
    ],
)
def test_unusable_calibrations_are_refused(values: tuple[Any, Any, Any]) -> None:
    with pytest.raises(ValueError):
        PlattCalibration(*values)


def test_extreme_log_odds_are_extreme_risks_without_a_warning() -> None:
    assert PlattCalibration().risk([-1e6, 1e6]).tolist() == [0.0, 1.0]


def test_a_guard_of_nan_is_refused() -> None:
    whitening = np.full((2, 3), np.nan, np.float32)
    with pytest.raises(ValueError):
        Novelty(np.zeros(3, np.float32), whitening, 1.0)
    with pytest.raises(ValueError):
        Novelty(np.zeros(3, np.float32), np.zeros((2, 4), np.float32), 1.0)


@pytest.mark.parametrize(("own", "other"), [(0.5, 0.1), (0.2, 0.1), (0.05, 0.3)])
def test_prior_shift_keeps_the_odds_ratio(own: float, other: float) -> None:
    calibration = PlattCalibration(1.3, -0.4, prevalence=own)
    risk = calibration.risk(0.7)
    shifted = calibration.risk(0.7, prevalence=other)
    wanted = (other / (1 - other)) / (own / (1 - own))
    assert (shifted / (1 - shifted)) / (risk / (1 - risk)) == pytest.approx(wanted)
    assert calibration.risk(0.7, prevalence=own) == pytest.approx(risk)
    assert calibration.prior_shift(None) == 0


def test_percentile() -> None:
    reference = np.linspace(0, 1, 101)
    assert percentile(0.305, reference) == pytest.approx(100 * 31 / 101)
    # A share below, not below or equal.
    assert percentile(0.25, np.array([0.0, 0.25, 0.25, 1.0])) == 25
    assert percentile(0.2500001, np.array([0.0, 0.25, 0.25, 1.0])) == 75
    assert percentile(1.1, np.array([0.0, 0.25, 0.25, 1.0])) == 100
    assert percentile(0.3, np.empty(0)) is None


def test_mahalanobis_guard() -> None:
    rng = np.random.default_rng(0)
    features = rng.normal(3, 2, (5000, 16)).astype(np.float32)
    mean = features.mean(0)
    values, vectors = np.linalg.eigh(np.cov(features.T))
    novelty = Novelty(mean, (vectors / np.sqrt(values)).T.astype(np.float32), 1.5, {"pixel_mm": (0.5, 0.9)})
    distances = [novelty.distance(f) for f in features[:500]]
    assert np.mean(distances) == pytest.approx(1, abs=0.05)
    volume = block_volume()
    assert novelty_findings(novelty, mean, volume) == ()
    assert [f.code for f in novelty_findings(novelty, mean + 20, volume)] == ["unlike_training"]
    coarse = block_volume(spacing=(1.2, 1.2, 3.0))
    assert [f.code for f in novelty_findings(novelty, mean, coarse)] == ["pixel_outside_training"]


@pytest.mark.parametrize(("distance", "unlike"), [(1.999, False), (2.001, True)])
def test_the_limit_is_the_threshold_itself(distance: float, unlike: bool) -> None:
    """Two values of unit variance, both ``distance`` off: their root mean square is the distance."""
    whitening = np.array([[0.5, 0, 0], [0, 0, 4]], np.float32)
    novelty = Novelty(np.array([1, 2, 3], np.float32), whitening, 2.0)
    features = np.array([1 + 2 * distance, 99, 3 - distance / 4], np.float32)
    assert novelty.distance(features) == pytest.approx(distance)
    found = novelty_findings(novelty, features, block_volume())
    assert [f.code for f in found] == ["unlike_training"] * unlike
    if found:
        assert "(distance 2.001, limit 2.000)" in found[0].message


@pytest.mark.parametrize(
    ("spacing", "code"),
    [
        ((0.591, 0.7, 1.5), None),
        ((0.589, 0.7, 1.5), "pixel_outside_training"),
        ((0.809, 0.7, 1.5), None),
        ((0.811, 0.7, 1.5), "pixel_outside_training"),
        # Pixels that are not square: either side counts, and is told once.
        ((0.7, 0.591, 1.5), None),
        ((0.7, 0.589, 1.5), "pixel_outside_training"),
        ((0.7, 0.811, 1.5), "pixel_outside_training"),
        ((0.5, 0.9, 1.5), "pixel_outside_training"),
        ((0.7, 0.7, 0.991), None),
        ((0.7, 0.7, 0.989), "increment_outside_training"),
        ((0.7, 0.7, 2.009), None),
        ((0.7, 0.7, 2.011), "increment_outside_training"),
    ],
)
def test_acquisition_ranges_end_a_hundredth_of_a_millimetre_beyond(
    spacing: tuple[float, float, float], code: str | None
) -> None:
    ranges = {"pixel_mm": (0.6, 0.8), "increment_mm": (1.0, 2.0)}
    novelty = Novelty(np.zeros(3, np.float32), np.eye(3, dtype=np.float32), 1.0, ranges)
    volume = replace(block_volume(shape=(3, 4, 5)), spacing_mm=spacing)
    assert [f.code for f in novelty_findings(novelty, np.zeros(3, np.float32), volume)] == ([code] if code else [])


@pytest.mark.parametrize("where", ["mean", "whitening"])
def test_one_value_that_is_no_number_is_enough(where: str) -> None:
    values = {"mean": np.zeros(3, np.float32), "whitening": np.eye(3, dtype=np.float32)}
    values[where].flat[1] = np.nan
    with pytest.raises(ValueError):
        Novelty(values["mean"], values["whitening"], 1.0)
    with pytest.raises(ValueError):
        Novelty(np.zeros(3, np.float32), np.eye(3, dtype=np.float32), 1.0, {"pixel_mm": (0.8, 0.7)})


def test_two_numbers_are_told_apart() -> None:
    assert told_apart(1.24, 1.31) == "1.2"
    assert told_apart(1.23452, 1.23488) == "1.2345"
    assert told_apart(1.26, 1.26) == "1.2600000"
