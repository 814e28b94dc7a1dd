"""The live worklist: which list, which reader, which exam, and everything that goes on behind it.

It opens exams in the session, saves the session's read whenever it changes, loads the next exams ahead, and works out
thumbnails and proposed centres in what time is left. Widgets re-read it on its signals.
"""

from __future__ import annotations

import getpass
import secrets
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, QTimer, Signal, Slot

from hyrisk_desktop.errors import ExamError, StoreError
from hyrisk_desktop.gui.exam_loader import ExamLoader, read_exam
from hyrisk_desktop.gui.job_runner import JobContext, JobRunner
from hyrisk_desktop.gui.session import Session
from hyrisk_desktop.gui.state import Exam
from hyrisk_desktop.gui.store_service import StoreService
from hyrisk_desktop.gui.worklist.preparer import Preparer
from hyrisk_desktop.gui.worklist.preparing import Prepared
from hyrisk_desktop.gui.worklist.read_ahead import ReadAhead
from hyrisk_desktop.gui.worklist.read_keeper import ReadKeeper
from hyrisk_desktop.gui.worklist.scanning import Scanning, is_table
from hyrisk_desktop.gui.worklist.table_model import WorklistModel
from hyrisk_desktop.i18n import tr
from hyrisk_desktop.imaging import SeriesRecord, reopen, scanned_exam
from hyrisk_desktop.settings import Settings
from hyrisk_desktop.worklist.records import ExamEntry, Read, Reader, ReadingList

if TYPE_CHECKING:
    from hyrisk_desktop.worklist.store import Store

_AHEAD = 2
_RETRY_MS = 10_000


