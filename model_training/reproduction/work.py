"""The tasks of a reproduction, in this process, in several on this machine, or on a Dask cluster.

Processes agree by locks alone: each goes through all tasks and takes those that nobody holds and that are not done.
So one that dies takes its own task with it and no other, and the next start goes on from its checkpoint.
"""

from __future__ import annotations

import multiprocessing
import os
import shutil
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from hyrisk_desktop.dask_client import Cluster, Tasks, WorkerLost
from hyrisk_desktop.errors import Cancelled, HyRiskError
from hyrisk_desktop.i18n import tr
from hyrisk_desktop.training_run import CONTROL, EVENTS, RESULT_BYTES, read_json, write_json
from hyrisk_desktop.unfinished import sweep
from model_training.reproduction.plan import Plan, Task, part_name
from model_training.run_folder import Control, EventLog, RunFolder
from model_training.train import BEST
from model_training.units import Unit, UnitWatch, run_unit

UNITS = "units"
_POLL_S = 0.5
_CANCELLED = 130
_SENTENCE = "failure.json"
_RETRIES = 3


def unit_folder(run: Path, strategy: str, score: str, unit: Unit) -> Path:
    """Where a unit of the reproduction in ``run`` is kept.

    Args:
        run: the reproduction's folder. strategy, score, unit: of the fit.
    """
    return run / UNITS / part_name(strategy, score) / "folds" / unit.name


def prediction(run: Path, strategy: str, score: str, unit: Unit) -> dict[str, Any]:
    """What a finished unit predicted; {} before.

    Args:
        run: the reproduction's folder. strategy, score, unit: of the fit.
    """
    return read_json(unit_folder(run, strategy, score, unit) / "predictions.json", RESULT_BYTES)


def is_done(plan: Plan, run: Path, task: Task) -> bool:
    """Whether every stage two of ``task`` has its predictions."""
    unit = Unit(task.depth, task.fold)
    return all(
        (unit_folder(run, task.strategy, score, unit) / "predictions.json").is_file() for score in plan.scores(task)
    )


def run_task(plan: Plan, task: Task, run: Path) -> None:
    """Both stages of ``task``, and a second stage two where the plan wants one; resumes.

    Raises:
        Cancelled: asked for through the control file. InputError: another process has the unit.
    """
    unit = Unit(task.depth, task.fold)
    scores = plan.scores(task)
    first = unit_folder(run, task.strategy, scores[0], unit)
    for score in scores:
        folder = unit_folder(run, task.strategy, score, unit)
        folder.mkdir(parents=True, exist_ok=True)
        if score != scores[0] and (first / "stage-1" / BEST).is_file():
            # The same stage one, so that the two scores are compared on the same image features.
            shutil.copytree(first / "stage-1", folder / "stage-1", dirs_exist_ok=True)
        log = EventLog(folder / EVENTS)
        control = Control(run / CONTROL, log.emit)
        watch = UnitWatch(unit, log.emit, control, lambda share: {"share": round(share, 4)})
        settings = plan.settings(task.strategy, score)
        keep = score != scores[-1]
        run_unit(settings, unit, run / UNITS / part_name(task.strategy, score), watch, keep)
    if task.fold:
        (first / "stage-1" / BEST).unlink(missing_ok=True)


def work_through(plan: Plan, run: Path) -> None:
    """Every task that is not done and that nobody else holds."""
    for task in plan.tasks():
        if is_done(plan, run, task):
            continue
        folder = unit_folder(run, task.strategy, "grade", Unit(task.depth, task.fold))
        folder.mkdir(parents=True, exist_ok=True)
        try:
            with FileLock(folder / "task.lock", timeout=0):
                run_task(plan, task, run)
        except Timeout:
            continue


def run_here(plan: Plan, folder: RunFolder, workers: int) -> None:
    """Run what is not done, in ``workers`` processes of this machine, or in this one.

    Raises:
        Cancelled: asked for. HyRiskError: what a process could not do, in its own sentence.
    """
    for _ in _progress(plan, folder, workers):
        folder.control.check()


def _progress(plan: Plan, folder: RunFolder, workers: int) -> Iterator[None]:
    if workers <= 1:
        pace = _Pace(plan, folder)
        for task in plan.tasks():
            if not is_done(plan, folder.path, task):
                run_task(plan, task, folder.path)
            pace.tell()
            yield
        return
    for _ in range(2):
        # A second round takes up what a process has left that died.
        yield from _spawned(plan, folder, workers)
        if all(is_done(plan, folder.path, task) for task in plan.tasks()):
            return
    raise HyRiskError(
        "workers_died", tr("Processes died before all was trained. The same command goes on where it stopped.")
    )


