"""File > Export reading: the numbers on screen, as files; nothing half, nothing overwritten unasked, nothing of another exam."""

from __future__ import annotations

import csv
import io
import json
import threading
import time
from pathlib import Path

import pydicom
import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QCheckBox, QLabel, QLineEdit, QMessageBox, QPushButton, QWidget

from hyrisk_desktop.exchange.reports import formats as formats_module
from hyrisk_desktop.exchange.reports.formats import formats
from hyrisk_desktop.exchange.reports.structured_report_reader import read_report
from hyrisk_desktop.gui.export import commands
from hyrisk_desktop.gui.export.dialog import ExportReadingDialog, clean_stem, default_stem
from hyrisk_desktop.gui.export.writer import readiness
from hyrisk_desktop.gui.results import percent
from hyrisk_desktop.imaging import shutdown_decoders
from tests.gui.conftest import Program
from tests.helpers import dicom_series, readings
from tests.helpers.patience import PATIENCE_S
from tests.helpers.volumes import block_volume

ALL = tuple(f.key for f in formats())


@pytest.fixture
def exam(tmp_path: Path) -> Path:
    return dicom_series.write(readings.calcified(), tmp_path / "exam")


@pytest.fixture
def reading(ready: Program, exam: Path) -> Program:
    """Centre, grade and an excluded lesion, with the risk there."""
    ready.services.loader.open_path(exam)
    ready.wait(lambda: ready.session.can_measure and ready.session.stored_id is not None)
    ready.session.place_centre(readings.CENTRE)
    ready.session.set_grade(2)
    ready.session.toggle_lesion(2)
    ready.wait_for_risk()
    return ready


def opened(program: Program) -> ExportReadingDialog:
    program.window.actions_by_key["export_reading"].trigger()
    program.wait(lambda: program.window.findChild(ExportReadingDialog) is not None)
    dialog = program.window.findChild(ExportReadingDialog)
    assert dialog is not None
    return dialog


def find(dialog: ExportReadingDialog, kind: type, name: str) -> QWidget:
    found = dialog.findChild(kind, name)
    assert found is not None, name
    return found  # type: ignore[no-any-return]


def fill(dialog: ExportReadingDialog, folder: Path, *keys: str, stem: str = "r") -> None:
    for key in ALL:
        find(dialog, QCheckBox, f"export_{key}").setChecked(key in keys)
    find(dialog, QLineEdit, "exportFolder").setText(str(folder))
    find(dialog, QLineEdit, "exportStem").setText(stem)


def press(dialog: ExportReadingDialog, name: str = "startExport") -> None:
    QTest.mouseClick(find(dialog, QPushButton, name), Qt.MouseButton.LeftButton)


def export(program: Program, folder: Path, *keys: str, stem: str = "r") -> None:
    """Write and wait for the dialog's end."""
    dialog = opened(program)
    fill(dialog, folder, *keys, stem=stem)
    press(dialog)
    wait_closed(program)


def wait_closed(program: Program) -> None:
    program.wait(lambda: program.window.findChild(ExportReadingDialog) is None)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.is_file())


