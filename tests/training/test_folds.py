"""Folds: stratified, grouped by patient, disjoint, the same for the same seed."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hyrisk_desktop.errors import InputError
from model_training.folds import Fold, final_fold, inner_split, make_folds, patient_overlap


@given(st.integers(0, 10_000), st.integers(2, 6))
@settings(max_examples=30, deadline=None)
def test_no_patient_is_on_two_sides(seed: int, k: int) -> None:
    rng = np.random.default_rng(seed)
    patient = [f"p{i}" for i in rng.integers(0, 60, 120)]
    died = {name: int(rng.random() < 0.5) for name in patient}
    outcome = np.array([died[name] for name in patient])
    folds = make_folds(outcome, patient, k, seed)
    assert patient_overlap(folds, patient) == 0
    assert sorted(np.concatenate([fold.test for fold in folds]).tolist()) == list(range(120))
    for fold in folds:
        parts = np.concatenate([fold.training, fold.inner, fold.test])
        assert sorted(parts.tolist()) == list(range(120))
        assert len(set(outcome[fold.training])) == len(set(outcome[fold.inner])) == 2
    again = make_folds(outcome, patient, k, seed)
    assert all(np.array_equal(a.training, b.training) for a, b in zip(folds, again, strict=True))


def test_outcomes_are_spread_evenly() -> None:
    outcome = np.array([0] * 90 + [1] * 90)
    folds = make_folds(outcome, [str(i) for i in range(180)], 10, 1)
    assert {(len(fold.test), int(outcome[fold.test].sum())) for fold in folds} == {(18, 9)}


@pytest.mark.parametrize(
    ("patients", "shared"),
    [
        (("a", "b", "c", "d", "e", "f"), 0),
        (("a", "b", "a", "d", "e", "f"), 1),  # trained on, and choosing the weights
        (("a", "b", "c", "d", "b", "f"), 1),  # trained on, and reported
        (("a", "b", "c", "d", "e", "d"), 1),  # choosing the weights, and reported
        (("a", "b", "a", "d", "b", "d"), 3),
        (("a", "b", "a", "a", "a", "f"), 1),  # one patient, however often
        (("a", "a", "c", "c", "e", "e"), 0),
    ],
)
def test_an_overlap_of_any_two_parts_is_seen(patients: tuple[str, ...], shared: int) -> None:
    sound = Fold(1, np.array([0, 2, 4]), np.zeros(0, np.int64), np.zeros(0, np.int64))
    fold = Fold(2, np.array([0, 1]), np.array([2, 3]), np.array([4, 5]))
    assert patient_overlap([sound, fold], patients) == patient_overlap([fold, sound], patients) == shared


def test_an_eighth_of_the_training_part_chooses_the_weights() -> None:
    outcome = np.array([0] * 96 + [1] * 96)
    for fold in make_folds(outcome, [str(i) for i in range(192)], 3, 1):
        assert (len(fold.inner), int(outcome[fold.inner].sum()), len(fold.training)) == (16, 8, 112)
        assert fold.number in (1, 2, 3)
    # Few patients of one outcome: as many parts as there are of them.
    rare = np.array([0] * 20 + [1] * 3)
    training, inner = inner_split(np.arange(23), rare, np.arange(23), 0)
    assert rare[inner].sum() == 1
    assert rare[training].sum() == 2
    with pytest.raises(InputError, match="too few patients"):
        inner_split(np.arange(23), np.array([0] * 22 + [1]), np.arange(23), 0)
    with pytest.raises(InputError, match="too few patients"):
        inner_split(np.arange(23), rare, np.array([*range(20), 20, 20, 20]), 0)


def test_more_folds_than_patients_are_refused() -> None:
    with pytest.raises(InputError, match="between 2 and 3"):
        make_folds(np.array([0] * 9 + [1] * 3), [str(i) for i in range(12)], 4, 0)
    with pytest.raises(InputError, match="between 2 and 5"):
        make_folds(np.array([0] * 9 + [1] * 5), [str(i) for i in range(14)], 1, 0)
    twice = [*map(str, range(9)), "x", "x", "y", "y", "z", "z"]
    with pytest.raises(InputError, match="between 2 and 3"):
        make_folds(np.array([0] * 9 + [1] * 6), twice, 4, 0)
    assert len(make_folds(np.array([0] * 9 + [1] * 3), [str(i) for i in range(12)], 3, 0)) == 3


def test_the_final_fit_reports_nobody() -> None:
    fold = final_fold(np.array([0, 1] * 10), [str(i) for i in range(20)], 0)
    assert len(fold.test) == 0
    assert len(fold.training) + len(fold.inner) == 20
