"""A reading list as a table: which exams to read, for example the one that ``hyrisk nlst`` writes."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path

from hyrisk_desktop.errors import Cancelled, ExamError, InputError
from hyrisk_desktop.i18n import tr
from hyrisk_desktop.imaging import ScannedExam, scan_exams
from hyrisk_desktop.jobs import CancelToken, Progress, no_progress
from hyrisk_desktop.tables import named, read_csv


def read_reading_table(path: Path) -> dict[Path, set[str]]:
    """The exams that a CSV names in its column ``exam`` (relative to the table), each with the series wanted of it.

    Raises:
        InputError: the file can't be read, has no such column, or names no exam.
    """
    columns, rows = read_csv(path, "reading_list")
    wanted: dict[Path, set[str]] = {}
    for _, cells in rows:
        row = named(columns, cells)
        if exam := row.get("exam"):
            series = row.get("series_uid")
            wanted.setdefault(path.parent / exam, set()).update({series} if series else ())
    if not wanted:
        message = tr("{name} names no exams: a reading list needs a column “exam” with their paths.", name=path.name)
        raise InputError("reading_list", message)
    return wanted


def scan_table(
    path: Path, *, progress: Progress = no_progress, cancel: CancelToken | None = None
) -> Iterator[ScannedExam]:
    """The exams of a reading list, as `imaging.scan_exams` tells of them; a series that the list names is read first.

    An exam that isn't there is told of with its problem.

    Raises:
        InputError: see `read_reading_table`. Cancelled: ``cancel`` was set.
    """
    for place, series in read_reading_table(path).items():
        try:
            for exam in scan_exams(place, progress=progress, cancel=cancel):
                chosen = [r for r in exam.records if r.series_uid in series and r.suitable]
                if not series or chosen:
                    rest = [r for r in exam.records if not any(r is c for c in chosen)]
                    yield dataclasses.replace(exam, records=(*chosen, *rest))
        except Cancelled:
            raise
        except ExamError as e:
            yield ScannedExam(f"file:{place}", place, problem=(e.code, e.message))
