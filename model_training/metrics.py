"""How well a score ranks outcomes: AUC, its spread, and its expectation where the true risk is known."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata
from sklearn.metrics import roc_curve

F64 = NDArray[np.float64]


def weighted_auc(score: F64, positive: F64, negative: F64) -> float:
    """Probability that a positive outranks a negative, ties counting half; cases carry weights of both kinds.

    Args:
        score: [n]. positive, negative: weights [n].
    """
    return _auc_of_levels(_levels(score), positive, negative)


def _levels(score: F64) -> NDArray[np.int64]:
    """Which of the different values of ``score``, from the lowest, each case has [n]."""
    level: NDArray[np.int64] = np.unique(score, return_inverse=True)[1]
    return level


def _auc_of_levels(level: NDArray[np.int64], positive: F64, negative: F64) -> float:
    """`weighted_auc` of cases whose `_levels` are known, which costs most of it."""
    positives = np.bincount(level, positive)
    negatives = np.bincount(level, negative)
    below = np.cumsum(negatives) - negatives
    pairs = positives.sum() * negatives.sum()
    return float((positives * (below + 0.5 * negatives)).sum() / pairs) if pairs > 0 else float("nan")


def auc(score: F64, outcome: NDArray[np.int64]) -> float:
    """Area under the ROC curve of ``score`` for ``outcome`` (1 = non-survivor); may be below 0.5.

    Args:
        score: [n]. outcome: [n], 0 or 1.
    """
    positive = outcome.astype(np.float64)
    return weighted_auc(score, positive, 1.0 - positive)


def expected_auc(score: F64, risk: F64) -> float:
    """Expected AUC when outcomes are drawn with the known probabilities ``risk`` (synthetic cohorts only).

    The ratio of the expected pair counts, which for large cohorts is the mean over outcome draws.

    Args:
        score, risk: [n].
    """
    return weighted_auc(score, risk, 1.0 - risk)


def auc_over_draws(score: F64, risk: F64, draws: int, seed: int) -> tuple[float, float]:
    """Mean and SD of the AUC over ``draws`` outcome draws from ``risk``.

    Args:
        score, risk: [n]. draws: how many. seed: of the draws.
    """
    rng = np.random.default_rng(seed)
    ranked = _levels(score)
    drawn = ((rng.random(len(risk)) < risk).astype(np.float64) for _ in range(draws))
    values = [_auc_of_levels(ranked, positive, 1.0 - positive) for positive in drawn]
    return float(np.mean(values)), float(np.std(values))


def bootstrap_ci(
    score: F64,
    outcome: NDArray[np.int64],
    resamples: int = 1000,
    seed: int = 0,
    level: float = 0.95,
    groups: NDArray[np.int64] | None = None,
) -> tuple[float, float]:
    """Percentile bootstrap interval of `auc` over cases, or over ``groups`` (patients) of cases drawn together.

    Args:
        score, outcome, groups: [n]. resamples: how many. seed: of the resampling. level: of the interval, 0 to 1.
    """
    rng = np.random.default_rng(seed)
    codes = np.arange(len(score)) if groups is None else groups
    count = int(codes.max()) + 1
    positive = outcome.astype(np.float64)
    values = np.empty(resamples)
    ranked = _levels(score)
    for i in range(resamples):
        weight = np.bincount(rng.integers(0, count, count), minlength=count)[codes].astype(np.float64)
        values[i] = _auc_of_levels(ranked, positive * weight, (1.0 - positive) * weight)
    tail = 50.0 * (1.0 - level)
    low, high = np.nanpercentile(values, (tail, 100.0 - tail))
    return float(low), float(high)


@dataclass(frozen=True, slots=True)
class Difference:
    """A paired difference of two AUCs on the same cases: value, 95 % interval, two-sided p (DeLong)."""

    difference: float
    low: float
    high: float
    p: float


def delong(a: F64, b: F64, outcome: NDArray[np.int64]) -> Difference:
    """AUC of ``a`` minus AUC of ``b``, with DeLong's variance (DeLong, DeLong, Clarke-Pearson 1988).

    The placement values come from midranks (Sun, Xu 2014), so ties count half.

    Args:
        a, b: scores [n]. outcome: [n], 0 or 1.
    """
    first, second = _placements(a, outcome), _placements(b, outcome)
    difference = auc(a, outcome) - auc(b, outcome)
    variance = 0.0
    for part in range(2):
        if len(first[part]) < 2:
            return Difference(difference, float("nan"), float("nan"), float("nan"))
        variance += float(np.var(first[part] - second[part], ddof=1)) / len(first[part])
    if variance <= 0:
        return Difference(difference, difference, difference, 1.0 if difference == 0 else 0.0)
    error = math.sqrt(variance)
    p = math.erfc(abs(difference) / error / math.sqrt(2.0))
    return Difference(difference, difference - 1.959964 * error, difference + 1.959964 * error, p)


def _placements(score: F64, outcome: NDArray[np.int64]) -> tuple[F64, F64]:
    """Share of the other outcome that each positive outranks, and that outranks each negative."""
    positive, negative = score[outcome == 1], score[outcome == 0]
    everyone = rankdata(np.concatenate([positive, negative]))
    m, n = len(positive), len(negative)
    return (everyone[:m] - rankdata(positive)) / max(n, 1), 1.0 - (everyone[m:] - rankdata(negative)) / max(m, 1)


def roc(score: F64, outcome: NDArray[np.int64]) -> dict[str, list[float]]:
    """Corners of the ROC curve: false and true positive rates, rising.

    Args:
        score: [n]. outcome: [n], 0 or 1.
    """
    false, true, _ = roc_curve(outcome, score)
    return {"fpr": [round(float(v), 5) for v in false], "tpr": [round(float(v), 5) for v in true]}


def sensitivity_at(score: F64, outcome: NDArray[np.int64], specificity: float) -> float:
    """Highest sensitivity of a threshold on ``score`` with at least ``specificity``.

    Args:
        score: [n]. outcome: [n], 0 or 1.
    """
    false, true, _ = roc_curve(outcome, score, drop_intermediate=False)
    return float(true[1.0 - false >= specificity - 1e-12].max())


def calibration_points(risk: F64, outcome: NDArray[np.int64], bins: int = 10) -> list[dict[str, float]]:
    """Mean predicted risk and observed share in bins of equal counts.

    Args:
        risk: [n]. outcome: [n], 0 or 1. bins: how many.
    """
    parts = np.array_split(np.argsort(risk, kind="stable"), min(bins, max(2, len(risk) // 8)))
    return [
        {"mean_risk": float(risk[part].mean()), "observed": float(outcome[part].mean()), "n": len(part)}
        for part in parts
        if len(part)
    ]


def net_benefit(risk: F64, outcome: NDArray[np.int64], threshold: float) -> float:
    """Net benefit of acting on a risk of ``threshold`` or more (Vickers, Elkin 2006).

    Args:
        risk: [n]. outcome: [n], 0 or 1.
    """
    acted = risk >= threshold
    true, false = float((acted & (outcome == 1)).mean()), float((acted & (outcome == 0)).mean())
    return true - false * threshold / (1.0 - threshold)
