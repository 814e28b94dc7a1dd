"""What other desks do is heard: reads, new exams and who sits where, on either database; a desk that dies counts no more."""

from __future__ import annotations

import contextlib
import queue
import socket
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import text

from hyrisk_desktop.errors import StoreError
from hyrisk_desktop.worklist import desks, feeds, watching
from hyrisk_desktop.worklist.desks import DEAD_S, announce, leave, others
from hyrisk_desktop.worklist.feeds import News, _news_of, feed_of
from hyrisk_desktop.worklist.records import OtherRead, Read, Reader
from hyrisk_desktop.worklist.store import Store
from hyrisk_desktop.worklist.watching import Watcher
from tests.helpers import postgres
from tests.helpers.exams import scanned
from tests.helpers.patience import PATIENCE_S


class Ear:
    """A watcher of one store, and what it has heard."""

    def __init__(self, store: Store) -> None:
        self.heard: queue.Queue[News] = queue.Queue()
        self.lost: queue.Queue[StoreError] = queue.Queue()
        self._watcher = Watcher(lambda: store.database, self.heard.put, self.lost.put)
        assert self.heard.get(timeout=PATIENCE_S) == News(desks=True, everything=True)

    def until(self, enough: Callable[[News], bool]) -> News:
        """All that comes in until it is enough."""
        news = News()
        while not enough(news):
            news |= self.heard.get(timeout=PATIENCE_S)
        return news

    def stop(self) -> None:
        self._watcher.stop()


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feeds, "_POLL_S", 0.02)
    monkeypatch.setattr(feeds, "_GATHER_S", 0.05)
    monkeypatch.setattr(watching, "_RETRY_S", 0.02)


@pytest.fixture
def other(place: Path | str, store: Store) -> Iterator[Store]:
    """A second desk at the same worklist."""
    opened = Store(place)
    yield opened
    opened.close()


@pytest.fixture
def ear(store: Store) -> Iterator[Ear]:
    heard = Ear(store)
    yield heard
    heard.stop()


def test_reads_and_exams_of_another_desk_are_heard_and_ones_own_are_not(store: Store, other: Store, ear: Ear) -> None:
    ada, bob = store.reader("Ada"), other.reader("Bob")
    listed = other.reading_list(Path("/data"))
    first, second = other.add_exams(listed.list_id, [scanned(1), scanned(2)])
    assert ear.until(lambda n: len(n.exam_ids) == 2) == News(frozenset({first, second}))
    store.save_read(Read(first, ada.reader_id, "1.2.1", grade=1.0), ada)
    saved = other.save_read(Read(second, bob.reader_id, "1.2.2", grade=3.0), bob)
    assert ear.until(bool) == News(frozenset({second})), "what this desk saved itself is no news to it"
    other.unlock_read(second, bob)
    other.save_prepared(second, "1.2.2", b"png", None, ())
    ear.until(bool)
    other.note_problem(first, "gone", "The files are gone.")
    assert ear.until(lambda n: first in n.exam_ids).exam_ids <= {first, second}
    assert (saved.grade, saved.revision) == (3.0, 0)


def test_what_another_desk_saved_is_heard_where_this_one_wrote_about_the_same_exam_right_after(tmp_path: Path) -> None:
    """The file is asked once a second, and holds one change of each exam."""
    store, other = Store(tmp_path / "worklist.sqlite"), Store(tmp_path / "worklist.sqlite")
    with contextlib.closing(store), contextlib.closing(other), contextlib.ExitStack() as still:
        ada, bob = store.reader("Ada"), other.reader("Bob")
        first, second = store.add_exams(None, [scanned(1), scanned(2)])
        here, there = feed_of(store.database), feed_of(other.database)
        still.callback(here.close)
        still.callback(there.close)
        wake, _ = (still.enter_context(end) for end in socket.socketpair())
        other.save_read(Read(first, bob.reader_id, "1.2.1", grade=3.0), bob)
        store.save_read(Read(first, ada.reader_id, "1.2.1", grade=1.0), ada)
        store.save_read(Read(first, ada.reader_id, "1.2.1", grade=2.0), ada)
        store.save_read(Read(second, ada.reader_id, "1.2.2", grade=2.0), ada)
        assert here.wait(wake) == News(frozenset({first})), "and its own alone is no news"
        assert there.wait(wake) == News(frozenset({first, second}))
        store.save_read(Read(first, ada.reader_id, "1.2.1", grade=0.0), ada)
        assert here.wait(wake) == News(), "what was heard once is not heard again with each own change"


