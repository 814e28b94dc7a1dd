"""Where does this patch seem to lie? A linear estimate, from the network's features, of how far the click is off the usual place.

The distance guard of `novelty` hardly notices a click beside the heart's middle, as the patch still shows a heart. The features
know where it lies: the model's makers moved the clicks of phantoms by known amounts and fitted the shift.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hyrisk_desktop.findings import Finding, Severity
from hyrisk_desktop.i18n import tr
from hyrisk_desktop.risk.json_checks import check_number
from hyrisk_desktop.risk.novelty import told_apart

_DIGITS = 6


@dataclass(frozen=True, slots=True, eq=False)
class Placement:
    """How features tell where a click lies, kept in the bundle.

    Attributes:
        weights: [3, F], intercept: [3]: features -> shift from the usual click along x, y and z (LPS), mm.
        limit_mm: estimated distance above which a click is called off; a high quantile of clicks that are not.

    Raises:
        ValueError: a number is not finite, or the shapes don't fit each other.
    """

    weights: NDArray[np.float32]
    intercept: NDArray[np.float32]
    limit_mm: float

    def __post_init__(self) -> None:
        if self.weights.ndim != 2 or self.weights.shape[0] != 3 or self.intercept.shape != (3,):
            raise ValueError("weights must be [3, F] and intercept [3]")
        # Against NaN every comparison is false: the guard would be silently off.
        if not (np.isfinite(self.weights).all() and np.isfinite(self.intercept).all()):
            raise ValueError("weights and intercept must be finite")
        if check_number("limit_mm", self.limit_mm) <= 0:
            raise ValueError("limit_mm must be positive")

    def offset_mm(self, features: NDArray[np.float32]) -> float:
        """How far the click seems to lie from where readers click, mm, for [F] ``features``."""
        return float(np.linalg.norm(self.weights @ features + self.intercept))

    def to_json(self) -> dict[str, Any]:
        """A dict of JSON types, numbers to six digits."""
        rounded = [[float(f"{value:.{_DIGITS}g}") for value in row] for row in (*self.weights, self.intercept)]
        return {"weights": rounded[:3], "intercept": rounded[3], "limit_mm": round(self.limit_mm, 3)}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Placement:
        """Inverse of `to_json`; raises KeyError, TypeError or ValueError on what is not one."""
        weights, intercept = (np.asarray(data[key]) for key in ("weights", "intercept"))
        # numpy would read texts as numbers.
        if not {weights.dtype.kind, intercept.dtype.kind} <= set("if"):
            raise ValueError("weights and intercept are numbers")
        return cls(weights.astype(np.float32), intercept.astype(np.float32), check_number("limit_mm", data["limit_mm"]))


def placement_findings(placement: Placement | None, features: NDArray[np.float32]) -> tuple[Finding, ...]:
    """Code ``unlike_training``, where the patch seems to lie elsewhere than the clicks that the model knows.

    Args:
        placement: None where the bundle does not know. features: [F] of the patch.
    """
    if placement is None or (offset := placement.offset_mm(features)) <= placement.limit_mm:
        return ()
    message = tr(
        "The click seems to lie {offset} mm from where the model expects it (limit {limit} mm): check the heart centre, "
        "and do not rely on the risk.",
        offset=told_apart(offset, placement.limit_mm),
        limit=told_apart(placement.limit_mm, offset),
    )
    return (Finding("unlike_training", Severity.WARNING, message),)
