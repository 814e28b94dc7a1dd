"""The worklists that there are, with how far a reader has come in each: what a start page shows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import and_, func, select

from hyrisk_desktop.worklist.models import ListExamRow, ListRow, PlaceRow, ReadRow
from hyrisk_desktop.worklist.records import Reader, ReadingList

if TYPE_CHECKING:
    from hyrisk_desktop.worklist.store import Store


@dataclass(frozen=True, slots=True)
class ListOverview:
    """One worklist.

    Attributes:
        exams: how many it holds. graded: of them, how many this reader has graded, blinded or openly as the list is.
        stopped_at: when the reader last opened one of its exams, "" for never.
    """

    reading_list: ReadingList
    exams: int
    graded: int
    stopped_at: str


def overview(store: Store, reader: Reader) -> list[ListOverview]:
    """Every list, those read last first.

    Args:
        store: whose. reader: who reads.
    """
    mine = and_(
        ReadRow.exam_id == ListExamRow.exam_id,
        ReadRow.reader_id == reader.reader_id,
        ReadRow.blinded == ListRow.blinded,
        ReadRow.grade.is_not(None),
    )
    counts = (
        select(ListRow.id, func.count(ListExamRow.exam_id), func.count(ReadRow.id))
        .outerjoin(ListExamRow, ListExamRow.list_id == ListRow.id)
        .outerjoin(ReadRow, mine)
        .group_by(ListRow.id)
    )
    places = select(PlaceRow.list_id, PlaceRow.updated_at).where(PlaceRow.reader_id == reader.reader_id)
    with store.database.read() as session:
        found = {row[0]: (row[1], row[2]) for row in session.execute(counts)}
        stopped = {row[0]: row[1] for row in session.execute(places)}
    lists = [ListOverview(one, *found.get(one.list_id, (0, 0)), stopped.get(one.list_id, "")) for one in store.lists()]
    # `lists` has the newest first, and so has what was never read.
    return sorted(lists, key=lambda row: row.stopped_at, reverse=True)
