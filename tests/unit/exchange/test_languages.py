"""What machines read is English whatever the reader's language; what people read is in it."""

from __future__ import annotations

import io
import json
import re
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pydicom
import pytest
from pydicom.dataset import Dataset

from hyrisk_desktop import wide_font
from hyrisk_desktop.calcium import HeartMarks
from hyrisk_desktop.comparison import Comparison
from hyrisk_desktop.exchange import dicom_values as v
from hyrisk_desktop.exchange.deidentified.export import write_deidentified
from hyrisk_desktop.exchange.deidentified.folder import FHIR, READING, SEG, SR
from hyrisk_desktop.exchange.exports import Targets, report_of, write_exports
from hyrisk_desktop.exchange.reports import formats as kinds
from hyrisk_desktop.exchange.reports import pdf_canvas
from hyrisk_desktop.exchange.reports.change import change_rows
from hyrisk_desktop.exchange.reports.formats import Making
from hyrisk_desktop.exchange.reports.pdf import pdf_report
from hyrisk_desktop.exchange.reports.pdf_canvas import Canvas
from hyrisk_desktop.exchange.reports.report import Report, finding_lines, grade_text
from hyrisk_desktop.exchange.restoring import restore
from hyrisk_desktop.i18n import english
from hyrisk_desktop.measurement import measure
from hyrisk_desktop.risk import Predictor
from hyrisk_desktop.wide_font import broken, columns_of, legible
from tests.helpers import readings
from tests.helpers.command_line import hyrisk
from tests.helpers.languages import LANGUAGES, speaking
from tests.unit.exchange.test_pdf import text_of

READ_AT = datetime(2031, 2, 3, 14, 5, tzinfo=UTC)
_NEW_EACH_TIME = re.compile(
    rb"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|2\.25\.\d+|\d{4}-\d\d-\d\dT[\d:.]+"
)


def measured_anew(reading: Report, predictor: Predictor) -> Report:
    """The reading, worded in the language of now; at the border and with a grade that contradicts it, so that there is much to say."""
    m = measure(reading.volume, (50, 46, 1), 3.0, predictor, excluded=[(62, 60, 7)], heart=HeartMarks())
    return report_of(reading.record, reading.volume, m, predictor, reader="Ada Müller", read_at=READ_AT)


def told(ds: Dataset) -> list[str]:
    """Every element but UIDs, times, and the page that an object holds."""
    apart = ("UI", "DA", "TM", "DT", "OB", "OW", "SQ")
    return [str(e) for e in ds.iterall() if e.VR not in apart and e.keyword != "EncapsulatedDocumentLength"]


def files_of(report: Report) -> dict[str, object]:
    """All kinds of files but the page itself, without what is new each time."""
    made: dict[str, object] = {}
    for kind in kinds.formats():
        if kind.key not in ("pdf", "kos"):
            data = kind.make(Making(report, with_segmentation=True))
            dicom = data[128:132] == b"DICM"
            made[kind.key] = told(pydicom.dcmread(io.BytesIO(data))) if dicom else _NEW_EACH_TIME.sub(b"", data)
    return made


@pytest.mark.parametrize("language", LANGUAGES)
def test_machines_read_the_same_in_every_language(language: str, reading: Report, predictor: Predictor) -> None:
    report = measured_anew(reading, predictor)
    wanted, lines = files_of(report), finding_lines(report)
    assert len(lines) > 3
    with speaking(language):
        worded_now = measured_anew(reading, predictor)
        assert files_of(worded_now) == wanted
        # Also what was worded before the language was another one, and the other way round.
        assert files_of(report) == wanted
        assert not set(finding_lines(worded_now)) & set(lines)
    assert files_of(worded_now) == wanted


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_report_is_restored_in_another_language(
    language: str, reading: Report, predictor: Predictor, tmp_path: Path
) -> None:
    m = measure(reading.volume, readings.CENTRE, 2.0, predictor, excluded=[(62, 60, 7)])
    places = [Targets(sr=tmp_path / f"{name}.sr.dcm", seg=tmp_path / f"{name}.seg.dcm") for name in ("one", "two")]
    write_exports(places[0], reading.record, reading.volume, m, predictor)
    assert places[0].sr is not None
    assert places[1].sr is not None
    with speaking(language):
        write_exports(places[1], reading.record, reading.volume, m, predictor)
        there = restore(places[0].sr, reading.record, reading.volume)
    back = restore(places[1].sr, reading.record, reading.volume)
    assert there.excluded == back.excluded
    assert (back.centre, back.grade, back.notes) == (readings.CENTRE, 2.0, ())


@pytest.mark.parametrize(("language", "number", "word"), [("de", "{:.1f}", "Warnung"), ("zh_CN", "{:.1f}", "警告")])
def test_the_command_line_speaks_to_people_and_prints_english_json(
    language: str, number: str, word: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
    exam: Path, tiny_model: Path,
) -> None:  # fmt: skip
    ask = ("score", exam, "--center", *readings.CENTRE, "--grade", 0, "--model", tiny_model)
    in_english = hyrisk(monkeypatch, capsys, *ask, "--json")[1]
    with speaking(language):
        assert hyrisk(monkeypatch, capsys, *ask, "--json")[1] == in_english
        code, out, _ = hyrisk(monkeypatch, capsys, *ask)
    document = json.loads(in_english)
    agatston = number.format(document["calcium"]["agatston"])
    assert code == 0
    assert (agatston.replace(".", ",") if language == "de" else agatston) in out
    assert f"[{word}]" in out
    assert not any(finding["message"] in out for finding in document["findings"])


