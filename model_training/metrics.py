"""How well a score ranks outcomes: AUC, its spread, and its expectation where the true risk is known."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

F64 = NDArray[np.float64]


def weighted_auc(score: F64, positive: F64, negative: F64) -> float:
    """Probability that a positive outranks a negative, ties counting half; cases carry weights of both kinds."""
    _, level = np.unique(score, return_inverse=True)
    positives = np.bincount(level, positive)
    negatives = np.bincount(level, negative)
    below = np.cumsum(negatives) - negatives
    pairs = positives.sum() * negatives.sum()
    return float((positives * (below + 0.5 * negatives)).sum() / pairs) if pairs > 0 else float("nan")


def auc(score: F64, outcome: NDArray[np.int64]) -> float:
    """Area under the ROC curve of ``score`` for ``outcome`` (1 = non-survivor); may be below 0.5."""
    positive = outcome.astype(np.float64)
    return weighted_auc(score, positive, 1.0 - positive)


def expected_auc(score: F64, risk: F64) -> float:
    """Expected AUC when outcomes are drawn with the known probabilities ``risk`` (synthetic cohorts only).

    The ratio of the expected pair counts, which for large cohorts is the mean over outcome draws.
    """
    return weighted_auc(score, risk, 1.0 - risk)


def auc_over_draws(score: F64, risk: F64, draws: int, seed: int) -> tuple[float, float]:
    """Mean and SD of the AUC over ``draws`` outcome draws from ``risk``."""
    rng = np.random.default_rng(seed)
    values = [auc(score, (rng.random(len(risk)) < risk).astype(np.int64)) for _ in range(draws)]
    return float(np.mean(values)), float(np.std(values))


def bootstrap_ci(
    score: F64, outcome: NDArray[np.int64], resamples: int = 1000, seed: int = 0, level: float = 0.95
) -> tuple[float, float]:
    """Percentile bootstrap interval of `auc` over cases."""
    rng = np.random.default_rng(seed)
    values = np.empty(resamples)
    for i in range(resamples):
        chosen = rng.integers(0, len(score), len(score))
        values[i] = auc(score[chosen], outcome[chosen])
    tail = 50.0 * (1.0 - level)
    low, high = np.nanpercentile(values, (tail, 100.0 - tail))
    return float(low), float(high)
