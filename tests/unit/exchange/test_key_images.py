"""The reader's key images in what leaves the program: SR, Key Object Selection, PDF; and not in a copy without identity."""

from __future__ import annotations

import dataclasses
import io
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pydicom
import pytest

from hyrisk_desktop.exchange.deidentified.export import write_deidentified
from hyrisk_desktop.exchange.reports import codes as c
from hyrisk_desktop.exchange.reports.formats import dicom_bytes
from hyrisk_desktop.exchange.reports.key_images import caption_of, key_images, key_object_selection, key_picture
from hyrisk_desktop.exchange.reports.pdf import pdf_report
from hyrisk_desktop.exchange.reports.report import Report
from hyrisk_desktop.exchange.reports.source_images import source_images
from hyrisk_desktop.exchange.reports.structured_report import structured_report
from hyrisk_desktop.worklist.notes import KeptMark, KeyImage, Notes
from tests.helpers import readings
from tests.helpers.patience import PATIENCE_S
from tests.unit.exchange.conftest import Judge
from tests.unit.exchange.test_pdf import text_of

NOTES = Notes(
    (KeyImage(2, "Plaque at the bifurcation"), KeyImage(9, "", -600.0, 1500.0), KeyImage(400, "of another scan")),
    (
        KeptMark(2, (40.0, 30.0), (50.0, 30.0)),
        KeptMark(9, (48.0, 46.0), (48.0, 46.0)),
        KeptMark(5, (0.0, 0.0), (9.0, 9.0)),
    ),
)


@pytest.fixture(scope="module")
def noted(reading: Report) -> Report:
    return dataclasses.replace(reading, notes=NOTES)


def test_captions_name_slice_note_and_measure(noted: Report) -> None:
    assert [image.z for image in key_images(noted)] == [2, 9], "a slice that there is not is none"
    first, second = key_images(noted)
    assert caption_of(noted, first) == "Slice 2 · Plaque at the bifurcation · 23.0 mm"
    assert caption_of(noted, second).startswith("Slice 9 · ")
    assert caption_of(noted, second).endswith(" HU")


def test_a_picture_is_in_the_readers_window_with_its_measures(noted: Report) -> None:
    first, second = (key_picture(noted, image) for image in key_images(noted))
    hu = noted.volume.hu[9].astype(float)
    np.testing.assert_array_equal(second.pixels, np.rint(255 * np.clip((hu + 1350) / 1500, 0, 1)).astype(np.uint8))
    np.testing.assert_array_equal(first.lines[0].points, [(40, 30), (50, 30)])
    (disc,) = second.lines
    mm = (disc.points - (48, 46)) * noted.volume.spacing_mm[:2]
    np.testing.assert_allclose(np.hypot(*mm.T), 5.0)


def test_the_structured_report_refers_to_them(noted: Report, judge: Judge, tmp_path: Path) -> None:
    source = source_images(noted.record, noted.volume)
    path = tmp_path / "sr.dcm"
    path.write_bytes(dicom_bytes(structured_report(noted, source)))
    assert judge(path) == []
    sr = pydicom.dcmread(path)
    items = [i for i in sr.ContentSequence if i.ConceptNameCodeSequence[0].CodeValue in ("HR067", "HR068")]
    assert [i.ConceptNameCodeSequence[0].CodeValue for i in items] == ["HR067", "HR068", "HR067", "HR068"]
    assert items[0].ReferencedSOPSequence[0].ReferencedSOPInstanceUID == source.slices[2].sop_instance_uid
    assert items[2].ReferencedSOPSequence[0].ReferencedSOPInstanceUID == source.slices[9].sop_instance_uid
    assert items[1].TextValue == "Slice 2 · Plaque at the bifurcation · 23.0 mm"
    evidence = {
        image.ReferencedSOPInstanceUID
        for study in sr.CurrentRequestedProcedureEvidenceSequence
        for series in study.ReferencedSeriesSequence
        for image in series.ReferencedSOPSequence
    }
    assert {source.slices[z].sop_instance_uid for z in (2, 9)} <= evidence
    assert c.KEY_IMAGE.meaning == "Key image of the reader"


