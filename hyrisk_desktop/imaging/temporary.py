"""Private temporary folders that go with the last record naming them, with the program, or at the next start after a kill."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import tempfile
import time
import weakref
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from filelock import BaseFileLock

FRAME_PREFIX = "hyrisk-frame-"
_PREFIX = "hyrisk-unpacked-"
_LOCK = ".in-use"
_OURS = re.compile(rf"(?:{_PREFIX}|{FRAME_PREFIX}|hyrisk-)[a-z0-9_]{{8}}")
_UNLOCKED_SECONDS = 3600.0
"""A folder without a lock may be one that is being made, or a single frame's; an hour later it is neither."""


class TemporaryFolder:
    """A private folder that goes when the last record naming it goes, or at the program's end."""

    def __init__(self) -> None:
        from filelock import FileLock

        self.path = Path(tempfile.mkdtemp(prefix=_PREFIX))
        # Held as long as this process lives, however it ends: that is how `sweep` knows. Not bound to a thread, as the
        # collector may remove the folder in any.
        lock = FileLock(self.path / _LOCK, thread_local=False)
        lock.acquire(timeout=5)
        # Not TemporaryDirectory: that one warns when it is collected, and here being collected is the plan.
        self._finalizer = weakref.finalize(self, _remove, self.path, lock)

    def remove(self) -> None:
        """Delete the folder now."""
        self._finalizer()


def _remove(path: Path, lock: BaseFileLock) -> None:
    lock.release(force=True)
    shutil.rmtree(path, ignore_errors=True)


def sweep(now: float | None = None) -> int:
    """Remove what killed runs left in the system's temporary folder; returns how many folders.

    Args:
        now: the time in seconds since the epoch; None for this moment.
    """
    now = time.time() if now is None else now
    removed = 0
    try:
        found = [e for e in os.scandir(tempfile.gettempdir()) if _OURS.fullmatch(e.name)]
    except OSError:
        return 0
    for entry in found:
        with contextlib.suppress(OSError):
            status = entry.stat(follow_symlinks=False)
            mine = not hasattr(os, "getuid") or status.st_uid == os.getuid()
            if entry.is_dir(follow_symlinks=False) and mine and _abandoned(Path(entry.path), now - status.st_mtime):
                shutil.rmtree(entry.path, ignore_errors=True)
                removed += 1
    return removed


def _abandoned(folder: Path, age_seconds: float) -> bool:
    from filelock import FileLock, Timeout

    if not (folder / _LOCK).exists():
        return age_seconds > _UNLOCKED_SECONDS
    try:
        with FileLock(folder / _LOCK, thread_local=False).acquire(blocking=False):
            return True
    except (Timeout, OSError):
        return False
