"""One exam at one centre -> everything measured there: the composition that the CLI, batches and replay share."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from hyrisk_desktop.calcium import (
    REGION_SIZE_XYZ,
    STANDARD,
    CalciumScores,
    HeartMarks,
    HeartRegion,
    Plaque,
    Region,
    ScoringProfile,
    WholeHeartScores,
    propose_heart,
    score_box,
    score_region,
    score_whole_heart,
)
from hyrisk_desktop.calcium.doubts import Doubt
from hyrisk_desktop.calcium.grading import consistency_findings
from hyrisk_desktop.findings import Finding, Severity
from hyrisk_desktop.i18n import tr
from hyrisk_desktop.imaging import CTVolume, Voxel, check_centre, check_volume
from hyrisk_desktop.risk.risk_reading import RiskReading
from hyrisk_desktop.standing import Standing, decisive_first, risk_standing, scores_standing, whole_heart_standing

if TYPE_CHECKING:
    from hyrisk_desktop.risk import Predictor

RISK_VALUES = ("risknet", "hyrisknet", "interval", "percentile", "by_grade")
"""What of `risk_numbers` says how large the risk is; the rest says whose it is."""
_ORDER = {Severity.UNFIT: 0, Severity.WARNING: 1, Severity.INFO: 2}


@dataclass(frozen=True, slots=True, eq=False)
class Measurement:
    """Scores, risk (None without a model) and findings, decisive ones first, of one centre and grade.

    ``whole_heart`` is None unless it was asked for.
    """

    centre: Voxel
    grade: float | None
    scores: CalciumScores
    risk: RiskReading | None
    findings: tuple[Finding, ...]
    whole_heart: WholeHeartScores | None = None

    @property
    def whole_heart_standing(self) -> Standing:
        """Whether the whole-heart score may be shown."""
        return whole_heart_standing(self.findings)

    @property
    def risk_standing(self) -> Standing:
        """Whether the risk may be shown."""
        return risk_standing(self.findings)

    @property
    def scores_standing(self) -> Standing:
        """Whether the scores may be shown."""
        return scores_standing(self.findings)


@dataclass(frozen=True, slots=True, eq=False)
class Survey:
    """What a centre (or a drawn box alone) shows without a model.

    Attributes:
        centre: (x, y, z) in voxels, None where only a box was drawn. grade: 0 to 3.
        scores: of the region around the centre, or of the box.
        region_agatston: of the region that models are trained on, whatever is scored; 0 without a centre.
        region_withheld: whether that score is withheld for what is in that region.
        scan, around: findings of the whole scan, and of the surroundings of the centre.
        whole_heart: the whole-heart score, None unless it was asked for.
    """

    centre: Voxel | None
    grade: float | None
    scores: CalciumScores
    region_agatston: float
    scan: tuple[Finding, ...]
    around: tuple[Finding, ...]
    whole_heart: WholeHeartScores | None = None
    region_withheld: bool = False


def survey(
    volume: CTVolume,
    centre: Voxel | None,
    grade: float | None,
    *,
    region: Voxel = REGION_SIZE_XYZ,
    box: Region | None = None,
    profile: ScoringProfile = STANDARD,
    excluded: Collection[Voxel] = (),
    also: tuple[Finding, ...] = (),
    scan: tuple[Finding, ...] | None = None,
    whole: bool = True,
    heart: HeartMarks | None = None,
) -> Survey:
    """The half of `measure` that needs no model, with the same arguments.

    Args:
        grade, region, profile, excluded, also: as there.
        centre: None only with a ``box``.
        scan: findings of the whole scan where they are known already; None: the scan is checked.
        whole: False where of the pixels only those around ``centre`` were read.
        heart: as there.

    Raises:
        InputError: the centre lies outside the volume. ValueError: neither centre nor box, or a whole heart without a centre.
    """
    if box is not None:
        scores = score_box(volume, box, centre=centre, profile=profile, excluded=excluded)
    elif centre is not None:
        scores = score_region(volume, centre, size_xyz=region, profile=profile, excluded=excluded)
    else:
        raise ValueError("a survey needs a centre or a box")
    # The region that models are trained on, whatever is shown.
    agatston, withheld = 0.0, False
    if centre is not None and volume.contains(centre):
        usual = box is None and (profile, region) == (STANDARD, REGION_SIZE_XYZ)
        fed = scores if usual else score_region(volume, centre, excluded=excluded)
        agatston, withheld = fed.agatston, scores_standing(fed.findings).withheld
    if scan is None:
        scan = (*volume.findings, *check_volume(volume, pixels=whole))
    around = () if centre is None else check_centre(volume, centre, region=region)
    hearts = None
    if heart is not None:
        if centre is None:
            raise ValueError("a whole heart needs a centre")
        hearts = measure_heart(volume, centre, profile=profile, marks=heart, excluded=excluded)
    return Survey(centre, grade, scores, agatston, (*scan, *also), around, hearts, withheld)


def measure_heart(
    volume: CTVolume,
    centre: Voxel,
    *,
    profile: ScoringProfile = STANDARD,
    marks: HeartMarks,
    excluded: Collection[Voxel] = (),
    outline: HeartRegion | None = None,
) -> WholeHeartScores:
    """The whole-heart score of ``volume`` around ``centre`` (x, y, z).

    Args:
        profile: how lesions are found and weighted. marks: what the reader said of its plaques.
        excluded: voxels that the reader took out of the score region; their plaques don't count here either.
        outline: of the heart, where it was proposed already.

    Raises:
        InputError: the centre lies outside the volume, or there is no such vessel.
    """
    heart = propose_heart(volume, centre) if outline is None else outline
    return mark_heart(score_whole_heart(volume, heart, profile=profile), marks, excluded)


def mark_heart(scores: WholeHeartScores, marks: HeartMarks, excluded: Collection[Voxel] = ()) -> WholeHeartScores:
    """The same plaques with what the reader says of them now; no pixel is read.

    Args:
        scores: with whatever was said before. marks, excluded: as of `measure_heart`.

    Raises:
        InputError: there is no such vessel.
    """
    said = scores.marked(taken=dict(marks.taken), counted=marks.counted, excluded=marks.excluded.union(excluded))
    return replace(said, marks=marks)


def conclude(surveyed: Survey, risk: RiskReading | None) -> Measurement:
    """The measurement that a survey at a centre and the model's answer make."""
    s = surveyed
    assert s.centre is not None
    findings = collect_findings(
        s.scan, s.around, s.scores, s.grade, risk, s.whole_heart, region_withheld=s.region_withheld
    )
    return Measurement(s.centre, s.grade, s.scores, risk, findings, s.whole_heart)


