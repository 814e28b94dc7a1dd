"""Exams, lists, readers and reads in the store, the same on SQLite and PostgreSQL."""

from __future__ import annotations

import dataclasses
import threading
from pathlib import Path

import pytest

from hyrisk_desktop.errors import InputError, StoreError
from hyrisk_desktop.findings import Finding, Severity
from hyrisk_desktop.worklist import audit
from hyrisk_desktop.worklist.records import Proposal, Read, Status
from hyrisk_desktop.worklist.store import Store
from tests.helpers.exams import scanned

RESULTS = {"calcium": {"agatston": 212.5}, "risk": {"hyrisknet": None, "risknet": 0.4}}


def test_what_is_scanned_comes_back_as_it_was(store: Store) -> None:
    exams = [scanned(n) for n in (3, 1, 2)]
    listed = store.reading_list(Path("/data"))
    ids = store.add_exams(listed.list_id, exams)
    entries = store.entries(listed, None)
    assert [e.exam_id for e in entries] == ids
    assert (entries[0].patient_name, entries[0].series_uid, entries[0].status) == ("Name^3", "1.2.3", Status.NEW)
    records, source = store.records(ids[0])
    assert records == exams[0].records
    assert source == Path("/data/3")


def test_an_exam_found_again_is_the_same_exam_with_its_read(store: Store) -> None:
    reader = store.reader("Ada")
    listed = store.reading_list(Path("/data"))
    (exam_id,) = store.add_exams(listed.list_id, [scanned(1)])
    store.save_read(Read(exam_id, reader.reader_id, "1.2.1", grade=2.0), reader)
    (again,) = store.add_exams(listed.list_id, [scanned(1, slice_count=99)])
    assert again == exam_id
    (entry,) = store.entries(listed, reader)
    assert (entry.slice_count, entry.status) == (99, Status.GRADED)


def test_a_part_of_an_exam_takes_nothing_from_what_is_known(store: Store) -> None:
    whole = scanned(1)
    other = dataclasses.replace(whole.records[0], series_uid="1.2.77", description="Sharp")
    listed = store.reading_list(Path("/data"))
    (exam_id,) = store.add_exams(listed.list_id, [dataclasses.replace(whole, records=(*whole.records, other))])
    lone = dataclasses.replace(other, series_uid="1.2.88")
    assert store.add_exams(None, [dataclasses.replace(whole, records=(lone,), source=Path("/elsewhere"))]) == [exam_id]
    records, source = store.records(exam_id)
    assert [r.series_uid for r in records] == ["1.2.1", "1.2.77", "1.2.88"]
    assert source == Path("/data/1")


def test_every_field_of_a_read_survives(store: Store) -> None:
    reader = store.reader("Ada")
    (exam_id,) = store.add_exams(None, [scanned(1)])
    read = Read(
        exam_id,
        reader.reader_id,
        "1.2.1",
        blinded=True,
        content_sha256="a" * 64,
        centre=(1, 2, 3),
        centre_proposed=True,
        grade=1.5,
        vessels={"LM": 0, "LAD": 2, "LCx": 0, "RCA": 1},
        excluded=frozenset({(4, 5, 6), (7, 8, 9)}),
        box=((1, 1, 1), (9, 9, 9)),
        profile="four_connected",
        model="HyRiskNet",
        bundle_sha256="b" * 64,
        prevalence=0.1,
        results=RESULTS,
        findings=(Finding("noise", Severity.WARNING, "Noise."),),
        versions={"numpy": "2"},
        started_at="2026-01-01T00:00:00.000Z",
        graded_at="2026-01-01T00:00:10.000Z",
        seconds_to_grade=9.5,
    )
    saved = store.save_read(read, reader)
    assert store.read_by_id(saved.read_id) == saved == store.read_of(exam_id, reader, blinded=True)
    same = dataclasses.replace(saved, read_id=0, updated_at="")
    assert same == read
    assert store.read_of(exam_id, reader) is None, "the open read of the exam is another one"


