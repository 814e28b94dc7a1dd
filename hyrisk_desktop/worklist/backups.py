"""Backups of an SQLite worklist, and whether a file is sound."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from pathlib import Path

from hyrisk_desktop.private_files import FILE_MODE
from hyrisk_desktop.worklist.store_file import sqlite_uri


def backups_of(path: Path) -> list[Path]:
    """Backups of an SQLite database, newest first."""
    found = (path.parent / "backups").glob(f"{path.stem}-*{path.suffix}")
    return sorted(found, key=lambda p: p.stat().st_mtime_ns, reverse=True)


def damage_in(path: Path) -> str | None:
    """What SQLite finds wrong with a file, None where it is sound."""
    try:
        with contextlib.closing(sqlite3.connect(sqlite_uri(path, "ro"), uri=True)) as connection:
            (answer,) = connection.execute("PRAGMA integrity_check(1)").fetchone()
    except sqlite3.Error as e:
        return str(e)
    return None if answer == "ok" else str(answer)


def copy_sqlite(source: Path, target: Path) -> None:
    """A consistent, private copy, also while others write; on the disk before this returns."""
    os.close(os.open(target, os.O_CREAT | os.O_EXCL | os.O_RDWR, FILE_MODE))
    with (
        contextlib.closing(sqlite3.connect(sqlite_uri(source, "ro"), uri=True)) as one,
        contextlib.closing(sqlite3.connect(sqlite_uri(target, "rw"), uri=True)) as other,
    ):
        one.backup(other)
        # A copy is one file: the write-ahead log's mode comes along with the pages.
        other.execute("PRAGMA journal_mode=DELETE")
    with open(target, "rb+") as stream:
        os.fsync(stream.fileno())


def refuse_emptied_file(path: Path) -> None:
    """SQLite takes a file of no bytes for a new database; where there are backups, it once was a worklist."""
    if path.is_file() and path.stat().st_size == 0 and backups_of(path):
        raise sqlite3.DatabaseError("file is empty")
