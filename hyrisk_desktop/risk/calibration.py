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
        lowest, highest: log odds of the data it was fitted on; beyond them nothing was calibrated, so no risk goes there.
            None in bundles that don't know.

    Raises:
        ValueError: a value is no finite number, the prevalence not between 0 and 1, or the range does not rise.
    """

    slope: float = 1.0
    intercept: float = 0.0
    prevalence: float = 0.5
    lowest: float | None = None
    highest: float | None = None

    def __post_init__(self) -> None:
        check_number("slope", self.slope)
        check_number("intercept", self.intercept)
        if not 0 < check_number("prevalence", self.prevalence) < 1:
            raise ValueError("prevalence must lie between 0 and 1")
        if (self.lowest is None) != (self.highest is None):
            raise ValueError("a range has two ends")
        if self.lowest is not None and check_number("lowest", self.lowest) > check_number("highest", self.highest):
            raise ValueError("the range must rise")

    def beyond(self, log_odds: float) -> bool:
        """Whether ``log_odds`` lie outside of what was calibrated."""
        return self.lowest is not None and self.highest is not None and not self.lowest <= log_odds <= self.highest

    def within(self, log_odds: ArrayLike) -> NDArray[np.float64]:
        """``log_odds``, each moved to the end of what was calibrated where it lies beyond that."""
        odds = np.asarray(log_odds, np.float64)
        return odds if self.lowest is None else np.clip(odds, self.lowest, self.highest)

    def to_json(self) -> dict[str, Any]:
        """A dict of JSON types."""
        return {key: value for key, value in asdict(self).items() if value is not None}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> PlattCalibration:
        """Inverse of `to_json`; raises TypeError on unknown or missing keys, ValueError on unusable values."""
        return cls(**check_keys(cls, {"lowest": None, "highest": None} | data))

    def risk(self, log_odds: ArrayLike, prevalence: float | None = None) -> NDArray[np.float64]:
        """Calibrated risk in (0, 1); moved to another ``prevalence`` by the prior-shift rule (Saerens 2002).

        ``log_odds`` beyond the calibrated range count as its end.
        """
        z = self.slope * self.within(log_odds) + self.intercept + self.prior_shift(prevalence)
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
