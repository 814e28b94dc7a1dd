"""A tiny cohort goes the whole way in processes of its own: train, die, resume, evaluate, export, load, predict."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from filelock import FileLock

from hyrisk_desktop.imaging.volume import CTVolume
from hyrisk_desktop.risk.predictor import Predictor
from hyrisk_desktop.risk.self_test import self_test
from model_training.phantom.cohort import draw_case
from model_training.report import _page
from tests.helpers.patience import PATIENCE_S
from tests.helpers.training_runs import OPTIONS, epochs, events, finish, run_here, start, train_here, wait_for


def test_killed_and_resumed_it_learns_exactly_the_same(
    finished: Path, cohort: Path, cache: Path, tmp_path: Path
) -> None:
    run = tmp_path / "killed"
    for stage in (1, 2):
        process = start(cohort, cache, run, "--checkpoint-seconds", "0")
        wait_for(run, "epoch", stage, process)
        process.kill()
        process.communicate()
        assert json.loads((run / "run.json").read_text())["state"] == "running"
        with FileLock(run / "run.lock", timeout=0):
            pass
    assert train_here(cohort, cache, run)[0] == 0
    whole, again = epochs(finished), epochs(run)
    assert whole.keys() == again.keys()
    for key, losses in whole.items():
        for a, b in zip(losses, again[key], strict=True):
            assert a == b or abs(a - b) < 1e-6, key
    results = [json.loads((path / "results.json").read_text()) for path in (finished, run)]
    assert results[0]["pooled"] == results[1]["pooled"]
    assert json.loads((run / "run.json").read_text())["state"] == "finished"


def test_results_are_complete_and_say_what_they_are(finished: Path) -> None:
    results = json.loads((finished / "results.json").read_text())
    assert results["synthetic"] is True
    assert (results["n"], results["patient_overlap"]) == (24, 0)
    assert len(results["folds"]) == 2
    assert set(results["baselines"]) == {"grade", "agatston", "category", "volume", "sqrt_volume", "grade_agatston"}
    assert results["pooled"]["ci"][0] <= results["pooled"]["auc"] <= results["pooled"]["ci"][1]
    assert 0 <= results["permutation_auc"] <= 1
    assert results["warning"] == ""
    members = [json.loads(p.read_text()) for p in sorted(finished.glob("folds/*/fold-*/members.json"))]
    assert sorted(i for m in members for i in m["test"]) == list(range(24))
    page = (finished / "report.html").read_text(encoding="utf-8")
    assert page.count("ynthetic data") >= 8
    assert "http://" not in page.replace("http://www.w3.org", "")
    assert "https://" not in page
    assert len(list((finished / "figures").glob("*.png"))) == len(list((finished / "figures").glob("*.pdf"))) == 5
    assert "phantom-" not in (finished / "predictions.csv").read_text()


def test_the_bundle_passes_its_self_test_and_predicts(finished: Path) -> None:
    bundle = self_test(finished / "bundle", "cpu")
    assert bundle.name == "Tiny"
    assert bundle.demonstration
    row, slab = draw_case(5_000_007)
    volume = CTVolume(slab, (row.pixel_mm, row.pixel_mm, row.increment_mm), (0, 0, 0), np.eye(3), "phantom")
    reading = Predictor(finished / "bundle", "cpu").predict(volume, (80, 80, 2), 2.0)
    assert reading.hyrisknet is not None
    assert 0 < reading.hyrisknet < 1
    card = (finished / "bundle" / "CARD.md").read_text(encoding="utf-8")
    assert bundle.sha256 in card
    assert "phantoms" in card


def test_pause_resume_and_cancel_through_the_control_file(cohort: Path, cache: Path, tmp_path: Path) -> None:
    run = tmp_path / "controlled"
    process = start(cohort, cache, run)
    wait_for(run, "step", 1, process)
    (run / "control.json").write_text('{"request": "pause"}')
    deadline = time.monotonic() + PATIENCE_S
    while not any(e["event"] == "paused" for e in events(run)):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert json.loads((run / "run.json").read_text())["state"] == "paused"
    (run / "control.json").write_text('{"request": "resume"}')
    while not any(e["event"] == "resumed" for e in events(run)):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    (run / "control.json").write_text('{"request": "cancel"}')
    assert finish(process)[0] == 130
    told = [e["event"] for e in events(run)]
    assert told[told.index("paused") + 1] == "resumed", "nothing was done while it waited"
    assert json.loads((run / "run.json").read_text())["state"] == "cancelled"
    assert list(run.glob("folds/*/*/*/checkpoint.json"))


def test_a_run_is_held_by_one_process_and_keeps_its_settings(finished: Path, cohort: Path, cache: Path) -> None:
    with FileLock(finished / "run.lock"):
        code, _, err = train_here(cohort, cache, finished)
    assert code == 2
    assert "already runs" in err
    code, _, err = train_here(cohort, cache, finished, "--batch", "5")
    assert code == 2
    assert "another training run" in err


def test_a_bundle_is_where_fine_tuning_starts(finished: Path, cohort: Path, cache: Path, tmp_path: Path) -> None:
    """Trunk, window and score rule come from the bundle; Agatston as the score; the old model on the same cases."""
    run = tmp_path / "tuned"
    more = [
        "--strategy",
        "frozen",
        "--init",
        str(finished / "bundle"),
        "--epochs",
        "1",
        "--compare",
        str(finished / "bundle"),
    ]
    code, _, err = train_here(cohort, cache, run, *more, "--score", "agatston")
    assert code == 0, err
    results = json.loads((run / "results.json").read_text())
    assert "trained on these very cases" in results["comparison"]["warning"]
    assert "neither figure is held out" in results["comparison"]["warning"]
    # Nothing is held out from a network that began as a model which knows the cases: the results say so everywhere.
    assert results["warning"].startswith("24 of these 24 exams")
    page = (run / "report.html").read_text(encoding="utf-8")
    card = (run / "bundle" / "CARD.md").read_text(encoding="utf-8")
    assert "the results here are not held out" in page
    assert "starting weights</td><td>bundle</td>" in page
    assert str(finished) not in page
    assert "the results here are not held out" in card
    assert "had not seen the patient" not in card
    assert "HyRiskNet (image + grade)" not in page
    assert results["comparison"]["installed"]["risknet_auc"] is not None
    description = json.loads((run / "bundle" / "model.json").read_text())
    assert description["score_input"] == "agatston"
    assert description["agatston_scale"] >= 100
    assert len(description["training"]["case_marks"]) == 24
    self_test(run / "bundle", "cpu")
    # A frozen trunk stays as it was, to the last bit of half precision.
    from safetensors.numpy import load_file

    old, new = (load_file(path / "bundle" / "weights.safetensors") for path in (finished, run))
    assert all(np.array_equal(old[k], new[k]) for k in old if k.startswith("trunk."))
    assert not np.array_equal(old["image_head.weight"], new["image_head.weight"])


def run_json(*arguments: str) -> tuple[int, Any]:
    """A command's exit code and answer."""
    code, out, _ = run_here(*arguments)
    return code, json.loads(out)


