"""A lock on a file's name for a moment, which leaves nothing behind and which a crash releases.

`filelock` leaves its lock file for good (deleting it would let two processes lock two files of one name); where a folder
should hold nothing but what belongs there, the name is looked at again once the lock is held.
"""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path

_PAUSE_S = 0.005
_FLAGS = os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NOFOLLOW", 0)

if sys.platform == "win32":
    import msvcrt

    def _try(descriptor: int) -> bool:
        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True
else:
    import fcntl

    def _try(descriptor: int) -> bool:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
        return True


@contextlib.contextmanager
def locked(path: Path, wait_s: float) -> Iterator[None]:
    """Hold the lock file ``path``, made private and deleted afterwards.

    Raises:
        TimeoutError: another process held it for all of ``wait_s``. OSError: it can't be made.
    """
    deadline = time.monotonic() + wait_s
    while (descriptor := _locked_descriptor(path)) is None:
        if time.monotonic() >= deadline:
            raise TimeoutError(f"{path.name} is locked")
        time.sleep(_PAUSE_S)
    try:
        yield
    finally:
        if os.name == "posix":
            # While it is still held: whoever waits for this file will find that it no longer has the name.
            path.unlink(missing_ok=True)
        os.close(descriptor)
        # Windows deletes no open file, and refuses where the next one has opened it: then that one deletes it.
        with contextlib.suppress(OSError):
            if os.name != "posix":
                path.unlink(missing_ok=True)


def _locked_descriptor(path: Path) -> int | None:
    descriptor = os.open(path, _FLAGS, 0o600)
    if _try(descriptor):
        with contextlib.suppress(OSError):
            if os.path.samestat(os.fstat(descriptor), path.stat()):
                return descriptor
    os.close(descriptor)
    return None
