"""What has changed between two exams at the same place of the heart, and by how much a number moves by itself."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from hyrisk_desktop.calcium import CORONARIES, NO_MARKS, REGION_SIZE_XYZ, WholeHeartScores
from hyrisk_desktop.comparison.noise import noise_of
from hyrisk_desktop.comparison.same_patient import days_between
from hyrisk_desktop.errors import ExamError, InputError
from hyrisk_desktop.findings import Finding, Severity
from hyrisk_desktop.i18n import tr
from hyrisk_desktop.imaging import CTVolume, SeriesRecord, Voxel, propose_centre
from hyrisk_desktop.imaging.registration import Registration, register
from hyrisk_desktop.measurement import Measurement, measure

if TYPE_CHECKING:
    from hyrisk_desktop.risk import Predictor

DAYS_A_YEAR = 365.25
FEWEST_DAYS = 30
"""Nearer together a change per year would be noise times a large number."""
POOR_MM = 5.0
"""A registration that leaves this much is told of."""
SCORES = ("agatston", "volume_mm3", "sqrt_volume")
HEART = {"heart_agatston": "agatston", "heart_volume_mm3": "volume_mm3", "heart_sqrt_volume": "sqrt_volume"}
"""Quantities of the whole heart, by their name in a comparison."""
RISKS = ("risknet", "hyrisknet")


@dataclass(frozen=True, slots=True)
class Change:
    """One quantity in both exams.

    Attributes:
        current, prior: None where there is none. difference: current less prior. per_year: the same per year; None where the dates don't say.
        noise: differences up to this are to be expected of two readings of one state, in 19 of 20; None where not known.
    """

    current: float | None
    prior: float | None
    difference: float | None
    per_year: float | None
    noise: float | None

    @property
    def beyond_noise(self) -> bool:
        """Whether it is more than two readings of one state would differ by."""
        return self.difference is not None and self.noise is not None and abs(self.difference) > self.noise


@dataclass(frozen=True, slots=True, eq=False)
class Comparison:
    """Both exams, measured at the same place.

    Attributes:
        current, prior: measurements. registration: how they lie. interval_days: None where a date is missing.
        changes: by quantity. findings: what makes a change mean little.
        prior_series_uid, prior_attributes: of the prior exam; DICOM keywords to text.
        prior_record: what it was read from, so that reports can refer to its images; None where nobody said.
    """

    current: Measurement
    prior: Measurement
    registration: Registration
    interval_days: int | None
    changes: Mapping[str, Change]
    findings: tuple[Finding, ...]
    prior_series_uid: str = ""
    prior_attributes: Mapping[str, str] = field(default_factory=dict)
    prior_record: SeriesRecord | None = None


def compare(
    current: CTVolume,
    prior: CTVolume,
    centre: Voxel | None = None,
    grade: float | None = None,
    prior_grade: float | None = None,
    predictor: Predictor | None = None,
    *,
    whole_heart: bool = False,
) -> Comparison:
    """Register, measure both exams at ``centre``, and say what has changed.

    Args:
        current, prior: exams of one patient. centre: heart centre in the current one; None to propose it.
        grade, prior_grade: visual grades of either. predictor: the model, or None for scores alone.
        whole_heart: score the whole heart of both as well, in outlines that nobody has looked at.

    Raises:
        InputError: the prior is the later one, or a centre lies outside. ExamError: no heart is found, or the exams don't fit together.
    """
    # Before minutes are spent on exams in the wrong order.
    days_between(current.attributes, prior.attributes)
    here = centre if centre is not None else _proposed(current)
    if not current.contains(here):
        # The registration around it would find no chest, and blame the exams.
        raise InputError("centre_outside", tr("The heart centre lies outside the volume; place it on the image."))
    there = propose_centre(prior)
    laid = register(current, prior, here, None if there is None else there.voxel)
    back = prior.mm_to_voxel(laid.to_prior(current.voxel_to_mm(here)))
    if not prior.contains(back):
        raise ExamError("centre_outside_prior", tr("The heart centre lies outside the prior exam."))
    heart = NO_MARKS if whole_heart else None
    now = measure(current, here, grade, predictor, heart=heart)
    then = measure(prior, back, prior_grade, predictor, region=same_region(current, prior), heart=heart)
    return changes_between(current, prior, now, then, laid)


def same_region(current: CTVolume, prior: CTVolume) -> Voxel:
    """Voxels (x, y, z) of the prior exam that are as large as the score region is in the current one; odd, so that it has a middle.

    A region of 65 x 65 x 5 voxels is 16 mm long in one scan and 6 mm in another: what lies outside of it has not gone.
    """
    sizes = (
        2 * int(count * now / then / 2) + 1
        for count, now, then in zip(REGION_SIZE_XYZ, current.spacing_mm, prior.spacing_mm, strict=True)
    )
    x, y, z = sizes
    return x, y, z


def changes_between(
    current: CTVolume, prior: CTVolume, now: Measurement, then: Measurement, laid: Registration
) -> Comparison:
    """What has changed between two exams that are registered and measured.

    Args:
        current, prior: exams of one patient. now, then: measured in either, at the same place of the heart. laid: how they lie.

    Raises:
        InputError: the prior is the later one.
    """
    days = days_between(current.attributes, prior.attributes)
    noise = noise_of(current, prior, now, then, laid)
    changes = {
        name: _change(a, b, days, noise.get(name))
        for name, a, b in (
            *_heart_pairs(now, then),
            *_score_pairs(now, then),
            ("grade", now.grade, then.grade),
            *_risk_pairs(now, then),
        )
    }
    found = tuple(_findings(current, prior, laid))
    return Comparison(now, then, laid, days, changes, found, prior.series_uid, prior.attributes)


def _proposed(volume: CTVolume) -> Voxel:
    found = propose_centre(volume)
    if found is None:
        raise ExamError(
            "no_heart", tr("No chest is found in the current exam; give the heart centre with --center X Y Z.")
        )
    return found.voxel


def _score_pairs(now: Measurement, then: Measurement) -> Iterator[tuple[str, float | None, float | None]]:
    """Scores that are not withheld."""
    for name in SCORES:
        a, b = (None if m.scores_standing.withheld else float(getattr(m.scores, name)) for m in (now, then))
        yield name, a, b


def _heart_pairs(now: Measurement, then: Measurement) -> Iterator[tuple[str, float | None, float | None]]:
    """Whole-heart scores that are not withheld; nothing where neither exam was asked for one."""
    if now.whole_heart is None and then.whole_heart is None:
        return
    hearts = [None if m.whole_heart_standing.withheld else m.whole_heart for m in (now, then)]
    for name, own in HEART.items():
        a, b = (None if heart is None else float(getattr(heart, own)) for heart in hearts)
        yield name, a, b
    for vessel in CORONARIES:
        a, b = (None if heart is None else _in_vessel(heart, vessel) for heart in hearts)
        yield f"heart_{vessel.lower()}", a, b


def _in_vessel(heart: WholeHeartScores, vessel: str) -> float:
    """Agatston score of what is counted in one vessel."""
    return next(row.agatston for row in heart.vessels if row.vessel == vessel)


def _risk_pairs(now: Measurement, then: Measurement) -> Iterator[tuple[str, float | None, float | None]]:
    for name in RISKS:
        a, b = (None if m.risk is None or m.risk_standing.withheld else getattr(m.risk, name) for m in (now, then))
        yield name, a, b


def _change(current: float | None, prior: float | None, days: int | None, noise: float | None) -> Change:
    difference = None if current is None or prior is None else current - prior
    per_year = None
    if difference is not None and days is not None and days >= FEWEST_DAYS:
        per_year = difference * DAYS_A_YEAR / days
    return Change(current, prior, difference, per_year, noise if difference is not None else None)


def _findings(current: CTVolume, prior: CTVolume, laid: Registration) -> Iterator[Finding]:
    kernels = [volume.attributes.get("ConvolutionKernel", "") for volume in (current, prior)]
    if kernels[0] != kernels[1]:
        message = tr("The kernels differ ({now}, {then}): a change of calcium or risk may be theirs.",
                     now=kernels[0] or "?", then=kernels[1] or "?")  # fmt: skip
        yield Finding("kernels_differ", Severity.WARNING, message)
    steps = [volume.spacing_mm[2] for volume in (current, prior)]
    if abs(steps[0] - steps[1]) > 0.1:
        message = tr("The slice increments differ ({now:.2f} and {then:.2f} mm): small lesions count differently.",
                     now=steps[0], then=steps[1])  # fmt: skip
        yield Finding("increments_differ", Severity.WARNING, message)
    if not laid.residual_mm <= POOR_MM:
        message = tr("The exams don't lie well onto each other; check that both numbers are of the same place.")
        yield Finding("registration_poor", Severity.WARNING, message)
