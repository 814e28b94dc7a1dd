"""Two threads on one list of slices: reading and numpy both let go of the interpreter's lock."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Sequence

from hyrisk_desktop.jobs import CancelToken

_BATCH = 4
_MOMENT_SECONDS = 0.05
_FEW = 4 * _BATCH  # a helper isn't worth its start for so few
# One thread at each end: where both touch the same new pages of memory, they wait for each other.
_FRONT, _BACK = slice(_BATCH), slice(-_BATCH, None)

Work = Callable[[Sequence[int]], None]
"""Called with the next few items."""


class _Shared:
    """The items that both threads take from: ``bare`` ones could still be prepared, ``ready`` ones needn't be."""

    def __init__(self, items: Sequence[int], work: Work, prepare: Work | None, cancel: CancelToken | None) -> None:
        self._bare = list(items) if prepare else []
        self._ready = [] if prepare else list(items)
        self._work, self._prepare, self._cancel = work, prepare, cancel
        self._lock = threading.Lock()
        self.failures: list[BaseException] = []
        self.done = 0
        self.prepared = prepare is None

    def prepare(self) -> None:
        """Prepare, the last first, what nobody has taken yet."""
        while self._prepare and (batch := self._cut(_BACK, bare=True)):
            self._prepare(batch)
            with self._lock:
                self._ready += batch
        self.prepared = True

    def work(self, end: slice, after: Callable[[], None] | None = None, *, seconds: float = math.inf) -> None:
        """Work from one end until nothing is left or the time is up, calling ``after`` behind each few items."""
        until = time.monotonic() + seconds
        while time.monotonic() < until and (batch := self._cut(end)):
            self._work(batch)
            with self._lock:
                self.done += len(batch)
            if after:
                after()

    def _cut(self, end: slice, *, bare: bool = False) -> Sequence[int]:
        """Take the next few items of one end, only ``bare`` ones if so wished; none once something failed or was cancelled."""
        with self._lock:
            items = self._bare if bare or self._bare else self._ready
            over = self.failures or (self._cancel is not None and self._cancel.cancelled)
            batch = [] if over else items[end]
            del items[end]
            return batch

    def help(self) -> None:
        """What the helper does: prepare only where the work takes long enough for somebody to look at its items."""
        self.work(_BACK, seconds=_MOMENT_SECONDS if self._prepare else math.inf)
        self.prepare()
        self.work(_BACK)

    def guarded(self, call: Callable[[], None]) -> None:
        """Make this call; a failure is kept for `share` to raise, as both threads have to end first."""
        try:
            call()
        except BaseException as e:  # noqa: BLE001 - `share` raises it
            self.failures.append(e)


def share(
    items: Sequence[int],
    work: Work,
    report: Callable[[int, bool], None],
    cancel: CancelToken | None,
    *,
    prepare: Work | None = None,
) -> None:
    """Work through the items, in this thread and in one helper that is joined before returning.

    Args:
        items: what to work on.
        work: called from both threads, with a few different items each time.
        report: called in this thread with the number of items done so far, and with whether ``prepare`` is through.
        cancel: polled in both threads.
        prepare: called on the items that nobody works on yet, if after a moment there are any.

    Raises:
        Exception: the first that ``work``, ``prepare`` or ``report`` raised.
        Cancelled: ``cancel`` was set.
    """
    shared = _Shared(items, work, prepare, cancel)

    def after() -> None:
        if cancel:
            cancel.raise_if_cancelled()
        report(shared.done, shared.prepared)

    helper = threading.Thread(target=shared.guarded, args=(shared.help,), name="hyrisk-slices")
    if len(items) > _FEW:
        helper.start()
    else:
        shared.prepare()
        after()
    shared.guarded(lambda: shared.work(_FRONT, after))
    if helper.ident is not None:
        helper.join()
    if shared.failures:
        raise shared.failures[0]
    if cancel:
        cancel.raise_if_cancelled()
    report(len(items), True)
