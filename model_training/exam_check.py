"""What a table does not say and its exams do: whether they can be read, copies under other patients, and headers that the outcome goes with.

Headers and one file of an exam are looked at, no pixel is decoded: `check` shall answer in minutes, where a training reads everything.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from hyrisk_desktop.errors import HyRiskError
from hyrisk_desktop.i18n import tr
from hyrisk_desktop.imaging import SeriesRecord
from hyrisk_desktop.jobs import Progress, no_progress
from hyrisk_desktop.regular_files import open_regular
from model_training.cohort_table import Case, CohortTable, Problem
from model_training.patches import series_of
from model_training.tied import tied

_HEADERS = {
    "kernel": "ConvolutionKernel",
    "manufacturer": "Manufacturer",
    "manufacturer_model": "ManufacturerModelName",
    "study_date": "StudyDate",
}


def look_at_exams(table: CohortTable, progress: Progress = no_progress) -> CohortTable:
    """``table`` with what its exams add to the problems.

    Args:
        table: read and checked. progress: called with exams looked at and in all.
    """
    records: list[SeriesRecord | None] = []
    problems = list(table.problems)
    for done, case in enumerate(table.cases, start=1):
        try:
            records.append(series_of(case))
        except HyRiskError as e:
            problems.append(Problem(case.row, "exam", "error", e.message))
            records.append(None)
        progress(done, len(table.cases))
    seen = [(case, record) for case, record in zip(table.cases, records, strict=True) if record is not None]
    problems += [*_copies(seen), *_tied(table, seen)]
    problems.sort(key=lambda p: (p.severity != "error", p.row or 0))
    return replace(table, problems=tuple(problems))


def _copies(seen: list[tuple[Case, SeriesRecord]]) -> Iterator[Problem]:
    """Exams with the files of another patient's: those alike in number and size are told apart by the hash of one file."""
    alike: dict[tuple[int, int], list[tuple[Case, Path]]] = defaultdict(list)
    for case, record in seen:
        one = _one_file(record)
        try:
            alike[len(record.files), one.stat().st_size].append((case, one))
        except OSError:
            continue
    for group in alike.values():
        same: dict[str, list[Case]] = defaultdict(list)
        for case, path in group if len(group) > 1 else ():
            if digest := _digest(path):
                same[digest].append(case)
        for cases in same.values():
            first, *others = cases
            for case in others:
                if case.patient != first.patient:
                    text = tr("the exam has the files of the exam in row {row}, of another patient; a training keeps both in one fold.", row=first.row)  # fmt: skip
                    yield Problem(case.row, "exam", "warning", text)


def _one_file(record: SeriesRecord) -> Path:
    """A file that a copy of the exam has as well, whatever its files are called: of DICOM the slice whose UID is the first."""
    if record.headers:
        return min(record.headers, key=lambda header: header.text("SOPInstanceUID")).path
    return record.files[len(record.files) // 2]


def _digest(path: Path) -> str:
    try:
        with open_regular(path) as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError:
        return ""


def _tied(table: CohortTable, seen: list[tuple[Case, SeriesRecord]]) -> Iterator[Problem]:
    """Headers that the outcome goes with; columns of the table itself are checked already."""
    outcome = np.array([case.outcome for case, _ in seen], np.int64)
    columns = {
        name: [record.attributes.get(keyword, "") for _, record in seen]
        for name, keyword in _HEADERS.items()
    } | {
        "pixel_mm": [_pixel_mm(record) for _, record in seen],
        "increment_mm": [f"{record.increment_mm or ''}" for _, record in seen],
    }  # fmt: skip
    columns = {name: values for name, values in columns.items() if name not in table.columns}
    for name, text in tied({name: values for name, values in columns.items() if any(values)}, outcome):
        yield Problem(None, name, "warning", tr("In the exams' headers {text}", text=text))


def _pixel_mm(record: SeriesRecord) -> str:
    spacing = record.headers[0].floats("PixelSpacing") if record.headers else ()
    return str(spacing[0]) if spacing else ""
