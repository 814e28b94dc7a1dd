"""Odd exams that are usable: read, with the right finding; and their neighbours that stay refused."""

from __future__ import annotations

import copy
import os
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom.dataset import Dataset

from hyrisk_desktop.errors import ExamError
from hyrisk_desktop.findings import Severity
from hyrisk_desktop.imaging import check_volume, find_series, read_volume, scan_exams
from tests.helpers.dicom_series import ROOT, anatomy, slices, write, write_one

COUNT = 20
Findings = dict[str, Severity]


def load(folder: Path, count: int = COUNT, seed: int = 5) -> Findings:
    """The findings of the one series of the folder, which must have the known pixels."""
    records = find_series(folder)
    assert records[0].suitable, records[0].reason
    volume = read_volume(records[0])
    assert np.array_equal(volume.hu, anatomy(count, 64, 64, seed))
    return {f.code: f.severity for f in volume.findings}


def refused(folder: Path) -> str:
    record = find_series(folder)[0]
    with pytest.raises(ExamError) as caught:
        read_volume(record)
    assert caught.value.message.endswith(".")
    return caught.value.code


@pytest.mark.parametrize(
    "numbers",
    [
        [n for pair in zip(range(1, 11), range(11, 21), strict=True) for n in pair], [*range(1, 11), *range(1, 11)],
        [*range(10, 0, -1), *range(10, 0, -1)], [n for n in range(1, 11) for _ in range(2)], sorted(range(1, 21), key=str),
        sorted(range(1, 21), key=str)[::-1], [n for i in range(5) for n in range(1 + i, 21, 5)],
    ],
)  # fmt: skip
def test_numbers_with_a_rule_of_their_own_yield_to_positions(numbers: list[int], tmp_path: Path) -> None:
    parts = slices(COUNT, seed=5)
    for part, number in zip(parts, numbers, strict=True):
        part.InstanceNumber = number
    write(parts, tmp_path)
    assert load(tmp_path) == {"instance_order": Severity.WARNING}


@pytest.mark.parametrize("pair", [(4, 5), (2, 15), (0, 19), (4, 6)])
def test_two_slices_that_changed_places_stay_refused(pair: tuple[int, int], tmp_path: Path) -> None:
    parts = slices(COUNT, seed=5)
    one, other = (parts[i] for i in pair)
    one.InstanceNumber, other.InstanceNumber = other.InstanceNumber, one.InstanceNumber
    write(parts, tmp_path)
    assert refused(tmp_path) == "instance_order"


@pytest.mark.parametrize(
    ("changed", "wanted"), [(range(COUNT), "warning"), (range(1), "refused"), (range(19), "refused")]
)
def test_names_outside_and_inside_the_files(changed: range, wanted: str, tmp_path: Path) -> None:
    parts = slices(COUNT, seed=5)
    for index in changed:
        parts[index].file_meta.MediaStorageSOPInstanceUID = f"{ROOT}.66.{index}"
    write(parts, tmp_path)
    if wanted == "refused":
        assert refused(tmp_path) == "uid_mismatch"
    else:
        assert load(tmp_path) == {"uid_mismatch": Severity.WARNING}


ABSENT = [
    "N/A", "n/a", "NA", "None", "NONE.", "No", "Without contrast", "WITHOUT IV CONTRAST", "UNENHANCED", "KEINES", "keine", "kein KM",
    "ohne Kontrastmittel", "OHNE KM", "nativ", "Sans contraste", "sans injection", "sin contraste", "senza mdc", "sem contraste",
    "geen", "zonder contrast", "utan kontrast", "bez kontrastu", "без контраста", "нет", "なし", "无", "平扫", "no contrast given",
    "NON CONTRAST", "NON-CONTRAST", "w/o", "W/O CONTRAST", "0 ml", "0", "-", "--", "", "Nessuno", "Ninguno", "Aucun", "Not applicable",
    "No IV contrast", "plain", "NULL",
]  # fmt: skip
PRESENT = [
    "IV", "ORAL", "ISOVUE300/100", "Omnipaque 350", "Non-ionic", "NONIONIC", "NON IONIC CONTRAST", "No oral, Omnipaque 350 IV", "YES",
    "Contrast", "APPLIED", "100 ml", "no name 300", "KM", "Ultravist", "Nonin", "Nativist",
]  # fmt: skip


