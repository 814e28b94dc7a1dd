"""Who has a worklist's file open: one locked file for each process, which the system unlocks when that process dies.

Nothing replaces a file under somebody who writes into it. Who reads what at which desk is told by `desks`.
"""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Iterator
from pathlib import Path

from filelock import FileLock, Timeout

from hyrisk_desktop.errors import StoreError
from hyrisk_desktop.i18n import tr
from hyrisk_desktop.private_files import FILE_MODE, make_private

_GATE = "gate"
_WAIT_S = 10.0


class Presence:
    """This process's mark at a worklist's file.

    Args:
        path: the worklist's file.

    Raises:
        StoreError: the file is being replaced just now.
    """

    def __init__(self, path: Path) -> None:
        self._folder = _folder_of(path)
        self._lock: FileLock | None = None
        # A worklist on a disk that can't be written has nobody to warn of: nothing can be saved over it.
        with contextlib.suppress(OSError, NotImplementedError):
            make_private(self._folder)
            with _gate(self._folder):
                _living(self._folder)
                lock = _lock(self._folder / f"desk-{os.getpid()}-{secrets.token_hex(4)}.lock")
                lock.acquire(timeout=0)
                self._lock = lock

    def leave(self) -> None:
        """Take the mark away."""
        lock, self._lock = self._lock, None
        if lock is not None:
            lock.release()
            with contextlib.suppress(OSError):
                Path(lock.lock_file).unlink(missing_ok=True)


@contextlib.contextmanager
def alone(path: Path) -> Iterator[None]:
    """Nobody has the worklist open, and nobody can open it meanwhile.

    Raises:
        StoreError: somebody has it open.
    """
    folder = _folder_of(path)
    with contextlib.ExitStack() as stack:
        with contextlib.suppress(NotImplementedError):
            make_private(folder)
            stack.enter_context(_gate(folder))
            if _living(folder):
                raise StoreError(
                    "store_in_use",
                    tr("The worklist is open in another window or program. Close it, and try again."),
                )
        yield


def _folder_of(path: Path) -> Path:
    path = path.resolve()
    return path.with_name(f".{path.name}.open")


@contextlib.contextmanager
def _gate(folder: Path) -> Iterator[None]:
    try:
        # Marks are made and counted one process at a time, so none is seen between its making and its locking.
        with _lock(folder / f"{_GATE}.lock").acquire(timeout=_WAIT_S):
            yield
    except Timeout as e:
        raise StoreError(
            "store_busy", tr("The worklist is being restored by another program. Try again in a moment.")
        ) from e


def _living(folder: Path) -> list[str]:
    """Names of the marks whose processes live; those of dead ones are swept."""
    living = []
    for path in folder.glob("*-*.lock"):
        lock = _lock(path)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            living.append(path.name)
            continue
        lock.release()
        path.unlink(missing_ok=True)
    return living


def _lock(path: Path) -> FileLock:
    return FileLock(path, mode=FILE_MODE, thread_local=False)