def test_a_row_names_who_else_has_graded_it_openly_and_nothing_more(store: Store, other: Store) -> None:
    ada, bob, cat = store.reader("Ada"), other.reader("Bob"), other.reader("Cat")
    listed = store.reading_list(Path("/data"))
    (exam_id,) = store.add_exams(listed.list_id, [scanned(1)])
    other.save_read(Read(exam_id, cat.reader_id, "1.2.1", grade=3.0, locked=True), cat)
    other.save_read(Read(exam_id, bob.reader_id, "1.2.1", grade=0.0), bob)
    store.save_read(Read(exam_id, ada.reader_id, "1.2.1", grade=2.0), ada)
    (row,) = store.entries(listed, ada)
    assert row.others == (OtherRead("Bob", False), OtherRead("Cat", True))
    (row,) = store.entries_of([exam_id], ada, blinded=True)
    assert row.others == (), "a blinded list names nobody"
    assert store.entries(listed, None)[0].others == ()


def test_a_blinded_read_or_one_without_a_grade_is_nobodys_to_know(store: Store) -> None:
    ada, bob = store.reader("Ada"), store.reader("Bob")
    listed = store.reading_list(Path("/data"))
    (exam_id,) = store.add_exams(listed.list_id, [scanned(1)])
    store.save_read(Read(exam_id, bob.reader_id, "1.2.1", grade=3.0, blinded=True), bob)
    store.save_read(Read(exam_id, bob.reader_id, "1.2.1", centre=(1, 2, 3)), bob)
    assert store.entries(listed, ada)[0].others == ()


def test_rows_of_one_list_only(store: Store) -> None:
    one, two = store.reading_list(Path("/one")), store.reading_list(Path("/two"))
    (first,) = store.add_exams(one.list_id, [scanned(1)])
    (second,) = store.add_exams(two.list_id, [scanned(2)])
    rows = store.entries_of([first, second], None, list_id=two.list_id)
    assert [r.exam_id for r in rows] == [second]


def test_who_sits_where_is_heard_and_ends_with_the_desk(store: Store, other: Store, ear: Ear) -> None:
    ada, bob = store.reader("Ada"), other.reader("Bob")
    (exam_id,) = other.add_exams(None, [scanned(1)])
    assert announce(store.database, ada, None, blinded=False) == ()
    ear.until(bool)
    (seen,) = announce(other.database, bob, exam_id, blinded=True)
    assert (seen.reader, seen.exam_id, seen.blinded) == (ada, None, False)
    assert ear.until(lambda n: n.desks) == News(desks=True)
    (bobs,) = others(store.database)
    assert (bobs.token, bobs.reader, bobs.exam_id, bobs.blinded) == (other.database.desk, bob, exam_id, True)
    announce(other.database, bob, None, blinded=True)
    ear.until(lambda n: n.desks)
    assert [d.exam_id for d in others(store.database)] == [None]
    leave(other.database)
    ear.until(lambda n: n.desks)
    assert others(store.database) == ()
    leave(other.database)


def aged(store: Store, seconds: float) -> None:
    """All desks have been silent for so much longer."""
    with store.database.write() as session:
        session.execute(text("UPDATE desks SET seen_at = seen_at - :s"), {"s": seconds})


@pytest.mark.parametrize(("silent_s", "lives"), [(DEAD_S - 10, True), (DEAD_S + 1, False)])
def test_a_desk_that_says_nothing_any_more_holds_nothing(
    store: Store, other: Store, silent_s: float, lives: bool
) -> None:
    """However it ended: nobody has to clear anything away. The clock is the database's, moved by the test."""
    ada, bob = store.reader("Ada"), other.reader("Bob")
    (exam_id,) = other.add_exams(None, [scanned(1)])
    announce(other.database, bob, exam_id, blinded=False)
    aged(store, silent_s)
    assert [d.reader.name for d in others(store.database)] == ["Bob"] * lives
    assert [d.reader.name for d in announce(store.database, ada, None, blinded=False)] == ["Bob"] * lives
    announce(other.database, bob, exam_id, blinded=False)
    assert [d.exam_id for d in others(store.database)] == [exam_id], "it was only asleep"


