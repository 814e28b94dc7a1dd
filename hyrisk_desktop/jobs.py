"""What a long piece of work needs from whoever started it: a way to report and a way to stop."""

from __future__ import annotations

import contextlib
import ctypes
import os
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from hyrisk_desktop.errors import Cancelled

_POLL_S = 0.05
_BELOW_NORMAL = -1  # THREAD_PRIORITY_BELOW_NORMAL
Progress = Callable[[int, int], None]
"""Called as ``progress(done, total)``, from the thread that does the work."""


def no_progress(done: int, total: int) -> None:
    """Report nothing."""


Check = Callable[[], None]
"""Called now and then by the thread that does the work; raises where the work shall stop."""


def no_check() -> None:
    """Go on."""


@dataclass(frozen=True, slots=True)
class CancelToken:
    """A flag that the owner sets and the work polls."""

    _event: threading.Event = field(default_factory=threading.Event)

    def cancel(self) -> None:
        """Ask the work to stop at its next check."""
        self._event.set()

    @property
    def cancelled(self) -> bool:
        """Whether `cancel` was called."""
        return self._event.is_set()

    def raise_if_cancelled(self) -> None:
        """Raise `Cancelled` once `cancel` was called."""
        if self._event.is_set():
            raise Cancelled


@dataclass(frozen=True, slots=True)
class PauseToken:
    """A gate that the owner closes and opens; the work waits at it between two pieces."""

    _open: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self._open.set()

    def pause(self) -> None:
        """Let the work wait at its next check."""
        self._open.clear()

    def resume(self) -> None:
        """Let it go on."""
        self._open.set()

    @property
    def paused(self) -> bool:
        """Whether the work is to wait."""
        return not self._open.is_set()

    def wait(self, cancel: CancelToken | None = None) -> None:
        """Return once open; raises `Cancelled` when ``cancel`` is set meanwhile."""
        while not self._open.wait(_POLL_S):
            if cancel:
                cancel.raise_if_cancelled()


def leave_room(niceness: int = 1) -> None:
    """Let the calling thread, and those that it starts, stand back for the window's own where both want the processor.

    As little as can be: who holds Python's global lock and stands back for other programs keeps the window waiting for it. On two
    cores that others keep busy it waited 36 ms for a thread that stands back by 0, 45 by 1, 76 by 3 and 350 by 10 (measured).
    Linux has priorities of threads, Windows too; elsewhere nothing happens.

    Args:
        niceness: 0 to 19, as of the command ``nice``.
    """
    if sys.platform == "linux":
        # Refused in some sandboxes; the work is done all the same.
        with contextlib.suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), niceness)
    elif sys.platform == "win32":
        kernel = ctypes.windll.kernel32
        kernel.GetCurrentThread.restype = ctypes.c_void_p
        kernel.SetThreadPriority.argtypes = (ctypes.c_void_p, ctypes.c_int)
        kernel.SetThreadPriority(kernel.GetCurrentThread(), _BELOW_NORMAL)
