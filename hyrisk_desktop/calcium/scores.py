"""Region Agatston, volume score and its square root, with the lesions behind them."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hyrisk_desktop.calcium.lesions import Lesion, find_lesions
from hyrisk_desktop.calcium.nearby import agatston_nearby
from hyrisk_desktop.calcium.profiles import STANDARD, ScoringProfile
from hyrisk_desktop.calcium.region import REGION_SIZE_XYZ, Region
from hyrisk_desktop.errors import InputError
from hyrisk_desktop.findings import Finding, Severity
from hyrisk_desktop.i18n import tr, trn
from hyrisk_desktop.imaging.volume import CTVolume, Voxel

CATEGORY_UPPER_BOUNDS = (0.0, 10.0, 100.0, 400.0)
"""Rumberger's bins: {0}, (0,10], (10,100], (100,400], (400,inf); the last has no upper bound."""

MAX_REGION_MM = 200.0
"""Longest side of a region that holds a heart and not the whole chest; hearts measure 90 to 160 mm."""
MAX_LESION_MM2 = 1000.0
"""Largest connected area in one slice that is still taken for coronary calcium: a vertebral body has 1,000 to 1,800 mm2."""


@dataclass(frozen=True, slots=True, eq=False)
class CalciumScores:
    """The scores of one region of one series.

    Attributes:
        series_uid: the series the pixels came from; checked before the scores are shown.
        centre: heart centre (x, y, z), or None for a box that the reader drew.
        region: the box asked for; ``region_mm`` its size (x, y, z).
        profile: name of the scoring profile.
        agatston: unitless, corrected to a 3 mm increment by the standard profile.
        volume_mm3: counted voxels x voxel volume (Callister 1998).
        drawn: the reader drew the box, e.g. around the whole heart; else it is the region around the centre.
        lesions: all, the excluded ones too; totals hold only those not excluded.
        label_start: voxel of ``labels[0, 0, 0]``; ``labels`` [z, y, x] holds the lesion's index plus one.
    """

    series_uid: str
    centre: Voxel | None
    region: Region
    region_mm: tuple[float, float, float]
    profile: str
    drawn: bool
    agatston: float
    volume_mm3: float
    lesions: tuple[Lesion, ...]
    label_start: Voxel
    labels: NDArray[np.int32]
    findings: tuple[Finding, ...]

    @property
    def sqrt_volume(self) -> float:
        """Square root of the volume score."""
        return math.sqrt(self.volume_mm3)

    @property
    def category(self) -> int:
        """0 to 4, see `CATEGORY_UPPER_BOUNDS`."""
        return agatston_category(self.agatston)


def region_name(*, drawn: bool) -> str:
    """What a box is called in sentences."""
    return tr("whole-heart box") if drawn else tr("score region")


def agatston_category(agatston: float) -> int:
    """Index of the Rumberger bin that holds ``agatston`` (upper bounds belong to the bin below)."""
    return bisect_left(CATEGORY_UPPER_BOUNDS, agatston)


def category_bounds(category: int) -> str:
    """The bounds of a category as text, shown wherever a category shows, e.g. ``"10 < A ≤ 100"``."""
    return ("A = 0", "0 < A ≤ 10", "10 < A ≤ 100", "100 < A ≤ 400", "A > 400")[category]


def score_region(
    volume: CTVolume,
    centre: Voxel,
    *,
    size_xyz: tuple[int, int, int] = REGION_SIZE_XYZ,
    profile: ScoringProfile = STANDARD,
    excluded: Collection[Voxel] = (),
) -> CalciumScores:
    """Score the box of ``size_xyz`` voxels around the heart centre.

    Args:
        profile: how lesions are found and weighted.
        centre: voxel (x, y, z) inside ``volume``.
        excluded: voxels whose lesions do not count.

    Raises:
        InputError: ``centre`` lies outside the volume, or the region has no extent.
    """
    if not volume.contains(centre):
        depth, rows, columns = volume.shape_zyx
        raise InputError(
            "centre_outside",
            tr(
                "The heart centre {centre} lies outside the volume; x must be 0 to {x}, y 0 to {y}, z 0 to {z}.",
                centre=centre,
                x=columns - 1,
                y=rows - 1,
                z=depth - 1,
            ),
        )
    return _score(volume, Region.around(centre, size_xyz), centre, profile, excluded, drawn=False)