def test_the_list_shows_each_reader_their_own_read_only(store: Store) -> None:
    ada, ben = store.reader("Ada"), store.reader("Ben")
    listed = store.reading_list(Path("/data"))
    first, second = store.add_exams(listed.list_id, [scanned(1), scanned(2)])
    store.save_read(Read(first, ada.reader_id, "1.2.1", centre=(1, 2, 3), grade=3.0, results=RESULTS), ada)
    store.save_read(Read(second, ben.reader_id, "1.2.2", centre=(1, 2, 3)), ben)
    assert [e.status for e in store.entries(listed, ada)] == [Status.SCORED, Status.NEW]
    assert [e.status for e in store.entries(listed, ben)] == [Status.NEW, Status.CENTRE]
    summary = store.entries(listed, ada)[0].read
    assert summary is not None
    assert (summary.agatston, summary.risk) == (212.5, 0.4), "without a grade in the model the image's risk counts"


def test_a_locked_grade_stays(store: Store) -> None:
    reader = store.reader("Ada")
    (exam_id,) = store.add_exams(None, [scanned(1)])
    locked = store.save_read(Read(exam_id, reader.reader_id, "1.2.1", grade=2.0, locked=True), reader)
    with pytest.raises(InputError, match="locked"):
        store.save_read(dataclasses.replace(locked, grade=1.0), reader)
    with pytest.raises(InputError, match="locked"):
        store.save_read(dataclasses.replace(locked, locked=False), reader)
    moved = store.save_read(dataclasses.replace(locked, centre=(5, 5, 5)), reader)
    assert (moved.grade, moved.centre, moved.revision) == (2.0, (5, 5, 5), 1)


def test_the_first_grade_is_timed_once(store: Store) -> None:
    reader = store.reader("Ada")
    (exam_id,) = store.add_exams(None, [scanned(1)])
    base = Read(exam_id, reader.reader_id, "1.2.1", started_at="2026-01-01T00:00:00.000Z")
    store.save_read(dataclasses.replace(base, centre=(1, 1, 1)), reader)
    graded = {"graded_at": "2026-01-01T00:00:07.000Z", "seconds_to_grade": 7.0}
    store.save_read(dataclasses.replace(base, grade=1.0, **graded), reader)  # type: ignore[arg-type]
    later = {"graded_at": "2026-01-01T09:00:00.000Z", "seconds_to_grade": 99.0}
    read = store.save_read(dataclasses.replace(base, grade=2.0, **later), reader)  # type: ignore[arg-type]
    assert (read.seconds_to_grade, read.graded_at) == (7.0, "2026-01-01T00:00:07.000Z")


def test_nothing_new_writes_nothing(store: Store) -> None:
    reader = store.reader("Ada")
    (exam_id,) = store.add_exams(None, [scanned(1)])
    saved = store.save_read(Read(exam_id, reader.reader_id, "1.2.1", grade=2.0), reader)
    head = store.audit_head()
    assert store.save_read(saved, reader) == saved
    assert store.audit_head() == head


def test_thumbnail_proposal_and_hash(store: Store) -> None:
    listed = store.reading_list(Path("/data"))
    (exam_id,) = store.add_exams(listed.list_id, [scanned(1)])
    finding = Finding("padding", Severity.INFO, "Padding.")
    store.save_prepared(exam_id, "1.2.1", b"png", Proposal((1, 2, 3), False, "Look."), (finding,), "c" * 64)
    (entry,) = store.entries(listed, None)
    assert entry.prepared
    assert entry.proposal == Proposal((1, 2, 3), False, "Look.")
    assert entry.findings == (finding,)
    assert store.thumbnail(exam_id) == b"png"
    assert store.content_sha256(exam_id, "1.2.1") == "c" * 64
    store.save_prepared(exam_id, "1.2.1", b"png", None, (), "d" * 64)
    assert store.content_sha256(exam_id, "1.2.1") == "c" * 64, "the first hash is the one to compare with"
    store.add_exams(listed.list_id, [scanned(1, series_uid="1.2.99")])
    (entry,) = store.entries(listed, None)
    assert not entry.prepared, "another series was chosen since"


