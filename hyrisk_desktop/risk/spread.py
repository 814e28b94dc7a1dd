"""How wide a risk's interval is: what the views differ by, what they don't show, and what other training cases would have made of it.

All in log odds before calibration, around the reading itself, so that it never sits on the interval's rim. ``views`` and ``floor`` were chosen
on phantoms scanned again with one thing changed (`COVERS`), so that the interval holds at least nine of ten of each change; ``heads`` are
heads fitted to resampled cases: their spread at a patch is the model's own doubt, which costs no second network.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hyrisk_desktop.risk.json_checks import check_number

COVERS = ("click", "z", "hu", "kernel", "pixel", "model")
"""Clicks within 3 pixels and a slice, 5 mm in z, 5 HU, kernels, pixel sizes, and the model's own doubt."""
OF_VIEWS = ("click", "crop")
"""What the lowest to the highest of the views covers, where a bundle knows no better."""
NINE_OF_TEN = 1.645
"""Standard deviations of a normal distribution that hold nine of ten."""
_DIGITS = 4


@dataclass(frozen=True, slots=True, eq=False)
class Spread:
    """The width of one head's interval, kept in the bundle.

    Attributes:
        views: how many standard deviations of the views' log odds count. floor: log odds that every interval has at least.
        heads: [B, F + 2] features' weights, the score's weight and bias of resampled heads, less their mean.

    Raises:
        ValueError: a number is not finite or negative, or ``heads`` is not a matrix.
    """

    views: float
    floor: float
    heads: NDArray[np.float32]

    def __post_init__(self) -> None:
        if min(check_number("views", self.views), check_number("floor", self.floor)) < 0:
            raise ValueError("views and floor must not be negative")
        if self.heads.ndim != 2 or self.heads.shape[1] < 3 or not np.isfinite(self.heads).all():
            raise ValueError("heads must be [B, F + 2] and finite")

    def doubt(self, features: NDArray[np.float32], score: float) -> float:
        """Standard deviation of the resampled heads' log odds for [F] ``features`` and the score input (0 without one)."""
        if not len(self.heads):
            return 0.0
        odds = self.heads[:, :-2].astype(np.float64) @ features + self.heads[:, -2] * score + self.heads[:, -1]
        return float(np.sqrt(np.mean(odds**2)))

    def half_width(self, views: NDArray[np.float64], features: NDArray[np.float32], score: float) -> float:
        """Log odds on either side of the reading.

        Args:
            views: [V] log odds of the reading's views. features: [F] of the reader's own. score: the input, 0 without one.
        """
        return math.hypot(self.views * float(np.std(views)), self.floor, NINE_OF_TEN * self.doubt(features, score))

    def to_json(self) -> dict[str, Any]:
        """A dict of JSON types, numbers to four digits."""
        heads = [[float(f"{value:.{_DIGITS}g}") for value in row] for row in self.heads]
        return {"views": round(self.views, _DIGITS), "floor": round(self.floor, _DIGITS), "heads": heads}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Spread:
        """Inverse of `to_json`; raises KeyError, TypeError or ValueError on what is not one."""
        heads = np.asarray(data["heads"])
        # numpy would read texts as numbers.
        if heads.dtype.kind not in "if":
            raise ValueError("heads are numbers")
        return cls(check_number("views", data["views"]), check_number("floor", data["floor"]), heads.astype(np.float32))
