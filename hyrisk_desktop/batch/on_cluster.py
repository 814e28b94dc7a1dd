"""Bulk scoring on a Dask cluster whose workers see the same disk: paths travel, pixels don't.

Dask shows the names of tasks in its dashboard and, when a task fails, its arguments in its logs. So tasks are numbered,
their arguments show nothing of themselves, and a task never fails: what goes wrong is part of its answer.
"""

from __future__ import annotations

import dataclasses
import multiprocessing
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hyrisk_desktop import __version__
from hyrisk_desktop.batch.exam import BatchExam
from hyrisk_desktop.batch.pace import BatchProgress, Pace
from hyrisk_desktop.batch.row import (
    FAILED,
    BatchRow,
    BatchSettings,
    IsDone,
    Loaded,
    load_exam,
    looked_at,
    predict_row,
    row_from,
)
from hyrisk_desktop.batch.run import Done, OnRow, done_with, ignore_progress, rows_of
from hyrisk_desktop.dask_client import Cluster, Tasks, WorkerLost
from hyrisk_desktop.errors import BundleError, ExamError, InputError
from hyrisk_desktop.findings import Finding, finding_rows, findings_from
from hyrisk_desktop.i18n import tr
from hyrisk_desktop.jobs import CancelToken, PauseToken

if TYPE_CHECKING:
    from hyrisk_desktop.risk import Predictor

_POLL_S, _LOOK_S = 0.02, 5.0
_PER_THREAD, _LEAST_AHEAD = 3, 4
_RETRIES = 2


def run_on_cluster(
    exams: Sequence[BatchExam],
    settings: BatchSettings,
    model: Path,
    cluster: Cluster,
    *,
    on_row: OnRow,
    progress: Callable[[BatchProgress], None] = ignore_progress,
    cancel: CancelToken | None = None,
    pause: PauseToken | None = None,
    done: Done | None = None,
    also: tuple[Finding, ...] = (),
) -> BatchProgress:
    """As `batch.run_batch`, on the workers of ``cluster``; rows come as they are ready.

    Args:
        exams, settings, on_row, progress, cancel, pause, done, also: as there.
        model: the bundle's folder, which every worker sees under the same path. Each loads it once.

    Raises:
        Cancelled: ``cancel`` was set.
        InputError: dask.distributed is missing, no scheduler answers, or workers are of another version.
        BundleError: the model can't be loaded, here or on a worker.
    """
    from hyrisk_desktop.risk.bundle import read_description

    settings.check()
    bundle_sha256 = read_description(model).bundle_sha256
    job = _Job(
        settings=dataclasses.asdict(settings), model=str(model.absolute()), bundle_sha256=bundle_sha256,
        version=__version__, also=finding_rows(also),
    )  # fmt: skip
    pace = Pace(sum(len(exam.slots) for exam in exams))
    progress(pace.progress)
    is_done = done_with(done or {}, bundle_sha256)
    with cluster.connect() as client:
        queue = _to_do(exams, settings, is_done, pace)
        for exam, rows in _Submission(client, job, settings.device == "cuda", cancel, pause, pace).answers(queue):
            for row in rows:
                on_row(dataclasses.replace(row, patient_id=exam.patient_id))
                pace.count(failed=row.status == FAILED)
            progress(pace.progress)
    progress(pace.progress)
    return pace.progress


def _to_do(exams: Sequence[BatchExam], settings: BatchSettings, is_done: IsDone, pace: Pace) -> Iterator[BatchExam]:
    """The exams with the reads whose rows are not there yet."""
    for exam in exams:
        left = []
        for slot, read in exam.slots:
            try:
                skip = is_done(slot, exam.fingerprint(read, settings.fingerprint))
            except OSError:
                skip = False
            if skip:
                pace.count(skipped=True)
            else:
                left.append(read)
        if len(left) == len(exam.slots):
            yield exam
        elif left:
            yield dataclasses.replace(exam, reads=tuple(left))


