"""Opening exams through the window: what works, what is refused, and that nothing open is ever lost."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PySide6.QtCore import QMimeData, QPointF, Qt, QUrl
from PySide6.QtGui import QDropEvent
from PySide6.QtWidgets import QDialog, QLabel, QTableWidget

from hyrisk_desktop.gui.dialogs.message import ErrorDialog
from hyrisk_desktop.gui.dialogs.series import SeriesDialog
from tests.gui.conftest import Program
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
    program.wait(lambda: not program.services.loader.loading, timeout=60_000)


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
