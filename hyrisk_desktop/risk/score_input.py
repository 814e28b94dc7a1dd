"""What the CAC score is before the network sees it: a grade, or an Agatston score on the bundle's own scale."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

from hyrisk_desktop.risk.json_checks import check_keys, check_number

KINDS = ("grade", "agatston")
HIGHEST_AGATSTON = 3000.0
"""Where the Agatston scale ends by default; few region scores of a screening population lie above it."""


@dataclass(frozen=True, slots=True)
class ScoreInput:
    """The rule that turns a CAC score into the network's score input, -1 to +1; stored in the bundle.

    A grade g becomes g * 2/3 - 1 (the paper). An Agatston score A becomes 2 log(1 + A) / log(1 + highest) - 1, clipped
    to +1: on a linear scale a few huge scores would leave all others at -1.

    Attributes:
        kind: ``"grade"`` or ``"agatston"``. highest: the Agatston score that becomes +1; unused for grades.

    Raises:
        ValueError: unknown kind, or ``highest`` is no positive number.
    """

    kind: str = "grade"
    highest: float = HIGHEST_AGATSTON

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"kind must be one of {KINDS}")
        if check_number("highest", self.highest) <= 0:
            raise ValueError("highest must be positive")

    def value(self, score: float) -> float:
        """The network's score input for a grade 0..3 (fractions allowed) or an Agatston score of 0 or more."""
        if self.kind == "grade":
            return score * 2.0 / 3.0 - 1.0
        return min(2.0 * math.log1p(score) / math.log1p(self.highest) - 1.0, 1.0)

    def to_json(self) -> dict[str, Any]:
        """A dict of JSON types."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> ScoreInput:
        """Inverse of `to_json`; raises TypeError on unknown or missing keys, ValueError on unusable values."""
        return cls(**check_keys(cls, data))
