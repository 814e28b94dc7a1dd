"""The one-page report: its text holds the numbers to the digit, it is an archive's PDF, and DICOM takes it."""

from __future__ import annotations

import dataclasses
import re
import shutil
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pydicom
import pytest

from hyrisk_desktop.calcium import score_whole_heart
from hyrisk_desktop.comparison import Change, Comparison
from hyrisk_desktop.exchange.deidentified.pdf_text import streams_of
from hyrisk_desktop.exchange.reports.change import change_rows
from hyrisk_desktop.exchange.reports.encapsulated_pdf import encapsulated_pdf
from hyrisk_desktop.exchange.reports.formats import dicom_bytes
from hyrisk_desktop.exchange.reports.pdf import pdf_report
from hyrisk_desktop.exchange.reports.pdf_identity import _age
from hyrisk_desktop.exchange.reports.pdf_pictures import heat_caption, heat_map, whole_slice
from hyrisk_desktop.exchange.reports.report import Report, category_words
from hyrisk_desktop.exchange.reports.source_images import source_images
from hyrisk_desktop.exchange.reports.template import PageTemplate
from hyrisk_desktop.findings import Finding, Severity
from hyrisk_desktop.imaging.registration import Registration
from hyrisk_desktop.wide_font import legible
from tests.helpers import dicom_series, readings
from tests.helpers.hearts import heart_of
from tests.helpers.languages import speaking
from tests.helpers.patience import PATIENCE_S
from tests.unit.exchange.conftest import Judge


def tool(name: str) -> str:
    found = shutil.which(name)
    assert found, f"{name} is missing: install poppler-utils, or run packaging/bootstrap.py test, which does"
    return found


def text_of(pdf: bytes, folder: Path) -> str:
    path = folder / "page.pdf"
    path.write_bytes(pdf)
    done = subprocess.run(
        [tool("pdftotext"), "-raw", str(path), "-"], capture_output=True, timeout=PATIENCE_S, check=True
    )
    assert done.stderr == b""
    return re.sub(r"\s+", " ", done.stdout.decode("utf-8"))


def picture_of(pdf: bytes, folder: Path) -> np.ndarray:
    from PIL import Image

    path = folder / "page.pdf"
    path.write_bytes(pdf)
    command = [tool("pdftoppm"), "-r", "60", "-png", str(path), str(folder / "page")]
    assert subprocess.run(command, capture_output=True, timeout=PATIENCE_S, check=True).stderr == b""
    (page,) = folder.glob("page-*.png")
    return np.asarray(Image.open(page).convert("RGB"))


def test_however_long_a_readers_name_is_the_time_of_the_reading_stands_behind_it(
    reading: Report, tmp_path: Path
) -> None:
    moment = datetime(2024, 5, 6, 7, 8, tzinfo=UTC)
    report = dataclasses.replace(reading, reader="Dr. " + "Q" * 90, read_at=moment)
    text = text_of(pdf_report(report), tmp_path)
    assert "Reader: Dr. QQQQ" in text
    assert "Read: 2024-05-06 07:08 UTC." in text


def test_the_text_holds_the_numbers_of_the_screen(reading: Report, tmp_path: Path) -> None:
    text = text_of(pdf_report(reading), tmp_path)
    scores, risk = reading.measurement.scores, reading.measurement.risk
    assert risk is not None
    assert risk.percentile is not None
    for said in (
        f"{scores.agatston:.1f}",
        "Category 4 (A > 400), highest of 0 to 4",
        "Time horizon none: the training data state no time",
        f"{scores.volume_mm3:.1f} mm³",
        f"{scores.sqrt_volume:.2f}",
        "2 counted, 1 excluded by the reader",
        "2 (moderate)",
        f"{100 * risk.risk:.1f} %",
        f"{100 * risk.interval[0]:.1f} % to {100 * risk.interval[1]:.1f} %",
        f"{risk.percentile:.0f} of 100",
        "30.0 % non-survivors, calibrated",
        *(f"{100 * value:.1f} %" for value in risk.by_grade),
        f"Tiny test network, {risk.sha256[:12]}",
        "Test, Persson",
        "T-1",
        "1950-01-01, F",
        "2020-01-02",
        "120 kV, kernel B30f",
        "96 × 96 of 2.3 × 2.6 mm",
        "Reader: Müller, Ada" if "^" in reading.reader else "Reader: Ada Müller",
        "Research use only. Not a medical device",
        "DEMONSTRATION MODEL",
        "not a whole-heart score",
    ):
        assert said in text, said
    assert "SYNTHETIC" not in text


