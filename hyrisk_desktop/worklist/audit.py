"""The audit trail: every change of the store as one row, each with the hash of the one before.

Rows are only added. ``sha256`` is taken over the previous hash and the row's own content, so that a row that was
changed, taken out or put in shows, also to somebody who holds only an export and the newest hash.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from hyrisk_desktop.worklist.models import AuditHeadRow, AuditRow
from hyrisk_desktop.worklist.records import now

_CHUNK = 1000


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """One row of the trail; ``subject`` is e.g. ``read:12``, ``detail`` what changed, as [before, after] by field."""

    number: int
    at: str
    reader: str
    action: str
    subject: str
    detail: dict[str, Any]
    previous: str
    sha256: str


def append(session: Session, reader: str, action: str, subject: str, detail: dict[str, Any]) -> None:
    """Add a row within the session's transaction, so that a change and its trace are saved together or not at all.

    Args:
        reader: who did it, "" for the program. action: a word. subject: what it is about, such as ``read:7``.
        detail: what changed; never a name.
    """
    head = session.scalars(select(AuditHeadRow).where(AuditHeadRow.id == 1).with_for_update()).one()
    number, at = head.number + 1, now()
    digest = _digest(head.sha256, number, at, reader, action, subject, detail)
    session.add(
        AuditRow(
            id=number, at=at, reader=reader, action=action, subject=subject, detail=detail,
            previous=head.sha256, sha256=digest,
        )
    )  # fmt: skip
    head.number, head.sha256 = number, digest


def entries(session: Session) -> Iterator[AuditEntry]:
    """The whole trail, oldest first, without holding it all in memory."""
    for row in session.scalars(select(AuditRow).order_by(AuditRow.id).execution_options(yield_per=_CHUNK)):
        yield AuditEntry(row.id, row.at, row.reader, row.action, row.subject, row.detail, row.previous, row.sha256)


def verify(trail: Iterator[AuditEntry], head: tuple[int, str]) -> int | None:
    """Number of the first row that does not fit the chain (or is missing at its end); None where all do."""
    previous, expected = "", 1
    for e in trail:
        whole = _digest(previous, e.number, e.at, e.reader, e.action, e.subject, e.detail)
        if e.number != expected or e.previous != previous or e.sha256 != whole:
            return expected
        previous, expected = e.sha256, expected + 1
    return None if head == (expected - 1, previous) else expected


def _digest(previous: str, number: int, at: str, reader: str, action: str, subject: str, detail: dict[str, Any]) -> str:
    content = json.dumps([previous, number, at, reader, action, subject, detail], sort_keys=True, ensure_ascii=True)
    return hashlib.sha256(content.encode()).hexdigest()
