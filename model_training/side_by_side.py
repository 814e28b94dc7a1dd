"""Work of a run that goes on side by side, in other processes or on a Dask cluster: its events become the run's own."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from hyrisk_desktop.dask_client import Cluster, Tasks, WorkerLost
from hyrisk_desktop.errors import HyRiskError
from hyrisk_desktop.i18n import tr
from hyrisk_desktop.training_run import EventTail
from model_training.run_folder import Control, Emit

POLL_S = 0.5
_RETRIES = 3
_FEWEST_WORKED = 0.01


class Pace:
    """Share of the whole run done, and seconds left at the speed of this start.

    Args:
        work: how much each unit is, by its name; only the ratios count. done: names of those that are done already.
    """

    def __init__(self, work: Mapping[str, float], done: Iterable[str] = ()) -> None:
        self._work, self._all = dict(work), sum(work.values())
        self._within = dict.fromkeys(done, 1.0)
        self._before = self._whole()
        self._start = time.monotonic()

    def share(self, name: str, within: float) -> dict[str, Any]:
        """Fields of an event: ``done`` and ``seconds_left``, once ``within`` of the unit ``name`` is done."""
        if name not in self._within and within < 1.0:
            # A unit that goes on from its checkpoint brings what an earlier start has done of it.
            self._before += self._work[name] * within
        self._within[name] = within
        whole = self._whole()
        worked = whole - self._before
        known = worked * len(self._work) > _FEWEST_WORKED * self._all
        left = (time.monotonic() - self._start) / worked * (self._all - whole) if known else None
        return {"done": round(whole / self._all, 5), "seconds_left": None if left is None else round(left)}

    def _whole(self) -> float:
        return sum(self._work[name] * within for name, within in self._within.items())


class Relay:
    """Tells what units that run elsewhere write into their own events from now on.

    Args:
        emit: tells it as the run's own. pace: of the run. files: the units' events, by name.
    """

    def __init__(self, emit: Emit, pace: Pace, files: Mapping[str, Path]) -> None:
        self._emit, self._pace = emit, pace
        self._tails = {name: EventTail(path, from_now=True) for name, path in files.items()}

    def tell(self) -> None:
        """Steps and epochs since the last look."""
        for name, tail in self._tails.items():
            more = True
            while more:
                events, more = tail.read()
                for event in events:
                    kind = event.pop("event", "")
                    event.pop("time", None)
                    if kind == "step":
                        event |= self._pace.share(name, event.pop("share"))
                    if kind in ("step", "epoch"):
                        self._emit(kind, **event)


def on_cluster(
    cluster: Cluster,
    kind: str,
    calls: Mapping[str, tuple[Any, ...]],
    *,
    gpu: bool,
    relay: Relay,
    control: Control,
) -> Iterator[tuple[str, Any]]:
    """Run calls on Dask workers that see the same disk; gives name and answer of each as it ends. Paths travel, pixels don't.

    A lost worker's unit goes on elsewhere from its checkpoint.

    Args:
        cluster: where. kind: of work, for the names of tasks. calls: function and arguments, by the unit's name, which
            does not travel: it may say who was scanned.
        gpu: a worker must offer the resource ``GPU``. relay, control: of the run.

    Raises:
        Cancelled: asked for. HyRiskError: the workers were lost, or what one of them says.
    """
    with cluster.connect() as client:
        tasks = Tasks(client, kind, gpu=gpu, retries=_RETRIES)
        waiting = {tasks.submit(*call): name for name, call in calls.items()}
        try:
            while waiting:
                for future in [future for future in waiting if future.done()]:
                    answer = _answer(tasks, future)
                    relay.tell()
                    yield waiting.pop(future), answer
                relay.tell()
                control.check()
                time.sleep(POLL_S)
        finally:
            client.cancel(list(waiting))


def _answer(tasks: Tasks, future: Any) -> Any:
    try:
        return tasks.answer(future)
    except WorkerLost as e:
        message = tr("The workers that trained a fold were lost. The same command goes on where it stopped.")
        raise HyRiskError("worker_lost", message) from e
