"""AUC and its company against definitions written out, and against simulation."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import mannwhitneyu

from model_training.metrics import (
    auc,
    auc_over_draws,
    bootstrap_ci,
    calibration_points,
    delong,
    expected_auc,
    net_benefit,
    roc,
    sensitivity_at,
)


def cohort(n: int, signal: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    outcome = (rng.random(n) < 0.5).astype(np.int64)
    return rng.normal(size=n) + signal * outcome, outcome


def test_auc_is_mann_whitney_and_ties_count_half() -> None:
    score, outcome = cohort(200, 0.7)
    score = np.round(score, 0)
    u = mannwhitneyu(score[outcome == 1], score[outcome == 0]).statistic
    assert auc(score, outcome) == pytest.approx(u / ((outcome == 1).sum() * (outcome == 0).sum()))
    assert math.isnan(auc(score, np.ones(200, np.int64)))


def test_expected_auc_is_the_mean_over_outcome_draws() -> None:
    rng = np.random.default_rng(1)
    risk = 1 / (1 + np.exp(-rng.normal(0, 1, 3000)))
    score = risk + rng.normal(0, 0.2, 3000)
    mean, spread = auc_over_draws(score, risk, 60, 2)
    assert expected_auc(score, risk) == pytest.approx(mean, abs=3 * spread / math.sqrt(60) + 1e-3)


def test_delong_error_is_the_spread_of_repeated_cohorts() -> None:
    differences, errors = [], []
    for seed in range(300):
        rng = np.random.default_rng(seed)
        outcome = np.repeat([0, 1], 60)
        base = rng.normal(size=120) + 0.8 * outcome
        a, b = base + rng.normal(0, 0.5, 120), base + rng.normal(0, 1.0, 120)
        found = delong(a, b, outcome)
        differences.append(found.difference)
        errors.append((found.high - found.low) / 2 / 1.959964)
    assert np.mean(errors) == pytest.approx(np.std(differences), rel=0.12)


def test_delong_of_a_score_with_itself_is_nothing() -> None:
    score, outcome = cohort(50, 1.0)
    found = delong(score, 2 * score + 1, outcome)
    assert (found.difference, found.p) == (0.0, 1.0)


def test_bootstrap_of_patients_is_wider_than_of_their_copies() -> None:
    score, outcome = cohort(80, 0.8)
    copies = np.repeat(np.arange(80), 4)
    cases = bootstrap_ci(score[copies], outcome[copies])
    patients = bootstrap_ci(score[copies], outcome[copies], groups=copies)
    assert patients[1] - patients[0] > 1.5 * (cases[1] - cases[0])
    low, high = bootstrap_ci(score, outcome)
    assert low < auc(score, outcome) < high


def test_roc_runs_from_corner_to_corner() -> None:
    score, outcome = cohort(100, 1.0)
    curve = roc(score, outcome)
    assert (curve["fpr"][0], curve["tpr"][0], curve["fpr"][-1], curve["tpr"][-1]) == (0, 0, 1, 1)
    assert np.trapezoid(curve["tpr"], curve["fpr"]) == pytest.approx(auc(score, outcome), abs=1e-4)


def test_sensitivity_at_a_specificity() -> None:
    score = np.array([1.0, 2, 3, 4, 5, 6, 7, 8, 9, 10])
    outcome = np.array([0, 0, 0, 1, 0, 1, 0, 1, 1, 1])
    assert sensitivity_at(score, outcome, 0.8) == pytest.approx(0.8)
    assert sensitivity_at(score, outcome, 1.0) == pytest.approx(0.6)


def test_calibration_points_hold_everybody_once() -> None:
    risk = np.linspace(0.05, 0.95, 100)
    outcome = (np.arange(100) >= 50).astype(np.int64)
    points = calibration_points(risk, outcome)
    assert sum(point["n"] for point in points) == 100
    assert [point["observed"] for point in points] == [0] * 5 + [1] * 5


def test_net_benefit_of_treating_all_is_the_textbook_value() -> None:
    outcome = np.array([1] * 30 + [0] * 70)
    assert net_benefit(np.ones(100), outcome, 0.2) == pytest.approx(0.3 - 0.7 * 0.25)
    assert net_benefit(np.zeros(100), outcome, 0.2) == 0.0