@pytest.mark.parametrize("chosen", [True, False])
def test_a_key_object_selection_names_them_or_the_heart_centre(
    noted: Report, reading: Report, judge: Judge, tmp_path: Path, chosen: bool
) -> None:
    report = noted if chosen else reading
    source = source_images(report.record, report.volume)
    path = tmp_path / "kos.dcm"
    path.write_bytes(dicom_bytes(key_object_selection(report, source)))
    assert judge(path) == []
    kos = pydicom.dcmread(path)
    assert kos.Modality == "KO"
    assert kos.ConceptNameCodeSequence[0].CodeValue == "113000"
    images = [
        i.ReferencedSOPSequence[0].ReferencedSOPInstanceUID for i in kos.ContentSequence if i.ValueType == "IMAGE"
    ]
    assert images == [
        source.slices[z].sop_instance_uid for z in ((2, 9) if chosen else (report.measurement.centre[2],))
    ]
    (words,) = (i.TextValue for i in kos.ContentSequence if i.ValueType == "TEXT")
    assert ("Plaque at the bifurcation" in words) is chosen
    assert "Research use only" in words
    assert kos.StudyInstanceUID == report.record.study_uid


def test_however_much_was_noted_a_key_object_selection_is_for_research_only(reading: Report) -> None:
    notes = Notes(tuple(KeyImage(z, "x" * 400) for z in range(5)))
    report = dataclasses.replace(reading, notes=notes)
    kos = key_object_selection(report, source_images(report.record, report.volume))
    (words,) = (i.TextValue for i in kos.ContentSequence if i.ValueType == "TEXT")
    assert "Research use only" in words
    assert "xxx" in words


def test_a_multi_frame_exam_is_referred_to_as_well(judge: Judge, tmp_path: Path) -> None:
    from tests.helpers import dicom_series

    folder = dicom_series.write(readings.calcified(enhanced=True), tmp_path / "enhanced")
    report = dataclasses.replace(readings.report_of(folder), notes=NOTES)
    source = source_images(report.record, report.volume)
    sr = structured_report(report, source)
    (item, *_) = (i for i in sr.ContentSequence if i.ConceptNameCodeSequence[0].CodeValue == "HR067")
    assert int(item.ReferencedSOPSequence[0].ReferencedFrameNumber) == source.slices[2].frame
    path = tmp_path / "kos.dcm"
    path.write_bytes(dicom_bytes(key_object_selection(report, source)))
    assert judge(path) == []


def test_further_pages_of_the_pdf_show_them_with_whose_they_are(noted: Report, reading: Report, tmp_path: Path) -> None:
    many = dataclasses.replace(noted, notes=Notes(tuple(KeyImage(z, f"note {z}") for z in range(5))))
    pages = {1: reading, 2: noted, 3: many}
    for count, report in pages.items():
        pdf = pdf_report(report)
        path = tmp_path / f"{count}.pdf"
        path.write_bytes(pdf)
        program = shutil.which("pdfinfo")
        assert program
        info = subprocess.run(
            [program, str(path)], capture_output=True, text=True, timeout=PATIENCE_S, check=True
        ).stdout
        assert f"Pages: {count}" in " ".join(info.split())
    text = text_of(pdf_report(noted), tmp_path)
    assert "Slice 2 · Plaque at the bifurcation · 23.0 mm" in text
    assert text.count("Test, Persson") + text.count("Test Persson") + text.count("Persson Test") >= 2, (
        "each page says whose it is"
    )
    assert text.count("Research use only") >= 2
    assert io.BytesIO(pdf_report(many)).getvalue()[:5] == b"%PDF-"


def test_a_copy_without_identity_has_no_notes(exam: Path, tmp_path: Path) -> None:
    report = dataclasses.replace(
        readings.report_of(exam),
        notes=Notes((KeyImage(2, "Mr Persson, bed 4"),), (KeptMark(2, (1.0, 1.0), (9.0, 9.0)),)),
    )
    folder = write_deidentified(report, tmp_path / "copy").folder
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        assert b"bed 4" not in path.read_bytes(), path.name
    (sr,) = (ds for p in folder.rglob("*.dcm") if (ds := pydicom.dcmread(p, stop_before_pixels=True)).Modality == "SR")
    codes = {item.ConceptNameCodeSequence[0].CodeValue for item in sr.ContentSequence}
    assert not codes & {"HR067", "HR068"}
