"""The SQLite file under the store: made private, and watched, so that nothing is acknowledged that went into a file without a name.

SQLite goes on writing into a file that was deleted, renamed or replaced under it, and says nothing: what it saves is gone
with the process. So before and after each commit the names are compared with what was opened.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import sqlite3
import stat
import threading
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from hyrisk_desktop.errors import StoreError
from hyrisk_desktop.i18n import tr
from hyrisk_desktop.private_files import FILE_MODE, tighten

_MAGIC = b"SQLite format 3\x00"
_HEADER = 100
# Offsets in the header of an SQLite file (sqlite.org/fileformat.html): read and write version, user version.
_VERSIONS, _USER_VERSION = slice(18, 20), slice(60, 64)


@dataclass(slots=True)
class _Held:
    descriptor: int
    users: int


# POSIX drops all of a process's locks on a file when it closes any descriptor of it, SQLite's own too: so there is one
# descriptor for each file, closed when the last database of that file is.
_held: dict[tuple[int, int], _Held] = {}
_held_lock = threading.Lock()


class StoreFile:
    """One SQLite file that a database has open.

    Args:
        path: made, empty and private, where it is missing.

    Raises:
        sqlite3.DatabaseError: it is no SQLite file. OSError: it can't be made or read. StoreError: it is another program's.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        # Of what a link names; SQLite puts its log beside that.
        self._real = path.resolve()
        _make(self._real)
        self._key, self._descriptor = _hold(self._real)
        self._size = os.fstat(self._descriptor).st_size
        self._header = b""
        self._frozen = False
        self._logs: dict[Path, tuple[int, int]] = {}
        try:
            if self._size and _read_header(self._descriptor)[:16] != _MAGIC:
                # SQLite would say so only at the first query.
                raise sqlite3.DatabaseError("file is not a database")
            if self._size and self._is_foreign():
                raise _not_a_worklist()
            for name in self._companions():
                tighten(name)
            tighten(self._real)
        except BaseException:
            self.release()
            raise

    def _is_foreign(self) -> bool:
        """Whether it is another program's; asked before a first connection of ours changes how its journal is kept."""
        with contextlib.closing(self.connect()) as connection:
            tables = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        return bool(tables) and "alembic_version" not in tables

    def _companions(self) -> tuple[Path, ...]:
        return tuple(self._real.with_name(self._real.name + end) for end in ("-wal", "-shm", "-journal"))

    def release(self) -> None:
        """Let go of the file; once, and after all connections are closed."""
        _let_go(self._key)

    def connect(self) -> sqlite3.Connection:
        """A connection to the file that was opened, and never to a new one of the same name.

        Raises:
            StoreError: it is no longer there.
        """
        self._check_name()
        # SQLite needs to write beside the file even to read it, unless it is told that nobody can change it.
        self._frozen = self._is_frozen()
        mode = "ro&immutable=1" if self._frozen else "rw"
        return sqlite3.connect(sqlite_uri(self._real, mode), uri=True, check_same_thread=False)

    def _is_frozen(self) -> bool:
        return not os.access(self._real.parent, os.W_OK) and not any(name.exists() for name in self._companions())

    def has_thawed(self) -> bool:
        """Whether connections were made to a disk that could not be written, and now can."""
        return self._frozen and not self._is_frozen()

    def note(self) -> None:
        """Remember the file and its log as they are now; after the upgrade, and whenever all connections are new."""
        self._header = _read_header(self._descriptor)
        self._size = max(self._size, os.fstat(self._descriptor).st_size)
        self._logs.clear()

    def check(self) -> None:
        """Is what is written still what the name stands for?

        Raises:
            StoreError: the file was deleted, renamed, replaced or cut short; what is committed now would be lost.
        """
        self._check_name()
        now = os.fstat(self._descriptor)
        header = _read_header(self._descriptor)
        if now.st_size < self._size or (self._header and _kind(header) != _kind(self._header)):
            raise StoreError(
                "store_changed",
                tr(
                    "The worklist's file was overwritten by another program, so this is not saved. Close all windows and "
                    "bring back a backup with “hyrisk store restore”."
                ),
            )
        self._size = now.st_size

    def _check_name(self) -> None:
        try:
            now = self.path.stat()
        except OSError as e:
            raise _moved() from e
        if (now.st_dev, now.st_ino) != self._key:
            raise _moved()

    def log_is_whole(self) -> bool:
        """Whether the write-ahead log that connections write into still has its name; notes it at the first call."""
        for name in self._companions()[:2]:
            try:
                now = name.lstat()
            except OSError:
                if name in self._logs:
                    return False
                continue
            if self._logs.setdefault(name, (now.st_dev, now.st_ino)) != (now.st_dev, now.st_ino):
                return False
        return True


def _not_a_worklist() -> StoreError:
    """The refusal of what is another program's."""
    return StoreError(
        "store_foreign", tr("This is no worklist, so it is left as it is. Choose another file for the worklist.")
    )


def _moved() -> StoreError:
    return StoreError(
        "store_moved",
        tr(
            "The worklist's file was deleted, renamed or replaced, so this is not saved. Put it back where it was, "
            "or close all windows and open the program again."
        ),
    )


def _kind(header: bytes) -> bytes:
    # Not the whole header: counters in it change with each commit, also those of other windows.
    return header[:16] + header[_VERSIONS] + header[_USER_VERSION]


def _make(path: Path) -> None:
    """Make an empty store of a number of its own, which stands in the header; one that is there stays as it is."""
    try:
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, FILE_MODE))
    except FileExistsError:
        if not stat.S_ISREG(path.stat().st_mode):
            # A pipe would keep the program waiting for ever.
            raise _not_a_worklist() from None
        return
    with contextlib.closing(sqlite3.connect(sqlite_uri(path, "rw"), uri=True)) as connection:
        connection.execute(f"PRAGMA user_version = {secrets.randbelow(2**31 - 1) + 1}")


def _hold(path: Path) -> tuple[tuple[int, int], int]:
    with _held_lock:
        now = path.stat()
        key = (now.st_dev, now.st_ino)
        if key not in _held:
            _held[key] = _Held(os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0)), 0)
        _held[key].users += 1
        return key, _held[key].descriptor


def _let_go(key: tuple[int, int]) -> None:
    with _held_lock:
        held = _held[key]
        held.users -= 1
        if held.users == 0:
            del _held[key]
            os.close(held.descriptor)


def _read_header(descriptor: int) -> bytes:
    if hasattr(os, "pread"):
        return os.pread(descriptor, _HEADER, 0)
    with _held_lock:
        os.lseek(descriptor, 0, os.SEEK_SET)
        return os.read(descriptor, _HEADER)


def sqlite_uri(path: Path, mode: str) -> str:
    """The URI of an SQLite file; ``mode`` begins with ``ro`` or ``rw``, neither of which makes a file."""
    text = path.absolute().as_posix()
    # A drive letter needs a slash before it, and a share's two slashes are kept behind the empty host.
    return f"file://{'' if text.startswith('/') else '/'}{quote(text)}?mode={mode}"
