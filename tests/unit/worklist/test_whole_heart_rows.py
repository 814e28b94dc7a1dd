"""A read of the whole heart in the store: its marks come back, and the list shows its number."""

from __future__ import annotations

from pathlib import Path

from hyrisk_desktop.calcium import NO_MARKS, HeartMarks
from hyrisk_desktop.worklist.records import Read
from hyrisk_desktop.worklist.store import Store
from tests.helpers.exams import scanned

MARKS = HeartMarks((((1, 2, 3), "LAD"), ((4, 5, 6), "other")), frozenset({(7, 8, 9)}), frozenset({(10, 11, 12)}))


def test_marks_come_back_and_the_row_has_the_hearts_number(tmp_path: Path) -> None:
    store = Store(tmp_path / "worklist.sqlite")
    reader = store.reader("Ada")
    first, second, third = store.add_exams(None, [scanned(1), scanned(2), scanned(3)])
    calcium = {"agatston": 5.0}
    results = {"calcium": calcium, "risk": None, "whole_heart": {"agatston": 79.0}}
    store.save_read(Read(first, 1, "1.2.1", whole_heart=True, heart=MARKS, results=results), reader)
    store.save_read(Read(second, 1, "1.2.2", results={"calcium": calcium, "risk": None}), reader)
    store.save_read(Read(third, 1, "1.2.3", whole_heart=True, results={"calcium": calcium, "risk": None}), reader)
    back = store.read_of(first, reader)
    assert back is not None
    assert (back.whole_heart, back.heart) == (True, MARKS)
    rows = [entry.read for entry in store.entries_of([first, second, third], reader)]
    assert [(r.agatston, r.outlined, r.whole_heart) for r in rows if r] == [
        (79.0, True, False),
        (5.0, False, False),
        (5.0, False, False),
    ]
    plain = store.read_of(second, reader)
    assert plain is not None
    assert (plain.whole_heart, plain.heart) == (False, NO_MARKS)
    asked = store.read_of(third, reader)
    assert asked is not None
    assert asked.whole_heart
