"""Opening exams through the window: what works, what is refused, and that nothing open is ever lost."""

from __future__ import annotations

import gc
import threading
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pydicom
import pytest
from PySide6.QtCore import QMimeData, QPointF, Qt, QUrl
from PySide6.QtGui import QDropEvent
from PySide6.QtWidgets import QDialog, QLabel, QTableWidget

from hyrisk_desktop.errors import ExamError
from hyrisk_desktop.gui import application
from hyrisk_desktop.gui.dialogs.message import ErrorDialog
from hyrisk_desktop.gui.dialogs.series import SeriesDialog
from hyrisk_desktop.gui.services import exam_loader
from hyrisk_desktop.imaging import CTVolume, SeriesRecord, find_series
from tests.gui.conftest import Program, record_of
from tests.helpers import dicom_series
from tests.helpers.exams import write_exam
from tests.helpers.volumes import HEART_CENTRE, block_volume


def image_file(folder: Path, name: str = "chest.mha", seed: int = 0) -> Path:
    import SimpleITK as sitk

    volume = block_volume(seed=seed)
    image = sitk.GetImageFromArray(volume.hu)
    image.SetSpacing(volume.spacing_mm)
    folder.mkdir(parents=True, exist_ok=True)
    sitk.WriteImage(image, str(folder / name))
    return folder / name


def open_and_wait(program: Program, path: Path) -> None:
    program.services.loader.open_path(path)
    program.wait(lambda: not program.services.loader.loading)


def error_sentence(program: Program) -> str:
    dialog = program.window.findChild(ErrorDialog)
    assert dialog is not None
    sentence = dialog.findChild(QLabel, "errorSentence").text()
    dialog.accept()
    dialog.deleteLater()
    program.qtbot.wait(1)
    return sentence


def test_an_image_file_opens_and_is_remembered(program: Program, tmp_path: Path) -> None:
    path = image_file(tmp_path)
    open_and_wait(program, path)
    assert program.session.can_measure
    assert program.services.settings["recent_exams"] == [str(path)]
    assert program.session.volume.shape_zyx == (25, 240, 260)


def test_why_no_series_can_be_scored_is_said() -> None:
    unfit = replace(record_of(block_volume()), suitable=False, reason="A localizer.")
    with pytest.raises(ExamError, match=r"^A localizer\.$"):
        exam_loader.choose((unfit, replace(unfit, reason="Another one.")))
    with pytest.raises(ExamError, match="There is no CT exam here"):
        exam_loader.choose(())


def test_dropping_a_file_opens_it(program: Program, tmp_path: Path) -> None:
    path = image_file(tmp_path)
    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile(str(path))])
    event = QDropEvent(
        QPointF(50, 50), Qt.DropAction.CopyAction, data, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier
    )
    program.window.dropEvent(event)
    program.wait(lambda: program.session.can_measure)


@pytest.mark.parametrize("kind", ["missing", "empty", "text", "truncated image", "not a zip"])
def test_bad_input_is_one_sentence_and_the_open_exam_stays(program: Program, tmp_path: Path, kind: str) -> None:
    open_and_wait(program, image_file(tmp_path / "good"))
    program.session.place_centre(HEART_CENTRE)
    program.session.set_grade(1)
    kept = (program.session.exam, program.session.read)
    bad = tmp_path / "bad"
    if kind == "empty":
        bad.mkdir()
    elif kind == "text":
        bad.mkdir()
        (bad / "notes.txt").write_text("nothing to see")
        (bad / "more.csv").write_text("a,b\n1,2\n")
    elif kind == "truncated image":
        bad = image_file(tmp_path / "bad", "cut.mha")
        bad.write_bytes(bad.read_bytes()[:5000])
    elif kind == "not a zip":
        bad = tmp_path / "exam.zip"
        bad.write_bytes(b"PK\x03\x04 but no more")
    open_and_wait(program, bad)
    sentence = error_sentence(program)
    assert len(sentence) > 20
    assert "Traceback" not in sentence
    assert "Something went wrong" not in sentence
    assert (program.session.exam, program.session.read) == kept
    assert program.session.scores is not None


