"""Finding every exam below a folder, on messy disks."""

from __future__ import annotations

import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest

from hyrisk_desktop.errors import Cancelled, ExamError
from hyrisk_desktop.imaging import ScannedExam, content_sha256, find_series, read_volume, reopen, scan_exams
from hyrisk_desktop.jobs import CancelToken
from tests.helpers.dicom_series import slices, write, write_one
from tests.helpers.exams import write_exam


def scan(root: Path) -> dict[str, ScannedExam]:
    """The exams below ``root`` as they stand at the end of the scan, by key."""
    return {exam.key: exam for exam in scan_exams(root)}


def patients(exams: dict[str, ScannedExam]) -> list[str]:
    return sorted(e.records[0].attributes["PatientID"] for e in exams.values() if e.chosen)


def test_one_exam_per_study_whatever_the_folders(tmp_path: Path) -> None:
    for n in range(4):
        write_exam(tmp_path / ("a/b/c" if n == 2 else "") / f"exam{n}", n)
    exams = scan(tmp_path)
    assert patients(exams) == ["P000", "P001", "P002", "P003"]
    assert all(e.chosen and e.chosen.slice_count == 24 and e.problem is None for e in exams.values())


def test_all_exams_in_one_folder_of_many_files(tmp_path: Path) -> None:
    for n in range(3):
        write_exam(tmp_path / f"{n}", n)
        for file in (tmp_path / f"{n}").iterdir():
            file.rename(tmp_path / f"{n}-{file.name}")
    assert patients(scan(tmp_path)) == ["P000", "P001", "P002"]


def test_series_of_one_study_in_several_folders_are_one_exam(tmp_path: Path) -> None:
    for number, kernel in ((1, "B70f"), (2, "B30f")):
        parts = slices(24, series=str(number))
        for part in parts:
            part.ConvolutionKernel = kernel
        write(parts, tmp_path / f"series{number}")
    (exam,) = scan(tmp_path).values()
    assert [r.kernel for r in exam.records] == ["B30f", "B70f"]
    assert exam.source == tmp_path
    told = list(scan_exams(tmp_path))
    assert [len(e.records) for e in told] == [1, 2], "told at once, and again with what the next folder adds"


def test_a_series_that_goes_on_in_another_folder_is_judged_whole(tmp_path: Path) -> None:
    parts = slices(24)
    write(parts[::2], tmp_path / "even")
    write(parts[1::2], tmp_path / "odd")
    (exam,) = scan(tmp_path).values()
    assert (exam.records[0].slice_count, exam.records[0].increment_mm) == (24, 2.5)


def test_a_copy_elsewhere_is_no_second_exam(tmp_path: Path) -> None:
    shutil.copytree(write_exam(tmp_path / "one", 1), tmp_path / "copy" / "of" / "it")
    (exam,) = scan(tmp_path).values()
    assert exam.chosen
    assert exam.chosen.slice_count == 24


def test_a_damaged_stray_costs_no_exam(tmp_path: Path) -> None:
    write_exam(tmp_path / "good", 1)
    stray = next((tmp_path / "good").iterdir())
    (tmp_path / "zzz").mkdir()
    (tmp_path / "zzz" / "stray.dcm").write_bytes(stray.read_bytes()[:-500])
    (exam,) = scan(tmp_path).values()
    assert exam.chosen
    assert exam.chosen.slice_count == 24


def test_two_patients_under_one_study_uid_are_two_exams(tmp_path: Path) -> None:
    for patient in ("A", "B"):
        parts = slices(24)
        for part in parts:
            part.PatientID = patient
            part.SOPInstanceUID += f".{ord(patient)}"
        write(parts, tmp_path / patient)
    assert patients(scan(tmp_path)) == ["A", "B"]


