"""The one place where work leaves the GUI thread.

One worker thread owns the model and the device; a small pool does I/O that somebody waits for; one thread does what can
wait (reading ahead, thumbnails); a small pool talks with the network. Each job ends with exactly one of its
callbacks `succeeded`, `failed` or `cancelled`, called on the GUI thread: a Python exception in a Qt worker slot
would emit nothing at all, and the window would wait for ever.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from PySide6.QtCore import QObject, Qt, Signal, Slot

from hyrisk_desktop.errors import Cancelled, HyRiskError, safe_traceback
from hyrisk_desktop.jobs import CancelToken, Progress, leave_room

_log = logging.getLogger(__name__)
_PROGRESS_INTERVAL_S = 0.03


def _ignore(*_: Any) -> None:
    """Nobody wants to know."""


@dataclass(frozen=True, slots=True)
class JobContext:
    """What the work gets: a way to report, a way to notice that it shall stop, and a way to hand over early results."""

    progress: Progress
    token: CancelToken
    partial: Callable[[Any], None]


# Qt's signals hold the object of a method that they call by a weak reference.
@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class Job:
    """One piece of work and where its end is told."""

    name: str
    work: Callable[[JobContext], Any]
    succeeded: Callable[[Any], None]
    failed: Callable[[HyRiskError | Exception], None]
    cancelled: Callable[[], None] = _ignore
    progressed: Callable[[int, int], None] = _ignore
    partial: Callable[[Any], None] = _ignore
    token: CancelToken = field(default_factory=CancelToken)

    def cancel(self) -> None:
        """Ask the work to stop; `cancelled` is called once it has."""
        self.token.cancel()


class JobRunner(QObject):
    """Runs jobs off the GUI thread and tells their end on it."""

    _deliver = Signal(object)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._model = ThreadPoolExecutor(1, "hyrisk-model", leave_room)
        self._io = ThreadPoolExecutor(2, "hyrisk-io", leave_room)
        self._background = ThreadPoolExecutor(1, "hyrisk-background", leave_room)
        self._batch = ThreadPoolExecutor(1, "hyrisk-batch-run", leave_room, (2,))
        self._network = ThreadPoolExecutor(3, "hyrisk-network", leave_room)
        self._jobs: set[Job] = set()
        self._closed = False
        self._deliver.connect(self._call, Qt.ConnectionType.QueuedConnection)

    def run_model(self, job: Job) -> Job:
        """Queue ``job`` on the thread that owns the model."""
        return self._submit(self._model, job)

    def run_io(self, job: Job) -> Job:
        """Queue ``job`` on the I/O pool."""
        return self._submit(self._io, job)

    def run_background(self, job: Job) -> Job:
        """Queue ``job`` behind all other work that nobody waits for."""
        return self._submit(self._background, job)

    def run_batch(self, job: Job) -> Job:
        """Start ``job`` on the thread for runs that may take all night."""
        return self._submit(self._batch, job)

    def run_network(self, job: Job) -> Job:
        """Start ``job`` on the pool for conversations with other machines, which may be slow to answer."""
        return self._submit(self._network, job)

    @property
    def busy(self) -> bool:
        """Whether any job has not told its end yet."""
        return bool(self._jobs)

    def close(self) -> None:
        """Cancel what runs, wait for it, and tell nothing more."""
        self._closed = True
        for job in self._jobs:
            job.cancel()
        for pool in (self._io, self._background, self._batch, self._network, self._model):
            pool.shutdown(wait=True, cancel_futures=True)
        self._jobs.clear()

    def _submit(self, pool: ThreadPoolExecutor, job: Job) -> Job:
        if not self._closed:
            self._jobs.add(job)
            pool.submit(self._run, job)
        return job

    def _run(self, job: Job) -> None:
        """On a worker thread: do the work and deliver exactly one end."""
        last, waits, newest = 0.0, False, (0, 0)

        def tell() -> None:
            nonlocal waits
            waits = False
            job.progressed(*newest)

        def progress(done: int, total: int) -> None:
            nonlocal last, waits, newest
            newest = done, total
            # The GUI thread needs no more than a frame's worth of reports, and none while one waits for it: each makes it draw.
            if not waits and ((now := time.monotonic()) - last >= _PROGRESS_INTERVAL_S or done >= total > 0):
                last, waits = now, True
                self._deliver.emit(tell)

        def partial(value: Any) -> None:
            self._deliver.emit(lambda: job.partial(value))

        end: Callable[[], None]
        try:
            job.token.raise_if_cancelled()
            value = job.work(JobContext(progress, job.token, partial))
        except Cancelled:
            end = job.cancelled
        except HyRiskError as e:
            _log.info("%s failed: %s", job.name, e.code)
            error: HyRiskError | Exception = e
            end = lambda: job.failed(error)  # noqa: E731
        except Exception as e:  # noqa: BLE001  the job wrapper is where everything unexpected becomes one report
            _log.error("%s failed unexpectedly:\n%s", job.name, safe_traceback(e))
            unexpected = e
            end = lambda: job.failed(unexpected)  # noqa: E731
        else:
            end = lambda: job.succeeded(value)  # noqa: E731
        self._deliver.emit(lambda: self._finish(job, end))

    def _finish(self, job: Job, end: Callable[[], None]) -> None:
        self._jobs.discard(job)
        end()

    @Slot(object)
    def _call(self, callback: Callable[[], None]) -> None:
        if not self._closed:
            callback()


class Operation:
    """What a part of the window does one at a time: only the newest counts, and of one before it nothing is told.

    Args:
        submit: one of the runner's ``run_...`` methods.
    """

    def __init__(self, submit: Callable[[Job], Job]) -> None:
        self._submit = submit
        self._job: Job | None = None

    @property
    def running(self) -> bool:
        """Whether the newest has not told its end yet."""
        return self._job is not None

    def start(
        self,
        name: str,
        work: Callable[[JobContext], Any],
        then: Callable[[Any], None],
        failed: Callable[[HyRiskError | Exception], None],
        *,
        cancelled: Callable[[], None] = _ignore,
        progressed: Callable[[int, int], None] = _ignore,
        partial: Callable[[Any], None] = _ignore,
    ) -> None:
        """Start the newest, and stop the one before.

        Args:
            name: for the log. work: done on a worker thread. progressed, partial: as in `Job`.
            then, failed, cancelled: exactly one is called at the end, when this is no longer running.
        """
        self.drop()

        def told(callback: Callable[..., None]) -> Callable[..., None]:
            return lambda *values: callback(*values) if self._job is job else None

        def last(callback: Callable[..., None]) -> Callable[..., None]:
            def end(*values: Any) -> None:
                self._job = None
                callback(*values)

            return told(end)

        job = Job(name, work, last(then), last(failed), last(cancelled), told(progressed), told(partial))
        self._job = job
        self._submit(job)

    def cancel(self) -> None:
        """Ask the newest to stop; its end is told."""
        if self._job is not None:
            self._job.cancel()

    def drop(self) -> None:
        """Stop the newest, which then tells nothing any more."""
        self.cancel()
        self._job = None
