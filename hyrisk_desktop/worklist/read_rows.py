"""The row of a read, and whether another state may take its place."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.orm import Session

from hyrisk_desktop.errors import ConflictError, InputError
from hyrisk_desktop.i18n import tr
from hyrisk_desktop.worklist.models import ReadRow
from hyrisk_desktop.worklist.records import Read, Reader


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
