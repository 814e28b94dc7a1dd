"""Exams and their series as rows: keeping what a scan has found, and reading what a list shows of each."""

from __future__ import annotations

from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from hyrisk_desktop.imaging import ScannedExam
from hyrisk_desktop.worklist.models import ExamRow, PreparedRow, ReaderRow, ReadRow, SeriesRow
from hyrisk_desktop.worklist.records import ExamEntry, OtherRead, Reader, now
from hyrisk_desktop.worklist.row_values import entry_of, exam_values, plain, series_values


def keep_exam(session: Session, exam: ScannedExam, *, whole: bool) -> ExamRow:
    """Add or renew an exam; unless ``whole``, the records may be a part of it, and what is known already stays."""
    key = plain(exam.key)
    row = session.scalars(select(ExamRow).where(ExamRow.key == key)).one_or_none()
    first = exam.records[0] if exam.records else None
    values = exam_values(exam, first)
    if row is None:
        row = ExamRow(key=key, found_at=now(), **values)
        session.add(row)
        session.flush()
    elif whole:
        for name, value in values.items():
            setattr(row, name, value)
    known = {(s.series_uid, s.kind): s for s in session.scalars(select(SeriesRow).where(SeriesRow.exam_id == row.id))}
    count = len(known)
    for place, record in enumerate(exam.records):
        found = series_values(record, place)
        old = known.pop((found["series_uid"], found["kind"]), None)
        if old is None:
            found["place"] += 0 if whole else count
            session.add(SeriesRow(exam_id=row.id, content_sha256="", **found))
        elif whole:
            for name, value in found.items():
                setattr(old, name, value)
    if whole:
        for gone in known.values():
            session.delete(gone)
    return row


def note_hash(session: Session, exam_id: int, series_uid: str, content_sha256: str) -> None:
    """Note the hash of a series' files, where none is known, with the series and with the reads that came before it.

    Args:
        session: an open one. exam_id, series_uid: of what. content_sha256: the hash.
    """
    where = (SeriesRow.exam_id == exam_id) & (SeriesRow.series_uid == plain(series_uid))
    for row in session.scalars(select(SeriesRow).where(where)):
        row.content_sha256 = row.content_sha256 or content_sha256
    # A quick reader is through with an exam before its files are hashed; the read must name them all the same.
    hasty = (ReadRow.exam_id == exam_id) & (ReadRow.series_uid == plain(series_uid)) & (ReadRow.content_sha256 == "")
    for read in session.scalars(select(ReadRow).where(hasty)):
        read.content_sha256 = content_sha256


def shows_another_series(session: Session, exam_id: int, series_uid: str) -> bool:
    """Whether the list shows another series of the exam, and what is prepared is of that one."""
    shown = select(SeriesRow.series_uid).where(SeriesRow.exam_id == exam_id, SeriesRow.place == 0)
    chosen, prepared = session.scalars(shown).first(), session.get(PreparedRow, exam_id)
    return prepared is not None and prepared.series_uid == chosen != plain(series_uid)


def read_entries(session: Session, exams: Any, ids: Any, reader: Reader | None, *, blinded: bool) -> list[ExamEntry]:
    """What a list shows of some exams.

    Args:
        session: an open one. exams: a query for their rows, in order. ids: a query for their numbers, or the numbers.
        reader: whose reads are shown, None for nobody's. blinded: which of the reader's two reads.
    """
    chosen, counts, prepared, reads = _entry_parts(session, ids, reader, blinded)
    others = {} if blinded or reader is None else _others(session, ids, reader)
    return [
        entry_of(
            exam, chosen.get(exam.id), counts.get(exam.id, 0), prepared.get(exam.id), reads.get(exam.id),
            tuple(others.get(exam.id, ())),
        )
        for exam in session.scalars(exams)
    ]  # fmt: skip


def _others(session: Session, ids: Any, reader: Reader) -> dict[int, list[OtherRead]]:
    """Who else has graded each exam openly; whoever reads blinded is nobody's to know before the end."""
    query = (
        select(ReadRow.exam_id, ReaderRow.name, ReadRow.locked)
        .join(ReaderRow, ReaderRow.id == ReadRow.reader_id)
        .where(ReadRow.exam_id.in_(ids), ReadRow.blinded.is_(False), ReadRow.grade.is_not(None))
        .where(ReadRow.reader_id != reader.reader_id)
        .order_by(ReaderRow.name)
    )
    found: dict[int, list[OtherRead]] = {}
    for exam_id, name, locked in session.execute(query):
        found.setdefault(exam_id, []).append(OtherRead(name, locked))
    return found


def _entry_parts(session: Session, ids: Any, reader: Reader | None, blinded: bool) -> tuple[Any, Any, Any, Any]:
    columns = (
        SeriesRow.exam_id, SeriesRow.series_uid, SeriesRow.description, SeriesRow.kernel, SeriesRow.reason,
        SeriesRow.slice_count, SeriesRow.thickness_mm, SeriesRow.increment_mm, SeriesRow.findings,
    )  # fmt: skip
    # Neither files nor attributes: a list of 10,000 exams would carry hundreds of megabytes of them.
    chosen = {
        s.exam_id: s for s in session.execute(select(*columns).where(SeriesRow.place == 0, SeriesRow.exam_id.in_(ids)))
    }
    grouped = select(SeriesRow.exam_id, func.count()).where(SeriesRow.exam_id.in_(ids)).group_by(SeriesRow.exam_id)
    counts = {exam_id: count for exam_id, count in session.execute(grouped)}
    shown = (
        PreparedRow.exam_id, PreparedRow.series_uid, PreparedRow.x, PreparedRow.y, PreparedRow.z,
        PreparedRow.confident, PreparedRow.reason, PreparedRow.findings,
    )  # fmt: skip
    prepared = {p.exam_id: p for p in session.execute(select(*shown).where(PreparedRow.exam_id.in_(ids)))}
    reads = {}
    if reader is not None:
        summary = (
            ReadRow.exam_id, ReadRow.id, ReadRow.x, ReadRow.y, ReadRow.z, ReadRow.grade, ReadRow.locked,
            ReadRow.agatston, ReadRow.risk, ReadRow.edits, ReadRow.model, ReadRow.bundle_sha256, ReadRow.prevalence,
            ReadRow.findings, ReadRow.centre_proposed,
        )  # fmt: skip
        mine = select(*summary).where(
            ReadRow.reader_id == reader.reader_id, ReadRow.exam_id.in_(ids), ReadRow.blinded == blinded
        )
        reads = {r.exam_id: r for r in session.execute(mine)}
    return chosen, counts, prepared, reads