@pytest.mark.real_data
@pytest.mark.parametrize(
    "folder", ["malformed", "non_ct_objects", "localizer_and_secondary", "tilted_ct", "tilted_nonuniform_ct"]
)
def test_odd_dicom_folders_never_lose_the_open_exam(
    program: Program, tmp_path: Path, real_data: Path, folder: str
) -> None:
    open_and_wait(program, image_file(tmp_path))
    first = program.session.exam
    open_and_wait(program, real_data / "dicom_oddities" / folder)
    if program.session.exam is first:
        assert "Something went wrong" not in error_sentence(program)
    else:
        assert program.session.can_measure


@pytest.mark.real_data
def test_each_malformed_file_alone(program: Program, real_data: Path) -> None:
    for path in sorted((real_data / "dicom_oddities" / "malformed").iterdir()):
        before = program.session.exam
        open_and_wait(program, path)
        if program.session.exam is before:
            assert "Something went wrong" not in error_sentence(program), path.name


def test_cancelling_brings_the_exam_back(program: Program, tmp_path: Path) -> None:
    open_and_wait(program, image_file(tmp_path / "a"))
    first = program.session.exam
    program.services.loader.open_path(image_file(tmp_path / "b", seed=1))
    program.window.commands.run("cancel_loading")
    program.wait(lambda: not program.services.loader.loading)
    assert program.session.exam is first
    assert program.window.findChild(QDialog) is None


def test_the_newest_of_two_quick_openings_wins(program: Program, tmp_path: Path) -> None:
    slow, quick = image_file(tmp_path / "a", seed=1), image_file(tmp_path / "b", seed=2)
    program.services.loader.open_path(slow)
    program.services.loader.open_path(quick)
    program.wait(lambda: not program.services.loader.loading)
    program.wait(lambda: not program.services.runner.busy)
    program.qtbot.wait(1)
    np.testing.assert_array_equal(program.session.volume.hu, block_volume(seed=2).hu)


@pytest.mark.real_data
def test_real_exam_shows_its_first_image_early_and_names_its_findings(program: Program, real_data: Path) -> None:
    previews = []
    program.session.exam_changed.connect(lambda: previews.append(program.session.exam.loading))
    open_and_wait(program, real_data / "nlst_101287_T0")
    assert previews[0] is True
    assert previews[-1] is False
    # Not the slice that is ready first, but the middle one, unless a heart centre has been proposed meanwhile.
    assert program.session.view.position[2] in (71, 68)
    # Once more, with the decoders warm: where it was left.
    program.session.set_view(position=(100, 120, 33))
    open_and_wait(program, real_data / "nlst_101287_T0")
    assert program.session.view.position == (100, 120, 33)
    assert program.session.volume.shape_zyx == (143, 512, 512)
    assert "sharp_kernel" in [f.code for f in program.session.findings]


@pytest.mark.real_data
def test_a_contrast_exam_is_flagged_beside_the_numbers(program: Program, real_data: Path) -> None:
    open_and_wait(program, real_data / "lidc_idri_0001")
    findings = program.session.findings
    assert (findings[0].code, str(findings[0].severity)) == ("contrast", "unfit")
    program.session.place_centre((270, 240, 55))
    assert program.window.findChild(QLabel, "agatstonValue").property("state") == "hidden"


def test_another_series_can_be_chosen(program: Program, tmp_path: Path) -> None:
    folder = tmp_path / "two"
    image_file(folder, "one.mha", seed=1)
    image_file(folder, "two.mha", seed=2)
    open_and_wait(program, folder)
    exam = program.session.exam
    assert len(exam.alternatives) == 2
    program.window.commands.run("choose_series")
    dialog = program.window.findChild(SeriesDialog)
    table = dialog.findChild(QTableWidget, "seriesTable")
    other = next(i for i, r in enumerate(exam.alternatives) if r.series_uid != exam.record.series_uid)
    table.selectRow(other)
    dialog._choose()
    program.wait(lambda: program.session.exam is not exam and program.session.can_measure)
    assert program.session.exam.record.series_uid == exam.alternatives[other].series_uid


