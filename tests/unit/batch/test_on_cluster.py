"""Bulk scoring on a real Dask scheduler with worker processes, one of which dies on the way."""

from __future__ import annotations

import os
import re
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hyrisk_desktop import dask_client
from hyrisk_desktop.batch import on_cluster as module
from hyrisk_desktop.batch.exam import BatchExam
from hyrisk_desktop.batch.on_cluster import run_on_cluster
from hyrisk_desktop.batch.pace import BatchProgress, Pace
from hyrisk_desktop.batch.row import BatchRow, BatchSettings
from hyrisk_desktop.batch.run import run_batch
from hyrisk_desktop.dask_client import Cluster
from hyrisk_desktop.errors import BundleError, Cancelled, InputError
from hyrisk_desktop.jobs import CancelToken
from hyrisk_desktop.risk.bundle import load_bundle
from hyrisk_desktop.risk.engine_choice import open_predictor
from tests.helpers.batch import exams_in, reads_of, timeless, write_exams
from tests.helpers.bundles import write_tiny_bundle
from tests.helpers.dask_cluster import RunningCluster, dask_cluster, free_port
from tests.helpers.patience import PATIENCE_S

COUNT = 12
CPU = BatchSettings(device="cpu")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models") / "tiny"
    write_tiny_bundle(folder)
    return folder


@pytest.fixture(scope="module")
def exams(tmp_path_factory: pytest.TempPathFactory) -> list[BatchExam]:
    folder = write_exams(tmp_path_factory.mktemp("Doe-John"), COUNT)
    (folder / "exam005" / f"I{10 * 7919 % 10007:05d}.dcm").unlink()
    return exams_in(folder, reads_of(range(1, COUNT)))


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningCluster]:
    with dask_cluster(tmp_path_factory.mktemp("dask"), 2, "--no-nanny") as cluster:
        yield cluster


def task_names(address: str) -> list[str]:
    from distributed import Client

    with Client(address, set_as_default=False) as client:
        return list(client.run_on_scheduler(lambda dask_scheduler: [str(key) for key in dask_scheduler.tasks]))


