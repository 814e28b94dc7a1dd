"""At a notebook: the start page, the settings by keyboard, an exam with all its numbers in sight, and the next day as it was left."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QComboBox, QDialogButtonBox, QListWidget, QPushButton
from pytestqt.qtbot import QtBot

from hyrisk_desktop.app import build_window, make_application
from hyrisk_desktop.gui.appearance import apply_appearance
from hyrisk_desktop.gui.preferences.dialog import SettingsDialog
from hyrisk_desktop.gui.viewer.display import Plane
from hyrisk_desktop.settings import Settings
from tests.e2e.conftest import Story
from tests.gui.conftest import Program
from tests.gui.test_appearance import NUMBERS, inside
from tests.helpers.exams import write_exam
from tests.helpers.pictures import picture

WIDTH, HEIGHT = 1280, 720
ALT, CTRL = Qt.KeyboardModifier.AltModifier, Qt.KeyboardModifier.ControlModifier


@pytest.fixture
def days(qtbot: QtBot, qapp: QApplication, isolated_home: Path) -> Iterator[list[Program]]:
    """Windows of one day after the other; the application looks as before afterwards."""
    programs: list[Program] = []
    yield programs
    for program in programs:
        program.window.close()
        program.window.deleteLater()
    apply_appearance(qapp, Settings(None))


def start(days: list[Program], home: Path, qtbot: QtBot) -> Program:
    settings = Settings(home / "config" / "settings.json")
    settings["reader"] = "Ada Mueller"
    make_application(["test"], settings)
    window, services = build_window(settings, home / "log")
    window.resize(WIDTH, HEIGHT)
    window.show()
    qtbot.waitExposed(window)
    window.activateWindow()
    qtbot.waitUntil(window.isActiveWindow)
    program = Story(window, services, qtbot)
    days.append(program)
    program.wait(lambda: program.session.model is not None and services.worklist.reader is not None)
    return program


def press(program: Program, key: Qt.Key, modifier: Qt.KeyboardModifier = Qt.KeyboardModifier.NoModifier) -> None:
    QTest.keyClick(program.window.desk.views[Plane.AXIAL], key, modifier)


def ready(program: Program) -> bool:
    session = program.session
    return session.can_measure and (session.read.centre is not None or session.proposal is not None)


def test_story(days: list[Program], isolated_home: Path, tmp_path: Path, qtbot: QtBot) -> None:
    for number in (1, 2, 3):
        write_exam(tmp_path / "screening" / f"patient {number}", number, size=128, count=40)
    program = start(days, isolated_home, qtbot)
    window = program.window
    assert window.findChild(QPushButton, "start_open_demonstration").isVisible()

    # The settings, by keyboard.
    press(program, Qt.Key.Key_Comma, CTRL)
    dialog = window.findChild(SettingsDialog)
    assert dialog is not None
    qtbot.waitExposed(dialog)
    QTest.keyClick(dialog.pages, Qt.Key.Key_Down)
    picture(dialog, "settings")
    theme = dialog.editors["theme"].field
    assert isinstance(theme, QComboBox)
    theme.setFocus()
    QTest.keyClick(theme, Qt.Key.Key_Down)
    box = dialog.findChild(QDialogButtonBox)
    assert box is not None
    QTest.mouseClick(box.button(QDialogButtonBox.StandardButton.Ok), Qt.MouseButton.LeftButton)
    assert QApplication.instance().property("theme") == "light"
    window.activateWindow()
    qtbot.waitUntil(window.isActiveWindow)

    # An exam, with all that is needed in sight.
    program.services.worklist.open_path(tmp_path / "screening")
    program.wait(lambda: ready(program) and not program.services.worklist.scanning.running)
    window.commands.run("show_worklist")
    press(program, Qt.Key.Key_Return)
    press(program, Qt.Key.Key_2, ALT)
    program.wait_for_risk()
    program.wait(lambda: all(inside(window, name) or not shown(program, name) for name in NUMBERS))
    axial = window.desk.views[Plane.AXIAL]
    assert window.desk.width() * window.desk.height() >= WIDTH * HEIGHT / 2
    QTest.mousePress(axial.viewport(), Qt.MouseButton.RightButton, pos=QPoint(200, 200))
    QTest.mouseMove(axial.viewport(), QPoint(200, 260))
    QTest.mouseRelease(axial.viewport(), Qt.MouseButton.RightButton, pos=QPoint(200, 260))
    program.wait(lambda: axial.zoomed_area is not None)
    press(program, Qt.Key.Key_3)
    here, zoomed = program.session.stored_id, axial.zoomed_area
    window.close()

    # The next day: the theme, the list and the exam as they were.
    program = start(days, isolated_home, qtbot)
    assert QApplication.instance().property("theme") == "light"
    lists = program.window.findChild(QListWidget, "startLists")
    assert lists is not None
    program.wait(lambda: lists.count() == 1 and "1 of 3 graded" in lists.item(0).text())
    picture(program.window, "start")
    place = lists.visualItemRect(lists.item(0)).center()
    QTest.mouseClick(lists.viewport(), Qt.MouseButton.LeftButton, pos=place)
    program.wait(lambda: ready(program) and program.session.stored_id == here)
    program.wait(lambda: program.session.read.grade == 2)
    view = program.session.view
    assert (view.level, view.width, view.position) == (350, 2000, program.session.read.centre)
    again = program.window.desk.views[Plane.AXIAL].zoomed_area
    assert again is not None
    assert zoomed is not None
    assert again[2] == pytest.approx(zoomed[2], rel=0.2), "a list beside it makes the image narrower"


def shown(program: Program, name: str) -> bool:
    """Whether the panel shows that number at all: a withheld risk has none."""
    return program.text(name) != "–" and not program.session.hides(program.session.risk_standing)