@pytest.mark.parametrize("keyword", ["ContrastBolusAgent", "ContrastBolusRoute"])
@pytest.mark.parametrize(("text", "there"), [(t, False) for t in ABSENT] + [(t, True) for t in PRESENT])
def test_words_of_absence(text: str, there: bool, keyword: str) -> None:
    from tests.unit.imaging.test_checks import chest

    codes = {f.code for f in check_volume(chest(depth=3, **{keyword: text}), pixels=False)}
    assert ("contrast" in codes) is there


def test_the_same_exam_twice_with_other_header_bytes(tmp_path: Path) -> None:
    parts = slices(COUNT, seed=5)
    again = copy.deepcopy(parts)
    for part in again:
        part.StudyDescription, part.InstanceCreationDate = "exported again", "20260101"
    write(parts, tmp_path / "one")
    write(again, tmp_path / "two")
    assert load(tmp_path) == {"copies_left_out": Severity.INFO}
    write(again, tmp_path / "two", "1.2.840.10008.1.2")
    assert load(tmp_path) == {"copies_left_out": Severity.INFO}
    for index, part in enumerate(again):
        part.SOPInstanceUID = part.file_meta.MediaStorageSOPInstanceUID = f"{ROOT}.77.{index}"
    write(again, tmp_path / "two")
    assert load(tmp_path) == {"copies_left_out": Severity.INFO}
    again[7].PixelData = again[7].PixelData[:-2] + b"\x01\x00"
    write(again, tmp_path / "two")
    assert refused(tmp_path) == "duplicate_slice"


@pytest.mark.parametrize("extra", [2, 200, 64 * 64 * 2])
@pytest.mark.parametrize("where", [slice(None), slice(6, 7)])
def test_pixel_data_longer_than_needed(extra: int, where: slice, tmp_path: Path) -> None:
    parts = slices(COUNT, seed=5)
    for part in parts[where]:
        part.PixelData += b"\x7f" * extra
    write(parts, tmp_path)
    assert load(tmp_path) == {"long_pixels": Severity.INFO}


def test_half_the_pixels_in_one_slice_are_no_padding(tmp_path: Path) -> None:
    parts = slices(COUNT, seed=5)
    parts[6].BitsAllocated, parts[6].BitsStored, parts[6].HighBit = 8, 8, 7
    write(parts, tmp_path)
    assert refused(tmp_path) == "bad_matrix"


def placed(
    tmp_path: Path, increment: float, move: Callable[[list[float]], Any] = lambda z: None, digits: int = 1
) -> Path:
    parts = slices(40, seed=5, increment=increment)
    z = [round(-300 + increment * i, digits) for i in range(40)]
    move(z)
    for part, place in zip(parts, z, strict=True):
        part.ImagePositionPatient = [-180.0, -170.0, place]
        part.SliceThickness = increment
    write(parts, tmp_path)
    return tmp_path


@pytest.mark.parametrize("increment", [0.625, 0.75, 1.25, 0.55])
def test_positions_rounded_to_a_tenth_of_a_millimetre(increment: float, tmp_path: Path) -> None:
    assert load(placed(tmp_path, increment), 40) == {}
    assert find_series(tmp_path)[0].increment_mm == pytest.approx(increment, abs=0.003)


def _later(z: list[float]) -> None:
    z[20:] = [round(v + 0.6, 1) for v in z[20:]]


def _moved(z: list[float]) -> None:
    z[20] = round(z[20] + 0.2, 1)


@pytest.mark.parametrize("move", [_later, _moved])
def test_rounding_does_not_hide_a_missing_or_moved_slice(move: Callable[[list[float]], Any], tmp_path: Path) -> None:
    assert refused(placed(tmp_path, 0.625, move)) in ("uneven_spacing", "missing_slice")


def test_finer_positions_keep_the_strict_tolerance(tmp_path: Path) -> None:
    def uneven(z: list[float]) -> None:
        z[1::2] = [v + 0.03 for v in z[1::2]]

    assert refused(placed(tmp_path, 0.625, uneven, digits=4)) == "uneven_spacing"


