"""Looks through a folder off the GUI thread and puts the exams found into the store, a few at a time."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from PySide6.QtCore import QObject, Signal

from hyrisk_desktop.gui.services.job_runner import JobContext, JobRunner, Operation
from hyrisk_desktop.gui.services.store import StoreService
from hyrisk_desktop.imaging import ScannedExam, scan_exams
from hyrisk_desktop.worklist.reading_list_file import scan_table
from hyrisk_desktop.worklist.records import ExamEntry, Reader, ReadingList

_TELL_EVERY_S = 0.25
_TELL_AT = 200


def is_table(path: Path) -> bool:
    """Whether ``path`` is a reading list rather than a place with exams."""
    return path.suffix.lower() == ".csv" and path.is_file()


class Scanning(QObject):
    """One scan at a time.

    Signals:
        became_list: the folder holds several exams, so it is a list; carries the `ReadingList`.
        found: the list, and rows of exams found, new or found to have more series.
        one_exam: the folder holds one exam or none, and should be opened as such; carries the path.
        progressed: `files`, `exams` or `rate` (files per second) have changed.
        ended: the scan has ended, also when it was cancelled; carries the list.
        failed: the error.
    """

    became_list = Signal(object)
    found = Signal(object, object)
    one_exam = Signal(object)
    progressed = Signal()
    ended = Signal(object)
    failed = Signal(object)

    def __init__(self, runner: JobRunner, store: StoreService, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._store, self._scan = store, Operation(runner.run_io)
        self.files = self.exams = 0
        self.rate = 0.0
        self.reader: Reader | None = None
        """Whose reads the rows found carry."""

    @property
    def running(self) -> bool:
        """Whether a folder is being looked through."""
        return self._scan.running

    def cancel(self) -> None:
        """Stop; what was found stays in the list."""
        self._scan.cancel()

    def start(self, folder: Path, reader: Reader | None, *, alone_is_no_list: bool) -> None:
        """Look through ``folder`` (or the exams of a reading list); with ``alone_is_no_list`` a folder with one exam is that exam and no list."""
        self.files, self.exams, self.rate = 0, 0, 0.0
        self.reader = reader
        began = time.monotonic()
        known: set[str] = set()
        waiting: list[ScannedExam] = []
        made: list[ReadingList] = []

        def partial(batch: tuple[ScannedExam, ...]) -> None:
            waiting.extend(batch)
            known.update(e.key for e in batch)
            self.exams = len(known)
            if waiting and (len(known) > 1 or not alone_is_no_list):
                self._keep(folder, reader, list(waiting), made)
                waiting.clear()

        def progressed(done: int, _: int) -> None:
            self.files, self.rate = done, done / max(time.monotonic() - began, 1e-3)
            self.progressed.emit()

        def finish() -> None:
            # Behind everything that the scan has asked of the store.
            self._store.ask(lambda _: None, lambda _: self.ended.emit(made[0] if made else None))

        def succeeded(_: None) -> None:
            finish()
            if not made:
                # Nothing, or one exam: opening the folder shows it, or says why not.
                self.one_exam.emit(folder)

        def failed(error: Exception) -> None:
            finish()
            self.failed.emit(error)

        self._scan.start(
            "looking for exams", partial_scan(folder), succeeded, failed,
            cancelled=finish, progressed=progressed, partial=partial,
        )  # fmt: skip
        self.progressed.emit()

    def _keep(self, folder: Path, reader: Reader | None, exams: list[ScannedExam], made: list[ReadingList]) -> None:
        first = not made
        if first:
            made.append(ReadingList(0, folder.name, folder, False, 0))
        name = reader.name if reader else ""

        def work(store: Any) -> tuple[ReadingList, list[ExamEntry]]:
            reading_list = store.reading_list(folder, reader=name)
            ids = store.add_exams(reading_list.list_id, exams)
            return reading_list, store.entries_of(list(dict.fromkeys(ids)), reader)

        def done(answer: tuple[ReadingList, list[ExamEntry]]) -> None:
            made[0] = answer[0]
            if first:
                self.became_list.emit(answer[0])
                # The list is read from the store, these exams with it; what comes later is added to it.
                self._store.ask(lambda _: None, lambda _: self.found.emit(*answer))
            else:
                self.found.emit(*answer)

        self._store.ask(work, done, self.failed.emit)


def partial_scan(folder: Path) -> Callable[[JobContext], None]:
    """Work that hands over the exams below ``folder`` (or of a reading list) a few at a time."""

    def work(context: JobContext) -> None:
        batch: list[ScannedExam] = []
        told = time.monotonic()
        look = scan_table if is_table(folder) else scan_exams
        for exam in look(folder, progress=context.progress, cancel=context.token):
            batch.append(exam)
            if len(batch) >= _TELL_AT or time.monotonic() - told > _TELL_EVERY_S:
                context.partial(tuple(batch))
                batch, told = [], time.monotonic()
        context.partial(tuple(batch))

    return work
