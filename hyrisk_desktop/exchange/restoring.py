"""From a report of ours back to the reading it tells of: everything is checked before anything is handed out.

The report says what was judged (heart centre, grade, exclusions, box, profile) and what came of it. The judgement is
restored; the numbers are measured anew on the exam's own pixels, and where they are not those of the report, that is said.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from hyrisk_desktop.calcium import (
    NO_MARKS,
    HeartMarks,
    HeartRegion,
    Region,
    component_voxels,
    get_profile,
    propose_heart,
)
from hyrisk_desktop.calcium.grading import check_grade
from hyrisk_desktop.calcium.region import REGION_SIZE_XYZ
from hyrisk_desktop.errors import ExamError, HyRiskError
from hyrisk_desktop.exchange import dicom_values as v
from hyrisk_desktop.exchange.exports import report_of
from hyrisk_desktop.exchange.reports.our_objects import HEAD_BYTES, SEG_CLASS, our_objects, reports_in
from hyrisk_desktop.exchange.reports.report import Report, percent
from hyrisk_desktop.exchange.reports.segmentation import REGION, masks, read_segmentation, region_mask
from hyrisk_desktop.exchange.reports.source_images import image_uids, source_images
from hyrisk_desktop.exchange.reports.structured_report_reader import ReadBack, read_report
from hyrisk_desktop.i18n import tr, trn
from hyrisk_desktop.imaging import CTVolume, SeriesRecord, Voxel
from hyrisk_desktop.imaging.records import dicom_series_uid
from hyrisk_desktop.jobs import Check, no_check
from hyrisk_desktop.measurement import Measurement, calcium_numbers, conclude, measure_heart, risk_numbers, survey
from hyrisk_desktop.risk.risk_reading import RiskReading
from hyrisk_desktop.standing import SHOWN, Standing

# Another device or another number of threads changes the last digits; no display shows so many.
_SAME_RISK = 1e-4


@dataclass(frozen=True, slots=True, eq=False)
class Restored:
    """A reading as its report tells it, checked against the exam.

    Attributes:
        path: of the report. report: what it says.
        whole_heart: whether the whole heart was scored. heart: what the reader said of its plaques.
        excluded: all voxels of the excluded lesions. box: None for the usual region around the centre.
        notes: what the reader should know, one sentence each: numbers that are not the same any more, and the like.
    """

    path: Path
    report: ReadBack
    centre: Voxel
    grade: float | None
    excluded: frozenset[Voxel]
    box: Region | None
    profile: str
    notes: tuple[str, ...]
    whole_heart: bool = False
    heart: HeartMarks = NO_MARKS


# --- restoring


def report_of_segmentation(path: Path) -> Path:
    """The structured report beside ``path`` that refers to it.

    Raises:
        ExamError: the segmentation can't be used, or there is no such report.
    """
    uid = read_segmentation(path).sop_instance_uid
    for candidate in reports_in([path.parent], {path}):
        try:
            if read_report(candidate).segmentation_uid == uid:
                return candidate
        except ExamError:
            continue
    raise ExamError(
        "no_report",
        tr("This segmentation has no report beside it. Choose the structured report (SR) that goes with it."),
    )


def restore(
    path: Path,
    record: SeriesRecord,
    volume: CTVolume,
    check: Check = no_check,
    outlines: dict[Voxel, HeartRegion] | None = None,
) -> Restored:
    """Read the report at ``path``, and the segmentation it refers to where that lies beside it, and check both.

    Args:
        record: what ``volume`` was read from.
        outlines: of the heart, by centre, that were proposed in this volume already; what is proposed here is added.

    Raises:
        ExamError: report or segmentation is damaged, was changed, is another program's, belongs to another exam or
            patient, or does not fit the images.
    """
    report = read_report(path)
    _require_exam(report, record, volume)
    check()
    found = _reading(path, report, volume)
    m = _measured(found, volume, {} if outlines is None else outlines)
    check()
    notes = [*_region_notes(report, found), *_differences(report, m), *_heart_notes(report, m)]
    notes += _segmentation_notes(path, report, report_of(record, volume, m, None), check)
    profile = get_profile(found.profile)
    left_out = [component_voxels(volume, lesion, profile) for lesion in m.scores.lesions if lesion.excluded]
    return replace(found, excluded=found.excluded.union(*left_out), notes=tuple(notes))


def _require_exam(report: ReadBack, record: SeriesRecord, volume: CTVolume) -> None:
    report.require_series(dicom_series_uid(volume.series_uid))
    if report.images.isdisjoint(image_uids(record)):
        # Phases or reconstructions under one UID: the report's voxels are other places in each.
        message = tr("This report is about other images of this series; open those, then restore it.")
        raise ExamError("other_exam", message)
    patient = v.long_text(volume.attributes.get("PatientID", ""))
    if report.patient_id and patient and report.patient_id != patient:
        raise ExamError("other_patient", tr("This report names another patient than the exam and was not used."))


def _reading(path: Path, report: ReadBack, volume: CTVolume) -> Restored:
    misfit = ExamError("misfit", tr("This report doesn't fit the images of the exam and was not used."))
    asked = Region.around(report.centre)
    start, size = report.region_start, report.region_size
    region = Region(start, (start[0] + size[0], start[1] + size[1], start[2] + size[2]))
    if min(size) < 1 or min(region.clipped(volume).size_xyz) < 1:
        raise misfit
    if not volume.contains(report.centre) or not all(volume.contains(lesion.peak) for lesion in report.lesions):
        raise misfit
    try:
        grade = None if report.grade is None else check_grade(report.grade)
    except HyRiskError as e:
        raise misfit from e
    box = region if report.drawn or region != asked else None
    heart = report.whole_heart
    marks = NO_MARKS if heart is None or heart.marks is None else heart.marks
    return Restored(
        path, report, report.centre, grade, report.excluded, box, report.profile, (),
        whole_heart=heart is not None, heart=marks,
    )  # fmt: skip


def _measured(found: Restored, volume: CTVolume, outlines: dict[Voxel, HeartRegion]) -> Measurement:
    profile = get_profile(found.profile)
    surveyed = survey(
        volume, found.centre, found.grade, box=found.box, profile=profile, excluded=found.excluded, whole=False
    )
    if found.whole_heart:
        outline = outlines.setdefault(found.centre, outlines.get(found.centre) or propose_heart(volume, found.centre))
        scores = measure_heart(
            volume, found.centre, profile=profile, marks=found.heart, excluded=found.excluded, outline=outline
        )
        surveyed = replace(surveyed, whole_heart=scores)
    return conclude(surveyed, None)


def _region_notes(report: ReadBack, found: Restored) -> list[str]:
    if report.drawn or found.box is None:
        return []
    w, h, d = report.region_size
    usual = " × ".join(map(str, REGION_SIZE_XYZ))
    return [
        tr("The report's region of {w} × {h} × {d} voxels isn't the usual one ({usual}); it is shown as a box.",
           w=w, h=h, d=d, usual=usual)
    ]  # fmt: skip


def _differences(report: ReadBack, m: Measurement) -> list[str]:
    """Scores that are not the report's any more."""
    scores, now = m.scores, calcium_numbers(m.scores)
    words = {
        "agatston": tr("Agatston score"),
        "volume_mm3": tr("volume score"),
        "sqrt_volume": tr("square root of the volume"),
    }
    said = [
        tr(
            "The {name} is {now:.2f} now; the report says {then:.2f}.",
            name=word,
            now=now[key],
            then=report.calcium[key],
        )
        for key, word in words.items()
        # Of what was withheld there is no number to compare with, and what is withheld is not told.
        if report.calcium[key] is not None
        and not m.scores_standing.withheld
        and not math.isclose(now[key], report.calcium[key], rel_tol=1e-9, abs_tol=1e-9)
    ]
    if {lesion.peak for lesion in scores.lesions} != {lesion.peak for lesion in report.lesions}:
        said.append(
            trn(
                "{n} lesion is found now; the report lists {m}.",
                "{n} lesions are found now; the report lists {m}.",
                len(scores.lesions),
                m=len(report.lesions),
            )
        )
    return said