def test_desks_of_yesterday_are_forgotten(store: Store, other: Store) -> None:
    ada = store.reader("Ada")
    announce(other.database, ada, None, blinded=False)
    aged(store, desks._FORGOTTEN_S + 1)
    announce(store.database, ada, None, blinded=False)
    with store.database.read() as session:
        assert session.scalar(text("SELECT count(*) FROM desks")) == 1


def test_a_heartbeat_is_no_news(store: Store, other: Store, ear: Ear) -> None:
    bob = other.reader("Bob")
    announce(other.database, bob, None, blinded=False)
    ear.until(lambda n: n.desks)
    announce(other.database, bob, None, blinded=False)
    announce(store.database, store.reader("Ada"), None, blinded=False)
    # What comes after it is all that is heard: neither that Bob is still there, nor that this desk is.
    (exam_id,) = other.add_exams(None, [scanned(1)])
    news = ear.until(lambda n: bool(n.exam_ids))
    assert (news.exam_ids, news.desks) == (frozenset({exam_id}), False)


def test_more_exams_than_one_notification_holds(store: Store, other: Store, ear: Ear) -> None:
    ids = other.add_exams(None, [scanned(n) for n in range(1, 1202)])
    assert ear.until(lambda n: len(n.exam_ids) == 1201).exam_ids == frozenset(ids)


def test_what_was_rolled_back_is_no_news(store: Store, other: Store, ear: Ear) -> None:
    bob = other.reader("Bob")
    (exam_id,) = other.add_exams(None, [scanned(1)])
    with pytest.raises(StoreError):
        other.note_problem(exam_id + 1, "x", "y")
    other.save_read(Read(exam_id, bob.reader_id, "1.2.1", grade=1.0), bob)
    assert ear.until(bool).exam_ids == {exam_id}


def test_a_server_that_goes_away_is_said_and_heard_again_once_it_is_back() -> None:
    """What was changed meanwhile is not known: then everything is looked at once."""
    with postgres.server() as server:
        where = server.new_database()
        store, other = Store(where), Store(where)
        ear = Ear(store)
        server.stop()
        assert ear.lost.get(timeout=PATIENCE_S).code == "store_unreachable"
        server.start()
        assert ear.until(lambda n: n.everything).everything
        (exam_id,) = other.add_exams(None, [scanned(1)])
        ear.until(lambda n: exam_id in n.exam_ids)
        ear.stop()
        for opened in (store, other):
            opened.close()


def test_desks_that_meet_a_new_worklist_at_once_make_one(place: Path | str) -> None:
    with ThreadPoolExecutor(4) as pool:
        opened = list(pool.map(lambda _: Store(place), range(4)))
    assert opened[0].reader("Ada") == opened[3].reader("Ada")
    for one in opened:
        one.close()


@pytest.mark.parametrize(
    ("told", "news"),
    [
        ('{"desk": "me", "exams": [1], "desks": true}', News()),
        ('{"desk": "you", "exams": [1, 2], "desks": false}', News(frozenset({1, 2}))),
        ('{"desk": "you", "exams": [], "desks": true}', News(desks=True)),
        ("of a later version", News(everything=True)),
        ("[]", News(everything=True)),
        ('{"desk": "you"}', News(everything=True)),
    ],
)
def test_what_a_notification_means(told: str, news: News) -> None:
    assert _news_of([told], "me") == news


def test_news_add_up() -> None:
    assert News(frozenset({1})) | News(frozenset({2}), desks=True) == News(frozenset({1, 2}), desks=True)
    assert not News()
    assert bool(News(everything=True))


def test_a_reader_is_named_by_the_desk_as_the_list_names_them(store: Store, other: Store) -> None:
    bob = other.reader("Bob")
    announce(other.database, bob, None, blinded=False)
    assert [d.reader for d in others(store.database)] == [Reader(bob.reader_id, "Bob")]
