"""Tools > Models in the real window: what is chosen there is what speaks, and nothing else ever does."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QDialog, QFileDialog, QLabel, QListWidget, QMessageBox, QPushButton, QTableWidget
from pytestqt.qtbot import QtBot

from hyrisk_desktop.app import build_window, make_application
from hyrisk_desktop.gui.dialogs.message import ErrorDialog
from hyrisk_desktop.gui.models import comparison
from hyrisk_desktop.paths import bundled_model_dir
from hyrisk_desktop.risk.bundle import read_description
from hyrisk_desktop.risk.preprocessing import Preprocessing
from hyrisk_desktop.settings import Settings
from tests.gui.conftest import Program
from tests.helpers.bundles import edit_description, shelve, write_chance_bundle, write_tiny_bundle
from tests.helpers.volumes import HEART_CENTRE, block_volume

LEFT = Qt.MouseButton.LeftButton


@pytest.fixture(scope="module")
def second(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models") / "second"
    write_tiny_bundle(folder, seed=7, name="Second network")
    return folder


@pytest.fixture
def two(
    qtbot: QtBot, qapp: object, tiny_bundle: Path, second: Path, isolated_home: Path, quick_windows: None
) -> Iterator[Program]:
    """Two installed models, the second in use, and an exam read."""
    make_application(["test"])
    settings = Settings(None)
    settings["device"] = "cpu"
    shelve(tiny_bundle, second)
    window, services = build_window(settings, None)
    window.resize(1500, 940)
    window.show()
    qtbot.waitExposed(window)
    program = Program(window, services, qtbot)
    program.show(block_volume())
    program.session.place_centre(HEART_CENTRE)
    program.session.set_grade(2)
    program.wait_for_risk()
    yield program
    window.close()
    window.deleteLater()
    qtbot.wait(1)


class Dialog:
    """The dialog as a hand uses it."""

    def __init__(self, program: Program) -> None:
        self.program = program
        program.window.commands.run("show_models")
        self.widget = program.window.findChild(QDialog, "modelsDialog")
        self.table = self.widget.findChild(QTableWidget, "modelsTable")
        self.settle()

    def settle(self) -> None:
        self.program.wait(lambda: not self.program.services.shelf.busy and self.table.rowCount() > 0)

    def row(self, title: str) -> int:
        return next(r for r in range(self.table.rowCount()) if title in self.table.item(r, 1).text())

    def select(self, *titles: str) -> None:
        self.table.clearSelection()
        for title in titles:
            for column in range(self.table.columnCount()):
                self.table.item(self.row(title), column).setSelected(True)

    def state(self, title: str) -> str:
        return self.table.item(self.row(title), 0).text()

    def button(self, key: str) -> QPushButton:
        return self.widget.findChild(QPushButton, f"{key}Model")

    def press(self, key: str) -> None:
        assert self.button(key).isEnabled(), key
        QTest.mouseClick(self.button(key), LEFT)

    def note(self) -> str:
        return self.widget.findChild(QLabel, "modelsNote").text()


def close_error(program: Program) -> str:
    program.wait(lambda: program.window.findChild(ErrorDialog) is not None)
    error = program.window.findChild(ErrorDialog)
    sentence = error.findChild(QLabel, "errorSentence").text()
    error.accept()
    error.deleteLater()
    program.qtbot.wait(1)
    return sentence


def test_the_table_says_what_each_model_is(two: Program) -> None:
    dialog = Dialog(two)
    assert dialog.table.rowCount() == 3
    assert "in use" in dialog.state("Second")
    assert dialog.state("Tiny") == "good"
    bundled = [dialog.table.item(0, column).text() for column in range(8)]
    training = read_description(bundled_model_dir()).training
    assert bundled[2:5] == ["HyRiskNet-34", "grade", f"{training['n']} synthetic phantoms"]
    aucs = training["results"]["auc"]
    assert bundled[6] == f"{aucs['risknet']['auc']:.2f} / {aucs['hyrisknet']['auc']:.2f} (synthetic)"
    assert len(bundled[7]) == 12
    dialog.select("Tiny")
    assert "synthetic" in dialog.note()
    dialog.widget.close()


def test_activating_changes_the_risk_on_screen_and_back(two: Program) -> None:
    before = two.session.risk
    dialog = Dialog(two)
    dialog.select("Second")
    assert not dialog.button("activate").isEnabled()
    assert not dialog.button("remove").isEnabled()
    dialog.select("Tiny")
    dialog.press("activate")
    two.wait(lambda: two.session.risk is not None and two.session.risk.model == "Tiny test network")
    assert two.session.risk.risk != before.risk
    assert "Tiny test network" in two.text("riskNote")
    dialog.settle()
    assert "in use" in dialog.state("Tiny")
    dialog.press("roll_back")
    two.wait(lambda: two.session.risk is not None and two.session.risk.model == "Second network")
    assert two.session.risk == before
    dialog.widget.close()


def test_no_reading_of_another_model_ever_shows(two: Program) -> None:
    """While models change back and forth, the reading on screen is always of the session's model."""
    shown = []

    def look() -> None:
        if two.session.risk is not None:
            shown.append((two.session.risk.bundle_sha256, two.session.model[1]))

    two.session.risk_changed.connect(look)
    names = [model.name for model in two.services.models.models() if not model.bundled]
    for i in range(6):
        two.services.models.activate(names[i % 2])
        two.services.load_model()
        two.session.nudge_centre(1, 0, 0)
        two.qtbot.wait(60)
    two.wait(lambda: two.session.model is not None and two.session.risk is not None and not two.services.runner.busy)
    assert shown
    assert all(reading == model for reading, model in shown)