def _heart_notes(report: ReadBack, m: Measurement) -> list[str]:
    """A whole-heart score that is not the report's, and why that may be."""
    then, now = report.whole_heart, m.whole_heart
    if then is None or now is None or then.agatston is None or m.whole_heart_standing.withheld:
        return []
    if math.isclose(now.agatston, then.agatston, rel_tol=1e-9, abs_tol=1e-9):
        return []
    said = tr(
        "The whole-heart score is {now:.2f} now; the report says {then:.2f}.", now=now.agatston, then=then.agatston
    )
    if then.marks is None:
        said += " " + tr("A report of that version does not hold what its reader said of the plaques; say it again.")
    return [said]


def _segmentation_notes(path: Path, report: ReadBack, now: Report, check: Check) -> list[str]:
    if not report.segmentation_uid:
        return []
    beside = _segmentation_beside(path, report.segmentation_uid, now.record, check)
    if beside is None:
        return [tr("The report's segmentation doesn't lie beside it.")]
    try:
        then = read_segmentation(beside).masks(source_images(now.record, now.volume))
    except ExamError as e:
        message = tr("The segmentation beside the report is damaged, was changed or doesn't fit: nothing was restored.")
        raise ExamError(e.code, message) from e
    here = masks(now) | {REGION: region_mask(now)}
    if all(segment in here and np.array_equal(mask, here[segment]) for segment, mask in then.items()):
        return []
    return [tr("The calcifications outlined in the segmentation are not the ones counted now.")]


