"""How good a risk is, apart from its ranking: calibration line, observed to expected, and intervals of shares."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit
from sklearn.linear_model import LogisticRegression

from model_training.evaluation import calibration

F64 = NDArray[np.float64]
I64 = NDArray[np.int64]
RESAMPLES = 300
_WILSON = 1.959964


def calibrated_odds(risk: F64) -> F64:
    """Log odds [n] of ``risk`` [n] in (0, 1)."""
    odds: F64 = logit(np.clip(risk, 1e-9, 1 - 1e-9))
    return odds


def line(odds: F64, outcome: I64, weight: F64 | None = None) -> tuple[float, float]:
    """Slope and intercept of the logistic regression of ``outcome`` on ``odds`` (Cox 1958): 1 and 0 where a risk is right.

    Args:
        odds, outcome, weight: [n].
    """
    fit = LogisticRegression(C=1e6).fit(odds[:, None], outcome, sample_weight=weight)
    return float(fit.coef_[0, 0]), float(fit.intercept_[0])


def in_the_large(odds: F64, outcome: I64, weight: F64 | None = None) -> float:
    """The shift of ``odds`` that makes the mean risk the observed share: 0 where a risk is right on average.

    Args:
        odds, outcome, weight: [n].
    """
    w = np.ones(len(odds)) if weight is None else weight
    low, high = -20.0, 20.0
    while high - low > 1e-6:
        middle = (low + high) / 2
        if float((w * (expit(odds + middle) - outcome)).sum()) > 0:
            high = middle
        else:
            low = middle
    return (low + high) / 2


def judged(risk: F64, outcome: I64, groups: I64) -> dict[str, Any]:
    """Calibration of ``risk`` with bootstrap intervals over ``groups`` of cases that belong together.

    Args:
        risk, outcome, groups: [n].
    """
    odds = calibrated_odds(risk)
    slope, intercept = line(odds, outcome)
    rng, count = np.random.default_rng(0), int(groups.max()) + 1
    drawn = []
    for _ in range(RESAMPLES):
        weight = np.bincount(rng.integers(0, count, count), minlength=count)[groups].astype(np.float64)
        if 0 < (weight * outcome).sum() < weight.sum():
            drawn.append((*line(odds, outcome, weight), in_the_large(odds, outcome, weight)))
    ends = np.percentile(np.array(drawn), (2.5, 97.5), axis=0)
    values = {"slope": slope, "intercept": intercept, "in_the_large": in_the_large(odds, outcome)}
    return {
        **{
            name: {"value": round(value, 4), "ci": [round(float(e), 4) for e in ends[:, i]]}
            for i, (name, value) in enumerate(values.items())
        },
        "mean_risk": round(float(risk.mean()), 4),
        "observed": round(float(outcome.mean()), 4),
        "log_loss": round(float(-np.mean(np.where(outcome == 1, np.log(expit(odds)), np.log(expit(-odds))))), 4),
        **calibration(risk, outcome),
    }


def share(hits: int, of: int) -> dict[str, Any]:
    """A share with its 95 % interval (Wilson 1927); None for what was never tried."""
    if not of:
        return {"n": 0, "of": 0, "share": None, "ci": None}
    p, z = hits / of, _WILSON
    middle, half = p + z * z / (2 * of), z * math.sqrt(p * (1 - p) / of + z * z / (4 * of * of))
    scale = 1 + z * z / of
    ends = [round(max(0.0, (middle - half) / scale), 4), round(min(1.0, (middle + half) / scale), 4)]
    return {"n": hits, "of": of, "share": round(p, 4), "ci": ends}