def test_a_damaged_model_gives_way_aloud(
    qtbot: QtBot, qapp: object, tiny_bundle: Path, second: Path, isolated_home: Path
) -> None:
    make_application(["test"])
    settings = Settings(None)
    settings["device"] = "cpu"
    weights = shelve(tiny_bundle, second)[1] / "weights.safetensors"
    weights.unlink()
    weights.write_bytes(b"x")
    window, services = build_window(settings, None)
    window.show()
    qtbot.waitExposed(window)
    program = Program(window, services, qtbot)
    program.wait(lambda: program.session.model is not None)
    assert program.session.model[0] == "Tiny test network"
    status = window.findChild(QLabel, "statusMessage").toolTip()
    assert "SHA-256" in status
    assert "“Tiny test network” is in use" in status
    program.show(block_volume())
    program.session.place_centre(HEART_CENTRE)
    program.wait_for_risk()
    findings = window.findChild(QListWidget, "findingsList")
    assert any("is in use" in findings.item(i).text() for i in range(findings.count()))
    assert any("chosen can't be used" in line for line in services.log.lines)
    dialog = Dialog(program)
    assert "damaged" in dialog.state("second-network")
    dialog.select("second-network")
    assert "SHA-256" in dialog.note()
    assert not dialog.button("activate").isEnabled()
    assert dialog.button("remove").isEnabled()
    dialog.press("remove")
    question = dialog.widget.findChild(QDialog, "removeQuestion")
    QTest.mouseClick(question.findChild(QPushButton, "confirmRemove"), LEFT)
    program.wait(lambda: dialog.table.rowCount() == 2)
    dialog.widget.close()
    window.close()
    window.deleteLater()
    qtbot.wait(1)


def test_export_and_import(two: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    zip_path = tmp_path / "model.zip"
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: (str(zip_path), ""))
    monkeypatch.setattr(QFileDialog, "getOpenFileName", lambda *_: (str(zip_path), ""))
    dialog = Dialog(two)
    dialog.select("Tiny")
    dialog.press("export")
    two.wait(zip_path.is_file)
    dialog.settle()
    assert "exported" in dialog.note()
    dialog.press("remove")
    question = dialog.widget.findChild(QDialog, "removeQuestion")
    QTest.mouseClick(question.findChild(QPushButton, "confirmRemove"), LEFT)
    two.wait(lambda: dialog.table.rowCount() == 2)
    dialog.widget._import_zip()
    assert not dialog.button("import").isEnabled()
    two.wait(lambda: dialog.table.rowCount() == 3)
    two.wait(lambda: two.session.risk is not None and two.session.risk.model == "Tiny test network")
    dialog.widget.close()


def test_a_model_that_fails_its_test_is_one_sentence_and_changes_nothing(
    two: Program, tmp_path: Path, second: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_tiny_bundle(tmp_path / "bad", seed=3, name="Bad network")
    edit_description(tmp_path / "bad", training={})
    monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *_: str(tmp_path / "bad"))
    before = two.session.risk
    dialog = Dialog(two)
    dialog.widget._import_folder()
    assert "without a known answer" in close_error(two)
    assert dialog.table.rowCount() == 3
    assert two.session.risk is before
    dialog.widget.close()


def test_a_model_of_chance_is_installed_only_when_it_is_wanted_all_the_same(
    two: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_chance_bundle(tmp_path / "chance")
    monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *_: str(tmp_path / "chance"))
    dialog = Dialog(two)
    for wanted in (False, True):
        dialog.widget._import_folder()
        two.wait(lambda: dialog.widget.findChild(QMessageBox, "doubtQuestion") is not None)
        question = dialog.widget.findChild(QMessageBox, "doubtQuestion")
        assert question.text().startswith("HyRiskNet was not better than chance where it was trained: AUC 0.531")
        assert dialog.table.rowCount() == 3
        if wanted:
            QTest.mouseClick(question.findChild(QPushButton, "confirmInstall"), LEFT)
        else:
            question.reject()
            two.wait(lambda: dialog.widget.findChild(QMessageBox, "doubtQuestion") is None)
    two.wait(lambda: two.session.risk is not None and two.session.risk.model == "Chance network")
    assert dialog.table.rowCount() == 4
    dialog.widget.close()


