"""What the image's part of a risk comes from: probes in the bundle, and what they make of a reading."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hyrisk_desktop.errors import BundleError
from hyrisk_desktop.imaging.fat import fat_near
from hyrisk_desktop.risk.bundle import load_bundle, read_description, seal_description
from hyrisk_desktop.risk.explain import explain
from hyrisk_desktop.risk.factors import Factors, factor_words
from hyrisk_desktop.risk.predictor import Predictor
from tests.helpers.bundles import write_tiny_bundle
from tests.helpers.volumes import HEART_CENTRE, block_volume

NAMES = ("epicardial_fat", "calcium_mass")


def factors(width: int = 512) -> Factors:
    """Two factors whose weights differ in every place."""
    weights = np.stack([np.linspace(-0.1, 0.2, width), np.linspace(0.3, -0.2, width)]).astype(np.float32)
    return Factors(
        NAMES,
        (0.62, 0.41),
        weights,
        np.array([0.4, -0.7], np.float32),
        {"risknet": (0.5, -0.25), "hyrisknet": (0.75, 0.125)},
        {"risknet": 0.66, "hyrisknet": 0.58},
    )


def test_shares_are_the_probes_times_what_the_log_odds_make_of_them() -> None:
    one = Factors(NAMES, (0.62, 0.41), np.array([[1.0, 2.0], [3.0, -1.0]], np.float32), np.array([0.5, -0.25], np.float32),
                  {"risknet": (0.5, -0.25), "hyrisknet": (0.75, 0.125)}, {"risknet": 0.66, "hyrisknet": 0.58})  # fmt: skip
    features = np.array([2.0, 1.0], np.float32)
    # Amounts 2 + 2 + .5 = 4.5 and 6 - 1 - .25 = 4.75.
    found = one.shares(features, "hyrisknet", slope=2.0)
    assert [(s.factor, s.log_odds, s.r2) for s in found] == [
        ("epicardial_fat", pytest.approx(2 * 0.75 * 4.5), 0.62),
        ("calcium_mass", pytest.approx(2 * 0.125 * 4.75), 0.41),
    ]
    image_only = {s.factor: s.log_odds for s in one.shares(features, "risknet")}
    assert image_only == {"epicardial_fat": pytest.approx(2.25), "calcium_mass": pytest.approx(-1.1875)}
    # The largest first, whichever way it goes.
    turned = replace(one, coefficients={"risknet": (0.1, -2.0), "hyrisknet": (0, 0)})
    assert [s.factor for s in turned.shares(features, "risknet")] == ["calcium_mass", "epicardial_fat"]


def test_json_and_back() -> None:
    one = factors()
    again = Factors.from_json(one.to_json())
    assert (again.names, again.r2, again.explained) == (one.names, one.r2, one.explained)
    np.testing.assert_allclose(again.weights, one.weights, rtol=1e-4)
    assert again.to_json() == one.to_json()


@pytest.mark.parametrize(
    "change",
    [
        lambda d: d.update(names=["epicardial_fat"]),
        lambda d: d.update(names=["a", "a"]),
        lambda d: d.update(names=["a", "<b>"]),
        lambda d: d.update(names=["a", 3]),
        lambda d: d.update(names=[]),
        lambda d: d.update(r2=[0.5]),
        lambda d: d.update(r2=[0.5, "0.4"]),
        lambda d: d["weights"][0].append(0.1),
        lambda d: d["weights"][0].__setitem__(0, float("nan")),
        lambda d: d.update(weights=[["1"] * 512] * 2),
        lambda d: d.update(constants=[0.1]),
        lambda d: d["coefficients"].pop("risknet"),
        lambda d: d["coefficients"].update(other=[0.1, 0.2]),
        lambda d: d["coefficients"].update(risknet=[0.1]),
        lambda d: d["coefficients"].update(risknet=[0.1, float("inf")]),
        lambda d: d["explained"].update(risknet=1.2),
        lambda d: d["explained"].update(risknet=-0.1),
        lambda d: d.pop("explained"),
    ],
)
def test_what_is_no_probe_is_refused(change: Callable[[Any], object]) -> None:
    data = copy.deepcopy(factors().to_json())
    change(data)
    with pytest.raises((KeyError, TypeError, ValueError)):
        Factors.from_json(data)


@pytest.fixture(scope="module")
def studied(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("studied") / "tiny"
    write_tiny_bundle(folder)
    seal_description(folder, {"factors": factors().to_json()})
    return folder


def test_a_reading_says_what_its_image_part_comes_from(studied: Path) -> None:
    volume = block_volume()
    predictor = Predictor(studied, "cpu")
    features = predictor.features_at(volume, HEART_CENTRE)[0].numpy()
    slope = predictor.bundle.calibration["hyrisknet"].slope
    graded = predictor.predict(volume, HEART_CENTRE, 2.0)
    assert graded.explained_by == predictor.bundle.factors.shares(features, "hyrisknet", slope)
    assert graded.explained == 0.58
    alone = predictor.predict(volume, HEART_CENTRE)
    assert alone.explained == 0.66
    assert alone.explained_by == predictor.bundle.factors.shares(
        features, "risknet", predictor.bundle.calibration["risknet"].slope
    )
    explanation = explain(predictor, volume, HEART_CENTRE, 2.0)
    assert (explanation.explained_by, explanation.explained) == (graded.explained_by, graded.explained)
    assert explanation.fat_cm3 == pytest.approx(fat_near(volume, HEART_CENTRE))


def test_a_model_that_nobody_studied_says_nothing(tmp_path: Path) -> None:
    write_tiny_bundle(tmp_path / "tiny")
    assert read_description(tmp_path / "tiny").factors is None
    reading = Predictor(tmp_path / "tiny", "cpu").predict(block_volume(), HEART_CENTRE, 2.0)
    assert reading.explained_by == ()
    assert reading.explained is None


def test_probes_of_another_network_are_refused(tmp_path: Path) -> None:
    write_tiny_bundle(tmp_path / "tiny")
    seal_description(tmp_path / "tiny", {"factors": factors(width=2048).to_json()})
    with pytest.raises(BundleError, match="malformed"):
        load_bundle(tmp_path / "tiny")


def test_every_factor_has_words() -> None:
    from model_training.study.factors import FACTORS

    assert len({factor_words(name) for name in FACTORS}) == len(FACTORS)
    assert not any("_" in factor_words(name) for name in FACTORS)
    assert factor_words("left_atrium") == "left atrium"