class _Submission:
    """Keeps the workers busy with a bounded number of tasks."""

    def __init__(
        self,
        client: Any,
        job: _Job,
        gpu: bool,
        cancel: CancelToken | None,
        pause: PauseToken | None,
        pace: Pace,
    ) -> None:
        self._client, self._job, self._cancel, self._pause, self._pace = client, job, cancel, pause, pace
        self._tasks = Tasks(client, "batch", gpu=gpu, retries=_RETRIES)
        self._waiting: dict[Any, BatchExam] = {}
        self._looked, self._most = 0.0, _LEAST_AHEAD

    def answers(self, queue: Iterator[BatchExam]) -> Iterator[tuple[BatchExam, list[BatchRow]]]:
        """Each exam with its rows, as they are ready."""
        try:
            while True:
                self._hold()
                more = self._fill(queue)
                finished = [future for future in self._waiting if future.done()]
                for future in finished:
                    exam = self._waiting.pop(future)
                    yield exam, self._rows(exam, future)
                if not more and not self._waiting:
                    return
                if not finished:
                    time.sleep(_POLL_S)
        finally:
            if self._waiting:
                self._client.cancel(list(self._waiting), force=True)

    def _hold(self) -> None:
        if self._cancel:
            self._cancel.raise_if_cancelled()
        if self._pause and self._pause.paused:
            began = time.monotonic()
            self._pause.wait(self._cancel)
            self._pace.paused_for(time.monotonic() - began)

    def _fill(self, queue: Iterator[BatchExam]) -> bool:
        """Submit up to a few exams per thread of the cluster; False once the queue is empty."""
        if time.monotonic() - self._looked > _LOOK_S:
            self._most = max(_LEAST_AHEAD, _PER_THREAD * sum(self._client.nthreads().values()))
            self._looked = time.monotonic()
        while len(self._waiting) < self._most:
            if self._cancel:
                self._cancel.raise_if_cancelled()
            exam = next(queue, None)
            if exam is None:
                return False
            future = self._tasks.submit(score_remotely, self._job, _Task(exam.to_plain(), exam.problem))
            self._waiting[future] = exam
        return True

    def _rows(self, exam: BatchExam, future: Any) -> list[BatchRow]:
        try:
            answer = self._tasks.answer(future)
        except WorkerLost:
            # An exam that takes several workers with it must not end the run.
            return rows_of(exam, ExamError("worker_lost", tr("The workers that read this exam were lost.")))
        except InputError:
            raise
        except Exception as e:
            message = tr("The workers can't run this program; install the same version on all of them.")
            raise InputError("worker_program", message) from e
        if "refusal" in answer:
            kind, code, message = answer["refusal"]
            raise (BundleError if kind == "bundle" else InputError)(code, message)
        return [row_from(row) for row in answer["rows"]]


@dataclass(frozen=True, slots=True, repr=False)
class _Job:
    """What all tasks of a run share; shows nothing of itself in logs."""

    settings: dict[str, Any]
    model: str
    bundle_sha256: str
    version: str
    also: list[list[str]]

    def __repr__(self) -> str:
        return "<job>"


@dataclass(frozen=True, slots=True, repr=False)
class _Task:
    """One exam; shows nothing of itself in logs."""

    exam: dict[str, Any]
    problem: tuple[str, str] | None

    def __repr__(self) -> str:
        return "<exam>"


# One model per worker process, used by one of its threads at a time; the others read meanwhile.
_predictors: dict[tuple[Any, ...], Predictor] = {}
_owner = threading.Lock()


def score_remotely(job: _Job, task: _Task) -> dict[str, Any]:
    """On a worker: the rows of one exam as plain values, or why this worker can't score any."""
    if job.version != __version__:
        message = tr("A worker runs version {theirs} and not {ours}.", theirs=__version__, ours=job.version)
        return {"refusal": ("input", "worker_version", message)}
    _allow_decoders()
    settings = BatchSettings(**job.settings)
    exam = dataclasses.replace(BatchExam.from_plain(task.exam), problem=task.problem)
    try:
        with _owner:
            seen = looked_at(_predictor(job, settings))
    except BundleError as e:
        return {"refusal": ("bundle", e.code, e.message)}
    except InputError as e:
        return {"refusal": ("input", e.code, e.message)}
    rows = []
    try:
        for item in load_exam(exam, settings, lambda *_: False, findings_from(job.also), None, seen):
            if isinstance(item, Loaded):
                with _owner:
                    rows.append(predict_row(item, _predictor(job, settings)))
            elif item is not None:
                rows.append(item)
    except Exception as e:  # noqa: BLE001  a task never fails: dask would log its arguments
        rows = rows_of(exam, e)
    # Who was scanned is known to whoever asked.
    return {"rows": [dataclasses.asdict(dataclasses.replace(row, patient_id="")) for row in rows]}


def _allow_decoders() -> None:
    """Let a worker that a nanny keeps start the processes that decode compressed images.

    Such a worker is a "daemonic" process, which multiprocessing forbids children. The decoders end by themselves when
    the worker does: their pipe closes.
    """
    config: dict[str, Any] = getattr(multiprocessing.current_process(), "_config", {})
    config.pop("daemon", None)


def _predictor(job: _Job, settings: BatchSettings) -> Predictor:
    from hyrisk_desktop.risk.engine_choice import open_predictor

    key = (job.model, job.bundle_sha256, settings.device, settings.prevalence, settings.engine)
    if key not in _predictors:
        # A worker's memory is for one model.
        _predictors.clear()
        predictor = open_predictor(Path(job.model), settings.device, settings.prevalence, settings.engine)
        if predictor.bundle.bundle_sha256 != job.bundle_sha256:
            message = tr("A worker has another model under this path; install the same one everywhere.")
            raise BundleError("other_model", message)
        _predictors[key] = predictor
    return _predictors[key]
