"""Cohort tables: what is accepted, and complaints that name row and column."""

from __future__ import annotations

import csv
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from hyrisk_desktop.errors import InputError
from model_training.cohort_table import read_table

HEADER = "exam,x,y,z,grade,agatston,outcome,patient_id"
GOOD = ("a.nrrd,80,80,2,1,12.5,0,p1", "b.nrrd,80,80,2,2.5,,1,p2", "c.nrrd,80,80,2,0,0,0,p3", "d.nrrd,80,80,2,3,9,1,p4")


def write(folder: Path, *rows: str, header: str = HEADER, name: str = "cohort.csv") -> Path:
    for exam in "abcd":
        (folder / f"{exam}.nrrd").touch()
    path = folder / name
    path.write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
    return path


def complaints(path: Path) -> set[tuple[int | None, str, str]]:
    return {(p.row, p.column, p.severity) for p in read_table(path).problems}


def test_a_good_table_is_ready(tmp_path: Path) -> None:
    table = read_table(write(tmp_path, *GOOD))
    assert table.ready
    assert [case.row for case in table.cases] == [2, 3, 4, 5]
    second = table.cases[1]
    assert (second.exam, second.centre, second.grade, second.agatston) == (tmp_path / "b.nrrd", (80, 80, 2), 2.5, None)
    assert (second.outcome, second.patient, second.synthetic) == (1, "p2", False)
    found = table.to_json()
    assert found["outcome"] == {"survivors": 2, "non_survivors": 2}
    assert found["missing"] == {"agatston": 1}
    assert found["grades"] == {"0": 1, "1": 1, "2.5": 1, "3": 1}
    assert found["problems"] == []


def test_a_horizon_is_what_every_row_says(tmp_path: Path) -> None:
    def horizon(*said: str) -> str:
        rows = [f"{row},{time}" for row, time in zip(GOOD, said, strict=True)]
        return read_table(write(tmp_path, *rows, header=f"{HEADER},horizon")).horizon

    assert horizon(*["6 years"] * 4) == "6 years"
    assert horizon("6 years", "6 years", " 6 years ", "6 years") == "6 years"
    assert horizon("6 years", "6 years", "2 years", "6 years") == ""
    assert horizon("6 years", "", "6 years", "6 years") == ""
    assert horizon(*["x" * 50] * 4) == "x" * 40
    assert read_table(write(tmp_path, *GOOD)).horizon == ""


def test_a_folder_names_its_table(tmp_path: Path) -> None:
    write(tmp_path, *GOOD)
    assert read_table(tmp_path).ready


def test_semicolons_a_byte_order_mark_and_capitals_are_read(tmp_path: Path) -> None:
    path = write(tmp_path, *(row.replace(",", ";") for row in GOOD), header=HEADER.upper().replace(",", ";"))
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().replace(b";2.5;", b";2,5;").replace(b";12.5;", b";12,5;"))
    table = read_table(path)
    assert table.ready
    assert [(c.grade, c.agatston) for c in table.cases[:2]] == [(1, 12.5), (2.5, None)]


@pytest.mark.parametrize(
    ("row", "column"),
    [
        ("a.nrrd,80.5,80,2,1,,0,p9", "x"),
        ("a.nrrd,80,-1,2,1,,0,p9", "y"),
        ("a.nrrd,80,80,,1,,0,p9", "z"),
        ("a.nrrd,80,80,two,1,,0,p9", "z"),
        ("a.nrrd,80,80,nan,1,,0,p9", "z"),
        ("a.nrrd,80,80,2,4,,0,p9", "grade"),
        ("a.nrrd,80,80,2,1,-3,0,p9", "agatston"),
        ("a.nrrd,80,80,2,1,,2,p9", "outcome"),
        ("a.nrrd,80,80,2,1,,,p9", "outcome"),
        ("nowhere.nrrd,80,80,2,1,,0,p9", "exam"),
        (",80,80,2,1,,0,p9", "exam"),
    ],
)
def test_a_bad_cell_is_named_by_row_and_column(tmp_path: Path, row: str, column: str) -> None:
    path = write(tmp_path, *GOOD, row)
    table = read_table(path)
    assert not table.ready
    assert (6, column, "error") in complaints(path)
    assert len(table.cases) == 4
    with pytest.raises(InputError, match=f"Row 6, column {column}"):
        table.require_ready()


def test_a_missing_column_is_named(tmp_path: Path) -> None:
    path = write(tmp_path, *GOOD, header=HEADER.replace("outcome", "died"))
    assert (None, "outcome", "error") in complaints(path)


def test_exams_must_be_named_somehow(tmp_path: Path) -> None:
    assert (None, "exam", "error") in complaints(write(tmp_path, *GOOD, header=HEADER.replace("exam", "scan")))


def test_an_exam_of_two_patients_is_refused(tmp_path: Path) -> None:
    assert (6, "patient_id", "error") in complaints(write(tmp_path, *GOOD, "a.nrrd,80,80,2,1,,0,somebody else"))


