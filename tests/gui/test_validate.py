"""Tools > Validate, with a stand-in for the training process."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PySide6.QtWidgets import QMessageBox, QRadioButton, QTableWidget

from hyrisk_desktop.errors import InputError
from hyrisk_desktop.gui.retrain.plan import ValidationPlan
from hyrisk_desktop.gui.retrain.run_files import find_runs
from hyrisk_desktop.gui.retrain.training_process import RunState
from hyrisk_desktop.gui.retrain.validation_results import load_validation
from hyrisk_desktop.paths import runs_dir
from tests.gui.test_reproduce_paper import texts
from tests.gui.test_retrain import Desk, desk  # noqa: F401
from tests.helpers.bundles import write_tiny_bundle
from tests.helpers.fake_training import validation_document
from tests.helpers.training import tiny_table


def start(desk: Desk, table: Path) -> Path:  # noqa: F811
    desk.program.window.actions_by_key["validate"].trigger()
    wizard = desk.wizard
    assert desk.find(QRadioButton, "goalValidate", wizard).isChecked()
    wizard.cohort_page.path_edit.setText(str(table))
    desk.click("wizardNext", wizard)
    desk.program.wait(lambda: wizard.check_page.answer is not None)
    desk.click("wizardNext", wizard)
    assert "3  Validation" in desk.text("wizardSteps", wizard)
    desk.click("wizardNext", wizard)
    desk.program.wait(lambda: desk.retraining.wizard is None and desk.window.isVisible())
    return find_runs(runs_dir())[0]


def test_the_model_in_use_is_validated_and_its_recalibration_installed(desk: Desk, tmp_path: Path) -> None:  # noqa: F811
    write_tiny_bundle(tmp_path / "made", name="Tiny, recalibrated on our cohort, n = 171")
    desk.use(bundle=tmp_path / "made")
    run = start(desk, tiny_table(tmp_path))
    desk.wait_for(RunState.FINISHED)
    view = desk.window.results.validation
    desk.program.wait(lambda: view.aucs.rowCount() > 0)
    record = json.loads((run / "run.json").read_text())
    assert record["kind"] == "validation"
    arguments = record["arguments"]
    assert arguments[0] == str(tmp_path / "table.csv")
    assert (
        Path(arguments[arguments.index("--model") + 1]).name
        == desk.program.window.commands.retraining._risk.model_dir.name
    )
    assert texts(view.aucs)[0] == ["HyRiskNet", "0.712", "0.632 to 0.782"]
    assert texts(view.calibration) == [
        ["HyRiskNet", "0.51 / 0.43", "−0.35", "0.72 (0.51 to 1.04)", "0.223"],
        ["recalibrated", "0.51 / 0.43", "0.00", "0.98 (0.77 to 1.30)", "0.212"],
        ["RiskNet", "0.51 / 0.43", "−0.35", "0.66 (0.45 to 0.98)", "0.230"],
        ["recalibrated", "0.51 / 0.43", "0.00", "0.98 (0.77 to 1.30)", "0.212"],
    ]
    assert texts(view.guard)[:3] == [
        ["Risks withheld", "9 of 180, 5 % (0 to 11)"],
        ["Unlike the training data at the reader’s own click", "4 of 180, 2 % (0 to 8)"],
        ["Clicks 20 mm off that are withheld", "251 of 300, 84 % (79 to 90)"],
    ]
    assert texts(view.groups) == [
        ["Kernel: B30f", "97", "41", "0.511", "0.423", "0.703 (0.601 to 0.799)"],
        ["Sex: F", "12", "5", "0.490", "0.417", "–"],
    ]
    line = desk.text("recalibrationLine")
    assert "HyRiskNet: log odds × 0.74 − 0.31; RiskNet: log odds × 0.69 − 0.31" in line
    assert "171 cases" in line
    assert "10 folds" in line
    assert desk.text("validationCaution") == "Only 78 cases of the rarer outcome."
    for table in (view.aucs, view.calibration, view.guard, view.groups, view.differences):
        assert table.horizontalHeaderItem(0).text().endswith("synthetic data")
    desk.click("installModel")
    desk.program.wait(lambda: "is installed" in desk.text("resultMessage"))


def test_nothing_of_a_training_shows_while_exams_are_read(desk: Desk, tmp_path: Path) -> None:  # noqa: F811
    desk.use(hold=True)
    start(desk, tiny_table(tmp_path))
    desk.program.wait(lambda: desk.text("trainingNow").startswith("Reading the exams as the program reads them: "))
    assert not desk.window.monitor.loss.isVisible()
    assert not desk.find(QTableWidget, "foldTable").isVisible()
    assert "left" in desk.text("timeLeft")
    desk.click("cancelTraining")
    desk.answer("questionYes")
    desk.wait_for(RunState.CANCELLED)
    desk.use()
    desk.click("pauseTraining")
    desk.wait_for(RunState.FINISHED)
    assert desk.window.monitor.bar.value() == 1000


def test_a_recalibration_that_wins_nothing_is_asked_about(
    desk: Desk,  # noqa: F811
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    write_tiny_bundle(tmp_path / "made")
    monkeypatch.setenv("FAKE_WARNING", "The recalibrated risk is no better.")
    desk.use(bundle=tmp_path / "made")
    start(desk, tiny_table(tmp_path))
    desk.wait_for(RunState.FINISHED)
    desk.program.wait(lambda: desk.window.results.validation.aucs.rowCount() > 0)
    assert desk.text("validationCaution").endswith("outcome. The recalibrated risk is no better.")
    desk.click("installModel")
    assert desk.find(QMessageBox, "retrainQuestion").text().startswith("The recalibrated risk is no better. Install")
    desk.answer("questionYes")
    desk.program.wait(lambda: "is installed" in desk.text("resultMessage"))


def test_the_device_is_passed_on_only_where_it_is_chosen() -> None:
    plan = ValidationPlan(Path("/c"), Path("/m"))
    assert plan.arguments() == ["/c", "--model", "/m"]
    assert ValidationPlan(Path("/c"), Path("/m"), "cuda").arguments() == ["/c", "--model", "/m", "--device", "cuda"]


def damaged(change: Callable[[Any], object]) -> str:
    document = copy.deepcopy(validation_document())
    change(document)
    return json.dumps(document)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        damaged(lambda d: d.update(schema_version=2)),
        damaged(lambda d: d.update(n=0)),
        damaged(lambda d: d.update(n="180")),
        damaged(lambda d: d.update(non_survivors=181)),
        damaged(lambda d: d["discrimination"].update(hyrisknet=None)),
        damaged(lambda d: d["calibration"].update(other=d["calibration"]["risknet"])),
        damaged(lambda d: d["calibration"]["risknet"].pop("slope")),
        damaged(lambda d: d["calibration"]["risknet"]["curve"][0].update(observed=1.2)),
        damaged(lambda d: d["guard"].pop("clicks_off")),
        damaged(lambda d: d["guard"]["withheld"].update(n=-1)),
        damaged(lambda d: d["roc"]["grade"]["fpr"].append(0.5)),
        damaged(lambda d: d["recalibration"]["heads"]["risknet"].pop("after")),
        damaged(lambda d: d.pop("recalibration")),
        damaged(lambda d: d.update(subgroups={})),
    ],
)
def test_hostile_results_are_one_sentence(text: str, tmp_path: Path) -> None:
    path = tmp_path / "validation.json"
    path.write_text(text)
    with pytest.raises(InputError) as e:
        load_validation(path)
    assert e.value.code == "results_unreadable"


def test_no_recalibration_says_why(tmp_path: Path) -> None:
    path = tmp_path / "validation.json"
    path.write_text(damaged(lambda d: d.update(recalibration={"refused": "Too few patients."}, bundle=None)))
    results = load_validation(path)
    assert results.recalibration == "Too few patients."
    assert [row[0] for row in results.calibration] == ["HyRiskNet", "RiskNet"]
    assert [curve.key for curve in results.curves] == ["hyrisknet", "risknet"]


def test_what_does_not_say_that_it_is_real_is_synthetic(tmp_path: Path) -> None:
    path = tmp_path / "validation.json"
    for said, shown in ((True, True), (False, False), (None, True)):
        path.write_text(damaged(lambda d, said=said: d.update(synthetic=said)))
        assert load_validation(path).synthetic is shown
