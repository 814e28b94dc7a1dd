"""Opens exams off the GUI thread and hands them to the session; only the newest opening counts."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from PySide6.QtCore import QObject, Signal

from hyrisk_desktop.demonstration import prepare_demonstration
from hyrisk_desktop.errors import ExamError, HyRiskError
from hyrisk_desktop.exchange.reports.our_objects import is_report
from hyrisk_desktop.gui.services.job_runner import JobContext, JobRunner, Operation
from hyrisk_desktop.gui.session import Session
from hyrisk_desktop.gui.state import Exam
from hyrisk_desktop.i18n import tr
from hyrisk_desktop.imaging import CTVolume, SeriesRecord, check_volume, find_series, read_volume

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, eq=False)
class _Preview:
    exam: Exam
    slice_index: int


@dataclass(frozen=True, slots=True, eq=False)
class _Opening:
    """What to open: how its series are found, what that is called, and the one to read if it is known."""

    stage: str
    find: Callable[[JobContext], tuple[SeriesRecord, ...]]
    path: Path | None = None
    chosen: SeriesRecord | None = None
    stored_id: int | None = None


class _ReportGiven(HyRiskError):
    """What was to be opened is a report of an exam."""

    def __init__(self) -> None:
        super().__init__("report_given", tr("This is a report and no exam."))


class ExamLoader(QObject):
    """Finds series, reads the chosen one, shows its first image early.

    Signals:
        progressed: what is being done, done, total; total 0 means unknown.
        opened: an exam is open and complete; carries the path it was opened from, or None.
        failed: the error; the exam open before is still open.
        report_given: what was to be opened is no exam but a report of one; carries its path.
        abandoned: an opening has ended without an exam.
        idle: nothing is loading any more.
    """

    progressed = Signal(str, int, int)
    opened = Signal(object)
    failed = Signal(object)
    report_given = Signal(object)
    abandoned = Signal()
    idle = Signal()

    def __init__(self, session: Session, runner: JobRunner, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._session = session
        self._opening = Operation(runner.run_io)
        self.failed_id: int | None = None
        """The worklist's number of the exam that `failed` is about, where it has one."""
        self.found: tuple[SeriesRecord, ...] = ()
        """Series found by the newest opening, also when none of them could be read."""
        self.found_in: tuple[int | None, Path | None] = (None, None)
        """Of which exam of the worklist, or else below which path, they were found."""

    @property
    def loading(self) -> bool:
        """Whether an exam is being opened."""
        return self._opening.running

    def open_path(self, path: Path, series_uid: str = "") -> None:
        """Open the best series at ``path``: a folder, a DICOM file, a DICOMDIR, a zip or an image file.

        Args:
            series_uid: the series to read instead of the best; failing is better than reading another one.
        """

        def find(context: JobContext) -> tuple[SeriesRecord, ...]:
            if is_report(path):
                raise _ReportGiven
            found = find_series(path, progress=context.progress, cancel=context.token)
            return tuple(found) if not series_uid else _wanted_first(found, series_uid)

        self._start(_Opening(tr("Looking for series"), find, path))

    def open_demonstration(self) -> None:
        """Open the synthetic exam, making it first if the cache does not hold it."""

        def find(context: JobContext) -> tuple[SeriesRecord, ...]:
            demonstration = prepare_demonstration(context.progress, context.token)
            return tuple(find_series(demonstration.folder, cancel=context.token))

        self._start(_Opening(tr("Making the synthetic demonstration exam (first time only)"), find))

    def open_record(self, record: SeriesRecord, alternatives: tuple[SeriesRecord, ...], path: Path | None) -> None:
        """Open a series that was found before, below ``path``."""
        self._start(_Opening(tr("Loading"), lambda _: alternatives, path, chosen=record))

    def open_stored(self, stored_id: int, find: Callable[[JobContext], tuple[SeriesRecord, ...]]) -> None:
        """Open an exam of the worklist; ``find`` tells its series, the one to read first."""
        self._start(_Opening(tr("Loading"), find, stored_id=stored_id))

    def show(self, exam: Exam) -> None:
        """Show an exam that has been loaded already; what was being opened is not wanted any more."""
        self._opening.drop()
        self.found = (exam.record, *(r for r in exam.alternatives if r is not exam.record))
        self.found_in = exam.stored_id, exam.path
        self._session.complete(exam)
        self.idle.emit()
        self.opened.emit(None)

    def cancel(self) -> None:
        """Stop loading; the exam open before stays."""
        self._opening.cancel()

    def _start(self, opening: _Opening) -> None:
        self.found, self.found_in = (), (opening.stored_id, opening.path)

        def progressed(done: int, total: int) -> None:
            self.progressed.emit(opening.stage if not self.found else tr("Loading"), done, total)
            self._session.image_grew()

        def partial(news: _Preview | tuple[SeriesRecord, ...]) -> None:
            if isinstance(news, _Preview):
                self._session.show_preview(news.exam, news.slice_index)
            else:
                self.found = news

        def succeeded(exam: Exam) -> None:
            self.idle.emit()
            self._session.complete(exam)
            self.opened.emit(opening.path)

        def failed(error: Exception) -> None:
            self.cancelled()
            self.failed_id = opening.stored_id
            if isinstance(error, _ReportGiven):
                self.report_given.emit(opening.path)
            else:
                self.failed.emit(error)

        self._opening.start(
            "opening an exam",
            lambda context: _open(opening, context),
            succeeded,
            failed,
            cancelled=self.cancelled,
            progressed=progressed,
            partial=partial,
        )
        self.progressed.emit(opening.stage, 0, 0)

    def cancelled(self) -> None:
        """Opening ended without an exam: the one open before is back."""
        self.idle.emit()
        self._session.abandon_preview()
        self.abandoned.emit()