def test_doubtful_rows_are_told_but_do_not_block(tmp_path: Path) -> None:
    path = write(tmp_path, *GOOD, "a.nrrd,80,80,2,1,12.5,0,p1", "c.nrrd,90,80,2,,,1,p3")
    table = read_table(path)
    assert table.ready
    assert {(6, "exam", "warning"), (7, "outcome", "warning"), (7, "grade", "warning")} <= complaints(path)
    found = table.to_json()
    assert (found["duplicates"], found["patients_in_both"], found["missing"]["grade"]) == (2, 1, 1)


def test_one_outcome_alone_is_refused(tmp_path: Path) -> None:
    assert (None, "outcome", "error") in complaints(write(tmp_path, GOOD[0], GOOD[2]))


def test_without_patients_each_exam_is_one_and_that_is_said(tmp_path: Path) -> None:
    rows = [row.rpartition(",")[0] for row in GOOD]
    path = write(tmp_path, *rows, header=HEADER.rpartition(",")[0])
    assert read_table(path).ready
    assert (None, "patient_id", "warning") in complaints(path)


def test_empty_cells_of_patients_are_said_as_a_missing_column_is(tmp_path: Path) -> None:
    nobody = [row.rpartition(",")[0] + "," for row in GOOD]
    assert (None, "patient_id", "warning") in complaints(write(tmp_path, *nobody))
    assert complaints(write(tmp_path, *GOOD[:2], *nobody[2:])) == {(4, "patient_id", "warning")}


def test_a_comma_without_quotes_is_an_error_and_no_other_outcome(tmp_path: Path) -> None:
    header = "exam,x,y,z,grade,outcome"
    rows = [f"{exam}.nrrd,80,80,2,1,{outcome}" for exam, outcome in zip("abcd", (0, 1, 0, 1), strict=True)]
    assert read_table(write(tmp_path, *rows, header=header)).ready
    # Grade 1,0 of a non-survivor: read by the cell, a survivor of grade 1.
    table = read_table(write(tmp_path, *rows, "a.nrrd,80,80,2,1,0,1", header=header))
    assert not table.ready
    assert [(p.row, p.column, p.severity) for p in table.problems if p.severity == "error"] == [(6, "7", "error")]
    assert read_table(write(tmp_path, *(f"{row},," for row in rows), header=header)).ready, "empty cells shift nothing"


def test_horizons_that_differ_are_said(tmp_path: Path) -> None:
    def problems(*said: str) -> set[tuple[int | None, str, str]]:
        rows = [f"{row},{time}" for row, time in zip(GOOD, said, strict=True)]
        return complaints(write(tmp_path, *rows, header=f"{HEADER},horizon"))

    assert problems(*["6 years"] * 4) == set()
    assert problems("6 years", "6 years", "2 years", "6 years") == {(None, "horizon", "warning")}
    assert problems("6 years", "", "6 years", "6 years") == {(None, "horizon", "warning")}


@pytest.mark.parametrize("column", ["grade", "agatston"])
@pytest.mark.parametrize("turned", [False, True])
def test_a_score_that_was_made_from_the_outcome_is_said(tmp_path: Path, column: str, turned: bool) -> None:
    def table(count: int, swapped: int = 0) -> set[tuple[int | None, str, str]]:
        rows = []
        for n in range(count):
            leak = ((n % 2) != (n < swapped)) != turned
            other = n % 4 // 2
            cells = (leak, other) if column == "grade" else (other, leak)
            rows.append(f"a.nrrd,80,80,{n},{int(cells[0])},{int(cells[1])},{n % 2},p{n}")
        return {found for found in complaints(write(tmp_path, *rows)) if found[1] != "exam" and found[2] == "warning"}

    assert table(20) == {(None, column, "warning")}
    assert table(19) == set(), "too few to say"
    assert table(20, swapped=1) == set()


@pytest.mark.parametrize("unit", ["ns", "us"])
def test_parquet_with_a_day_that_no_calendar_has_is_one_sentence(tmp_path: Path, unit: str) -> None:
    times = pa.array([2**60 + 1] * 2, pa.timestamp(unit))
    pq.write_table(pa.table({"exam": ["a", "b"], "seen": times}), tmp_path / "cohort.parquet")
    with pytest.raises(InputError, match="no readable Parquet table"):
        read_table(tmp_path / "cohort.parquet")


def test_parquet_is_read_like_csv(tmp_path: Path) -> None:
    path = write(tmp_path, *GOOD)
    rows = list(csv.DictReader(path.read_text().splitlines()))
    columns = {
        name: [
            row[name] or None if name in ("exam", "patient_id") else float(row[name]) if row[name] else None
            for row in rows
        ]
        for name in rows[0]
    }
    pq.write_table(pa.table(columns), tmp_path / "cohort.parquet")
    assert read_table(tmp_path / "cohort.parquet").to_json() == read_table(path).to_json()


@pytest.mark.parametrize("name", ["cohort.csv", "cohort.parquet"])
def test_what_is_no_table_is_one_sentence(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"\xff\xfe\x00\x01" * 50)
    with pytest.raises(InputError, match=r"can.t be read|no readable"):
        read_table(tmp_path / name)


def test_no_file_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no cohort"):
        read_table(tmp_path / "nothing.csv")
