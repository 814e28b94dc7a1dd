from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from hyrisk_desktop.risk.calibration import PlattCalibration, percentile
from hyrisk_desktop.risk.novelty import Novelty, novelty_findings
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


def test_prior_shift_keeps_the_odds_ratio() -> None:
    calibration = PlattCalibration(prevalence=0.5)
    risk = calibration.risk(1.0)
    shifted = calibration.risk(1.0, prevalence=0.1)
    assert (shifted / (1 - shifted)) / (risk / (1 - risk)) == pytest.approx((0.1 / 0.9) / 1.0)


def test_percentile() -> None:
    reference = np.linspace(0, 1, 101)
    assert percentile(0.305, reference) == pytest.approx(100 * 31 / 101)
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
