"""The table of a training cohort: which exam, where the heart centre is, its grade and its outcome.

One row per exam, CSV or Parquet, with the columns of `COLUMNS`; any other column travels along. A relative ``exam``
starts from the table's folder. Every complaint names the row (the line of the file) and the column.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from hyrisk_desktop.errors import InputError
from hyrisk_desktop.i18n import tr, trn
from hyrisk_desktop.imaging.volume import Voxel
from hyrisk_desktop.risk.bundle import LONGEST_HORIZON
from hyrisk_desktop.tables import named, number_in, read_csv, read_parquet
from model_training.tied import FEWEST, tied

TABLE = "cohort.csv"
REQUIRED = ("x", "y", "z", "outcome")
COLUMNS = ("exam", "series_uid", "x", "y", "z", "grade", "agatston", "outcome", "patient_id", "synthetic")
_TRUE = {"1", "true", "yes"}
_MOST_PROBLEMS = 500
MOST_AGATSTON = 50_000.0
"""A choice: far above what a heart holds, so that what lies beyond is a typing error or another unit."""


@dataclass(frozen=True, slots=True)
class Case:
    """One row that can be used.

    Attributes:
        row: line of the file, the header being 1.
        exam: folder or file; series_uid: of the series meant, "" for the best one.
        centre: heart centre (x, y, z), voxels from 0.
        grade: 0..3, None where the table has none; agatston: the table's own score, None likewise.
        outcome: 1 for a non-survivor. patient: who is kept within one fold.
        synthetic: a phantom. extra: the other columns, as text.
    """

    row: int
    exam: Path
    series_uid: str
    centre: Voxel
    grade: float | None
    agatston: float | None
    outcome: int
    patient: str
    synthetic: bool
    extra: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Problem:
    """A complaint: ``row`` is the line of the file (None: the whole table), ``severity`` "error" or "warning"."""

    row: int | None
    column: str
    severity: str
    message: str


@dataclass(frozen=True, slots=True)
class CohortTable:
    """A checked table.

    Attributes:
        path: the file. rows: how many it has. columns: their names.
        cases: the rows without errors. problems: errors first. missing: empty cells by column.
    """

    path: Path
    rows: int
    columns: tuple[str, ...]
    cases: tuple[Case, ...]
    problems: tuple[Problem, ...]
    missing: Mapping[str, int]

    @property
    def ready(self) -> bool:
        """Whether training may start."""
        return bool(self.cases) and not any(p.severity == "error" for p in self.problems)

    @property
    def synthetic(self) -> bool:
        """Whether any of the cases is a phantom: one is enough to say so beside the results."""
        return any(case.synthetic for case in self.cases)

    def to_json(self) -> dict[str, Any]:
        """What the window shows; the shape is part of the contract with it."""
        outcomes = Counter(case.outcome for case in self.cases)
        grades = Counter("none" if case.grade is None else f"{case.grade:g}" for case in self.cases)
        both = _patients_in_both(self.cases)
        return {
            "rows": self.rows,
            "usable": len(self.cases),
            "missing": dict(self.missing),
            "outcome": {"survivors": outcomes[0], "non_survivors": outcomes[1]},
            "grades": dict(sorted(grades.items())),
            "duplicates": len(_duplicates(self.cases)),
            "patients": len({case.patient for case in self.cases}),
            "patients_in_both": len(both),
            "synthetic": self.synthetic,
            "columns": list(self.columns),
            "problems": [
                {"row": p.row, "column": p.column, "severity": p.severity, "message": p.message}
                for p in self.problems[:_MOST_PROBLEMS]
            ],
            "ready": self.ready,
        }

    @property
    def horizon(self) -> str:
        """What the column ``horizon`` says in every row, such as "6 years"; "" where there is none, or rows differ."""
        said = {case.extra.get("horizon", "").strip() for case in self.cases}
        return said.pop()[:LONGEST_HORIZON] if len(said) == 1 else ""

    def require_ready(self) -> None:
        """Raise InputError with the first complaints unless `ready`."""
        refuse_problems([p for p in self.problems if p.severity == "error"])

    def require_score(self, score: str) -> None:
        """Raise InputError where a case lacks what ``score`` names ("grade" or "agatston") and others have it."""
        ungraded = next((case for case in self.cases if case.grade is None), None)
        if score == "grade" and ungraded is not None:
            refuse_ungraded(ungraded.row)
        without = [case.row for case in self.cases if case.agatston is None]
        if score == "agatston" and 0 < len(without) < len(self.cases):
            refuse_mixed(without)


def refuse_ungraded(row: int) -> NoReturn:
    """Raise InputError: the score shall be the grade, and the row at line ``row`` has none."""
    text = tr(
        "Row {row}, column grade: there is no grade; grade every exam, or let the Agatston score be the input.", row=row
    )
    raise InputError("grade_missing", text)


def refuse_mixed(rows: list[int]) -> NoReturn:
    """Raise InputError: the column ``agatston`` is filled in part, and the lines ``rows`` have none."""
    text = tr(
        "Rows {rows}, column agatston: there is no score while others have one. Fill the column, or take it out: then the program's own "
        "region score is fed for every exam.",
        rows=", ".join(map(str, rows[:5])) + (", …" if len(rows) > 5 else ""),
    )
    raise InputError("agatston_missing", text)


def refuse_problems(problems: list[Problem]) -> None:
    """Raise InputError with the first ten of ``problems``, if there are any."""
    if not problems:
        return
    lines = [_sentence(p) for p in problems[:10]]
    if len(problems) > 10:
        lines.append(tr("… and {n} more.", n=len(problems) - 10))
    raise InputError("cohort_problems", "\n".join([tr("The cohort can't be used as it is:"), *lines]))


def _sentence(problem: Problem) -> str:
    if problem.row is None:
        return problem.message
    return tr("Row {row}, column {column}: {text}", row=problem.row, column=problem.column, text=problem.message)


def find_table(path: Path) -> Path:
    """The table meant by a file, or by a folder that holds `TABLE`.

    Raises:
        InputError: there is none.
    """
    table = path / TABLE if path.is_dir() else path
    if not table.is_file():
        raise InputError(
            "cohort_missing",
            tr("There is no cohort at “{name}”; name a CSV or Parquet table, or a folder with {table}.",
               name=path.name, table=TABLE),
        )  # fmt: skip
    return table


def read_table(path: Path) -> CohortTable:
    """Read and check a cohort's table.

    Raises:
        InputError: the file can't be read as a table at all.
    """
    table = find_table(path)
    columns, rows, shifted = _read(table)
    problems = _header_problems(columns, rows)
    cases: list[Case] = []
    if not any(p.severity == "error" for p in problems):
        for line, cells in rows:
            case, found = _case(table.parent, line, cells)
            problems += found
            if case is not None:
                cases.append(case)
        problems += [*shifted, *_joint_problems(cases)]
    problems.sort(key=lambda p: (p.severity != "error", p.row or 0))
    missing = {c: empty for c in COLUMNS if c in columns and (empty := sum(not cells.get(c) for _, cells in rows))}
    return CohortTable(table, len(rows), columns, tuple(cases), tuple(problems), missing)


_Rows = list[tuple[int, dict[str, str]]]


def _read(path: Path) -> tuple[tuple[str, ...], _Rows, list[Problem]]:
    """Columns, rows by line, and a complaint of every row that has more cells than there are columns."""
    if path.suffix.lower() in (".parquet", ".pq"):
        columns, rows = read_parquet(path, "cohort_unreadable")
    else:
        columns, rows = read_csv(path, "cohort_unreadable", numbers=("x", "y", "z", "grade", "agatston", "outcome"))
    text = tr("it has more cells than the table has columns; a comma within a cell, also of a decimal, needs quotes.")
    # Behind an unquoted comma every cell is read as its neighbour: a grade of "1,0" makes a survivor of anybody.
    shifted = [
        Problem(line, str(len(columns) + 1), "error", text) for line, cells in rows if any(cells[len(columns) :])
    ]
    return columns, [(line, named(columns, cells)) for line, cells in rows], shifted


def _header_problems(columns: tuple[str, ...], rows: _Rows) -> list[Problem]:
    found = [
        Problem(None, name, "error", tr("The table has no column “{name}”.", name=name))
        for name in REQUIRED
        if name not in columns
    ]
    if "exam" not in columns and "series_uid" not in columns:
        text = tr("The table has neither a column “exam” nor “series_uid”; one of them must name the exam.")
        found.append(Problem(None, "exam", "error", text))
    for name, count in Counter(columns).items():
        if count > 1:
            found.append(Problem(None, name, "error", tr("The column “{name}” is there twice.", name=name)))
    if not rows:
        found.append(Problem(None, "", "error", tr("The table has no rows.")))
    nameless = [line for line, cells in rows if not cells.get("patient_id")]
    if not found and len(nameless) == len(rows):
        text = tr("There is no column “patient_id”, or it is empty: each exam counts as another patient. Two exams of one person may "
                  "then fall into different folds, which makes the results look better than they are.")  # fmt: skip
        found.append(Problem(None, "patient_id", "warning", text))
    elif not found and nameless:
        text = trn("{n} row has no patient_id, so its exam counts as another patient's; two exams of one person may then fall into different folds.", "{n} rows have no patient_id, so their exams count as other patients'; two exams of one person may then fall into different folds.", len(nameless))  # fmt: skip
        found.append(Problem(nameless[0], "patient_id", "warning", text))
    return found


def _case(folder: Path, line: int, cells: dict[str, str]) -> tuple[Case | None, list[Problem]]:
    problems: list[Problem] = []

    def complain(column: str, message: str, severity: str = "error") -> None:
        problems.append(Problem(line, column, severity, message))

    def number(column: str, check: Callable[[float], bool], what: str, *, required: bool) -> float | None:
        if not (text := cells.get(column, "")):
            if required:
                complain(column, tr("it is empty; {what}.", what=what))
            return None
        value = number_in(text)
        if not (math.isfinite(value) and check(value)):
            complain(column, tr("“{text}” won't do; {what}.", text=text[:40], what=what))
            return None
        return value

    whole = tr("give a whole number of voxels from 0")
    centre = [number(c, lambda v: v >= 0 and v == int(v), whole, required=True) for c in "xyz"]
    grade = number("grade", lambda v: 0 <= v <= 3, tr("give a grade from 0 to 3"), required=False)
    most = tr("give an Agatston score from 0 to {most:.0f}", most=MOST_AGATSTON)
    agatston = number("agatston", lambda v: 0 <= v <= MOST_AGATSTON, most, required=False)
    outcome = number(
        "outcome", lambda v: v in (0, 1), tr("give 0 for a survivor or 1 for a non-survivor"), required=True
    )
    name, uid = cells.get("exam", ""), cells.get("series_uid", "")
    exam = folder / name if name else folder
    if not name and not uid:
        complain("exam", tr("no exam is named; give a path in “exam” or a UID in “series_uid”."))
    elif not _exists(exam):
        complain("exam", tr("this file or folder does not exist."))
    x, y, z = centre
    if any(p.severity == "error" for p in problems) or x is None or y is None or z is None or outcome is None:
        return None, problems
    case = Case(
        row=line,
        exam=exam,
        series_uid=uid,
        centre=(int(x), int(y), int(z)),
        grade=grade,
        agatston=agatston,
        outcome=int(outcome),
        patient=cells.get("patient_id") or uid or str(exam),
        synthetic=cells.get("synthetic", "").lower() in _TRUE,
        extra={k: v for k, v in cells.items() if k not in COLUMNS},
    )
    return case, problems


def _exists(exam: Path) -> bool:
    try:
        return exam.exists()
    except OSError:  # a name that is too long, or a folder that may not be looked into
        return False


def _duplicates(cases: tuple[Case, ...] | list[Case]) -> list[Case]:
    """Every row whose exam came in an earlier row."""
    seen: set[tuple[str, str]] = set()
    found = []
    for case in cases:
        key = (str(case.exam), case.series_uid)
        if key in seen:
            found.append(case)
        seen.add(key)
    return found


def _patients_in_both(cases: tuple[Case, ...] | list[Case]) -> dict[str, Case]:
    """The last row of every patient who has both outcomes, by patient."""
    outcomes: dict[str, set[int]] = defaultdict(set)
    both = {}
    for case in cases:
        outcomes[case.patient].add(case.outcome)
        if len(outcomes[case.patient]) == 2:
            both[case.patient] = case
    return both


def _joint_problems(cases: list[Case]) -> list[Problem]:
    found = []
    patients: dict[tuple[str, str], str] = {}
    for case in _duplicates(cases):
        found.append(Problem(case.row, "exam", "warning", tr("this exam is in an earlier row as well.")))
    for case in cases:
        first = patients.setdefault((str(case.exam), case.series_uid), case.patient)
        if first != case.patient:
            found.append(
                Problem(case.row, "patient_id", "error", tr("the same exam belongs to another patient above."))
            )
    for case in _patients_in_both(cases).values():
        text = tr("this patient has exams of both outcomes; they stay in one fold.")
        found.append(Problem(case.row, "outcome", "warning", text))
    for outcome, what in ((0, tr("survivors")), (1, tr("non-survivors"))):
        count = len({case.patient for case in cases if case.outcome == outcome})
        if count < 2:
            text = tr("There are {n} {what}; at least two patients of each outcome are needed.", n=count, what=what)
            found.append(Problem(None, "outcome", "error", text))
    return found + _score_problems(cases)


def _score_problems(cases: list[Case]) -> list[Problem]:
    """What stands against the scores as the network's input, and columns that a network may learn instead."""
    found = []
    for column in ("grade", "agatston"):
        values = {getattr(case, column) for case in cases}
        if len(cases) > 1 and len(values) == 1 and None not in values:
            text = tr("every row has the same {column}, so it can tell nobody apart.", column=column)
            found.append(Problem(None, column, "warning", text))
        elif len(cases) >= FEWEST and None not in values and _told_apart(cases, column):
            text = tr("the outcome follows from this column alone in every row, which no score of calcium brings about: look whether it was made from the outcome.")  # fmt: skip
            found.append(Problem(None, column, "warning", text))
    extra = {name: [case.extra.get(name, "") for case in cases] for name in (cases[0].extra if cases else ())}
    if len(set(extra.get("horizon", ()))) > 1:
        text = tr("the rows differ, so reports will say that the outcome has no horizon; write the same in every row.")
        found.append(Problem(None, "horizon", "warning", text))
    outcome = np.array([case.outcome for case in cases], np.int64)
    found += [Problem(None, column, "warning", text) for column, text in tied(extra, outcome)]
    ungraded = [case for case in cases if case.grade is None]
    if ungraded:
        text = trn("{n} row has no grade, so the score can't come from it; choose Agatston, or grade it.", "{n} rows have no grade, so the score can't come from it; choose Agatston, or grade them.", len(ungraded))  # fmt: skip
        found.append(Problem(ungraded[0].row, "grade", "warning", text))
    return found


def _told_apart(cases: list[Case], column: str) -> bool:
    """Whether every case of one outcome lies above every case of the other in ``column``."""
    alive, dead = ([getattr(case, column) for case in cases if case.outcome == outcome] for outcome in (0, 1))
    return bool(alive and dead) and (max(alive) < min(dead) or max(dead) < min(alive))