def test_a_killed_worker_costs_nothing_but_time(
    exams: list[BatchExam], model: Path, running: RunningCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_LEAST_AHEAD", 6)
    rows: list[BatchRow] = []
    names: list[str] = []
    seen: list[BatchProgress] = []

    def on_row(row: BatchRow) -> None:
        rows.append(row)
        if len(rows) == 3:
            names.extend(task_names(running.address))
            os.kill(running.workers[0].pid, signal.SIGTERM if sys.platform == "win32" else signal.SIGKILL)

    end = run_on_cluster(exams, CPU, model, Cluster(running.address), on_row=on_row, progress=seen.append)
    assert running.workers[0].wait(PATIENCE_S) != 0
    assert running.workers[1].poll() is None
    alone: list[BatchRow] = []
    run_batch(exams, CPU, open_predictor(model, "cpu"), on_row=alone.append)
    assert timeless(rows) == timeless(alone)
    assert len(rows) == COUNT
    assert [row.error_code for row in rows if row.status == "failed"] == ["missing_slice"]
    assert (end.done, end.failed, seen[-1]) == (COUNT, 1, end)
    # Dask shows names and logs: neither says who was scanned or where the files lie.
    assert names
    assert all(re.fullmatch(r"hyrisk-batch-[0-9a-f]{16}-\d+", name) for name in names)
    assert "Doe" not in running.logs
    assert "P001" not in running.logs
    # What is there is not submitted again; the failed exam is.
    done = {row.row_id: (row.fingerprint, row.bundle_sha256) for row in rows if row.status == "scored"}
    again: list[BatchRow] = []
    end = run_on_cluster(exams, CPU, model, Cluster(running.address), on_row=again.append, done=done)
    assert [row.status for row in again] == ["failed"]
    assert (end.skipped, end.failed) == (COUNT - 1, 1)


def test_cancel_takes_back_what_was_submitted(exams: list[BatchExam], model: Path, running: RunningCluster) -> None:
    token, rows = CancelToken(), list[BatchRow]()

    def on_row(row: BatchRow) -> None:
        rows.append(row)
        token.cancel()

    with pytest.raises(Cancelled):
        run_on_cluster(exams, CPU, model, Cluster(running.address), on_row=on_row, cancel=token)
    assert 1 <= len(rows) < COUNT
    assert not task_names(running.address)


def test_a_model_that_the_workers_do_not_have(
    exams: list[BatchExam], model: Path, running: RunningCluster, tmp_path: Path
) -> None:
    with pytest.raises(BundleError):
        run_on_cluster(exams, CPU, tmp_path, Cluster(running.address), on_row=lambda _: None)
    weights = (model / "weights.safetensors").read_bytes()
    write_tiny_bundle(tmp_path / "damaged", seed=5)
    (tmp_path / "damaged" / "weights.safetensors").write_bytes(weights)
    with pytest.raises(BundleError):
        run_on_cluster(exams, CPU, tmp_path / "damaged", Cluster(running.address), on_row=lambda _: None)


def test_addresses_and_certificates(model: Path, tmp_path: Path) -> None:
    def connect(*cluster: Any) -> None:
        run_on_cluster([], CPU, model, Cluster(*cluster), on_row=lambda _: None)

    with pytest.raises(InputError, match="No Dask scheduler answers"):
        connect("nonsense://x")
    pem = tmp_path / "ca.pem"
    pem.write_text("x")
    with pytest.raises(InputError, match="together"):
        connect("tls://127.0.0.1:1", pem)
    with pytest.raises(InputError, match="together"):
        connect("tls://127.0.0.1:1")
    with pytest.raises(InputError, match="starts with tls://"):
        connect("tcp://127.0.0.1:1", pem, pem, pem)
    with pytest.raises(InputError, match=r"gone\.pem doesn't exist"):
        connect("tls://127.0.0.1:1", pem, pem, tmp_path / "gone.pem")


class FakeFuture:
    def __init__(self, status: str, error: Exception | None = None, answer: dict[str, Any] | None = None) -> None:
        self.status, self._error, self._answer = status, error, answer

    def done(self) -> bool:
        return True

    def exception(self) -> Exception | None:
        return self._error

    def result(self) -> dict[str, Any] | None:
        if self._error is not None:
            raise self._error
        return self._answer


class FakeClient:
    """Takes tasks and answers each at once with the same future."""

    def __init__(self, future: FakeFuture) -> None:
        self.submitted: list[dict[str, Any]] = []
        self._make = lambda: FakeFuture(future.status, future._error, future._answer)

    def nthreads(self) -> dict[str, int]:
        return {"a": 2}

    def submit(self, function: Any, *arguments: Any, **options: Any) -> FakeFuture:
        self.submitted.append(options | {"arguments": repr(arguments)})
        return self._make()

    def cancel(self, futures: list[Any], force: bool) -> None:
        assert force


def answers(client: FakeClient, exams: list[BatchExam], *, gpu: bool = False) -> list[BatchRow]:
    job = module._Job({}, "/m", "b", "1", [])
    submission = module._Submission(client, job, gpu, None, None, Pace(len(exams)))
    return [row for _, rows in submission.answers(iter(exams)) for row in rows]


class KilledWorker(Exception):
    """As dask names it."""


def test_an_exam_that_takes_workers_with_it_is_a_row(exams: list[BatchExam]) -> None:
    client = FakeClient(FakeFuture("error", KilledWorker("task", "worker")))
    rows = answers(client, exams, gpu=True)
    assert {row.error_code for row in rows} == {"worker_lost"}
    assert len(rows) == COUNT
    assert all(options["resources"] == {"GPU": 1} and options["retries"] > 0 for options in client.submitted)
    assert {options["arguments"] for options in client.submitted} == {"(<job>, <exam>)"}


def test_a_few_exams_a_thread_are_on_their_way_and_more_once_workers_come(
    exams: list[BatchExam], monkeypatch: pytest.MonkeyPatch
) -> None:
    client = FakeClient(FakeFuture("error", KilledWorker("task", "worker")))
    threads = {"a": 1}
    monkeypatch.setattr(client, "nthreads", lambda: threads)
    job = module._Job({}, "/m", "b", "1", [])
    several = module._Submission(client, job, False, None, None, Pace(COUNT)).answers(iter(exams))
    next(several)
    assert len(client.submitted) == 4, "the least, where a thread's three are fewer"
    threads["b"] = 1
    for _ in range(4):
        next(several)
    assert len(client.submitted) == 8, "nobody looks again so soon"
    monkeypatch.setattr(module, "_LOOK_S", -1.0)
    monkeypatch.setattr(module, "_LEAST_AHEAD", 1)
    threads["b"] = 0
    for _ in range(4):
        next(several)
    assert len(client.submitted) == 11, "three for the one thread"


@pytest.mark.parametrize(
    ("future", "code"),
    [
        (FakeFuture("error", ImportError("hyrisk_desktop")), "worker_program"),
        (FakeFuture("cancelled"), "scheduler_lost"),
        (FakeFuture("finished", None, {"refusal": ("input", "worker_version", "x")}), "worker_version"),
    ],
)
def test_what_concerns_all_exams_ends_the_run(exams: list[BatchExam], future: FakeFuture, code: str) -> None:
    with pytest.raises(InputError) as error:
        answers(FakeClient(future), exams)
    assert error.value.code == code


def test_a_worker_reads_with_the_engine_asked_for(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_predictors", {})
    job = module._Job({}, str(model), load_bundle(model)[0].bundle_sha256, "1", [])
    for engine, name in (("torch", "torch"), ("onnx", "onnxruntime"), ("torch", "torch")):
        assert module._predictor(job, BatchSettings(device="cpu", engine=engine)).engine.startswith(name)


def test_a_worker_of_another_version_refuses() -> None:
    job = module._Job({}, "/m", "b", "0.0.0", [])
    assert module.score_remotely(job, module._Task({}, None))["refusal"][1] == "worker_version"


def test_certificates_are_handed_to_dask(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import distributed

    given: list[tuple[Any, dict[str, Any]]] = []
    monkeypatch.setattr(distributed, "Client", lambda *a, **k: given.append((a, k)))
    files = [tmp_path / name for name in ("ca.pem", "cert.pem", "key.pem")]
    for file in files:
        file.write_text("x")
    Cluster("tls://host:1", *files).connect()
    ((address,), options) = given[0]
    security = options["security"]
    assert address == "tls://host:1"
    assert (security.tls_ca_file, security.tls_client_cert, security.tls_client_key) == tuple(map(str, files))
    assert security.require_encryption is True


def test_no_scheduler_answers(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dask_client, "_ANSWER_S", 1)
    with pytest.raises(InputError, match="No Dask scheduler answers"):
        run_on_cluster([], CPU, model, Cluster(f"tcp://127.0.0.1:{free_port()}"), on_row=lambda _: None)
