"""The whole heart and its vessels as groups of a structured report (TID 1501)."""

from __future__ import annotations

from highdicom.sr import FindingSite, MeasurementsAndQualitativeEvaluations, TrackingIdentifier

from hyrisk_desktop.calcium import VesselScore
from hyrisk_desktop.exchange.reports import codes as c
from hyrisk_desktop.exchange.reports.report import Report
from hyrisk_desktop.exchange.reports.source_images import new_uid
from hyrisk_desktop.exchange.reports.sr_items import coronary, number, reasons, state, text, yes_no


def heart_groups(report: Report) -> list[MeasurementsAndQualitativeEvaluations]:
    """The whole-heart score, and each vessel that holds calcium; a suggested vessel says that it is one. Empty without a score."""
    m = report.measurement
    heart, standing = m.whole_heart, m.whole_heart_standing
    if heart is None:
        return []
    numbers = [
        number(c.WHOLE_HEART, heart.agatston, method=c.AGATSTON_METHOD),
        number(c.WHOLE_HEART_VOLUME, heart.volume_mm3, c.MM3),
        number(c.WHOLE_HEART_SQRT, heart.sqrt_volume),
    ]
    whole = MeasurementsAndQualitativeEvaluations(
        tracking_identifier=TrackingIdentifier(uid=new_uid(), identifier="Whole heart"),
        finding_type=c.VASCULAR_CALCIFICATION,
        finding_sites=coronary(),
        measurements=None if standing.withheld else numbers,
        qualitative_evaluations=[state(standing)],
    )
    said = [] if standing.withheld else [text(c.CAC_DRS, heart.cac_drs)]
    whole[0].ContentSequence.extend([*said, *reasons(standing)])
    vessels = [] if standing.withheld else [row for row in heart.vessels if row.lesions]
    return [whole, *(_vessel_group(row) for row in vessels)]


def _vessel_group(row: VesselScore) -> MeasurementsAndQualitativeEvaluations:
    sites = [FindingSite(c.VESSELS[row.vessel])] if row.vessel in c.VESSELS else coronary()
    return MeasurementsAndQualitativeEvaluations(
        tracking_identifier=TrackingIdentifier(uid=new_uid(), identifier=f"Vessel {row.vessel}"),
        finding_type=c.VASCULAR_CALCIFICATION,
        finding_sites=sites,
        measurements=[
            number(c.AGATSTON_SCORE, row.agatston, method=c.AGATSTON_METHOD),
            number(c.CALCIUM_VOLUME, row.volume_mm3, c.MM3),
        ],
        qualitative_evaluations=[yes_no(c.SUGGESTED, row.suggested > 0)],
    )
