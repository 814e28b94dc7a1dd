"""A radiologist drops a folder of exams, reads five by keyboard, quits, and goes on the next day where she stopped."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from PySide6.QtCore import QMimeData, QPointF, Qt, QUrl
from PySide6.QtGui import QDropEvent
from PySide6.QtTest import QTest
from pytestqt.qtbot import QtBot

from hyrisk_desktop.app import build_window, make_application
from hyrisk_desktop.gui.state import Tool
from hyrisk_desktop.gui.viewer.display import Plane
from hyrisk_desktop.gui.worklist.controller import Worklist
from hyrisk_desktop.settings import Settings
from hyrisk_desktop.worklist.records import Status
from tests.e2e.conftest import Story
from tests.gui.conftest import Program
from tests.helpers.exams import write_exam
from tests.helpers.pictures import picture

ALT = Qt.KeyboardModifier.AltModifier
REAL = ("nlst_101287_T0", "lidc_idri_0001")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Twelve synthetic exams, the real ones where they are, and a few broken ones."""
    exams = tmp_path / "exams of the day"
    for n in range(12):
        write_exam(exams / f"patient {n:02d}" / "CT" / "1", n)
    real = os.environ.get("HYRISK_TEST_DATA")
    for name in REAL if real else ():
        shutil.copytree(Path(str(real)) / name, exams / name)
    (exams / "notes.txt").write_text("not an exam")
    (exams / "damaged.zip").write_bytes(b"PK\x03\x04 and no more")
    cut = write_exam(exams / "cut", 50)
    victim = next(cut.iterdir())
    victim.write_bytes(victim.read_bytes()[:-700])
    return exams


@pytest.fixture
def day(qtbot: QtBot, qapp: object, isolated_home: Path) -> Iterator[list[Program]]:
    """Windows of one day after the other on one home; the last is closed at the end."""
    programs: list[Program] = []
    yield programs
    for program in programs:
        program.window.close()
        program.window.deleteLater()


def start(day: list[Program], home: Path, qtbot: QtBot) -> Program:
    make_application(["test"])
    settings = Settings(home / "config" / "settings.json")
    settings["reader"] = "Ada Mueller"
    window, services = build_window(settings, home / "log")
    window.resize(1600, 1000)
    window.show()
    qtbot.waitExposed(window)
    window.activateWindow()
    qtbot.waitUntil(window.isActiveWindow)
    program = Story(window, services, qtbot)
    day.append(program)
    program.wait(lambda: program.session.model is not None)
    return program


def drop(program: Program, folder: Path) -> None:
    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile(str(folder))])
    event = QDropEvent(
        QPointF(99, 99), Qt.DropAction.CopyAction, data, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier
    )
    program.window.dropEvent(event)


def press(program: Program, key: Qt.Key, modifier: Qt.KeyboardModifier = Qt.KeyboardModifier.NoModifier) -> None:
    QTest.keyClick(program.window.desk.views[Plane.AXIAL], key, modifier)


def done(worklist: Worklist) -> int:
    """Exams with a grade and a risk, shown or withheld."""
    counts = worklist.model.counts()
    return counts[Status.SCORED] + counts[Status.WITHHELD]


def ready(program: Program) -> bool:
    session = program.session
    shown = session.can_measure and session.stored_id == program.services.worklist.current
    return shown and (session.read.centre is not None or session.proposal is not None)


def test_story(day: list[Program], folder: Path, isolated_home: Path, qtbot: QtBot) -> None:
    program = start(day, isolated_home, qtbot)
    worklist, session = program.services.worklist, program.session
    drop(program, folder)
    program.wait(lambda: ready(program))
    program.wait(lambda: not worklist.scanning.running)
    counts = worklist.model.counts()
    expected = 12 + (len(REAL) if "HYRISK_TEST_DATA" in os.environ else 0)
    assert (counts[Status.NEW], counts[Status.FAILED]) == (expected, 2)

    # Five exams: take the proposed centre, grade, Enter.
    centres = {}
    for grade in (0, 1, 2, 3, 1):
        program.wait(lambda: ready(program))
        program.wait(lambda: program.window.desk.tool is Tool.PLACE_CENTRE)
        here = session.stored_id
        press(program, Qt.Key.Key_Return)
        press(program, Qt.Key(Qt.Key.Key_0 + grade), ALT)
        program.wait_for_risk()
        assert session.risk.series_uid == session.volume.series_uid
        centres[here] = session.read.centre
        press(program, Qt.Key.Key_Return)
        program.wait(lambda before=here: session.stored_id != before and ready(program))
    assert len(centres) == 5
    place = session.stored_id
    # A proposed centre may lie where the model does not know the heart: such a read is done, and its risk withheld.
    program.wait(lambda: done(worklist) == 5)
    picture(program.window, "worklist")
    program.window.close()

    # The next day.
    program = start(day, isolated_home, qtbot)
    worklist, session = program.services.worklist, program.session
    program.wait(lambda: len(worklist.model.entries) == expected + 2)
    assert done(worklist) == 5
    assert worklist.current == place
    press(program, Qt.Key.Key_Return)
    program.wait(lambda: session.stored_id == place and ready(program))
    press(program, Qt.Key.Key_P)
    last = list(centres)[-1]
    program.wait(lambda: session.stored_id == last and session.read.centre is not None)
    assert session.read.centre == centres[last]
    assert session.read.grade == 1.0
    program.wait_for_risk()