def _segmentation_beside(path: Path, uid: str, record: SeriesRecord, check: Check) -> Path | None:
    """The file beside ``path`` that is the SEG ``uid``; found by its bytes, as a damaged one must not go unnoticed."""
    for candidate, sop_class in our_objects([path.parent], {path, *record.files}, check):
        if sop_class == SEG_CLASS:
            with open(candidate, "rb") as stream:
                if uid.encode() in stream.read(HEAD_BYTES):
                    return candidate
    return None


# --- the risk, once it has been computed anew


def model_notes(report: ReadBack, model: tuple[str, str] | None) -> list[str]:
    """What to say where the report's risk is not of the model in use (name, hash): its number is history then."""
    risk = report.risk
    if risk is None:
        return []
    name, sha = v.plain(risk["model"]), str(risk["bundle_sha256"] or risk["sha256"])
    if model is None:
        return [tr("The report's risk came from {name} ({sha}); no model can be used now.", name=name, sha=sha[:8])]
    if sha in (model[1], ""):
        return []
    return [
        tr("The report's risk came from another model, {name} ({sha}); the risk shown is that of {now} ({other}).",
           name=name, sha=sha[:8], now=model[0], other=model[1][:8])
    ]  # fmt: skip


def risk_notes(report: ReadBack, reading: RiskReading, standing: Standing = SHOWN) -> list[str]:
    """What to say where the same model gives another risk than the report's.

    Args:
        reading, standing: the risk of now, and whether it may be told.
    """
    then = report.risk
    if then is None or then["bundle_sha256"] != reading.bundle_sha256 or then["risknet"] is None:
        return []
    if then["prevalence"] != reading.prevalence:
        return [
            tr("The report's risk assumed a prevalence of {then}, the risk shown assumes {now}.",
               then=percent(then["prevalence"], 1), now=percent(reading.prevalence, 1))
        ]  # fmt: skip
    if standing.withheld or _same_risks(then, risk_numbers(reading)):
        return []
    was = then["risknet"] if then["hyrisknet"] is None else then["hyrisknet"]
    return [
        tr("The risk is {now} now; the report says {then}, by the same model.", now=percent(reading.risk, 2),
           then=percent(was, 2))
    ]  # fmt: skip


def _same_risks(then: Mapping[str, Any], now: Mapping[str, Any]) -> bool:
    def flat(numbers: Mapping[str, Any]) -> list[float | None]:
        heads = [numbers[key] for key in ("risknet", "hyrisknet")]
        return [*heads, *numbers["interval"], *(numbers["by_grade"] or ())]

    one, other = flat(then), flat(now)
    return len(one) == len(other) and all(
        (a is None) == (b is None) and (a is None or b is None or math.isclose(a, b, abs_tol=_SAME_RISK, rel_tol=0))
        for a, b in zip(one, other, strict=True)
    )
