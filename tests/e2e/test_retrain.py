"""A researcher retrains from the Tools menu on a cohort of her own, installs the model, and reads an exam with it."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import (
    QAbstractButton,
    QComboBox,
    QDialog,
    QLabel,
    QLineEdit,
    QMessageBox,
    QSpinBox,
    QTableWidget,
    QWidget,
)

from hyrisk_desktop.gui.retrain.controller import Retraining
from hyrisk_desktop.gui.retrain.training_process import RunState
from hyrisk_desktop.paths import training_process
from tests.gui.conftest import Program
from tests.helpers.pictures import picture
from tests.helpers.volumes import HEART_CENTRE, block_volume

LEFT = Qt.MouseButton.LeftButton


@pytest.fixture
def demonstration_home(tmp_path: Path) -> Path:
    """A home of this story's own: the model that it installs is not for the others."""
    return tmp_path / "home"


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """24 synthetic exams."""
    folder = tmp_path_factory.mktemp("cohort")
    size = ("-n", "24", "--seed", "5200000", "--workers", "1")
    command, environment = training_process("phantom", "cohort", *size, "--out", str(folder))
    subprocess.run(command, env=environment, check=True, capture_output=True)
    return folder


def click(window: QWidget, name: str) -> None:
    button = window.findChild(QAbstractButton, name)
    assert button is not None, name
    assert button.isEnabled(), name
    QTest.mouseClick(button, LEFT)


def start_training(program: Program, retraining: Retraining, cohort: Path) -> None:
    """Through the wizard as a user goes."""
    program.window.actions_by_key["retrain"].trigger()
    wizard = retraining.wizard
    assert wizard is not None
    QTest.keyClicks(wizard.findChild(QLineEdit, "cohortPath"), str(cohort))
    click(wizard, "wizardNext")
    program.wait(lambda: wizard.check_page.ready)
    assert wizard.findChild(QLabel, "check_rows").text() == "24 (24 usable)"
    assert "synthetic" in wizard.check_page._box.title()
    click(wizard, "wizardNext")
    network = wizard.findChild(QComboBox, "network")
    network.setCurrentIndex(network.findText("HyRiskNet-18"))
    click(wizard, "strategy_scratch")
    for name, value in (("folds", 2), ("epochs", 1), ("inputSize", 64)):
        wizard.findChild(QSpinBox, name).setValue(value)
    estimate = wizard.findChild(QLabel, "estimate")
    program.wait(lambda: estimate.text().startswith("Estimate: "))
    name = wizard.findChild(QLineEdit, "runName")
    name.clear()
    QTest.keyClicks(name, "My cohort")
    picture(wizard, "retrain", {"runFolder": "~/runs/my-cohort"})
    click(wizard, "wizardNext")
    program.wait(lambda: retraining.wizard is None and retraining.window is not None)


def test_story(program: Program, cohort: Path) -> None:
    session = program.session
    program.wait(lambda: session.model is not None)
    before = session.model
    retraining = program.window.commands.retraining
    start_training(program, retraining, cohort)
    window = retraining.window
    assert window is not None
    program.wait(lambda: window._run is not None and window._run.state is RunState.RUNNING)

    # Closed and opened again, the window shows the same training, which went on.
    click(window, "closeRetrain")
    assert not window.isVisible()
    program.window.actions_by_key["retrain"].trigger()
    assert window.isVisible()
    program.wait(lambda: window._run.state is RunState.FINISHED)
    aucs = window.findChild(QTableWidget, "aucTable")
    program.wait(lambda: aucs.rowCount() >= 8)
    assert 0.0 <= float(aucs.item(0, 1).text()) <= 1.0
    assert "synthetic data" in aucs.horizontalHeaderItem(0).text()
    assert "HyRiskNet-34 demonstration" in window.findChild(QLabel, "comparisonHead").text()
    folds = window.findChild(QTableWidget, "foldTable")
    assert [folds.item(i, 1).text() for i in range(folds.rowCount())] == ["done"] * folds.rowCount()
    assert float(folds.item(0, 3).text()) >= 0.0
    assert (window._run.directory / "report.html").is_file()

    picture(window, "results")
    click(window, "installModel")
    # A network that learned from 24 phantoms for one epoch may be no better than chance: then it is asked first.
    if question := window.findChild(QMessageBox, "retrainQuestion"):
        assert "not better than chance" in question.text()
        click(question, "questionYes")
    program.wait(lambda: session.model != before)
    assert session.model[0] == "My cohort"
    click(window, "closeRetrain")
    program.window.commands.run("show_models")
    models = program.window.findChild(QDialog, "modelsDialog")
    table = models.findChild(QTableWidget, "modelsTable")
    program.wait(lambda: table.rowCount() == 2)
    picture(models, "models")
    models.close()

    program.show(block_volume())
    session.place_centre(HEART_CENTRE)
    session.set_grade(2)
    program.wait_for_risk()
    assert session.risk.model == "My cohort"
    assert session.risk.demonstration
    if session.hides(session.risk_standing):
        click(program.window, "showRiskAnyway")
        program.wait_for_risk()
    assert "My cohort" in program.text("riskNote")