def measure(
    volume: CTVolume,
    centre: Voxel,
    grade: float | None,
    predictor: Predictor | None,
    *,
    region: Voxel = REGION_SIZE_XYZ,
    box: Region | None = None,
    profile: ScoringProfile = STANDARD,
    excluded: Collection[Voxel] = (),
    also: tuple[Finding, ...] = (),
    heart: HeartMarks | None = None,
) -> Measurement:
    """Score and predict at ``centre`` (x, y, z).

    Args:
        profile: how lesions are found and weighted.
        grade: 0 to 3, or None for the image-only risk.
        predictor: the model, or None to score calcium only.
        region: size of the score region in voxels; ``box``: scored instead of it.
        excluded: voxels whose lesions do not count.
        also: findings that the caller knows of, such as another model than the chosen one.
        heart: score the whole heart as well, with these marks of a reader; None: don't.

    Raises:
        InputError: the centre lies outside the volume, or the grade outside 0 to 3.
        BundleError: the model's answer is not a number.
    """
    surveyed = survey(
        volume, centre, grade, region=region, box=box, profile=profile, excluded=excluded, also=also, heart=heart
    )
    risk = None
    if predictor is not None:
        risk = predictor.predict(volume, centre, grade, agatston=surveyed.region_agatston)
    return conclude(surveyed, risk)


def collect_findings(
    scan: tuple[Finding, ...],
    centre: tuple[Finding, ...],
    scores: CalciumScores | None,
    grade: float | None,
    risk: RiskReading | None,
    whole_heart: WholeHeartScores | None = None,
    *,
    region_withheld: bool = False,
) -> tuple[Finding, ...]:
    """Everything that qualifies the numbers, one finding per code: what withholds a number first, then the worst first.

    Args:
        scan, centre: findings of the whole scan and around the heart centre.
        scores, grade, risk, whole_heart: what else is there; None where it is not.
        region_withheld: as of `Survey`.
    """
    found = [*scan, *centre]
    if scores is not None:
        if scores.drawn:
            # The region around the centre is not what is scored then.
            found = [f for f in found if f.code != "region_outside"]
        found += scores.findings
        found += consistency_findings(grade, scores.agatston, drawn=scores.drawn)
    if risk is not None:
        found += risk.findings
        if region_withheld and risk.score_input == "agatston" and risk.agatston is not None:
            found.append(_fed_a_withheld_score())
    if whole_heart is not None:
        found += whole_heart.findings
    unique: dict[str, Finding] = {}
    for finding in found:
        unique.setdefault(finding.code, finding)
    told = _without_withheld_scores(unique.values())
    return decisive_first(sorted(told, key=lambda finding: _ORDER[finding.severity]))