def _raw(path: Path) -> bytearray:
    return bytearray(path.read_bytes())


def _element(group: int, element: int, vr: bytes, value: bytes) -> bytes:
    return group.to_bytes(2, "little") + element.to_bytes(2, "little") + vr + len(value).to_bytes(2, "little") + value


@pytest.mark.parametrize(
    ("element", "wanted"),
    [
        (_element(0x0008, 0x103E, b"LO", b"Thorax"), "disordered"), (_element(0x0018, 0x0060, b"DS", b"120 "), "disordered"),
        (_element(0x0018, 0x0060, b"DS", b"80"), "refused"), (_element(0x0010, 0x0020, b"LO", b"T-2 "), "refused"),
        (_element(0x0008, 0x0070, b"LO", b"SIEMENS "), "disordered"), (_element(0x0008, 0x0003, b"LO", b"X "), "refused"),
    ],
)  # fmt: skip
def test_elements_out_of_order_or_twice(element: bytes, wanted: str, tmp_path: Path) -> None:
    write(slices(COUNT, seed=5), tmp_path)
    for path in tmp_path.iterdir():
        data = _raw(path)
        at = data.find(b"\x28\x00\x02\x00US")
        path.write_bytes(data[:at] + element + data[at:])
    if wanted == "refused":
        with pytest.raises(ExamError):
            find_series(tmp_path)
    else:
        assert load(tmp_path) == {"disordered": Severity.WARNING}


def test_lossy_images_are_warned_of(tmp_path: Path) -> None:
    for said, found in (("00", {}), ("01", {"lossy": Severity.WARNING})):
        parts = slices(COUNT, seed=5)
        parts[7].LossyImageCompression = said
        write(parts, tmp_path / said)
        assert load(tmp_path / said) == found


@pytest.mark.parametrize("ending", [".dcm", ".DCM", ".ima", ";1", ".;1", "."])
def test_a_dicomdir_whose_files_got_an_ending(ending: str, tmp_path: Path) -> None:
    from tests.unit.imaging.test_find import _dicomdir

    write(slices(COUNT, seed=5), tmp_path / "IMAGES")
    names = []
    for number, path in enumerate(sorted((tmp_path / "IMAGES").iterdir())):
        names.append(["IMAGES", f"IM{number:04d}"])
        path.rename(path.with_name(f"im{number:04d}{ending}"))
    record = find_series(_dicomdir(tmp_path, names))[0]
    assert (record.slice_count, record.findings) == (COUNT, ())


def test_a_zip_in_a_zip(tmp_path: Path) -> None:
    write(slices(COUNT, seed=5), tmp_path / "in")
    inner, outer, third = (tmp_path / f"{name}.zip" for name in ("inner", "outer", "third"))
    with zipfile.ZipFile(inner, "w", zipfile.ZIP_DEFLATED) as out:
        for file in (tmp_path / "in").iterdir():
            out.write(file, file.name)
    for path, member in ((outer, inner), (third, outer)):
        with zipfile.ZipFile(path, "w") as out:
            out.write(member, "exams/Exam 1.ZIP")
            out.writestr("readme.txt", "hello")
    assert load(outer) == {}
    with pytest.raises(ExamError) as caught:
        find_series(third)  # one level only
    assert caught.value.code == "no_exam"
    bomb = tmp_path / "bomb.zip"
    with zipfile.ZipFile(inner, "w", zipfile.ZIP_DEFLATED) as out:
        for number in range(3):
            out.writestr(f"{number}.dcm", bytes(200 << 20))
    with zipfile.ZipFile(bomb, "w") as out:
        out.write(inner, "a.zip")
    with pytest.raises(ExamError) as caught:
        find_series(bomb)
    assert caught.value.code == "zip_too_large"


