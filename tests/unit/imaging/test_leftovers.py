"""Every file of a folder that did not become part of the series is counted; other whole objects alarm nobody."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom.dataset import Dataset

from hyrisk_desktop.errors import ExamError
from hyrisk_desktop.findings import Severity
from hyrisk_desktop.imaging import find_series, scan_exams
from tests.helpers.dicom_series import ROOT, slices, write, write_one

COUNT = 14


def codes(folder: Path) -> dict[str, Severity]:
    """Findings of the chosen series, which must be the same when the folder is scanned."""
    record = find_series(folder)[0]
    assert record.suitable, record.reason
    (exam,) = {e.key: e for e in scan_exams(folder) if e.chosen}.values()  # told of again with each folder
    found = {f.code: f.severity for f in record.findings}
    assert {f.code: f.severity for f in exam.records[0].findings} == found
    assert all(f.message.endswith(".") for f in record.findings)
    return found


def _set(keyword: str, value: Any) -> Callable[[Dataset], None]:
    return lambda ds: setattr(ds, keyword, value)


def _turned(ds: Dataset) -> None:
    ds.ImageOrientationPatient = [1, 0, 0, 0, 0, -1]


OTHER_KINDS = {
    "modality": _set("Modality", "CU"),
    "no modality": _set("Modality", ""),
    "class": _set("SOPClassUID", "1.2.840.10008.5.1.4.1.1.7"),
    "localizer": _set("ImageType", ["ORIGINAL", "PRIMARY", "LOCALIZER"]),
    "dose page": _set("ImageType", ["ORIGINAL", "PRIMARY", "DOSE_INFO"]),
    "map": _set("ImageType", ["DERIVED", "PRIMARY", "AXIAL", "VNC"]),
    "samples": _set("SamplesPerPixel", 3),
    "series": _set("SeriesInstanceUID", f"{ROOT}.66"),
    "orientation": _turned,
}


@pytest.mark.parametrize("end", [0, COUNT - 1])
@pytest.mark.parametrize("name", OTHER_KINDS)
def test_an_end_slice_that_counts_as_another_kind_is_missed(name: str, end: int, tmp_path: Path) -> None:
    parts = slices(COUNT)
    meta = parts[end].file_meta
    meta.MediaStorageSOPClassUID = parts[end].SOPClassUID
    OTHER_KINDS[name](parts[end])
    write(parts, tmp_path)
    found = codes(tmp_path)
    assert Severity.WARNING in (found.get("stray_slices"), found.get("damaged_files"))


def _cut(length: int) -> Callable[[bytes], bytes]:
    return lambda data: data[:length]


def _flip(at: int) -> Callable[[bytes], bytes]:
    return lambda data: data[:at] + bytes([data[at] ^ 8]) + data[at + 1 :]


DAMAGE: dict[str, Callable[[bytes], bytes]] = {
    "empty": _cut(0), "one byte": _cut(1), "preamble only": _cut(132), "cut in the header": _cut(330), "magic": _flip(129),
    "noise": lambda data: np.random.default_rng(0).bytes(len(data)), "zeros": lambda data: bytes(len(data)),
}  # fmt: skip


@pytest.mark.parametrize("suffix", [".dcm", "", ".IMA"])
@pytest.mark.parametrize("name", DAMAGE)
def test_a_damaged_end_slice_is_counted(name: str, suffix: str, tmp_path: Path) -> None:
    write(slices(COUNT), tmp_path)
    for number, file in enumerate(sorted(tmp_path.iterdir())):
        file.rename(tmp_path / f"S{number}{suffix}")
    last = find_series(tmp_path)[0].stack.headers[-1].path  # type: ignore[union-attr]
    last.write_bytes(DAMAGE[name](last.read_bytes()))
    assert codes(tmp_path) == {"damaged_files": Severity.WARNING}
    record = find_series(tmp_path)[0]
    assert record.slice_count == COUNT - 1
    assert record.findings[0].message.startswith("1 file")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes here")
def test_pipes_sockets_and_dead_links_are_counted_and_never_opened(tmp_path: Path) -> None:
    import socket

    write(slices(COUNT), tmp_path)
    os.mkfifo(tmp_path / "A.dcm")
    (tmp_path / "dead.dcm").symlink_to(tmp_path / "nothing")
    (tmp_path / "circle").symlink_to(tmp_path / "circle")
    here = os.open(".", os.O_RDONLY)
    os.chdir(tmp_path)  # the name of a socket may not be long
    try:
        with socket.socket(socket.AF_UNIX) as server:
            server.bind("s.dcm")
    finally:
        os.fchdir(here)
        os.close(here)
    record = find_series(tmp_path)[0]
    assert codes(tmp_path) == {"damaged_files": Severity.WARNING}
    assert record.findings[0].message.startswith("4 file")
    for path in ("A.dcm", "s.dcm"):
        with pytest.raises(ExamError) as caught:
            find_series(tmp_path / path)
        assert caught.value.code == "not_a_file"


def test_known_other_objects_alarm_nobody(tmp_path: Path) -> None:
    write(slices(COUNT), tmp_path)
    write(slices(COUNT, series="2", increment=5), tmp_path / "other")
    scout = slices(1, 64, 48, orientation=(0, 1, 0, 0, 0, -1), series="3")[0]
    scout.ImageType = ["ORIGINAL", "PRIMARY", "LOCALIZER"]
    write_one(scout, tmp_path / "scout.dcm")
    for number, (modality, sop) in enumerate((("SR", "88.11"), ("MR", "4"), ("SEG", "66.4"), ("PR", "11.1"))):
        ds = slices(1, series=f"5{number}")[0]
        ds.Modality, ds.SOPClassUID = modality, f"1.2.840.10008.5.1.4.1.1.{sop}"
        if modality != "MR":
            del ds.PixelData
        write_one(ds, tmp_path / f"other{number}.dcm")
    for name, data in (
        ("README", b"hello\n"),
        ("notes.txt", b""),
        ("AUTORUN.INF", b"x"),
        ("a.jpg", b"\xff\xd8"),
        ("x.exe", b"MZ\0"),
    ):
        (tmp_path / name).write_bytes(data)
    (tmp_path / "DICOMDIR").write_bytes(b"\0" * 200)
    (tmp_path / ".hidden").write_bytes(b"")
    assert codes(tmp_path) == {}


@pytest.mark.parametrize(("places", "lateral", "stray"), [(1, 0, True), (3, 0, True), (4, 0, False), (1.04, 0, True), (1.06, 0, False),
                                                          (1, 0.4, True), (1, 0.6, False)])  # fmt: skip
def test_only_what_lies_on_the_grid_beyond_an_end_is_a_stray(
    places: float, lateral: float, stray: bool, tmp_path: Path
) -> None:
    parts = slices(COUNT)
    more = slices(1, series="8")[0]
    x, y, z = parts[-1].ImagePositionPatient
    more.ImagePositionPatient = [x + lateral, y, z + places * 2.5]
    write([*parts, more], tmp_path)
    assert codes(tmp_path) == ({"stray_slices": Severity.WARNING} if stray else {})
