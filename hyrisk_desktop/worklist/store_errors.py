"""What the database, the disk or the server refuses, in one sentence each."""

from __future__ import annotations

import contextlib
import errno
import logging
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError, SQLAlchemyError

from hyrisk_desktop.errors import StoreError
from hyrisk_desktop.i18n import tr
from hyrisk_desktop.worklist.backups import backups_of

_log = logging.getLogger(__name__)


@contextlib.contextmanager
def explained(path: Path | None) -> Iterator[None]:
    """What the database or the disk refuses, as a `StoreError`."""
    try:
        yield
    except (SQLAlchemyError, sqlite3.Error, OSError) as e:
        raise explain(e, path) from e


def explain(error: Exception, path: Path | None) -> StoreError:
    """One sentence for a failure of the database; the driver's own words may quote what was to be stored."""
    original: BaseException = error.orig if isinstance(error, DBAPIError) and error.orig else error
    words = str(original).lower()
    code = getattr(original, "sqlite_errorcode", 0) & 0xFF
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED) or "locked" in words:
        return StoreError(
            "store_locked",
            tr("The worklist is locked by another program, so this is not saved yet. Close the other program."),
        )
    full = code == sqlite3.SQLITE_FULL or getattr(original, "errno", None) in _errnos("ENOSPC", "EDQUOT")
    if full or "disk is full" in words or "no space left" in words:
        return StoreError("store_full", tr("The disk is full, so this is not saved yet. Free some space on it."))
    readonly = code in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM)
    if readonly or isinstance(original, PermissionError) or getattr(original, "errno", None) in _errnos("EROFS"):
        return StoreError(
            "store_read_only",
            tr("The worklist can't be written, so this is not saved. Allow writing to the program's data folder."),
        )
    if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB) or isinstance(original, sqlite3.DatabaseError):
        if code == sqlite3.SQLITE_IOERR:
            return StoreError("store_io", tr("The disk with the worklist does not answer. Check the disk or network."))
        if not isinstance(original, (sqlite3.OperationalError, sqlite3.IntegrityError)) or code in (
            sqlite3.SQLITE_CORRUPT,
            sqlite3.SQLITE_NOTADB,
        ):
            return _damaged(path)
    if isinstance(error, (ArgumentError, NoSuchModuleError)):
        return bad_address()
    if path is None and type(original).__name__ in ("OperationalError", "InterfaceError"):
        return StoreError(
            "store_unreachable",
            tr("The worklist's server does not answer, so this is not saved yet. Check the network."),
        )
    nowhere = _errnos("ENOENT", "ENOTDIR", "EEXIST", "EISDIR", "ENAMETOOLONG", "ELOOP")
    if isinstance(original, OSError) and original.errno in nowhere:
        return StoreError(
            "store_place",
            tr("The worklist can't be kept there: {reason}. Choose another place for it.", reason=original.strerror),
        )
    _log.error("The worklist failed: %s (%s)", type(error).__name__, type(original).__name__)
    return StoreError("store_failed", tr("The worklist could not be read or written; see the log."))


def bad_address() -> StoreError:
    """The refusal of what is neither a file nor the address of a server."""
    return StoreError(
        "store_url", tr("The worklist's address is not understood; it must look like postgresql://host/name.")
    )


def _damaged(path: Path | None) -> StoreError:
    good = backups_of(path) if path else []
    if not good:
        return StoreError(
            "store_corrupt",
            tr(
                "The worklist's file is damaged and there is no backup of it. Keep the file, and move it away to begin anew."
            ),
        )
    return StoreError(
        "store_corrupt",
        tr(
            "The worklist's file is damaged. “hyrisk store restore” brings back the backup of {day}; the damaged file is kept.",
            day=good[0].stem.split("-", 1)[-1],
        ),
    )


def _errnos(*names: str) -> tuple[int, ...]:
    return tuple(getattr(errno, name) for name in names if hasattr(errno, name))
