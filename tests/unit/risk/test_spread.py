"""How wide an interval is, and that the reading lies in its middle."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from hyrisk_desktop.errors import BundleError
from hyrisk_desktop.risk import Predictor
from hyrisk_desktop.risk.bundle import load_bundle, write_bundle
from hyrisk_desktop.risk.spread import COVERS, OF_VIEWS, Spread
from tests.helpers.bundles import edit_description, write_tiny_bundle
from tests.helpers.volumes import HEART_CENTRE, block_volume

HEADS = np.array([[1.0, -2.0, 0.5, 0.25], [-1.0, 2.0, -0.5, -0.25]], np.float32)
"""Two heads of two features; at (3, 1) with a score of 2 their log odds are 2.25 and -2.25."""
NINE_OF_TEN = 1.645
"""Standard deviations on either side of the mean that hold 90 % of a normal distribution."""
FEATURES = np.array([3.0, 1.0], np.float32)
VIEWS = np.array([0.0, 1.0, -1.0, 2.0])


def test_views_floor_and_doubt_add_up_as_squares() -> None:
    spread = Spread(2.0, 0.3, HEADS)
    assert spread.doubt(FEATURES, 2.0) == pytest.approx(2.25)
    assert spread.doubt(FEATURES, 0.0) == pytest.approx(1.25)
    expected = math.sqrt((2 * float(np.std(VIEWS))) ** 2 + 0.3**2 + (NINE_OF_TEN * 2.25) ** 2)
    assert spread.half_width(VIEWS, FEATURES, 2.0) == pytest.approx(expected, rel=1e-6)
    assert Spread(0.0, 0.3, HEADS[:0]).half_width(VIEWS, FEATURES, 2.0) == pytest.approx(0.3)


@pytest.mark.parametrize(
    "change",
    [
        {"views": -0.1},
        {"floor": -0.1},
        {"floor": math.nan},
        {"heads": HEADS[0]},
        {"heads": HEADS * np.nan},
        {"heads": HEADS[:, :2]},
    ],
)
def test_a_width_that_means_nothing_is_refused(change: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"must|finite"):
        replace(Spread(1.0, 1.0, HEADS), **change)


def test_json_keeps_four_digits_and_takes_no_text() -> None:
    spread = Spread(1.23456, 0.65432, HEADS / 3)
    back = Spread.from_json(spread.to_json())
    assert (back.views, back.floor) == (1.2346, 0.6543)
    np.testing.assert_allclose(back.heads, spread.heads, rtol=3e-4)
    with pytest.raises(ValueError, match="numbers"):
        Spread.from_json(spread.to_json() | {"heads": [["1", "2", "3", "4"]]})


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A bundle of which only HyRiskNet knows its width."""
    folder = tmp_path / "tiny"
    write_tiny_bundle(folder)
    bundle, model = load_bundle(folder)
    heads = np.zeros((2, 514), np.float32)
    heads[:, -2] = (0.2, -0.2)
    write_bundle(folder, replace(bundle, spread={"hyrisknet": Spread(3.0, 0.1, heads)}), model, "card")
    return folder


@pytest.mark.parametrize("prevalence", [None, 0.02])
def test_the_reading_lies_in_the_middle_of_its_interval(folder: Path, prevalence: float | None) -> None:
    predictor = Predictor(folder, "cpu", prevalence)
    m = predictor.predict(block_volume(), HEART_CENTRE, 3)
    assert m.interval_covers == COVERS
    low, risk, high = (math.log(p / (1 - p)) for p in (m.interval[0], m.risk, m.interval[1]))
    assert high - risk == pytest.approx(risk - low, abs=1e-6)
    calibration = predictor.bundle.calibration["hyrisknet"]
    batch = predictor.features_at(block_volume(), HEART_CENTRE)
    with torch.inference_mode():
        odds = predictor._fused(batch, predictor.bundle.score_rule.value(3))
    half = math.sqrt((3 * np.std(odds)) ** 2 + 0.1**2 + (NINE_OF_TEN * 0.2) ** 2)
    assert high - risk == pytest.approx(calibration.slope * half, rel=1e-5)


@pytest.mark.parametrize("above", [True, False])
def test_beyond_what_was_calibrated_the_interval_is_no_single_number(folder: Path, above: bool) -> None:
    seen, (bundle, model) = Predictor(folder, "cpu"), load_bundle(folder)
    with torch.inference_mode():
        odds = seen._fused(seen.features_at(block_volume(), HEART_CENTRE), bundle.score_rule.value(3))
    # The reading lies 2 beyond the one end, and the other end is far away.
    ends = (odds[0] - 20.0, odds[0] - 2.0) if above else (odds[0] + 2.0, odds[0] + 20.0)
    platt = replace(bundle.calibration["hyrisknet"], lowest=float(ends[0]), highest=float(ends[1]))
    write_bundle(folder, replace(bundle, calibration=bundle.calibration | {"hyrisknet": platt}), model, "card")
    m = Predictor(folder, "cpu").predict(block_volume(), HEART_CENTRE, 3)
    half = math.sqrt((3 * np.std(odds)) ** 2 + 0.1**2 + (NINE_OF_TEN * 0.2) ** 2)
    end, inner = (ends[1], ends[1] - half) if above else (ends[0], ends[0] + half)
    assert "beyond_calibration" in [f.code for f in m.findings]
    assert m.risk == pytest.approx(float(platt.risk(end)))
    assert m.interval == pytest.approx(sorted([float(platt.risk(end)), float(platt.risk(inner))]), rel=1e-5)


def test_the_first_number_and_a_head_without_a_width_keep_to_their_views(folder: Path) -> None:
    predictor = Predictor(folder, "cpu")
    first = []
    predictor.predict(block_volume(), HEART_CENTRE, 2, on_first=first.append)
    assert first[0].interval == (first[0].risk, first[0].risk)
    image = predictor.predict(block_volume(), HEART_CENTRE)
    assert image.interval_covers == OF_VIEWS
    with torch.inference_mode():
        odds = predictor._odds(predictor.network.image_logits(predictor.features_at(block_volume(), HEART_CENTRE)))
    risks = predictor._risks("risknet", odds)
    assert image.interval == (risks.min(), risks.max())


@pytest.mark.parametrize(
    "spread",
    [
        {"fused": {}},
        {"risknet": {"views": 1, "floor": 1}},
        {"risknet": {"views": 1, "floor": 1, "heads": [[0.0] * 513]}},
        [],
        None,
    ],
)
def test_a_width_of_another_network_or_head_is_refused(folder: Path, spread: object) -> None:
    edit_description(folder, spread=spread)
    with pytest.raises(BundleError) as caught:
        load_bundle(folder)
    assert caught.value.code == "bundle_malformed"
