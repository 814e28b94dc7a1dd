"""What shall go to a node and what became of it: on disk, so that neither a restart nor a crash loses or doubles anything."""

from __future__ import annotations

import contextlib
import dataclasses
import errno
import io
import os
import secrets
import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hyrisk_desktop.errors import PacsError
from hyrisk_desktop.exchange.dicom_values import plain
from hyrisk_desktop.exchange.pacs.query import is_uid
from hyrisk_desktop.files import move, sync_folder
from hyrisk_desktop.i18n import tr
from hyrisk_desktop.imaging.headers.damage import parsing_errors
from hyrisk_desktop.private_files import make_private, private_opener, tighten

if TYPE_CHECKING:
    from hyrisk_desktop.exchange.pacs.receiver import Confirmation

_SCHEMA = """
CREATE TABLE IF NOT EXISTS objects (
    id INTEGER PRIMARY KEY, node TEXT NOT NULL, sop_uid TEXT NOT NULL, sop_class TEXT NOT NULL, study_uid TEXT NOT NULL,
    series_uid TEXT NOT NULL, kind TEXT NOT NULL, patient TEXT NOT NULL, state TEXT NOT NULL, reason TEXT NOT NULL DEFAULT '',
    attempts INTEGER NOT NULL DEFAULT 0, asked INTEGER NOT NULL DEFAULT 0, transaction_uid TEXT NOT NULL DEFAULT '',
    added TEXT NOT NULL, changed TEXT NOT NULL, UNIQUE (node, sop_uid)
)
"""
MOST_ASKED = 5
_KEEP = timedelta(days=7)


class State(StrEnum):
    """Where an object is on its way."""

    WAITING = "waiting"
    SENT = "sent"
    CONFIRMED = "confirmed"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Item:
    """One object for one node.

    Attributes:
        kind: modality, such as SR or SEG. patient: name and id, to tell rows apart on screen.
        reason: why it failed or still waits, one sentence; "" otherwise.
        attempts: how often it was tried. asked: how often a confirmation was asked for.
        added, changed: when, UTC.
    """

    id: int
    node: str
    sop_uid: str
    sop_class: str
    study_uid: str
    series_uid: str
    kind: str
    patient: str
    state: State
    reason: str
    attempts: int
    asked: int
    transaction_uid: str
    added: datetime
    changed: datetime


_COLUMNS = tuple(f.name for f in dataclasses.fields(Item))