def test_a_phantom_is_said_to_be_one(tmp_path: Path) -> None:
    exam = dicom_series.write(readings.calcified(patient="SYNTHETIC^PHANTOM"), tmp_path / "exam")
    text = text_of(pdf_report(readings.report_of(exam)), tmp_path)
    assert "SYNTHETIC EXAM: a phantom, not a patient." in text
    assert "No model was used" in text


def test_one_page_whatever_there_is_to_say(reading: Report, tmp_path: Path) -> None:
    many = tuple(Finding(f"f{n}", Severity.WARNING, f"Finding {n}: " + "long words " * 20) for n in range(40))
    measurement = dataclasses.replace(reading.measurement, findings=many)
    pdf = pdf_report(dataclasses.replace(reading, measurement=measurement))
    assert len(re.findall(rb"/Type /Page\b", pdf)) == 1
    text = text_of(pdf, tmp_path)
    assert "Finding 0:" in text
    assert "more in the structured report" in text
    assert "Reader:" in text


def test_categories_say_where_they_stand() -> None:
    assert category_words(0) == "0 (A = 0), lowest of 0 to 4"
    assert category_words(2) == "2 (10 < A ≤ 100), from 0 to 4"
    assert category_words(4) == "4 (A > 400), highest of 0 to 4"


def test_every_text_is_in_the_structure_tree_and_the_title_is_shown(reading: Report, tmp_path: Path) -> None:
    pdf = pdf_report(reading)
    path = tmp_path / "page.pdf"
    path.write_bytes(pdf)
    done = subprocess.run(
        [tool("pdfinfo"), "-struct-text", str(path)], capture_output=True, timeout=PATIENCE_S, check=True
    )
    read = done.stdout.decode("utf-8")
    tree = re.sub(r"\s+", "", "".join(re.findall(r'^\s+"(.*)"$', read, re.MULTILINE)))
    assert tree == re.sub(r"\s+", "", text_of(pdf, tmp_path)), (
        "in the order of reading, nothing left out, nothing twice"
    )
    assert '"Patient ID T-1"' in read, "name and value are two words"
    assert read.count("H1 (block)") == 1
    assert read.count("H2 (block)") == 7
    assert read.count("Figure") == 2
    # Whatever is no text and no picture says nothing.
    content = max(streams_of(pdf), key=len)
    depth, loose = 0, []
    for line in content.splitlines():
        depth += line.endswith((b"BDC", b"BMC")) - (line == b"EMC")
        if depth == 0 and line.endswith((b" re f", b" l S", b" re B", b" S")):
            loose.append(line)
    assert (depth, loose) == (0, [])
    assert b"/DisplayDocTitle true" in pdf
    assert b"/Marked true" in pdf


def test_no_part_of_the_page_is_empty(reading: Report, tmp_path: Path) -> None:
    """What the findings leave goes between the lines; with many of them they stand as near as they did."""
    few = dataclasses.replace(reading.measurement, findings=reading.measurement.findings[:1])
    many = tuple(Finding(f"f{n}", Severity.WARNING, f"Finding {n} is here.") for n in range(40))
    for findings in (few, dataclasses.replace(few, findings=many)):
        page = picture_of(pdf_report(dataclasses.replace(reading, measurement=findings)), tmp_path)
        inked = np.flatnonzero((page < 250).any(axis=(1, 2)))
        assert np.diff(inked).max() < page.shape[0] / 14
        assert inked[-1] > page.shape[0] * 0.93