def score_box(
    volume: CTVolume,
    region: Region,
    *,
    centre: Voxel | None = None,
    profile: ScoringProfile = STANDARD,
    excluded: Collection[Voxel] = (),
) -> CalciumScores:
    """Score a box that the reader drew, e.g. around the whole heart.

    Args:
        volume: the exam. region: the box; what lies outside the volume is left out.
        centre: heart centre (x, y, z) that the scores shall name, None for none.
        profile: how lesions are found and weighted. excluded: voxels whose lesions do not count.
    """
    return _score(volume, region, centre, profile, excluded, drawn=True)


def _score(
    volume: CTVolume,
    region: Region,
    centre: Voxel | None,
    profile: ScoringProfile,
    excluded: Collection[Voxel],
    *,
    drawn: bool,
) -> CalciumScores:
    found = find_lesions(volume, region, profile, excluded)
    counted = [lesion for lesion in found.lesions if not lesion.excluded]
    agatston = math.fsum(lesion.agatston for lesion in counted)
    findings = _findings(found.lesions, found.cut_away, region, found.region, drawn=drawn)
    findings += _beyond_findings(region.size_mm(volume), counted)
    if not drawn:
        # Around a box that the reader drew, what lies outside was left there on purpose.
        findings += _nearby_findings(agatston, agatston_nearby(volume, region, profile, excluded))
    return CalciumScores(
        series_uid=volume.series_uid,
        centre=centre,
        region=region,
        region_mm=region.size_mm(volume),
        profile=profile.name,
        drawn=drawn,
        agatston=agatston,
        volume_mm3=math.fsum(lesion.volume_mm3 for lesion in counted),
        lesions=found.lesions,
        label_start=found.region.start,
        labels=found.labels,
        findings=findings,
    )


def _beyond_findings(size_mm: tuple[float, float, float], counted: Sequence[Lesion]) -> tuple[Finding, ...]:
    """Codes ``beyond_heart`` and ``bone_counted``: what was scored can't be coronary calcium alone."""
    findings = []
    if max(size_mm) > MAX_REGION_MM:
        message = tr(
            "The region measures {x:.0f} × {y:.0f} × {z:.0f} mm, more than a heart: bone and other calcium are counted with "
            "it. Choose a smaller one.",
            x=size_mm[0], y=size_mm[1], z=size_mm[2],
        )  # fmt: skip
        findings.append(Finding("beyond_heart", Severity.WARNING, message))
    largest = max((lesion.area_mm2 for lesion in counted), default=0.0)
    if largest > MAX_LESION_MM2:
        message = tr(
            "A counted area of {area:.0f} mm² is larger than calcium of a coronary artery: bone or contrast agent is counted. "
            "Exclude it, or choose a smaller region.",
            area=largest,
        )
        findings.append(Finding("bone_counted", Severity.WARNING, message))
    return tuple(findings)


def _nearby_findings(agatston: float, nearby: float) -> tuple[Finding, ...]:
    """Code ``calcium_nearby``: a warning where it would change the region's category, else a note."""
    if not nearby:
        return ()
    message = tr(
        "Just outside the score region lies calcium with an Agatston score of {agatston:.0f}, which is not counted: "
        "check the centre.",
        agatston=nearby,
    )
    changes = agatston_category(agatston + nearby) != agatston_category(agatston)
    return (Finding("calcium_nearby", Severity.WARNING if changes else Severity.INFO, message),)


def _findings(
    lesions: tuple[Lesion, ...], cut_away: int, asked: Region, inside: Region, *, drawn: bool
) -> tuple[Finding, ...]:
    findings = []
    name = region_name(drawn=drawn)
    if cut := cut_away + sum(lesion.cut_by_border and not lesion.excluded for lesion in lesions):
        findings.append(
            Finding(
                "lesion_cut",
                Severity.INFO,
                trn(
                    "The border of the {name} cuts {n} lesion; only the part inside is counted.",
                    "The border of the {name} cuts {n} lesions; only the part inside is counted.",
                    cut,
                    name=name,
                ),
            )
        )
    if asked != inside:
        findings.append(
            Finding(
                "region_outside",
                Severity.WARNING,
                tr("The {name} reaches outside the volume; calcium there can't be counted.", name=name),
            )
        )
    return tuple(findings)
