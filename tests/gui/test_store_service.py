"""The store's own thread: answers in order, reads that wait for a server, and the end of the program."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from pytestqt.qtbot import QtBot

from hyrisk_desktop.errors import InputError
from hyrisk_desktop.gui.services.store import StoreService
from hyrisk_desktop.worklist.records import Read, Reader
from hyrisk_desktop.worklist.store import Store
from tests.helpers import postgres
from tests.helpers.exams import scanned
from tests.helpers.patience import PATIENCE_MS, PATIENCE_S


@pytest.fixture
def service(qtbot: QtBot, tmp_path: Path) -> Iterator[StoreService]:
    service = StoreService(tmp_path / "worklist.sqlite")
    yield service
    service.close()


def prepared(service: StoreService) -> tuple[Reader, int]:
    """A reader and an exam to read."""
    store = service.open()
    return store.reader("Ada"), store.add_exams(None, [scanned(1)])[0]


def test_answers_come_in_the_order_of_the_questions_on_this_thread(service: StoreService, qtbot: QtBot) -> None:
    answers: list[tuple[int, bool]] = []
    here = threading.current_thread()
    for n in range(20):
        service.ask(lambda _, n=n: n, lambda n: answers.append((n, threading.current_thread() is here)))
    qtbot.waitUntil(lambda: len(answers) == 20)
    assert answers == [(n, True) for n in range(20)]


def test_only_the_newest_state_of_a_read_is_left_to_save(
    service: StoreService, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    reader, exam_id = prepared(service)
    gate, saved = threading.Event(), []
    save = Store.save_read

    def slow(store: Store, read: Read, by: Reader) -> Read:
        gate.wait(PATIENCE_S)
        saved.append(read.grade)
        return save(store, read, by)

    monkeypatch.setattr(Store, "save_read", slow)
    for grade in (0.0, 1.0, 2.0, 3.0):
        service.save_read(Read(exam_id, reader.reader_id, "1", grade=grade), reader)
    gate.set()
    qtbot.waitUntil(lambda: service.unsaved == 0)
    assert saved == [0.0, 3.0]


def test_a_read_that_can_never_be_saved_is_told_once_and_let_go(service: StoreService, qtbot: QtBot) -> None:
    reader, exam_id = prepared(service)
    service.save_read(Read(exam_id, reader.reader_id, "1", grade=1.0, locked=True), reader)
    qtbot.waitUntil(lambda: service.unsaved == 0)
    told: list[Exception] = []
    service.failed.connect(told.append)
    service.save_read(Read(exam_id, reader.reader_id, "1", grade=2.0, locked=True), reader)
    qtbot.waitUntil(lambda: service.unsaved == 0)
    assert [type(e) for e in told] == [InputError]


def test_closing_saves_what_waits(service: StoreService, tmp_path: Path) -> None:
    reader, exam_id = prepared(service)
    service.save_read(Read(exam_id, reader.reader_id, "1", grade=2.0), reader)
    service.close()
    again = Store(tmp_path / "worklist.sqlite")
    assert [r.grade for r in again.reads()] == [2.0]
    again.close()


def test_reads_outlive_a_server_that_goes_away(qtbot: QtBot, tmp_path_factory: pytest.TempPathFactory) -> None:
    """On PostgreSQL: the server stops in the middle, reading goes on, and everything is there once it is back."""
    with postgres.server() as server:
        service = StoreService(server.new_database())
        reader, exam_id = prepared(service)
        troubles: list[str] = []
        service.trouble.connect(troubles.append)
        server.stop()
        service.save_read(Read(exam_id, reader.reader_id, "1", grade=2.0), reader)
        qtbot.waitUntil(lambda: len(troubles) == 1, timeout=PATIENCE_MS)
        assert "does not answer" in troubles[0]
        service.save_read(Read(exam_id, reader.reader_id, "1", grade=3.0), reader)
        assert service.unsaved == 1
        server.start()
        service._retry.timeout.emit()
        qtbot.waitUntil(lambda: service.unsaved == 0, timeout=PATIENCE_MS)
        assert troubles[-1] == ""
        assert [r.grade for r in service.open().reads()] == [3.0]
        service.close()
