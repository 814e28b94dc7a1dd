"""Going through the exams of a list, and what follows once one of them is on screen."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, QTimer, Signal, Slot

from hyrisk_desktop.errors import ExamError, StoreError
from hyrisk_desktop.gui.services.exam_loader import ExamLoader
from hyrisk_desktop.gui.services.job_runner import JobContext, JobRunner
from hyrisk_desktop.gui.services.store import StoreService
from hyrisk_desktop.gui.session import Session
from hyrisk_desktop.gui.state import Exam
from hyrisk_desktop.gui.worklist.preparer import Preparer
from hyrisk_desktop.gui.worklist.preparing import Prepared
from hyrisk_desktop.gui.worklist.read_ahead import ReadAhead
from hyrisk_desktop.gui.worklist.read_keeper import ReadKeeper
from hyrisk_desktop.gui.worklist.stored_exams import load_stored, stored_series
from hyrisk_desktop.gui.worklist.table_model import WorklistModel
from hyrisk_desktop.i18n import tr
from hyrisk_desktop.imaging import Kind, SeriesRecord, scanned_exam
from hyrisk_desktop.worklist.records import ExamEntry, Read, Reader, ReadingList

if TYPE_CHECKING:
    from hyrisk_desktop.worklist.store import Store

_AHEAD = 2
_NEAR = 3


class Opening(QObject):
    """The half of `Worklist` that opens exams and keeps their rows true; which list and which reader is the other's affair.

    Signals:
        rows_changed: some rows or their counts changed.
        current_changed: another exam is on screen, or none of the list.
        begun: it is known whether the exam on screen has been read before, and if so its read is back.
        told: one sentence.
        failed: an error.
    """

    rows_changed = Signal()
    current_changed = Signal()
    begun = Signal()
    told = Signal(str)
    failed = Signal(object)

    def __init__(
        self, session: Session, loader: ExamLoader, runner: JobRunner, store: StoreService, read_ahead_bytes: int
    ) -> None:
        super().__init__()
        self.session, self._loader, self.store = session, loader, store
        self.model = WorklistModel(self)
        self.reader: Reader | None = None
        self.reading_list: ReadingList | None = None
        self.current: int | None = None
        """Number of the exam on screen, or being opened, where it is one of the store's."""
        self.ahead = ReadAhead(runner, self._load_ahead, read_ahead_bytes, self)
        self.keeper = ReadKeeper(session, store, self)
        self.preparer = Preparer(session, store, runner, self._may_prepare, self._nearest_first, self)
        self._left: int | None = None
        self.model.picture_wanted.connect(self._fetch_picture)
        store.saved.connect(self._saved)
        store.failed.connect(self._report)
        self.ahead.loaded.connect(self.preparer.prepare_loaded)
        self.ahead.idle.connect(self._idle)
        self.preparer.prepared.connect(self._prepared)
        self.preparer.unreadable.connect(self._note_problem)
        loader.opened.connect(self._opened)
        loader.failed.connect(self._note_failure)
        loader.idle.connect(self._idle)
        session.exam_changed.connect(self._mark_row)
        session.shown_again.connect(self._begin_again)
        session.risk_changed.connect(self._mark_models)
        self.keeper.begun.connect(self.begun)
        self.keeper.told.connect(self.told)

    @property
    def busy(self) -> bool:
        """Whether an exam is being opened."""
        return self._loader.loading

    @Slot(object)
    def _report(self, error: Exception) -> None:
        """A server that is away stands in nobody's way: reading goes on, and what waits is said to wait."""
        if isinstance(error, StoreError) and error.code == "store_unreachable":
            self.told.emit(error.message)
        else:
            self.failed.emit(error)

    # --- going through the list

    def open_exam(self, exam_id: int) -> None:
        """Open an exam of the list; loaded ahead, it shows at once. One whose files were gone is looked for again."""
        if (entry := self.entry(exam_id)) is not None and entry.problem and not entry.series_uid:
            self.failed.emit(ExamError("no_suitable_series", entry.problem))
            return
        left, left_id = self.session.exam, self.session.stored_id
        if exam_id == self.on_screen and self.session.can_measure:
            self._loader.cancel()
            self._mark(exam_id)
            self.told.emit("")
            return
        self.current = exam_id
        self.preparer.pause()

        def ready(exam: Exam | None) -> None:
            if self.current != exam_id:
                return
            if exam is None:
                self._open_now(exam_id)
            else:
                self._loader.show(exam)

        had = self.ahead.take(exam_id, ready)
        if left is not None and left_id is not None and left_id != exam_id and not left.loading:
            self._left = left_id
            self._want()
            self.ahead.keep(left_id, left)
        if not had:
            self._open_now(exam_id)
        elif self.session.stored_id != exam_id:
            self.told.emit(tr("Loading…"))
        if self.reader is not None and self.reading_list is not None:
            reader, reading_list = self.reader, self.reading_list
            # Not worth a dialog: the reads themselves tell of a store that can't be written.
            self.store.ask(lambda store: store.save_place(reader, reading_list, exam_id), failed=lambda _: None)
        self.current_changed.emit()

    def step(self, by: int) -> bool:
        """Open the next (+1) or previous (-1) exam as the table stands; False where there is none."""
        entry = self.model.neighbour(self.current, by)
        if entry is None:
            return False
        self.open_exam(entry.exam_id)
        return True

    def open_series(self, record: SeriesRecord, alternatives: tuple[SeriesRecord, ...]) -> None:
        """Open another series; one of the exam on screen, or of a listed one that can't be read, stays a read of that exam."""
        stored_id, path = self._whose(record)
        if stored_id is None:
            self._loader.open_record(record, alternatives, path)
            return
        store, of, entry = self.store, stored_id, self.model.entry_of(stored_id)

        def find(_: JobContext) -> tuple[SeriesRecord, ...]:
            return stored_series(store, of, entry, record.series_uid)

        self._loader.open_stored(of, find)

    def _whose(self, record: SeriesRecord) -> tuple[int | None, Path | None]:
        """Number of the store's exam whose read a series would be, None where there is none; and where it lies."""
        exam = self.session.exam
        if exam is not None and any(record is one for one in (exam.record, *exam.alternatives)):
            return (self.session.stored_id if _same_exam(record, exam.record) else None), exam.path
        if any(record is one for one in self._loader.found):
            return self._loader.found_in
        return None, None if record.holder is not None or not record.files else record.files[0].parent

    @property
    def on_screen(self) -> int | None:
        """Number of the exam whose image is on screen, where the list holds it; it alone is lit in the list."""
        shown = self.session.stored_id
        return None if shown is None or self.model.entry_of(shown) is None else shown

    @Slot()
    def _mark_row(self) -> None:
        self.model.set_current(self.on_screen)

    @Slot()
    def _mark_models(self) -> None:
        if self.session.model is not None:
            self.model.set_model_in_use(self.session.model[1], self.session.prevalences)

    def entry(self, exam_id: int | None = None) -> ExamEntry | None:
        """The row of an exam, or of the one on screen."""
        return self.model.entry_of(self.current if exam_id is None else exam_id)

    def _want(self) -> None:
        """Keep ready what comes next, and the exam just left: readers look back."""
        left = (self._left,) if self._left is not None else ()
        self.ahead.want((*self._next_ids(), *left))

    def _next_ids(self) -> tuple[int, ...]:
        ids: list[int] = []
        at = self.current
        for _ in range(_AHEAD):
            entry = self.model.neighbour(at, 1)
            if entry is None:
                break
            at = entry.exam_id
            ids.append(at)
        return tuple(ids)

    def _load_ahead(self, exam_id: int) -> Callable[[JobContext], Exam]:
        # The rows are this thread's: on a worker another list could come between the exam's place and its row.
        store, entry = self.store, self.model.entry_of(exam_id)
        return lambda context: load_stored(store, exam_id, context, entry)

    def _open_now(self, exam_id: int) -> None:
        store, entry = self.store, self.model.entry_of(exam_id)

        def find(_: JobContext) -> tuple[SeriesRecord, ...]:
            return stored_series(store, exam_id, entry)

        self._loader.open_stored(exam_id, find)

    def _may_prepare(self) -> bool:
        """Nobody waits for anything, and there is a list."""
        return not (self._loader.loading or self.ahead.busy or self.reading_list is None)

    def _nearest_first(self) -> Iterator[int]:
        """The exams of the list, those after the one on screen first."""
        at = self.current
        for _ in range(_NEAR):
            if (entry := self.model.neighbour(at, 1)) is None:
                break
            at = entry.exam_id
            yield at
        yield from (entry.exam_id for entry in self.model.entries)

    # --- what follows once an exam is on screen

    @Slot()
    def _opened(self) -> None:
        exam = self.session.exam
        if exam is None:
            return
        if (stored_id := self.session.stored_id) is None:
            self._adopt(exam)
        else:
            self._now_on_screen(exam, stored_id)

    @Slot()
    def _begin_again(self) -> None:
        """The exam on screen has come back, for another reader or another kind of list."""
        exam, stored_id = self.session.exam, self.session.stored_id
        if exam is not None and stored_id is not None:
            self._now_on_screen(exam, stored_id)

    def _adopt(self, exam: Exam) -> None:
        """Keep an exam that was opened by itself, so that its read is kept too."""
        self._mark(None)
        if (path := _place_of(exam)) is None or self.reader is None:
            # The demonstration is nobody's exam; without a reader this is asked for again once there is one.
            self.preparer.propose(exam)
            self.begun.emit()
            return
        records = (exam.record, *(r for r in exam.alternatives if r.series_uid != exam.record.series_uid))
        found = scanned_exam([r for r in records if _same_exam(r, exam.record)], path)

        def done(ids: list[int]) -> None:
            self.session.adopt(exam.exam_id, ids[0])
            now = self.session.exam
            if now is not None and now.exam_id == exam.exam_id:
                self._mark(ids[0])
                self._now_on_screen(now, ids[0])

        def failed(error: Exception) -> None:
            self.store.report(error)
            self.preparer.propose(exam)
            self.begun.emit()

        self.store.ask(lambda store: store.add_exams(None, [found]), done, failed)

    def _now_on_screen(self, exam: Exam, stored_id: int) -> None:
        entry = self.entry(stored_id)
        known = entry is not None and entry.series_uid == exam.volume.series_uid and entry.prepared
        self.session.propose(entry.proposal if entry and known else None, pending=not known)
        self.keeper.begin(exam, stored_id, self.reading_list.list_id if self.reading_list and entry else None)
        if entry is not None and entry.problem:
            self._note_problem(stored_id, ExamError("", ""))
        self._want()
        self.preparer.check_and_prepare(exam, stored_id)

    @Slot()
    def _idle(self) -> None:
        self.preparer.prepare_next()
        # Once whoever opens has put the exam on screen, or brought back the one before.
        QTimer.singleShot(0, self, self._follow_screen)

    def _follow_screen(self) -> None:
        """The list marks the exam that is on screen, also after another one could not be opened."""
        shown = self.session.stored_id
        if self.busy or self.ahead.awaited or self.session.exam is None or shown == self.current:
            return
        self._mark(shown)

    def _mark(self, exam_id: int | None) -> None:
        """Mark the exam on screen in the list, or none where the list does not hold it."""
        self.current = exam_id if self.model.entry_of(exam_id) is not None else None
        self._mark_row()
        self.current_changed.emit()

    @Slot(object)
    def _prepared(self, made: Prepared) -> None:
        """Keep what was prepared; the exam on screen may be waiting for its proposal."""
        volume = self.session.volume
        on_screen = volume is not None and volume.series_uid == made.series_uid
        if on_screen and self.session.stored_id == made.stored_id and self.session.proposal_pending:
            self.session.propose(made.proposal)
        self.model.forget_picture(made.stored_id)

        def work(store: Store) -> None:
            store.save_prepared(
                made.stored_id, made.series_uid, made.thumbnail, made.proposal, made.findings, made.content_sha256
            )

        self.store.ask(work, lambda _: self._renew(made.stored_id))

    @Slot(object)
    def _note_failure(self, error: Exception) -> None:
        """A row whose exam can't be opened any more says so."""
        if self._loader.failed_id is not None and isinstance(error, ExamError):
            self._note_problem(self._loader.failed_id, error)

    @Slot(int, object)
    def _note_problem(self, exam_id: int, error: ExamError) -> None:
        code, message = error.code, error.message
        self.store.ask(lambda store: store.note_problem(exam_id, code, message), lambda _: self._renew(exam_id))

    # --- rows

    @Slot(object)
    def _saved(self, read: Read) -> None:
        self._renew(read.exam_id)

    def _renew(self, *exam_ids: int) -> None:
        """Read rows anew; what was asked for another list or reader is dropped, or it would show them a read not theirs."""
        reader, reading_list, blinded = self.reader, self.reading_list, self.session.blinded

        def done(entries: list[ExamEntry]) -> None:
            if (self.reader, self.reading_list, self.session.blinded) == (reader, reading_list, blinded):
                self.model.update_entries(entries)
                self.rows_changed.emit()

        if any(self.model.entry_of(i) is not None for i in exam_ids):
            self.store.ask(lambda store: store.entries_of(exam_ids, reader, blinded=blinded), done, lambda _: None)

    @Slot(int)
    def _fetch_picture(self, exam_id: int) -> None:
        self.store.ask(
            lambda store: store.thumbnail(exam_id), lambda png: self.model.set_picture(exam_id, png), lambda _: None
        )


def _same_exam(one: SeriesRecord, other: SeriesRecord) -> bool:
    """Whether a scan would list two series as one exam; image files say nothing of whose they are, and UIDs have been shared."""
    if Kind.IMAGE_FILE in (one.kind, other.kind):
        return one is other
    return (one.study_uid, one.attributes.get("PatientID")) == (other.study_uid, other.attributes.get("PatientID"))


def _place_of(exam: Exam) -> Path | None:
    """Where an exam that was opened by itself lies, as a scan would say; None for what is nobody's."""
    alone = exam.record.kind is Kind.IMAGE_FILE and exam.record.holder is None
    return exam.record.files[0] if alone and exam.path is not None else exam.path