def test_the_choice_of_a_series_ends_with_its_exam(program: Program, tmp_path: Path) -> None:
    folder = tmp_path / "two"
    for n in (1, 2):
        image_file(folder, f"{n}.mha", seed=n)
    open_and_wait(program, folder)
    program.window.commands.run("choose_series")
    assert program.window.findChild(SeriesDialog) is not None
    open_and_wait(program, image_file(tmp_path / "other", seed=3))
    program.wait(lambda: program.window.findChild(SeriesDialog) is None)


def test_the_log_holds_no_patient_and_no_path(program: Program, tmp_path: Path) -> None:
    secret = tmp_path / "DOE_JOHN_19501224"
    open_and_wait(program, image_file(secret))
    broken = secret / "broken.mha"
    broken.write_bytes(b"ObjectType = Image\nNDims = 3\n")
    open_and_wait(program, broken)
    error_sentence(program)
    text = "\n".join(program.services.log.lines)
    assert "Opened an exam" in text
    assert "DOE" not in text
    assert str(tmp_path) not in text


def two_studies(folder: Path) -> Path:
    for number in (0, 9):
        write_exam(folder / str(number), number, patient="P-7", name="Test^Ada")
    return folder


def grade_it(program: Program) -> None:
    """What was chosen is on screen, and its earlier read, if there is one, is back."""
    program.wait(lambda: program.session.stored_id is not None and not program.services.worklist.keeper.asking)
    program.session.place_centre((30, 30, 12))
    program.session.set_grade(2)
    program.wait_for_risk()
    program.wait(lambda: program.services.store.unsaved == 0)


