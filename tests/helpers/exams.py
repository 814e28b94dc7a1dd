"""Small exams on disk and in memory for the worklist's tests."""

from __future__ import annotations

import tempfile
from functools import lru_cache
from pathlib import Path

from hyrisk_desktop.imaging import Kind, ScannedExam, SeriesRecord
from tests.helpers import dicom_series
from tests.helpers.dicom_series import ROOT


def write_exam(
    folder: Path, number: int, *, patient: str = "", name: str = "", count: int = 24, size: int = 64
) -> Path:
    """A readable exam of ``count`` slices of ``size`` x ``size`` pixels that differs from all other numbers' exams."""
    folder.mkdir(parents=True, exist_ok=True)
    for file, content in _files(number, patient, name, count, size).items():
        (folder / file).write_bytes(content)
    return folder


@lru_cache(maxsize=64)
def _files(number: int, patient: str, name: str, count: int, size: int) -> dict[str, bytes]:
    """The exam's files, made once: many tests begin with the same exams."""
    datasets = dicom_series.slices(count, size, size, increment=2.5, pixel=(2.6, 2.9), seed=number, series=f"{number}")
    for z, ds in enumerate(datasets):
        ds.StudyInstanceUID, ds.FrameOfReferenceUID = f"{ROOT}.8.{number}", f"{ROOT}.9.{number}"
        ds.SOPInstanceUID = f"{ROOT}.{number}.3.{z + 1}"
        ds.PatientID = patient or f"P{number:03d}"
        ds.PatientName = name or f"Test^Person{number:03d}"
        ds.StudyDate = f"202001{1 + number % 28:02d}"
    with tempfile.TemporaryDirectory() as folder:
        return {path.name: path.read_bytes() for path in dicom_series.write(datasets, Path(folder)).iterdir()}


def scanned(number: int, **changes: object) -> ScannedExam:
    """An exam as the scan tells of it, without files behind it."""
    values: dict[str, object] = {
        "series_uid": f"1.2.{number}",
        "study_uid": f"1.1.{number}",
        "modality": "CT",
        "kind": Kind.AXIAL,
        "description": "Chest",
        "kernel": "B30f",
        "slice_count": 120,
        "files": tuple(Path(f"/data/{number}/{z}.dcm") for z in range(3)),
        "thickness_mm": 2.0,
        "increment_mm": 2.0,
        "attributes": {"PatientID": f"P{number}", "PatientName": f"Name^{number}", "StudyDate": "20200102"},
        "reason": "The only readable CT series here.",
    }
    record = SeriesRecord(**(values | changes))  # type: ignore[arg-type]
    return ScannedExam(f"study:1.1.{number}|P{number}", Path(f"/data/{number}"), (record,))
