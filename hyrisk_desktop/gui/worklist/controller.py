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

from PySide6.QtCore import QTimer, Signal, Slot

from hyrisk_desktop.errors import StoreError
from hyrisk_desktop.gui.services.exam_loader import ExamLoader
from hyrisk_desktop.gui.services.job_runner import JobRunner
from hyrisk_desktop.gui.services.store import StoreService
from hyrisk_desktop.gui.session import Session
from hyrisk_desktop.gui.worklist.opening import Opening
from hyrisk_desktop.gui.worklist.other_desks import OtherDesks
from hyrisk_desktop.gui.worklist.scanning import Scanning, is_table
from hyrisk_desktop.i18n import tr, trn
from hyrisk_desktop.settings import Settings
from hyrisk_desktop.worklist.records import ExamEntry, Reader, ReadingList

if TYPE_CHECKING:
    from hyrisk_desktop.worklist.store import Store

_RETRY_MS = 10_000


class Worklist(Opening):
    """The list that is read now; without one, exams that are opened singly are kept in the store all the same.

    Signals:
        list_changed: another list, reader or order; `model` holds its rows.
        ready: where the reader stopped last time is known (or that there is nothing).
    """

    list_changed = Signal()
    ready = Signal()

    def __init__(
        self, session: Session, loader: ExamLoader, runner: JobRunner, store: StoreService, settings: Settings
    ) -> None:
        super().__init__(session, loader, runner, store, settings["read_ahead_mb"] * 1_000_000)
        self._settings = settings
        self.scanning = Scanning(runner, store, self)
        self._last: ReadingList | None = None
        self._without_store = False
        self._to_tell = ""
        self.scanning.found.connect(self._show_found)
        self.scanning.became_list.connect(self._begin_list)
        self.scanning.one_exam.connect(loader.open_path)
        self.scanning.failed.connect(self.failed)
        self.keeper.begun.connect(self._tell_waiting)
        self.other_desks = OtherDesks(session, store, self.model, self.keeper, self)
        self.other_desks.came.connect(lambda entries: self._show_rows(entries, read_on=False))
        self.other_desks.told.connect(self.told)

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
                if not self.store.unsaved:
                    self.store.trouble.emit("")
            before = self.reader
            another = before is not None and before != answer[0]
            self.reader, self._last = answer
            self._settings["reader"] = answer[0].name
            self.session.set_reader(answer[0].name)
            self.keeper.reader = answer[0]
            self.other_desks.begin(answer[0], self.reading_list)
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
                self._adopt(exam)
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

    def open_list(self, reading_list: ReadingList, *, open_place: bool = False) -> None:
        """Show a list that was made before, at the place where the reader left it; ``open_place``: with the exam there."""
        self.scanning.cancel()
        self._show_list(reading_list, open_place=open_place)

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
                kept = trn(
                    "{n} open read is kept apart, and shows when the list is read openly again.",
                    "{n} open reads are kept apart, and show when the list is read openly again.",
                    hidden,
                )
                if not blinded:
                    kept = trn(
                        "{n} blinded read is kept apart, and shows when the list is read blinded again.",
                        "{n} blinded reads are kept apart, and show when the list is read blinded again.",
                        hidden,
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
            if reader != self.reader:
                # Asked for by somebody who does not read any more.
                self._show_list(reading_list, open_place=open_place)
                return
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
            self.other_desks.begin(reader, reading_list)
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

    @Slot(object)
    def show_changed(self, exam_ids: frozenset[int]) -> None:
        """Reads of the list were changed beside the one on screen, and perhaps that one, too."""
        self.other_desks.renew(exam_ids)

    def unfinished(self) -> list[ExamEntry]:
        """Exams of the list whose grade this reader has not locked."""
        return [e for e in self.model.entries if not e.problem and not (e.read and e.read.locked)]


def account_name() -> str:
    """The name of the account, for a reader who has not said otherwise."""
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):
        return tr("Reader")