def test_check_and_estimate_answer_in_json(cohort: Path, tmp_path: Path) -> None:
    code, found = run_json("check", str(cohort), "--json")
    assert (code, found["ready"], found["rows"], found["synthetic"]) == (0, True, 24, True)
    code, found = run_json("estimate", str(cohort), *OPTIONS, "--cache", str(tmp_path), "--json")
    assert code == 0
    assert found["seconds"] > 0
    assert found["memory_bytes"] > 1e8
    # What would end the training at once is said here, before it is started.
    code, found = run_json("estimate", str(cohort), *OPTIONS, "--folds", "20", "--cache", str(tmp_path), "--json")
    assert (code, found["error"]["code"]) == (2, "folds")
    table = (cohort / "cohort.csv").read_text(encoding="utf-8").splitlines()
    cells = table[2].split(",")
    cells[4] = ""
    ungraded = cohort / "ungraded.csv"
    ungraded.write_text("\n".join([*table[:2], ",".join(cells), *table[3:]]), encoding="utf-8")
    code, found = run_json("estimate", str(ungraded), *OPTIONS, "--cache", str(tmp_path), "--json")
    assert (code, found["error"]["code"]) == (2, "grade_missing")
    assert found["error"]["message"].startswith("Row 3, column grade: ")
    code, found = run_json(
        "estimate", str(ungraded), *OPTIONS, "--score", "agatston", "--cache", str(tmp_path), "--json"
    )
    assert code == 0
    code, found = run_json("check", str(tmp_path / "none.csv"), "--json")
    assert (code, found["error"]["code"]) == (2, "cohort_missing")