def _fed_a_withheld_score() -> Finding:
    message = tr(
        "This model reads the region Agatston, which is withheld here: exclude what is no coronary calcium, or use a model that reads the grade."
    )
    return Finding("fed_score_withheld", Severity.WARNING, message)


def _without_withheld_scores(findings: Collection[Finding]) -> Iterator[Finding]:
    """``findings``; those that tell an Agatston score say the same without it where such scores are withheld."""
    words = {}
    if scores_standing(findings).withheld:
        words["grade_disagrees"] = tr(
            "The grade does not fit the calcium that is found: check the grade and the centre."
        )
        words["calcium_nearby"] = tr(
            "Just outside the score region lies calcium that is not counted: check the centre."
        )
    if whole_heart_standing(findings).withheld:
        words["heart_doubted"] = tr(
            "Calcium lies at the aortic root, a valve or inside the heart and is not counted in the whole-heart score. Take "
            "what is coronary."
        )
    for finding in findings:
        yield replace(finding, message=words.get(finding.code, finding.message))


def calcium_numbers(scores: CalciumScores) -> dict[str, Any]:
    """The scores without their lesions, under the names of the JSON document."""
    return {
        "profile": scores.profile,
        "region_voxels_xyz": list(scores.region.size_xyz),
        "region_mm_xyz": list(scores.region_mm),
        "agatston": scores.agatston,
        "category": scores.category,
        "volume_mm3": scores.volume_mm3,
        "sqrt_volume": scores.sqrt_volume,
    }


def whole_heart_numbers(scores: WholeHeartScores) -> dict[str, Any]:
    """The whole-heart score under the names of the JSON document.

    What noise alone may be is counted and not listed. A vessel's row is marked while a plaque of it is there by
    its place alone.
    """
    doubted = [plaque for plaque in scores.groups if not plaque.counted]
    noise = [plaque for plaque in doubted if plaque.reason is Doubt.NOISE]
    return {
        "agatston": scores.agatston,
        "category": scores.category,
        "volume_mm3": scores.volume_mm3,
        "sqrt_volume": scores.sqrt_volume,
        "lesions": len(scores.counted),
        "cac_drs": scores.cac_drs,
        "extent": scores.extent,
        "suggested_extent": scores.suggested_extent,
        "vessels": [
            {"vessel": row.vessel, "agatston": row.agatston, "volume_mm3": row.volume_mm3, "lesions": row.lesions}
            | ({"suggested": True} if row.suggested else {})
            for row in scores.vessels
        ],
        "plaques": [_plaque(plaque) for plaque in scores.counted],
        "not_counted": [
            _plaque(plaque) | {"reason": str(plaque.reason)} for plaque in doubted if plaque.reason is not Doubt.NOISE
        ],
        "noise": {"lesions": len(noise), "agatston": math.fsum(plaque.agatston for plaque in noise)},
    }


def _plaque(plaque: Plaque) -> dict[str, Any]:
    return {
        "voxel_xyz": list(plaque.id),
        "slices": list(plaque.slices),
        "center_xyz": list(plaque.center_xyz),
        "agatston": plaque.agatston,
        "volume_mm3": plaque.volume_mm3,
        "max_hu": plaque.max_hu,
        "vessel": plaque.vessel,
        "suggested_vessel": plaque.suggested,
    }


def risk_numbers(risk: RiskReading) -> dict[str, Any]:
    """The risk under the names of the JSON document."""
    return {
        "model": risk.model,
        "sha256": risk.sha256,
        "bundle_sha256": risk.bundle_sha256,
        "demonstration": risk.demonstration,
        "risknet": risk.risknet,
        "hyrisknet": risk.hyrisknet,
        "interval": list(risk.interval),
        "interval_covers": list(risk.interval_covers),
        "percentile": risk.percentile,
        # A model that takes the Agatston score has no risk by grade.
        "by_grade": list(risk.by_grade) or None,
        "score_input": risk.score_input,
        "calibrated": risk.calibrated,
        "prevalence": risk.prevalence,
        "horizon": risk.horizon,
        "device": risk.device,
    }


def numbers(
    scores: CalciumScores | None, risk: RiskReading | None, whole_heart: WholeHeartScores | None = None
) -> dict[str, Any]:
    """What a read keeps of its results, and what a replay must find again.

    Args:
        scores, risk, whole_heart: of a `Measurement`; None where there is none.
    """
    kept: dict[str, Any] = {
        "calcium": None if scores is None else calcium_numbers(scores),
        "risk": None if risk is None else risk_numbers(risk),
    }
    if whole_heart is not None:
        every = whole_heart_numbers(whole_heart)
        # Of the plaques the marks are kept, from which they follow.
        kept["whole_heart"] = {k: v for k, v in every.items() if k not in ("plaques", "not_counted", "noise")}
    return kept
