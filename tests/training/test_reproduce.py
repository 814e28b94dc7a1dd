"""`hyrisk reproduce`: the paper's table and figures, in several processes, resumed, and its page."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from hyrisk_desktop.errors import InputError
from model_training.paper import PAPER_TABLE1, joint_auc
from model_training.phantom.cohort import balanced_seeds
from model_training.phantom.subject import make_subject
from model_training.reproduction import results
from model_training.reproduction.command import add_commands
from model_training.reproduction.page import write_page
from model_training.reproduction.plan import Plan, Task
from model_training.units import Settings, Unit
from tests.helpers.training_runs import run_here

FAST = ["--folds", "2", "--epochs", "1", "--size", "32", "--batch", "8", "--device", "cpu", "--strategies", "scratch"]


def reproduce(cohort: Path, cache: Path, out: Path, *more: str) -> tuple[int, str, str]:
    return run_here("reproduce", str(cohort), "--out", str(out), "--cache", str(cache), *FAST, *more)


@pytest.fixture(scope="module")
def whole(cohort: Path, cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of one network by two processes first, then of two: the finished folds are taken over."""
    out = tmp_path_factory.mktemp("runs") / "whole"
    code, _, err = reproduce(cohort, cache, out, "--networks", "18", "--workers", "2", "--no-bundles")
    assert code == 0, err
    done = {path: path.stat().st_mtime_ns for path in out.glob("units/*/folds/hyrisknet-18/fold-*/predictions.json")}
    assert len(done) == 4  # two folds with the grade, two with Agatston
    code, _, err = reproduce(cohort, cache, out, "--networks", "18,34")
    assert code == 0, err
    assert {path: path.stat().st_mtime_ns for path in done} == done
    return out


