"""What came from the network enters the worklist: one list for all of it, where every exam appears as it is complete."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal

from hyrisk_desktop.errors import ExamError
from hyrisk_desktop.gui.services.job_runner import Job, JobContext, JobRunner
from hyrisk_desktop.gui.worklist.controller import Worklist
from hyrisk_desktop.i18n import tr
from hyrisk_desktop.imaging import ScannedExam, scan_exams
from hyrisk_desktop.worklist.records import ReadingList

if TYPE_CHECKING:
    from hyrisk_desktop.exchange.pacs.inbox import Inbox
    from hyrisk_desktop.worklist.store import Store

_log = logging.getLogger(__name__)
_Looked = tuple[list[ScannedExam], list[Path], list[ExamError]]


class Arrivals(QObject):
    """Puts study folders of the inbox into the inbox's worklist.

    Signals:
        told: one sentence.
        failed: the error.
        listed: what arrived has been looked through, and its exams are in the inbox's worklist.
    """

    told = Signal(str)
    listed = Signal()
    failed = Signal(object)

    def __init__(self, inbox: Inbox, runner: JobRunner, worklist: Worklist, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._inbox, self._root, self._runner, self._worklist = inbox, inbox.root, runner, worklist

    def take_up(self) -> None:
        """List what was received before the last run of the program ended, or while the worklist could not be written."""

        def work(_: JobContext) -> tuple[Path, ...]:
            return self._inbox.unlisted()

        def done(folders: tuple[Path, ...]) -> None:
            if folders:
                self.take_in(folders, asked_for=False)

        self._runner.run_io(Job("looking for what arrived", work, done, self.failed.emit))

    def take_in(self, folders: Sequence[Path], *, asked_for: bool) -> None:
        """Look through ``folders`` and list their exams; ``asked_for``: the reader fetched them and waits."""

        def work(context: JobContext) -> _Looked:
            found, looked, errors = list[ScannedExam](), list[Path](), list[ExamError]()
            for folder in folders:
                try:
                    found += scan_exams(folder, cancel=context.token)
                    looked.append(folder)
                except ExamError as e:
                    # One study that can't be read must not keep the others away.
                    errors.append(e)
            return found, looked, errors

        def done(answer: _Looked) -> None:
            exams, looked, errors = answer
            for error in errors:
                self.failed.emit(error)
            if looked:
                self._list(exams, looked, asked_for)

        job = Job("listing what arrived", work, done, self.failed.emit)
        self._runner.run_io(job)

    def _list(self, exams: list[ScannedExam], folders: Sequence[Path], asked_for: bool) -> None:
        if not exams:
            self._inbox.unmark(folders)
            self.told.emit(tr("What arrived holds no CT exam."))
            self.listed.emit()
            return
        name = self._worklist.reader.name if self._worklist.reader else ""

        def work(store: Store) -> tuple[ReadingList, list[int]]:
            reading_list = store.reading_list(self._root, reader=name)
            found = store.add_exams(reading_list.list_id, exams)
            self._inbox.unmark(folders)
            return reading_list, found

        def done(answer: tuple[ReadingList, list[int]]) -> None:
            self._show(*answer, asked_for=asked_for)

        self._worklist.store.ask(work, done, self.failed.emit)

    def _show(self, reading_list: ReadingList, exam_ids: list[int], *, asked_for: bool) -> None:
        _log.info("%d exams from the network listed", len(exam_ids))
        self.listed.emit()
        idle = self._worklist.reading_list is None and self._worklist.session.exam is None
        if self._worklist.add_rows(reading_list, exam_ids, read_on=asked_for):
            self.told.emit(tr("Arrived from the PACS: {n}.", n=len(exam_ids)))
        elif asked_for and idle:
            self._worklist.open_list(reading_list)
            # Asked behind the list: then it is there, and what was fetched to be read is opened.
            self._worklist.store.ask(lambda _: None, lambda _: self._show_first(reading_list, exam_ids))
        else:
            self.told.emit(
                tr(
                    "Arrived from the PACS: {n}, in the worklist “{name}” (File > Open a worklist made before).",
                    n=len(exam_ids),
                    name=reading_list.name,
                )
            )

    def _show_first(self, reading_list: ReadingList, exam_ids: list[int]) -> None:
        self._worklist.add_rows(reading_list, exam_ids, read_on=True)

    def open_list(self) -> None:
        """Show the worklist of what came from the network."""
        name = self._worklist.reader.name if self._worklist.reader else ""
        self._worklist.store.ask(
            lambda store: store.reading_list(self._root, reader=name), self._worklist.open_list, self.failed.emit
        )
