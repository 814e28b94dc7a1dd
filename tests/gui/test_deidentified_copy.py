"""File > De-identified copy: exam and reading for others; nobody in it, nothing half, nothing of another exam."""

from __future__ import annotations

import json
import threading
import time
from pathlib import Path

import pydicom
import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QLabel, QLineEdit, QPushButton, QWidget

from hyrisk_desktop.exchange.deidentified import export
from hyrisk_desktop.exchange.deidentified.folder import FHIR, PDF, READING, SEG, SR, contents
from hyrisk_desktop.exchange.deidentified.pseudonyms import Pseudonyms, read_secret
from hyrisk_desktop.exchange.reports.structured_report_reader import read_report
from hyrisk_desktop.gui.export import commands
from hyrisk_desktop.gui.export.deidentified_dialog import DeidentifiedCopyDialog
from hyrisk_desktop.gui.results import percent
from hyrisk_desktop.paths import unfinished_dir
from tests.gui.conftest import Program
from tests.helpers import dicom_series, readings
from tests.helpers.volumes import block_volume

SECRET = "Straße of the sixteen lungs"
NUMBERS = ("riskValue", "riskInterval", "agatstonValue", "volumeValue", "sqrtVolumeValue")
FIELDS = ("Folder", "Name", "Subject", "Label", "Secret")


def exam(folder: Path, *, burned_in: bool = False) -> Path:
    made = readings.calcified(patient="Grünwald^Ottilie")
    for ds in made:
        ds.SpecificCharacterSet, ds.PatientID = "ISO_IR 192", "PAT-0815-77"
    if burned_in:
        made[3].BurnedInAnnotation = "YES"
    return dicom_series.write(made, folder)


def read(program: Program, folder: Path) -> None:
    """Open, with centre, grade and an excluded lesion, and the risk there."""
    before = program.session.exam
    program.services.loader.open_path(folder)
    program.wait(lambda: program.session.exam is not before and program.session.can_measure)
    program.wait(lambda: program.session.stored_id is not None)
    program.session.place_centre(readings.CENTRE)
    program.session.set_grade(2)
    program.session.toggle_lesion(2)
    program.wait_for_risk()


@pytest.fixture
def reading(ready: Program, tmp_path: Path) -> Program:
    read(ready, exam(tmp_path / "received"))
    (tmp_path / "share").mkdir()
    return ready


def opened(program: Program, parent: Path) -> DeidentifiedCopyDialog:
    program.window.actions_by_key["deidentified_copy"].trigger()
    dialog = program.window.findChild(DeidentifiedCopyDialog)
    assert dialog is not None
    edit(dialog, "Folder").setText(str(parent))
    return dialog


def edit(dialog: DeidentifiedCopyDialog, name: str) -> QLineEdit:
    return find(dialog, QLineEdit, f"deidentified{name}")  # type: ignore[return-value]


def find(dialog: DeidentifiedCopyDialog, kind: type, name: str) -> QWidget:
    found = dialog.findChild(kind, name)
    assert found is not None, name
    return found  # type: ignore[no-any-return]


def press(dialog: DeidentifiedCopyDialog, name: str = "startDeidentified") -> None:
    button = find(dialog, QPushButton, name)
    assert button.isVisible()
    QTest.mouseClick(button, Qt.MouseButton.LeftButton)


def message(dialog: DeidentifiedCopyDialog) -> str:
    label = dialog.findChild(QLabel, "deidentifiedMessage")
    assert label is not None
    return label.text()


def make(program: Program, dialog: DeidentifiedCopyDialog, button: str = "startDeidentified") -> None:
    """Press and wait until it is done or refused."""
    service = program.window.commands.reading_files.deidentifying
    press(dialog, button)
    assert service.running
    program.wait(lambda: not service.running)


def texts(dialog: DeidentifiedCopyDialog) -> str:
    """All that the last page says."""
    page = find(dialog, QWidget, "deidentifiedResult")
    assert page.isVisible()
    return "\n".join(label.text() for label in page.findChildren(QLabel))


def closed(program: Program) -> bool:
    return program.window.findChild(DeidentifiedCopyDialog) is None


