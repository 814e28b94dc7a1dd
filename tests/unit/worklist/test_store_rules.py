"""Rules of the store, one by one: whose read it is, what a lock holds, what comes first, and what is one transaction."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import text

from hyrisk_desktop.errors import ConflictError, InputError, StoreError
from hyrisk_desktop.worklist import audit, database
from hyrisk_desktop.worklist.database import backups_of
from hyrisk_desktop.worklist.records import Read, Reader, ReadingList, ReadSummary, Status, reading_order
from hyrisk_desktop.worklist.store import Store
from hyrisk_desktop.worklist.store_file import StoreFile
from tests.helpers.exams import scanned

VESSELS = {"LM": 0, "LAD": 2, "LCx": 0, "RCA": 1}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "store" / "worklist.sqlite"


@pytest.fixture
def store(path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    """A store whose clock goes on by a second with each look at it."""
    moments = iter(range(10_000))
    monkeypatch.setattr("hyrisk_desktop.worklist.store.now", lambda: f"2026-01-01T{next(moments):06d}Z")
    opened = Store(path)
    yield opened
    opened.close()


def begun(store: Store, number: int = 1, **changes: object) -> tuple[Reader, Read]:
    """Ada's read of exam ``number``."""
    reader = store.reader("Ada")
    (exam_id,) = store.add_exams(None, [scanned(number)])
    values = {"grade": 2.0, "vessels": VESSELS} | changes
    return reader, store.save_read(Read(exam_id, reader.reader_id, f"1.2.{number}", **values), reader)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "change",
    [{"grade": 1.0}, {"grade": None}, {"vessels": {**VESSELS, "LAD": 3}}, {"vessels": None}, {"locked": False}],
    ids=str,
)
def test_what_a_lock_holds(store: Store, change: dict[str, object]) -> None:
    reader, read = begun(store, locked=True, locked_at="2026")
    with pytest.raises(InputError, match="locked"):
        store.save_read(dataclasses.replace(read, **change), reader)  # type: ignore[arg-type]
    assert store.read_by_id(read.read_id) == read
    assert store.save_read(dataclasses.replace(read, excluded=frozenset({(1, 2, 3)})), reader).revision == 1


def test_an_open_lock_is_taken_back_and_a_blinded_one_never(store: Store) -> None:
    reader, read = begun(store, locked=True, locked_at="2026")
    blind = store.save_read(Read(read.exam_id, reader.reader_id, "1.2.1", grade=1.0, locked=True, blinded=True), reader)
    free = store.unlock_read(read.exam_id, reader)
    assert free is not None
    assert (free.read_id, free.locked, free.locked_at, free.revision) == (read.read_id, False, "", 1)
    assert store.read_of(read.exam_id, reader, blinded=True) == blind
    entries = [(e.action, e.detail) for e in store.audit_trail()]
    assert entries[-1] == ("read_unlocked", {"locked": [True, False]})
    # Who asks again changes nothing, and who never read has nothing to unlock.
    assert store.unlock_read(read.exam_id, reader) == free
    assert len(list(store.audit_trail())) == len(entries)
    assert store.unlock_read(read.exam_id, store.reader("Ben")) is None
    # This window knows the new revision; another one, which opened the locked read, does not win over it.
    assert store.save_read(dataclasses.replace(free, grade=3.0, revision=0), reader).revision == 2


def test_only_what_was_known_may_be_replaced(path: Path, store: Store) -> None:
    reader, read = begun(store)
    other = Store(path)
    assert other.read_of(read.exam_id, reader) == read
    newer = store.save_read(dataclasses.replace(read, grade=3.0), reader)
    with pytest.raises(ConflictError) as e:
        other.save_read(dataclasses.replace(read, grade=1.0), reader)
    assert e.value.newer == newer
    assert other.read_by_id(read.read_id) == newer
    # Having looked again, it may; and knows then what it saved itself.
    assert other.read_of(read.exam_id, reader) == newer
    assert other.save_read(dataclasses.replace(newer, grade=1.0, revision=0), reader).revision == 2
    assert other.save_read(dataclasses.replace(newer, grade=0.0, revision=0), reader).revision == 3
    # What failed is not taken for known.
    with pytest.raises(ConflictError):
        store.save_read(dataclasses.replace(newer, grade=0.5), reader)
    with pytest.raises(ConflictError):
        store.save_read(dataclasses.replace(newer, grade=0.5), reader)
    other.close()