class Worklist(QObject):
    """The list that is read now; without one, exams that are opened singly are kept in the store all the same.

    Signals:
        list_changed: another list, reader or order; `model` holds its rows.
        rows_changed: some rows or their counts changed.
        current_changed: another exam is on screen, or none of the list.
        ready: where the reader stopped last time is known (or that there is nothing).
        begun: it is known whether the exam on screen has been read before, and if so its read is back.
        told: one sentence.
        failed: an error.
    """

    list_changed = Signal()
    rows_changed = Signal()
    current_changed = Signal()
    ready = Signal()
    begun = Signal()
    told = Signal(str)
    failed = Signal(object)

    def __init__(
        self, session: Session, loader: ExamLoader, runner: JobRunner, store: StoreService, settings: Settings
    ) -> None:
        super().__init__()
        self.session, self._loader, self._settings = session, loader, settings
        self.store = store
        self.model = WorklistModel(self)
        self.reader: Reader | None = None
        self.reading_list: ReadingList | None = None
        self.current: int | None = None
        """Number of the exam on screen, or being opened, where it is one of the store's."""
        self.ahead = ReadAhead(runner, self.load, settings["read_ahead_mb"] * 1_000_000, self)
        self.keeper = ReadKeeper(session, store, self)
        self.scanning = Scanning(runner, store, self)
        self.preparer = Preparer(self, runner, loader)
        self._last: ReadingList | None = None
        self._without_store = False
        self._to_tell = ""
        self._path: Path | None = None
        self._left: int | None = None
        self._connect()

    def _connect(self) -> None:
        self.model.picture_wanted.connect(self._fetch_picture)
        self.store.saved.connect(self._saved)
        self.store.failed.connect(self.failed)
        self.ahead.loaded.connect(self.preparer.prepare_loaded)
        self.ahead.idle.connect(self._idle)
        self.preparer.prepared.connect(self._prepared)
        self.preparer.unreadable.connect(self._note_problem)
        self.scanning.found.connect(self._show_found)
        self.scanning.became_list.connect(self._begin_list)
        self.scanning.one_exam.connect(self._loader.open_path)
        self.scanning.failed.connect(self.failed)
        self._loader.opened.connect(self._opened)
        self._loader.failed.connect(self._note_failure)
        self._loader.idle.connect(self._idle)
        self.session.exam_changed.connect(self._mark_row)
        self.session.risk_changed.connect(self._mark_models)
        self.keeper.begun.connect(self.begun)
        self.keeper.begun.connect(self._tell_waiting)
        self.keeper.told.connect(self.told)

    # --- reader and list

    def start(self) -> None:
        """Find out who reads and which list was read last; nothing is opened."""
        self.set_reader(self._settings["reader"] or account_name())
        self.store.back_up()

    def set_reader(self, name: str) -> None:
        """Read as ``name`` from now on: another reader's reads are not shown."""

        def done(answer: tuple[Reader, ReadingList | None]) -> None:
            if self._without_store:
                self._without_store = False
                self.store.trouble.emit("")
            before = self.reader
            another = before is not None and before != answer[0]
            self.reader, self._last = answer
            self._settings["reader"] = answer[0].name
            self.session.set_reader(answer[0].name)
            self.keeper.reader = answer[0]
            self._show_again(anew=another)
            if self.reading_list is not None:
                self._show_list(self.reading_list)
            if before is not None and another:
                self._tell_reader(before, answer[0])
            self.ready.emit()

        def work(store: Store) -> tuple[Reader, ReadingList | None]:
            reader = store.reader(name)
            return reader, store.last_list(reader)

        def failed(error: Exception) -> None:
            if self.reader is not None or not isinstance(error, StoreError):
                self.failed.emit(error)
                return
            # Reading goes on without the store; it is tried again, and what is read until then is kept in memory.
            self._without_store = True
            self.store.report(error)
            self.store.trouble.emit(tr("{why} Reads are kept in memory only.", why=error.message))
            QTimer.singleShot(_RETRY_MS, self, lambda: self.set_reader(name))

        self.store.ask(work, done, failed)

    def _tell_reader(self, before: Reader, now: Reader) -> None:
        """Reads that vanish from the list have not vanished."""
        text = tr("{name} reads now. The reads of {other} are kept, and show when {other} reads again.",
                  name=now.name, other=before.name)  # fmt: skip
        self._tell_later(text)

    def _tell_later(self, text: str) -> None:
        """Say ``text`` once the list and the exam on screen have followed, or it would end with the exam before."""
        self._to_tell = text
        if self.reading_list is None and not self.keeper.asking:
            self._tell_waiting()

    @Slot()
    def _tell_waiting(self) -> None:
        text, self._to_tell = self._to_tell, ""
        if text:
            self.told.emit(text)

    def _show_again(self, *, anew: bool) -> None:
        """The exam on screen, as another reader sees it, or kept for the first one."""
        exam, stored_id = self.session.exam, self.session.stored_id
        if exam is not None and self.session.can_measure:
            if anew:
                self.session.complete(exam)
            if stored_id is None:
                self._adopt(exam, self._path)
            else:
                self._now_on_screen(exam, stored_id)

    @property
    def busy(self) -> bool:
        """Whether a folder is being looked through or an exam opened."""
        return self.scanning.running or self._loader.loading

    @property
    def last_list(self) -> ReadingList | None:
        """The list that this reader read last."""
        return self._last

    def open_path(self, path: Path) -> None:
        """Open whatever lies at ``path``: one exam is opened at once; several, or a reading list (CSV), become a list."""
        if is_table(path):
            self.open_folder(path)
        elif path.is_dir():
            self.open_folder(path, alone_is_no_list=True)
        else:
            self._loader.open_path(path)

    def open_folder(self, folder: Path, *, alone_is_no_list: bool = False) -> None:
        """List all exams below a folder; what was read of them before stays."""
        self.scanning.start(folder, self.reader, alone_is_no_list=alone_is_no_list)

    def open_list(self, reading_list: ReadingList) -> None:
        """Show a list that was made before, at the place where the reader left it."""
        self.scanning.cancel()
        self._show_list(reading_list)

    @Slot(object)
    def _begin_list(self, reading_list: ReadingList) -> None:
        """A folder turned out to be a list: read on where it was left, or begin with its first exam."""
        self.session.close_exam()
        self._show_list(reading_list, open_place=True)

    def read_blinded(self, blinded: bool) -> None:
        """Go on with the same exams in a blinded list (own order, no identity, no numbers before the grade is locked)."""
        now, reader = self.reading_list, self.reader
        if now is None or reader is None or now.blinded == blinded:
            return
        hidden = sum(e.read is not None for e in self.model.entries)

        def done(other: ReadingList) -> None:
            if hidden:
                kept = tr("{n} open reads are kept apart, and show when the list is read openly again.", n=hidden)
                if not blinded:
                    kept = tr(
                        "{n} blinded reads are kept apart, and show when the list is read blinded again.", n=hidden
                    )
                self._to_tell = kept
            self.open_list(other)

        if blinded:
            self.scanning.cancel()
            self.store.ask(lambda s: s.blinded_twin(now, secrets.randbelow(2**31), reader.name), done)
        else:
            self.store.ask(lambda s: s.reading_list(now.root, reader=reader.name), done)

    def _show_list(self, reading_list: ReadingList, *, open_place: bool = False) -> None:
        reader = self.reader

        def done(answer: tuple[list[ExamEntry], int | None]) -> None:
            entries, place = answer
            self.reading_list = reading_list
            unblinded = self.session.blinded and not reading_list.blinded
            if self.session.blinded != reading_list.blinded:
                # What is on screen was read the other way, and is not kept as this list's.
                self.keeper.reader = reader
            self.session.set_blinded(reading_list.blinded)
            self.ahead.clear()
            self.model.show_entries(entries, blinded=reading_list.blinded)
            self.preparer.set_entries(entries)
            open_now = self.session.stored_id
            listed = {e.exam_id for e in entries}
            if reading_list.blinded or open_now not in listed:
                self.session.close_exam()
                open_now = None
            elif unblinded:
                self._show_again(anew=True)
            else:
                self.keeper.note_list(reading_list.list_id)
            self.current = open_now or (place if place in listed else None)
            self._mark_row()
            self.list_changed.emit()
            self.current_changed.emit()
            if open_place and self.current is not None and open_now is None:
                self.open_exam(self.current)
            if not self.keeper.asking:
                self._tell_waiting()
            self.preparer.prepare_next()

        def work(store: Store) -> tuple[list[ExamEntry], int | None]:
            entries = store.entries(reading_list, reader)
            return entries, store.place(reader, reading_list) if reader else None

        self.store.ask(work, done)

    # --- scanning

    @Slot(object, object)
    def _show_found(self, reading_list: ReadingList, entries: list[ExamEntry]) -> None:
        if self.reading_list is None or self.reading_list.list_id != reading_list.list_id:
            return
        if self.scanning.reader != self.reader:
            # Somebody else reads by now: another reader's reads are not theirs to see.
            entries = [replace(e, read=None) for e in entries]
        self._show_rows(entries, read_on=True)
        if self.scanning.reader != self.reader:
            self._renew(*(e.exam_id for e in entries))

    def add_rows(self, reading_list: ReadingList, exam_ids: list[int], *, read_on: bool) -> bool:
        """Exams were put into a list from elsewhere: show them if that list is open; False if it is not.

        Args:
            read_on: open the first of them where nothing is open.
        """
        reader = self.reader
        if self.reading_list is None or self.reading_list.list_id != reading_list.list_id:
            return False

        def done(entries: list[ExamEntry]) -> None:
            now = self.reading_list
            if now is not None and now.list_id == reading_list.list_id and self.reader == reader:
                self._show_rows(entries, read_on=read_on)

        self.store.ask(lambda store: store.entries_of(exam_ids, reader, blinded=reading_list.blinded), done)
        return True

    def _show_rows(self, entries: list[ExamEntry], *, read_on: bool) -> None:
        self.model.update_entries(entries)
        self.preparer.add_entries(entries)
        self.rows_changed.emit()
        if read_on and self.current is None and self.session.exam is None and not self._loader.loading:
            # The reader who dropped a folder wants to read; the first exam need not wait for the last.
            self.step(1)
        self.preparer.prepare_next()

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
        """Open another series; one of the exam on screen stays a read of that exam."""
        exam, store = self.session.exam, self.store
        if exam is None or self.session.stored_id is None or record.study_uid != exam.record.study_uid:
            self._loader.open_record(record, alternatives)
            return
        stored_id = self.session.stored_id

        def find(_: JobContext) -> tuple[SeriesRecord, ...]:
            return stored_series(store, stored_id, record.series_uid)

        self._loader.open_stored(stored_id, find)

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

    def unfinished(self) -> list[ExamEntry]:
        """Exams of the list whose grade this reader has not locked."""
        return [e for e in self.model.entries if not e.problem and not (e.read and e.read.locked)]

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

    def _open_now(self, exam_id: int) -> None:
        store = self.store

        def find(_: JobContext) -> tuple[SeriesRecord, ...]:
            return stored_series(store, exam_id)

        self._loader.open_stored(exam_id, find)

    def load(self, exam_id: int, context: JobContext) -> Exam:
        """On a worker thread: the exam, without a preview."""
        records = stored_series(self.store, exam_id)
        quiet = JobContext(context.progress, context.token, lambda _: None)
        return read_exam(records[0], records, quiet, exam_id)

    # --- what follows once an exam is on screen

    @Slot(object)
    def _opened(self, path: Path | None) -> None:
        exam = self.session.exam
        if exam is None:
            return
        if (stored_id := self.session.stored_id) is None:
            self._adopt(exam, path)
        else:
            self._now_on_screen(exam, stored_id)

    def _adopt(self, exam: Exam, path: Path | None) -> None:
        """Keep an exam that was opened by itself, so that its read is kept too."""
        self._mark(None)
        self._path = path
        if path is None or self.reader is None:
            # The demonstration is nobody's exam; without a reader this is asked for again once there is one.
            self.preparer.propose(exam)
            self.begun.emit()
            return
        records = (exam.record, *(r for r in exam.alternatives if r.series_uid != exam.record.series_uid))
        found = scanned_exam([r for r in records if r.study_uid == exam.record.study_uid], path)

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


def stored_series(store: StoreService, exam_id: int, series_uid: str = "") -> tuple[SeriesRecord, ...]:
    """On a worker thread: the series of a stored exam, ``series_uid`` or the chosen one first and ready to be read."""
    records, source = store.open().records(exam_id)
    wanted = next((r for r in records if r.series_uid == series_uid), records[0] if records else None)
    if wanted is None or not wanted.suitable:
        reason = wanted.reason if wanted else tr("There is no CT exam here; choose a folder that holds one.")
        raise ExamError("no_suitable_series", reason)
    return reopen(wanted, source), *(r for r in records if r is not wanted)


def account_name() -> str:
    """The name of the account, for a reader who has not said otherwise."""
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):
        return tr("Reader")
