"""Scores a whole list on a thread of its own: reading goes on beside it, rows come as they are made."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QObject, Signal

from hyrisk_desktop.calcium import Region
from hyrisk_desktop.errors import InputError
from hyrisk_desktop.exchange.reports.document import versions
from hyrisk_desktop.gui.services.job_runner import JobContext, JobRunner, Operation
from hyrisk_desktop.gui.services.store import StoreService
from hyrisk_desktop.i18n import tr, trn
from hyrisk_desktop.imaging import ScannedExam
from hyrisk_desktop.jobs import PauseToken
from hyrisk_desktop.measurement import Measurement, numbers
from hyrisk_desktop.risk.model_store import ModelStore
from hyrisk_desktop.settings import Settings
from hyrisk_desktop.worklist.records import Read, Reader, ReadingList, now

if TYPE_CHECKING:
    from hyrisk_desktop.batch.exam import BatchExam
    from hyrisk_desktop.batch.pace import BatchProgress
    from hyrisk_desktop.batch.reads_file import BatchRead
    from hyrisk_desktop.batch.row import BatchRow
    from hyrisk_desktop.worklist.store import Store


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which exams are scored, and what becomes of it.

    Attributes:
        proposed: also exams without a heart centre, at the one that the program proposes; such rows say so.
        whole_heart: the whole heart as well. keep: keep the results in the reads, see `worklist.keeping`.
    """

    proposed: bool = False
    whole_heart: bool = False
    keep: bool = False

    def noted(self, reader: Reader) -> dict[str, Any]:
        """For the audit trail."""
        return {"reader": reader.name, **asdict(self)}


class Keeping:
    """Keeps the results of a run in the reads of a list; on the run's thread."""

    def __init__(self, reading_list: ReadingList, reader: Reader) -> None:
        self._list, self._reader = reading_list, reader
        self.kept: set[int] = set()
        self.left_alone: set[int] = set()

    def keep(self, store: Store, exam_id: int, scored: BatchRead, row: BatchRow, measured: Measurement) -> None:
        """Keep one result.

        Args:
            store: the worklist's. exam_id: of the exam. scored: its read, empty where none was there.
            row, measured: what came of it. Raises StoreError.
        """
        from hyrisk_desktop.worklist.keeping import keep_results

        m, risk, box = measured, measured.risk, scored.box
        made = Read(
            exam_id, self._reader.reader_id, row.series_uid, list_id=self._list.list_id, blinded=self._list.blinded,
            centre=m.centre, centre_proposed=scored.centre is None, grade=scored.grade, excluded=scored.excluded,
            box=None if box is None else (box.start, box.stop), whole_heart=m.whole_heart is not None,
            profile=m.scores.profile, model=risk.model if risk else "", bundle_sha256=risk.bundle_sha256 if risk else "",
            prevalence=risk.prevalence if risk else None, results=numbers(m.scores, risk, m.whole_heart),
            findings=m.findings, versions=versions(risk), started_at=now(),
        )  # fmt: skip
        (self.kept if keep_results(store, made, self._reader) else self.left_alone).add(exam_id)

    @property
    def sentence(self) -> str:
        """What was kept, and what was left alone."""
        return trn("{n} result is kept in the reads. Left alone, with results of their own: {m}.", "{n} results are kept in the reads. Left alone, with results of their own: {m}.", len(self.kept), m=len(self.left_alone))  # fmt: skip


