"""AUC and its company against definitions written out, and against simulation."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import mannwhitneyu, norm

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


def delong_apart(a: np.ndarray, b: np.ndarray, outcome: np.ndarray) -> tuple[float, float, float, float]:
    """DeLong 1988 as written there: structural components by pairs, and their covariances."""
    aucs, rows, columns = [], [], []
    for score in (a, b):
        x, y = score[outcome == 1], score[outcome == 0]
        psi = (x[:, None] > y[None]) + 0.5 * (x[:, None] == y[None])
        aucs.append(psi.mean())
        rows.append(psi.mean(axis=1))
        columns.append(psi.mean(axis=0))
    s = np.cov(rows) / len(rows[0]) + np.cov(columns) / len(columns[0])
    difference = aucs[0] - aucs[1]
    error = math.sqrt(s[0, 0] + s[1, 1] - 2 * s[0, 1])
    z = 1.9599639845400545
    return difference, difference - z * error, difference + z * error, 2 * norm.sf(abs(difference) / error)


@pytest.mark.parametrize("seed", range(4))
def test_delong_is_that_of_the_paper(seed: int) -> None:
    """Few cases, unequal groups and ties, so that every share and every degree of freedom shows."""
    rng = np.random.default_rng(seed)
    outcome = np.array([1] * 5 + [0] * 9)
    a, b = (np.round(rng.normal(size=14) + shift * outcome, 0) for shift in (1.5, 0.5))
    found = delong(a, b, outcome)
    wanted = delong_apart(a, b, outcome)
    assert (found.difference, found.low, found.high, found.p) == pytest.approx(wanted, abs=1e-5)


def test_delong_needs_two_of_each_outcome() -> None:
    a, b = np.arange(5.0), np.array([3.0, 1, 4, 1, 5])
    for outcome in ([1, 0, 0, 0, 0], [0, 1, 1, 1, 1]):
        found = delong(a, b, np.array(outcome))
        assert math.isnan(found.p)
        assert math.isnan(found.low)
    assert not math.isnan(delong(a, b, np.array([1, 0, 1, 0, 0])).p)


def test_expected_auc_by_pairs() -> None:
    score, risk = np.array([1.0, 2, 2, 3, 0]), np.array([0.1, 0.7, 0.4, 0.9, 0.3])
    won = sum(
        risk[i] * (1 - risk[j]) * ((score[i] > score[j]) + 0.5 * (score[i] == score[j]))
        for i in range(5)
        for j in range(5)
    )
    assert expected_auc(score, risk) == pytest.approx(won / (risk.sum() * (1 - risk).sum()))


@pytest.mark.parametrize(("level", "ends"), [(0.95, (2.5, 97.5)), (0.8, (10, 90))])
def test_bootstrap_interval_is_that_of_resamples_drawn_apart(level: float, ends: tuple[float, float]) -> None:
    """Patients with one to three exams; resampled here by index, with another generator, and counted pair by pair."""
    score, outcome = cohort(45, 0.9, 4)
    groups = np.repeat(np.arange(23), [1, 2, 3, *[2] * 18, 1, 2])
    low, high = bootstrap_ci(score, outcome, resamples=2500, seed=1, level=level, groups=groups)
    rng = np.random.default_rng(99)
    members = [np.flatnonzero(groups == g) for g in range(23)]
    aucs = []
    for _ in range(2500):
        drawn = np.concatenate([members[g] for g in rng.integers(0, 23, 23)])
        s, o = score[drawn], outcome[drawn]
        psi = (s[o == 1][:, None] > s[o == 0][None]) + 0.5 * (s[o == 1][:, None] == s[o == 0][None])
        aucs.append(psi.mean())
    wanted = np.percentile(aucs, ends)
    # Intervals of 90 and 95 % differ by four times as much.
    assert (low, high) == pytest.approx(tuple(wanted), abs=0.06 * (wanted[1] - wanted[0]))
    assert bootstrap_ci(score, outcome, seed=1) == bootstrap_ci(
        score, outcome, level=0.95, groups=np.arange(45), seed=1
    )


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
    assert points[2]["mean_risk"] == pytest.approx(risk[20:30].mean())
    assert len(calibration_points(risk[:40], outcome[:40])) == 5
    assert [point["n"] for point in calibration_points(risk[::-1][:9], outcome[:9])] == [5, 4]


def test_net_benefit_of_treating_all_is_the_textbook_value() -> None:
    outcome = np.array([1] * 30 + [0] * 70)
    assert net_benefit(np.ones(100), outcome, 0.2) == pytest.approx(0.3 - 0.7 * 0.25)
    assert net_benefit(np.zeros(100), outcome, 0.2) == 0.0
    # A risk of just the threshold is acted on.
    risk = np.array([0.2] * 20 + [0.1999] * 10 + [0.2] * 5 + [0.0] * 65)
    assert net_benefit(risk, outcome, 0.2) == pytest.approx(0.2 - 0.05 * 0.25)