@pytest.mark.parametrize("sentences", [1, 9])
def test_the_fullest_page_runs_into_nothing(reading: Report, tmp_path: Path, sentences: int) -> None:
    """Letterhead, whole heart, impression, a change of every quantity and many findings: above the foot, all of it."""
    m = reading.measurement
    heart = score_whole_heart(reading.volume, heart_of(reading.volume, centre=m.centre))
    many = tuple(Finding(f"f{n}", Severity.WARNING, f"Finding {n}: " + "long words " * 20) for n in range(9))
    full = dataclasses.replace(m, whole_heart=heart, findings=many)
    changes = {row.key: Change(300.0, 200.0, 100.0, 99.0, 20.0) for row in change_rows()}
    compared = Comparison(full, full, Registration(np.eye(4), 1.0), 372, changes, many, "1.2.3", {})
    site = PageTemplate(department="Radiology", impression="Agatston {agatston}, risk {risk}. " * sentences)
    report = dataclasses.replace(reading, measurement=full, comparison=compared, heat=np.zeros((161, 161), np.float32))
    path = tmp_path / "page.pdf"
    path.write_bytes(pdf_report(report, site))
    done = subprocess.run(
        [tool("pdftotext"), "-bbox", str(path), "-"], capture_output=True, timeout=PATIENCE_S, check=True
    )
    found = re.findall(r'yMin="([0-9.]+)" xMax="[0-9.]+" yMax="([0-9.]+)">(.*?)</word>', done.stdout.decode())
    words = [(float(top), float(bottom), word) for top, bottom, word in found]
    (foot,) = [top for top, _, word in words if word == "Reader:"]
    above = [(bottom, word) for top, bottom, word in words if top < foot - 1]
    assert len(above) > 250
    assert max(above)[0] <= foot + 1
    assert not {word for top, _, word in words if top >= foot - 1} & {"long", "words", "more", "Warning:", "SHA-256"}
    assert "Finding" in [word for _, word in above]


def test_it_declares_and_keeps_what_pdf_a_asks_for(reading: Report) -> None:
    pdf = pdf_report(reading)
    assert b"<pdfaid:part>2</pdfaid:part>" in pdf
    assert b"<pdfaid:conformance>U</pdfaid:conformance>" in pdf
    assert b"/OutputIntents" in pdf
    assert b"/GTS_PDFA1" in pdf
    assert b"/ID" in pdf
    # Fonts are embedded and map to Unicode; nothing is transparent, encrypted, or runs.
    assert pdf.count(b"/FontFile2") == 2
    assert pdf.count(b"/ToUnicode") == 2
    for forbidden in (b"/SMask", b"/Encrypt", b"/JavaScript", b"/Launch", b"/ca 0", b"/CA 0"):
        assert forbidden not in pdf


def test_key_images_show_region_lesions_and_centre(reading: Report, tmp_path: Path) -> None:
    page = picture_of(pdf_report(reading), tmp_path).astype(int)
    for colour in ((0, 190, 230), (255, 170, 0), (255, 60, 60)):
        near = np.abs(page - colour).sum(axis=-1) < 110
        assert near.sum() > 5, colour


def test_the_heat_map_lies_where_the_patch_lies(reading: Report) -> None:
    heat = np.full((161, 161), np.nan, np.float32)
    heat[30:130, 30:130] = 0
    heat[80, 80] = 1
    picture = heat_map(dataclasses.replace(reading, heat=heat))
    assert picture is not None
    x, y, _ = reading.measurement.centre
    assert picture.start == (x - 80, y - 80)
    coloured = np.argwhere(np.ptp(picture.pixels.astype(int), axis=-1) > 0)
    assert coloured.tolist() == [[80, 80]]
    assert (whole_slice(reading).pixels[y, x + 1] == picture.pixels[80, 81]).all()
    assert heat_map(reading) is None


