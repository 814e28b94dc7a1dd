"""From a network's log odds to a risk that names the prevalence it assumes, and its place in a cohort."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray


@dataclass(frozen=True, slots=True)
class PlattCalibration:
    """risk = 1 / (1 + exp(-(slope * log_odds + intercept))), Platt 1999.

    Attributes:
        slope, intercept: fitted on predictions the network was not trained on.
        prevalence: share of non-survivors in the data it was fitted on; the risk assumes it.
    """

    slope: float = 1.0
    intercept: float = 0.0
    prevalence: float = 0.5

    def risk(self, log_odds: ArrayLike, prevalence: float | None = None) -> NDArray[np.float64]:
        """Calibrated risk in (0, 1); moved to another ``prevalence`` by the prior-shift rule (Saerens 2002)."""
        z = self.slope * np.asarray(log_odds, np.float64) + self.intercept
        if prevalence is not None:
            z = z + _logit(prevalence) - _logit(self.prevalence)
        risk: NDArray[np.float64] = 1.0 / (1.0 + np.exp(-z))
        return risk


def _logit(p: float) -> float:
    return math.log(p / (1.0 - p))


def percentile(risk: float, reference: NDArray[np.float64]) -> float | None:
    """Share of the sorted ``reference`` risks below ``risk``, 0 to 100; None where there is no reference."""
    if reference.size == 0:
        return None
    return 100.0 * float(np.searchsorted(reference, risk)) / reference.size
