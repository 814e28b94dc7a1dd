"""Every write tells the other desks which exams it touched; `feeds` brings it to them.

On PostgreSQL the server itself tells (NOTIFY, with the commit). In an SQLite file each exam has the number of its last change.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import event, func, insert, inspect, select, text
from sqlalchemy.orm import Session

from hyrisk_desktop.worklist.models import ChangeRow, DeskRow, ExamRow, ListExamRow, PreparedRow, ReadRow

CHANNEL = "hyrisk_worklist"
NOBODY = ""
"""The desk of a change that is news to every desk, as several have made it."""
# A notification holds 8000 bytes at most.
_IDS_A_TIME = 500


@dataclass(slots=True)
class Touched:
    """What a transaction has written so far."""

    exam_ids: set[int] = field(default_factory=set)
    desks: bool = False


def watch(session: Session) -> Touched:
    """Note from now on which exams the session's writes are about."""
    touched = Touched()

    @event.listens_for(session, "after_flush")
    def note(flushed: Session, _: Any) -> None:
        changed = [row for row in flushed.dirty if flushed.is_modified(row)]
        for row in (*flushed.new, *changed, *flushed.deleted):
            if isinstance(row, ExamRow):
                touched.exam_ids.add(row.id)
            elif isinstance(row, ListExamRow | PreparedRow | ReadRow):
                touched.exam_ids.add(row.exam_id)
            elif isinstance(row, DeskRow):
                touched.desks |= row not in changed or _sits_elsewhere(row)

    return touched


def _sits_elsewhere(row: DeskRow) -> bool:
    """That a desk is still there is no news."""
    state = inspect(row)
    return any(state.attrs[name].history.has_changes() for name in ("reader_id", "exam_id", "blinded"))


def publish(session: Session, touched: Touched, desk: str, heard: int | None = None) -> None:
    """Tell everybody else, once this transaction is committed, what it has written.

    Args:
        session: before its commit. touched: by `watch`. desk: whose transaction it is.
        heard: the last change that this desk has heard of, None where it does not listen (SQLite only).
    """
    ids = sorted(touched.exam_ids)
    if session.get_bind().dialect.name == "postgresql":
        for at in range(0, max(len(ids), int(touched.desks)), _IDS_A_TIME):
            told = json.dumps({"desk": desk, "exams": ids[at : at + _IDS_A_TIME], "desks": touched.desks})
            session.execute(text("SELECT pg_notify(:channel, :told)"), {"channel": CHANNEL, "told": told})
    elif ids:
        # One writer at a time: whoever reads a number later sees every lower one.
        number = (session.scalar(select(func.max(ChangeRow.number))) or 0) + 1
        # An exam has one row: what another desk has changed and this one has not heard of would be gone with it.
        unheard = _unheard(session, desk, heard)
        rows = [
            {"exam_id": exam_id, "number": number, "desk": NOBODY if exam_id in unheard else desk} for exam_id in ids
        ]
        session.execute(insert(ChangeRow).prefix_with("OR REPLACE"), rows)


def _unheard(session: Session, desk: str, heard: int | None) -> set[int]:
    """Exams that others have changed since ``desk`` has heard of anything."""
    if heard is None:
        return set()
    others = select(ChangeRow.exam_id).where(ChangeRow.number > heard, ChangeRow.desk != desk)
    return set(session.scalars(others))
