"""Tools > Retrain > Reproduce the paper, with a stand-in for the training process."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PySide6.QtCore import QUrl
from PySide6.QtGui import QDesktopServices
from PySide6.QtWidgets import QAbstractButton, QComboBox, QRadioButton, QTableWidget, QWidget

from hyrisk_desktop.errors import InputError
from hyrisk_desktop.gui.dialogs.message import ErrorDialog
from hyrisk_desktop.gui.retrain.plan import ReproductionPlan
from hyrisk_desktop.gui.retrain.progress import Progress, full_name
from hyrisk_desktop.gui.retrain.reproduction_results import load_reproduction
from hyrisk_desktop.gui.retrain.run_files import bundles_of, find_runs
from hyrisk_desktop.gui.retrain.training_process import RunState
from hyrisk_desktop.paths import runs_dir
from tests.gui.test_retrain import Desk, desk, rebuilt  # noqa: F401
from tests.helpers.bundles import write_tiny_bundle
from tests.helpers.training import tiny_table


def choose(desk: Desk, table: Path) -> None:  # noqa: F811
    """Through the wizard to the paper's own page, with two networks, two folds and one epoch."""
    desk.program.window.actions_by_key["retrain"].trigger()
    if desk.retraining.wizard is None:
        desk.click("reproducePaper")
    wizard = desk.wizard
    desk.find(QRadioButton, "goalReproduce", wizard).setChecked(True)
    wizard.cohort_page.path_edit.setText(str(table))
    desk.click("wizardNext", wizard)
    desk.program.wait(lambda: wizard.check_page.answer is not None)
    desk.click("wizardNext", wizard)
    page = wizard.reproduction_page
    for depth in (50, 101, 152):
        page.networks[depth].setChecked(False)
    page.effort.folds.setValue(2)
    page.effort.epochs.setValue(1)


def start(desk: Desk, table: Path) -> Path:  # noqa: F811
    choose(desk, table)
    desk.program.wait(lambda: desk.wizard.reproduction_page.problem() == "")
    desk.click("wizardNext", desk.wizard)
    desk.program.wait(lambda: desk.retraining.wizard is None and desk.window.isVisible())
    return find_runs(runs_dir())[0]


def finished(desk: Desk, tmp_path: Path, bundle: Path | None = None) -> Path:  # noqa: F811
    desk.use(bundle=bundle)
    run = start(desk, tiny_table(tmp_path))
    desk.wait_for(RunState.FINISHED)
    desk.program.wait(lambda: desk.window.results.reproduction.table.rowCount() > 0)
    return run


def texts(table: QTableWidget) -> list[list[str]]:
    return [
        [table.item(row, column).text().strip() for column in range(table.columnCount())]
        for row in range(table.rowCount())
    ]


def test_the_choices_are_the_commands_and_an_estimate_comes_first(desk: Desk, tmp_path: Path) -> None:  # noqa: F811
    choose(desk, tiny_table(tmp_path))
    page = desk.wizard.reproduction_page
    assert desk.wizard.page == 2
    assert "3  The paper" in desk.text("wizardSteps", desk.wizard)
    assert page.plan().arguments() == [
        str(tmp_path / "table.csv"), "--networks", "18,34", "--folds", "2", "--epochs", "1",
    ]  # fmt: skip
    # Two networks with two folds and a final fit each: six minutes in the stand-in's words.
    desk.program.wait(lambda: "about 6 min on the CPU, 2.2 GB of memory" in desk.text("paper_estimate", page))
    page.imagenet.setChecked(False)
    page.effort.input_size.setValue(96)
    page.effort.device.setCurrentIndex(1)
    more = ["--strategies", "scratch", "--device", "cpu", "--size", "96"]
    assert page.plan().arguments()[-6:] == more
    assert page.plan().estimate_arguments()[-2:] == ["--estimate", "--json"]
    for check in page.networks.values():
        check.setChecked(False)
    assert desk.text("reproductionProblem", page) == "Choose a network."
    assert not desk.find(QAbstractButton, "wizardNext", desk.wizard).isEnabled()
    # And back again to a training on the same cohort.
    desk.click("wizardBack", desk.wizard)
    desk.click("wizardBack", desk.wizard)
    assert desk.wizard.page == 0
    desk.find(QRadioButton, "goalTrain", desk.wizard).setChecked(True)
    assert "3  Training" in desk.text("wizardSteps", desk.wizard)


