"""The table of a bulk scoring on disk: grows row by row, and goes on after a kill.

A CSV grows at its end. A Parquet file can't, so its rows are kept in a hidden file beside it until the run ends. Of two
rows with one id the later one counts; the table is written anew, beside and then in place of the old one, only if a row
in it no longer counts.
"""

from __future__ import annotations

import contextlib
import csv
import dataclasses
import hashlib
import json
import os
from collections.abc import Collection, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from filelock import FileLock, Timeout

from hyrisk_desktop.batch.row import SCORED, BatchRow, WholeHeartRow
from hyrisk_desktop.errors import InputError
from hyrisk_desktop.files import export_opener, staged, unwritable
from hyrisk_desktop.i18n import english, tr
from hyrisk_desktop.paths import cache_dir
from hyrisk_desktop.private_files import FILE_MODE, make_private
from hyrisk_desktop.tables import Column, Kind, csv_line, require_parquet, write_parquet

_KINDS = {"str": Kind.TEXT, "float": Kind.NUMBER, "int": Kind.INTEGER, "bool": Kind.FLAG}


def _columns(row: type[BatchRow]) -> tuple[Column, ...]:
    return tuple(Column(f.name, _KINDS[str(f.type).split(" ")[0]]) for f in dataclasses.fields(row))


COLUMNS, WHOLE_HEART_COLUMNS = _columns(BatchRow), _columns(WholeHeartRow)
"""Those of the whole-heart score follow behind the others, in tables that were asked for them."""
_ID, _STATUS, _FINGERPRINT, _BUNDLE = (
    [column.name for column in COLUMNS].index(name) for name in ("row_id", "status", "fingerprint", "bundle_sha256")
)


class BatchTable:
    """An open table; a context manager. `open_table` makes the right one for a file name.

    Args:
        path: the file, made if new.
        row_ids: of all rows that this run is about. An older row of one of their exams that is not among them, such as
            one of a proposed centre that a reader has placed since, leaves the table; rows of other exams stay.
        columns: what the table holds of a row.

    Attributes:
        done: fingerprint and bundle hash of the scored rows, by id.

    Raises:
        InputError: the file can't be read or written, holds another table, or another run writes to it.
    """

    def __init__(self, path: Path, row_ids: Collection[str], columns: tuple[Column, ...] = COLUMNS) -> None:
        self.path, self.done = path, dict[str, tuple[str, str]]()
        self._columns, self._names = columns, [column.name for column in columns]
        self._header = csv_line(self._names).encode()
        self._listed = set(row_ids)
        self._exams = {row_id.partition("-")[0] for row_id in row_ids}
        self._lock = _lock(path)
        try:
            self._load()
        except BaseException as e:
            self._lock.release()
            if isinstance(e, OSError):
                raise unwritable(path, e) from e
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self.close()

    def append(self, row: BatchRow) -> None:
        """Add a row and hand it to the system; raises InputError where that refuses."""
        raise NotImplementedError

    def close(self) -> None:
        """Leave a table in which every row counts, on the disk; raises InputError where the system refuses."""
        try:
            self._finish()
        except OSError as e:
            raise unwritable(self.path, e) from e
        finally:
            self._lock.release()

    def _load(self) -> None:
        raise NotImplementedError

    def _finish(self) -> None:
        raise NotImplementedError

    def _note(self, row_id: str, status: str, fingerprint: str, bundle: str) -> None:
        self.done.pop(row_id, None)
        if status == SCORED:
            self.done[row_id] = fingerprint, bundle

    def _counts(self, row_id: str) -> bool:
        return row_id in self._listed or row_id.partition("-")[0] not in self._exams

    def _foreign(self) -> InputError:
        message = tr(
            "{name} holds another table, or one of another version; choose another --out.", name=self.path.name
        )
        return InputError("other_table", message)


def open_table(path: Path, row_ids: Collection[str], *, whole_heart: bool = False) -> BatchTable:
    """The table at ``path``, by its ending.

    Args:
        path, row_ids: see `BatchTable`. whole_heart: with the columns of the whole-heart score.

    Raises:
        InputError: see `BatchTable`; the ending is neither .csv nor .parquet; or pyarrow is missing.
    """
    columns = WHOLE_HEART_COLUMNS if whole_heart else COLUMNS
    match path.suffix.lower():
        case ".csv":
            return _CsvTable(path, row_ids, columns)
        case ".parquet":
            require_parquet()
            return _ParquetTable(path, row_ids, columns)
        case _:
            raise InputError("table_format", tr("The table's file name must end in .csv or .parquet."))


