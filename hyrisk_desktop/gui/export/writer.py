"""Writes the reading on screen as files: takes a snapshot of the session, and works on it off the GUI thread.

The snapshot holds the very scores and the very risk that are shown, so that the files can't say anything else. What comes
back names its exam and is only told; it shows nothing of any exam.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QObject, Signal, Slot

from hyrisk_desktop.errors import InputError
from hyrisk_desktop.exchange.exports import check_places, heat_of, report_of, segmentable, writable, write_files
from hyrisk_desktop.exchange.preload import collections_paused, import_makers
from hyrisk_desktop.exchange.reports.formats import formats
from hyrisk_desktop.findings import Severity
from hyrisk_desktop.gui.services.job_runner import Job, JobContext, JobRunner
from hyrisk_desktop.gui.services.risk import RiskService
from hyrisk_desktop.gui.services.store import StoreService
from hyrisk_desktop.gui.session import Session
from hyrisk_desktop.gui.state import Exam, RiskStatus
from hyrisk_desktop.i18n import tr
from hyrisk_desktop.imaging import Kind
from hyrisk_desktop.measurement import Measurement
from hyrisk_desktop.worklist.notes import NO_NOTES, Notes

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from hyrisk_desktop.comparison import Comparison
    from hyrisk_desktop.exchange.reports.report import Report
    from hyrisk_desktop.risk import Predictor
    from hyrisk_desktop.worklist.store import Store

_WITH_HEAT = frozenset(("pdf", "pdf_dicom"))


@dataclass(frozen=True, slots=True, eq=False)
class ExportRequest:
    """What to write of which reading.

    Attributes:
        exam: what was on screen. measurement: the numbers that were shown. predictor: the model that gave the risk.
        heat: what raised the risk, where it is known already. read_at: when the read took this state.
        comparison: with an earlier exam, where one was shown. notes: key images and measures.
        reader: for the files. places: where, by the key of a format. replace: those whose files may be replaced.
    """

    exam: Exam
    measurement: Measurement
    predictor: Predictor | None
    heat: NDArray[np.float32] | None
    reader: str = ""
    read_at: datetime | None = None
    comparison: Comparison | None = None
    notes: Notes = NO_NOTES
    places: Mapping[str, Path] = field(default_factory=dict)
    replace: frozenset[Path] = frozenset()

    def report(self) -> Report:
        """The reading as every file and object of it is made from; not for the GUI's thread."""
        return report_of(
            self.exam.record, self.exam.volume, self.measurement, self.predictor,
            reader=self.reader, heat=self.heat, read_at=self.read_at, comparison=self.comparison,
            notes=self.notes,
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Exported:
    """What came of an export: written, or the files that exist already, and then nothing was written."""

    exam_id: int
    folder: Path
    written: tuple[str, ...] = ()
    existing: tuple[Path, ...] = ()


@dataclass(frozen=True, slots=True)
class Readiness:
    """Whether the reading on screen can be exported.

    Attributes:
        why_not: one sentence, "" where it can.
        waiting: only for a moment, until the risk is there.
        missing: what the files will lack, one sentence each. warnings: what must not be overlooked.
    """

    why_not: str = ""
    waiting: bool = False
    missing: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


def readiness(session: Session, *, naming: bool = True) -> Readiness:
    """What the reader should know before the reading on screen is written; ``naming``: into files that name the patient."""
    if session.exam is None or not session.can_measure:
        return Readiness(tr("Open an exam first."))
    if session.hides_results:
        return Readiness(
            tr("This read is blinded: scores and risk are not known before the grade is locked (Ctrl+Return).")
        )
    if session.measurement is None:
        return Readiness(tr("There is no heart centre yet: press H and click it, and there is something to write."))
    if session.risk is None and session.risk_status in (RiskStatus.COMPUTING, RiskStatus.MODEL_LOADING):
        return Readiness(tr("The risk is being computed; a moment please."), waiting=True)
    missing = []
    if session.read.grade is None:
        missing.append(tr("There is no grade: the files say “not graded”, and the risk is from the image alone."))
    if session.risk is None:
        missing.append(tr("There is no risk in the files. {why}", why=session.risk_message).rstrip())
    if is_dicom(session.exam) and not segmentable(session.exam.volume):
        missing.append(tr("The exam names no frame of reference: no segmentation can be written."))
    return Readiness(missing=tuple(missing), warnings=_warnings(session, naming))


def _warnings(session: Session, naming: bool) -> tuple[str, ...]:
    said = [tr("UNFIT: {why}", why=f.message) for f in session.findings if f.severity is Severity.UNFIT]
    if session.risk is not None and session.risk_standing.withheld:
        said.append(tr("The files withhold the risk: {why}.", why=session.risk_standing.why))
    if session.scores_standing.withheld:
        said.append(tr("The files withhold the calcium scores: {why}.", why=session.scores_standing.why))
    if session.exam is not None and session.exam.synthetic:
        said.append(tr("SYNTHETIC EXAM: a phantom, not a patient; every file says so."))
    if session.risk is not None and session.risk.demonstration:
        said.append(tr("DEMONSTRATION MODEL: trained on synthetic phantoms; every file says so."))
    if session.blinded and naming:
        said.append(tr("The files name the patient, whom this blinded list hides."))
    return tuple(said)


class ReadingWriter(QObject):
    """Writes of the reading on screen, one thing at a time; what is written is its subclasses' affair.

    Signals:
        progressed: steps done, steps in all.
        ended: what came of it, or None after a cancel.
        failed: the error; nothing was changed then.
    """

    progressed = Signal(int, int)
    ended = Signal(object)
    failed = Signal(object)

    def __init__(
        self, session: Session, risk: RiskService, runner: JobRunner, store: StoreService, parent: QObject | None = None
    ) -> None:
        super().__init__(parent)
        self._session, self._risk, self.runner, self._store = session, risk, runner, store
        self._job: Job | None = None

    @property
    def running(self) -> bool:
        """Whether something is being written."""
        return self._job is not None

    def snapshot(self, reader: str = "") -> ExportRequest | None:
        """The reading on screen, as it is now; None where there is nothing to write."""
        session = self._session
        measured = session.measurement
        if readiness(session).why_not or session.exam is None or measured is None:
            return None
        explanation = session.explanation
        return ExportRequest(
            session.exam,
            measured,
            # The files know the model that gave the risk and no other, whichever may be loaded.
            None if session.risk is None or session.risk_is_another_models else self._risk.predictor,
            None if explanation is None else explanation.heat,
            reader,
            session.read_at,
            session.comparison,
            session.read.notes,
        )

    def cancel(self) -> None:
        """Stop; nothing has been changed then, unless all was in place already."""
        if self._job is not None:
            self._job.cancel()

    def _explain(self, reading: ExportRequest, then: Callable[[ExportRequest], None]) -> None:
        """Go on with the map that the PDF shows; where it isn't known yet, it is made on the model's thread first."""
        predictor = reading.predictor
        if reading.heat is not None or predictor is None:
            then(reading)
            return

        def work(_: JobContext) -> NDArray[np.float32] | None:
            return heat_of(reading.exam.volume, reading.measurement, predictor)

        def done(heat: NDArray[np.float32] | None) -> None:
            then(replace(reading, heat=heat))

        self._job = Job("explaining for a report", work, done, self._fail, self._cancelled)
        self.runner.run_model(self._job)

    def _run(self, name: str, work: Callable[[JobContext], Any], wrote: Callable[[Any], None]) -> None:
        """Write on a worker thread; ``wrote`` is called with the answer before it is told."""
        token = None if self._job is None else self._job.token

        def done(answer: Any) -> None:
            self._job = None
            wrote(answer)
            self.ended.emit(answer)

        job = Job(name, work, done, self._fail, self._cancelled, self.progressed.emit)
        # A cancel between the two jobs counts.
        self._job = job if token is None else replace(job, token=token)
        self.runner.run_io(self._job)

    def _note(self, exam: Exam, action: str, detail: dict[str, Any]) -> None:
        """Into the audit trail, where the worklist keeps this exam."""
        stored_id = exam.stored_id if exam.stored_id is not None else self._stored_id(exam)
        if stored_id is None:
            return
        reader = self._session.reader

        def work(store: Store) -> None:
            store.note(reader, action, f"exam:{stored_id}", detail)

        self._store.ask(work)

    def _stored_id(self, exam: Exam) -> int | None:
        now = self._session.exam
        return self._session.stored_id if now is not None and now.exam_id == exam.exam_id else None

    @Slot(object)
    def _fail(self, error: Exception) -> None:
        self._job = None
        self.failed.emit(error)

    def _cancelled(self) -> None:
        self._job = None
        self.ended.emit(None)


class Exporting(ReadingWriter):
    """Writes files of the reading; ends with an `Exported`."""

    def start(self, request: ExportRequest) -> None:
        """Make the files and put them in place."""
        if _WITH_HEAT & request.places.keys():
            self._explain(request, self._write)
        else:
            self._write(request)

    def _write(self, request: ExportRequest) -> None:
        def work(context: JobContext) -> Exported:
            return write(request, context)

        def wrote(answer: Exported) -> None:
            if answer.written:
                self._note(request.exam, "reading_exported", {"formats": sorted(request.places)})

        self._run("exporting a reading", work, wrote)


def write(request: ExportRequest, context: JobContext) -> Exported:
    """On a worker thread: look first, then make the files and put them in place."""
    places, exam = writable(request.places, request.exam.volume), request.exam
    folder = next(iter(places.values())).parent
    if not folder.is_dir():
        raise InputError("no_folder", tr("There is no folder {name}; choose one that exists.", name=folder))
    titles = {f.key: f.title for f in formats()}
    check_places({titles[key]: path for key, path in places.items()}, exam.record)
    answer = Exported(exam.exam_id, folder)
    existing = tuple(path for path in places.values() if path.exists() and path not in request.replace)
    if existing:
        return replace(answer, existing=existing)
    import_makers()
    context.token.raise_if_cancelled()
    report = request.report()
    with collections_paused():
        write_files(
            places, report, replace=request.replace, progress=context.progress, check=context.token.raise_if_cancelled
        )
    return replace(answer, written=tuple(path.name for path in places.values()))


def is_dicom(exam: Exam) -> bool:
    """Whether DICOM objects can refer to its images."""
    return exam.record.kind is not Kind.IMAGE_FILE
