"""From a network's log odds to a risk that names the prevalence it assumes, and its place in a cohort."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hyrisk_desktop.risk.json_checks import check_keys, check_number


@dataclass(frozen=True, slots=True)
class PlattCalibration:
    """risk = 1 / (1 + exp(-(slope * log_odds + intercept))), Platt 1999.

    Attributes:
        slope, intercept: fitted on predictions the network was not trained on.
        prevalence: share of non-survivors in the data it was fitted on; the risk assumes it.

    Raises:
        ValueError: a value is no finite number, or the prevalence not between 0 and 1.
    """

    slope: float = 1.0
    intercept: float = 0.0
    prevalence: float = 0.5

    def __post_init__(self) -> None:
        check_number("slope", self.slope)
        check_number("intercept", self.intercept)
        if not 0 < check_number("prevalence", self.prevalence) < 1:
            raise ValueError("prevalence must lie between 0 and 1")

    def to_json(self) -> dict[str, Any]:
        """A dict of JSON types."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> PlattCalibration:
        """Inverse of `to_json`; raises TypeError on unknown or missing keys, ValueError on unusable values."""
        return cls(**check_keys(cls, data))

    def risk(self, log_odds: ArrayLike, prevalence: float | None = None) -> NDArray[np.float64]:
        """Calibrated risk in (0, 1); moved to another ``prevalence`` by the prior-shift rule (Saerens 2002)."""
        z = self.slope * np.asarray(log_odds, np.float64) + self.intercept + self.prior_shift(prevalence)
        # Beyond exp's range the risk is 0, which is right.
        with np.errstate(over="ignore"):
            risk: NDArray[np.float64] = 1.0 / (1.0 + np.exp(-z))
        return risk

    def prior_shift(self, prevalence: float | None) -> float:
        """What another ``prevalence`` adds to the calibrated log odds (Saerens 2002); nothing for None."""
        return 0.0 if prevalence is None else _logit(prevalence) - _logit(self.prevalence)


def _logit(p: float) -> float:
    return math.log(p / (1.0 - p))


def percentile(risk: float, reference: NDArray[np.float64]) -> float | None:
    """Share of the sorted ``reference`` risks [n] below ``risk``, 0 to 100; None where there is no reference."""
    if reference.size == 0:
        return None
    return 100.0 * float(np.searchsorted(reference, risk)) / reference.size