def test_the_copy_names_nobody_and_reads_like_the_screen(
    reading: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    urls: list[str] = []
    monkeypatch.setattr(commands.QDesktopServices, "openUrl", lambda url: urls.append(url.toLocalFile()))
    shown = {name: reading.text(name) for name in NUMBERS}
    reading.session.set_reader("Dr Adelheid Wunderlich")
    dialog = opened(reading, tmp_path / "share")
    subject, name = edit(dialog, "Subject").text(), edit(dialog, "Name").text()
    assert name == f"deidentified-{subject}"
    assert edit(dialog, "Label").text() == "Reader 1"
    assert edit(dialog, "Secret").echoMode() is QLineEdit.EchoMode.Password
    assert all(edit(dialog, field).accessibleName() for field in FIELDS)
    assert "Random" in edit(dialog, "Subject").accessibleDescription()
    assert not find(dialog, QPushButton, "acceptBurnedIn").isVisible()
    make(reading, dialog)

    folder = tmp_path / "share" / name
    assert [p.name for p in (tmp_path / "share").iterdir()] == [name]
    assert sorted(p.name for p in folder.iterdir()) == sorted(n.rstrip("/") for n in contents())
    for path in folder.rglob("*"):
        data = b"" if path.is_dir() else path.read_bytes()
        assert not any(word.encode() in data for word in ("Grünwald", "Ottilie", "PAT-0815-77", "Wunderlich"))
    report = read_report(folder / SR)
    assert (report.reader, pydicom.dcmread(folder / SEG).PatientID) == ("Reader 1", subject)
    document = json.loads((folder / READING).read_text())
    assert (folder / PDF).read_bytes().startswith(b"%PDF")
    assert subject in (folder / FHIR).read_text()
    assert percent(document["risk"]["hyrisknet"]) == shown["riskValue"]
    assert f"{document['calcium']['agatston']:.1f}" == shown["agatstonValue"]

    # What was made, what to look at, and the way there.
    said = texts(dialog)
    assert all(part in said for part in (str(folder), subject, "14 DICOM objects", "Look at every image", "Random"))
    press(dialog, "deidentifiedShowFolder")
    assert urls == [str(folder)]
    press(dialog, "closeDeidentified")
    reading.wait(lambda: closed(reading))
    assert reading.window.findChild(QPushButton, "showInFolder").isVisible()
    assert name in reading.window.findChild(QLabel, "statusMessage").toolTip()
    reading.services.store.flush()
    (row,) = [e for e in reading.services.store.open().audit_trail() if e.action == "exam_deidentified"]
    assert (row.detail["objects"], row.detail["project_secret"], row.detail["burned_in_accepted"]) == (14, False, False)
    assert subject not in json.dumps(row.detail), "the trail is no list that leads back to the patient"

    read(reading, folder / "ct")
    assert {name: reading.text(name) for name in NUMBERS} == shown
    dialog = opened(reading, tmp_path / "share")
    assert edit(dialog, "Subject").text() != subject
    dialog.reject()


def test_a_project_secret_gives_the_same_codes_and_is_kept_nowhere(
    reading: Program, tmp_path: Path, isolated_home: Path
) -> None:
    dialog = opened(reading, tmp_path / "share")
    start = find(dialog, QPushButton, "startDeidentified")
    random = edit(dialog, "Subject").text()
    edit(dialog, "Secret").setText("too short")
    assert "Too short" in edit(dialog, "Secret").accessibleDescription()
    assert (start.isEnabled(), edit(dialog, "Subject").text()) == (False, random)
    folders = []
    for typed in (SECRET, f" Strae\u0301 {SECRET}", f" {SECRET} "):
        edit(dialog, "Secret").setText(typed)
        names = Pseudonyms(typed.replace("e\u0301", "é").strip().encode())
        assert start.isEnabled()
        assert edit(dialog, "Subject").text() == names.subject("number", "PAT-0815-77")
        assert names.mark in edit(dialog, "Secret").accessibleDescription()
    for name in ("one", "two"):
        edit(dialog, "Secret").setText(SECRET)
        edit(dialog, "Name").setText(name)
        make(reading, dialog)
        assert edit(dialog, "Secret").text() == ""
        folders.append(tmp_path / "share" / name)
        dialog.reject()
        reading.wait(lambda: closed(reading))
        dialog = opened(reading, tmp_path / "share")
        assert edit(dialog, "Secret").text() == ""
    dialog.reject()
    first, second = ([pydicom.dcmread(f) for f in sorted((folder / "ct").iterdir())] for folder in folders)
    keys = ("PatientID", "StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID")
    assert [[ds[k].value for k in keys] for ds in first] == [[ds[k].value for k in keys] for ds in second]

    # In a file for the command line it is the same secret.
    kept = tmp_path / "secret.txt"
    kept.write_text(f"\ufeff{SECRET}\n", encoding="utf-8")
    assert Pseudonyms(read_secret(kept)).subject("number", "PAT-0815-77") == first[0].PatientID

    reading.services.store.flush()
    files = [path for place in (isolated_home, *folders) for path in place.rglob("*") if path.is_file()]
    assert any(path.name == "settings.json" for path in files)
    for form in (SECRET.encode(), SECRET.encode("utf-16-le"), json.dumps(SECRET).strip('"').encode(), b"sixteen lungs"):
        assert [path for path in files if form in path.read_bytes()] == []


def test_burned_in_text_is_refused_first_and_copied_only_on_request(ready: Program, tmp_path: Path) -> None:
    read(ready, exam(tmp_path / "received", burned_in=True))
    (tmp_path / "share").mkdir()
    dialog = opened(ready, tmp_path / "share")
    make(ready, dialog)
    assert "burned into their pixels" in message(dialog)
    assert list((tmp_path / "share").iterdir()) == []
    assert find(dialog, QPushButton, "acceptBurnedIn").text().replace("&", "") == "Export all the same"
    assert not find(dialog, QPushButton, "acceptBurnedIn").isDefault(), "Enter must not accept it"
    make(ready, dialog)
    assert list((tmp_path / "share").iterdir()) == [], "asked again, it refuses again"
    make(ready, dialog, "acceptBurnedIn")
    (folder,) = (tmp_path / "share").iterdir()
    assert "it was exported with them" in texts(dialog)
    assert "YES" in {pydicom.dcmread(f).get("BurnedInAnnotation") for f in (folder / "ct").iterdir()}
    ready.services.store.flush()
    (row,) = [e for e in ready.services.store.open().audit_trail() if e.action == "exam_deidentified"]
    assert row.detail["burned_in_accepted"] is True
    assert "burned_in" in row.detail["warnings"]
    dialog.reject()


REFUSED = {
    "folder exists": "must be new or empty",
    "no parent": "must lie in a folder that exists",
    "own exam": "must not lie within the exam's own folder",
    "code": "A subject code has 1 to 40 letters",
    "patient's number": "The subject code holds a name or number of the patient",
    "patient's name": "The name of the new folder holds a name",
    "reader's name": "The reader label holds a name",
    "disk full": "No space left",
    "unforeseen": "Nothing was written; see the log.",
}


def everything_but_lists(folder: Path) -> list[Path]:
    """All that lies in ``folder``, but the program's own list of what it is writing."""
    own = unfinished_dir()
    return sorted(p for p in folder.rglob("*") if p != own and own not in p.parents)


def test_a_refusal_is_one_sentence_and_changes_nothing(
    reading: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    share = tmp_path / "share"
    reading.session.set_reader("Adelheid Wunderlich")
    (share / "full").mkdir()
    (share / "full" / "precious").write_text("x")
    before = everything_but_lists(tmp_path)

    def full(_: object) -> None:
        raise OSError(28, "No space left on device")

    def unforeseen(*_: object) -> None:
        raise ValueError("Grünwald")

    for case, expected in REFUSED.items():
        dialog = opened(reading, share)
        edit(dialog, "Secret").setText(SECRET)
        with monkeypatch.context() as patch:
            if case in ("folder exists", "patient's name"):
                edit(dialog, "Name").setText("full" if case == "folder exists" else "lung-grünwald-1")
            elif case in ("no parent", "own exam"):
                edit(dialog, "Folder").setText(str(tmp_path / ("none" if case == "no parent" else "received")))
            elif case in ("code", "patient's number"):
                edit(dialog, "Subject").setText("a/b" if case == "code" else "pat-0815-77")
                edit(dialog, "Name").setText("new")
            elif case == "reader's name":
                edit(dialog, "Label").setText("Dr. A. Wunderlich")
            elif case == "disk full":
                patch.setattr("os.fsync", full)
            else:
                patch.setattr(export, "check_words", unforeseen)
            make(reading, dialog)
        assert expected in message(dialog), case
        assert message(dialog).count(".") <= 2, case
        assert everything_but_lists(tmp_path) == before, case
        assert find(dialog, QPushButton, "startDeidentified").isEnabled()
        assert not find(dialog, QPushButton, "acceptBurnedIn").isVisible()
        dialog.reject()
        reading.wait(lambda: closed(reading))


@pytest.mark.parametrize("how", ["cancel", "another exam"])
def test_what_is_stopped_leaves_nothing(
    how: str, reading: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Cancelled, or overtaken by an exam whose screen it must not touch."""
    begun = threading.Event()
    before = export.image_without_identity

    def slow(*args: object) -> object:
        begun.set()
        time.sleep(0.05)
        return before(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(export, "image_without_identity", slow)
    dialog = opened(reading, tmp_path / "share")
    press(dialog)
    reading.wait(begun.is_set)
    assert not edit(dialog, "Subject").isEnabled()
    service = reading.window.commands.reading_files.deidentifying
    if how == "cancel":
        press(dialog, "closeDeidentified")
        reading.wait(lambda: message(dialog) == "Cancelled: nothing was written.")
        assert edit(dialog, "Subject").isEnabled()
        press(dialog, "closeDeidentified")
    else:
        reading.show(block_volume())
    reading.wait(lambda: closed(reading) and not service.running)
    assert list((tmp_path / "share").iterdir()) == []
    assert not reading.window.findChild(QPushButton, "showInFolder").isVisible()
    reading.services.store.flush()
    assert "exam_deidentified" not in {e.action for e in reading.services.store.open().audit_trail()}


def test_warnings_outlast_the_exam_on_screen(reading: Program, tmp_path: Path) -> None:
    dialog = opened(reading, tmp_path / "share")
    make(reading, dialog)
    reading.show(block_volume())
    assert "Look at every image" in texts(dialog)
    dialog.reject()
    reading.wait(lambda: closed(reading))
    assert reading.services.settings["deidentified_parent"] == str(tmp_path / "share")
    reading.window.actions_by_key["deidentified_copy"].trigger()
    dialog = reading.window.findChild(DeidentifiedCopyDialog)
    assert dialog is not None
    assert edit(dialog, "Folder").text() == str(tmp_path / "share")
    dialog.reject()


def test_a_blinded_read_is_copied_only_once_it_is_locked(ready: Program, tmp_path: Path) -> None:
    ready.session.set_blinded(True)
    ready.services.loader.open_path(exam(tmp_path / "received"))
    ready.wait(lambda: ready.session.can_measure)
    ready.session.place_centre(readings.CENTRE)
    ready.session.set_grade(2)
    dialog = opened(ready, tmp_path)
    notes = dialog.findChild(QLabel, "deidentifiedNotes")
    assert notes is not None
    assert "blinded" in notes.text()
    start = find(dialog, QPushButton, "startDeidentified")
    assert not start.isEnabled()
    assert ready.window.commands.reading_files.deidentifying.snapshot() is None
    ready.session.lock_grade()
    ready.wait_for_risk()
    assert start.isEnabled()
    assert "name the patient" not in notes.text()
    dialog.reject()


def test_suggestions_follow_until_somebody_types(reading: Program, tmp_path: Path) -> None:
    dialog = opened(reading, tmp_path)
    subject, name = edit(dialog, "Subject"), edit(dialog, "Name")
    suggested = subject.text()
    subject.setText("LUNG 014")
    assert name.text() == "deidentified-LUNG-014"
    assert "Your own code" in subject.accessibleDescription()
    edit(dialog, "Secret").setText(SECRET)
    assert subject.text() == "LUNG 014"
    edit(dialog, "Secret").clear()
    subject.clear()
    subject.editingFinished.emit()
    assert subject.text() == suggested
    name.setText("../elsewhere")
    subject.setText("LUNG 015")
    assert name.text() == "../elsewhere"
    make(reading, dialog)
    assert (tmp_path / "elsewhere").is_dir(), "a name is no way out of the folder"
    dialog.reject()


def test_only_dicom_exams_can_be_copied(ready: Program, tmp_path: Path) -> None:
    assert not ready.window.actions_by_key["deidentified_copy"].isEnabled()
    import SimpleITK as sitk

    path = tmp_path / "chest.nrrd"
    sitk.WriteImage(sitk.GetImageFromArray(dicom_series.anatomy(12, 96, 96)), str(path))
    ready.services.loader.open_path(path)
    ready.wait(lambda: ready.session.can_measure)
    ready.session.place_centre((48, 48, 6))
    ready.wait_for_risk()
    dialog = opened(ready, tmp_path)
    assert not find(dialog, QPushButton, "startDeidentified").isEnabled()
    notes = dialog.findChild(QLabel, "deidentifiedNotes")
    assert notes is not None
    assert "isn't DICOM" in notes.text()
    dialog.reject()