@pytest.mark.parametrize("language", ["en", "de", "zh_CN"])
def test_a_map_that_is_the_mean_of_several_heights_says_so_in_full(
    reading: Report, tmp_path: Path, language: str
) -> None:
    heat = np.zeros((161, 161), np.float32)
    with speaking(language):
        one, three = (dataclasses.replace(reading, heat=heat, levels_mm=mm) for mm in ((), (-6.0, 0.0, 6.0)))
        # In English, as the page, on a machine without a font for the language.
        with legible():
            said = [heat_caption(report) for report in (one, three)]
        assert ["−6" in caption for caption in said] == [False, True]
        for report, caption in zip((one, three), said, strict=True):
            # Lines may break between Chinese signs.
            assert caption.replace(" ", "") in text_of(pdf_report(report), tmp_path).replace(" ", "")


def test_encapsulated_in_dicom(reading: Report, judge: Judge, tmp_path: Path) -> None:
    pdf = pdf_report(reading)
    path = tmp_path / "pdf.dcm"
    source = source_images(reading.record, reading.volume)
    path.write_bytes(dicom_bytes(encapsulated_pdf(reading, source, pdf)))
    assert judge(path) == []
    ds = pydicom.dcmread(path)
    assert ds.EncapsulatedDocument[: ds.EncapsulatedDocumentLength] == pdf
    assert ds.StudyInstanceUID == reading.volume.attributes["StudyInstanceUID"]
    assert ds.PatientID == "T-1"
    centre = source.slices[reading.measurement.centre[2]]
    assert ds.SourceInstanceSequence[0].ReferencedSOPInstanceUID == centre.sop_instance_uid


@pytest.mark.parametrize("centre", [(0, 0, 0), (95, 95, 11)])
def test_at_the_edge_of_the_volume(exam: Path, centre: tuple[int, int, int], tmp_path: Path) -> None:
    text = text_of(pdf_report(readings.report_of(exam, centre=centre)), tmp_path)
    assert "The score region reaches beyond the scan" in text


@pytest.mark.parametrize(
    ("attributes", "age"),
    [
        ({"PatientAge": "061Y"}, "61 years"),
        ({"PatientAge": "007M"}, "7 months"),
        ({"PatientAge": "", "PatientBirthDate": "19500310", "StudyDate": "20200309"}, "69 years"),
        ({"PatientAge": "", "PatientBirthDate": "19500310", "StudyDate": "20200310"}, "70 years"),
        ({"PatientAge": "old", "PatientBirthDate": "", "StudyDate": "20200310"}, ""),
        ({"PatientAge": "", "PatientBirthDate": "20200310", "StudyDate": "20200310"}, "0 years"),
        ({"PatientAge": "", "PatientBirthDate": "20200311", "StudyDate": "20200310"}, ""),
    ],
)
def test_the_age_at_the_study(attributes: dict[str, str], age: str) -> None:
    assert _age(attributes) == age


def test_the_page_gives_the_time_of_the_read_and_findings_in_words(reading: Report, tmp_path: Path) -> None:
    moment = datetime(2024, 5, 6, 7, 8, tzinfo=UTC)
    found = (
        Finding("a", Severity.UNFIT, "One."),
        Finding("b", Severity.WARNING, "Two."),
        Finding("c", Severity.INFO, "Three."),
    )
    measured = dataclasses.replace(reading.measurement, findings=found)
    text = text_of(pdf_report(dataclasses.replace(reading, read_at=moment, measurement=measured)), tmp_path)
    assert "Read: 2024-05-06 07:08 UTC" in text
    assert "UNFIT: One." in text
    assert "Warning: Two." in text
    assert "Note: Three." in text
    assert "[" not in text
