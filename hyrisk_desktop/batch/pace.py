"""How far a bulk scoring is, how fast, and how long it will take."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

_REMEMBERED = 60


@dataclass(frozen=True, slots=True)
class BatchProgress:
    """Where a run stands.

    Attributes:
        total: rows in all; done: those there are, skipped ones among them.
        failed, skipped: of this run; skipped rows were there already.
        per_minute: rows a minute lately, pauses left out; None before two rows are made.
        seconds_left: at that rate.
    """

    total: int
    done: int = 0
    failed: int = 0
    skipped: int = 0
    per_minute: float | None = None
    seconds_left: float | None = None


class Pace:
    """Counts rows and measures their rate over the last sixty."""

    def __init__(self, total: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._total, self._clock = total, clock
        self._done = self._failed = self._skipped = 0
        self._paused = 0.0
        self._moments: deque[float] = deque([clock()], _REMEMBERED)

    def count(self, *, failed: bool = False, skipped: bool = False) -> None:
        """One more row."""
        self._done += 1
        self._failed += failed
        self._skipped += skipped
        if not skipped:
            self._moments.append(self._clock() - self._paused)

    def paused_for(self, seconds: float) -> None:
        """Leave so much out of the rate."""
        self._paused += seconds

    @property
    def progress(self) -> BatchProgress:
        """Where the run stands."""
        took = self._moments[-1] - self._moments[0]
        made = len(self._moments) - 1
        rate = 60.0 * made / took if made > 1 and took > 0 else None
        left = (self._total - self._done) * 60.0 / rate if rate else None
        return BatchProgress(self._total, self._done, self._failed, self._skipped, rate, left)
