"""The tasks of a reproduction, in this process, in several on this machine, or on a Dask cluster.

Processes agree by locks alone: each goes through all tasks and takes those that nobody holds and that are not done.
So one that dies takes its own task with it and no other, and the next start goes on from its checkpoint.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import shutil
import time
from collections.abc import Iterator
from dataclasses import asdict
from functools import partial
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from hyrisk_desktop.dask_client import Cluster
from hyrisk_desktop.errors import Cancelled, HyRiskError
from hyrisk_desktop.i18n import tr
from hyrisk_desktop.training_run import EVENTS, RESULT_BYTES, read_json, write_json
from hyrisk_desktop.unfinished import sweep
from model_training.reproduction.plan import Plan, Task, part_name
from model_training.run_folder import EXIT_CANCELLED, RunFolder
from model_training.side_by_side import POLL_S, Pace, Relay, on_cluster
from model_training.train import BEST
from model_training.units import Unit, UnitWatch, run_unit, watch_elsewhere

UNITS = "units"
_SENTENCE = "failure.json"
_LAST_CHECKPOINT_S = 60.0


def unit_folder(run: Path, strategy: str, score: str, unit: Unit) -> Path:
    """Where a unit of the reproduction in ``run`` is kept.

    Args:
        run: the reproduction's folder. strategy, score, unit: of the fit.
    """
    return run / UNITS / part_name(strategy, score) / "folds" / unit.name


def prediction_file(run: Path, strategy: str, score: str, unit: Unit) -> Path:
    """Where the predictions of a unit lie once it is done.

    Args:
        run: the reproduction's folder. strategy, score, unit: of the fit.
    """
    return unit_folder(run, strategy, score, unit) / "predictions.json"


def prediction(run: Path, strategy: str, score: str, unit: Unit) -> dict[str, Any]:
    """What a finished unit predicted; {} before.

    Args:
        run: the reproduction's folder. strategy, score, unit: of the fit.
    """
    return read_json(prediction_file(run, strategy, score, unit), RESULT_BYTES)


def is_done(plan: Plan, run: Path, task: Task) -> bool:
    """Whether every stage two of ``task`` has its predictions."""
    return all(prediction_file(run, task.strategy, score, task.unit).is_file() for score in plan.scores(task))


def run_task(plan: Plan, task: Task, run: Path, watch: UnitWatch) -> None:
    """Both stages of ``task``, and a second stage two where the plan wants one; resumes.

    Args:
        plan, task: what is fitted. run: the reproduction's folder. watch: is told how it goes.

    Raises:
        Cancelled: asked for through the control file. InputError: another process has the unit.
    """
    scores = plan.scores(task)
    stages = 1 + len(scores)
    first = unit_folder(run, task.strategy, scores[0], task.unit)
    for number, score in enumerate(scores):
        folder = unit_folder(run, task.strategy, score, task.unit)
        folder.mkdir(parents=True, exist_ok=True)
        if number and (first / "stage-1" / BEST).is_file():
            # The same stage one, so that the two scores are compared on the same image features.
            shutil.copytree(first / "stage-1", folder / "stage-1", dirs_exist_ok=True)
        # Each score is told as two stages; all but the first score's take stage one over.
        part = watch.part(number / stages, 2 / stages)
        settings = plan.settings(task.strategy, score)
        keep = score != scores[-1]
        run_unit(settings, task.unit, run / UNITS / part_name(task.strategy, score), part, keep)
    if task.fold:
        (first / "stage-1" / BEST).unlink(missing_ok=True)


def _folder(run: Path, task: Task) -> Path:
    """Where a process that is not the run's own keeps its lock and its events of ``task``."""
    return unit_folder(run, task.strategy, "grade", task.unit)


def run_tasks(
    plan: Plan, folder: RunFolder, pace: Pace, workers: int, cluster: Cluster | None = None
) -> Iterator[Task]:
    """Run what is not done, and give each task as it ends.

    Args:
        plan, folder: of the reproduction. pace: of all its tasks, by name.
        workers: processes of this machine; 1 for this one alone. cluster: where to run instead.

    Raises:
        Cancelled: asked for. HyRiskError: what a process could not do, in its own sentence.
    """
    waiting = [task for task in plan.tasks() if not is_done(plan, folder.path, task)]
    if cluster is not None:
        yield from _on_cluster(plan, folder, pace, waiting, cluster)
    elif workers > 1:
        yield from _in_processes(plan, folder, pace, waiting, workers)
    else:
        for task in waiting:
            watch = UnitWatch(task.name, folder.log.emit, folder.control, partial(pace.share, task.name))
            run_task(plan, task, folder.path, watch)
            yield task


