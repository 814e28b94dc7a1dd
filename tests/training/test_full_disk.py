"""A disk that fills while a model learns: one sentence, nothing half written, and the run goes on once there is room."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from hyrisk_desktop.files import replace_file
from hyrisk_desktop.paths import training_process
from model_training.run_folder import RunFolder
from tests.helpers.training_runs import OPTIONS

LIMITED = """
import resource, signal, sys, runpy
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000_000, 20_000_000))
sys.argv = ["model_training", *sys.argv[1:]]
runpy.run_module("model_training", run_name="__main__", alter_sys=False)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="there are no limits of file sizes")
def test_a_checkpoint_that_does_not_fit_ends_the_run_with_a_sentence(cohort: Path, cache: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    command, environment = training_process("train", str(cohort), *OPTIONS, "--cache", str(cache), "--out", str(run))
    limited = [command[0], "-P", "-c", LIMITED, *command[command.index("model_training") + 1 :]]
    done = subprocess.run(limited, env=environment, capture_output=True, text=True, timeout=200)
    assert done.returncode == 3, done.stderr
    assert done.stderr.count("\n") == 1
    assert "File too large" in done.stderr
    record = json.loads((run / "run.json").read_text())
    assert (record["state"], record["message"]) == ("failed", done.stderr.strip())
    assert not list(run.rglob("*.part"))
    assert '"code": "disk"' in (run / "events.jsonl").read_text()


def test_half_a_file_is_not_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    replace_file(tmp_path / "x", b"old")
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError):
        replace_file(tmp_path / "x", b"newer")
    assert [p.name for p in tmp_path.iterdir()] == ["x"]
    assert (tmp_path / "x").read_bytes() == b"old"


def test_failing_to_say_that_it_failed_is_no_second_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = RunFolder(tmp_path / "run", ["train"], {})

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    folder.fail("disk", "The disk is full.")
    assert "The disk is full." in (tmp_path / "run" / "events.jsonl").read_text()
    folder.close()
