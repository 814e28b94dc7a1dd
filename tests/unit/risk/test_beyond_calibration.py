"""No risk leaves the range that was calibrated."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from hyrisk_desktop.errors import BundleError
from hyrisk_desktop.risk import Predictor
from hyrisk_desktop.risk.bundle import load_bundle, write_bundle
from hyrisk_desktop.risk.calibration import PlattCalibration
from tests.helpers.bundles import edit_description, write_tiny_bundle
from tests.helpers.volumes import HEART_CENTRE, block_volume


def test_log_odds_beyond_the_range_count_as_its_end() -> None:
    platt = PlattCalibration(0.9, 0.2, 0.4, -1.5, 2.0)
    free = PlattCalibration(0.9, 0.2, 0.4)
    np.testing.assert_allclose(
        platt.risk([-30.0, -1.5, 0.3, 2.0, 30.0], 0.1), free.risk([-1.5, -1.5, 0.3, 2.0, 2.0], 0.1)
    )
    assert [platt.beyond(odds) for odds in (-1.51, -1.5, 2.0, 2.01)] == [True, False, False, True]
    assert not free.beyond(99.0)
    assert PlattCalibration.from_json(platt.to_json()) == platt
    assert free.to_json() == {"slope": 0.9, "intercept": 0.2, "prevalence": 0.4}
    assert PlattCalibration.from_json(free.to_json()) == free


@pytest.mark.parametrize(("low", "high"), [(2.0, 1.0), (None, 1.0), (0.0, None), (float("nan"), 1.0)])
def test_a_range_that_is_none_is_refused(low: float | None, high: float | None) -> None:
    with pytest.raises(ValueError, match=r"range|finite|number"):
        PlattCalibration(1.0, 0.0, 0.5, low, high)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A bundle whose calibration saw nothing like the test's heart."""
    folder = tmp_path / "tiny"
    write_tiny_bundle(folder)
    bundle, model = load_bundle(folder)
    seen = Predictor(folder, "cpu")
    with torch.inference_mode():
        odds = seen._fused(seen.features_at(block_volume(), HEART_CENTRE), bundle.score_rule.value(2))
    narrow = replace(bundle.calibration["hyrisknet"], lowest=float(odds.max()) + 1.0, highest=float(odds.max()) + 1.5)
    write_bundle(folder, replace(bundle, calibration=bundle.calibration | {"hyrisknet": narrow}), model, "card")
    return folder


@pytest.mark.parametrize("prevalence", [None, 0.02])
def test_risk_interval_and_percentile_stay_at_the_end(folder: Path, prevalence: float | None) -> None:
    predictor = Predictor(folder, "cpu", prevalence)
    platt = predictor.bundle.calibration["hyrisknet"]
    m = predictor.predict(block_volume(), HEART_CENTRE, 2)
    end = float(platt.risk(platt.lowest, prevalence))
    assert m.hyrisknet == m.interval[0] == m.interval[1] == pytest.approx(end)
    assert [f.code for f in m.findings] == ["beyond_calibration"]
    image = predictor.predict(block_volume(), HEART_CENTRE)
    assert "beyond_calibration" not in [f.code for f in image.findings], "RiskNet has its own range"


def test_a_score_from_elsewhere_is_not_replaced_by_the_regions(tmp_path: Path) -> None:
    folder = tmp_path / "tiny"
    write_tiny_bundle(folder)
    bundle, model = load_bundle(folder)
    for quantity in ("region", "external"):
        write_bundle(folder, replace(bundle, score_input="agatston", score_quantity=quantity), model, "card")
        m = Predictor(folder, "cpu").predict(block_volume(), HEART_CENTRE, 2, agatston=55.0)
        assert (m.hyrisknet is None) is (quantity == "external")
        assert ("other_score" in [f.code for f in m.findings]) is (quantity == "external")
    edit_description(folder, score_quantity="whole")
    with pytest.raises(BundleError):
        load_bundle(folder)
