"""What the image's part of a risk comes from: linear probes of the network's features for factors that are known of phantoms.

The makers of a model drew phantoms with known factors (fat, heart size, calcium, emphysema), fitted each to the features, and the log odds
to the factors (`model_training.study`). A reading's image part is then a sum of known factors and a rest that none of them tells of.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hyrisk_desktop.i18n import tr
from hyrisk_desktop.risk.json_checks import check_number

LEAST_R2 = 0.3
"""Factors that the features tell of worse than this are not named at a reading."""
HEADS = ("risknet", "hyrisknet")
_DIGITS = 5
_MOST = 40


@dataclass(frozen=True, slots=True)
class FactorShare:
    """What one factor adds to a reading: log odds beside an average phantom, and how well the features tell of it (R2)."""

    factor: str
    log_odds: float
    r2: float


@dataclass(frozen=True, slots=True, eq=False)
class Factors:
    """The probes of a bundle.

    Attributes:
        names: of K factors. r2: [K] cross-validated. weights: [K, F], constants: [K]: features -> factor in standard
            deviations from the mean phantom. coefficients: by head, [K] log odds per standard deviation.
        explained: by head, share of the variance of the image's log odds that the factors make up together.

    Raises:
        ValueError: a number is not finite, or shapes don't fit each other.
    """

    names: tuple[str, ...]
    r2: tuple[float, ...]
    weights: NDArray[np.float32]
    constants: NDArray[np.float32]
    coefficients: Mapping[str, tuple[float, ...]]
    explained: Mapping[str, float]

    def __post_init__(self) -> None:
        count = len(self.names)
        if not 0 < count <= _MOST or len(set(self.names)) != count or not all(self.names):
            raise ValueError("factors need names of their own")
        if self.weights.ndim != 2 or len(self.weights) != count or self.constants.shape != (count,):
            raise ValueError("weights must be [K, F] and constants [K]")
        if not (np.isfinite(self.weights).all() and np.isfinite(self.constants).all()):
            raise ValueError("weights and constants must be finite")
        if set(self.coefficients) != set(HEADS) or set(self.explained) != set(HEADS):
            raise ValueError("both heads have coefficients")
        for values in (self.r2, *self.coefficients.values()):
            if len(values) != count:
                raise ValueError("one number for each factor")
            for value in values:
                check_number("factor", value)
        if not all(0 <= check_number("explained", value) <= 1 for value in self.explained.values()):
            raise ValueError("explained is a share")

    def shares(self, features: NDArray[np.float32], head: str, slope: float = 1.0) -> tuple[FactorShare, ...]:
        """What each factor adds to the log odds of ``head`` at [F] ``features``, the largest first.

        Args:
            features, head: of the reading. slope: of the calibration, which its log odds are multiplied by.
        """
        amounts = self.weights.astype(np.float64) @ features.astype(np.float64) + self.constants
        found = [
            FactorShare(name, float(slope * coefficient * amount), r2)
            for name, coefficient, amount, r2 in zip(self.names, self.coefficients[head], amounts, self.r2, strict=True)
        ]
        return tuple(sorted(found, key=lambda share: -abs(share.log_odds)))

    def to_json(self) -> dict[str, Any]:
        """A dict of JSON types, numbers to five digits."""

        def digits(value: float) -> float:
            return float(f"{value:.{_DIGITS}g}")

        return {
            "names": list(self.names),
            "r2": [round(value, 3) for value in self.r2],
            "weights": [[digits(value) for value in row] for row in self.weights],
            "constants": [digits(value) for value in self.constants],
            "coefficients": {head: [digits(v) for v in self.coefficients[head]] for head in HEADS},
            "explained": {head: round(self.explained[head], 3) for head in HEADS},
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Factors:
        """Inverse of `to_json`; raises KeyError, TypeError or ValueError on what is not one."""
        names = data["names"]
        if not all(isinstance(name, str) and name.isidentifier() for name in names):
            raise ValueError("names are words")
        weights, constants = (np.asarray(data[key]) for key in ("weights", "constants"))
        # numpy would read texts as numbers.
        if weights.dtype.kind not in "if" or constants.dtype.kind not in "if":
            raise ValueError("weights are numbers")
        return cls(
            tuple(names),
            tuple(check_number("r2", value) for value in data["r2"]),
            weights.astype(np.float32),
            constants.astype(np.float32),
            {head: tuple(check_number("coefficient", v) for v in row) for head, row in data["coefficients"].items()},
            {head: check_number("explained", value) for head, value in data["explained"].items()},
        )


def factor_words(factor: str) -> str:
    """A factor in a reader's words; the name itself for one that this program does not know."""
    words = {
        "epicardial_fat": tr("epicardial fat"),
        "paracardiac_fat": tr("paracardiac fat"),
        "fat_density": tr("density of the fat"),
        "heart_size": tr("heart size"),
        "emphysema": tr("emphysema"),
        "muscle": tr("chest muscle"),
        "aortic_calcium": tr("aortic calcium"),
        "calcium_extent": tr("calcium extent"),
        "calcium_mass": tr("calcium mass"),
    }
    return words.get(factor, factor.replace("_", " "))
