"""A folder of small exams and reads of them, for the tests of bulk scoring."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from hyrisk_desktop.batch.exam import BatchExam, list_exams
from hyrisk_desktop.batch.reads_file import BatchRead
from hyrisk_desktop.batch.row import BatchRow
from tests.helpers.dicom_series import ROOT
from tests.helpers.exams import write_exam

CENTRE = (36, 30, 12)


def series_uid(number: int) -> str:
    """SeriesInstanceUID of `write_exam`'s exam."""
    return f"{ROOT}.{number}.2"


def reads_of(numbers: Sequence[int]) -> dict[str, tuple[BatchRead, ...]]:
    """One read of each exam, with grades 0 to 3."""
    return {series_uid(n): (BatchRead(CENTRE, float(n % 4), "Ann"),) for n in numbers}


def write_reads(path: Path, numbers: Sequence[int]) -> Path:
    """The same as ``reads.csv``."""
    x, y, z = CENTRE
    lines = [f"{series_uid(n)},{x},{y},{z},{n % 4},Ann\n" for n in numbers]
    path.write_text("series_uid,x,y,z,grade,reader\n" + "".join(lines), encoding="utf-8")
    return path


def write_exams(folder: Path, count: int) -> Path:
    """Exams number 1 to ``count``, each in a folder of its own."""
    for n in range(1, count + 1):
        write_exam(folder / f"exam{n:03d}", n)
    return folder


def exams_in(folder: Path, reads: Mapping[str, Sequence[BatchRead]] | None = None) -> list[BatchExam]:
    """`list_exams`."""
    return list_exams(folder, reads or {})


def timeless(rows: Sequence[BatchRow]) -> list[dict[str, Any]]:
    """Rows without what differs from run to run, by id."""
    plain = [dataclasses.asdict(row) for row in rows]
    for row in plain:
        del row["seconds"]
    return sorted(plain, key=lambda row: str(row["row_id"]))
