"""What is said of a model that is put into use, beside the one before."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from hyrisk_desktop.risk.bundle import ModelBundle
from hyrisk_desktop.risk.calibration import PlattCalibration
from hyrisk_desktop.risk.model_summary import beside_the_one_before, summarise
from hyrisk_desktop.risk.novelty import Novelty, novelty_findings, told_apart
from hyrisk_desktop.risk.preprocessing import Preprocessing
from tests.helpers.volumes import block_volume


def bundle(name: str, auc: float | None, *, demonstration: bool = False) -> ModelBundle:
    results = {} if auc is None else {"results": {"auc": {"hyrisknet": {"auc": auc}}}}
    made = ModelBundle(
        name=name, depth=18, preprocessing=Preprocessing(input_size=64), demonstration=demonstration,
        calibration={"risknet": PlattCalibration(1, 0, 0.5)}, reference={}, novelty=None, training=results,
    )  # fmt: skip
    return replace(made, sha256=name)


@pytest.mark.parametrize(
    ("now", "then", "said"),
    [
        (0.71, 0.70, ""),
        (0.70, 0.70, "not better"),
        (0.699, 0.70, "not better"),
        (None, 0.70, "no held-out results"),
        (0.6, None, ""),
    ],
)
def test_a_model_that_is_not_better_is_said_to_be_so(now: float | None, then: float | None, said: str) -> None:
    sentence = beside_the_one_before(bundle("new", now), bundle("old", then))
    assert said in sentence
    assert bool(sentence) is bool(said)


def test_phantoms_and_patients_do_not_compare() -> None:
    assert "phantoms" in beside_the_one_before(bundle("new", 0.9), bundle("old", 0.7, demonstration=True))


@pytest.mark.parametrize(
    ("training", "demonstration", "said"),
    [
        ({}, True, "synthetic phantoms"),
        ({"n": 1234}, True, "1234 synthetic phantoms"),
        ({"n": 1}, True, "1 synthetic phantom"),
        ({"synthetic": True, "results": {"n": 7}}, False, "7 synthetic phantoms"),
        ({}, False, "patients"),
        ({"n": "many", "results": {"n": 180}}, False, "180 patients"),
        ({"n": True}, False, "patients"),
    ],
)
def test_whom_a_model_was_trained_on(training: dict[str, Any], demonstration: bool, said: str) -> None:
    one = replace(bundle("one", None, demonstration=demonstration), training=training)
    assert summarise(one).trained_on == said


def test_the_same_model_or_none_before_needs_no_word() -> None:
    one = bundle("one", 0.5)
    assert beside_the_one_before(one, one) == ""
    assert beside_the_one_before(one, None) == ""


@pytest.mark.parametrize(
    ("value", "other", "text"), [(1.64, 1.58, "1.64"), (1.7, 1.6, "1.7"), (1.6004, 1.6, "1.6004"), (20, 1.6, "20.0")]
)
def test_a_distance_reads_differently_from_its_limit(value: float, other: float, text: str) -> None:
    assert told_apart(value, other) == text
    assert told_apart(value, other) != told_apart(other, value)


def test_the_finding_never_says_distance_one_point_six_limit_one_point_six() -> None:
    novelty = Novelty(np.zeros(4, np.float32), np.eye(4, dtype=np.float32), 1.58, {})
    features = np.full(4, 1.62, np.float32)
    (finding,) = novelty_findings(novelty, features, block_volume())
    assert "(distance 1.62, limit 1.58)" in finding.message
