"""Tools > Retrain with a stand-in for the training process: wizard, live progress, results, installing."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import pytest
from PySide6.QtCore import QMimeData, QPointF, Qt, QUrl
from PySide6.QtGui import QDesktopServices, QDropEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QAbstractButton, QLabel, QMessageBox, QTableWidget, QWidget

from hyrisk_desktop.gui.dialogs.message import ErrorDialog
from hyrisk_desktop.gui.retrain.controller import Retraining
from hyrisk_desktop.gui.retrain.run_files import find_runs
from hyrisk_desktop.gui.retrain.run_results import load_results
from hyrisk_desktop.gui.retrain.training_process import RunState, lock_is_held
from hyrisk_desktop.gui.retrain.window import RetrainWindow
from hyrisk_desktop.gui.retrain.wizard import RetrainWizard
from hyrisk_desktop.paths import runs_dir
from hyrisk_desktop.training_run import CONTROL, EVENTS
from tests.gui.conftest import Program
from tests.helpers.bundles import edit_description, write_tiny_bundle
from tests.helpers.training import fake_command, stop_all, tiny_table

LEFT = Qt.MouseButton.LeftButton
W = TypeVar("W", bound=QWidget)


@dataclass
class Desk:
    """The program with its retrain windows as a test drives them."""

    program: Program
    retraining: Retraining

    @property
    def wizard(self) -> RetrainWizard:
        assert self.retraining.wizard is not None
        return self.retraining.wizard

    @property
    def window(self) -> RetrainWindow:
        assert self.retraining.window is not None
        return self.retraining.window

    def find(self, kind: type[W], name: str, where: QWidget | None = None) -> W:
        found = (where or self.window).findChild(kind, name)
        assert found is not None, name
        return found

    def click(self, name: str, where: QWidget | None = None) -> None:
        button = self.find(QAbstractButton, name, where)
        assert button.isEnabled(), name
        QTest.mouseClick(button, LEFT)

    def text(self, name: str, where: QWidget | None = None) -> str:
        return self.find(QLabel, name, where).text()

    def state(self) -> RunState | None:
        return self.window._run.state if self.window._run else None

    def wait_for(self, state: RunState) -> None:
        self.program.wait(lambda: self.state() is state)

    def use(self, **how: object) -> None:
        self.retraining.launcher.command = fake_command(**how)  # type: ignore[arg-type]

    def check(self, table: Path) -> None:
        """Through the wizard's first page, and wait for the check."""
        self.program.window.actions_by_key["retrain"].trigger()
        if self.retraining.wizard is None:
            self.click("newTraining")
        self.wizard.cohort_page.path_edit.setText(str(table))
        self.click("wizardNext", self.wizard)
        self.program.wait(lambda: self.wizard.check_page.answer is not None)

    def start(self, table: Path) -> None:
        """Through the whole wizard: HyRiskNet-18, two folds, one epoch."""
        self.check(table)
        self.click("wizardNext", self.wizard)
        page = self.wizard.training_page
        page.network.setCurrentIndex(0)
        page.effort.folds.setValue(2)
        page.effort.epochs.setValue(1)
        self.program.wait(lambda: page.problem() == "")
        self.click("wizardNext", self.wizard)
        self.program.wait(lambda: self.retraining.wizard is None and self.window.isVisible())

    def answer(self, name: str) -> None:
        box = self.find(QMessageBox, "retrainQuestion")
        self.click(name, box)

    def error(self, where: QWidget | None = None) -> str:
        self.program.wait(lambda: (where or self.window).findChild(ErrorDialog) is not None)
        dialog = self.find(ErrorDialog, "errorDialog", where)
        sentence = self.text("errorSentence", dialog)
        dialog.accept()
        self.program.qtbot.wait(1)
        return sentence


@pytest.fixture
def desk(ready: Program) -> Iterator[Desk]:
    desk = Desk(ready, ready.window.commands.retraining)
    desk.use()
    yield desk
    stop_all(desk.retraining.launcher)