def test_what_is_asked_without_the_dialog_waits_its_turn_and_is_told(two: Program, tmp_path: Path) -> None:
    """As the Retrain wizard asks."""
    write_tiny_bundle(tmp_path / "bad", seed=3, name="Bad network")
    edit_description(tmp_path / "bad", training={})
    write_tiny_bundle(tmp_path / "new", seed=4, name="New network")
    shelf = two.services.shelf
    shelf.refresh()
    shelf.import_model(tmp_path / "bad", "cpu")
    shelf.import_model(tmp_path / "new", "cpu")
    assert "without a known answer" in close_error(two)
    two.wait(lambda: two.session.risk is not None and two.session.risk.model == "New network")
    assert "“New network” is in use" in two.window.findChild(QLabel, "statusMessage").toolTip()


def test_closing_the_dialog_during_an_import_is_harmless(two: Program, tmp_path: Path) -> None:
    write_tiny_bundle(tmp_path / "late", seed=4, name="Late network")
    dialog = Dialog(two)
    two.services.shelf.import_model(tmp_path / "late", "cpu")
    dialog.widget.close()
    two.qtbot.wait(1)
    two.wait(lambda: two.session.risk is not None and two.session.risk.model == "Late network")


def test_compare_shows_both_and_forgets_the_exam_when_it_changes(two: Program) -> None:
    dialog = Dialog(two)
    dialog.select("Tiny", "Second")
    dialog.press("compare")
    two.wait(lambda: dialog.widget.findChild(QDialog, "comparisonDialog") is not None)
    table = dialog.widget.findChild(QTableWidget, "comparisonTable")

    def rows() -> dict[str, tuple[str, ...]]:
        texts = [[table.item(r, c).text() for c in range(3)] for r in range(table.rowCount())]
        return {caption: (a, b) for caption, a, b in texts}

    assert [table.horizontalHeaderItem(c).text() for c in (1, 2)] == ["Second network", "Tiny test network"]
    risks = rows()["Risk"]
    assert risks[0].startswith(f"{100 * two.session.risk.risk:.1f} %")
    assert risks[0] != risks[1]
    assert all("demonstration" in risk for risk in risks)
    two.session.nudge_centre(1, 0, 0)
    assert "Risk" not in rows()
    assert any("changed" in caption for caption in rows())
    two.session.undo()
    assert rows()["Risk"] == risks
    two.show(block_volume(series_uid="9.9", patient="Other^Patient"))
    two.session.place_centre(HEART_CENTRE)
    two.session.set_grade(2)
    assert "Risk" not in rows()
    dialog.widget.close()


def test_models_are_compared_at_the_prevalence_that_the_window_assumes(two: Program) -> None:
    two.services.settings["prevalence"] = 0.02
    two.services.load_model()
    two.wait(lambda: two.session.prevalences == (0.02,))
    two.session.compute_risk_again()
    two.wait(lambda: two.session.risk is not None and two.session.risk.prevalence == 0.02)
    got = []
    two.services.shelf.compared.connect(got.append)
    dialog = Dialog(two)
    dialog.select("Tiny", "Second")
    dialog.press("compare")
    two.wait(lambda: bool(got))
    assert [reading.prevalence for reading in got[0].readings] == [0.02, 0.02]
    assert two.session.risk.risk in [reading.risk for reading in got[0].readings]
    dialog.widget.close()


def test_compare_says_what_each_model_looks_at() -> None:
    paper, other = Preprocessing(input_size=96), Preprocessing(input_size=160, crop_mm=84.0, levels_mm=(-6.5, 0.0, 4.0))
    assert [comparison._crop(p) for p in (paper, other)] == ["0.7 of the patch, 96 px", "84 mm, 160 px"]
    assert comparison._levels(paper) == "the slice of the click and its neighbours"
    assert comparison._levels(other) == "three slices each at −6.5, 0, +4 mm from the click, averaged"


def test_a_comparison_that_comes_late_says_no_risk_of_another_exam(two: Program) -> None:
    got = []
    two.services.shelf.compared.connect(got.append)
    good = [model for model in two.services.models.models() if not model.bundled]
    two.services.shelf.compare(*good, "cpu")
    two.show(block_volume(series_uid="9.9", patient="Other^Patient"))
    two.wait(lambda: bool(got))
    assert got[0].request is None
    assert got[0].readings == (None, None)


def test_the_card_is_the_models_own(two: Program) -> None:
    dialog = Dialog(two)
    dialog.select("Second")
    dialog.press("card")
    sha = two.session.risk.sha256
    texts = [w.toPlainText() for w in dialog.widget.findChildren(QDialog)[0].children() if hasattr(w, "toPlainText")]
    assert any(sha in text for text in texts)
    dialog.widget.close()
    two.window.commands.run("show_model_card")