def test_a_write_that_fails_leaves_nothing(store: Store) -> None:
    _, read = begun(store)
    head = store.audit_head()

    def fail() -> None:
        with store.database.write() as session:
            session.execute(text("UPDATE reads SET grade = 0"))
            audit.append(session, "Ada", "exported", "list:1", {})
            raise RuntimeError("in between")

    with pytest.raises(RuntimeError):
        fail()
    assert store.read_by_id(read.read_id) == read
    assert store.audit_head() == head
    assert audit.verify(store.audit_trail(), head) is None


def test_a_writer_takes_its_turn_before_it_reads(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who has read first would fail later, where another wrote in between."""
    monkeypatch.setattr(database, "_PRAGMAS", (*database._PRAGMAS[:-1], "PRAGMA busy_timeout=0"))
    first, second = Store(path), Store(path)
    ada = first.reader("Ada")
    with first.database.write():
        assert second.readers() == [ada]
        with pytest.raises(StoreError) as e:
            second.reader("Ben")
        assert e.value.code == "store_locked"
    assert second.reader("Ben").name == "Ben"
    first.close()
    second.close()


def test_a_commit_reaches_the_disk_and_references_hold(store: Store) -> None:
    with store.database.read() as session:
        found = [session.scalar(text(f"PRAGMA {name}")) for name in ("synchronous", "foreign_keys", "journal_mode")]
    assert found == [2, 1, "wal"]
    with pytest.raises(StoreError):
        store.save_read(Read(4711, store.reader("Ada").reader_id, "1.2"), store.reader("Ada"))


def test_the_newest_backups_are_kept(store: Store, path: Path) -> None:
    for day in range(10):
        store.database.back_up(label=f"2026-01-{day:02d}")
    assert [b.stem.rpartition("-")[2] for b in backups_of(path)] == ["09", "08", "07", "06", "05", "04", "03"]


def test_a_damaged_copy_is_no_backup(store: Store, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "damage_in", lambda _: "a page is missing")
    with pytest.raises(StoreError):
        store.database.back_up(label="one")
    assert backups_of(path) == list((path.parent / "backups").iterdir()) == []


def test_what_is_taken_away_just_before_the_commit_is_not_taken_for_saved(
    store: Store, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reader, read = begun(store)
    check, looks = StoreFile.check, list[int]()

    def looked(file: StoreFile) -> None:
        check(file)
        looks.append(1)
        if len(looks) == 2:
            path.rename(path.with_name("elsewhere.sqlite"))

    monkeypatch.setattr(StoreFile, "check", looked)
    with pytest.raises(StoreError):
        store.save_read(dataclasses.replace(read, grade=0.0), reader)
    assert len(looks) == 2


def test_a_row_shows_the_chosen_one_of_several_series(store: Store) -> None:
    exam = scanned(1)
    other = dataclasses.replace(exam.records[0], series_uid="1.2.77", kernel="B70f", slice_count=9)
    listed = store.reading_list(Path("/data"))
    store.add_exams(listed.list_id, [dataclasses.replace(exam, records=(*exam.records, other)), scanned(2)])
    first, second = store.entries(listed, None)
    assert (first.series_uid, first.slice_count, first.series_count) == ("1.2.1", 120, 2)
    assert (second.series_uid, second.series_count) == ("1.2.2", 1)


def test_the_list_that_was_read_last_and_the_place_in_it(store: Store) -> None:
    ada, ben = store.reader("Ada"), store.reader("Ben")
    one, two = store.reading_list(Path("/one")), store.reading_list(Path("/two"))
    (a,) = store.add_exams(one.list_id, [scanned(1)])
    (b,) = store.add_exams(two.list_id, [scanned(2)])
    for reader, reading_list, exam in ((ada, one, a), (ada, two, b), (ben, one, a)):
        store.save_place(reader, reading_list, exam)
        assert store.last_list(reader) == reading_list
    store.save_place(ada, one, a)
    assert store.last_list(ada) == one
    assert (store.place(ada, two), store.place(ben, two)) == (b, None)
    assert store.lists() == [two, one]
    assert store.reading_list(Path("/one")) == one
    assert store.reading_list(Path("/one"), blinded=True, seed=3).list_id not in (one.list_id, two.list_id)


def test_exams_stand_in_the_order_in_which_they_came(store: Store) -> None:
    listed = store.reading_list(Path("/data"))
    other = store.reading_list(Path("/other"))
    (third,) = store.add_exams(None, [scanned(3)])
    ids = store.add_exams(listed.list_id, [scanned(5), scanned(4)])
    store.add_exams(other.list_id, [scanned(9)])
    more = store.add_exams(listed.list_id, [scanned(3), scanned(5), scanned(1)])
    assert more[:2] == [third, ids[0]]
    assert [e.exam_id for e in store.entries(listed, None)] == [*ids, third, more[2]]
    assert [e.exam_id for e in store.entries_of([ids[1], third], None)] == sorted((ids[1], third))


def test_reads_of_one_list_and_of_one_kind(store: Store) -> None:
    listed = store.reading_list(Path("/data"))
    (inside,) = store.add_exams(listed.list_id, [scanned(1)])
    reader, outside = begun(store, 2)
    open_read = store.save_read(Read(inside, reader.reader_id, "1.2.1", grade=1.0, centre=(1, 2, 3)), reader)
    blind = store.save_read(Read(inside, reader.reader_id, "1.2.1", grade=3.0, blinded=True), reader)
    assert [r.read_id for r in store.reads()] == [outside.read_id, open_read.read_id, blind.read_id]
    assert [r.read_id for r in store.reads(list_id=listed.list_id)] == [open_read.read_id, blind.read_id]
    for blinded, grade in ((False, 1.0), (True, 3.0)):
        (entry,) = store.entries_of([inside], reader, blinded=blinded)
        assert entry.read is not None
        assert entry.read.grade == grade
    assert store.entries_of([inside], store.reader("Ben"))[0].read is None


def test_a_batch_is_noted_from_beginning_to_end(store: Store) -> None:
    number = store.note_batch(None, Path("/out.csv"), {"profile": "standard"}, "b" * 64)
    store.end_batch(number, 7, 3)
    with store.database.read() as session:
        row = session.execute(text("SELECT done, failed, started_at, ended_at FROM batches")).one()
    assert (row.done, row.failed) == (7, 3)
    assert "" < row.started_at < row.ended_at
    assert [e.action for e in store.audit_trail()] == ["batch_begun", "batch_ended"]
    with pytest.raises(StoreError, match="no longer holds"):
        store.end_batch(number + 1, 0, 0)


def test_names_of_readers_to_the_last_letter(store: Store) -> None:
    assert store.reader("x" * 80).name == "x" * 80
    with pytest.raises(InputError):
        store.reader("x" * 81)


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({}, Status.NEW), ({"centre": (1, 2, 3)}, Status.CENTRE), ({"centre": (1, 2, 3), "risk": 0.3}, Status.CENTRE),
        ({"grade": 0.0}, Status.GRADED), ({"grade": 0.0, "centre": (1, 2, 3)}, Status.GRADED), ({"grade": 0.0, "risk": 0.3}, Status.GRADED),
        ({"grade": 0.0, "risk": 0.0, "centre": (1, 2, 3)}, Status.SCORED),
    ],
)  # fmt: skip
def test_how_far_a_read_has_come(changes: dict[str, object], status: Status) -> None:
    blank = ReadSummary(1, None, None, False, None, None)
    assert dataclasses.replace(blank, **changes).status is status  # type: ignore[arg-type]


def test_an_order_is_of_the_reader_and_of_the_seed() -> None:
    ada, ben = Reader(1, "Ada"), Reader(2, "Ben")
    blinded = ReadingList(1, "a", Path("/a"), blinded=True, seed=7)
    orders = [
        reading_order(blinded, ada, 20), reading_order(blinded, ben, 20), reading_order(dataclasses.replace(blinded, seed=8), ada, 20),
        reading_order(blinded, None, 20),
    ]  # fmt: skip
    assert len({tuple(order) for order in orders}) == 4
    assert all(sorted(order) == list(range(20)) for order in orders)
    assert orders[3] == reading_order(dataclasses.replace(blinded, blinded=False), ada, 20) == list(range(20))
    assert [i for i in reading_order(blinded, ada, 25) if i < 20] == orders[0]
    # The same on every machine and every day, and whatever number the store gave to the reader.
    assert reading_order(blinded, Reader(99, "Ada"), 5) == [0, 4, 2, 1, 3]
