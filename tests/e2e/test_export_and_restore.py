"""A radiologist reads an exam, exports everything, and goes on at another desk, where the report brings her reading back."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QCheckBox, QDialog, QLabel, QLineEdit, QPushButton, QWidget
from pytestqt.qtbot import QtBot

from hyrisk_desktop.app import build_window, make_application
from hyrisk_desktop.exchange.reports.formats import formats
from hyrisk_desktop.gui.viewer.display import Plane
from hyrisk_desktop.settings import Settings
from tests.e2e.conftest import Story
from tests.gui.conftest import Program
from tests.helpers import dicom_series, readings
from tests.helpers.pictures import picture

NONE, ALT, CTRL = (
    Qt.KeyboardModifier.NoModifier,
    Qt.KeyboardModifier.AltModifier,
    Qt.KeyboardModifier.ControlModifier,
)
LEFT = Qt.MouseButton.LeftButton
SHOWN = ("riskValue", "riskInterval", "riskPercentile", "agatstonValue", "volumeValue", "sqrtVolumeValue")


@pytest.fixture
def desks(qtbot: QtBot, qapp: object) -> Iterator[list[Program]]:
    """Windows, one after the other; all are closed at the end."""
    programs: list[Program] = []
    yield programs
    for program in programs:
        program.window.close()
        program.window.deleteLater()


def sit_down(desks: list[Program], home: Path, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch) -> Program:
    """A desk with settings and a store of its own."""
    monkeypatch.setenv("HYRISK_HOME", str(home))
    make_application(["test"])
    window, services = build_window(Settings(home / "config" / "settings.json"), home / "log")
    window.resize(1600, 1000)
    window.show()
    qtbot.waitExposed(window)
    window.activateWindow()
    qtbot.waitUntil(window.isActiveWindow)
    program = Story(window, services, qtbot)
    desks.append(program)
    program.wait(lambda: program.session.model is not None)
    return program


def view(program: Program) -> QWidget:
    return program.window.desk.views[Plane.AXIAL]


def click(parent: QWidget, name: str) -> None:
    button = parent.findChild(QPushButton, name)
    assert button is not None, name
    QTest.mouseClick(button, LEFT)


def type_into(dialog: QWidget, name: str, text: str) -> None:
    edit = dialog.findChild(QLineEdit, name)
    assert edit is not None, name
    edit.setFocus()
    QTest.keyClick(edit, Qt.Key.Key_A, CTRL)
    QTest.keyClicks(edit, text)


def read(program: Program, exam: Path) -> None:
    """Click the heart, grade 2, take a lesion out."""
    session = program.session
    program.services.loader.open_path(exam)
    program.wait(lambda: session.can_measure and session.stored_id is not None)
    while session.view.position[2] != readings.CENTRE[2]:
        up = session.view.position[2] < readings.CENTRE[2]
        QTest.keyClick(view(program), Qt.Key.Key_PageUp if up else Qt.Key.Key_PageDown)
    QTest.keyClick(view(program), Qt.Key.Key_H)
    axial = program.window.desk.views[Plane.AXIAL]
    QTest.mouseClick(axial.viewport(), LEFT, NONE, axial.position_of(readings.CENTRE).toPoint())
    assert session.read.centre == readings.CENTRE
    QTest.keyClick(view(program), Qt.Key.Key_2, ALT)
    program.window.calcium_panel.table.selectRow(2)
    QTest.keyClick(view(program), Qt.Key.Key_X)
    assert session.scores.lesions[2].excluded
    program.wait_for_risk()


def export_all(program: Program, folder: Path) -> None:
    """Ctrl+S, tick everything, Enter; then the same again, into files that exist."""
    QTest.keyClick(view(program), Qt.Key.Key_S, CTRL)
    program.wait(lambda: program.window.findChild(QDialog, "exportReadingDialog") is not None)
    dialog = program.window.findChild(QDialog, "exportReadingDialog")
    program.qtbot.waitExposed(dialog)
    for one in formats():
        box = dialog.findChild(QCheckBox, f"export_{one.key}")
        if not box.isChecked():
            QTest.mouseClick(box, LEFT, NONE, QPoint(8, box.height() // 2))
        assert box.isChecked()
    type_into(dialog, "exportFolder", str(folder))
    type_into(dialog, "exportStem", "case")
    type_into(dialog, "exportReader", "Ada Mueller")
    QTest.keyClick(dialog, Qt.Key.Key_Return)
    program.wait(lambda: program.window.findChild(QDialog, "exportReadingDialog") is None)
    assert sorted(p.name for p in folder.iterdir()) == sorted(f"case{f.ending}" for f in formats())
    label = program.window.findChild(QLabel, "statusMessage")
    assert label.toolTip().startswith("9 files written to exported")
    assert program.window.findChild(QPushButton, "showInFolder").isVisible()


def test_story(desks: list[Program], tmp_path: Path, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch) -> None:
    exam = dicom_series.write(readings.calcified(), tmp_path / "study" / "CT")
    exported = tmp_path / "exported"
    exported.mkdir()
    program = sit_down(desks, tmp_path / "home 1", qtbot, monkeypatch)
    read(program, exam)
    export_all(program, exported)
    shown = {name: program.text(name) for name in SHOWN}
    document = json.loads((exported / "case.json").read_text())
    assert f"{document['calcium']['agatston']:.1f}" == shown["agatstonValue"]
    # The exam's pixels are coarser than the bundled model knows: window and file withhold the same.
    assert (shown["riskValue"], shown["riskInterval"]) == ("Withheld", "–")
    assert (document["risk"]["state"], document["risk"]["hyrisknet"]) == ("withheld", None)
    assert document["risk"]["withheld"]["hyrisknet"] is not None
    program.window.close()

    # Another desk: report and segmentation have come beside the exam, from the archive.
    (tmp_path / "study" / "SR").mkdir()
    for kind in ("sr", "seg"):
        shutil.copy(exported / f"case.{kind}.dcm", tmp_path / "study" / "SR" / f"{kind}.dcm")
    program = sit_down(desks, tmp_path / "home 2", qtbot, monkeypatch)
    program.services.worklist.open_path(tmp_path / "study")
    bar = program.window.findChild(QWidget, "restoreBar")
    program.wait(bar.isVisible)
    assert "Ada Mueller" in program.text("restoreText")
    assert QApplication.focusWidget() is view(program), "the images keep the keyboard"
    assert program.session.read.centre is None
    picture(program.window, "restore")
    click(program.window, "restoreOffered")
    program.wait(lambda: program.session.read.centre is not None)
    program.wait_for_risk()
    assert {name: program.text(name) for name in SHOWN} == shown
    assert program.session.scores.lesions[2].excluded
    assert not bar.isVisible()

    # One key takes it back, another brings it again.
    QTest.keyClick(view(program), Qt.Key.Key_Z, CTRL)
    assert program.session.read.centre is None
    assert program.text("riskValue") == "–"
    QTest.keyClick(view(program), Qt.Key.Key_Y, CTRL)
    program.wait_for_risk()
    assert {name: program.text(name) for name in SHOWN} == shown
