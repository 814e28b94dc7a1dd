"""Reads and outcomes become a cohort that training accepts."""

from __future__ import annotations

import csv
import dataclasses
from pathlib import Path

import pytest

from hyrisk_desktop.errors import InputError
from hyrisk_desktop.tables import Column, write_csv
from hyrisk_desktop.worklist.cohort import COLUMNS, CohortExport, cohort_rows, read_outcomes
from hyrisk_desktop.worklist.reading_list_file import scan_table
from hyrisk_desktop.worklist.records import ExamEntry, Read
from model_training.cohort_table import read_table
from tests.helpers.exams import write_exam


def entry(n: int, source: Path) -> ExamEntry:
    return ExamEntry(
        n, source, f"P{n:03d}", "", "", "", False, f"1.2.826.0.1.3680043.10.9999.{n}.2", "", "", 1, 24, 2.5, 2.5
    )


def export_cohort(
    entries: list[ExamEntry], reads: list[Read], reader: str, outcomes: dict[str, int], out: Path
) -> CohortExport:
    """As the window does."""
    rows, result = cohort_rows(entries, reads, reader, outcomes)
    write_csv(out, [Column(name) for name in COLUMNS], rows)
    return result


def table(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def test_the_cohort_is_one_that_training_accepts(tmp_path: Path) -> None:
    entries = [entry(n, write_exam(tmp_path / f"{n}", n)) for n in range(4)]
    reads = [
        Read(0, 1, entries[0].series_uid, centre=(30, 31, 12), grade=1.5,
             results={"calcium": {"agatston": 12.5, "profile": "standard"}}),
        Read(1, 1, entries[1].series_uid, centre=(30, 31, 12), grade=0.0,
             results={"calcium": {"agatston": 12.5, "profile": "four_connected"}}),
        Read(2, 1, entries[2].series_uid, grade=0.0),
        Read(3, 1, entries[3].series_uid, centre=(30, 31, 12), grade=2.0),
    ]  # fmt: skip
    outcomes = read_outcomes(table(tmp_path / "o.csv", "patient_id,outcome\nP000,1\nP001,0\nP002,1\n"))
    result = export_cohort(entries, reads, "Ada", outcomes, tmp_path / "cohort.csv")
    assert (result.rows, result.non_survivors, result.without_outcome, result.without_centre) == (2, 1, 1, 1)
    assert "1 without outcome, 1 without heart centre" in result.sentence
    cohort = read_table(tmp_path / "cohort.csv")
    assert [(c.centre, c.grade, c.agatston, c.outcome, c.patient) for c in cohort.cases] == [
        ((30, 31, 12), 1.5, 12.5, 1, "P000"),
        ((30, 31, 12), 0.0, None, 0, "P001"),
    ], "only the standard region's score is handed on"
    assert all(c.exam.is_dir() for c in cohort.cases)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("patient_id,dead\nP1,1\n", "columns patient_id and outcome"),
        ("patient_id,outcome\n", "at least one row"),
        ("patient_id,outcome\nP1,1\n,0\n", "row 3: patient_id is empty"),
        ("patient_id,outcome\nP1,alive\n", "row 2: outcome must be 0 or 1"),
        ("patient_id,outcome,outcome\nP1,1,0\n", "row 1: column outcome is there twice"),
        ("patient_id,outcome,patient_id\nP1,1,P2\n", "row 1: column patient_id is there twice"),
        ("patient_id,outcome\nP2,0,,\nP1,1,0\n", "row 3, column 3: there are more cells than columns"),
        ("patient_id,outcome\nP1,1\nP1,0\n", "row 3: this patient has another outcome"),
    ],
)
def test_a_bad_table_of_outcomes_names_row_and_column(tmp_path: Path, text: str, complaint: str) -> None:
    with pytest.raises(InputError, match=complaint):
        read_outcomes(table(tmp_path / "o.csv", text))


def test_outcomes_are_read_with_semicolons_and_any_column_more(tmp_path: Path) -> None:
    path = table(tmp_path / "o.csv", "No;Patient_ID ;outcome\n1;P,1;1\n\n2;P2;0\n")
    assert read_outcomes(path) == {"P,1": 1, "P2": 0}


def test_an_empty_cohort_says_what_is_missing_and_writes_nothing(tmp_path: Path) -> None:
    entries = [entry(0, tmp_path)]
    with pytest.raises(InputError, match="1 without outcome"):
        export_cohort(entries, [Read(0, 1, "1", centre=(1, 1, 1), grade=1.0)], "Ada", {}, tmp_path / "c.csv")
    assert not list(tmp_path.glob("*c.csv*"))


def test_no_cell_is_a_formula(tmp_path: Path) -> None:
    odd = dataclasses.replace(entry(0, tmp_path), patient_id="=HYPERLINK(1)")
    read = Read(0, 1, "1", centre=(1, 2, 3), grade=1.0)
    export_cohort([odd], [read], "@Ada", {"=HYPERLINK(1)": 1}, tmp_path / "c.csv")
    with open(tmp_path / "c.csv", encoding="utf-8", newline="") as stream:
        (row,) = csv.DictReader(stream)
    assert (row["patient_id"], row["reader"]) == ("'=HYPERLINK(1)", "'@Ada")


def test_the_file_is_plain_csv(tmp_path: Path) -> None:
    entries = [entry(0, tmp_path / 'a "quoted", name')]
    export_cohort(entries, [Read(0, 1, "1", centre=(1, 2, 3), grade=1.0)], "Ada", {"P000": 1}, tmp_path / "c.csv")
    with open(tmp_path / "c.csv", encoding="utf-8", newline="") as stream:
        (row,) = csv.DictReader(stream)
    assert (row["exam"], row["reader"]) == (str(entries[0].source), "Ada")


# --- reading lists


def test_a_reading_list_names_exams_and_the_series_to_read(tmp_path: Path) -> None:
    for n in range(3):
        write_exam(tmp_path / "exams" / f"{n}", n)
    uid = "1.2.826.0.1.3680043.10.9999.1.2"
    lines = ["exam,series_uid,x", f"exams/1,{uid},", "exams/0,,", "exams/gone,,", "exams/2,1.2.3.not.there,"]
    path = table(tmp_path / "list.csv", "\n".join(lines))
    found = list(scan_table(path))
    assert [(e.source.name, e.chosen.series_uid if e.chosen else e.problem[0]) for e in found] == [
        ("1", uid),
        ("0", "1.2.826.0.1.3680043.10.9999.0.2"),
        ("gone", "not_found"),
    ]


def test_a_reading_list_may_have_semicolons(tmp_path: Path) -> None:
    write_exam(tmp_path / "exams, old" / "1", 1)
    (found,) = scan_table(table(tmp_path / "list.csv", "Exam;series_uid\nexams, old/1;\n"))
    assert found.chosen is not None


@pytest.mark.parametrize("text", ["", "a,b\n1,2\n", "exam\n\n"])
def test_a_table_without_exams_is_one_sentence(tmp_path: Path, text: str) -> None:
    with pytest.raises(InputError, match="names no exams"):
        list(scan_table(table(tmp_path / "list.csv", text)))
