"""Two radiologists at two desks read one list on a PostgreSQL server, one of them at both, and the server goes away for a while."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QLabel, QMessageBox
from pytestqt.qtbot import QtBot

from hyrisk_desktop.app import build_window, make_application
from hyrisk_desktop.gui.services.risk import RiskService
from hyrisk_desktop.gui.viewer.display import Plane
from hyrisk_desktop.settings import Settings
from tests.e2e.conftest import Story
from tests.gui.test_worklist import ALT
from tests.helpers import postgres
from tests.helpers.exams import write_exam

LEFT = Qt.MouseButton.LeftButton


class Desk:
    """A window of one reader's."""

    def __init__(self, name: str, where: str, home: Path, qtbot: QtBot) -> None:
        settings = Settings(home / name / "settings.json")
        settings["reader"], settings["store"], settings["read_ahead_mb"] = name, where, 0
        window, services = build_window(settings, None)
        window.resize(1280, 720)
        window.show()
        self.program = Story(window, services, qtbot)
        self.worklist, self.session, self.store = services.worklist, services.session, services.store
        self.wait(lambda: self.worklist.reader is not None)

    def wait(self, condition: object) -> None:
        self.program.wait(condition)  # type: ignore[arg-type]

    def press(self, key: Qt.Key, modifier: Qt.KeyboardModifier = Qt.KeyboardModifier.NoModifier) -> None:
        window = self.program.window
        window.raise_()
        window.activateWindow()
        self.wait(window.isActiveWindow)
        QTest.keyClick(window.desk.views[Plane.AXIAL], key, modifier)

    def open(self, row: int) -> int:
        exam_id = self.worklist.model.entry_at(row).exam_id
        self.worklist.open_exam(exam_id)
        self.wait(
            lambda: self.session.can_measure and self.session.stored_id == exam_id and not self.worklist.keeper.asking
        )
        return exam_id

    def grade(self, grade: int) -> None:
        self.session.place_centre((30, 30, 12))
        self.press(Qt.Key(Qt.Key.Key_0 + grade), ALT)

    def cell(self, row: int, title: str) -> str:
        model = self.worklist.model
        titles = [model.headerData(c, Qt.Orientation.Horizontal) for c in range(model.columnCount())]
        return str(model.data(model.index(row, titles.index(title))))

    def label(self, name: str) -> QLabel:
        found = self.program.window.findChild(QLabel, name)
        assert found is not None
        return found

    def close(self) -> None:
        self.program.window.close()
        self.program.window.deleteLater()


@pytest.fixture
def server() -> Iterator[postgres.Server]:
    with postgres.server() as running:
        yield running


def test_story(
    server: postgres.Server, qtbot: QtBot, qapp: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # No risk is needed here, and each window would load a network of its own.
    monkeypatch.setattr(RiskService, "load_model", lambda *_: None)
    make_application(["test"])
    for n in range(6):
        write_exam(tmp_path / "exams" / f"{n}", n)
    where = server.new_database()
    ada = Desk("Ada", where, tmp_path, qtbot)
    ada.worklist.open_path(tmp_path / "exams")
    ada.wait(lambda: len(ada.worklist.model.entries) == 6 and not ada.worklist.scanning.running)
    ada.open(0)
    ada.grade(2)
    ada.wait(lambda: ada.store.unsaved == 0)
    ada.open(1)

    bob = Desk("Bob", where, tmp_path, qtbot)
    bob.worklist.open_list(ada.worklist.reading_list)
    bob.wait(lambda: bob.cell(1, "Other readers") == "being read by Ada")
    assert bob.cell(0, "Other readers") == "read by Ada"
    assert bob.cell(0, "Grade") == "", "how it was graded is Ada's"
    bob.open(2)
    bob.grade(1)
    ada.wait(lambda: ada.cell(2, "Other readers") == "being read by Bob")
    bob.open(3)
    ada.wait(lambda: ada.cell(2, "Other readers") == "read by Bob")

    # Ada goes over to Bob's desk, where her exam is still open at her own.
    bob.worklist.set_reader("Ada")
    bob.wait(lambda: bob.worklist.reader is not None and bob.worklist.reader.name == "Ada")
    bob.open(1)
    for desk in (ada, bob):
        desk.wait(desk.label("storeShared").isVisible)
    ada.grade(3)
    bob.wait(lambda: bob.session.read.grade == 3.0)
    bob.store._saving = True  # both act before either has been saved
    bob.press(Qt.Key.Key_1, ALT)
    ada.press(Qt.Key.Key_0, ALT)
    ada.wait(lambda: ada.store.unsaved == 0)
    bob.store._saving = False
    bob.store._save()
    bob.wait(lambda: bob.program.window.findChild(QMessageBox, "conflictQuestion") is not None)
    box = bob.program.window.findChild(QMessageBox, "conflictQuestion")
    (mine,) = [b for b in box.buttons() if "Replace" in b.text().replace("&", "")]
    QTest.mouseClick(mine, LEFT)
    ada.wait(lambda: ada.session.read.grade == 1.0)
    trail = [e for e in ada.store.open().audit_trail() if e.action == "read_conflict"]
    assert {(e.detail["stored"]["grade"], e.detail["refused"]["grade"]) for e in trail} == {(0.0, 1.0)}

    # The server goes away: reading goes on, and nothing is lost.
    server.stop()
    bob.open(4)
    bob.grade(2)
    bob.wait(bob.label("storeTrouble").isVisible)
    assert bob.label("storeTrouble").text() == "NOT SAVED"
    bob.open(5)
    bob.grade(3)
    bob.wait(lambda: bob.store.unsaved == 2 and bob.store.kept_on_disk)
    server.start()
    bob.wait(lambda: bob.store.unsaved == 0)
    bob.wait(lambda: not bob.label("storeTrouble").isVisible())
    ada.wait(lambda: [ada.cell(row, "Grade") for row in (4, 5)] == ["2", "3"])
    bob.close()
    ada.wait(lambda: not ada.worklist.other_desks._desks)
    ada.close()