def test_the_cohort_is_chosen_by_typing_or_dropping(desk: Desk, tmp_path: Path) -> None:
    desk.program.window.actions_by_key["retrain"].trigger()
    page = desk.wizard.cohort_page
    next_button = desk.find(QAbstractButton, "wizardNext", desk.wizard)
    assert not next_button.isEnabled()
    assert not desk.wizard.isModal()
    for bad, why in ((tmp_path, "holds no cohort.csv"), (tmp_path / "none.csv", "no such file")):
        page.path_edit.setText(str(bad))
        assert why in desk.text("cohortHint", page)
        assert not next_button.isEnabled()
    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile(str(tiny_table(tmp_path)))])
    copy, keys = Qt.DropAction.CopyAction, Qt.KeyboardModifier.NoModifier
    page.dropEvent(QDropEvent(QPointF(9, 9), copy, data, LEFT, keys))
    assert page.cohort() == tmp_path / "table.csv"
    assert next_button.isEnabled()


def test_the_keyboard_stays_on_the_way_forward(desk: Desk, tmp_path: Path) -> None:
    """While Next is off, its focus must not fall to Cancel."""
    desk.use(check_s=0.3)
    desk.program.window.actions_by_key["retrain"].trigger()
    wizard = desk.wizard
    next_button, cancel = (desk.find(QAbstractButton, f"wizard{name}", wizard) for name in ("Next", "Cancel"))
    wizard.cohort_page.path_edit.setText(str(tiny_table(tmp_path)))
    next_button.setFocus()
    desk.click("wizardNext", wizard)
    assert not next_button.isEnabled()
    assert wizard.focusWidget() is not cancel
    desk.program.wait(lambda: wizard.check_page.answer is not None)
    assert wizard.focusWidget() is next_button


def test_errors_block_and_warnings_do_not(desk: Desk, tmp_path: Path) -> None:
    desk.check(tiny_table(tmp_path, grade="7"))
    wizard = desk.wizard
    table = desk.find(QTableWidget, "checkProblems", wizard)
    assert [table.item(0, i).text() for i in range(4)] == [
        *("2", "grade", "Error"),
        "The grade 7 does not lie between 0 and 3.",
    ]
    assert not desk.find(QAbstractButton, "wizardNext", wizard).isEnabled()
    tiny_table(tmp_path)
    desk.click("checkAgain", wizard)
    desk.program.wait(lambda: wizard.check_page.answer is not None)
    assert table.item(0, 2).text() == "Warning"
    assert desk.find(QAbstractButton, "wizardNext", wizard).isEnabled()
    assert desk.text("check_outcome", wizard) == "10 survivors, 10 non-survivors (50 % non-survivors)"
    assert "synthetic" in wizard.check_page._box.title()


def test_closing_the_wizard_ends_a_check_at_once(desk: Desk, tmp_path: Path) -> None:
    desk.use(check_s=3600)
    desk.program.window.actions_by_key["retrain"].trigger()
    desk.wizard.cohort_page.path_edit.setText(str(tiny_table(tmp_path)))
    desk.click("wizardNext", desk.wizard)
    desk.click("wizardCancel", desk.wizard)
    desk.program.wait(lambda: not desk.program.services.runner.busy)
    desk.program.wait(lambda: desk.retraining.wizard is None)


def test_a_check_that_fails_is_one_sentence(desk: Desk, tmp_path: Path) -> None:
    table = tiny_table(tmp_path)
    table.write_bytes(b"\x00\xff not a table")
    desk.program.window.actions_by_key["retrain"].trigger()
    desk.wizard.cohort_page.path_edit.setText(str(table))
    desk.click("wizardNext", desk.wizard)
    desk.program.wait(lambda: "no answer" in desk.text("checkVerdict", desk.wizard))
    assert not desk.find(QAbstractButton, "wizardNext", desk.wizard).isEnabled()


def test_choices_become_arguments_and_an_estimate(desk: Desk, tmp_path: Path) -> None:
    desk.check(tiny_table(tmp_path))
    desk.click("wizardNext", desk.wizard)
    page = desk.wizard.training_page
    model = str(desk.program.services.risk.model_dir)
    # The installed model is an 18, the page begins with 34.
    desk.program.wait(lambda: "is a HyRiskNet-18" in page.problem())
    page.network.setCurrentIndex(0)
    assert page.problem() == ""
    assert page.plan().arguments()[-6:] == ["--score", "grade", "--init", model, "--compare", model]
    desk.click("strategy_scratch", page)
    page.effort.input_size.setValue(64)
    assert "--init" not in page.plan().arguments()
    assert "--size" in page.plan().arguments()
    page.score.setCurrentIndex(1)
    assert "agatston" in page.plan().arguments()
    page.score.setCurrentIndex(0)
    page.effort.folds.setValue(4)
    page.effort.epochs.setValue(3)
    desk.program.wait(lambda: "about 6 min on the CPU, 3.1 GB of memory" in desk.text("estimate", page))
    page.place.name.setText("  ")
    assert page.problem() == "Give the run a name."
    assert not desk.find(QAbstractButton, "wizardNext", desk.wizard).isEnabled()


