"""Story: a reader asks what a risk comes from, and looks at which model said it."""

from __future__ import annotations

import math

import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QDialog, QFrame, QTableWidget

from hyrisk_desktop.demonstration import prepare_demonstration
from hyrisk_desktop.gui.viewer.display import Plane
from tests.gui.conftest import Program


def test_explain_the_demonstration_exam(program: Program) -> None:
    demonstration = prepare_demonstration()
    program.services.loader.open_path(demonstration.folder)
    program.wait(lambda: program.session.can_measure)
    program.session.place_centre(demonstration.centre)
    program.session.set_grade(demonstration.grade)
    program.wait(lambda: program.session.risk is not None)
    axial = program.window.desk.views[Plane.AXIAL]
    QTest.keyClick(axial, Qt.Key.Key_G)
    program.wait(lambda: axial.heat.shown)
    assert program.window.findChild(QFrame, "heatLegend").isVisible()
    assert program.text("heatTitle") == "Grad-CAM, HyRiskNet-34 demonstration, research use only"
    total = program.session.explanation.calibrated.total
    assert 1 / (1 + math.exp(-total)) == pytest.approx(program.session.risk.risk, abs=1e-5)
    assert program.text("riskSplit").startswith("image ")
    QTest.keyClick(axial, Qt.Key.Key_G)
    assert not axial.heat.shown

    program.window.commands.run("show_models")
    dialog = program.window.findChild(QDialog, "modelsDialog")
    table = dialog.findChild(QTableWidget, "modelsTable")
    program.wait(lambda: table.rowCount() == 1)
    assert "in use" in table.item(0, 0).text()
    assert "synthetic" in table.item(0, 4).text()
    dialog.close()
