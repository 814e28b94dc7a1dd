"""A newcomer opens the demonstration exam, clicks the heart, grades, changes the grade and excludes a lesion."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QTableView, QWidget

from hyrisk_desktop.demonstration import prepare_demonstration
from hyrisk_desktop.gui.viewer.display import Plane
from tests.gui.conftest import Program

NONE, ALT = Qt.KeyboardModifier.NoModifier, Qt.KeyboardModifier.AltModifier
LEFT = Qt.MouseButton.LeftButton


def test_story(program: Program) -> None:
    session = program.session
    program.window.actions_by_key["open_demonstration"].trigger()
    program.wait(lambda: session.can_measure)
    assert session.exam.synthetic
    truth = prepare_demonstration()
    view = program.window.desk.views[Plane.AXIAL]

    while session.view.position[2] != truth.centre[2]:
        up = session.view.position[2] < truth.centre[2]
        QTest.keyClick(view, Qt.Key.Key_PageUp if up else Qt.Key.Key_PageDown)
    QTest.keyClick(view, Qt.Key.Key_H)
    QTest.mouseClick(view.viewport(), LEFT, NONE, view.position_of(truth.centre).toPoint())
    assert session.read.centre == truth.centre
    assert float(program.text("agatstonValue")) > 0
    assert "synthetic" in program.window.calcium_panel.title()

    QTest.keyClick(view, Qt.Key.Key_2, ALT)
    program.wait_for_risk()
    moderate = session.risk
    assert moderate.demonstration
    assert moderate.device in ("cpu", "cuda")
    assert not [f for f in session.findings if f.code == "unlike_training"]

    QTest.mouseClick(program.window.findChild(QWidget, "grade0"), LEFT)
    program.wait_for_risk()
    assert session.risk.risknet == moderate.risknet
    assert session.risk.risk == moderate.by_grade[0] != moderate.risk

    before = session.scores.agatston
    table = program.window.findChild(QTableView, "lesionTable")
    assert table.model().rowCount() == len(session.scores.lesions) > 0
    table.selectRow(0)
    QTest.keyClick(view, Qt.Key.Key_X)
    assert session.scores.agatston < before
    QTest.keyClick(view, Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    assert session.scores.agatston == before
