"""A worklist's reads and a table of outcomes -> the cohort that ``hyrisk train`` and Tools > Retrain open."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hyrisk_desktop.errors import InputError
from hyrisk_desktop.i18n import tr, trn
from hyrisk_desktop.tables import named, read_csv
from hyrisk_desktop.worklist.records import ExamEntry, Read

COLUMNS = ("exam", "series_uid", "x", "y", "z", "grade", "agatston", "outcome", "patient_id", "reader", "synthetic")


@dataclass(frozen=True, slots=True)
class CohortExport:
    """What came of an export: rows written, and how many reads were left out for which reason."""

    rows: int
    without_outcome: int
    without_centre: int
    without_grade: int
    survivors: int
    non_survivors: int

    @property
    def sentence(self) -> str:
        """One sentence for the reader."""
        text = trn("{n} exam written: {dead} non-survivors, {alive} survivors.", "{n} exams written: {dead} non-survivors, {alive} survivors.", self.rows, dead=self.non_survivors, alive=self.survivors)  # fmt: skip
        left_out = (
            (self.without_outcome, tr("{n} without outcome", n=self.without_outcome)),
            (self.without_centre, tr("{n} without heart centre", n=self.without_centre)),
            (self.without_grade, tr("{n} without grade", n=self.without_grade)),
        )
        missing = ", ".join(words for count, words in left_out if count)
        return f"{text} {tr('Left out: {missing}.', missing=missing)}" if missing else text


def read_outcomes(path: Path) -> dict[str, int]:
    """Outcomes by patient: a CSV with the columns ``patient_id`` and ``outcome`` (1 non-survivor, 0 survivor).

    Raises:
        InputError: the file can't be read, lacks a column, or a row has another outcome or contradicts an earlier one.
    """
    columns, rows = read_csv(path, "outcomes")
    if not rows or not {"patient_id", "outcome"} <= set(columns):
        message = tr("{name} needs the columns patient_id and outcome, and at least one row.", name=path.name)
        raise InputError("outcomes", message)
    for column in ("patient_id", "outcome"):
        if columns.count(column) > 1:
            message = tr("{name}, row 1: column {column} is there twice.", name=path.name, column=column)
            raise InputError("outcomes", message)
    outcomes: dict[str, int] = {}
    for number, cells in rows:
        if any(cells[len(columns) :]):
            message = tr("{name}, row {n}, column {column}: there are more cells than columns.",
                         name=path.name, n=number, column=len(columns) + 1)  # fmt: skip
            raise InputError("outcomes", message)
        row = named(columns, cells)
        patient, text = row["patient_id"], row["outcome"]
        if not patient:
            raise InputError("outcomes", tr("{name}, row {n}: patient_id is empty.", name=path.name, n=number))
        if text not in ("0", "1"):
            message = tr(
                "{name}, row {n}: outcome must be 0 or 1, not “{text}”.", name=path.name, n=number, text=text[:20]
            )
            raise InputError("outcomes", message)
        if outcomes.setdefault(patient, int(text)) != int(text):
            message = tr(
                "{name}, row {n}: this patient has another outcome in an earlier row.", name=path.name, n=number
            )
            raise InputError("outcomes", message)
    return outcomes


def cohort_rows(
    entries: Iterable[ExamEntry], reads: Sequence[Read], reader: str, outcomes: Mapping[str, int]
) -> tuple[list[dict[str, Any]], CohortExport]:
    """The rows of the cohort table (see `COLUMNS`), and what came of it.

    Args:
        entries: the list's exams; reads: one reader's (or a consensus') reads of them.
        outcomes: by patient id, see `read_outcomes`.

    Raises:
        InputError: no exam has centre, grade and outcome.
    """
    by_exam = {r.exam_id: r for r in reads}
    rows: list[dict[str, Any]] = []
    lacks = {"outcome": 0, "centre": 0, "grade": 0}
    for entry in entries:
        read = by_exam.get(entry.exam_id)
        if read is None:
            continue
        if read.centre is None:
            lacks["centre"] += 1
        elif read.grade is None:
            lacks["grade"] += 1
        elif entry.patient_id not in outcomes:
            lacks["outcome"] += 1
        else:
            rows.append(_row(entry, read, reader, outcomes[entry.patient_id]))
    dead = sum(row["outcome"] == 1 for row in rows)
    result = CohortExport(len(rows), lacks["outcome"], lacks["centre"], lacks["grade"], len(rows) - dead, dead)
    if not rows:
        message = tr("No exam of this list has a heart centre, a grade and an outcome. {why}", why=result.sentence)
        raise InputError("empty_cohort", message)
    return rows, result


def _row(entry: ExamEntry, read: Read, reader: str, outcome: int) -> dict[str, Any]:
    assert read.centre is not None
    x, y, z = read.centre
    calcium = read.results.get("calcium") or {}
    # Only the score that a network is trained on: the standard region's. Otherwise training computes it.
    region = calcium.get("profile") == "standard" and read.box is None
    return {
        # Absolute, so that the table can be moved.
        "exam": str(entry.source.resolve()),
        "series_uid": read.series_uid,
        "x": x,
        "y": y,
        "z": z,
        "grade": read.grade,
        "agatston": calcium["agatston"] if region else None,
        "outcome": outcome,
        "patient_id": entry.patient_id,
        "reader": reader,
        "synthetic": int(entry.synthetic),
    }
