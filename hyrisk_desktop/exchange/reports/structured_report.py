"""A reading as DICOM SR: a measurement report by template TID 1500 of PS3.16, the one that viewers show.

Three kinds of groups: the score region with its scores (TID 1411), visual grade and risk (TID 1501), and one group per lesion
with its outline on the very image (TID 1410). Numbers are stored in full precision beside the decimal text.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pydicom
from highdicom.coding_schemes import CodingSchemeIdentificationItem
from highdicom.sr import (
    AlgorithmIdentification,
    ComprehensiveSR,
    DeviceObserverIdentifyingAttributes,
    GraphicTypeValues,
    ImageRegion,
    Measurement,
    MeasurementReport,
    MeasurementsAndQualitativeEvaluations,
    ObservationContext,
    ObserverContext,
    PersonObserverIdentifyingAttributes,
    PlanarROIMeasurementsAndQualitativeEvaluations,
    QualitativeEvaluation,
    ReferencedSegment,
    SourceImageForRegion,
    SourceImageForSegmentation,
    TextContentItem,
    TrackingIdentifier,
    VolumetricROIMeasurementsAndQualitativeEvaluations,
)
from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes as standard

from hyrisk_desktop.calcium import Lesion
from hyrisk_desktop.errors import InputError
from hyrisk_desktop.exchange import dicom_values as v
from hyrisk_desktop.exchange.reports import codes as c
from hyrisk_desktop.exchange.reports.change import change_lines
from hyrisk_desktop.exchange.reports.digest import content_digest
from hyrisk_desktop.exchange.reports.outline import outline
from hyrisk_desktop.exchange.reports.report import PRODUCT, VERSION, Report, finding_lines, research_use, warnings_of
from hyrisk_desktop.exchange.reports.segmentation import COUNTED_SEGMENT
from hyrisk_desktop.exchange.reports.source_images import SourceImages, names_as_they_are, new_uid
from hyrisk_desktop.exchange.reports.sr_heart import heart_groups
from hyrisk_desktop.exchange.reports.sr_items import coronary, number, reasons, state, text, triple, yes_no
from hyrisk_desktop.i18n import tr
from hyrisk_desktop.jobs import Check, no_check
from hyrisk_desktop.risk.risk_reading import RiskReading

SERIES_NUMBER = 9901
DIGESTED = (
    "SOPClassUID",
    "SOPInstanceUID",
    "ConceptNameCodeSequence",
    "ContentTemplateSequence",
    "ContentSequence",
    "CurrentRequestedProcedureEvidenceSequence",
)
_NO_DIGEST = "0" * 64
_NEAR_SLICES = 2  # the interval's clicks lie up to one slice away, and a patch reaches one further


def structured_report(
    report: Report,
    source: SourceImages,
    segmentation: Dataset | None = None,
    *,
    check: Check = no_check,
) -> Dataset:
    """The report as a data set, ready to be written.

    Args:
        source: the images that the report's volume was read from.
        segmentation: the SEG of the same reading, to be referred to; None where there is none.
        check: called for each lesion, as thousands take a while; raises where the work shall stop.

    Raises:
        InputError: the region holds no slice of the volume.
    """
    m = report.measurement
    inside = m.scores.region.clipped(report.volume)
    slices = range(inside.start[2], inside.stop[2])
    if min(inside.size_xyz) < 1:
        raise InputError("region_outside", tr("The region lies outside the volume, so there is nothing to report."))
    near = range(max(0, m.centre[2] - _NEAR_SLICES), min(len(source.slices), m.centre[2] + _NEAR_SLICES + 1))
    evidence = source.images(sorted({*slices, *near}))
    content = MeasurementReport(
        observation_context=_observers(report.reader),
        procedure_reported=c.CALCIUM_SCORING,
        imaging_measurements=[
            _score_group(report, source),
            *([] if segmentation is None else [_segment_group(report, source, segmentation)]),
            *_judgement_groups(report),
            *heart_groups(report),
            *_lesion_groups(report, source, check),
        ],
        title=c.REPORT_TITLE,
    )
    content[0].ContentSequence.extend(_texts(report))
    check()
    sr = _object(report, content, [*evidence, *([segmentation] if segmentation is not None else ())])
    check()
    return _sealed(sr)


def _object(report: Report, content: MeasurementReport, evidence: list[Dataset]) -> Dataset:
    with names_as_they_are():
        return ComprehensiveSR(
            evidence=evidence,
            content=content,
            series_instance_uid=new_uid(),
            series_number=SERIES_NUMBER,
            sop_instance_uid=new_uid(),
            instance_number=1,
            manufacturer=PRODUCT,
            is_final=False,
            manufacturer_model_name=PRODUCT,
            software_versions=VERSION,
            device_serial_number=VERSION,
            series_description=_description(report),
            coding_schemes=[
                CodingSchemeIdentificationItem(c.SCHEME, c.SCHEME_NAME, VERSION, None, None, None, PRODUCT)
            ],
        )


def _description(report: Report) -> str:
    words = [tr("SYNTHETIC")] if report.volume.synthetic else []
    return v.long_text(" ".join([*words, tr("HyRisk report, research use only")]))


def _observers(reader: str) -> ObservationContext:
    person = None
    if name := v.typed_name(reader):
        person = ObserverContext(standard.DCM.Person, PersonObserverIdentifyingAttributes(name))
    device = DeviceObserverIdentifyingAttributes(
        uid=new_uid(), name=PRODUCT, manufacturer_name=PRODUCT, model_name=PRODUCT, serial_number=VERSION
    )
    return ObservationContext(
        observer_person_context=person, observer_device_context=ObserverContext(standard.DCM.Device, device)
    )


def _score_group(report: Report, source: SourceImages) -> VolumetricROIMeasurementsAndQualitativeEvaluations:
    m = report.measurement
    scores, standing = m.scores, m.scores_standing
    inside = scores.region.clipped(report.volume)
    (x0, y0, z0), (x1, y1, z1) = inside.start, inside.stop
    corners = np.array([(x0, y0), (x1, y0), (x1, y1), (x0, y1), (x0, y0)], float) - 0.5
    group = VolumetricROIMeasurementsAndQualitativeEvaluations(
        tracking_identifier=TrackingIdentifier(uid=new_uid(), identifier="Score region"),
        referenced_regions=[_region(source, z, corners) for z in range(z0, z1)],
        finding_type=c.SCORE_REGION,
        finding_sites=coronary(),
        measurements=None if standing.withheld else [
            number(c.AGATSTON_SCORE, scores.agatston, method=c.AGATSTON_METHOD),
            number(c.CALCIUM_VOLUME, scores.volume_mm3, c.MM3),
            number(c.SQRT_VOLUME, scores.sqrt_volume),
        ],
        qualitative_evaluations=[
            *([] if standing.withheld else [QualitativeEvaluation(c.CATEGORY, c.CATEGORIES[scores.category])]),
            yes_no(c.DRAWN, scores.drawn),
            state(standing),
        ],
    )  # fmt: skip
    group[0].ContentSequence.extend([
        text(c.PROFILE, scores.profile),
        text(c.CENTRE, triple(m.centre)),
        text(c.REGION_START, triple(scores.region.start)),
        text(c.REGION_SIZE, triple(scores.region.size_xyz)),
        *reasons(standing),
    ])  # fmt: skip
    return group


def _segment_group(
    report: Report, source: SourceImages, segmentation: Dataset
) -> VolumetricROIMeasurementsAndQualitativeEvaluations:
    """The counted calcifications, by reference to the SEG of the same reading."""
    scores, withheld = report.measurement.scores, report.measurement.scores_standing.withheld
    used = sorted({lesion.slice for lesion in scores.lesions if not lesion.excluded}) or [report.measurement.centre[2]]
    places = [source.slices[z] for z in used]
    images = {p.sop_instance_uid: SourceImageForSegmentation(p.sop_class_uid, p.sop_instance_uid) for p in places}
    # ReferencedSegment.from_segmentation of highdicom 0.28 fails for a SEG of a single segment; so not that.
    segment = ReferencedSegment(
        segmentation.SOPClassUID, segmentation.SOPInstanceUID, COUNTED_SEGMENT, source_images=list(images.values())
    )
    return VolumetricROIMeasurementsAndQualitativeEvaluations(
        tracking_identifier=TrackingIdentifier(uid=new_uid(), identifier="Counted calcification"),
        referenced_segment=segment,
        finding_type=c.COUNTED,
        finding_sites=coronary(),
        measurements=None if withheld else [number(c.CALCIUM_VOLUME, scores.volume_mm3, c.MM3)],
    )


def _region(source: SourceImages, z: int, xy: Any) -> ImageRegion:
    """A closed polygon of volume positions (x, y) on the image of slice ``z``."""
    place = source.slices[z]
    frames = None if place.frame is None else [place.frame]
    # In SCOORD the top left corner of the top left pixel is (0, 0), its middle (0.5, 0.5).
    return ImageRegion(
        GraphicTypeValues.POLYLINE,
        (source.column_row(xy) + 0.5).astype(np.float32),
        SourceImageForRegion(place.sop_class_uid, place.sop_instance_uid, frames),
    )


def _judgement_groups(report: Report) -> list[MeasurementsAndQualitativeEvaluations]:
    m = report.measurement
    groups = []
    if m.grade is not None:
        groups.append(
            MeasurementsAndQualitativeEvaluations(
                tracking_identifier=TrackingIdentifier(uid=new_uid(), identifier="Visual grade"),
                finding_type=c.VASCULAR_CALCIFICATION,
                finding_sites=coronary(),
                measurements=[number(c.GRADE, m.grade)],
            )
        )
    if m.risk is not None:
        groups.append(_risk_group(report))
    return groups


def _risk_group(report: Report) -> MeasurementsAndQualitativeEvaluations:
    risk = report.measurement.risk
    assert risk is not None
    standing = report.measurement.risk_standing
    group = MeasurementsAndQualitativeEvaluations(
        tracking_identifier=TrackingIdentifier(uid=new_uid(), identifier="Risk reading"),
        finding_type=c.RISK_READING,
        algorithm_id=AlgorithmIdentification(
            name=v.plain(risk.model) or "unnamed", version=risk.sha256, family=c.ARTIFICIAL_INTELLIGENCE
        ),
        measurements=[*([] if standing.withheld else _risk_numbers(risk)), number(c.PREVALENCE, risk.prevalence)],
        qualitative_evaluations=[
            yes_no(c.CALIBRATED, risk.calibrated), yes_no(c.DEMONSTRATION, risk.demonstration), state(standing)
        ],
    )  # fmt: skip
    said = {
        c.WEIGHTS_HASH: risk.sha256,
        c.BUNDLE_HASH: risk.bundle_sha256,
        c.SCORE_INPUT: risk.score_input,
        c.DEVICE: risk.device,
        c.COVERED: " ".join(risk.interval_covers),
    }
    texts = [text(concept, words) for concept, words in said.items() if words]
    group[0].ContentSequence.extend([*texts, *reasons(standing)])
    return group


def _risk_numbers(risk: RiskReading) -> list[Measurement]:
    low, high = risk.interval
    ends = c.interval_ends(risk.interval_covers)
    return [
        *([] if risk.hyrisknet is None else [number(c.HYRISKNET, risk.hyrisknet)]),
        number(c.RISKNET, risk.risknet),
        number(ends[0], low),
        number(ends[1], high),
        *([] if risk.percentile is None else [number(c.PERCENTILE, risk.percentile)]),
        *(number(code, value) for code, value in zip(c.BY_GRADE, risk.by_grade, strict=False)),
    ]


def _lesion_group(report: Report, source: SourceImages, index: int) -> PlanarROIMeasurementsAndQualitativeEvaluations:
    scores = report.measurement.scores
    lesion: Lesion = scores.lesions[index]
    x0, y0, z0 = scores.label_start
    mask = scores.labels[lesion.slice - z0] == index + 1
    score = [
        number(c.AGATSTON_SCORE, lesion.agatston, method=c.AGATSTON_METHOD),
        number(c.CALCIUM_VOLUME, lesion.volume_mm3, c.MM3),
    ]
    group = PlanarROIMeasurementsAndQualitativeEvaluations(
        tracking_identifier=TrackingIdentifier(uid=new_uid(), identifier=f"Lesion {index + 1}"),
        referenced_region=_region(source, lesion.slice, outline(mask) + np.array((x0, y0))),
        finding_type=c.VASCULAR_CALCIFICATION,
        finding_sites=coronary(),
        measurements=[
            *([] if report.measurement.scores_standing.withheld else score),
            number(c.AREA, lesion.area_mm2, c.MM2),
            number(c.MAXIMUM_HU, lesion.max_hu, c.HU_UNIT),
            number(c.MEAN_HU, lesion.mean_hu, c.HU_UNIT),
            number(c.WEIGHT, lesion.weight),
        ],
        qualitative_evaluations=[yes_no(c.EXCLUDED, lesion.excluded), yes_no(c.CUT, lesion.cut_by_border)],
    )
    group[0].ContentSequence.append(text(c.PEAK, triple(lesion.peak)))
    return group


def _lesion_groups(
    report: Report, source: SourceImages, check: Check
) -> Iterable[PlanarROIMeasurementsAndQualitativeEvaluations]:
    for index in range(len(report.measurement.scores.lesions)):
        check()
        yield _lesion_group(report, source, index)


def _texts(report: Report) -> Sequence[TextContentItem]:
    texts = [text(c.INTENDED_USE, research_use())]
    if report.volume.synthetic:
        texts.append(text(c.SYNTHETIC, warnings_of(report)[0]))
    if report.measurement.risk is not None and report.measurement.risk.demonstration:
        texts.append(text(c.DEMONSTRATION, warnings_of(report)[-1]))
    texts += [text(c.FINDING, v.plain(line)) for line in finding_lines(report)]
    if (compared := report.comparison) is not None:
        if uid := v.uid(compared.prior_attributes.get("StudyInstanceUID", "")):
            texts.append(text(c.PRIOR_STUDY, uid))
        texts += [text(c.CHANGE, v.plain(line)) for line in change_lines(compared)]
    texts.append(text(c.TIME, report.read_at.isoformat(timespec="seconds")))
    texts.append(text(c.DIGEST, _NO_DIGEST))
    return texts


def digest_item(sr: Dataset) -> Dataset | None:
    """The content item that holds the digest; None where there is none."""
    for item in reversed(sr.get("ContentSequence") or ()):
        name = (item.get("ConceptNameCodeSequence") or [Dataset()])[0]
        if (name.get("CodingSchemeDesignator"), name.get("CodeValue")) == (c.SCHEME, c.DIGEST.value):
            return item
    return None


def digest_of(sr: Dataset) -> str:
    """The digest that ``sr`` should hold."""
    item = digest_item(sr)
    if item is None:
        return content_digest(sr, DIGESTED)
    # Blanked for the while it takes: a copy of a long report takes seconds.
    held, item.TextValue = item.TextValue, _NO_DIGEST
    try:
        return content_digest(sr, DIGESTED)
    finally:
        item.TextValue = held


def _sealed(sr: Dataset) -> Dataset:
    """``sr`` with its digest, computed from what a reader of the file will see."""
    stream = io.BytesIO()
    sr.save_as(stream, enforce_file_format=True)
    stream.seek(0)
    written = pydicom.dcmread(stream)
    item = digest_item(written)
    assert item is not None
    item.TextValue = digest_of(written)
    return written
