"""A desk that loses its server: reads are kept on this computer, also through a restart, and are saved once it is back."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QLabel
from pytestqt.qtbot import QtBot

from hyrisk_desktop.errors import StoreError
from hyrisk_desktop.gui.services import store_thread
from hyrisk_desktop.gui.services.store import StoreService
from hyrisk_desktop.paths import unsaved_dir
from hyrisk_desktop.worklist import watching
from hyrisk_desktop.worklist.records import Read, Reader
from hyrisk_desktop.worklist.store import Store
from tests.gui.test_worklist import Reading, exams, reading  # noqa: F401  fixtures
from tests.helpers import postgres
from tests.helpers.exams import scanned
from tests.helpers.patience import PATIENCE_MS


@pytest.fixture(scope="module")
def server() -> Iterator[postgres.Server]:
    with postgres.server() as server:
        yield server


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching, "_RETRY_S", 0.05)


class Desk:
    """A store service, and what it says."""

    def __init__(self, where: Path | str, qtbot: QtBot) -> None:
        self.service = StoreService(where)
        self.qtbot = qtbot
        self.troubles: list[str] = []
        self.conflicts: list[tuple[Read, Reader, Read]] = []
        self.failures: list[Exception] = []
        self.service.trouble.connect(self.troubles.append)
        self.service.conflict.connect(lambda *three: self.conflicts.append(three))
        self.service.failed.connect(self.failures.append)
        self.service.look_for_others()

    def open_exam(self, read: Read, reader: Reader) -> None:
        """As the window does: what is saved later comes after what is stored now."""
        known: list[Read | None] = []
        self.service.ask(lambda store: store.read_of(read.exam_id, reader), known.append)
        self.wait(lambda: known == [read] and self.service.desks._watcher is not None)

    def wait(self, condition: object) -> None:
        self.qtbot.waitUntil(condition, timeout=PATIENCE_MS)


def begun(where: str) -> tuple[Reader, Read]:
    store = Store(where)
    reader = store.reader("Ada")
    (exam_id,) = store.add_exams(None, [scanned(1)])
    read = store.save_read(Read(exam_id, reader.reader_id, "1.2.1", centre=(1, 2, 3), grade=1.0), reader)
    store.close()
    return reader, read


def stored(where: str) -> list[float | None]:
    store = Store(where)
    grades = [r.grade for r in store.reads()]
    store.close()
    return grades


def files() -> list[Path]:
    return sorted(unsaved_dir().glob("*.json"))


def test_reads_outlive_the_server_and_the_program(server: postgres.Server, qtbot: QtBot) -> None:
    where = server.new_database()
    reader, read = begun(where)
    first = Desk(where, qtbot)
    first.open_exam(read, reader)
    server.stop()
    first.service.save_read(replace(read, grade=2.0, excluded=frozenset({(4, 5, 6)})), reader)
    first.wait(lambda: len(first.troubles) == 1)
    assert "1 read waits on this computer" in first.troubles[0]
    assert first.service.kept_on_disk
    # What comes while nobody tries is on the disk at once as well.
    first.service.save_read(replace(read, grade=3.0, excluded=frozenset({(4, 5, 6)})), reader)
    first.wait(lambda: json.loads(files()[0].read_text())["read"]["grade"] == 3.0)
    assert len(files()) == 1
    if os.name == "posix":
        assert stat.S_IMODE(files()[0].stat().st_mode) == 0o600
    first.service.close()
    assert len(files()) == 1, "the program has ended, and the server is still away"

    second = Desk(where, qtbot)
    second.wait(lambda: len(second.troubles) >= 1)
    assert (second.service.unsaved, second.service.kept_on_disk) == (1, True)
    found = second.service.waiting(read.exam_id, reader.reader_id, blinded=False)
    assert found is not None
    assert (found.grade, found.centre, found.excluded) == (3.0, (1, 2, 3), {(4, 5, 6)})
    server.start()
    second.wait(lambda: second.service.unsaved == 0)
    assert second.troubles[-1] == ""
    assert stored(where) == [3.0]
    assert files() == []
    second.service.close()
    assert list(unsaved_dir().iterdir()) == []


def test_a_read_that_waited_through_a_restart_replaces_nothing_newer_unasked(
    server: postgres.Server, qtbot: QtBot
) -> None:
    where = server.new_database()
    reader, read = begun(where)
    first = Desk(where, qtbot)
    first.open_exam(read, reader)
    server.stop()
    first.service.save_read(replace(read, grade=2.0, revision=0), reader)
    first.wait(lambda: len(first.troubles) == 1)
    first.service.close()
    server.start()
    other = Store(where)
    newer = other.save_read(replace(read, grade=3.0), reader)

    second = Desk(where, qtbot)
    second.wait(lambda: len(second.conflicts) == 1)
    mine, _, there = second.conflicts[0]
    assert (mine.grade, there) == (2.0, newer)
    assert stored(where) == [3.0]
    assert len(files()) == 1, "until the reader has answered"
    second.service.replace_newer(mine, reader, there)
    second.wait(lambda: second.service.unsaved == 0)
    second.wait(lambda: not files())
    assert stored(where) == [2.0]
    second.service.close()
    other.close()


def test_what_the_reader_gives_up_lies_nowhere_any_more(server: postgres.Server, qtbot: QtBot) -> None:
    where = server.new_database()
    reader, read = begun(where)
    desk = Desk(where, qtbot)
    desk.open_exam(read, reader)
    other = Store(where)
    newer = other.save_read(replace(read, grade=3.0), reader)
    desk.service.save_read(replace(read, grade=2.0, revision=0), reader)
    desk.wait(lambda: len(desk.conflicts) == 1)
    assert len(files()) == 1
    desk.service.take_newer(newer, reader)
    desk.wait(lambda: not files())
    desk.service.close()
    assert [e.detail for e in other.audit_trail() if e.action == "conflict_settled"] == [
        {"kept": "stored", "revision": newer.revision}
    ]
    other.close()


def test_a_read_of_another_worklist_is_not_saved_into_this_one(server: postgres.Server, qtbot: QtBot) -> None:
    one, two = server.new_database(), server.new_database()
    reader, read = begun(one)
    first = Desk(one, qtbot)
    first.open_exam(read, reader)
    server.stop()
    first.service.save_read(replace(read, grade=2.0), reader)
    first.wait(lambda: len(first.troubles) == 1)
    first.service.close()
    server.start()
    begun(two)
    elsewhere = Desk(two, qtbot)
    done: list[object] = []
    elsewhere.service.ask(lambda _: None, done.append)
    elsewhere.wait(lambda: bool(done))
    assert elsewhere.service.unsaved == 0
    elsewhere.service.close()
    assert (stored(two), len(files())) == ([1.0], 1)
    back = Desk(one, qtbot)
    back.wait(lambda: stored(one) == [2.0])
    back.wait(lambda: not files())
    back.service.close()


def test_while_the_server_is_away_nobody_waits_for_it_again_and_again(
    server: postgres.Server, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store_thread, "_AWAY_S", 3600.0)
    monkeypatch.setattr(watching, "_RETRY_S", 3600.0)
    where = server.new_database()
    desk = Desk(where, qtbot)
    desk.wait(lambda: desk.service.desks._watcher is not None)
    failures: list[Exception] = []
    tried: list[int] = []

    def work(store: Store) -> list[Reader]:
        tried.append(1)
        return store.readers()

    server.stop()
    for _ in range(5):
        desk.service.ask(work, failed=failures.append)
    desk.wait(lambda: len(failures) == 5)
    assert len(tried) == 1
    server.start()
    desk.service.ask(work, lambda _: tried.append(2), insist=True)
    desk.wait(lambda: tried[-1] == 2)
    desk.service.ask(work, lambda _: tried.append(3))
    desk.wait(lambda: tried[-1] == 3)
    desk.service.close()


def test_the_next_exams_are_opened_from_the_disk_while_the_server_is_away(
    reading: Reading,  # noqa: F811
    exams: Path,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Reading goes on: also past what was loaded ahead, and with NOT SAVED in sight."""
    reading.open_list(exams)
    program, session = reading.program, reading.session
    program.wait(lambda: not program.services.runner.busy)
    away = StoreError("store_unreachable", "The worklist's server does not answer.")

    def refuse(*_: object, **__: object) -> None:
        raise away

    for name in ("records", "save_read", "read_of", "entries_of", "save_place"):
        monkeypatch.setattr(Store, name, refuse)
    label = reading.find(QLabel, "storeTrouble")
    for patient in ("P001", "P002", "P003", "P004"):
        reading.go(Qt.Key.Key_N)
        assert reading.patient() == patient
    reading.read_one(2)
    program.wait(label.isVisible)
    assert (label.text(), session.read.grade) == ("NOT SAVED", 2.0)
    assert "waits on this computer" in label.toolTip()
    monkeypatch.undo()
    program.services.store._retry.timeout.emit()
    program.wait(lambda: not label.isVisible())
    assert [r.grade for r in reading.saved()] == [2.0]