class _CsvTable(BatchTable):
    """Remembers where each row lies, not the rows."""

    def _load(self) -> None:
        self._places: dict[str, tuple[int, int]] = {}
        self._dead = False
        self._size = 0
        if self.path.exists():
            with open(self.path, "rb") as stream:
                for line in stream:
                    # The last line of a run that was killed while it wrote.
                    if not line.endswith(b"\n"):
                        break
                    self._take(line)
            # A header cut short is no other table.
            if not self._size and not self._header.startswith(self.path.read_bytes()[: len(self._header)]):
                raise self._foreign()
        self._stream = open(self.path, "r+b" if self.path.exists() else "w+b", buffering=0, opener=export_opener)  # noqa: SIM115  closed in _finish
        if self._stream.seek(0, os.SEEK_END) > self._size:
            self._stream.truncate(self._size)
        self._stream.seek(self._size)

    def _take(self, line: bytes) -> None:
        try:
            (cells,) = csv.reader([line.decode("utf-8-sig")], strict=True)
        except (UnicodeDecodeError, csv.Error, ValueError):
            raise self._foreign() from None
        if len(cells) != len(self._names) or (not self._size and cells != self._names):
            raise self._foreign()
        if self._size:
            self._place(cells[_ID], self._size, len(line))
            self._note(cells[_ID], cells[_STATUS], cells[_FINGERPRINT], cells[_BUNDLE])
        self._size += len(line)

    def _place(self, row_id: str, start: int, length: int) -> None:
        self._dead |= row_id in self._places or not self._counts(row_id)
        if self._counts(row_id):
            self._places[row_id] = start, length

    def append(self, row: BatchRow) -> None:
        if not self._size:
            self._write(self._header)
        # A row that failed before anything was read may lack the last columns.
        line = csv_line(_plain(getattr(row, name, None)) for name in self._names).encode()
        start = self._size
        self._write(line)
        self._place(row.row_id, start, len(line))
        self._note(row.row_id, row.status, row.fingerprint, row.bundle_sha256)

    def _write(self, data: bytes) -> None:
        try:
            written = 0
            while written < len(data):
                written += self._stream.write(data[written:]) or 0
        except OSError as e:
            # Half a row must not stand before the next one.
            with contextlib.suppress(OSError):
                self._stream.truncate(self._size)
                self._stream.seek(self._size)
            raise unwritable(self.path, e) from e
        self._size += len(data)

    def _finish(self) -> None:
        try:
            if self._dead:
                with staged(self.path) as new:
                    new.write(self._header)
                    for start, length in sorted(self._places.values()):
                        self._stream.seek(start)
                        new.write(self._stream.read(length))
            else:
                os.fsync(self._stream.fileno())
        finally:
            self._stream.close()
        if not self._size:
            # A run that never came to its first row leaves nothing behind.
            self.path.unlink(missing_ok=True)


class _ParquetTable(BatchTable):
    """Holds its rows in memory, and those of this run in a file of JSON lines beside the table."""

    def _load(self) -> None:
        self._rows: dict[str, dict[str, Any]] = {}
        self._changed = False
        self._journal = self.path.with_name(f".{self.path.name}.rows")
        for row in (*self._stored(), *self._lines()):
            if set(row) != set(self._names):
                raise self._foreign()
            self._take(row)
        self._stream = open(self._journal, "ab", buffering=0, opener=export_opener)  # noqa: SIM115  closed in _finish

    def _stored(self) -> Iterator[dict[str, Any]]:
        if not self.path.exists():
            return
        import pyarrow as pa
        import pyarrow.parquet as pq

        try:
            table = pq.read_table(self.path)
        except pa.ArrowInvalid:
            raise self._foreign() from None
        if table.column_names != self._names:
            raise self._foreign()
        yield from table.to_pylist()

    def _lines(self) -> Iterator[dict[str, Any]]:
        if not self._journal.exists():
            return
        data = self._journal.read_bytes()
        whole = data[: data.rfind(b"\n") + 1]
        if len(whole) < len(data):
            os.truncate(self._journal, len(whole))
        self._changed = bool(whole)
        yield from map(json.loads, whole.splitlines())

    def _take(self, row: dict[str, Any]) -> None:
        row_id = row["row_id"]
        if not self._counts(row_id):
            self._changed = True
            return
        self._rows.pop(row_id, None)
        self._rows[row_id] = row
        self._note(row_id, row["status"], row["fingerprint"], row["bundle_sha256"])

    def append(self, row: BatchRow) -> None:
        plain = dict.fromkeys(self._names) | {name: _plain(value) for name, value in dataclasses.asdict(row).items()}
        try:
            self._stream.write(json.dumps(plain).encode("ascii") + b"\n")
        except OSError as e:
            raise unwritable(self.path, e) from e
        self._changed = True
        self._take(plain)

    def _finish(self) -> None:
        self._stream.close()
        if self._changed or not self.path.exists():
            write_parquet(self.path, self._columns, list(self._rows.values()))
        self._journal.unlink(missing_ok=True)


def _plain(value: Any) -> Any:
    """A cell as every program reads it, whatever the language of who made it."""
    return english(value) if isinstance(value, str) else value


def _lock(path: Path) -> FileLock:
    """Keeps two runs from writing to one table; the file is in the user's cache and not beside the table."""
    name = hashlib.sha256(os.fsencode(path.resolve())).hexdigest()[:24]
    folder = cache_dir() / "batch"
    try:
        lock = FileLock(make_private(folder) / f"{name}.lock", mode=FILE_MODE)
        lock.acquire(timeout=0)
    except Timeout as e:
        message = tr("Another run is writing to {name}; wait for its end, or choose another --out.", name=path.name)
        raise InputError("table_in_use", message) from e
    except OSError as e:
        # Not the table is what can't be written.
        message = tr(
            "The program's own folder {folder} can't be written, which a run needs: {why}. Allow it, or name another one in "
            "HYRISK_HOME.",
            folder=folder,
            why=e.strerror or type(e).__name__,
        )
        raise InputError("unwritable_cache", message) from e
    return lock
