"""Grade and risk in a structured report: one group with the few numbers that a viewer prints, and a container with the others."""

from __future__ import annotations

from highdicom.sr import (
    AlgorithmIdentification,
    ContainerContentItem,
    Measurement,
    PlanarROIMeasurementsAndQualitativeEvaluations,
    RelationshipTypeValues,
)
from highdicom.sr import (
    ContentSequence as Content,
)

from hyrisk_desktop.calcium import Region
from hyrisk_desktop.exchange import dicom_values as v
from hyrisk_desktop.exchange.reports import codes as c
from hyrisk_desktop.exchange.reports.report import Report
from hyrisk_desktop.exchange.reports.source_images import SourceImages
from hyrisk_desktop.exchange.reports.sr_items import coronary, number, percent, reasons, state, text, tracking, yes_no
from hyrisk_desktop.exchange.reports.sr_regions import box_region
from hyrisk_desktop.risk.risk_reading import RiskReading


def judgement_groups(report: Report, source: SourceImages) -> list[PlanarROIMeasurementsAndQualitativeEvaluations]:
    """Grade and risk with the outline of the model's patch on the slice of the heart centre; empty without either.

    They are one group, as two with one outline are printed over each other.
    """
    m = report.measurement
    if m.grade is None and m.risk is None:
        return []
    risk, standing = m.risk, m.risk_standing
    shown = [] if risk is None or standing.withheld else _headline(risk)
    patch = Region.around(m.centre, report.patch_xyz).clipped(report.volume)
    group = PlanarROIMeasurementsAndQualitativeEvaluations(
        tracking_identifier=tracking(report, "Grade and risk"),
        referenced_region=box_region(source, m.centre[2], patch),
        finding_type=c.VASCULAR_CALCIFICATION if risk is None else c.RISK_READING,
        finding_sites=coronary() if risk is None else None,
        algorithm_id=None if risk is None else AlgorithmIdentification(
            name=v.plain(risk.model) or "unnamed", version=risk.sha256, family=c.ARTIFICIAL_INTELLIGENCE
        ),
        measurements=[*([] if m.grade is None else [number(c.GRADE, m.grade)]), *shown] or None,
        qualitative_evaluations=None if risk is None else [
            yes_no(c.CALIBRATED, risk.calibrated), yes_no(c.DEMONSTRATION, risk.demonstration), state(standing)
        ],
    )  # fmt: skip
    if risk is not None:
        group[0].ContentSequence.extend([*_said(risk), *reasons(standing)])
    return [group]


def _headline(risk: RiskReading) -> list[Measurement]:
    low, high = risk.interval
    ends = c.interval_ends(risk.interval_covers)
    head = percent(c.RISKNET, risk.risknet) if risk.hyrisknet is None else percent(c.HYRISKNET, risk.hyrisknet)
    return [head, percent(ends[0], low), percent(ends[1], high)]


def _said(risk: RiskReading) -> list[Content]:
    said = {
        c.HORIZON: c.NO_HORIZON if risk.horizon is None else v.plain(risk.horizon),
        c.WEIGHTS_HASH: risk.sha256,
        c.BUNDLE_HASH: risk.bundle_sha256,
        c.SCORE_INPUT: risk.score_input,
        c.DEVICE: risk.device,
        c.COVERED: " ".join(risk.interval_covers),
    }
    return [text(concept, words) for concept, words in said.items() if words]


def further_numbers(report: Report) -> list[ContainerContentItem]:
    """What else the model answered, in a container outside of the groups that viewers print; empty without a model."""
    risk = report.measurement.risk
    if risk is None:
        return []
    numbers = [percent(c.PREVALENCE, risk.prevalence)]
    if not report.measurement.risk_standing.withheld:
        numbers += [
            *([] if risk.hyrisknet is None else [percent(c.RISKNET, risk.risknet)]),
            *([] if risk.percentile is None else [number(c.PERCENTILE, risk.percentile, c.PERCENT)]),
            *(percent(code, value) for code, value in zip(c.BY_GRADE, risk.by_grade, strict=False)),
        ]
    container = ContainerContentItem(c.FURTHER, relationship_type=RelationshipTypeValues.CONTAINS)
    container.ContentSequence = [item for made in numbers for item in made]
    return [container]