class Outbox:
    """A folder with the objects and one table; may be used from any thread.

    Args:
        root: made when needed.
    """

    def __init__(self, root: Path) -> None:
        self._root = root

    @contextlib.contextmanager
    def _table(self) -> Iterator[sqlite3.Connection]:
        """One transaction; a connection of its own each time, as threads must not share one."""
        try:
            make_private(self._root)
            path = self._root / "outbox.sqlite"
            # SQLite gives its journal the rights of the table's file. One that is there is not opened here: closing it
            # would take SQLite's locks on it away.
            with contextlib.suppress(FileExistsError), open(path, "xb", opener=private_opener):
                pass
            tighten(path)
            with contextlib.closing(sqlite3.connect(path, timeout=10.0)) as connection:
                connection.row_factory = sqlite3.Row
                with connection:
                    connection.execute(_SCHEMA)
                    opened = path.stat()
                    yield connection
                # What went into a file that was deleted or replaced meanwhile is not kept.
                if not os.path.samestat(opened, path.stat()):
                    raise FileNotFoundError(errno.ENOENT, tr("it was deleted or replaced meanwhile"))
        except (OSError, sqlite3.Error) as e:
            why = e.strerror if isinstance(e, OSError) and e.strerror else type(e).__name__
            raise PacsError(
                "outbox", tr("The list of what is to be sent can't be read or written: {why}.", why=why)
            ) from e

    def path_of(self, item: Item) -> Path:
        """Where the object lies until it is done with."""
        return self._root / f"{item.id}.dcm"

    def add(self, node: str, objects: Sequence[bytes]) -> tuple[Item, ...]:
        """Queue objects (bytes of DICOM files) for a node, all or none; one that is queued already is not queued twice.

        Raises:
            PacsError: one is no DICOM object, or the disk refuses.
        """
        rows = [_row(node, data) for data in objects]
        ids = []
        with self._table() as table:
            for row, data in zip(rows, objects, strict=True):
                known = table.execute(
                    "SELECT id FROM objects WHERE node = ? AND sop_uid = ?", (node, row["sop_uid"])
                ).fetchone()
                if known is None:
                    names = ", ".join(row)
                    places = ", ".join(f":{name}" for name in row)
                    number = table.execute(f"INSERT INTO objects ({names}) VALUES ({places})", row).lastrowid
                    # Within the transaction: a row without its object, or the other way round, must not outlive a crash.
                    _write(self._root / f"{number}.dcm", data)
                    ids.append(number)
                else:
                    ids.append(known["id"])
        return tuple(item for item in self.items() if item.id in ids)

    def items(self, *states: State, node: str | None = None) -> tuple[Item, ...]:
        """Objects in any of ``states`` (all where none is given), oldest first."""
        with self._table() as table:
            rows = table.execute(f"SELECT {', '.join(_COLUMNS)} FROM objects ORDER BY id").fetchall()
        found = (_item(row) for row in rows)
        return tuple(i for i in found if (not states or i.state in states) and (node is None or i.node == node))

    def sent(self, item: Item) -> None:
        """The node took it."""
        self._set(item.id, state=State.SENT, reason="", attempts=item.attempts + 1)

    def waits(self, item: Item, reason: str) -> None:
        """It could not be tried to the end and will be tried again."""
        self._set(item.id, state=State.WAITING, reason=reason, attempts=item.attempts + 1)

    def failed(self, item: Item, reason: str) -> None:
        """The node refused it; nothing happens until somebody asks for it."""
        self._set(item.id, state=State.FAILED, reason=reason, attempts=item.attempts + 1)

    def asked(self, items: Sequence[Item], transaction_uid: str) -> None:
        """A confirmation is about to be asked for."""
        for item in items:
            self._set(item.id, transaction_uid=transaction_uid, asked=item.asked + 1)

    def unconfirmable(self, items: Sequence[Item]) -> None:
        """The node confirms nothing: sent is as far as it goes."""
        for item in items:
            self._set(item.id, asked=MOST_ASKED, reason=tr("The node offers no storage commitment."))

    def confirmed(self, item: Item) -> None:
        """The node has it for good."""
        self._set(item.id, state=State.CONFIRMED, reason="")
        self.path_of(item).unlink(missing_ok=True)

    def report(self, confirmation: Confirmation) -> None:
        """Note what a node reports; about objects of that transaction only."""
        for item in self.items(State.SENT):
            if item.transaction_uid != confirmation.transaction_uid:
                continue
            if item.sop_uid in confirmation.stored:
                self.confirmed(item)
            elif item.sop_uid in confirmation.failed:
                code = confirmation.failed[item.sop_uid]
                self._set(item.id, state=State.FAILED, reason=tr("The node did not keep it (0x{code:04X}).", code=code))

    def retry(self, *ids: int) -> None:
        """Try failed objects again."""
        with self._table() as table:
            table.executemany(
                "UPDATE objects SET state = ?, reason = '', asked = 0, transaction_uid = '', changed = ? WHERE id = ? AND state = ?",
                [(State.WAITING, _now(), item_id, State.FAILED) for item_id in ids],
            )

    def remove(self, *ids: int) -> None:
        """Forget objects, whatever their state."""
        with self._table() as table:
            table.executemany("DELETE FROM objects WHERE id = ?", [(item_id,) for item_id in ids])
        for item_id in ids:
            (self._root / f"{item_id}.dcm").unlink(missing_ok=True)

    def tidy(self) -> None:
        """Forget what was sent or confirmed a week ago: the list names patients."""
        before = datetime.now(UTC) - _KEEP
        self.remove(*(item.id for item in self.items(State.SENT, State.CONFIRMED) if item.changed < before))

    def _set(self, item_id: int, **values: Any) -> None:
        values["changed"] = _now()
        changes = ", ".join(f"{name} = ?" for name in values)
        with self._table() as table:
            table.execute(f"UPDATE objects SET {changes} WHERE id = ?", (*values.values(), item_id))


def _row(node: str, data: bytes) -> dict[str, Any]:
    import pydicom

    try:
        ds = pydicom.dcmread(io.BytesIO(data), stop_before_pixels=True)
        uids = {k: str(ds[k].value) for k in ("SOPInstanceUID", "SOPClassUID", "StudyInstanceUID", "SeriesInstanceUID")}
        kind, patient = str(ds.Modality), f"{ds.get('PatientName', '')} ({ds.get('PatientID', '')})"
    except parsing_errors() as e:
        raise _not_sendable() from e
    if not all(map(is_uid, uids.values())):
        raise _not_sendable()
    now = _now()
    return {
        "node": node,
        "sop_uid": uids["SOPInstanceUID"],
        "sop_class": uids["SOPClassUID"],
        "study_uid": uids["StudyInstanceUID"],
        "series_uid": uids["SeriesInstanceUID"],
        "kind": plain(kind, 16),
        "patient": plain(patient, 200),
        "state": State.WAITING,
        "added": now,
        "changed": now,
    }


def _not_sendable() -> PacsError:
    return PacsError("not_sendable", tr("An object that is no complete DICOM object can't be sent."))


def _write(path: Path, data: bytes) -> None:
    with contextlib.suppress(FileNotFoundError):
        # Of a table that was lost, or of a crash before its row was kept; it may be the only copy.
        move(path, path.with_name(f"{path.stem}-{secrets.token_hex(4)}.left"))
    with open(path, "xb", opener=private_opener) as stream:
        stream.write(data)
        stream.flush()
        os.fsync(stream.fileno())
    sync_folder(path.parent)


def _item(row: sqlite3.Row) -> Item:
    values = dict(row) | {"state": State(row["state"])}
    for name in ("added", "changed"):
        values[name] = datetime.fromisoformat(row[name])
    return Item(**values)


def _now() -> str:
    return datetime.now(UTC).isoformat()
