"""Two windows on one worklist, and a worklist whose file goes away under a window."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QDialog, QLabel, QMessageBox
from pytestqt.qtbot import QtBot

from hyrisk_desktop.app import _tell_of_settings
from hyrisk_desktop.errors import ConflictError
from hyrisk_desktop.gui.services.store import StoreService
from hyrisk_desktop.paths import store_path
from hyrisk_desktop.worklist.records import Read, Reader
from hyrisk_desktop.worklist.store import Store
from tests.gui.conftest import Program
from tests.gui.test_worklist import ALT, Reading, exams, reading  # noqa: F401  fixtures
from tests.helpers.exams import scanned


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "worklist.sqlite"


@pytest.fixture
def service(qtbot: QtBot, path: Path) -> Iterator[StoreService]:
    service = StoreService(path)
    yield service
    service.close()


def prepared(service: StoreService) -> tuple[Reader, Read]:
    store = service.open()
    reader = store.reader("Ada")
    (exam_id,) = store.add_exams(None, [scanned(1)])
    return reader, store.save_read(Read(exam_id, reader.reader_id, "1", grade=1.0), reader)


def test_a_conflict_carries_both_states_and_can_be_resolved(service: StoreService, path: Path, qtbot: QtBot) -> None:
    reader, read = prepared(service)
    other = Store(path)
    newer = other.save_read(replace(read, grade=2.0), reader)
    told: list[tuple[Read, Reader, Read]] = []
    service.conflict.connect(lambda *all_three: told.append(all_three))
    mine = replace(read, grade=3.0, revision=0)
    service.save_read(mine, reader)
    qtbot.waitUntil(lambda: told == [(mine, reader, newer)])
    assert service.unsaved == 0
    assert [r.grade for r in other.reads()] == [2.0]
    service.replace_newer(mine, reader, newer)
    qtbot.waitUntil(lambda: service.unsaved == 0)
    assert [r.grade for r in other.reads()] == [3.0]
    assert len(told) == 1
    other.close()


def test_a_conflict_that_nobody_listens_to_is_a_failure(service: StoreService, path: Path, qtbot: QtBot) -> None:
    reader, read = prepared(service)
    other = Store(path)
    other.save_read(replace(read, grade=2.0), reader)
    failures: list[Exception] = []
    service.failed.connect(failures.append)
    service.save_read(replace(read, grade=3.0), reader)
    qtbot.waitUntil(lambda: len(failures) == 1)
    assert isinstance(failures[0], ConflictError)
    assert [r.grade for r in other.reads()] == [2.0]
    other.close()


def test_the_blinded_and_the_open_read_of_an_exam_wait_side_by_side(service: StoreService) -> None:
    reader, read = prepared(service)
    service._saving = True
    service.save_read(replace(read, grade=2.0), reader)
    service.save_read(replace(read, grade=3.0, blinded=True, revision=0), reader)
    assert service.unsaved == 2
    service._saving = False
    assert service.flush() == []
    assert sorted((r.grade, r.blinded) for r in service.open().reads()) == [(2.0, False), (3.0, True)]


@pytest.mark.skipif(os.name == "nt", reason="Windows refuses to rename a file that is open")
def test_a_read_waits_until_the_file_is_back(service: StoreService, path: Path, qtbot: QtBot) -> None:
    reader, read = prepared(service)
    troubles: list[str] = []
    service.trouble.connect(troubles.append)
    path.rename(path.with_name("aside"))
    service.save_read(replace(read, grade=3.0), reader)
    qtbot.waitUntil(lambda: len(troubles) == 1)
    assert "deleted, renamed or replaced" in troubles[0]
    assert service.unsaved == 1
    path.with_name("aside").rename(path)
    service._retry.timeout.emit()
    qtbot.waitUntil(lambda: service.unsaved == 0)
    assert troubles[1:] == [""]
    assert [r.grade for r in service.open().reads()] == [3.0]


def test_the_window_says_that_there_is_another_for_as_long_as_it_is_so(program: Program) -> None:
    label = program.window.findChild(QLabel, "storeShared")
    assert label is not None
    assert not label.isVisible()
    program.services.store.shared.emit("Another window has it.")
    assert (label.isVisible(), label.toolTip()) == (True, "Another window has it.")
    assert program.window.findChild(QLabel, "statusMessage").toolTip() == "Another window has it."
    program.services.store.shared.emit("")
    assert not label.isVisible()


def test_damaged_settings_are_told_in_the_window(program: Program) -> None:
    _tell_of_settings(program.window, "The settings file was damaged.")
    dialog = program.window.findChild(QDialog, "errorDialog")
    assert dialog is not None
    assert dialog.findChild(QLabel, "errorSentence").text() == "The settings file was damaged."
    dialog.close()


@pytest.mark.parametrize("answer", ["show", "replace"])
def test_a_read_of_two_windows_is_kept_or_replaced_by_will(
    reading: Reading,  # noqa: F811
    exams: Path,  # noqa: F811
    answer: str,
) -> None:
    reading.open_list(exams)
    reading.read_one(2)
    program = reading.program
    program.wait(lambda: program.services.store.unsaved == 0 and not program.services.runner.busy)
    (mine,) = reading.saved()
    reader = reading.worklist.reader
    assert reader is not None
    other = Store(store_path())
    there = other.read_of(mine.exam_id, reader)
    assert there is not None
    other.save_read(replace(there, grade=3.0), reader)
    reading.key(Qt.Key.Key_1, ALT)
    program.wait(lambda: program.window.findChild(QMessageBox, "conflictQuestion") is not None)
    box = program.window.findChild(QMessageBox, "conflictQuestion")
    assert "grade 3 (severe)" in box.informativeText()
    assert "grade 1 (minimal)" in box.informativeText()
    assert [r.grade for r in other.reads()] == [3.0]
    wanted = "Show" if answer == "show" else "Replace"
    (button,) = [b for b in box.buttons() if wanted in b.text().replace("&", "")]
    QTest.mouseClick(button, Qt.MouseButton.LeftButton)
    expected = 3.0 if answer == "show" else 1.0
    program.wait(lambda: [r.grade for r in other.reads()] == [expected])
    program.wait(lambda: reading.session.read.grade == expected)
    program.window.activateWindow()
    program.wait(program.window.isActiveWindow)
    # What follows is saved as ever.
    reading.key(Qt.Key.Key_0, ALT)
    program.wait(lambda: [r.grade for r in other.reads()] == [0.0])
    other.close()