def test_everything_is_written_with_the_numbers_on_screen(reading: Program, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    shown = {n: reading.text(n) for n in ("riskValue", "agatstonValue", "volumeValue", "sqrtVolumeValue")}
    interval = reading.text("riskInterval")
    export(reading, out, *ALL)
    assert names(out) == sorted(f"r{f.ending}" for f in formats())

    document = json.loads((out / "r.json").read_text())
    risk, calcium = document["risk"], document["calcium"]
    assert percent(risk["hyrisknet"]) == shown["riskValue"]
    assert " to ".join(percent(x) for x in risk["interval"]) == interval
    assert f"{calcium['agatston']:.1f}" == shown["agatstonValue"]
    assert f"{calcium['volume_mm3']:.1f} mm³" == shown["volumeValue"]
    assert f"{calcium['sqrt_volume']:.2f}" == shown["sqrtVolumeValue"]
    assert len(calcium["excluded_lesions"]) == 1
    assert document["research_use_only"] is True

    # The others say the same to the last digit.
    back = read_report(out / "r.sr.dcm")
    assert readings.same_risk(back.risk, risk)
    assert back.calcium.items() <= calcium.items()
    head, row = csv.reader(io.StringIO((out / "r.csv").read_text(), newline=""))
    cells = dict(zip(head, row, strict=True))
    assert float(cells["hyrisknet"]) == risk["hyrisknet"]
    assert float(cells["agatston"]) == calcium["agatston"]
    fhir = (out / "r.fhir.json").read_text()
    assert repr(calcium["agatston"]) in fhir
    assert "DEMONSTRATION MODEL" in fhir
    assert pydicom.dcmread(out / "r.pdf.dcm").EncapsulatedDocument.startswith(b"%PDF")
    assert back.segmentation_uid == pydicom.dcmread(out / "r.seg.dcm").SOPInstanceUID


def test_the_reader_and_the_choices_are_remembered_but_no_patient_in_names(reading: Program, tmp_path: Path) -> None:
    dialog = opened(reading)
    assert find(dialog, QLineEdit, "exportReader").text() == reading.session.reader != ""
    stem = find(dialog, QLineEdit, "exportStem").text()
    assert stem.startswith("hyrisk-2")
    attributes = reading.session.volume.attributes
    assert not any(str(attributes[k]) in stem for k in ("PatientID", "PatientName", "StudyDate", "SeriesInstanceUID"))
    find(dialog, QLineEdit, "exportReader").setText("Ada Müller")
    fill(dialog, tmp_path, "sr", "json")
    press(dialog)
    wait_closed(reading)
    assert read_report(tmp_path / "r.sr.dcm").reader == "Ada Müller"
    dialog = opened(reading)
    assert find(dialog, QLineEdit, "exportFolder").text() == str(tmp_path)
    assert [key for key in ALL if find(dialog, QCheckBox, f"export_{key}").isChecked()] == ["sr", "json"]
    dialog.reject()


def test_it_is_said_and_the_folder_is_one_click_away(
    reading: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    urls: list[str] = []
    monkeypatch.setattr(commands.QDesktopServices, "openUrl", lambda url: urls.append(url.toLocalFile()))
    out = tmp_path / "out"
    out.mkdir()
    export(reading, out, "json", "csv")
    label = reading.window.findChild(QLabel, "statusMessage")
    assert label is not None
    assert label.toolTip() == "2 files written to out: r.json, r.csv"
    button = reading.window.findChild(QPushButton, "showInFolder")
    assert button is not None
    assert button.isVisible()
    QTest.mouseClick(button, Qt.MouseButton.LeftButton)
    assert urls == [str(out)]
    reading.services.store.flush()
    trail = list(reading.services.store.open().audit_trail())
    assert [e.detail for e in trail if e.action == "reading_exported"] == [{"formats": ["csv", "json"]}]


def test_existing_files_are_asked_about(reading: Program, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "r.json").write_text("precious")
    dialog = opened(reading)
    fill(dialog, out, "json", "csv")
    press(dialog)
    reading.wait(lambda: dialog.findChild(QMessageBox, "replaceQuestion") is not None)
    question = dialog.findChild(QMessageBox, "replaceQuestion")
    assert question is not None
    assert "r.json" in question.text()
    assert question.defaultButton().text().replace("&", "") == "Keep them"
    QTest.mouseClick(question.defaultButton(), Qt.MouseButton.LeftButton)
    reading.wait(lambda: dialog.findChild(QMessageBox, "replaceQuestion") is None)
    assert names(out) == ["r.json"]
    assert (out / "r.json").read_text() == "precious"
    press(dialog)
    reading.wait(lambda: dialog.findChild(QMessageBox, "replaceQuestion") is not None)
    question = dialog.findChild(QMessageBox, "replaceQuestion")
    assert question is not None
    (replace,) = [b for b in question.buttons() if b.text().replace("&", "") == "Replace"]
    QTest.mouseClick(replace, Qt.MouseButton.LeftButton)
    wait_closed(reading)
    assert names(out) == ["r.csv", "r.json"]
    assert json.loads((out / "r.json").read_text())["risk"] is not None


@pytest.mark.parametrize("case", ["no folder", "own exam", "fails midway"])
def test_a_failure_is_one_sentence_and_changes_nothing(
    case: str, reading: Program, exam: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, stem = tmp_path / "out", "r"
    if case == "own exam":
        out, victim = exam, sorted(exam.iterdir())[0]
        victim.rename(exam / "r.sr.dcm")
        reading.services.loader.open_path(exam)
        reading.wait(lambda: exam / "r.sr.dcm" in reading.session.exam.record.files)
        reading.wait(lambda: reading.session.stored_id is not None)
        reading.session.place_centre(readings.CENTRE)
        reading.wait_for_risk()
    elif case == "fails midway":
        out.mkdir()

        def full(_: object) -> bytes:
            raise OSError(28, "No space left on device")

        monkeypatch.setattr("os.fsync", full)
    before = names(out) if out.is_dir() else None
    dialog = opened(reading)
    fill(dialog, out, "sr", "json", stem=stem)
    press(dialog)
    message = find(dialog, QLabel, "exportReadingMessage")
    start = find(dialog, QPushButton, "startExport")
    reading.wait(lambda: message.text() != "" and start.isEnabled())
    expected = {
        "no folder": "There is no folder",
        "own exam": "a file of the exam itself",
        "fails midway": "No space left",
    }
    assert expected[case] in message.text()
    assert message.text().count(".") <= 2
    assert (names(out) if out.is_dir() else None) == before
    dialog.reject()


def test_a_cancel_leaves_nothing(reading: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    started = threading.Event()

    def slow(making: formats_module.Making) -> bytes:
        started.set()
        for _ in range(500):
            time.sleep(0.01)
            making.check()
        return b""

    monkeypatch.setattr(formats_module, "_json", slow)
    out = tmp_path / "out"
    out.mkdir()
    dialog = opened(reading)
    fill(dialog, out, "fhir", "json")
    press(dialog)
    reading.wait(started.is_set)
    assert not find(dialog, QPushButton, "startExport").isEnabled()
    press(dialog, "closeExport")
    message = find(dialog, QLabel, "exportReadingMessage")
    reading.wait(lambda: message.text() == "Cancelled: nothing was written.")
    assert names(out) == []
    press(dialog, "closeExport")
    wait_closed(reading)


def test_another_exam_on_screen_ends_the_dialog_and_takes_nothing_of_it(
    reading: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The export goes with the exam it was asked for: numbers of the one that came meanwhile are in no file."""
    gate = threading.Event()
    made_before = formats_module._json

    def gated(making: formats_module.Making) -> bytes:
        gate.wait(PATIENCE_S)
        return made_before(making)

    monkeypatch.setattr(formats_module, "_json", gated)
    out = tmp_path / "out"
    out.mkdir()
    dialog = opened(reading)
    fill(dialog, out, "json", "csv")
    press(dialog)
    reading.wait(lambda: reading.window.commands.reading_files.exporting.running)
    reading.show(block_volume())
    wait_closed(reading)
    gate.set()
    reading.wait(lambda: not reading.window.commands.reading_files.exporting.running)
    assert names(out) == []


def test_what_can_not_be_exported_yet_is_said(ready: Program, exam: Path) -> None:
    assert not ready.window.actions_by_key["export_reading"].isEnabled()
    ready.services.loader.open_path(exam)
    ready.wait(lambda: ready.session.can_measure)
    session = ready.session
    dialog = opened(ready)
    notes, start = find(dialog, QLabel, "exportNotes"), find(dialog, QPushButton, "startExport")
    assert "no heart centre" in notes.text()
    assert not start.isEnabled()
    session.place_centre(readings.CENTRE)
    assert readiness(session).waiting
    assert not start.isEnabled(), "never a report without the risk that comes in a moment"
    ready.wait_for_risk()
    assert start.isEnabled()
    assert "not graded" in notes.text()
    assert "DEMONSTRATION MODEL" in notes.text()
    session.set_model(None, "No risk: the model is damaged.")
    assert "There is no risk in the files. No risk: the model is damaged." in notes.text()
    assert start.isEnabled()
    dialog.reject()


def test_a_reading_without_grade_and_risk(ready: Program, exam: Path, tmp_path: Path) -> None:
    ready.services.loader.open_path(exam)
    ready.wait(lambda: ready.session.can_measure)
    ready.session.set_model(None, "No risk: the model is damaged.")
    ready.session.place_centre(readings.CENTRE)
    out = tmp_path / "out"
    out.mkdir()
    export(ready, out, *ALL)
    back = read_report(out / "r.sr.dcm")
    assert (back.grade, back.risk) == (None, None)
    assert json.loads((out / "r.json").read_text())["risk"] is None


def test_a_blinded_read_shows_no_numbers_before_it_is_locked(ready: Program, exam: Path, tmp_path: Path) -> None:
    ready.session.set_blinded(True)
    ready.services.loader.open_path(exam)
    ready.wait(lambda: ready.session.can_measure)
    session = ready.session
    session.place_centre(readings.CENTRE)
    session.set_grade(2)
    dialog = opened(ready)
    assert "blinded" in find(dialog, QLabel, "exportNotes").text()
    assert not find(dialog, QPushButton, "startExport").isEnabled()
    assert ready.window.commands.reading_files.exporting.snapshot() is None
    session.lock_grade()
    ready.wait_for_risk()
    assert find(dialog, QPushButton, "startExport").isEnabled()
    assert "name the patient" in find(dialog, QLabel, "exportNotes").text()
    dialog.reject()


def test_an_exam_that_is_no_dicom_has_no_dicom_rows(ready: Program, tmp_path: Path) -> None:
    import SimpleITK as sitk

    path = tmp_path / "chest.nrrd"
    sitk.WriteImage(sitk.GetImageFromArray(dicom_series.anatomy(12, 96, 96)), str(path))
    ready.services.loader.open_path(path)
    ready.wait(lambda: ready.session.can_measure)
    ready.session.place_centre((48, 48, 6))
    ready.wait_for_risk()
    dialog = opened(ready)
    enabled = [key for key in ALL if find(dialog, QCheckBox, f"export_{key}").isEnabled()]
    assert enabled == ["pdf", "fhir", "fhir_transaction", "json", "csv"]
    assert [key for key in ALL if find(dialog, QCheckBox, f"export_{key}").isChecked()] == ["pdf"]
    fill(dialog, tmp_path, "pdf", "csv")
    press(dialog)
    wait_closed(ready)
    assert names(tmp_path) == ["chest.nrrd", "r.csv", "r.pdf"]
    assert ready.services.settings["export_formats"] == ["sr", "seg", "pdf", "csv"], "DICOM comes back with DICOM exams"
    shutdown_decoders()


def test_names_become_files_only_when_they_are_harmless() -> None:
    assert clean_stem("../../tmp/evil") == "tmp-evil"
    assert clean_stem(' a<b>:"c"|?*\n ') == "a-b-c"
    assert clean_stem("...") == ""
    assert default_stem() == clean_stem(default_stem())