def test_everything_of_the_paper_is_what_the_command_does_by_itself() -> None:
    assert ReproductionPlan(Path("/c")).arguments() == [
        "/c", "--networks", "18,34,50,101,152", "--folds", "10", "--epochs", "20",
    ]  # fmt: skip


def test_progress_pause_cancel_and_resume(desk: Desk, tmp_path: Path) -> None:  # noqa: F811
    desk.use(step_s=0.02)
    run = start(desk, tiny_table(tmp_path))
    desk.wait_for(RunState.RUNNING)
    desk.program.wait(lambda: desk.text("trainingNow").startswith("HyRiskNet-"))
    table = desk.find(QTableWidget, "foldTable")
    assert [table.item(i, 0).text() for i in range(table.rowCount())] == [
        "HyRiskNet-18, Fold 1", "HyRiskNet-18, Fold 2", "HyRiskNet-34, Fold 1", "HyRiskNet-34, Fold 2",
        "HyRiskNet-18, Final model", "HyRiskNet-34, Final model",
    ]  # fmt: skip
    desk.click("pauseTraining")
    desk.wait_for(RunState.PAUSED)
    desk.click("pauseTraining")
    desk.wait_for(RunState.RUNNING)
    desk.click("cancelTraining")
    desk.answer("questionYes")
    desk.wait_for(RunState.CANCELLED)
    desk.use()
    desk.click("pauseTraining")
    desk.wait_for(RunState.FINISHED)
    assert json.loads((run / "run.json").read_text())["kind"] == "reproduction"


def test_a_killed_reproduction_goes_on_as_one(desk: Desk, tmp_path: Path) -> None:  # noqa: F811
    desk.use(step_s=0.03)
    run = start(desk, tiny_table(tmp_path))
    desk.program.wait(lambda: desk.window.monitor.bar.value() > 50)
    os.kill(json.loads((run / "run.json").read_text())["pid"], signal.SIGTERM if os.name == "nt" else signal.SIGKILL)
    desk.wait_for(RunState.INTERRUPTED)
    # Even where it was killed before it could say what it is.
    (run / "run.json").unlink()
    (run / "window.json").write_text(json.dumps(json.loads((run / "window.json").read_text()) | {"launched": 0}))
    again = rebuilt(desk)
    again.use()
    again.program.wait(lambda: again.find(QAbstractButton, "pauseTraining").text() == "&Resume")
    again.click("pauseTraining")
    again.wait_for(RunState.FINISHED)
    assert (run / "reproduction.json").is_file()
    assert not (run / "results.json").exists()