def without_identity(folder: Path, report: Report) -> dict[str, object]:
    """The files of a de-identified export but the page and the images, without what is new each time."""
    write_deidentified(report, folder, secret=b"a secret of sixteen bytes or more")
    dicom = {name: told(pydicom.dcmread(folder / name)) for name in (SR, SEG)}
    return {**dicom, **{name: _NEW_EACH_TIME.sub(b"", (folder / name).read_bytes()) for name in (FHIR, READING)}}


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_copy_without_identity_is_english_for_machines(
    language: str, reading: Report, predictor: Predictor, tmp_path: Path
) -> None:
    wanted = without_identity(tmp_path / "english", measured_anew(reading, predictor))
    with speaking(language):
        assert without_identity(tmp_path / language, measured_anew(reading, predictor)) == wanted


def test_a_mean_grade_has_the_languages_decimal_mark() -> None:
    (grade,) = [row for row in change_rows() if row.key == "grade"]
    for language, mark in (("de", ","), ("zh_CN", ".")):
        with speaking(language):
            assert (grade_text(1.33), grade.write(0.5)) == (f"1{mark}33", f"0{mark}5")
            assert grade_text(2.0).startswith("2 (")


def test_findings_keep_their_english(reading: Report, predictor: Predictor) -> None:
    wanted = [f.message for f in measured_anew(reading, predictor).measurement.findings]
    with speaking("de"):
        found = [english(f.message) for f in measured_anew(reading, predictor).measurement.findings]
    assert found == wanted


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_page_says_every_finding_whole_and_in_its_language(
    language: str, reading: Report, predictor: Predictor, tmp_path: Path
) -> None:
    with speaking(language):
        m = measure(reading.volume, readings.CENTRE, 0.0, predictor)
        report = report_of(reading.record, reading.volume, m, predictor, read_at=READ_AT)
        page = text_of(pdf_report(report), tmp_path)
        with legible():
            lines = finding_lines(report)
    # Lines are broken where the page has no more room.
    assert len(lines) > 2
    said = "".join(page.split())
    assert [line for line in lines if "".join(line.split()) not in said] == []


def test_a_page_without_chinese_signs_is_english_to_its_last_line(
    reading: Report, predictor: Predictor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (wide_font, pdf_canvas):
        monkeypatch.setattr(module, "wide_font", lambda: None)
    with speaking("zh_CN"):
        report = measured_anew(reading, predictor)
        compared = Comparison(
            report.measurement, report.measurement, None, 372, {}, report.measurement.findings, "1.2.3", {}
        )
        page = text_of(pdf_report(replace(report, comparison=compared)), tmp_path)
    assert "??" not in page
    assert all(english(line) in page for line in report.model_lines)


@pytest.mark.parametrize(("reader", "lacking"), [("王^小东", True), ("Wáng^Őrs", False), ("What^?", False)])
def test_a_page_says_what_its_question_marks_are(
    reader: str, lacking: bool, reading: Report, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pdf_canvas, "wide_font", lambda: None)
    page = text_of(pdf_report(replace(reading, reader=reader)), tmp_path)
    assert (v.readable_name(reader) in page) is not lacking
    assert ("Reader: ?, ??" in page) is lacking
    assert ("Go by the patient ID" in page) is lacking


def test_a_line_after_a_chinese_one_keeps_its_letters(reading: Report, tmp_path: Path) -> None:
    canvas = Canvas(reading)
    canvas.text(15, 10, 100, "关于", 7, bold=True)
    with canvas.paragraph():
        canvas.text(15, 20, 100, "距离 2.1，限值", 8)
        canvas.text(15, 30, 100, "1.5）：R 请", 8)
    canvas.text(15, 40, 100, "R 7.5", 7, bold=True)
    canvas.text(15, 50, 100, "层面 60", 6)
    canvas.text(15, 60, 100, "R 8.5", 7, bold=True)
    said = text_of(bytes(canvas.pdf.output()), tmp_path)
    assert all(text in said for text in ("2.1", "1.5", "R 7.5", "60", "R 8.5"))


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("心脏中心位于区域之外。", ["心脏中心位", "于区域之", "外。"]),
        ("距离 2.1，限值", ["距离 2.1，", "限值"]),
        ("模型（HyRiskNet）", ["模型（HyRi", "skNet）"]),
        ("", [""]),
    ],
)
def test_lines_are_broken_where_chinese_breaks_them(text: str, lines: list[str]) -> None:
    found = broken(text, lambda line: columns_of(line) <= 10)
    assert "".join(found).replace(" ", "") == text.replace(" ", "")
    assert found == lines
