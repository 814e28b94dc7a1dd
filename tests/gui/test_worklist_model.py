"""The worklist's table with ten thousand rows, without a window."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
from PySide6.QtCore import QPersistentModelIndex, Qt
from PySide6.QtTest import QAbstractItemModelTester

from hyrisk_desktop.gui.worklist.columns import columns
from hyrisk_desktop.gui.worklist.table_model import WorklistModel
from hyrisk_desktop.worklist.records import ExamEntry, ReadSummary, Status

UP, DOWN = Qt.SortOrder.AscendingOrder, Qt.SortOrder.DescendingOrder
KEYS = [c.key for c in columns()]


def entry(n: int, *, problem: str = "", grade: float | None = None) -> ExamEntry:
    read = None if grade is None else ReadSummary(n, (1, 1, 1), grade, False, float(n), 0.5)
    return ExamEntry(
        n, Path(f"/data/{n}"), f"ID{n}", f"Family{n % 7}^Given{n}", "20200102", "Study", False, f"1.{n}", "Chest · B30f",
        "The only one.", 1, 100 + n % 50, 2.0, 2.0, problem=problem, read=read,
    )  # fmt: skip


@pytest.fixture
def model(qapp: object) -> WorklistModel:
    model = WorklistModel()
    QAbstractItemModelTester(model, QAbstractItemModelTester.FailureReportingMode.Fatal)
    return model


def shown(model: WorklistModel) -> list[int]:
    return [model.entry_at(row).exam_id for row in range(model.rowCount())]


def test_ten_thousand_rows_are_searched_and_sorted(model: WorklistModel) -> None:
    model.show_entries([entry(n) for n in range(10_000)], blinded=False)
    model.search("id9999", None)
    assert shown(model) == [9999]
    model.search("family3 given1", None)
    assert set(shown(model)) == {n for n in range(10_000) if n % 7 == 3 and str(n).startswith("1")}
    model.search("", None)
    model.sort(KEYS.index("slices"), DOWN)
    assert [model.entry_at(r).slice_count for r in (0, 9_999)] == [149, 100]
    assert shown(model)[:3] == sorted(shown(model)[:3], reverse=True) or len(shown(model)) == 10_000


def test_rows_that_come_and_change_keep_the_selection_where_it_was(model: WorklistModel) -> None:
    model.show_entries([entry(n) for n in range(5)], blinded=False)
    kept = QPersistentModelIndex(model.index(3, 1))
    model.update_entries([entry(9), entry(10)])
    assert shown(model) == [0, 1, 2, 3, 4, 9, 10]
    model.sort(0, DOWN)
    assert model.entry_at(kept.row()).exam_id == 3
    model.search("id3", None)
    assert (kept.row(), model.rowCount()) == (0, 1)
    model.search("id4", None)
    assert not kept.isValid(), "a row that is filtered away is no row"


def test_a_row_that_changes_is_found_by_its_new_words(model: WorklistModel) -> None:
    model.show_entries([entry(1), entry(2)], blinded=False)
    model.update_entries([entry(2, grade=3.0)])
    model.search("scored", None)
    assert shown(model) == [2]
    assert model.counts() == {Status.NEW: 1, Status.SCORED: 1}


def test_neighbours_pass_over_failed_exams_and_follow_the_table(model: WorklistModel) -> None:
    model.show_entries([entry(0), entry(1, problem="Broken."), entry(2), entry(3)], blinded=False)

    def neighbour(exam_id: int | None, step: int) -> int | None:
        found = model.neighbour(exam_id, step)
        return found.exam_id if found else None

    assert [neighbour(0, 1), neighbour(2, -1), neighbour(3, 1), neighbour(None, 1)] == [2, 0, None, 0]
    model.sort(0, DOWN)
    assert [neighbour(3, 1), neighbour(2, 1), neighbour(None, 1)] == [2, 0, 3]
    model.search("id3", None)
    assert neighbour(0, 1) == 3, "an exam that the filter hides has no neighbours; the search's first comes next"


def test_a_blinded_table_names_nobody(model: WorklistModel) -> None:
    model.show_entries(
        [dataclasses.replace(entry(n), problem="" if n else "Smith.dcm is damaged.") for n in range(3)], blinded=True
    )
    roles = (Qt.ItemDataRole.DisplayRole, Qt.ItemDataRole.ToolTipRole)
    cells = [
        str(model.data(model.index(r, c), role)) for r in range(3) for c in range(model.columnCount()) for role in roles
    ]
    text = "\n".join(cells)
    for secret in ("Family", "Given", "ID1", "2020", "Smith"):
        assert secret not in text
    assert "Exam 2" in text


def test_empty_and_no_rows(model: WorklistModel) -> None:
    model.show_entries([], blinded=False)
    model.sort(3, UP)
    model.search("x", Status.NEW)
    assert model.rowCount() == 0
    assert model.neighbour(None, 1) is None
    model.set_current(5)
