"""How far a reader has come in each list: by their own grades, openly or blinded as the list is read."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from hyrisk_desktop.worklist.overview import overview
from hyrisk_desktop.worklist.records import Read
from hyrisk_desktop.worklist.store import Store
from tests.helpers.exams import scanned


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = Store(tmp_path / "worklist.sqlite")
    yield store
    store.close()


def test_each_reader_has_come_as_far_as_they_have(store: Store, tmp_path: Path) -> None:
    ada, ben = store.reader("Ada"), store.reader("Ben")
    first = store.reading_list(tmp_path / "first", reader="Ada")
    second = store.reading_list(tmp_path / "second", reader="Ada")
    ids = store.add_exams(first.list_id, [scanned(n) for n in (1, 2, 3)])
    store.add_exams(second.list_id, [scanned(4)])
    blinded = store.blinded_twin(first, 5, "Ada")
    for exam_id, reader, grade, hidden in (
        (ids[0], ada, 1.0, False), (ids[1], ada, 2.0, False), (ids[2], ada, None, False), (ids[0], ben, 3.0, False),
        (ids[0], ada, 0.0, True),
    ):  # fmt: skip
        store.save_read(Read(exam_id, reader.reader_id, "1.2.1", centre=(1, 2, 3), grade=grade, blinded=hidden), reader)
    store.save_place(ada, second, 4)
    store.save_place(ada, first, ids[1])
    found = {(row.reading_list.name, row.reading_list.blinded): (row.exams, row.graded) for row in overview(store, ada)}
    assert found == {("first", False): (3, 2), ("second", False): (1, 0), ("first", True): (3, 1)}
    assert {row.reading_list.name: row.graded for row in overview(store, ben) if not row.reading_list.blinded} == {
        "first": 1, "second": 0,
    }  # fmt: skip
    assert blinded.blinded


def test_what_was_read_last_comes_first(store: Store, tmp_path: Path) -> None:
    ada = store.reader("Ada")
    lists = [store.reading_list(tmp_path / name, reader="Ada") for name in ("a", "b", "c")]
    (exam_id,) = store.add_exams(lists[0].list_id, [scanned(1)])
    assert [row.stopped_at for row in overview(store, ada)] == ["", "", ""]
    store.save_place(ada, lists[0], exam_id)
    rows = overview(store, ada)
    assert rows[0].reading_list.name == "a"
    assert rows[0].stopped_at
    assert {row.reading_list.name for row in rows[1:]} == {"b", "c"}
