"""Is this image like what the model was trained on? A Mahalanobis guard on features, and acquisition ranges."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from hyrisk_desktop.findings import Finding, Severity
from hyrisk_desktop.i18n import decimal, tr
from hyrisk_desktop.imaging.volume import CTVolume
from hyrisk_desktop.risk.json_checks import check_number


@dataclass(frozen=True, slots=True, eq=False)
class Novelty:
    """Statistics of the training features, kept in the bundle.

    Attributes:
        mean: [F] feature mean.
        whitening: [K, F] rows that turn a centred feature into K uncorrelated values of unit variance.
        threshold: distance above which an image is called unlike the training data (a high quantile
            of held-out training-like images).
        ranges: acquisition value -> (lowest, highest) in training; keys ``pixel_mm`` and ``increment_mm``.

    Raises:
        ValueError: a number is not finite, or shapes don't fit each other.
    """

    mean: NDArray[np.float32]
    whitening: NDArray[np.float32]
    threshold: float
    ranges: dict[str, tuple[float, float]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.mean.ndim != 1 or self.whitening.ndim != 2 or self.whitening.shape[1:] != self.mean.shape:
            raise ValueError("mean must be [F] and whitening [K, F]")
        # Against NaN every comparison is false: the guard would be silently off.
        if not (np.isfinite(self.mean).all() and np.isfinite(self.whitening).all()):
            raise ValueError("mean and whitening must be finite")
        check_number("threshold", self.threshold)
        for key, (low, high) in self.ranges.items():
            if check_number(key, low) > check_number(key, high):
                raise ValueError(f"the range of {key} must rise")

    def distance(self, features: NDArray[np.float32]) -> float:
        """Mahalanobis distance of [F] ``features``, divided by sqrt(K) so that about 1 is typical."""
        white = self.whitening @ (features - self.mean)
        return float(np.sqrt(np.mean(white**2)))


def told_apart(value: float, other: float) -> str:
    """``value`` with one decimal, or as many more as it takes to read differently from ``other``."""
    digits = next((d for d in range(1, 7) if f"{value:.{d}f}" != f"{other:.{d}f}"), 7)
    return decimal(value, f".{digits}f")


def novelty_findings(novelty: Novelty | None, features: NDArray[np.float32], volume: CTVolume) -> tuple[Finding, ...]:
    """Findings where the image or its acquisition lies outside what the model has seen.

    Args:
        novelty: what the model has seen, None where it does not know. features: [F] of the patch. volume: the exam.
    """
    if novelty is None:
        return ()
    found = []
    if (distance := novelty.distance(features)) > novelty.threshold:
        found.append(
            Finding(
                "unlike_training",
                Severity.WARNING,
                tr(
                    "This patch looks unlike the model's training data (distance {distance}, limit {limit}): "
                    "check the heart centre, and do not rely on the risk.",
                    distance=told_apart(distance, novelty.threshold),
                    limit=told_apart(novelty.threshold, distance),
                ),
            )
        )
    # Pixels need not be square, and either side may be one that no case had.
    actual = {"pixel_mm": volume.spacing_mm[:2], "increment_mm": volume.spacing_mm[2:]}
    names = {"pixel_mm": tr("pixel spacing"), "increment_mm": tr("slice increment")}
    for key, values in actual.items():
        low, high = novelty.ranges.get(key, (-np.inf, np.inf))
        # A hundredth of a millimetre is rounding, not another protocol.
        beyond = [value for value in values if not low - 0.01 <= value <= high + 0.01]
        for value in beyond[:1]:
            found.append(
                Finding(
                    f"{key.removesuffix('_mm')}_outside_training",
                    Severity.WARNING,
                    tr(
                        "The {name} of {value:.2f} mm lies outside the model's training range "
                        "({low:.2f} to {high:.2f} mm).",
                        name=names[key],
                        value=value,
                        low=low,
                        high=high,
                    ),
                )
            )
    return tuple(found)
