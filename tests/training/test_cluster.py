"""Units on a Dask cluster: a scheduler and two worker processes, one of which is killed while it trains."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from hyrisk_desktop.paths import training_process
from tests.helpers.training_runs import OPTIONS, events, finish, start


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[tuple[str, list[subprocess.Popen[bytes]]]]:
    port = free_port()
    _, environment = training_process()
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "env": environment, "cwd": tmp_path}
    address = f"tcp://127.0.0.1:{port}"
    dask = [sys.executable, "-m", "distributed.cli"]
    scheduler = [
        *dask[:2],
        "distributed.cli.dask_scheduler",
        "--host",
        "127.0.0.1",
        "--port",
        str(port),
        "--no-dashboard",
    ]
    worker = [
        *dask[:2], "distributed.cli.dask_worker", address, "--host", "127.0.0.1", "--no-nanny", "--no-dashboard",
        "--nthreads", "1", "--local-directory", str(tmp_path),
    ]  # fmt: skip
    processes = [subprocess.Popen(scheduler, **quiet), *(subprocess.Popen(worker, **quiet) for _ in range(2))]
    try:
        yield address, processes[1:]
    finally:
        for process in processes:
            process.kill()
            process.wait()


def test_a_killed_worker_costs_nothing_but_time(
    finished: Path, cohort: Path, cache: Path, tmp_path: Path, cluster: tuple[str, list[subprocess.Popen[bytes]]]
) -> None:
    address, workers = cluster
    run = tmp_path / "run"
    process = start(cohort, cache, run, "--scheduler", address, "--checkpoint-seconds", "0")
    deadline = time.monotonic() + 120
    while not list(run.glob("folds/*/*/stage-2/checkpoint.json")):
        assert time.monotonic() < deadline, process.poll()
        time.sleep(0.02)
    os.kill(workers[0].pid, signal.SIGTERM if sys.platform == "win32" else signal.SIGKILL)
    code, _, err = finish(process)
    assert code == 0, err
    found, expected = (json.loads((path / "results.json").read_text()) for path in (run, finished))
    assert found["pooled"] == expected["pooled"]
    assert found["folds"] == expected["folds"]
    assert {"start", "step", "epoch", "unit", "finished"} <= {e["event"] for e in events(run)}
    assert OPTIONS[1] == "hyrisknet-18"


def test_no_scheduler_is_one_sentence(cohort: Path, cache: Path, tmp_path: Path) -> None:
    code, _, err = finish(start(cohort, cache, tmp_path / "run", "--scheduler", f"tcp://127.0.0.1:{free_port()}"))
    assert code == 2
    assert "No Dask scheduler answers" in err