@pytest.mark.skipif(os.name == "nt", reason="links need a privilege there")
def test_linked_folders_are_followed_each_real_folder_once(tmp_path: Path) -> None:
    write(slices(COUNT, seed=5), tmp_path / "elsewhere" / "exam")
    root = tmp_path / "root"
    root.mkdir()
    (root / "a").symlink_to(tmp_path / "elsewhere")
    (root / "b").symlink_to(tmp_path / "elsewhere")
    (root / "up").symlink_to(tmp_path)
    (root / "self").symlink_to(root)
    (tmp_path / "elsewhere" / "back").symlink_to(root)
    assert load(root) == {}
    exams = list(scan_exams(root))
    assert [(e.problem, e.chosen.slice_count if e.chosen else 0) for e in exams] == [(None, COUNT)]
    (tmp_path / "direct").symlink_to(tmp_path / "elsewhere" / "exam")
    assert load(tmp_path / "direct") == {}
    assert len(list(scan_exams(tmp_path / "direct"))) == 1


@pytest.mark.parametrize(
    ("count", "increment", "said"), [(1, 2.5, "A single slice"), (2, 2.5, "Only 2 slices"), (7, 2.5, "only 18 mm")]
)
def test_too_little_is_said_in_the_right_number(count: int, increment: float, said: str, tmp_path: Path) -> None:
    write(slices(count, increment=increment), tmp_path)
    record = find_series(tmp_path)[0]
    assert not record.suitable
    assert said in record.reason


@pytest.mark.parametrize(
    ("syntax", "code", "said"),
    [
        ("1.2.840.113619.5.2", "private_syntax", "private encoding"), ("1.2.840.10008.1.2.4.70", "wrong_syntax", "is compressed, but it isn't"),
    ],
)  # fmt: skip
def test_the_sentence_about_an_encoding(syntax: str, code: str, said: str, tmp_path: Path) -> None:
    parts: list[Dataset] = slices(COUNT)
    write(parts, tmp_path)
    old, new = b"1.2.840.10008.1.2.1\0", syntax.encode() + b"\0" * (len(syntax) % 2)
    for path in tmp_path.iterdir():
        data = path.read_bytes()
        at = data.find(b"\x02\x00\x10\x00UI") + 6
        path.write_bytes(data[:at] + len(new).to_bytes(2, "little") + new + data[at + 2 + len(old) :])
    record = find_series(tmp_path)[0]
    assert (record.problem, said in record.reason) == (code, True)
    assert write_one(parts[0], tmp_path / "x.dcm").exists()


def nifti(tmp_path: Path, edit: Callable[[bytearray], None]) -> Path:
    sitk = pytest.importorskip("SimpleITK")
    path = tmp_path / "scan.nii"
    image = sitk.GetImageFromArray(anatomy(COUNT, 64, 64, 5))
    image.SetSpacing((0.7, 0.7, 2.5))
    sitk.WriteImage(image, str(path))
    data = _raw(path)
    edit(data)
    path.write_bytes(data)
    return path


def test_nifti_sides(tmp_path: Path) -> None:
    def turned(data: bytearray) -> None:
        row = np.frombuffer(data, "<f4", 4, 280).copy()
        row[:3] *= -1
        data[280:296] = row.tobytes()
        data[252:256] = np.array([1, 1], "<i2").tobytes()

    def no_qform(data: bytearray) -> None:
        turned(data)
        data[252:254] = b"\0\0"

    assert "sides_disagree" not in {f.code for f in find_series(nifti(tmp_path, lambda data: None))[0].findings}
    assert "sides_disagree" not in {f.code for f in find_series(nifti(tmp_path, no_qform))[0].findings}
    record = find_series(nifti(tmp_path, turned))[0]
    assert {f.code: f.severity for f in record.findings} == {"sides_disagree": Severity.WARNING}
    assert "sides_disagree" in {f.code for f in read_volume(record).findings}


def test_a_sheared_nifti_is_not_called_damaged(tmp_path: Path) -> None:
    def sheared(data: bytearray) -> None:
        row = np.frombuffer(data, "<f4", 4, 280).copy()
        row[2] = 0.3
        data[280:296] = row.tobytes()
        data[252:256] = np.array([0, 1], "<i2").tobytes()

    with pytest.raises(ExamError) as caught:
        find_series(nifti(tmp_path, sheared))
    assert caught.value.code == "sheared"
    assert "sheared" in caught.value.message
