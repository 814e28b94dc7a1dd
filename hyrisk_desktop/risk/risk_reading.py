"""What a prediction answers: plain values that any layer may hold, without torch."""

from __future__ import annotations

from dataclasses import dataclass

from hyrisk_desktop.findings import Finding
from hyrisk_desktop.imaging.volume import Voxel
from hyrisk_desktop.risk.factors import FactorShare
from hyrisk_desktop.risk.spread import OF_VIEWS


@dataclass(frozen=True, slots=True)
class RiskReading:
    """One calibrated answer of one model for one centre and grade.

    Attributes:
        series_uid: the series the pixels came from; checked before the reading is shown.
        centre: heart centre (x, y, z) in voxels.
        grade: the CAC grade that went in (0 to 3, fractional allowed), or None.
        model: the bundle's name; ``sha256``: hash of its weights; ``bundle_sha256``: of weights and description, so that
            two calibrations of the same weights are told apart.
        demonstration: the model was trained on synthetic phantoms only.
        risknet: image-only risk in [0, 1].
        hyrisknet: risk from image and score, or None without the score that the model takes.
        interval: lowest and highest risk that is to be expected of what ``interval_covers``, of ``hyrisknet`` where there
            is one, else of ``risknet``; see `spread.COVERS` and `spread.OF_VIEWS`.
        percentile: share of the reference cohort with a lower risk, 0 to 100; None without a reference.
        by_grade: hyrisknet risk at grades 0, 1, 2, 3; empty for a model that takes the Agatston score instead.
        calibrated: whether the risks went through the bundle's calibration.
        prevalence: outcome prevalence that the calibrated risk assumes.
        findings: what the model noticed (unlike its training data, patch outside the volume).
        device: "cpu" or "cuda". engine: what ran the network, with its version; "" where that is not known.
        score_input: ``"grade"`` or ``"agatston"``; agatston: the region Agatston at the centre, where it was given.
        horizon: the time that the risk is about, as the model's training data have it; None where they have none.
        explained_by: what known factors add to the calibrated log odds, beside an average phantom, the largest first; empty
            for a model whose makers did not study it. explained: share of the image part that these make up among phantoms.
    """

    series_uid: str
    centre: Voxel
    grade: float | None
    model: str
    sha256: str
    demonstration: bool
    risknet: float
    hyrisknet: float | None
    interval: tuple[float, float]
    percentile: float | None
    by_grade: tuple[float, ...]
    calibrated: bool
    prevalence: float
    findings: tuple[Finding, ...]
    device: str
    bundle_sha256: str = ""
    score_input: str = "grade"
    agatston: float | None = None
    interval_covers: tuple[str, ...] = OF_VIEWS
    horizon: str | None = None
    explained_by: tuple[FactorShare, ...] = ()
    explained: float | None = None
    engine: str = ""

    @property
    def head(self) -> str:
        """The network that is headlined, and that the interval is of: ``"hyrisknet"`` where there is its score, else ``"risknet"``."""
        return "risknet" if self.hyrisknet is None else "hyrisknet"

    @property
    def risk(self) -> float:
        """The risk to headline: HyRiskNet's where there is its score, else RiskNet's."""
        return self.risknet if self.hyrisknet is None else self.hyrisknet
