"""Loads the exams that come next before they are asked for, within a memory budget."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import QObject, Signal

from hyrisk_desktop.gui.services.job_runner import Job, JobContext, JobRunner
from hyrisk_desktop.gui.state import Exam

Load = Callable[[int], Callable[[JobContext], Exam]]
"""Called on the GUI thread with an exam's number; what it returns loads that exam on a worker thread."""


class ReadAhead(QObject):
    """A few exams in memory: those wanted next, nearest first, as far as the budget goes.

    Args:
        budget_bytes: most memory that exams not on screen may take; 0 loads nothing ahead.

    Signals:
        loaded: an exam has been loaded ahead; carries its number and the `Exam`.
        idle: there is nothing left to load ahead.
    """

    loaded = Signal(int, object)
    idle = Signal()

    def __init__(self, runner: JobRunner, load: Load, budget_bytes: int, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._runner, self._load = runner, load
        self.budget_bytes = budget_bytes
        self._reserved_bytes = 0
        self._wanted: tuple[int, ...] = ()
        self._kept: dict[int, Exam] = {}
        self._bad: set[int] = set()
        self._too_large: set[int] = set()
        self._job: Job | None = None
        self._loading: int | None = None
        self._begun = False
        self._waiting: Callable[[Exam | None], None] | None = None

    @property
    def _room_bytes(self) -> int:
        return max(0, self.budget_bytes - self._reserved_bytes)

    def reserve(self, count: int) -> None:
        """Leave so many bytes of the budget to an exam that is kept elsewhere; what no longer fits goes, the farthest first."""
        self._reserved_bytes = count
        for exam_id in reversed(self._wanted):
            if self.bytes_kept <= self._room_bytes:
                break
            self._kept.pop(exam_id, None)

    @property
    def busy(self) -> bool:
        """Whether an exam is being loaded ahead."""
        return self._job is not None

    @property
    def awaited(self) -> bool:
        """Whether somebody waits for the exam that is being loaded."""
        return self._waiting is not None

    @property
    def bytes_kept(self) -> int:
        """Memory that the exams loaded ahead take."""
        return sum(exam.volume.hu.nbytes for exam in self._kept.values())

    def want(self, exam_ids: tuple[int, ...]) -> None:
        """Load these, nearest first, and let go of all others."""
        self._wanted = exam_ids
        self._too_large.clear()
        self._kept = {i: exam for i, exam in self._kept.items() if i in exam_ids}
        if self._job is not None and self._loading not in exam_ids and self._waiting is None:
            self._job.cancel()
        self._start()

    def take(self, exam_id: int, ready: Callable[[Exam | None], None]) -> bool:
        """Have the exam: at once if it is kept, or as soon as it is loaded if that is under way; False if neither.

        Only the newest asker is answered; with None where loading fails, so that the asker can find out why.
        """
        self._waiting = None
        if (exam := self._kept.pop(exam_id, None)) is not None:
            ready(exam)
            return True
        if self._loading == exam_id and self._job is not None and not self._job.token.cancelled:
            if self._begun:
                self._waiting = ready
                return True
            # It still queues behind other work: whoever wants it now opens it sooner.
            self._job.cancel()
        return False

    def keep(self, exam_id: int, exam: Exam) -> None:
        """Keep an exam that left the screen, if it is wanted."""
        if exam_id in self._wanted and self.bytes_kept + exam.volume.hu.nbytes <= self._room_bytes:
            self._kept[exam_id] = exam

    def clear(self) -> None:
        """Let go of everything."""
        self._waiting = None
        self.want(())
        self._bad.clear()

    def _start(self) -> None:
        if self._job is not None:
            return
        room = self.bytes_kept < self._room_bytes
        missing = next((i for i in self._wanted if i not in {*self._kept, *self._bad, *self._too_large} and room), None)
        if missing is None:
            self.idle.emit()
            return

        load = self._load(missing)

        def work(context: JobContext) -> Exam:
            self._begun = True
            return load(context)

        def succeeded(exam: Exam) -> None:
            waiting = self._end()
            if waiting is not None:
                waiting(exam)
            elif missing in self._wanted and self.bytes_kept + exam.volume.hu.nbytes <= self._room_bytes:
                self._kept[missing] = exam
                self.loaded.emit(missing, exam)
            else:
                self._too_large.add(missing)
            self._start()

        def failed(_: Exception) -> None:
            # Why it can't be read is said when the reader gets there.
            self._bad.add(missing)
            cancelled()

        def cancelled() -> None:
            waiting = self._end()
            if waiting is not None:
                waiting(None)
            self._start()

        self._loading, self._begun = missing, False
        self._job = Job("reading ahead", work, succeeded, failed, cancelled)
        self._runner.run_background(self._job)

    def _end(self) -> Callable[[Exam | None], None] | None:
        waiting, self._waiting = self._waiting, None
        self._job = self._loading = None
        return waiting
