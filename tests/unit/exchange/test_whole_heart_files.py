"""The whole heart and its vessels in every file of a reading."""

from __future__ import annotations

import csv
import io
from dataclasses import replace
from pathlib import Path

import highdicom
import numpy as np
import pydicom
import pytest

from hyrisk_desktop.calcium import HeartMarks, score_whole_heart
from hyrisk_desktop.exchange.deidentified.pdf_text import text_of_pdf
from hyrisk_desktop.exchange.reports import codes as c
from hyrisk_desktop.exchange.reports.fhir import fhir_bundle
from hyrisk_desktop.exchange.reports.one_row_table import reading_table
from hyrisk_desktop.exchange.reports.pdf import pdf_report
from hyrisk_desktop.exchange.reports.report import Report, vessel_text
from hyrisk_desktop.exchange.reports.segmentation import COUNTED, masks, read_segmentation, segmentation
from hyrisk_desktop.exchange.reports.source_images import source_images
from hyrisk_desktop.exchange.reports.structured_report import structured_report
from hyrisk_desktop.exchange.reports.structured_report_reader import read_report
from hyrisk_desktop.findings import Finding, Severity
from hyrisk_desktop.measurement import mark_heart, measure
from tests.helpers import dicom_series, readings
from tests.helpers.hearts import heart_of
from tests.unit.exchange.conftest import Judge
from tests.unit.exchange.test_fhir import by_code, kinds, validated


@pytest.fixture
def whole(reading: Report) -> Report:
    """A reading with the whole heart: the LAD taken, the circumflex called none, the right artery a suggestion."""
    m = reading.measurement
    heart = score_whole_heart(reading.volume, heart_of(reading.volume, centre=m.centre))
    # Beyond doubt, each in another vessel.
    groups = zip(heart.groups, ("LAD", "RCA", "LCX"), strict=True)
    heart = replace(heart, groups=tuple(replace(plaque, doubt=None, suggested=vessel) for plaque, vessel in groups))
    lad, _, lcx = (plaque.id for plaque in heart.groups)
    marks = HeartMarks(taken=((lad, "LAD"), (lcx, "other")))
    return replace(reading, measurement=replace(m, whole_heart=mark_heart(heart, marks)))


def groups_of(sr: object) -> dict[str, object]:
    """Groups by their tracking identifier."""
    found = {}
    for container in sr.ContentSequence:  # type: ignore[attr-defined]
        for group in container.get("ContentSequence", ()):
            for item in group.get("ContentSequence", ()):
                if item.ConceptNameCodeSequence[0].CodeValue == "112039":
                    found[item.TextValue] = group
    return found


def numbers_of(group: object) -> dict[str, float]:
    return {
        item.ConceptNameCodeSequence[0].CodeValue: float(item.MeasuredValueSequence[0].FloatingPointValue)
        for item in group.ContentSequence  # type: ignore[attr-defined]
        if item.ValueType == "NUM"
    }


def coded(group: object, code: str) -> list[str]:
    return [
        item.ConceptCodeSequence[0].CodeValue
        for item in group.ContentSequence  # type: ignore[attr-defined]
        if item.ValueType == "CODE" and item.ConceptNameCodeSequence[0].CodeValue == code
    ]


def test_the_structured_report_codes_each_vessel(whole: Report, judge: Judge, tmp_path: Path) -> None:
    heart = whole.measurement.whole_heart
    assert heart is not None
    sr = structured_report(whole, source_images(whole.record, whole.volume))
    groups = groups_of(sr)
    assert {name for name in groups if name.startswith(("Vessel", "Whole"))} == {
        "Whole heart",
        "Vessel LAD",
        "Vessel RCA",
    }
    assert numbers_of(groups["Whole heart"])[c.WHOLE_HEART.value] == heart.agatston
    rows = {row.vessel: row for row in heart.vessels}
    for vessel, code in (("LAD", "59438005"), ("RCA", "13647002")):
        group = groups[f"Vessel {vessel}"]
        assert numbers_of(group)[c.AGATSTON_SCORE.value] == rows[vessel].agatston
        assert coded(group, "363698007") == [code]
    assert coded(groups["Vessel LAD"], c.SUGGESTED.value) == [c.NO.value]
    assert coded(groups["Vessel RCA"], c.SUGGESTED.value) == [c.YES.value]
    path = tmp_path / "sr.dcm"
    sr.save_as(path, enforce_file_format=True)
    assert judge(path) == []
    # The region's numbers are still what is read back.
    assert read_report(path).calcium["agatston"] == whole.measurement.scores.agatston
    assert len(read_report(path).lesions) == len(whole.measurement.scores.lesions)


