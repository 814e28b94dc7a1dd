"""Everything the program remembers of exams, readers and reads. Each call is one transaction; none knows of Qt.

Calls block for as long as a disk or a server takes, so the window makes them on a thread of its own.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from hyrisk_desktop.errors import ConflictError, InputError, StoreError
from hyrisk_desktop.findings import Finding, finding_rows
from hyrisk_desktop.i18n import tr
from hyrisk_desktop.imaging import ScannedExam, SeriesRecord
from hyrisk_desktop.worklist import audit
from hyrisk_desktop.worklist.database import Database
from hyrisk_desktop.worklist.exam_rows import keep_exam, note_hash, read_entries, shows_another_series
from hyrisk_desktop.worklist.lasting import with_lasting_results
from hyrisk_desktop.worklist.models import (
    AuditHeadRow,
    BatchRow,
    ExamRow,
    ListExamRow,
    ListRow,
    PlaceRow,
    PreparedRow,
    ReaderRow,
    ReadRow,
    SeriesRow,
)
from hyrisk_desktop.worklist.read_document import read_document
from hyrisk_desktop.worklist.read_rows import check_change, note_conflict, row_of_read, write_read
from hyrisk_desktop.worklist.records import ExamEntry, Proposal, Read, Reader, ReadingList, now, reading_order
from hyrisk_desktop.worklist.row_values import (
    changes_of,
    list_of,
    path_text,
    plain,
    read_of_row,
    record_of,
)


class Store:
    """The worklist's database.

    Args:
        where: see `database.Database`; raises StoreError, as every call does when the database fails.
    """

    def __init__(self, where: Path | str) -> None:
        self.database = Database(where)
        # Revision of each read (exam, reader, blinded) as this program last loaded or saved it; -1: there was none.
        self._revisions: dict[tuple[int, int, bool], int] = {}
        self._refused: set[str] = set()  # what the audit trail holds already: a window tries again and again

    def close(self) -> None:
        """Let go of the database."""
        self.database.close()

    # --- readers

    def reader(self, name: str) -> Reader:
        """The reader of that name, made if new; InputError for an empty or overlong name."""
        name = " ".join(name.split())
        if not 1 <= len(name) <= 80 or not name.isprintable():
            raise InputError("reader_name", tr("A reader's name needs 1 to 80 printable characters."))
        with self.database.write() as session:
            row = session.scalars(select(ReaderRow).where(ReaderRow.name == name)).one_or_none()
            if row is None:
                row = ReaderRow(name=name, created_at=now())
                session.add(row)
                session.flush()
                audit.append(session, name, "reader_added", f"reader:{row.id}", {})
            return Reader(row.id, row.name)

    def readers(self) -> list[Reader]:
        """All readers, by name."""
        with self.database.read() as session:
            return [Reader(r.id, r.name) for r in session.scalars(select(ReaderRow).order_by(ReaderRow.name))]

    # --- lists and exams

    def reading_list(self, root: Path, *, blinded: bool = False, seed: int = 0, reader: str = "") -> ReadingList:
        """The list of the exams below ``root``, made if new; a blinded and an open list of one folder are two lists.

        Args:
            seed: of a blinded list's orders. reader: who makes it, for the audit trail.
        """
        with self.database.write() as session:
            where = (ListRow.root == path_text(root)) & (ListRow.blinded == blinded)
            row = session.scalars(select(ListRow).where(where)).one_or_none()
            if row is None:
                name = root.name or str(root)
                row = ListRow(name=plain(name), root=path_text(root), blinded=blinded, seed=seed, created_at=now())
                session.add(row)
                session.flush()
                audit.append(session, reader, "list_made", f"list:{row.id}", {"blinded": blinded, "seed": seed})
            return list_of(row)

    def blinded_twin(self, reading_list: ReadingList, seed: int, reader: str) -> ReadingList:
        """The same exams as a list to be read blinded, made if there is none yet; its seed is the one that it was made with."""
        twin = self.reading_list(reading_list.root, blinded=True, seed=seed, reader=reader)
        with self.database.write() as session:
            have = set(session.scalars(select(ListExamRow.exam_id).where(ListExamRow.list_id == twin.list_id)))
            mine = select(ListExamRow).where(ListExamRow.list_id == reading_list.list_id).order_by(ListExamRow.position)
            new = [row.exam_id for row in session.scalars(mine) if row.exam_id not in have]
            for position, exam_id in enumerate(new, len(have)):
                session.add(ListExamRow(list_id=twin.list_id, exam_id=exam_id, position=position))
        return twin

    def lists(self) -> list[ReadingList]:
        """All lists, newest first."""
        with self.database.read() as session:
            return [list_of(row) for row in session.scalars(select(ListRow).order_by(ListRow.id.desc()))]

    def add_exams(self, list_id: int | None, exams: Sequence[ScannedExam]) -> list[int]:
        """Put exams into a list (None: into none), new or found again; what a reader did with them stays.

        Returns:
            The exams' numbers, in the order given.
        """
        ids = []
        with self.database.write() as session:
            last = session.scalar(select(func.max(ListExamRow.position)).where(ListExamRow.list_id == list_id))
            position = -1 if last is None else last
            for exam in exams:
                row = keep_exam(session, exam, whole=list_id is not None)
                ids.append(row.id)
                if list_id is not None and session.get(ListExamRow, (list_id, row.id)) is None:
                    position += 1
                    session.add(ListExamRow(list_id=list_id, exam_id=row.id, position=position))
        return ids

    def entries(self, reading_list: ReadingList, reader: Reader | None) -> list[ExamEntry]:
        """The list's rows in this reader's order, each with this reader's read."""
        ids = select(ListExamRow.exam_id).where(ListExamRow.list_id == reading_list.list_id)
        exams = (
            select(ExamRow)
            .join(ListExamRow, ListExamRow.exam_id == ExamRow.id)
            .where(ListExamRow.list_id == reading_list.list_id)
            .order_by(ListExamRow.position)
        )
        with self.database.read() as session:
            rows = read_entries(session, exams, ids, reader, blinded=reading_list.blinded)
        return [rows[i] for i in reading_order(reading_list, reader, len(rows))]

    def entries_of(
        self, exam_ids: Collection[int], reader: Reader | None, *, blinded: bool = False, list_id: int | None = None
    ) -> list[ExamEntry]:
        """The rows of some exams.

        Args:
            exam_ids: their numbers. reader, blinded: whose reads are shown. list_id: only those of that list.
        """
        exams = select(ExamRow).where(ExamRow.id.in_(exam_ids)).order_by(ExamRow.id)
        if list_id is not None:
            exams = exams.join(ListExamRow, ListExamRow.exam_id == ExamRow.id).where(ListExamRow.list_id == list_id)
        with self.database.read() as session:
            return read_entries(session, exams, exam_ids, reader, blinded=blinded)

    def records(self, exam_id: int) -> tuple[tuple[SeriesRecord, ...], Path]:
        """The exam's series as they were found, the chosen one first, and its source; see `imaging.reopen`."""
        with self.database.read() as session:
            exam = _there(session.get(ExamRow, exam_id))
            rows = session.scalars(select(SeriesRow).where(SeriesRow.exam_id == exam_id).order_by(SeriesRow.place))
            return tuple(record_of(row, exam.study_uid) for row in rows), Path(json.loads(exam.source))

    # --- what is prepared

    def save_prepared(
        self,
        exam_id: int,
        series_uid: str,
        thumbnail: bytes | None,
        proposal: Proposal | None,
        findings: tuple[Finding, ...],
        content_sha256: str = "",
    ) -> None:
        """Keep the thumbnail (PNG), the proposed centre, the findings of the pixels and the hash of the files.

        Of another series than the list shows only the hash is kept.

        Args:
            exam_id, series_uid: of what. thumbnail, findings: as said. proposal: None where there is none.
            content_sha256: "" where the files were not hashed.
        """
        with self.database.write() as session:
            if content_sha256:
                note_hash(session, exam_id, series_uid, content_sha256)
            if shows_another_series(session, exam_id, series_uid):
                return
            x, y, z = proposal.voxel if proposal else (None, None, None)
            session.merge(
                PreparedRow(
                    exam_id=exam_id, series_uid=plain(series_uid), thumbnail=thumbnail, x=x, y=y, z=z,
                    confident=bool(proposal and proposal.confident), reason=proposal.reason if proposal else "",
                    findings=finding_rows(findings), prepared_at=now(),
                )
            )  # fmt: skip

    def note_problem(self, exam_id: int, code: str, message: str) -> None:
        """The exam could not be read after all."""
        with self.database.write() as session:
            exam = _there(session.get(ExamRow, exam_id))
            exam.problem_code, exam.problem = code, plain(message)

    def thumbnail(self, exam_id: int) -> bytes | None:
        """The exam's thumbnail as PNG."""
        with self.database.read() as session:
            return session.scalar(select(PreparedRow.thumbnail).where(PreparedRow.exam_id == exam_id))

    def content_sha256(self, exam_id: int, series_uid: str) -> str:
        """Hash of the series' files when they were first read, "" before that."""
        where = (SeriesRow.exam_id == exam_id) & (SeriesRow.series_uid == plain(series_uid))
        with self.database.read() as session:
            return session.scalars(select(SeriesRow.content_sha256).where(where)).first() or ""

    # --- the place in the list

    def save_place(self, reader: Reader, reading_list: ReadingList, exam_id: int) -> None:
        """Remember which exam the reader has open."""
        with self.database.write() as session:
            place = PlaceRow(
                reader_id=reader.reader_id, list_id=reading_list.list_id, exam_id=exam_id, updated_at=now()
            )
            session.merge(place)

    def place(self, reader: Reader, reading_list: ReadingList) -> int | None:
        """The exam that the reader had open last in this list."""
        with self.database.read() as session:
            row = session.get(PlaceRow, (reader.reader_id, reading_list.list_id))
            return row.exam_id if row else None

    def last_list(self, reader: Reader) -> ReadingList | None:
        """The list that the reader read last."""
        with self.database.read() as session:
            newest = select(PlaceRow).where(PlaceRow.reader_id == reader.reader_id).order_by(PlaceRow.updated_at.desc())
            place = session.scalars(newest).first()
            return list_of(_there(session.get(ListRow, place.list_id))) if place else None

    # --- reads

    def newest_read(self, exam_id: int, reader: Reader, *, blinded: bool = False) -> Read | None:
        """This reader's open or blinded read of the exam, for a look only: what is saved later comes after what it came after."""
        with self.database.read() as session:
            row = row_of_read(session, exam_id, reader, blinded)
            return read_of_row(row) if row else None

    def read_of(self, exam_id: int, reader: Reader, *, blinded: bool = False) -> Read | None:
        """This reader's open or blinded read of the exam; what is saved later comes after it."""
        read = self.newest_read(exam_id, reader, blinded=blinded)
        self._revisions[exam_id, reader.reader_id, blinded] = read.revision if read else -1
        return read

    def read_by_id(self, read_id: int) -> Read:
        """A read by its number; InputError where there is none."""
        with self.database.read() as session:
            row = session.get(ReadRow, read_id)
            if row is None:
                raise InputError("no_read", tr("There is no read number {n}.", n=read_id))
            return read_of_row(row)

    def reads(self, *, list_id: int | None = None) -> list[Read]:
        """All reads, or those of the exams of one list, oldest first."""
        query = select(ReadRow).order_by(ReadRow.id)
        if list_id is not None:
            query = query.where(ReadRow.exam_id.in_(select(ListExamRow.exam_id).where(ListExamRow.list_id == list_id)))
        with self.database.read() as session:
            return [read_of_row(row) for row in session.scalars(query)]

    def save_read(self, read: Read, reader: Reader) -> Read:
        """Keep a read as it stands now, and what has changed since in the audit trail; see `with_lasting_results`.

        What it is based on is the newest of ``read.revision`` (0 where its maker does not count) and what `read_of` or
        this method returned last for the same exam and reader; where neither is known, nothing is compared.

        Returns:
            The read with its number and revision.

        Raises:
            ConflictError: another window or program has saved another state of it since; ``newer`` is that `Read`. The
                audit trail holds both then. To replace it all the same, save again with its revision.
            InputError: the stored read's grade is locked, and this one has another or is not; see `unlock_read`.
        """
        key = (read.exam_id, reader.reader_id, read.blinded)
        conflict: ConflictError | None = None
        with self.database.write() as session:
            row = row_of_read(session, read.exam_id, reader, read.blinded, to_write=True)
            before = read_of_row(row) if row else None
            read = with_lasting_results(before, read)
            changes = changes_of(before, read)
            if before and not changes:
                saved = before
            else:
                try:
                    check_change(before, read, self.based_on(read, reader))
                    saved = write_read(session, row, before, read, reader, changes)
                except ConflictError as e:
                    conflict = e
                    self._note_refused(session, e.newer, read, reader)
        if conflict is not None:
            raise conflict
        # Not before the commit: what was rolled back is not known to anybody.
        self._revisions[key] = saved.revision
        return saved

    def based_on(self, read: Read, reader: Reader) -> int | None:
        """Which stored revision ``read`` comes after, as far as is known here; -1 for none, None for not known."""
        known = self._revisions.get((read.exam_id, reader.reader_id, read.blinded))
        return max(read.revision or -1, known) if known is not None else read.revision or None

    def base_on(self, read: Read, reader: Reader, revision: int) -> None:
        """What is saved next of ``read`` comes after that stored revision; for a read that waited through a restart."""
        self._revisions[read.exam_id, reader.reader_id, read.blinded] = revision

    def _note_refused(self, session: Session, stored: Read, read: Read, reader: Reader) -> None:
        about = f"{stored.revision} {read_document(replace(read, revision=0))}"
        if about not in self._refused:
            self._refused.add(about)
            note_conflict(session, stored, read, reader)

    def unlock_read(self, exam_id: int, reader: Reader) -> Read | None:
        """Let the grade of this reader's open read be changed again, and note that in the audit trail.

        A blinded read is never unlocked: its grade is the one that was given before any number was seen.

        Returns:
            The read as it is stored now; None where there is none.
        """
        with self.database.write() as session:
            row = row_of_read(session, exam_id, reader, blinded=False, to_write=True)
            if row is None:
                return None
            if row.locked:
                row.locked, row.locked_at, row.updated_at = False, "", now()
                row.revision += 1
                session.flush()
                audit.append(session, reader.name, "read_unlocked", f"read:{row.id}", {"locked": [True, False]})
            read = read_of_row(row)
        self._revisions[exam_id, reader.reader_id, False] = read.revision
        return read

    # --- batches and audit

    def note_batch(self, list_id: int | None, out: Path, settings: dict[str, Any], bundle_sha256: str) -> int:
        """A bulk scoring has begun; returns its number.

        Args:
            list_id: of which list, None for none. out: the table. settings: of the run, for the audit trail.
            bundle_sha256: of the model, "" without one.
        """
        with self.database.write() as session:
            row = BatchRow(
                list_id=list_id, out=path_text(out), settings=settings, bundle_sha256=bundle_sha256, started_at=now(),
                ended_at="", done=0, failed=0,
            )  # fmt: skip
            session.add(row)
            session.flush()
            audit.append(session, "", "batch_begun", f"batch:{row.id}", settings)
            return row.id

    def end_batch(self, batch_id: int, done: int, failed: int) -> None:
        """A bulk scoring has ended."""
        with self.database.write() as session:
            row = _there(session.get(BatchRow, batch_id))
            row.done, row.failed, row.ended_at = done, failed, now()
            audit.append(session, "", "batch_ended", f"batch:{row.id}", {"done": done, "failed": failed})

    def note(self, reader: str, action: str, subject: str, detail: dict[str, Any]) -> None:
        """Add a row to the audit trail for something that changed no table, such as an export.

        Args:
            reader: who. action: a word. subject: what it is about, such as ``exam:7``. detail: no names.
        """
        with self.database.write() as session:
            audit.append(session, reader, action, subject, detail)

    def audit_trail(self) -> Iterator[audit.AuditEntry]:
        """The audit trail, oldest first."""
        with self.database.read() as session:
            yield from audit.entries(session)

    def audit_head(self) -> tuple[int, str]:
        """Number and hash of the newest audit row."""
        with self.database.read() as session:
            row = _there(session.get(AuditHeadRow, 1))
            return row.number, row.sha256


def _there(row: Any) -> Any:
    if row is None:
        raise StoreError("store_gone", tr("The worklist no longer holds this. Open its folder again."))
    return row