def _open(opening: _Opening, context: JobContext) -> Exam:
    """On a worker thread: find, choose, read and check."""
    started = time.monotonic()
    records = opening.find(context)
    context.partial(records)
    record = opening.chosen or choose(records)
    exam = read_exam(record, records, context, opening.stored_id, opening.path)
    _log.info("Opened an exam of %d slices in %.2f s", record.slice_count, time.monotonic() - started)
    return exam


def _wanted_first(found: Sequence[SeriesRecord], series_uid: str) -> tuple[SeriesRecord, ...]:
    wanted = [record for record in found if record.series_uid == series_uid]
    if not wanted:
        message = tr("The exam of this report isn't beside it: open the exam, then use File > Restore reading…")
        raise ExamError("no_exam_of_report", message)
    return *wanted, *(record for record in found if record.series_uid != series_uid)


def choose(records: tuple[SeriesRecord, ...]) -> SeriesRecord:
    """The first record, which the finder ranks best, if it can be scored; raises ExamError with its reason if not."""
    if not records or not records[0].suitable:
        raise ExamError(
            "no_suitable_series",
            records[0].reason if records else tr("There is no CT exam here; choose a folder that holds one."),
        )
    return records[0]


def read_exam(
    record: SeriesRecord,
    alternatives: tuple[SeriesRecord, ...],
    context: JobContext,
    stored_id: int | None = None,
    path: Path | None = None,
) -> Exam:
    """Read a series, showing its first image as soon as it is decoded, and check it.

    Args:
        record: the series to read. alternatives: all that were found. context: of the job that reads.
        stored_id: the worklist's number of the exam, where it was opened from there. path: what was opened, where it was not.
    """
    previews: list[Exam] = []

    def on_first(preview: CTVolume, index: int) -> None:
        exam = Exam(preview, record, alternatives, loading=True, stored_id=stored_id, path=path)
        previews.append(exam)
        context.partial(_Preview(exam, index))

    volume = read_volume(record, progress=context.progress, cancel=context.token, on_first=on_first)
    context.token.raise_if_cancelled()
    exam = previews[-1] if previews else Exam(volume, record, alternatives, stored_id=stored_id, path=path)
    return replace(exam, volume=volume, findings=(*volume.findings, *check_volume(volume)), loading=False)