def test_the_reading_goes_on_beside_a_training(desk: Desk, tmp_path: Path) -> None:
    from tests.helpers.volumes import HEART_CENTRE, block_volume

    desk.use(step_s=0.05)
    desk.start(tiny_table(tmp_path))
    desk.wait_for(RunState.RUNNING)
    desk.program.show(block_volume())
    desk.program.session.place_centre(HEART_CENTRE)
    desk.program.session.set_grade(2)
    desk.program.wait_for_risk()


def test_live_progress_pause_resume_cancel_and_resume(desk: Desk, tmp_path: Path) -> None:
    desk.use(step_s=0.03)
    desk.start(tiny_table(tmp_path))
    desk.wait_for(RunState.RUNNING)
    size = desk.window.size()
    bar = desk.window.monitor.bar
    desk.program.wait(lambda: 0 < bar.value() < 1000)
    # Any of them: on a busy machine the first may be over before the window looks.
    desk.program.wait(lambda: ", stage" in desk.text("trainingNow"))
    table = desk.find(QTableWidget, "foldTable")
    assert [table.item(i, 0).text() for i in range(table.rowCount())] == ["Fold 1", "Fold 2", "Final model"]
    desk.program.wait(lambda: "left" in desk.text("timeLeft"))
    desk.click("pauseTraining")
    desk.wait_for(RunState.PAUSED)
    assert desk.text("runState") == "Paused"
    paused_at = bar.value()
    desk.click("pauseTraining")
    desk.wait_for(RunState.RUNNING)
    desk.program.wait(lambda: bar.value() > paused_at)
    # What was told while it waited: nothing, however long the window took to notice.
    [run] = find_runs(runs_dir())
    told = [json.loads(line)["event"] for line in (run / EVENTS).read_text().splitlines()[:-1]]
    assert told[told.index("paused") + 1] == "resumed"
    desk.click("cancelTraining")
    desk.answer("questionYes")
    desk.wait_for(RunState.CANCELLED)
    assert desk.find(QAbstractButton, "pauseTraining").text() == "&Resume"
    assert not desk.find(QAbstractButton, "cancelTraining").isEnabled()
    desk.use()
    desk.click("pauseTraining")
    desk.wait_for(RunState.FINISHED)
    assert table.item(0, 3).text() == "0.700"
    assert desk.window.size() == size


def test_a_refused_question_changes_nothing(desk: Desk, tmp_path: Path) -> None:
    desk.use(step_s=0.05)
    desk.start(tiny_table(tmp_path))
    desk.wait_for(RunState.RUNNING)
    desk.click("cancelTraining")
    box = desk.find(QMessageBox, "retrainQuestion")
    QTest.keyClick(box, Qt.Key.Key_Escape)
    desk.program.wait(lambda: not box.isVisible())
    [run] = find_runs(runs_dir())
    assert not (run / CONTROL).exists()
    assert desk.state() is RunState.RUNNING


def rebuilt(desk: Desk) -> Desk:
    """As after the program was closed and started again: nothing is left but the files."""
    desk.retraining.close()
    parts = desk.program.services
    again = Retraining(
        parts.runner, parts.shelf, parts.risk, parts.settings, desk.program.window, desk.retraining.launcher.command
    )
    again.show()
    return Desk(desk.program, again)


def test_a_closed_window_finds_the_running_training_again(desk: Desk, tmp_path: Path) -> None:
    desk.use(step_s=0.04)
    desk.start(tiny_table(tmp_path))
    desk.wait_for(RunState.RUNNING)
    desk.click("closeRetrain")
    assert not desk.window.isVisible()
    [run] = find_runs(runs_dir())
    assert lock_is_held(run)
    again = rebuilt(desk)
    assert again.retraining.wizard is None
    again.wait_for(RunState.RUNNING)
    again.program.wait(lambda: again.window.monitor.bar.value() > 0)
    again.click("pauseTraining")
    again.wait_for(RunState.PAUSED)