def test_a_read_made_before_its_files_were_hashed_names_them_too(store: Store) -> None:
    listed, ada = store.reading_list(Path("/data")), store.reader("Ada")
    one, other = store.add_exams(listed.list_id, [scanned(1), scanned(2)])
    hasty = store.save_read(Read(one, ada.reader_id, "1.2.1", centre=(1, 2, 3)), ada)
    store.save_read(Read(other, ada.reader_id, "1.2.2", centre=(1, 2, 3), content_sha256="e" * 64), ada)
    store.save_prepared(one, "1.2.1", b"png", None, (), "c" * 64)
    store.save_prepared(other, "1.2.2", b"png", None, (), "d" * 64)
    assert store.read_of(one, ada).content_sha256 == "c" * 64
    assert store.read_of(other, ada).content_sha256 == "e" * 64, "what was read from other files stays said"
    again = store.save_read(dataclasses.replace(hasty, grade=2.0), ada)
    assert (again.grade, again.content_sha256) == (2.0, "c" * 64), "and nobody forgets it again"
    turned = store.save_read(dataclasses.replace(again, series_uid="1.2.9", content_sha256=""), ada)
    assert turned.content_sha256 == "", "another series is other files"


def test_place_and_last_list(store: Store) -> None:
    ada, ben = store.reader("Ada"), store.reader("Ben")
    one, two = store.reading_list(Path("/one")), store.reading_list(Path("/two"))
    a, b = store.add_exams(one.list_id, [scanned(1), scanned(2)])
    store.add_exams(two.list_id, [scanned(3)])
    store.save_place(ada, one, a)
    store.save_place(ada, one, b)
    assert store.place(ada, one) == b
    assert store.place(ben, one) is None
    assert store.last_list(ada) == one
    assert store.last_list(ben) is None


def test_a_blinded_twin_has_the_same_exams_in_an_order_of_each_readers_own(store: Store) -> None:
    ada, ben = store.reader("Ada"), store.reader("Ben")
    listed = store.reading_list(Path("/data"))
    ids = store.add_exams(listed.list_id, [scanned(n) for n in range(30)])
    twin = store.blinded_twin(listed, 4711, "Ada")
    assert (twin.blinded, twin.seed, twin.list_id != listed.list_id) == (True, 4711, True)
    orders = [[e.exam_id for e in store.entries(twin, reader)] for reader in (ada, ben, ada)]
    assert sorted(orders[0]) == sorted(orders[1]) == ids
    assert orders[0] == orders[2]
    assert orders[0] != orders[1] != ids
    store.add_exams(listed.list_id, [scanned(99)])
    again = store.blinded_twin(listed, 1, "Ben")
    assert again == twin, "the seed it was made with stays"
    grown = [e.exam_id for e in store.entries(again, ada)]
    assert [i for i in grown if i in ids] == orders[0], "an exam that comes later changes nobody's order"


@pytest.mark.parametrize("name", ["", "   ", "x" * 81, "a\nb\x07"])
def test_a_reader_needs_a_name(store: Store, name: str) -> None:
    with pytest.raises(InputError):
        store.reader(name)


def test_a_readers_name_is_one_name(store: Store) -> None:
    assert store.reader("  Ada   Lovelace ") == store.reader("Ada Lovelace")
    assert [r.name for r in store.readers()] == ["Ada Lovelace"]


