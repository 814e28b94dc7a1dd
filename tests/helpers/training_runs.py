"""`model_training` as a process of its own or in this one, and what it tells while it runs."""

from __future__ import annotations

import contextlib
import io
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from hyrisk_desktop.paths import training_process
from model_training.__main__ import main as command_line
from tests.helpers.patience import PATIENCE_S

OPTIONS = [
    "--network", "hyrisknet-18", "--folds", "2", "--epochs", "2", "--size", "32", "--batch", "6", "--permutation-folds", "1",
    "--precision", "fp32", "--threads", "1", "--seed", "7",
]  # fmt: skip


def start(cohort: Path, cache: Path, run: Path, *more: str) -> subprocess.Popen[str]:
    command, environment = training_process(
        "train", str(cohort), *OPTIONS, "--cache", str(cache), "--out", str(run), *more
    )
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def finish(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    out, err = process.communicate(timeout=PATIENCE_S)
    return process.returncode, out, err


def run_here(*arguments: str) -> tuple[int, str, str]:
    """A command's exit code and what it says; in this process, as its libraries take longer to import than most runs.

    What has to be killed, or to share nothing with this process, is for `start`.
    """
    out, err = io.StringIO(), io.StringIO()
    code = 0
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err), pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["model_training", *arguments])
        try:
            command_line()
        except SystemExit as e:
            code = int(e.code or 0)
    return code, out.getvalue(), err.getvalue()


def train_here(cohort: Path, cache: Path, run: Path, *more: str) -> tuple[int, str, str]:
    """`start` and `finish` without a process of its own."""
    return run_here("train", str(cohort), *OPTIONS, "--cache", str(cache), "--out", str(run), *more)


def events(run: Path) -> list[dict[str, Any]]:
    lines = (run / "events.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines if line.startswith("{") and line.endswith("}")]


def epochs(run: Path) -> dict[tuple[str, int, int], tuple[float, float]]:
    """Losses by unit, stage and epoch; of an epoch told twice, the last."""
    return {
        (e["unit"], e["stage"], e["epoch"]): (e["training_loss"], e["validation_loss"])
        for e in events(run)
        if e["event"] == "epoch"
    }


def wait_for(run: Path, event: str, stage: int, process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline and process.poll() is None:
        if (run / "events.jsonl").is_file() and any(
            e["event"] == event and e.get("stage") == stage for e in events(run)
        ):
            return
        time.sleep(0.02)
    raise AssertionError(process.communicate())
