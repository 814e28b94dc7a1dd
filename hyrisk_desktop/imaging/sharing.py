"""Two threads on one list of slices: reading and numpy both let go of the interpreter's lock."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Sequence

from hyrisk_desktop.jobs import CancelToken

_BATCH = 4


def share(
    items: Sequence[int], work: Callable[[int], None], report: Callable[[int], None], cancel: CancelToken | None
) -> None:
    """Call ``work`` on every item, in this thread and in one helper that is joined before returning.

    Args:
        items: what to work on.
        work: called from both threads, for different items.
        report: called in this thread with the number of items done so far.
        cancel: polled in this thread.

    Raises:
        Exception: the first that ``work`` raised.
        Cancelled: ``cancel`` was set.
    """
    rest = iter(items)
    lock = threading.Lock()
    failures: list[BaseException] = []
    done = 0

    def next_batch(finished: int) -> list[int]:
        nonlocal done
        with lock:
            done += finished
            return [] if failures else list(itertools.islice(rest, _BATCH))

    def help_along() -> None:
        finished = 0
        try:
            while batch := next_batch(finished):
                for item in batch:
                    work(item)
                finished = len(batch)
        except Exception as e:  # noqa: BLE001 - handed to the calling thread, which raises it
            failures.append(e)

    helper = threading.Thread(target=help_along, name="hyrisk-slices")
    if len(items) > 4 * _BATCH:
        helper.start()
    finished = 0
    try:
        while batch := next_batch(finished):
            if cancel:
                cancel.raise_if_cancelled()
            for item in batch:
                work(item)
            finished = len(batch)
            report(done)
    except BaseException as e:  # noqa: BLE001 - the helper has to end first, then it is raised
        failures.append(e)
    if helper.ident is not None:
        helper.join()
    if failures:
        raise failures[0]
    report(len(items))