def _relay(folder: RunFolder, pace: Pace, waiting: list[Task]) -> Relay:
    return Relay(folder.log.emit, pace, {task.name: _folder(folder.path, task) / EVENTS for task in waiting})


def _on_cluster(plan: Plan, folder: RunFolder, pace: Pace, waiting: list[Task], cluster: Cluster) -> Iterator[Task]:
    """On Dask workers."""
    by_name = {task.name: task for task in waiting}
    plain, run = plan.to_json(), str(folder.path)
    calls = {task.name: (run_task_remotely, plain, asdict(task), run) for task in waiting}
    relay, gpu = _relay(folder, pace, waiting), plan.base.device == "cuda"
    for name, _ in on_cluster(cluster, "reproduction", calls, gpu=gpu, relay=relay, control=folder.control):
        yield by_name[name]


def run_task_remotely(plan: dict[str, Any], task: dict[str, Any], run: str) -> None:
    """`run_task` on a cluster's worker."""
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    sweep()
    one, path = Task(**task), Path(run)
    run_task(Plan.from_json(plan), one, path, watch_elsewhere(one.name, _folder(path, one), path))


# --- processes of this machine


def _in_processes(plan: Plan, folder: RunFolder, pace: Pace, waiting: list[Task], workers: int) -> Iterator[Task]:
    relay = _relay(folder, pace, waiting)
    for _ in range(2):
        # A second round takes up what a process has left that died.
        with _team(plan, folder.path, workers) as team:
            works = True
            while works:
                works = any(process.is_alive() for process in team)
                relay.tell()
                folder.control.check()
                for task in [task for task in waiting if is_done(plan, folder.path, task)]:
                    waiting.remove(task)
                    yield task
                time.sleep(POLL_S * works)
        if not waiting:
            return
    raise HyRiskError(
        "workers_died", tr("Processes died before all was trained. The same command goes on where it stopped.")
    )


@contextlib.contextmanager
def _team(plan: Plan, run: Path, workers: int) -> Iterator[list[BaseProcess]]:
    """One round of ``workers`` fresh processes: forking one that has started CUDA can't work.

    Raises:
        Cancelled: a process found that asked for. HyRiskError: what one could not do.
    """
    context = multiprocessing.get_context("spawn")
    arguments = (plan.to_json(), str(run))
    team: list[BaseProcess] = [
        context.Process(target=_worker, args=(*arguments, index), name=f"hyrisk-{index}") for index in range(workers)
    ]
    for index in range(workers):
        (run / f"{index}-{_SENTENCE}").unlink(missing_ok=True)
    try:
        for process in team:
            process.start()
        yield team
    except (Cancelled, KeyboardInterrupt):
        # They look into the control file themselves, and leave a checkpoint.
        for process in team:
            process.join(_LAST_CHECKPOINT_S)
        raise
    finally:
        for process in team:
            if process.is_alive():
                process.terminate()
                process.join()
    if any(process.exitcode == EXIT_CANCELLED for process in team):
        raise Cancelled
    for index in range(workers):
        if failure := read_json(run / f"{index}-{_SENTENCE}"):
            raise HyRiskError(str(failure["code"]), str(failure["message"]))


def _worker(plan: dict[str, Any], run: str, index: int) -> None:
    """A spawned process: tasks until none is left; an expected failure is left as a sentence."""
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    try:
        _work_through(Plan.from_json(plan), Path(run))
    except (Cancelled, KeyboardInterrupt):
        raise SystemExit(EXIT_CANCELLED) from None
    except HyRiskError as e:
        write_json(Path(run) / f"{index}-{_SENTENCE}", {"code": e.code, "message": e.message})
        raise SystemExit(3) from e


def _work_through(plan: Plan, run: Path) -> None:
    """Every task that is not done and that nobody else holds."""
    for task in plan.tasks():
        if is_done(plan, run, task):
            continue
        folder = _folder(run, task)
        watch = watch_elsewhere(task.name, folder, run)
        try:
            with FileLock(folder / "task.lock", timeout=0):
                run_task(plan, task, run, watch)
        except Timeout:
            continue