def test_the_end_of_a_training_is_told_where_nobody_watches(desk: Desk, tmp_path: Path) -> None:
    desk.use(step_s=0.02)
    desk.start(tiny_table(tmp_path))
    desk.wait_for(RunState.RUNNING)
    desk.click("closeRetrain")
    told: list[str] = []
    desk.program.window.commands.message.connect(told.append)
    desk.program.wait(lambda: any("has finished" in text for text in told))


def test_a_killed_training_is_noticed_and_can_be_resumed(desk: Desk, tmp_path: Path) -> None:
    desk.use(step_s=0.03)
    desk.start(tiny_table(tmp_path))
    desk.program.wait(lambda: desk.window.monitor.bar.value() > 50)
    [run] = find_runs(runs_dir())
    with (run / "events.jsonl").open("a") as file:
        file.write('{"event": "step", "unit": "hyr')
    os.kill(json.loads((run / "run.json").read_text())["pid"], signal.SIGTERM if os.name == "nt" else signal.SIGKILL)
    desk.wait_for(RunState.INTERRUPTED)
    assert "ended from outside" in desk.text("trainingNow")
    again = rebuilt(desk)
    again.use()
    again.program.wait(lambda: again.find(QAbstractButton, "pauseTraining").text() == "&Resume")
    again.click("pauseTraining")
    again.wait_for(RunState.FINISHED)
    assert again.window.monitor.bar.value() == 1000


def test_a_failed_training_says_why(desk: Desk, tmp_path: Path) -> None:
    desk.use(fail=True)
    desk.start(tiny_table(tmp_path))
    desk.wait_for(RunState.FAILED)
    assert desk.text("trainingNow") == "The exam in line 7 can't be read; correct the table and resume."
    assert not desk.window.tabs.isTabEnabled(1)


def finished(desk: Desk, tmp_path: Path, bundle: Path | None = None) -> Path:
    desk.use(bundle=bundle)
    desk.start(tiny_table(tmp_path))
    desk.wait_for(RunState.FINISHED)
    desk.program.wait(lambda: desk.window.results.training.aucs.rowCount() > 0)
    return find_runs(runs_dir())[0]


