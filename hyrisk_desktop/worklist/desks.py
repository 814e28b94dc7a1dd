"""Which windows have this worklist open, who sits at each, and which exam is on its screen.

A desk says that it is there every `EVERY_S` seconds, by the database's own clock, as clocks of machines differ. One that
has said nothing for `DEAD_S` counts no more: what it held is free again, however it ended.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import delete, select, text
from sqlalchemy.orm import Session

from hyrisk_desktop.worklist.database import Database
from hyrisk_desktop.worklist.models import DeskRow, ReaderRow
from hyrisk_desktop.worklist.records import Reader

EVERY_S = 15.0
DEAD_S = 45.0
_FORGOTTEN_S = 3600.0
_CLOCKS = {
    "sqlite": "SELECT (julianday('now') - 2440587.5) * 86400.0",
    "postgresql": "SELECT CAST(extract(epoch FROM clock_timestamp()) AS double precision)",
}


@dataclass(frozen=True, slots=True)
class Desk:
    """Another desk: who reads there, and the exam on its screen; ``blinded``: in a blinded list."""

    token: str
    reader: Reader
    exam_id: int | None
    blinded: bool


def announce(database: Database, reader: Reader, exam_id: int | None, *, blinded: bool) -> tuple[Desk, ...]:
    """Say that this desk is there, and what is on its screen.

    Args:
        database: the worklist's. reader: who reads here. exam_id: the exam on screen. blinded: the list is read blinded.

    Returns:
        The other desks that live.
    """
    with database.write() as session:
        at = _clock(session)
        row = session.get(DeskRow, database.desk)
        if row is None:
            session.add(
                DeskRow(token=database.desk, reader_id=reader.reader_id, exam_id=exam_id, blinded=blinded, seen_at=at)
            )
        else:
            row.reader_id, row.exam_id, row.blinded, row.seen_at = reader.reader_id, exam_id, blinded, at
        session.execute(delete(DeskRow).where(DeskRow.seen_at < at - _FORGOTTEN_S))
        return _living(session, database.desk, at)


def others(database: Database) -> tuple[Desk, ...]:
    """The other desks that live."""
    with database.read() as session:
        return _living(session, database.desk, _clock(session))


def leave(database: Database) -> None:
    """This desk is there no more."""
    with database.write() as session:
        row = session.get(DeskRow, database.desk)
        if row is not None:
            session.delete(row)


def _living(session: Session, own: str, at: float) -> tuple[Desk, ...]:
    query = (
        select(DeskRow.token, DeskRow.exam_id, DeskRow.blinded, ReaderRow.id, ReaderRow.name)
        .join(ReaderRow, ReaderRow.id == DeskRow.reader_id)
        .where(DeskRow.token != own, DeskRow.seen_at >= at - DEAD_S)
        .order_by(ReaderRow.name, DeskRow.token)
    )
    return tuple(Desk(r.token, Reader(r.id, r.name), r.exam_id, r.blinded) for r in session.execute(query))


def _clock(session: Session) -> float:
    return float(session.scalar(text(_CLOCKS[session.get_bind().dialect.name])) or 0.0)
