"""A reading as DICOM SR: a measurement report by template TID 1500 of PS3.16, the one that viewers show.

The groups: the score region with its scores (TID 1411), visual grade and risk, the whole heart and its vessels, and one group per
lesion with its outline on the very image (TID 1410). Each has an image region, as a viewer like OHIF shows nothing at all of a report
with a group that has none. Numbers are stored in full precision beside the decimal text.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence

import numpy as np
import pydicom
from highdicom.coding_schemes import CodingSchemeIdentificationItem
from highdicom.sr import (
    ComprehensiveSR,
    ContentItem,
    DeviceObserverIdentifyingAttributes,
    ImageContentItem,
    MeasurementReport,
    ObservationContext,
    ObserverContext,
    PersonObserverIdentifyingAttributes,
    PlanarROIMeasurementsAndQualitativeEvaluations,
    QualitativeEvaluation,
    RelationshipTypeValues,
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
from hyrisk_desktop.exchange.reports.key_images import key_image_items, key_images
from hyrisk_desktop.exchange.reports.outline import one_outline
from hyrisk_desktop.exchange.reports.report import PRODUCT, VERSION, Report, finding_lines, research_use, warnings_of
from hyrisk_desktop.exchange.reports.source_images import SourceImages, names_as_they_are, prior_image
from hyrisk_desktop.exchange.reports.sr_heart import heart_groups, heart_slices
from hyrisk_desktop.exchange.reports.sr_items import coronary, number, reasons, state, text, tracking, triple, yes_no
from hyrisk_desktop.exchange.reports.sr_regions import box_region, image_region
from hyrisk_desktop.exchange.reports.sr_risk import further_numbers, judgement_groups
from hyrisk_desktop.i18n import tr
from hyrisk_desktop.jobs import Check, no_check

SERIES_NUMBER = 9901
DIGESTED = (
    "SOPClassUID",
    "SOPInstanceUID",
    "ConceptNameCodeSequence",
    "ContentTemplateSequence",
    "ContentSequence",
    "CurrentRequestedProcedureEvidenceSequence",
    "PertinentOtherEvidenceSequence",
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
        segmentation: the SEG of the same reading, to be named as evidence; None where there is none.
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
    pointed_out = (image.z for image in key_images(report))
    evidence = source.images(sorted({*slices, *near, *report.looked_at, *heart_slices(report), *pointed_out}))
    content = MeasurementReport(
        observation_context=_observers(report.reader),
        procedure_reported=c.CALCIUM_SCORING,
        imaging_measurements=[
            _score_group(report, source),
            *judgement_groups(report, source),
            *heart_groups(report, source),
            *_lesion_groups(report, source, check),
        ],
        title=c.REPORT_TITLE,
    )
    prior = None if report.comparison is None else prior_image(report.comparison)
    content[0].ContentSequence.extend(
        [*further_numbers(report), *key_image_items(report, source), *_texts(report, prior)]
    )
    check()
    sr = _object(report, content, [*evidence, *(other for other in (segmentation, prior) if other is not None)])
    check()
    return _sealed(sr)


def _object(report: Report, content: MeasurementReport, evidence: list[Dataset]) -> Dataset:
    with names_as_they_are():
        return ComprehensiveSR(
            evidence=evidence,
            content=content,
            series_instance_uid=v.new_uid(),
            series_number=SERIES_NUMBER,
            sop_instance_uid=v.new_uid(),
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
        uid=v.new_uid(), name=PRODUCT, manufacturer_name=PRODUCT, model_name=PRODUCT, serial_number=VERSION
    )
    return ObservationContext(
        observer_person_context=person, observer_device_context=ObserverContext(standard.DCM.Device, device)
    )


def _score_group(report: Report, source: SourceImages) -> VolumetricROIMeasurementsAndQualitativeEvaluations:
    m = report.measurement
    scores, standing = m.scores, m.scores_standing
    inside = scores.region.clipped(report.volume)
    group = VolumetricROIMeasurementsAndQualitativeEvaluations(
        tracking_identifier=tracking(report, "Score region"),
        referenced_regions=[box_region(source, z, inside) for z in range(inside.start[2], inside.stop[2])],
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
        tracking_identifier=tracking(report, f"Lesion {index + 1}"),
        referenced_region=image_region(source, lesion.slice, one_outline(mask) + np.array((x0, y0))),
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


def _prior_items(prior: Dataset | None) -> list[ImageContentItem]:
    if prior is None:
        return []
    frames = prior.get("ReferencedFrameNumber")
    return [
        ImageContentItem(
            c.PRIOR_IMAGE,
            prior.SOPClassUID,
            prior.SOPInstanceUID,
            referenced_frame_numbers=None if frames is None else [int(frames)],
            relationship_type=RelationshipTypeValues.CONTAINS,
        )
    ]


def _texts(report: Report, prior: Dataset | None) -> Sequence[ContentItem]:
    texts: list[ContentItem] = [text(c.INTENDED_USE, research_use())]
    if report.volume.synthetic:
        texts.append(text(c.SYNTHETIC, warnings_of(report)[0]))
    if report.measurement.risk is not None and report.measurement.risk.demonstration:
        texts.append(text(c.DEMONSTRATION, warnings_of(report)[-1]))
    texts += [text(c.FINDING, v.plain(line)) for line in finding_lines(report)]
    if (compared := report.comparison) is not None:
        if uid := v.uid(compared.prior_attributes.get("StudyInstanceUID", "")):
            texts.append(text(c.PRIOR_STUDY, uid))
        texts += _prior_items(prior)
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
