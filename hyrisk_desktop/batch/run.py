"""Bulk scoring on this machine: a few threads read ahead of the one that owns the model.

Rows come in the order of the exams. What is read ahead is bounded in exams, and of each only the few slices that the
network sees are kept, so memory does not grow with their number.
"""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import TYPE_CHECKING

from hyrisk_desktop.batch.exam import BatchExam
from hyrisk_desktop.batch.pace import BatchProgress, Pace
from hyrisk_desktop.batch.row import (
    FAILED,
    BatchRow,
    BatchSettings,
    IsDone,
    Loaded,
    OnMeasured,
    empty_row,
    failed_row,
    load_exam,
    looked_at,
    predict_row,
)
from hyrisk_desktop.errors import Cancelled, InputError
from hyrisk_desktop.findings import Finding
from hyrisk_desktop.i18n import tr
from hyrisk_desktop.imaging import SlicesSeen
from hyrisk_desktop.jobs import CancelToken, PauseToken

if TYPE_CHECKING:
    from hyrisk_desktop.risk import Predictor

OnRow = Callable[[BatchRow], None]
Done = Mapping[str, tuple[str, str]]
"""Rows that an earlier run scored: fingerprint and bundle hash by row id."""
Item = Loaded | BatchRow | None
_POLL_S = 0.05
_MOST_WORKERS = 64
_AHEAD = 2  # exams per reading thread that are read or wait to be predicted


def ignore_progress(_: BatchProgress) -> None:
    """Nobody wants to know."""


def default_workers() -> int:
    """Reading threads: the network needs the cores more, and headers are read under Python's global lock."""
    return max(2, min(4, (os.cpu_count() or 2) // 2))


def _checked(workers: int) -> int:
    """How many threads read: ``workers``, or what suits for 0. Raises InputError for what is no number of them."""
    if not 0 <= workers <= _MOST_WORKERS:
        raise InputError(
            "workers", tr("The number of reading threads must lie between 1 and {most}.", most=_MOST_WORKERS)
        )
    return workers or default_workers()


def run_batch(
    exams: Sequence[BatchExam],
    settings: BatchSettings,
    predictor: Predictor | None,
    *,
    on_row: OnRow,
    progress: Callable[[BatchProgress], None] = ignore_progress,
    cancel: CancelToken | None = None,
    pause: PauseToken | None = None,
    done: Done | None = None,
    also: tuple[Finding, ...] = (),
    workers: int = 0,
    on_measured: OnMeasured | None = None,
) -> BatchProgress:
    """Score exams, in this thread, which owns ``predictor``; reading threads are joined before it returns.

    Args:
        exams: see `batch_exam.list_exams` and `batch_exam.batch_exams`.
        settings: what decides the numbers beside exam and model.
        predictor: the model, or None to score calcium only.
        on_row: called in this thread with each row, scored or failed. What it raises ends the run.
        progress: called in this thread behind each row.
        cancel: ends the run between two exams; pause: makes it wait there.
        done: rows not to make again, unless their input or the model changed.
        also: findings beside every row.
        workers: reading threads, 1 to 64; 0 to choose.
        on_measured: called in this thread with all that was measured, before its row is told.

    Returns:
        Where the run stands at its end.

    Raises:
        Cancelled: ``cancel`` was set; all rows made so far went to ``on_row``.
        InputError: ``workers`` is out of range, or the profile is unknown.
    """
    workers = _checked(workers)
    settings.check()
    pace = Pace(sum(len(exam.slots) for exam in exams))
    is_done = done_with(done or {}, predictor.bundle.bundle_sha256 if predictor else "")
    progress(pace.progress)
    for items in read_ahead(exams, settings, is_done, also, cancel, pause, workers, pace, looked_at(predictor)):
        for item in items:
            if cancel:
                cancel.raise_if_cancelled()
            row = predict_row(item, predictor, on_measured) if isinstance(item, Loaded) else item
            if row is not None:
                on_row(row)
            pace.count(failed=row is not None and row.status == FAILED, skipped=row is None)
            progress(pace.progress)
    return pace.progress


def done_with(done: Done, bundle_sha256: str) -> IsDone:
    """Whether a row was made from the same input by the model of that hash."""
    return lambda row_id, fingerprint: done.get(row_id) == (fingerprint, bundle_sha256)


def read_ahead(
    exams: Sequence[BatchExam],
    settings: BatchSettings,
    is_done: IsDone,
    also: tuple[Finding, ...],
    cancel: CancelToken | None,
    pause: PauseToken | None,
    workers: int,
    pace: Pace | None = None,
    seen: SlicesSeen | None = None,
) -> Iterator[list[Item]]:
    """What `load_exam` makes of each exam, in their order, read by ``workers`` threads a few exams ahead.

    Args:
        exams, settings, is_done, also, cancel, seen: as of `load_exam`. workers: how many threads read.
        pause: makes the reading wait. pace: is told how long it waited.

    Raises:
        Cancelled: ``cancel`` was set.
    """
    # Its own flag: the readers have to stop as well when whoever takes the exams fails.
    stop = CancelToken()
    waiting: deque[Future[list[Item]]] = deque()
    queue = iter(exams)
    pool = ThreadPoolExecutor(workers, "hyrisk-batch")
    try:
        while True:
            _hold(pause, cancel, pace)
            for exam in queue:
                waiting.append(pool.submit(_load, exam, settings, is_done, also, stop, seen))
                if len(waiting) >= _AHEAD * workers:
                    break
            if not waiting:
                return
            yield _await(waiting.popleft(), cancel)
    finally:
        stop.cancel()
        pool.shutdown(wait=True, cancel_futures=True)


def _hold(pause: PauseToken | None, cancel: CancelToken | None, pace: Pace | None) -> None:
    if cancel:
        cancel.raise_if_cancelled()
    if pause and pause.paused:
        began = time.monotonic()
        pause.wait(cancel)
        if pace:
            pace.paused_for(time.monotonic() - began)


def _await(future: Future[list[Item]], cancel: CancelToken | None) -> list[Item]:
    while not wait([future], _POLL_S).done:
        if cancel:
            cancel.raise_if_cancelled()
    return future.result()


def _load(
    exam: BatchExam,
    settings: BatchSettings,
    is_done: IsDone,
    also: tuple[Finding, ...],
    stop: CancelToken,
    seen: SlicesSeen | None,
) -> list[Item]:
    try:
        return list(load_exam(exam, settings, is_done, also, stop, seen))
    except Cancelled:
        raise
    except Exception as e:  # noqa: BLE001  the batch row: one bad exam never stops the run
        return list(rows_of(exam, e, whole_heart=settings.whole_heart))


def rows_of(exam: BatchExam, error: Exception, *, whole_heart: bool = False) -> list[BatchRow]:
    """All rows of an exam as failed by this error; ``whole_heart``: with the columns of that score."""
    return [failed_row(empty_row(exam, slot, read, whole_heart=whole_heart), error) for slot, read in exam.slots]