class Scoring(QObject):
    """One run at a time.

    Signals:
        kept: results were kept in reads; carries a frozenset of the exams' numbers.
        row: a row was made; carries the `BatchRow`.
        progressed: carries the `BatchProgress`.
        ended: the run has ended; carries one sentence.
        failed: it could not be started or broke off; carries the error. What was written stays.
    """

    kept = Signal(object)
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

    def start(self, reading_list: ReadingList, reader: Reader, out: Path, wanted: Wanted) -> None:
        """Score the exams of a list with ``reader``'s centres and grades into ``out`` (CSV or Parquet).

        Args:
            reading_list: whose exams. reader: whose reads. out: the table. wanted: which exams, and what of them.
        """
        if self.running:
            return
        from hyrisk_desktop.batch.row import BatchRow

        self._pause = PauseToken()

        def partial(news: BatchRow | BatchProgress) -> None:
            (self.row if isinstance(news, BatchRow) else self.progressed).emit(news)

        keeping = Keeping(reading_list, reader) if wanted.keep else None

        def ended(sentence: str) -> None:
            if keeping is not None:
                sentence = f"{sentence} {keeping.sentence}"
                self.kept.emit(frozenset(keeping.kept))
            self.ended.emit(sentence)

        def succeeded(end: BatchProgress) -> None:
            scored = end.done - end.failed - end.skipped
            ended(
                tr("{n} scored, {failed} failed, {skipped} there already; written to {name}.",
                   n=scored, failed=end.failed, skipped=end.skipped, name=out.name)
            )  # fmt: skip

        def cancelled() -> None:
            ended(tr("Stopped. Start again with the same table to go on."))

        work = self._work(reading_list, reader, out, wanted, keeping)
        self._run.start("scoring a list", work, succeeded, self.failed.emit, cancelled=cancelled, partial=partial)

    def _work(
        self, reading_list: ReadingList, reader: Reader, out: Path, wanted: Wanted, keeping: Keeping | None
    ) -> Callable[[JobContext], BatchProgress]:
        from hyrisk_desktop.batch.row import BatchSettings
        from hyrisk_desktop.batch.run import run_batch
        from hyrisk_desktop.batch.table import open_table
        from hyrisk_desktop.risk.loading import load_predictor

        pause, models = self._pause, self._models
        device, prevalence = self._settings["device"] or None, self._settings["prevalence"] or None
        engine = self._settings["engine"]
        settings = BatchSettings(prevalence=prevalence, device=device, whole_heart=wanted.whole_heart, engine=engine)

        def work(context: JobContext) -> BatchProgress:
            store = self._store.open()
            listed = listed_exams(store, reading_list, reader, proposed=wanted.proposed)
            exams = [exam for _, exam in listed]
            if not exams:
                raise InputError("nothing_to_score", tr("No exam of this list has a heart centre of yours yet."))
            # A predictor of this run's own: the one that reads must never wait for it.
            predictor, also = load_predictor(None, device, prevalence, store=models, engine=engine)
            sha = predictor.bundle.bundle_sha256 if predictor else ""
            batch = store.note_batch(reading_list.list_id, out, wanted.noted(reader), sha)
            slots = {slot: (exam_id, read) for exam_id, exam in listed for slot, read in exam.slots}
            with open_table(out, list(slots), whole_heart=wanted.whole_heart) as table:

                def on_row(row: BatchRow) -> None:
                    table.append(row)
                    context.partial(row)

                def on_measured(row: BatchRow, measured: Measurement) -> None:
                    if keeping is not None:
                        keeping.keep(store, *slots[row.row_id], row, measured)

                end = run_batch(
                    exams, settings, predictor, on_row=on_row, progress=context.partial, cancel=context.token,
                    pause=pause, done=table.done, also=also, workers=1, on_measured=on_measured,
                )  # fmt: skip
            store.end_batch(batch, end.done, end.failed)
            return end

        return work


def listed_exams(
    store: Store, reading_list: ReadingList, reader: Reader, *, proposed: bool
) -> list[tuple[int, BatchExam]]:
    """The exams of a list by number, as `run_batch` takes them, each with this reader's read of it.

    Args:
        store: the worklist's. reading_list, reader: as said. proposed: also exams without a read.
    """
    from hyrisk_desktop.batch.exam import batch_exams

    mine = {
        read.exam_id: read
        for read in store.reads(list_id=reading_list.list_id)
        if read.reader_id == reader.reader_id and read.blinded == reading_list.blinded
        and read.centre is not None and not read.unconfirmed
    }  # fmt: skip
    exams: list[tuple[int, BatchExam]] = []
    for entry in store.entries(reading_list, reader):
        read = mine.get(entry.exam_id)
        if read is None and not proposed:
            continue
        records, source = store.records(entry.exam_id)
        problem = ("unsuitable", entry.problem) if entry.problem else None
        reads = {} if read is None else {read.series_uid: (batch_read(read, reader),)}
        found = batch_exams(ScannedExam(f"stored:{entry.exam_id}", source, records, problem), reads)
        exams += [(entry.exam_id, exam) for exam in found]
    return exams


def batch_read(read: Read, reader: Reader) -> BatchRead:
    """A stored read as `run_batch` takes it, with everything that decides its numbers."""
    from hyrisk_desktop.batch.reads_file import BatchRead

    box = None if read.box is None else Region(*read.box)
    return BatchRead(read.centre, read.grade, reader.name, excluded=read.excluded, box=box, profile=read.profile)