def test_table_and_figures_show_beside_the_papers(
    desk: Desk,  # noqa: F811
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    run = finished(desk, tmp_path)
    page = desk.window.results.reproduction
    assert desk.window.tabs.currentWidget() is desk.window.results
    assert page.isVisible()
    assert texts(page.table) == [
        ["18", "0.61 ± 0.08", "0.67 ± 0.09", "0.63 ± 0.09", "0.69 ± 0.13", "+0.021 (−0.040 to +0.081)"],
        ["34", "0.66 ± 0.10", "0.70 ± 0.08", "0.68 ± 0.11", "0.75 ± 0.14", "−0.032 (−0.090 to −0.002)"],
    ]
    assert texts(page.figures[0]) == [
        ["HyRiskNet-34, grade", "0.68 ± 0.11", "0.75"],
        ["HyRiskNet-34, Agatston", "0.67 ± 0.11", "0.71"],
    ]
    assert [row[0] for row in texts(page.figures[1])] == [
        "Region Agatston", "Agatston category", "Volume", "Square root of volume", "Grade", "RiskNet-34", "HyRiskNet-34",
    ]  # fmt: skip
    assert [row[2] for row in texts(page.figures[1])] == ["0.61", "0.61", "0.62", "0.62", "0.64", "0.70", "0.75"]
    assert texts(page.strategies) == [["From scratch", "0.66 ± 0.10", "0.68 ± 0.10"], ["Frozen", "–", "–"]]
    assert desk.text("strategyNotes") == "The ImageNet weights can't be had."
    assert desk.text("reproductionHead") == "180 exams, 90 non-survivors, 2 folds. Mean AUC ± SD over the folds."
    assert "about 90 exams" in desk.text("reproductionReading")
    for name in ("fig2Plot", "fig3Plot"):
        assert "synthetic data" in desk.find(QWidget, name).accessibleName()
    for name in ("paperTable", "fig2Table", "fig3Table", "strategyTable"):
        assert "synthetic data" in desk.find(QTableWidget, name).horizontalHeaderItem(0).text()
    # Each row shows the line of its curve, and no two of a figure look alike.
    looks = [
        [table.item(i, 0).icon().pixmap(30, 14).toImage() for i in range(table.rowCount())] for table in page.figures
    ]
    for pictures in looks:
        assert all(a != b for i, a in enumerate(pictures) for b in pictures[:i])
    opened: list[QUrl] = []
    monkeypatch.setattr(QDesktopServices, "openUrl", opened.append)
    desk.click("openReport")
    assert opened == [QUrl.fromLocalFile(str(run / "report.html"))]


def test_a_model_of_each_network_can_be_installed(desk: Desk, tmp_path: Path) -> None:  # noqa: F811
    bundle = write_tiny_bundle(tmp_path / "trained", seed=5, name="Of the paper")
    run = finished(desk, tmp_path, tmp_path / "trained")
    assert [path.name for path in bundles_of(run)] == ["hyrisknet-18", "hyrisknet-34"]
    models = desk.find(QComboBox, "modelOfRun")
    assert models.isVisible()
    assert [models.itemText(i) for i in range(models.count())] == ["HyRiskNet-18", "HyRiskNet-34"]
    assert f"in “{run.name}/bundles”" in desk.text("resultMessage")
    models.setCurrentIndex(1)
    assert desk.window.results.bar.bundle == run / "bundles" / "hyrisknet-34"
    desk.click("installModel")
    desk.program.wait(lambda: desk.program.session.model == ("Of the paper", bundle.bundle_sha256))
    desk.program.wait(lambda: "A model of this run is installed" in desk.text("resultMessage"))
    assert models.currentIndex() == 1
    desk.click("discardModel")
    desk.answer("questionYes")
    desk.program.wait(lambda: "discarded" in desk.text("resultMessage"))
    assert not (run / "bundles").exists()
    assert not models.isVisible()


def test_bundles_are_in_the_order_of_their_depth(tmp_path: Path) -> None:
    for name in (
        "hyrisknet-152",
        "hyrisknet-34",
        "hyrisknet-101",
        "hyrisknet-1",
        "hyrisknet-1000",
        "other",
        "hyrisknet-x1",
    ):
        (tmp_path / "bundles" / name).mkdir(parents=True)
    (tmp_path / "bundles" / "hyrisknet-18").write_text("no folder")
    assert [p.name for p in bundles_of(tmp_path)] == ["hyrisknet-34", "hyrisknet-101", "hyrisknet-152"]
    (tmp_path / "bundle").mkdir()
    assert bundles_of(tmp_path) == [tmp_path / "bundle"]
    assert bundles_of(tmp_path / "none") == []


def test_damaged_results_are_said_once(desk: Desk, tmp_path: Path) -> None:  # noqa: F811
    run = finished(desk, tmp_path)
    (run / "reproduction.json").write_text("{")
    again = rebuilt(desk)
    assert "The results of this reproduction can't be read" in again.error()
    again.window.refresh()
    again.program.qtbot.wait(1)
    assert again.window.findChild(ErrorDialog) is None


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What the stand-in writes."""
    from tests.helpers import fake_training

    folder = tmp_path_factory.mktemp("fake")
    arguments = ["cohort", "--networks", "18,34", "--folds", "10"]
    fake_training.reproduction(fake_training.Run(folder, arguments), arguments)
    found: dict[str, Any] = json.loads((folder / "reproduction.json").read_text())
    return found


def put(path: str, value: object) -> Callable[[dict[str, Any]], None]:
    def change(data: dict[str, Any]) -> None:
        *way, last = path.split(".")
        place: Any = data
        for key in way:
            place = place[int(key) if key.isdecimal() else key]
        place[int(last) if last.isdecimal() else last] = value

    return change


HOSTILE = {
    "another version": put("schema_version", 2),
    "a table that is none": put("table1", {"a": 1}),
    "rows without end": put("table1", [{}] * 21),
    "a network that is a script": put("table1.0.network", "<script>"),
    "a network that is a number": put("details.network", 34),
    "more than one": put("table1.0.risknet.mean", 1.01),
    "less than nothing": put("table1.1.hyrisknet.sd", -0.01),
    "no number": put("details.fig3.grade.mean", "0.7"),
    "truth": put("details.fig3.grade.paper_auc", True),
    "not a number": put("table1.0.risknet.mean", float("nan")),
    "a curve outside": put("details.fig2.grade.curve", {"fpr": [0, 2], "tpr": [0, 1]}),
    "a curve of nothing": put("details.fig2.grade.curve", {"fpr": [0, float("nan")], "tpr": [0, 1]}),
    "a curve of two lengths": put("details.fig2.grade.curve", {"fpr": [0, 1], "tpr": [0, 0.5, 1]}),
    "a number beyond all": put("details.fig2.grade.curve", {"fpr": [0, 10**400], "tpr": [0, 1]}),
    "no folds": put("settings.folds", 0),
    "more folds than exams": put("settings.folds", 181),
    "more deaths than exams": put("non_survivors", 181),
    "exams below nothing": put("n", -1),
    "a strategy of its own": put("strategies.0.strategy", "evil"),
    "a note without end": put("strategies.0.note", "x" * 401),
    "a note that is a list": put("strategies.0.note", ["x"]),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_hostile_results_are_one_sentence(case: str, good: dict[str, Any], tmp_path: Path) -> None:
    data = json.loads(json.dumps(good))
    path = tmp_path / "reproduction.json"
    path.write_text(json.dumps(data))
    assert len(load_reproduction(path).table) == 2
    HOSTILE[case](data)
    path.write_text(json.dumps(data))
    with pytest.raises(InputError, match=r"^The results of this reproduction can't be read; its log has more\.$"):
        load_reproduction(path)


def test_what_is_just_within_the_limits_is_shown(good: dict[str, Any], tmp_path: Path) -> None:
    data = json.loads(json.dumps(good))
    for change in (
        put("table1", [good["table1"][0]] * 20), put("table1.0.risknet.mean", 1.0), put("table1.0.risknet.sd", 0.0),
        put("settings.folds", 180), put("non_survivors", 180), put("strategies.0.note", "x" * 400),
        put("details.fig2.agatston.mean", None), put("details.fig3.grade.sd", None),
        put("table1.19.difference", {"difference": 0.0, "ci": [None, None], "p": None}),
    ):  # fmt: skip
        change(data)
    # The first row and the last are one and the same list's rows: they must be changed apart.
    path = tmp_path / "reproduction.json"
    path.write_text(json.dumps(data))
    found = load_reproduction(path)
    assert len(found.table) == 20
    assert found.table[19][5] == "+0.000"
    assert found.figures[0].rows[1][1] == "–"
    assert found.figures[1].rows[4][1] == "0.65"
    del data["details"]["fig3"]["grade"]
    path.write_text(json.dumps(data))
    assert len(load_reproduction(path).figures[1].rows) == 6


def test_real_results_are_read(tmp_path: Path) -> None:
    found = load_reproduction(Path(__file__).parents[2] / "resources" / "reproduction" / "reproduction.json")
    assert found.synthetic
    assert [row[0] for row in found.table] == ["18", "34", "50", "101", "152"]
    assert found.table[1][1:5] == ("0.67 ± 0.11", "0.70 ± 0.08", "0.73 ± 0.13", "0.75 ± 0.14")


def test_units_are_named_by_what_tells_them_apart() -> None:
    one = ("hyrisknet-34/fold-01", "hyrisknet-34/final")
    assert full_name(one[0], one) == "Fold 1"
    two = ("scratch/hyrisknet-18/fold-01", "scratch/hyrisknet-34/fold-01")
    assert full_name(two[1], two) == "HyRiskNet-34, Fold 1"
    ways = ("scratch/hyrisknet-34/fold-01", "frozen/hyrisknet-34/fold-10")
    assert full_name(ways[1], ways) == "frozen, Fold 10"
    assert full_name("odd", two) == "odd"


def test_units_side_by_side_are_all_in_training_and_their_ends_count() -> None:
    progress = Progress()
    units = ["scratch/hyrisknet-18/fold-01", "scratch/hyrisknet-18/fold-02"]
    progress.apply({"event": "start", "units": units, "seconds": 900})
    assert progress.seconds_left == 900
    progress.apply({"event": "step", "unit": units[0], "done": 0.1, "seconds_left": None})
    progress.apply({"event": "step", "unit": units[1], "done": 0.2, "seconds_left": 700})
    assert progress.begun == set(units)
    assert progress.seconds_left == 700
    progress.apply({"event": "unit", "unit": units[1], "done": 0.55, "risknet_auc": 0.6, "hyrisknet_auc": 0.7})
    assert progress.done == 0.55
    assert progress.is_done(units[1])
    assert not progress.is_done(units[0])
    progress.apply({"event": "start", "units": units})
    assert progress.begun == set()