def test_what_each_stage_predicted_stands_in_its_own_column(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    plan = Plan(Settings("c", "k", depths=(18,), folds=2), bundles=False)

    def one(run: Path, strategy: str, score: str, unit: Unit) -> dict[str, list[float]]:
        first = 10.0 * unit.fold + (5.0 if score == "agatston" else 0.0)
        test = [unit.fold - 1, unit.fold + 1]
        return {
            "test": test,
            "stage_one": [first, first + 1],
            "risknet": [first + 2, first + 3],
            "hyrisknet": [first + 4] * 2,
        }

    monkeypatch.setattr(results, "prediction", one)
    found = results.collect(plan, tmp_path, range(4))  # type: ignore[arg-type]
    assert set(found) == {("scratch", "grade", 18), ("scratch", "agatston", 18)}
    columns = found["scratch", "grade", 18]
    assert columns["risknet"].tolist() == [10, 20, 11, 21]
    assert columns["joint_risknet"].tolist() == [12, 22, 13, 23]
    assert columns["hyrisknet"].tolist() == [14, 24, 14, 24]
    assert found["scratch", "agatston", 18]["risknet"].tolist() == [15, 25, 16, 26]


def test_table_and_figures_stand_beside_the_papers(whole: Path) -> None:
    found = json.loads((whole / "reproduction.json").read_text())
    assert found["synthetic"] is True
    assert [row["network"] for row in found["table1"]] == ["hyrisknet-18", "hyrisknet-34"]
    for row, depth in zip(found["table1"], (18, 34), strict=True):
        for head in ("risknet", "hyrisknet"):
            part = row[head]
            assert (part["paper_mean"], part["paper_sd"]) == PAPER_TABLE1[head][depth]
            assert part["mean"] == pytest.approx(np.mean(part["folds"]), abs=1e-4)
            assert part["sd"] == pytest.approx(np.std(part["folds"], ddof=1), abs=2e-4)
    assert list(found["fig2"]) == ["grade", "agatston"]
    assert list(found["fig3"]) == ["agatston", "category", "volume", "sqrt_volume", "grade", "risknet", "hyrisknet"]
    assert found["details"]["network"] == "hyrisknet-34"
    assert found["fig2"]["grade"] == found["fig3"]["hyrisknet"] == found["table1"][1]["hyrisknet"]["mean"]
    for row in found["details"]["fig3"].values():
        assert np.trapezoid(row["curve"]["tpr"], row["curve"]["fpr"]) == pytest.approx(row["mean"], abs=2e-4)
    assert [row["strategy"] for row in found["strategies"]] == ["scratch"]
    assert (found["settings"]["cohort"], found["patient_overlap"]) == ("", 0)
    for name in ("fig2.png", "fig3.png", "table1.html"):
        assert (whole / name).stat().st_size > 500


def test_both_scores_share_stage_one_and_no_weights_of_folds_are_left(whole: Path) -> None:
    for fold in ("fold-01", "fold-02"):
        one, other = (
            json.loads((whole / "units" / part / "folds/hyrisknet-34" / fold / "predictions.json").read_text())
            for part in ("scratch-grade", "scratch-agatston")
        )
        assert one["stage_one"] == pytest.approx(other["stage_one"], abs=1e-4)
        assert one["hyrisknet"] != other["hyrisknet"]
    assert not list(whole.glob("units/*/folds/*/fold-*/stage-*/*.safetensors"))


def test_each_network_has_its_bundle(whole: Path) -> None:
    for depth in (18, 34):
        described = json.loads((whole / f"bundles/hyrisknet-{depth}/model.json").read_text())
        assert f"hyrisknet-{depth}" in json.dumps(described)


def test_other_settings_are_refused(whole: Path, cohort: Path, cache: Path) -> None:
    parser = argparse.ArgumentParser()
    add_commands(parser.add_subparsers())
    line = ["reproduce", str(cohort), "--out", str(whole), "--cache", str(cache), *FAST, "--networks", "18"]
    arguments = parser.parse_args([*line, "--epochs", "2"])
    arguments.words = line
    with pytest.raises(InputError, match="another reproduction"):
        arguments.run(arguments)


def test_the_page_says_what_is_synthetic_and_what_the_numbers_can_show(whole: Path, tmp_path: Path) -> None:
    page = write_page(whole, tmp_path / "page").read_text(encoding="utf-8")
    assert "SYNTHETIC" in page
    assert "0.75 ± 0.14" in page
    assert "0.737" in page
    assert sorted(p.name for p in (tmp_path / "page").iterdir()) == [
        "README.md", "fig2.png", "fig3.png", "reproduction.json", "table1.html",
    ]  # fmt: skip
    with pytest.raises(InputError):
        write_page(tmp_path, tmp_path / "nothing")


def test_independent_predictors_add_in_quadrature() -> None:
    assert joint_auc(0.70, 0.64) == pytest.approx(0.7373, abs=1e-3)
    assert joint_auc(0.70, 0.5) == pytest.approx(0.70)


def plan(depths: Sequence[int], strategies: Sequence[str] = ("scratch",), bundles: bool = True) -> Plan:
    return Plan(Settings("c", "k", depths=tuple(depths), folds=2), tuple(strategies), "imagenet", bundles)


def test_a_plan_has_each_fold_once_the_largest_first_and_final_fits_last() -> None:
    tasks = plan((18, 152, 34), ("scratch", "frozen")).tasks()
    assert [(t.strategy, t.depth, t.fold) for t in tasks[:2]] == [("scratch", 152, 1), ("scratch", 152, 2)]
    assert [t.depth for t in tasks[-3:] if t.fold == 0] == [18, 152, 34]
    assert [t for t in tasks if t.strategy == "frozen"] == [Task("frozen", 34, 1), Task("frozen", 34, 2)]
    assert len(tasks) == len(set(tasks)) == 11
    assert not [t for t in plan((18,), bundles=False).tasks() if t.fold == 0]


def test_agatston_is_trained_for_the_network_of_the_figures_alone() -> None:
    both = plan((18, 34), ("scratch", "frozen"))
    assert both.scores(Task("scratch", 34, 1)) == ("grade", "agatston")
    for other in (Task("scratch", 18, 1), Task("scratch", 34, 0), Task("frozen", 34, 1)):
        assert both.scores(other) == ("grade",)
    assert plan((18, 50)).figure_depth == 18
    assert Plan.from_json(both.to_json()) == both


def test_balanced_cohorts_have_as_many_of_either_outcome() -> None:
    seeds = balanced_seeds(20, 6_100_000)
    assert sum(make_subject(seed).non_survivor for seed in seeds) == 10
    assert seeds == sorted(set(seeds))
    assert seeds[0] == 6_100_000
    with pytest.raises(InputError):
        balanced_seeds(21, 6_100_000)
