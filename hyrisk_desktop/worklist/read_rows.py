"""The row of a read, and whether another state may take its place."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from hyrisk_desktop.errors import ConflictError, InputError
from hyrisk_desktop.i18n import tr
from hyrisk_desktop.worklist import audit
from hyrisk_desktop.worklist.models import ReadRow
from hyrisk_desktop.worklist.read_document import read_document
from hyrisk_desktop.worklist.records import Read, Reader, now
from hyrisk_desktop.worklist.row_values import read_of_row, read_values


def row_of_read(
    session: Session, exam_id: int, reader: Reader, blinded: bool, *, to_write: bool = False
) -> ReadRow | None:
    """The row of a read.

    Args:
        session: an open one. exam_id, reader, blinded: whose read of what. to_write: it is about to be changed.
    """
    mine = (ReadRow.exam_id == exam_id) & (ReadRow.reader_id == reader.reader_id) & (ReadRow.blinded == blinded)
    query = select(ReadRow).where(mine)
    # SQLite's writers wait for each other anyway; on a server the row is held until the commit.
    return session.scalars(query.with_for_update() if to_write else query).one_or_none()


def check_change(before: Read | None, read: Read, known: int | None) -> None:
    """Whether ``read`` may take the place of what is stored, of which its maker knows revision ``known``.

    Raises:
        ConflictError: another state was saved since. InputError: the stored grade is locked.
    """
    if before and known is not None and before.revision > known:
        raise ConflictError(
            tr("This read was changed in another window since it was opened here, so this change is not saved."), before
        )
    if before and before.locked and (read.grade, read.vessels, read.locked) != (before.grade, before.vessels, True):
        raise InputError("read_locked", tr("The grade of this read is locked and can't be changed."))


def write_read(
    session: Session, row: ReadRow | None, before: Read | None, read: Read, reader: Reader, changes: dict[str, Any]
) -> Read:
    """Write a read into its row, or a new one, with its trace in the audit trail.

    Args:
        session: an open one. row, before: where it is stored, and as what; None for a new one.
        read: what is to be stored, by ``reader``. changes: what differs, see `changes_of`.

    Returns:
        The read with its number and revision.
    """
    revision = max(read.revision, 0) if before is None else before.revision + 1
    values = read_values(replace(read, updated_at=now(), revision=revision))
    if row is None:
        row = ReadRow(exam_id=read.exam_id, reader_id=reader.reader_id, **values)
        session.add(row)
    else:
        # The first sight of an exam, and the time to the first grade, are measured once.
        for name in ("started_at", "graded_at", "seconds_to_grade"):
            values[name] = getattr(row, name) or values[name]
        if values["series_uid"] == row.series_uid:
            values["content_sha256"] = values["content_sha256"] or row.content_sha256
        for name, value in values.items():
            setattr(row, name, value)
    session.flush()
    action = "read_locked" if read.locked and not (before and before.locked) else "read_changed"
    audit.append(session, reader.name, action if before else "read_begun", f"read:{row.id}", changes)
    return read_of_row(row)


def note_conflict(session: Session, stored: Read, refused: Read, reader: Reader) -> None:
    """Keep both states of a read in the audit trail, whole: whichever the reader chooses, the other can be looked up.

    Args:
        session: an open one. stored: what stays for now. refused: what was not saved. reader: whose both are.
    """
    both = {"stored": read_document(stored), "refused": read_document(refused)}
    audit.append(session, reader.name, "read_conflict", f"read:{stored.read_id}", both)