def test_evaluate_prints_the_contract(finished: Path, cohort: Path, cache: Path) -> None:
    code, found = run_json(
        "evaluate", str(cohort), "--model", str(finished / "bundle"), "--cache", str(cache), "--json"
    )
    assert code == 0
    assert found["n"] == 24
    assert set(found["baselines"]) == {"grade", "agatston", "category", "volume", "sqrt_volume"}
    assert 0 <= found["risknet_auc"] <= 1
    assert 0 <= found["hyrisknet_auc"] <= 1
    # The cohort that it was trained on: no figure of it may stand there alone.
    assert found["cautions"][0].startswith("24 of these 24 exams have trained this model")


def test_imagenet_out_of_reach_is_one_sentence(
    cohort: Path, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    # A proxy that nobody listens on: no network, whatever this machine can reach.
    for name in ("http_proxy", "https_proxy", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    # Which keeps the proxies that it was first asked with.
    monkeypatch.setattr("urllib.request._opener", None)
    code, _, err = train_here(cohort, cache, tmp_path / "run", "--strategy", "finetune")
    assert code == 2
    assert "ImageNet weights can't be downloaded here" in err
    assert "Traceback" not in err
    assert json.loads((tmp_path / "run" / "run.json").read_text())["state"] == "failed"


if (
    sys.platform == "win32"
):  # which has no exec: there the command waits for the training; elsewhere the command becomes it

    def test_an_interrupted_terminal_leaves_a_run_that_can_go_on(cohort: Path, cache: Path, tmp_path: Path) -> None:
        run = tmp_path / "interrupted"
        process = start(cohort, cache, run)
        wait_for(run, "step", 1, process)
        os.kill(process.pid, signal.CTRL_BREAK_EVENT)
        assert finish(process)[0] == 130
        assert json.loads((run / "run.json").read_text())["state"] == "cancelled"

else:

    def test_what_is_sent_to_the_command_reaches_the_training(cohort: Path, cache: Path, tmp_path: Path) -> None:
        """``kill`` and Ctrl+C of ``hyrisk train`` may neither leave the training behind nor cut off its checkpoint."""
        run = tmp_path / "commanded"
        command = [sys.executable, "-m", "hyrisk_desktop.cli", "train", str(cohort), *OPTIONS]
        process = subprocess.Popen(
            [*command, "--cache", str(cache), "--out", str(run)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        wait_for(run, "step", 1, process)
        assert json.loads((run / "run.json").read_text())["pid"] == process.pid
        process.send_signal(signal.SIGINT)
        assert finish(process)[0] == 130
        assert json.loads((run / "run.json").read_text())["state"] == "cancelled"
        assert list(run.glob("folds/*/*/*/checkpoint.json"))


def test_markup_in_results_stays_text_in_the_report(finished: Path) -> None:
    """Names of scanners, kernels and models come from files, and a report is opened in a browser."""
    evil = "<img src=x onerror=alert(1)>\"'><script>1</script>"
    spoiled = 0

    def spoil(value: Any, key: str = "") -> Any:
        nonlocal spoiled
        if isinstance(value, str) and key != "by":
            spoiled += 1
            return value + evil
        if isinstance(value, dict):
            return {k: spoil(v, k) for k, v in value.items()}
        return [spoil(v, key) for v in value] if isinstance(value, list) else value

    results = spoil(json.loads((finished / "results.json").read_text())) | {"warning": evil}
    seen: list[tuple[str, list[tuple[str, str | None]]]] = []
    parser = HTMLParser()
    parser.handle_starttag = lambda tag, attributes: seen.append((tag, attributes))  # type: ignore[method-assign]
    page = _page(results, {})
    parser.feed(page)
    assert spoiled > 10
    assert page.count("&lt;img") > 3
    assert not {tag for tag, _ in seen} & {"img", "script"}
    assert not [name for _, attributes in seen for name, _ in attributes if name.startswith("on")]
