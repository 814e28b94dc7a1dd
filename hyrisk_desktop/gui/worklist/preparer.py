"""Prepares the exams of a list in what time is left: nearest to the one on screen first, one at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from PySide6.QtCore import QObject, Signal, Slot

from hyrisk_desktop.errors import ExamError
from hyrisk_desktop.findings import Finding, Severity
from hyrisk_desktop.gui.services.job_runner import Job, JobContext, JobRunner, Operation
from hyrisk_desktop.gui.services.store import StoreService
from hyrisk_desktop.gui.session import Session
from hyrisk_desktop.gui.state import Exam
from hyrisk_desktop.gui.worklist.preparing import Prepared, prepare
from hyrisk_desktop.gui.worklist.stored_exams import load_stored
from hyrisk_desktop.i18n import tr
from hyrisk_desktop.imaging import content_sha256
from hyrisk_desktop.worklist.records import ExamEntry


class Preparer(QObject):
    """Works for one worklist.

    Args:
        session: its exam on screen. store: where files are looked up and hashes compared. runner: for its jobs.
        may_prepare: whether nobody waits for anything else.
        nearest_first: numbers of the list's exams in the order in which they are likely to be wanted.

    Signals:
        prepared: a `Prepared` to be kept.
        unreadable: an exam turned out to be unreadable; carries its number and the error.
    """

    prepared = Signal(object)
    unreadable = Signal(int, object)

    def __init__(
        self,
        session: Session,
        store: StoreService,
        runner: JobRunner,
        may_prepare: Callable[[], bool],
        nearest_first: Callable[[], Iterable[int]],
        parent: QObject,
    ) -> None:
        super().__init__(parent)
        self._session, self._store, self._runner = session, store, runner
        self._may_prepare, self._nearest_first = may_prepare, nearest_first
        self._preparing = Operation(runner.run_background)
        self._waiting: set[int] = set()

    def set_entries(self, entries: list[ExamEntry]) -> None:
        """Another list: prepare what it lacks."""
        self._waiting.clear()
        self.add_entries(entries)

    def add_entries(self, entries: list[ExamEntry]) -> None:
        """More exams of the list, or what another desk has prepared by now."""
        missing = {e.exam_id for e in entries if not e.prepared and not e.problem}
        self._waiting -= {e.exam_id for e in entries} - missing
        self._waiting |= missing

    def pause(self) -> None:
        """Somebody waits for something else; `prepare_next` goes on."""
        self._preparing.cancel()

    def check_and_prepare(self, exam: Exam, stored_id: int) -> None:
        """The exam on screen: hash its files, compare with what was first read, and prepare it."""
        session, store = self._session, self._store

        def work(context: JobContext) -> tuple[Prepared, Finding | None]:
            before = store.open().content_sha256(stored_id, exam.volume.series_uid)
            digest = content_sha256(exam.record, cancel=context.token)
            made = prepare(stored_id, exam, digest)
            return made, changed_finding() if before and before != digest else None

        def succeeded(answer: tuple[Prepared, Finding | None]) -> None:
            made, finding = answer
            session.note_content(exam.exam_id, made.content_sha256, finding)
            self._done(made)

        def failed(_: Exception) -> None:
            if session.exam is not None and session.exam.exam_id == exam.exam_id:
                session.propose(session.proposal)
            self.prepare_next()

        job = Job("checking an exam's files", work, succeeded, failed)
        self._runner.run_background(job)

    def propose(self, exam: Exam) -> None:
        """The exam on screen, which the worklist does not keep: only a heart centre is proposed."""
        session = self._session
        session.propose(None, pending=True)

        def done(made: Prepared | None) -> None:
            if session.exam is not None and session.exam.exam_id == exam.exam_id:
                session.propose(made.proposal if made else None)

        job = Job("proposing a heart centre", lambda _: prepare(0, exam), done, lambda _: done(None))
        self._runner.run_background(job)

    @Slot(int, object)
    def prepare_loaded(self, exam_id: int, exam: Exam) -> None:
        """An exam was loaded ahead: its pixels are here, so it is prepared at once."""
        if exam_id in self._waiting:
            self._waiting.discard(exam_id)
            job = Job("preparing an exam", lambda _: prepare(exam_id, exam), self._done, lambda _: None)
            self._runner.run_background(job)

    def prepare_next(self) -> None:
        """Prepare one more, and then the next, while nobody waits for anything."""
        if self._preparing.running or not self._may_prepare():
            return
        exam_id = next((e for e in self._nearest_first() if e in self._waiting), None)
        if exam_id is None:
            return

        def work(context: JobContext) -> Prepared:
            return prepare(exam_id, load_stored(self._store, exam_id, context))

        def failed(error: Exception) -> None:
            self._waiting.discard(exam_id)
            if isinstance(error, ExamError):
                self.unreadable.emit(exam_id, error)
            self.prepare_next()

        self._preparing.start("preparing an exam", work, self._done, failed)

    def _done(self, made: Prepared) -> None:
        self._waiting.discard(made.stored_id)
        self.prepared.emit(made)
        self.prepare_next()


def changed_finding() -> Finding:
    """What must be known of an exam whose files are not those that were listed."""
    message = tr("The exam's files are not the ones that were first read here: earlier numbers may not be found again.")
    return Finding("files_changed", Severity.WARNING, message)