def _spawned(plan: Plan, folder: RunFolder, workers: int) -> Iterator[None]:
    """One round of ``workers`` fresh processes: forking one that has started CUDA can't work."""
    context = multiprocessing.get_context("spawn")
    arguments = (plan.to_json(), str(folder.path))
    team: list[BaseProcess] = [
        context.Process(target=_worker, args=(*arguments, index), name=f"hyrisk-{index}") for index in range(workers)
    ]
    for index in range(workers):
        (folder.path / f"{index}-{_SENTENCE}").unlink(missing_ok=True)
    pace = _Pace(plan, folder)
    try:
        for process in team:
            process.start()
        while any(process.is_alive() for process in team):
            pace.tell()
            yield
            time.sleep(_POLL_S)
        pace.tell()
    finally:
        # Workers look into the control file themselves; those that still work after an error are ended.
        for process in team:
            if process.is_alive():
                process.join(60 if isinstance(sys.exc_info()[1], (Cancelled, KeyboardInterrupt)) else 0.1)
            if process.is_alive():
                process.terminate()
                process.join()
    if any(process.exitcode == _CANCELLED for process in team):
        raise Cancelled
    for index in range(workers):
        if failure := read_json(folder.path / f"{index}-{_SENTENCE}"):
            raise HyRiskError(str(failure["code"]), str(failure["message"]))


def _worker(plan: dict[str, Any], run: str, index: int) -> None:
    """A spawned process: tasks until none is left; an expected failure is left as a sentence."""
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    try:
        work_through(Plan.from_json(plan), Path(run))
    except (Cancelled, KeyboardInterrupt):
        raise SystemExit(_CANCELLED) from None
    except HyRiskError as e:
        write_json(Path(run) / f"{index}-{_SENTENCE}", {"code": e.code, "message": e.message})
        raise SystemExit(3) from e


class _Pace:
    """Tells what was finished since the last look, and the seconds left at the speed of this start."""

    def __init__(self, plan: Plan, folder: RunFolder) -> None:
        self._plan, self._folder = plan, folder
        self._waiting = [task for task in plan.tasks() if not is_done(plan, folder.path, task)]
        self._all = sum(plan.work(task) for task in plan.tasks())
        self._first = self._left = sum(plan.work(task) for task in self._waiting)
        self._start = time.monotonic()

    def tell(self) -> None:
        """An event for each task that has ended."""
        for task in [task for task in self._waiting if is_done(self._plan, self._folder.path, task)]:
            self._waiting.remove(task)
            self._left -= self._plan.work(task)
            worked = self._first - self._left
            seconds = (time.monotonic() - self._start) / worked * self._left
            self._folder.log.emit(
                "unit",
                unit=f"{task.strategy}/{Unit(task.depth, task.fold).name}",
                done=round(1 - self._left / self._all, 5),
                seconds_left=round(seconds),
            )


def run_on_cluster(plan: Plan, folder: RunFolder, cluster: Cluster) -> None:
    """Run what is not done on Dask workers, which see the same disk.

    Raises:
        Cancelled: asked for. HyRiskError: the workers were lost, or what one of them says.
    """
    pace = _Pace(plan, folder)
    with cluster.connect() as client:
        tasks = Tasks(client, "reproduction", gpu=plan.base.device == "cuda", retries=_RETRIES)
        open_tasks = [task for task in plan.tasks() if not is_done(plan, folder.path, task)]
        waiting = {tasks.submit(run_task_remotely, plan.to_json(), asdict(t), str(folder.path)) for t in open_tasks}
        try:
            while waiting:
                for future in [future for future in waiting if future.done()]:
                    tasks.answer(future)
                    waiting.discard(future)
                pace.tell()
                folder.control.check()
                time.sleep(_POLL_S)
        except WorkerLost as e:
            message = tr("The workers that trained a fold were lost. The same command goes on where it stopped.")
            raise HyRiskError("worker_lost", message) from e
        finally:
            client.cancel(list(waiting))


def run_task_remotely(plan: dict[str, Any], task: dict[str, Any], run: str) -> None:
    """`run_task` on a cluster's worker."""
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    sweep()
    run_task(Plan.from_json(plan), Task(**task), Path(run))
