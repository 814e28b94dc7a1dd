"""Units on a Dask cluster: a scheduler and two worker processes, one of which is killed while it trains."""

from __future__ import annotations

import json
import time
from pathlib import Path

from tests.helpers.dask_cluster import dask_cluster, free_port
from tests.helpers.patience import PATIENCE_S
from tests.helpers.training_runs import OPTIONS, events, finish, start, train_here


def test_a_killed_worker_costs_nothing_but_time(finished: Path, cohort: Path, cache: Path, tmp_path: Path) -> None:
    (tmp_path / "dask").mkdir()
    run = tmp_path / "run"
    with dask_cluster(tmp_path / "dask", 2, "--no-nanny") as cluster:
        process = start(cohort, cache, run, "--scheduler", cluster.address, "--checkpoint-seconds", "0")
        deadline = time.monotonic() + PATIENCE_S
        while not list(run.glob("folds/*/*/stage-2/checkpoint.json")):
            assert time.monotonic() < deadline, process.poll()
            time.sleep(0.02)
        cluster.workers[0].kill()
        code, _, err = finish(process)
    assert code == 0, err
    found, expected = (json.loads((path / "results.json").read_text()) for path in (run, finished))
    assert found["pooled"] == expected["pooled"]
    assert found["folds"] == expected["folds"]
    assert {"start", "step", "epoch", "unit", "finished"} <= {e["event"] for e in events(run)}
    assert OPTIONS[1] == "hyrisknet-18"


def test_no_scheduler_is_one_sentence(cohort: Path, cache: Path, tmp_path: Path) -> None:
    code, _, err = train_here(cohort, cache, tmp_path / "run", "--scheduler", f"tcp://127.0.0.1:{free_port()}")
    assert code == 2
    assert "No Dask scheduler answers" in err