def test_the_results_show_with_what_they_must_not_be_read_without(
    desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = finished(desk, tmp_path)
    assert desk.window.tabs.currentWidget() is desk.window.results
    page = desk.window.results.training
    assert [page.aucs.item(0, i).text().strip() for i in range(4)] == [
        *("HyRiskNet", "0.712"),
        "0.631 to 0.789",
        "0.704 ± 0.061",
    ]
    assert page.aucs.rowCount() == 8
    assert [page.differences.item(1, i).text().strip() for i in (1, 3)] == ["+0.061", "<0.001"]
    assert desk.text("resultHead") == "180 exams, 88 non-survivors (49 %)."
    assert "Tiny test network" in desk.text("comparisonHead")
    assert "+0.110 (95 % CI +0.020 to +0.200; p 0.017)" in desk.text("comparisonDifference")
    assert "may have seen exams like these" in desk.text("comparisonWarning")
    assert "0.497" in desk.text("sanityLine")
    for name in ("rocPlot", "calibrationPlot", "lossPlot", "validationLossPlot", "validationAucPlot"):
        assert "synthetic data" in desk.find(QWidget, name).accessibleName()
    for name in ("aucTable", "differenceTable", "comparisonTable"):
        assert "synthetic data" in desk.find(QTableWidget, name).horizontalHeaderItem(0).text()
    assert "Installed model 0.602" in desk.find(QWidget, "rocPlot").accessibleDescription()
    opened: list[QUrl] = []
    monkeypatch.setattr(QDesktopServices, "openUrl", opened.append)
    desk.click("openReport")
    assert opened == [QUrl.fromLocalFile(str(run / "report.html"))]
    desk.window.tabs.setCurrentIndex(2)
    assert "hyrisknet-18/final done" in desk.window._log.toPlainText()


def test_results_that_are_not_held_out_say_so_above_the_numbers(desk: Desk, tmp_path: Path) -> None:
    run = finished(desk, tmp_path)
    assert not desk.find(QLabel, "resultCaution").isVisible()
    data = json.loads((run / "results.json").read_text())
    sentence = "20 of these 20 exams have trained the starting model before."
    (run / "results.json").write_text(json.dumps(data | {"warning": sentence}))
    desk.window.results.show_results(load_results(run / "results.json"))
    assert desk.text("resultCaution") == sentence
    assert desk.find(QLabel, "resultCaution").isVisible()


def test_installing_changes_the_model_that_speaks(desk: Desk, tmp_path: Path) -> None:
    bundle = write_tiny_bundle(tmp_path / "trained", seed=5, name="My cohort")
    finished(desk, tmp_path, tmp_path / "trained")
    before = desk.program.session.model
    desk.click("installModel")
    desk.program.wait(lambda: desk.program.session.model != before)
    assert desk.program.session.model == ("My cohort", bundle.bundle_sha256)
    desk.program.wait(lambda: "is installed" in desk.text("resultMessage"))
    assert not desk.find(QAbstractButton, "installModel").isEnabled()
    # It is still so after a restart.
    assert desk.program.services.models.active_dir().name.startswith("my-cohort")
    again = rebuilt(desk)
    again.program.wait(lambda: again.text("runState") == "Installed")


def test_a_model_that_was_removed_can_be_installed_from_its_run_again(desk: Desk, tmp_path: Path) -> None:
    bundle = write_tiny_bundle(tmp_path / "trained", seed=5, name="My cohort")
    finished(desk, tmp_path, tmp_path / "trained")
    desk.click("installModel")
    desk.program.wait(lambda: desk.text("runState") == "Installed")
    services = desk.program.services
    name = services.models.active_dir().name
    services.shelf.activate("")
    desk.program.wait(lambda: desk.program.session.model not in (None, ("My cohort", bundle.bundle_sha256)))
    services.shelf.remove(name)
    desk.program.wait(lambda: not services.shelf.busy and desk.text("runState") == "Finished")
    assert "not installed" in desk.text("resultMessage")
    desk.click("installModel")
    desk.program.wait(lambda: desk.program.session.model == ("My cohort", bundle.bundle_sha256))


def test_a_model_no_better_than_chance_is_installed_on_request_only(
    desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAKE_WARNING", "HyRiskNet is not better than chance on this cohort: AUC 0.530.")
    bundle = write_tiny_bundle(tmp_path / "trained", seed=5, name="Noise")
    finished(desk, tmp_path, tmp_path / "trained")
    assert desk.text("resultCaution") == "HyRiskNet is not better than chance on this cohort: AUC 0.530."
    before = desk.program.session.model
    desk.click("installModel")
    assert desk.find(QMessageBox, "retrainQuestion").text().startswith("HyRiskNet is not better than chance")
    assert not desk.program.services.shelf.busy
    assert desk.program.session.model == before
    desk.answer("questionYes")
    desk.program.wait(lambda: desk.program.session.model != before)
    assert desk.program.session.model == ("Noise", bundle.bundle_sha256)


def test_a_model_that_fails_its_self_test_is_not_installed(desk: Desk, tmp_path: Path) -> None:
    write_tiny_bundle(tmp_path / "trained", seed=5)
    edit_description(tmp_path / "trained", training={})
    finished(desk, tmp_path, tmp_path / "trained")
    before = desk.program.session.model
    desk.click("installModel")
    sentence = desk.error(desk.program.window)
    assert sentence.endswith(".")
    assert "Something went wrong" not in sentence
    assert desk.program.session.model == before
    assert "not installed" in desk.text("resultMessage")
    assert desk.find(QAbstractButton, "installModel").isEnabled()


def test_discarding_asks_and_keeps_the_results(desk: Desk, tmp_path: Path) -> None:
    write_tiny_bundle(tmp_path / "trained", seed=5)
    run = finished(desk, tmp_path, tmp_path / "trained")
    desk.click("discardModel")
    desk.answer("questionYes")
    desk.program.wait(lambda: "discarded" in desk.text("resultMessage"))
    assert not (run / "bundle").exists()
    assert (run / "results.json").is_file()
    for name in ("installModel", "discardModel", "pauseTraining", "cancelTraining"):
        assert not desk.find(QAbstractButton, name).isEnabled()


def test_past_runs_stay_listed_and_show_their_own_numbers(desk: Desk, tmp_path: Path) -> None:
    first = finished(desk, tmp_path)
    data = json.loads((first / "results.json").read_text())
    data["n"] = 77
    (first / "results.json").write_text(json.dumps(data))
    desk.start(tiny_table(tmp_path))
    desk.wait_for(RunState.FINISHED)
    assert len(desk.window.runs) == 2
    row = desk.window.runs.index(first)
    desk.window._list.setCurrentRow(row)
    desk.program.wait(lambda: desk.text("resultHead").startswith("77 exams"))
    desk.window._list.setCurrentRow(1 - row)
    desk.program.wait(lambda: desk.text("resultHead").startswith("180 exams"))


def test_a_run_without_readable_results_shows_none_of_another_runs_and_is_not_installed_unasked(
    desk: Desk, tmp_path: Path
) -> None:
    write_tiny_bundle(tmp_path / "trained", seed=5)
    first = finished(desk, tmp_path, tmp_path / "trained")
    desk.program.wait(lambda: desk.find(QLabel, "resultHead").isVisible())
    desk.start(tiny_table(tmp_path))
    desk.wait_for(RunState.FINISHED)
    desk.program.wait(lambda: not desk.program.services.runner.busy)
    (first / "results.json").write_text("{")
    desk.window._list.setCurrentRow(desk.window.runs.index(first))
    assert desk.text("runTitle") == desk.window._run.name
    assert not desk.find(QLabel, "resultHead").isVisible()
    assert "can't be read" in desk.error()
    assert not desk.find(QLabel, "resultHead").isVisible()
    desk.click("installModel")
    assert desk.find(QMessageBox, "retrainQuestion").text().startswith("The results of this run are not known.")
    assert not desk.program.services.shelf.busy


def test_damaged_results_are_said_once(desk: Desk, tmp_path: Path) -> None:
    run = finished(desk, tmp_path)
    (run / "results.json").write_text("{")
    again = rebuilt(desk)
    assert "can't be read" in again.error()
    # Looked at again, as the timer does.
    again.window.refresh()
    again.program.wait(lambda: not again.program.services.runner.busy)
    again.program.qtbot.wait(1)
    assert again.window.findChild(ErrorDialog) is None


def test_a_folder_that_cant_be_written_is_one_sentence(desk: Desk, tmp_path: Path) -> None:
    table = tiny_table(tmp_path)
    desk.check(table)
    desk.click("wizardNext", desk.wizard)
    page = desk.wizard.training_page
    page.network.setCurrentIndex(0)
    # A file stands where the folder should be.
    page.place.folder.setText(str(table))
    desk.program.wait(lambda: page.problem() == "")
    desk.click("wizardNext", desk.wizard)
    assert "choose another folder" in desk.error(desk.wizard)
    assert desk.retraining.wizard is not None


def test_a_run_with_a_hundred_thousand_events_is_read_without_a_stall(desk: Desk, tmp_path: Path) -> None:
    run = finished(desk, tmp_path)
    line = '{"event": "step", "time": 1, "unit": "hyrisknet-18/fold-01", "stage": 1, "loss": 0.5, "done": %.6f}\n'
    with (run / "events.jsonl").open("w") as file:
        file.writelines(line % (i / 100_000) for i in range(100_000))
    again = rebuilt(desk)
    again.window.tabs.setCurrentIndex(0)
    seen: list[float] = []

    def done() -> bool:
        seen.append(again.window._progress.done)
        return seen[-1] > 0.9999

    again.program.wait(done)
    # Bit by bit: the event loop ran between many pieces, whatever the machine's speed.
    assert len(set(seen)) > 5
    x, _, _ = again.window._progress.training_losses()
    assert len(x) < 1000


def test_closing_the_program_leaves_the_training_alone(desk: Desk, tmp_path: Path) -> None:
    desk.use(step_s=0.05)
    desk.start(tiny_table(tmp_path))
    desk.wait_for(RunState.RUNNING)
    desk.program.window.close()
    assert not desk.window.isVisible()
    [run] = find_runs(runs_dir())
    assert lock_is_held(run)