@pytest.mark.parametrize(
    "text", ["nul\0inside", "half \ud83d pair", "Müller^Jörg", "'; DROP TABLE exams; --", "\u202e" * 9]
)
def test_hostile_header_texts_are_only_texts(store: Store, text: str) -> None:
    listed = store.reading_list(Path("/data"))
    exam = scanned(1, description=text, series_uid=f"1.2.{text}", attributes={"PatientName": text, "PatientID": text})
    (exam_id,) = store.add_exams(listed.list_id, [exam])
    (entry,) = store.entries(listed, None)
    assert entry.exam_id == exam_id
    assert store.records(exam_id)[0][0].description.startswith(text[:3])


def test_a_path_of_any_bytes_comes_back(store: Store) -> None:
    odd = Path("/data/\udcff\udcfe name")
    exam = dataclasses.replace(scanned(1, files=(odd / "a.dcm",)), source=odd)
    (exam_id,) = store.add_exams(None, [exam])
    records, source = store.records(exam_id)
    assert (records[0].files, source) == ((odd / "a.dcm",), odd)


def test_what_is_not_there_is_said(store: Store) -> None:
    with pytest.raises(InputError, match="no read number 7"):
        store.read_by_id(7)
    with pytest.raises(StoreError, match="no longer holds"):
        store.records(7)


def test_every_change_leaves_its_trace_and_the_chain_holds(store: Store) -> None:
    reader = store.reader("Ada")
    (exam_id,) = store.add_exams(None, [scanned(1)])
    read = Read(exam_id, reader.reader_id, "1.2.1", grade=1.0)
    store.save_read(read, reader)
    store.save_read(dataclasses.replace(read, grade=3.0), reader)
    store.save_read(dataclasses.replace(read, grade=3.0, locked=True), reader)
    store.note("Ada", "exported", "list:1", {"rows": 3})
    trail = list(store.audit_trail())
    assert [e.action for e in trail] == ["reader_added", "read_begun", "read_changed", "read_locked", "exported"]
    assert trail[2].detail["grade"] == [1.0, 3.0]
    assert {e.reader for e in trail} == {"Ada"}
    assert audit.verify(iter(trail), store.audit_head()) is None


def test_a_trail_that_was_tampered_with_shows_where(store: Store) -> None:
    for n in range(5):
        store.note("Ada", "exported", f"list:{n}", {})
    trail, head = list(store.audit_trail()), store.audit_head()
    changed = [*trail[:2], dataclasses.replace(trail[2], reader="Ben"), *trail[3:]]
    assert audit.verify(iter(changed), head) == 3
    assert audit.verify(iter([*trail[:1], *trail[2:]]), head) == 2
    assert audit.verify(iter(trail[:-1]), head) == 5, "a trail cut short is not whole"
    assert audit.verify(iter(trail), (head[0], "0" * 64)) == 6
    # A chain that is sound in itself, but whose numbers leap.
    last = trail[-1]
    values = (last.at, last.reader, last.action, last.subject, last.detail)
    forged = dataclasses.replace(last, number=7, previous=head[1], sha256=audit._digest(head[1], 7, *values))
    assert audit.verify(iter([*trail, forged]), (6, forged.sha256)) == 6


def test_two_desks_at_once_lose_nothing(store: Store, place: Path | str) -> None:
    """Two readers on two connections write at the same time; every write is there, in one unforked chain."""
    ids = store.add_exams(None, [scanned(n) for n in range(10)])
    failures: list[Exception] = []

    def read_all(name: str) -> None:
        desk = Store(place)
        try:
            reader = desk.reader(name)
            for exam_id in ids:
                for grade in (1.0, 2.0):
                    desk.save_read(Read(exam_id, reader.reader_id, "1", grade=grade), reader)
        except Exception as e:  # noqa: BLE001
            failures.append(e)
        finally:
            desk.close()

    desks = [threading.Thread(target=read_all, args=(name,)) for name in ("Ada", "Ben")]
    for desk in desks:
        desk.start()
    for desk in desks:
        desk.join()
    assert not failures
    assert [r.grade for r in store.reads()] == [2.0] * 20
    assert audit.verify(store.audit_trail(), store.audit_head()) is None