def images_of(group: object) -> list[str]:
    """The images of its regions, in their order."""
    return [
        item.ContentSequence[0].ReferencedSOPSequence[0].ReferencedSOPInstanceUID
        for item in group.ContentSequence  # type: ignore[attr-defined]
        if item.ValueType == "SCOORD"
    ]


@pytest.mark.parametrize(("z", "alone", "first"), [(4, 1, 7), (9, 4, 5), (5, 2, 5)])
def test_a_heart_has_an_image_to_itself_and_a_vessel_begins_outside_of_the_region(
    reading: Report, z: int, alone: int, first: int
) -> None:
    """Viewers print what lies on one image over each other, and some show the first region of a group only."""
    centre = (50, 46, z)
    heart = score_whole_heart(reading.volume, heart_of(reading.volume, centre=centre))
    heart = replace(heart, groups=tuple(replace(plaque, doubt=None, suggested="LAD") for plaque in heart.groups))
    measured = replace(measure(reading.volume, centre, 2.0, None), whole_heart=mark_heart(heart, HeartMarks()))
    source = source_images(reading.record, reading.volume)
    groups = groups_of(structured_report(replace(reading, measurement=measured), source))
    (image,) = images_of(groups["Whole heart"])
    assert image == source.slices[alone].sop_instance_uid
    assert not any(image in images_of(group) for name, group in groups.items() if name != "Whole heart")
    assert images_of(groups["Vessel LAD"])[0] == source.slices[first].sop_instance_uid


def test_plaques_far_from_the_score_region_are_reported_on_their_images(reading: Report, tmp_path: Path) -> None:
    """As in every real chest: the heart is 12 cm high, and the images near the region are not all that a report names."""
    centre = (50, 46, 10)
    heart = score_whole_heart(reading.volume, heart_of(reading.volume, centre=centre))
    heart = replace(heart, groups=tuple(replace(plaque, doubt=None, suggested="LAD") for plaque in heart.groups))
    measured = replace(measure(reading.volume, centre, 2.0, None), whole_heart=mark_heart(heart, HeartMarks()))
    source = source_images(reading.record, reading.volume)
    far = {z for plaque in heart.groups for z in plaque.slices}
    assert max(far) < measured.scores.region.start[2]
    path = tmp_path / "sr.dcm"
    structured_report(replace(reading, measurement=measured), source).save_as(path, enforce_file_format=True)
    sr = pydicom.dcmread(path)
    evidence = {
        item.ReferencedSOPInstanceUID
        for study in sr.CurrentRequestedProcedureEvidenceSequence
        for series in study.ReferencedSeriesSequence
        for item in series.ReferencedSOPSequence
    }
    assert {source.slices[z].sop_instance_uid for z in far} <= evidence


def test_fhir_holds_the_vessels_as_components(whole: Report) -> None:
    heart = whole.measurement.whole_heart
    assert heart is not None
    found = by_code(kinds(validated(fhir_bundle(whole)), "Observation"))[c.WHOLE_HEART.value]
    assert found["valueQuantity"]["value"] == heart.agatston
    parts = by_code(found["component"])
    rows = {row.vessel: row for row in heart.vessels}
    assert parts["59438005"]["valueQuantity"]["value"] == rows["LAD"].agatston
    assert parts[c.SUGGESTED.value]["valueCodeableConcept"]["coding"][0]["code"] == "13647002"
    assert "57396003" not in parts


def test_pdf_and_table_name_the_vessels(whole: Report, reading: Report) -> None:
    heart = whole.measurement.whole_heart
    assert heart is not None
    said = " ".join(text_of_pdf(pdf_report(whole)).split())
    assert f"{heart.agatston:.1f}" in said
    assert heart.cac_drs == "CAC-DRS A3"
    assert "CAC-DRS A3" in said
    rows = {row.vessel: row for row in heart.vessels}
    assert vessel_text(heart) == f"LAD {rows['LAD'].agatston:.1f} · RCA ? {rows['RCA'].agatston:.1f}"
    (row,), (other,) = (list(csv.DictReader(io.StringIO(reading_table(r).decode()))) for r in (whole, reading))
    assert row.keys() == other.keys()
    assert float(row["whole_heart_agatston"]) == heart.agatston
    assert (row["lad_plaques"], row["lad_suggested"], row["rca_suggested"], row["lcx_plaques"]) == ("1", "0", "1", "0")
    assert other["whole_heart_agatston"] == other["rca_plaques"] == ""


