"""The structured report: valid for an independent judge, the same numbers, and back again or not at all."""

from __future__ import annotations

import dataclasses
import errno
import os
from collections.abc import Callable
from pathlib import Path
from types import MappingProxyType

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.sr._concepts_dict import concepts

from hyrisk_desktop.errors import ExamError
from hyrisk_desktop.exchange.exports import report_of
from hyrisk_desktop.exchange.reports import codes
from hyrisk_desktop.exchange.reports.formats import dicom_bytes
from hyrisk_desktop.exchange.reports.report import Report
from hyrisk_desktop.exchange.reports.segmentation import segmentation
from hyrisk_desktop.exchange.reports.source_images import source_images
from hyrisk_desktop.exchange.reports.structured_report import structured_report
from hyrisk_desktop.exchange.reports.structured_report_reader import read_report
from hyrisk_desktop.measurement import calcium_numbers, measure, risk_numbers
from hyrisk_desktop.paths import resources_dir
from hyrisk_desktop.risk import Predictor
from tests.helpers import dicom_series, readings
from tests.helpers.bundles import edit_description, write_tiny_bundle
from tests.unit.exchange.conftest import Judge


@pytest.fixture(scope="module")
def written(reading: Report, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("sr") / "report.dcm"
    path.write_bytes(dicom_bytes(structured_report(reading, source_images(reading.record, reading.volume))))
    return path


def texts(ds: Dataset) -> str:
    return "\n".join(str(e.value) for e in ds.iterall() if e.keyword in ("TextValue", "SeriesDescription"))


def test_every_standard_code_is_in_the_dictionary() -> None:
    assert len(codes.STANDARD_CODES) > 15
    for code in codes.STANDARD_CODES:
        meanings = [entry[code.value][0] for entry in concepts[code.scheme_designator].values() if code.value in entry]
        assert code.meaning in meanings, code


def test_our_own_codes_are_published_and_fit_their_attributes() -> None:
    page = (resources_dir() / "help" / "coding_scheme.md").read_text(encoding="utf-8")
    for value, meaning in codes.OWN_CONCEPTS.items():
        assert f"| {value} | {meaning} |" in page
        assert len(value) <= 16
        assert len(meaning) <= 64
    assert len(set(codes.OWN_CONCEPTS.values())) == len(codes.OWN_CONCEPTS)


def test_the_judge_finds_no_error(written: Path, judge: Judge) -> None:
    assert judge(written) == []


def test_the_judge_would_find_one(written: Path, judge: Judge, tmp_path: Path) -> None:
    assert judge(readings.changed(written, tmp_path / "bad.dcm", lambda ds: delattr(ds, "CompletionFlag"))) != []


def test_what_comes_back_is_what_was_read(reading: Report, written: Path) -> None:
    back, m = read_report(written), reading.measurement
    assert m.risk is not None
    assert back.series_uid == reading.volume.series_uid
    assert (back.centre, back.grade, back.profile) == (m.centre, m.grade, m.scores.profile)
    assert (back.region_start, back.region_size) == (m.scores.region.start, m.scores.region.size_xyz)
    assert readings.same_risk(back.risk, risk_numbers(m.risk) | m.risk_standing.document)
    assert back.calcium.items() <= calcium_numbers(m.scores).items()
    assert len(back.lesions) == 3
    for one, other in zip(back.lesions, m.scores.lesions, strict=True):
        assert dataclasses.asdict(one).items() <= dataclasses.asdict(other).items()
    assert [lesion.excluded for lesion in back.lesions] == [False, False, True]
    again = measure(reading.volume, back.centre, back.grade, None, excluded=back.excluded)
    assert again.scores.agatston == m.scores.agatston
    assert (back.reader, back.synthetic) == ("Ada Müller", False)
    assert len(back.findings) == len(m.findings)


def test_without_a_model_and_grade(exam: Path, judge: Judge, tmp_path: Path) -> None:
    report = readings.report_of(exam, grade=None, reader="")
    path = tmp_path / "plain.dcm"
    path.write_bytes(dicom_bytes(structured_report(report, source_images(report.record, report.volume))))
    assert judge(path) == []
    back = read_report(path)
    assert (back.risk, back.grade, back.reader) == (None, None, "")


def test_evidence_names_the_images_that_were_scored(reading: Report, written: Path, exam: Path) -> None:
    sr = pydicom.dcmread(written)
    (study,) = sr.CurrentRequestedProcedureEvidenceSequence
    (series,) = study.ReferencedSeriesSequence
    named = {ref.ReferencedSOPInstanceUID for ref in series.ReferencedSOPSequence}
    files = [pydicom.dcmread(path, stop_before_pixels=True) for path in exam.iterdir()]
    by_height = sorted(files, key=lambda ds: float(ds.ImagePositionPatient[2]))
    assert named == {ds.SOPInstanceUID for ds in by_height[4:9]}
    assert series.SeriesInstanceUID == reading.volume.series_uid
    assert sr.StudyInstanceUID == files[0].StudyInstanceUID


def test_evidence_names_what_a_model_saw_at_other_heights(
    reading: Report, predictor: Predictor, tmp_path: Path
) -> None:
    bundle = predictor.bundle
    write_tiny_bundle(tmp_path)
    edit_description(tmp_path, preprocessing=bundle.preprocessing.to_json() | {"levels_mm": [-7.5, 0.0, 10.0]})
    model = Predictor(tmp_path, "cpu")
    m = measure(reading.volume, reading.measurement.centre, 2.0, model)
    report = report_of(reading.record, reading.volume, m, model)
    source = source_images(report.record, report.volume)
    sr = structured_report(report, source)
    (series,) = sr.CurrentRequestedProcedureEvidenceSequence[0].ReferencedSeriesSequence
    named = {ref.ReferencedSOPInstanceUID for ref in series.ReferencedSOPSequence}
    # The centre lies on slice 6 of increments of 2.5 mm: the levels on 3 and 10, each with a neighbour to either side.
    assert named == {source.slices[z].sop_instance_uid for z in range(2, 12)}


def test_lesions_are_regions_of_the_very_image(written: Path, reading: Report) -> None:
    """The outline on the stored image holds the lesion's pixels and its area no other ones."""
    sr = pydicom.dcmread(written)
    source = source_images(reading.record, reading.volume)
    (measurements,) = [i for i in sr.ContentSequence if i.ConceptNameCodeSequence[0].CodeValue == "126010"]
    groups = [g for g in measurements.ContentSequence if "Lesion" in g.ContentSequence[0].get("TextValue", "")]
    assert len(groups) == 3
    for group, lesion in zip(groups, reading.measurement.scores.lesions, strict=True):
        (region,) = [i for i in group.ContentSequence if i.ValueType == "SCOORD"]
        image = region.ContentSequence[0].ReferencedSOPSequence[0]
        assert image.ReferencedSOPInstanceUID == source.slices[lesion.slice].sop_instance_uid
        x, y = np.asarray(region.GraphicData, float).reshape(-1, 2).T
        area = abs(np.sum(x[:-1] * y[1:] - x[1:] * y[:-1])) / 2
        assert area * 2.6 * 2.3 == pytest.approx(lesion.area_mm2), "the ring's hole is no part of it"
        assert x.min() <= lesion.center_xyz[0] + 0.5 <= x.max()
        assert y.min() <= lesion.center_xyz[1] + 0.5 <= y.max()


def test_a_segmentation_of_the_same_reading_is_referred_to(reading: Report, judge: Judge, tmp_path: Path) -> None:
    source = source_images(reading.record, reading.volume)
    seg = segmentation(reading, source)
    path = tmp_path / "both.dcm"
    path.write_bytes(dicom_bytes(structured_report(reading, source, seg)))
    assert judge(path) == []
    named = {e.value for e in pydicom.dcmread(path).iterall() if e.keyword == "ReferencedSOPInstanceUID"}
    assert seg.SOPInstanceUID in named
    assert read_report(path).series_uid == reading.volume.series_uid


def test_research_use_demonstration_and_synthetic_are_said(reading: Report, written: Path, tmp_path: Path) -> None:
    said = texts(pydicom.dcmread(written))
    assert "Research use only" in said
    assert "DEMONSTRATION MODEL" in said
    assert "SYNTHETIC" not in said
    exam = dicom_series.write(readings.calcified(patient="SYNTHETIC^PHANTOM"), tmp_path / "phantom")
    report = readings.report_of(exam)
    sr = structured_report(report, source_images(report.record, report.volume))
    assert "SYNTHETIC EXAM" in texts(sr)
    assert sr.SeriesDescription.startswith("SYNTHETIC")
    path = tmp_path / "synthetic.dcm"
    path.write_bytes(dicom_bytes(sr))
    assert read_report(path).synthetic


def _number(ds: Dataset) -> None:
    element = next(e for e in ds.iterall() if e.keyword == "FloatingPointValue")
    element.value = element.value + 1e-9


def _text(ds: Dataset) -> None:
    next(i for i in ds.ContentSequence if i.get("TextValue", "").startswith("Research")).TextValue = "For diagnosis."


def _image(ds: Dataset) -> None:
    next(e for e in ds.iterall() if e.keyword == "ReferencedSOPInstanceUID").value = "1.2.3"


def _series(ds: Dataset) -> None:
    ds.CurrentRequestedProcedureEvidenceSequence[0].ReferencedSeriesSequence[0].SeriesInstanceUID = "1.2.3"


def _drop(ds: Dataset) -> None:
    del ds.ContentSequence[3]


def _digest(ds: Dataset) -> None:
    ds.ContentSequence[-1].TextValue = "f" * 64


@pytest.mark.parametrize("edit", [_number, _text, _image, _series, _drop, _digest])
def test_a_changed_report_is_refused(written: Path, tmp_path: Path, edit: Callable[[Dataset], None]) -> None:
    with pytest.raises(ExamError) as refusal:
        read_report(readings.changed(written, tmp_path / "changed.dcm", edit))
    assert refusal.value.code == "changed_object"


def test_what_an_archive_may_correct_does_not_matter(written: Path, tmp_path: Path) -> None:
    def correct(ds: Dataset) -> None:
        ds.PatientName, ds.PatientID, ds.AccessionNumber = "Person^Corrected", "T-2", "A-1"
        ds.InstitutionName = "Hospital"
        ds.file_meta.TransferSyntaxUID = "1.2.840.10008.1.2"

    corrected = read_report(readings.changed(written, tmp_path / "corrected.dcm", correct))
    assert corrected == dataclasses.replace(read_report(written), patient_id="T-2")


def test_foreign_and_damaged_objects_are_refused(written: Path, exam: Path, tmp_path: Path) -> None:
    def foreign(ds: Dataset) -> None:
        ds.ManufacturerModelName = "Another program"

    def undigested(ds: Dataset) -> None:
        del ds.ContentSequence[-1]

    data = written.read_bytes()
    (tmp_path / "cut.dcm").write_bytes(data[: len(data) // 2])
    (tmp_path / "text.dcm").write_text("no DICOM at all")
    cases = {
        readings.changed(written, tmp_path / "foreign.dcm", foreign): "foreign_object",
        readings.changed(written, tmp_path / "undigested.dcm", undigested): "foreign_object",
        next(iter(exam.iterdir())): "foreign_object",
        tmp_path / "cut.dcm": "damaged_object",
        tmp_path / "text.dcm": "foreign_object",
        tmp_path / "missing.dcm": "unreadable",
    }
    for path, code in cases.items():
        with pytest.raises(ExamError) as refusal:
            read_report(path)
        assert refusal.value.code == code, path.name
    assert refusal.value.message == f"The object can't be read: {os.strerror(errno.ENOENT)}."


def test_flipped_bytes_never_crash_and_never_change_what_is_read(written: Path, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    data, whole = written.read_bytes(), read_report(written)
    refused = 0
    for _ in range(40):
        damaged = bytearray(data)
        damaged[int(rng.integers(200, len(data)))] ^= 1 << int(rng.integers(8))
        (tmp_path / "flipped.dcm").write_bytes(damaged)
        try:
            back = read_report(tmp_path / "flipped.dcm")
        except ExamError:
            refused += 1
        else:
            # Patient and study are the archive's; the rest is ours.
            assert dataclasses.replace(back, study_uid=whole.study_uid) == whole
    assert refused > 25


def test_another_exam_is_refused(written: Path, reading: Report) -> None:
    back = read_report(written)
    back.require_series(reading.volume.series_uid)
    with pytest.raises(ExamError) as refusal:
        back.require_series("1.2.3")
    assert refusal.value.code == "other_exam"


def test_identifiers_that_are_none_are_refused(reading: Report) -> None:
    attributes = MappingProxyType({**reading.volume.attributes, "StudyInstanceUID": "../../tmp/evil"})
    with pytest.raises(ExamError) as refusal:
        source_images(reading.record, dataclasses.replace(reading.volume, attributes=attributes))
    assert refusal.value.code == "bad_uid"
