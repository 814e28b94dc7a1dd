"""Reads that the worklist could not take yet, on this computer's disk: they outlive the program, and are saved at a later start.

Each program has a lock of its own beside its files. Where the lock is free the program has died, and the next one that uses
the same worklist takes its reads over.
"""

from __future__ import annotations

import contextlib
import json
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from filelock import FileLock, Timeout
from sqlalchemy import select

from hyrisk_desktop.bounded_json import read_json
from hyrisk_desktop.files import move, write_private
from hyrisk_desktop.private_files import FILE_MODE, make_private
from hyrisk_desktop.worklist.models import ReaderRow, SeriesRow
from hyrisk_desktop.worklist.read_document import read_document, read_from
from hyrisk_desktop.worklist.records import Read, Reader
from hyrisk_desktop.worklist.row_values import plain

if TYPE_CHECKING:
    from hyrisk_desktop.worklist.store import Store

_MOST_BYTES = 64 << 20

Key = tuple[int, int, bool]
"""Of a read: exam, reader, and whether it is blinded; an exam's blinded read and its open one are two."""


def key_of(read: Read, reader: Reader) -> Key:
    """What a read is kept under."""
    return read.exam_id, reader.reader_id, read.blinded


@dataclass(frozen=True, slots=True)
class Waiting:
    """A read that waits to be saved, by whom, and the stored revision that it comes after (-1: none, or not known)."""

    read: Read
    reader: Reader
    based_on: int


class UnsavedReads:
    """This program's reads of one worklist that wait; for one thread.

    Args:
        folder: where they lie, made when the first one comes. worklist: which worklist they belong to.
    """

    def __init__(self, folder: Path, worklist: str) -> None:
        self._folder, self._worklist = folder, worklist
        self._token = secrets.token_hex(8)
        self._lock: FileLock | None = None
        self._files: dict[Key, Path] = {}
        self._kept: dict[Key, Waiting] = {}

    def keep(self, waiting: Waiting) -> None:
        """Write a read down, in place of an earlier state of it; raises OSError."""
        key = key_of(waiting.read, waiting.reader)
        if self._kept.get(key) == waiting:
            return
        self._hold()
        path = self._files.get(key) or self._new_name()
        document = {
            "worklist": self._worklist,
            "reader": [waiting.reader.reader_id, waiting.reader.name],
            "based_on": waiting.based_on,
            "read": read_document(waiting.read),
        }
        write_private(path, json.dumps(document).encode("ascii"))
        self._files[key], self._kept[key] = path, waiting

    def drop(self, key: Key) -> None:
        """A read waits no more."""
        self._kept.pop(key, None)
        path = self._files.pop(key, None)
        if path is not None:
            with contextlib.suppress(OSError):
                path.unlink(missing_ok=True)

    def holds(self, key: Key) -> bool:
        """Whether a state of that read is on the disk."""
        return key in self._files

    def take_over(self) -> list[Waiting]:
        """The reads of this worklist that programs have left which are dead, the oldest first; they are this program's now.

        Of one read only the first state is taken; another program's other state comes at the next start.
        """
        found: list[Waiting] = []
        with contextlib.suppress(OSError, NotImplementedError):
            for lock in self._dead():
                try:
                    token = Path(lock.lock_file).stem
                    # Their names tell nothing; they are taken in the order in which they were written.
                    paths = sorted(self._folder.glob(f"{token}-*.json"), key=lambda p: p.stat().st_mtime_ns)
                    left = [path for path in paths if not self._take(path, found)]
                    if not left:
                        # Windows deletes no open file; it is empty, and goes with the next one that is free.
                        with contextlib.suppress(OSError):
                            Path(lock.lock_file).unlink(missing_ok=True)
                finally:
                    lock.release()
        return found

    def _take(self, path: Path, found: list[Waiting]) -> bool:
        """Whether the file lies no longer under the dead program's name."""
        try:
            document = read_json(path, _MOST_BYTES)
            if document["worklist"] != self._worklist:
                return False
            number, name = document["reader"]
            waiting = Waiting(read_from(document["read"]), Reader(int(number), str(name)), int(document["based_on"]))
        except (ValueError, KeyError, TypeError, AttributeError):
            # Kept for whoever can make something of it.
            move(path, path.with_suffix(".damaged"))
            return True
        key = key_of(waiting.read, waiting.reader)
        if key in self._files:
            return False
        self._hold()
        mine = self._new_name()
        move(path, mine)
        self._files[key] = mine
        found.append(waiting)
        return True

    def _dead(self) -> Iterator[FileLock]:
        for path in sorted(self._folder.glob("*.lock")):
            if path.stem == self._token:
                continue
            lock = _lock(path)
            try:
                lock.acquire(timeout=0)
            except Timeout:
                continue
            yield lock

    def _hold(self) -> None:
        if self._lock is None:
            make_private(self._folder)
            lock = _lock(self._folder / f"{self._token}.lock")
            lock.acquire(timeout=0)
            self._lock = lock

    def _new_name(self) -> Path:
        return self._folder / f"{self._token}-{secrets.token_hex(8)}.json"

    def close(self) -> None:
        """Let go: what still waits is for the next program."""
        lock, self._lock = self._lock, None
        if lock is None:
            return
        if not self._files:
            with contextlib.suppress(OSError):
                Path(lock.lock_file).unlink(missing_ok=True)
        lock.release()


def belongs(store: Store, waiting: Waiting) -> bool:
    """Whether the worklist knows the reader and the exam that a read names: another one may lie under the old address."""
    reader = select(ReaderRow.name).where(ReaderRow.id == waiting.reader.reader_id)
    series = select(SeriesRow.id).where(
        SeriesRow.exam_id == waiting.read.exam_id, SeriesRow.series_uid == plain(waiting.read.series_uid)
    )
    with store.database.read() as session:
        return session.scalar(reader) == waiting.reader.name and session.scalars(series).first() is not None


def mark_of(where: Path | str) -> str:
    """What tells one worklist from another: its file, or server and database; neither user nor password."""
    if isinstance(where, Path):
        return str(where.resolve())
    url = urlsplit(where)
    return f"{url.hostname or ''}:{url.port or ''}{url.path}"


def _lock(path: Path) -> FileLock:
    return FileLock(path, mode=FILE_MODE, thread_local=False)