def test_a_withheld_heart_has_no_number_but_in_the_table_whose_state_says_so(whole: Report) -> None:
    heart = whole.measurement.whole_heart
    assert heart is not None
    no_heart = Finding("no_heart", Severity.UNFIT, "There is no heart here.")
    withheld = replace(whole, measurement=replace(whole.measurement, findings=(no_heart,)))
    assert withheld.measurement.whole_heart_standing.withheld
    number = f"{heart.agatston:.1f}"
    assert number not in text_of_pdf(pdf_report(withheld))
    groups = groups_of(structured_report(withheld, source_images(whole.record, whole.volume)))
    assert numbers_of(groups["Whole heart"]) == {}
    assert not any(name.startswith("Vessel") for name in groups)
    found = by_code(kinds(validated(fhir_bundle(withheld)), "Observation"))[c.WHOLE_HEART.value]
    assert "valueQuantity" not in found
    (row,) = csv.DictReader(io.StringIO(reading_table(withheld).decode()))
    # As of the region's score, and as in a batch and in the JSON.
    assert float(row["whole_heart_agatston"]) == heart.agatston
    assert (row["whole_heart_state"], row["whole_heart_reasons"]) == ("withheld", "no_heart")


def test_the_segmentation_has_a_segment_for_each_vessel_and_is_read_back(
    reading: Report, judge: Judge, tmp_path: Path
) -> None:
    volume = reading.volume
    lesions = reading.measurement.scores.lesions
    peaks = [lesion.peak for lesion in lesions]
    taken = {peaks[0]: "LAD", peaks[-1]: "RCA"}
    heart = score_whole_heart(volume, heart_of(volume, centre=reading.measurement.centre), taken=taken, counted=peaks)
    whole = replace(reading, measurement=replace(reading.measurement, whole_heart=heart))
    source = source_images(whole.record, whole.volume)
    path, plain = tmp_path / "seg.dcm", tmp_path / "plain.dcm"
    seg = segmentation(whole, source)
    seg.save_as(path, enforce_file_format=True)
    segmentation(reading, source).save_as(plain, enforce_file_format=True)
    rows = {row.vessel: row for row in heart.vessels if row.lesions}
    labels = [s.SegmentLabel for s in seg.SegmentSequence]
    kinds = [COUNTED if label == "Counted calcifications" else label.split()[0] for label in labels]
    assert sorted(kinds) == sorted([COUNTED, *rows])
    assert {label for label in labels if label.endswith("(vessel suggested)")} == {
        f"{vessel} calcifications (vessel suggested)" for vessel, row in rows.items() if row.suggested
    }
    codes = [s.PrimaryAnatomicStructureSequence[0].CodeValue for s in seg.SegmentSequence]
    assert codes[labels.index("LAD calcifications")] == "59438005"
    assert judge(path) == []
    # What is counted is the same as without vessels, and each vessel comes back.
    found, without = read_segmentation(path).masks(source), read_segmentation(plain).masks(source)
    assert list(found) == kinds
    np.testing.assert_array_equal(found[COUNTED], without[COUNTED])
    for kind, mask in masks(whole).items():
        np.testing.assert_array_equal(found[kind], mask)
    # Each vessel's segment holds its plaques, voxel for voxel.
    back = highdicom.seg.segread(path)
    for number, kind in enumerate(kinds, 1):
        if kind == COUNTED:
            continue
        frames = [
            frame for frame, group in zip(back.pixel_array, back.PerFrameFunctionalGroupsSequence, strict=True)
            if group.SegmentIdentificationSequence[0].ReferencedSegmentNumber == number
        ]  # fmt: skip
        voxels = sum(int(frame.sum()) for frame in frames)
        assert voxels * volume.voxel_volume_mm3 == pytest.approx(rows[kind].volume_mm3)


@pytest.mark.parametrize(
    ("orientation", "order"),
    [((1, 0, 0, 0, 1, 0), ["RCA", COUNTED, "LAD"]), ((1, 0, 0, 0, -1, 0), ["LAD", COUNTED, "RCA"])],
)
def test_segments_reach_further_down_a_viewers_stack_one_after_the_other(
    tmp_path: Path, orientation: tuple[int, ...], order: list[str]
) -> None:
    """OHIF drops slices of a segment that an earlier one reaches beyond, and its stack begins where the slices' normal points to."""
    dicom_series.write(readings.calcified(orientation=orientation), tmp_path)
    report = readings.report_of(tmp_path)
    m = report.measurement
    heart = score_whole_heart(report.volume, heart_of(report.volume, centre=m.centre))
    low, _, high = sorted(heart.groups, key=lambda plaque: min(plaque.slices))
    assert max(low.slices) < min(high.slices)
    others = tuple(p.id for p in heart.groups if p not in (low, high))
    marks = HeartMarks(taken=((low.id, "LAD"), (high.id, "RCA")), excluded=frozenset(others))
    both = replace(m, whole_heart=mark_heart(heart, marks))
    path = tmp_path / "seg.dcm"
    source = source_images(report.record, report.volume)
    segmentation(replace(report, measurement=both), source).save_as(path, enforce_file_format=True)
    assert list(read_segmentation(path).masks(source)) == order