def test_a_messy_disk(tmp_path: Path) -> None:
    write_exam(tmp_path / "good", 1)
    (tmp_path / "good" / "notes.txt").write_text("read me")
    (tmp_path / "good" / "DICOMDIR").write_bytes(b"\0" * 200)
    (tmp_path / ".hidden").mkdir()
    write_exam(tmp_path / ".hidden" / "exam", 9)
    write_exam(tmp_path / "zipped", 2)
    with zipfile.ZipFile(tmp_path / "exam.zip", "w") as archive:
        for file in (tmp_path / "zipped").iterdir():
            archive.write(file, f"x/{file.name}")
    shutil.rmtree(tmp_path / "zipped")
    (tmp_path / "broken.zip").write_bytes(b"PK\x03\x04 and no more")
    (tmp_path / "damaged").mkdir()
    whole = next(f for f in sorted((tmp_path / "good").iterdir()) if f.suffix == ".dcm").read_bytes()
    (tmp_path / "damaged" / "a.dcm").write_bytes(whole[:600])
    scout = slices(1)[0]
    scout.ImageType, scout.StudyInstanceUID = ["ORIGINAL", "PRIMARY", "LOCALIZER"], "1.2.3.4"
    write_one(scout, tmp_path / "scout.dcm")
    (tmp_path / "empty").mkdir()
    exams = scan(tmp_path)
    assert patients(exams) == ["P001", "P002"]
    problems = {e.source.name: e.problem for e in exams.values() if e.problem}
    assert {name: problem[0] for name, problem in problems.items()} == {
        "broken.zip": "zip_damaged",
        "damaged": "damaged",
        tmp_path.name: "localizer",
    }
    assert all(problem[1].endswith(".") for problem in problems.values())


def test_every_image_file_is_an_exam(tmp_path: Path) -> None:
    import SimpleITK as sitk

    for n in range(2):
        image = sitk.GetImageFromArray(np.random.default_rng(n).integers(-1000, 900, (30, 32, 32)).astype(np.int16))
        image.SetSpacing((4.0, 4.0, 2.5))
        sitk.WriteImage(image, str(tmp_path / f"{n}.nrrd"))
    exams = scan(tmp_path)
    assert sorted(e.source.name for e in exams.values()) == ["0.nrrd", "1.nrrd"]


@pytest.mark.parametrize("packed", [False, True])
def test_what_was_listed_opens_later_with_the_same_pixels(tmp_path: Path, packed: bool) -> None:
    folder = write_exam(tmp_path / "exam", 1)
    expected = read_volume(find_series(folder)[0]).hu
    if packed:
        with zipfile.ZipFile(tmp_path / "exam.zip", "w") as archive:
            for file in folder.iterdir():
                archive.write(file, file.name)
        shutil.rmtree(folder)
    (exam,) = scan(tmp_path).values()
    record = exam.records[0]
    assert record.headers == ()
    again = reopen(record, exam.source)
    np.testing.assert_array_equal(read_volume(again).hu, expected)
    assert len(content_sha256(again)) == 64


@pytest.mark.parametrize(("what", "code"), [("gone", "not_found"), ("another", "changed"), ("cut", "truncated")])
def test_files_that_changed_since_are_said_to_have(tmp_path: Path, what: str, code: str) -> None:
    folder = write_exam(tmp_path / "exam", 1)
    (exam,) = scan(tmp_path).values()
    files = sorted(folder.iterdir())
    if what == "gone":
        files[3].unlink()
    elif what == "another":
        write_exam(folder, 2)
    else:
        files[3].write_bytes(files[3].read_bytes()[:-900])
    with pytest.raises(ExamError) as caught:
        reopen(exam.records[0], exam.source)
    assert caught.value.code == code


def test_the_hash_of_an_exam_knows_neither_names_nor_order(tmp_path: Path) -> None:
    folder = write_exam(tmp_path / "one", 1)
    other = tmp_path / "two"
    other.mkdir()
    for number, file in enumerate(sorted(folder.iterdir(), reverse=True)):
        shutil.copy(file, other / f"{number}.dcm")
    one, two = (content_sha256(find_series(f)[0]) for f in (folder, other))
    assert one == two
    changed = next(other.iterdir())
    changed.write_bytes(changed.read_bytes()[:-1] + b"\x01")
    assert content_sha256(find_series(other)[0]) != one


def test_a_scan_reports_and_can_be_stopped(tmp_path: Path) -> None:
    for n in range(3):
        write_exam(tmp_path / f"{n}", n)
    token, told = CancelToken(), []
    scanning = scan_exams(tmp_path, progress=lambda done, _: told.append(done), cancel=token)
    next(scanning)
    token.cancel()
    with pytest.raises(Cancelled):
        next(scanning)
    assert told == sorted(told)
    assert told[-1] == 24


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ExamError, match="doesn't exist"):
        next(scan_exams(tmp_path / "none"))


@pytest.mark.real_data
def test_the_real_exams_are_all_found_among_the_oddities(real_data: Path) -> None:
    exams = scan(real_data)
    counts = {e.chosen.slice_count for e in exams.values() if e.chosen}
    assert {143, 133, 47, 79} <= counts
    assert all(e.problem is None or e.problem[1].endswith(".") for e in exams.values())
