"""Two threads on one list of slices: reading and numpy both let go of the interpreter's lock."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Sequence

from hyrisk_desktop.jobs import CancelToken

_BATCH = 4


class _Shared:
    """The list that both threads take from."""

    def __init__(self, items: Sequence[int], work: Callable[[int], None]) -> None:
        self._rest = iter(items)
        self._work = work
        self._lock = threading.Lock()
        self.failures: list[BaseException] = []
        self.done = 0

    def take(self, finished: int) -> list[int]:
        """The next few items; none once something failed."""
        with self._lock:
            self.done += finished
            return [] if self.failures else list(itertools.islice(self._rest, _BATCH))

    def run(self, after: Callable[[], None]) -> None:
        """Work until nothing is left, calling ``after`` behind each few items; failures are kept, not raised."""
        finished = 0
        try:
            while batch := self.take(finished):
                for item in batch:
                    self._work(item)
                finished = len(batch)
                after()
        except BaseException as e:  # noqa: BLE001 - both threads have to end first, then `share` raises it
            self.failures.append(e)


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
    shared = _Shared(items, work)

    def after() -> None:
        if cancel:
            cancel.raise_if_cancelled()
        report(shared.done)

    helper = threading.Thread(target=shared.run, args=(lambda: None,), name="hyrisk-slices")
    if len(items) > 4 * _BATCH:
        helper.start()
    shared.run(after)
    if helper.ident is not None:
        helper.join()
    if shared.failures:
        raise shared.failures[0]
    if cancel:
        cancel.raise_if_cancelled()
    report(len(items))
