"""Scores a whole list on a thread of its own: reading goes on beside it, rows come as they are made."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal

from hyrisk_desktop.batch.exam import BatchExam, batch_exams
from hyrisk_desktop.batch.pace import BatchProgress
from hyrisk_desktop.batch.reads_file import BatchRead
from hyrisk_desktop.batch.row import BatchRow, BatchSettings
from hyrisk_desktop.batch.run import run_batch
from hyrisk_desktop.batch.table import open_table
from hyrisk_desktop.calcium import Region
from hyrisk_desktop.errors import InputError
from hyrisk_desktop.gui.services.job_runner import JobContext, JobRunner, Operation
from hyrisk_desktop.gui.services.store import StoreService
from hyrisk_desktop.i18n import tr
from hyrisk_desktop.imaging import ScannedExam
from hyrisk_desktop.jobs import PauseToken
from hyrisk_desktop.risk.loading import load_predictor
from hyrisk_desktop.risk.model_store import ModelStore
from hyrisk_desktop.settings import Settings
from hyrisk_desktop.worklist.records import Read, Reader, ReadingList

if TYPE_CHECKING:
    from hyrisk_desktop.worklist.store import Store


class Scoring(QObject):
    """One run at a time.

    Signals:
        row: a row was made; carries the `BatchRow`.
        progressed: carries the `BatchProgress`.
        ended: the run has ended; carries one sentence.
        failed: it could not be started or broke off; carries the error. What was written stays.
    """

    row = Signal(object)
    progressed = Signal(object)
    ended = Signal(str)
    failed = Signal(object)

    def __init__(
        self,
        runner: JobRunner,
        store: StoreService,
        models: ModelStore,
        settings: Settings,
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self._store, self._models, self._settings = store, models, settings
        self._run = Operation(runner.run_batch)
        self._pause = PauseToken()

    @property
    def running(self) -> bool:
        """Whether a run is under way, also when it is paused."""
        return self._run.running

    @property
    def paused(self) -> bool:
        """Whether it waits."""
        return self._pause.paused

    def pause(self) -> None:
        """Wait after the exam under way."""
        self._pause.pause()

    def resume(self) -> None:
        """Go on."""
        self._pause.resume()

    def cancel(self) -> None:
        """Stop; the same table can be gone on with."""
        self._pause.resume()
        self._run.cancel()

    def start(self, reading_list: ReadingList, reader: Reader, out: Path, *, proposed: bool) -> None:
        """Score the exams of a list with ``reader``'s centres and grades into ``out`` (CSV or Parquet).

        Args:
            reading_list: whose exams. reader: whose reads. out: the table.
            proposed: also exams without a heart centre, at the one that the program proposes; such rows say so.
        """
        if self.running:
            return
        self._pause = PauseToken()

        def partial(news: BatchRow | BatchProgress) -> None:
            (self.row if isinstance(news, BatchRow) else self.progressed).emit(news)

        def succeeded(end: BatchProgress) -> None:
            scored = end.done - end.failed - end.skipped
            self.ended.emit(
                tr("{n} scored, {failed} failed, {skipped} there already; written to {name}.",
                   n=scored, failed=end.failed, skipped=end.skipped, name=out.name)
            )  # fmt: skip

        def cancelled() -> None:
            self.ended.emit(tr("Stopped. Start again with the same table to go on."))

        work = self._work(reading_list, reader, out, proposed=proposed)
        self._run.start("scoring a list", work, succeeded, self.failed.emit, cancelled=cancelled, partial=partial)

    def _work(
        self, reading_list: ReadingList, reader: Reader, out: Path, *, proposed: bool
    ) -> Callable[[JobContext], BatchProgress]:
        pause, models = self._pause, self._models
        device, prevalence = self._settings["device"] or None, self._settings["prevalence"] or None
        settings = BatchSettings(prevalence=prevalence, device=device)

        def work(context: JobContext) -> BatchProgress:
            store = self._store.open()
            exams = listed_exams(store, reading_list, reader, proposed=proposed)
            if not exams:
                raise InputError("nothing_to_score", tr("No exam of this list has a heart centre of yours yet."))
            # A predictor of this run's own: the one that reads must never wait for it.
            predictor, also = load_predictor(None, device, prevalence, store=models)
            sha = predictor.bundle.bundle_sha256 if predictor else ""
            batch = store.note_batch(reading_list.list_id, out, {"reader": reader.name, "proposed": proposed}, sha)
            with open_table(out, [slot for exam in exams for slot, _ in exam.slots]) as table:

                def on_row(row: BatchRow) -> None:
                    table.append(row)
                    context.partial(row)

                end = run_batch(
                    exams, settings, predictor, on_row=on_row, progress=context.partial, cancel=context.token,
                    pause=pause, done=table.done, also=also, workers=1,
                )  # fmt: skip
            store.end_batch(batch, end.done, end.failed)
            return end

        return work


def listed_exams(store: Store, reading_list: ReadingList, reader: Reader, *, proposed: bool) -> list[BatchExam]:
    """The exams of a list as `run_batch` takes them, each with this reader's read of it.

    Args:
        store: the worklist's. reading_list, reader: as said. proposed: also exams without a read.
    """
    mine = {
        read.exam_id: read
        for read in store.reads(list_id=reading_list.list_id)
        if read.reader_id == reader.reader_id and read.blinded == reading_list.blinded and read.centre is not None
    }
    exams: list[BatchExam] = []
    for entry in store.entries(reading_list, reader):
        read = mine.get(entry.exam_id)
        if read is None and not proposed:
            continue
        records, source = store.records(entry.exam_id)
        problem = ("unsuitable", entry.problem) if entry.problem else None
        reads = {} if read is None else {read.series_uid: (batch_read(read, reader),)}
        exams += batch_exams(ScannedExam(f"stored:{entry.exam_id}", source, records, problem), reads)
    return exams


def batch_read(read: Read, reader: Reader) -> BatchRead:
    """A stored read as `run_batch` takes it, with everything that decides its numbers."""
    box = None if read.box is None else Region(*read.box)
    return BatchRead(read.centre, read.grade, reader.name, excluded=read.excluded, box=box, profile=read.profile)