def unreadable(monkeypatch: pytest.MonkeyPatch, series_uid: str) -> None:
    read = exam_loader.read_volume

    def refusing(record: SeriesRecord, **more: object) -> CTVolume:
        if record.series_uid == series_uid:
            raise ExamError("undecodable", "An image is damaged.")
        return read(record, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(exam_loader, "read_volume", refusing)


def test_the_read_of_another_study_chosen_from_the_same_folder_is_kept(ready: Program, tmp_path: Path) -> None:
    open_and_wait(ready, two_studies(tmp_path / "both"))
    ready.wait(lambda: ready.session.stored_id is not None)
    first = ready.session.exam
    assert first is not None
    (other,) = (r for r in first.alternatives if r.study_uid != first.record.study_uid)
    ready.services.worklist.open_series(other, first.alternatives)
    ready.wait(lambda: ready.session.exam is not first and ready.session.can_measure)
    grade_it(ready)
    assert [(r.series_uid, r.grade) for r in ready.services.store.open().reads()] == [(other.series_uid, 2.0)]


def test_the_read_of_a_series_chosen_after_the_best_could_not_be_read_is_kept(
    ready: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = two_studies(tmp_path / "both")
    best, other = find_series(folder)
    unreadable(monkeypatch, best.series_uid)
    open_and_wait(ready, folder)
    assert "damaged" in error_sentence(ready)
    found = ready.services.loader.found
    assert [r.series_uid for r in found] == [best.series_uid, other.series_uid]
    ready.services.worklist.open_series(found[1], found)
    ready.wait(lambda: ready.session.can_measure)
    grade_it(ready)
    assert [(r.series_uid, r.grade) for r in ready.services.store.open().reads()] == [(other.series_uid, 2.0)]


def test_another_series_of_a_listed_exam_that_could_not_be_read_is_read_as_that_exam(
    ready: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    exams = tmp_path / "exams"
    write_exam(exams / "a", 4)
    files = [pydicom.dcmread(path) for path in write_exam(exams / "b", 5).iterdir()]
    for ds in files:
        ds.SeriesInstanceUID, ds.SOPInstanceUID = f"{ds.SeriesInstanceUID}.2", f"{ds.SOPInstanceUID}.2"
        ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID
    dicom_series.write(files, exams / "b" / "more")
    best, other = find_series(exams / "b")
    unreadable(monkeypatch, best.series_uid)
    worklist = ready.services.worklist
    worklist.open_path(exams)
    ready.wait(lambda: len(worklist.model.entries) == 2 and not worklist.busy and ready.session.can_measure)
    entry = next(e for e in worklist.model.entries if e.series_uid == best.series_uid)
    worklist.open_exam(entry.exam_id)
    ready.wait(lambda: ready.window.findChild(ErrorDialog) is not None)
    error_sentence(ready)
    found = ready.services.loader.found
    worklist.open_series(next(r for r in found if r.series_uid == other.series_uid), found)
    ready.wait(lambda: ready.session.volume_uid == other.series_uid and ready.session.can_measure)
    assert ready.session.stored_id == entry.exam_id
    grade_it(ready)
    reads = [(r.exam_id, r.series_uid, r.grade) for r in ready.services.store.open().reads()]
    assert reads == [(entry.exam_id, other.series_uid, 2.0)]


def test_two_image_files_of_one_folder_are_two_exams_with_a_read_each(ready: Program, tmp_path: Path) -> None:
    """They may be of two patients: nothing in them says."""
    folder = tmp_path / "two"
    for n in (1, 2):
        image_file(folder, f"{n}.mha", seed=n)
    open_and_wait(ready, folder)
    grade_it(ready)
    first = ready.session.exam
    assert first is not None
    other = next(r for r in first.alternatives if r.series_uid != first.record.series_uid)
    ready.services.worklist.open_series(other, first.alternatives)
    ready.wait(lambda: ready.session.exam is not first and ready.session.can_measure)
    ready.wait(lambda: ready.session.stored_id is not None and not ready.services.worklist.keeper.asking)
    assert ready.session.read.grade is None
    grade_it(ready)
    store = ready.services.store.open()
    reads = {r.series_uid: r.exam_id for r in store.reads()}
    assert reads.keys() == {first.record.series_uid, other.series_uid}
    assert len(set(reads.values())) == 2
    sources = {entry.source for entry in store.entries_of(list(reads.values()), None)}
    assert sources == {folder / "1.mha", folder / "2.mha"}


def test_an_image_file_in_a_zip_is_kept_as_what_lies_there(ready: Program, tmp_path: Path) -> None:
    path = tmp_path / "packed.zip"
    with zipfile.ZipFile(path, "w") as packed:
        packed.write(image_file(tmp_path / "plain"), "chest.mha")
    open_and_wait(ready, path)
    grade_it(ready)
    store = ready.services.store.open()
    (read,) = store.reads()
    assert store.entries_of([read.exam_id], None)[0].source == path


def test_two_patients_who_share_a_study_uid_are_two_exams(ready: Program, tmp_path: Path) -> None:
    folder = tmp_path / "both"
    write_exam(folder / "0", 0)
    files = [pydicom.dcmread(path) for path in write_exam(tmp_path / "9", 9).iterdir()]
    for ds in files:
        ds.StudyInstanceUID = f"{dicom_series.ROOT}.8.0"
    dicom_series.write(files, folder / "9")
    open_and_wait(ready, folder)
    grade_it(ready)
    first = ready.session.exam
    assert first is not None
    (other,) = (r for r in first.alternatives if r.series_uid != first.record.series_uid)
    assert other.study_uid == first.record.study_uid
    ready.services.worklist.open_series(other, first.alternatives)
    ready.wait(lambda: ready.session.exam is not first and ready.session.can_measure)
    grade_it(ready)
    store = ready.services.store.open()
    reads = {r.exam_id: r.series_uid for r in store.reads()}
    assert len(reads) == 2
    for exam_id, series_uid in reads.items():
        records, _ = store.records(exam_id)
        assert [r.series_uid for r in records] == [series_uid]


def test_what_scores_is_imported_ahead_and_not_by_the_window(ready: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    ready.wait(lambda: not ready.services.runner.busy)
    imported: list[tuple[str, str]] = []
    monkeypatch.delitem(application.sys.modules, "scipy.ndimage", raising=False)
    monkeypatch.setattr(
        application.importlib, "import_module", lambda name: imported.append((name, threading.current_thread().name))
    )
    monkeypatch.setattr(gc, "freeze", lambda: None)
    ready.services.start()
    ready.wait(lambda: ("scipy.ndimage", "hyrisk-model_0") in imported)
    ready.wait(lambda: not ready.services.runner.busy)
    own = threading.current_thread().name
    by_window = {name for name, thread in imported if thread == own}
    # Qt's libraries are for this thread, as soon as the model is there; that may be in this test or before it.
    assert by_window <= {f"PySide6.{name}" for name in application.QT_LATER}
