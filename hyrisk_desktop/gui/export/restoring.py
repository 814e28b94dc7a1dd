"""Brings back readings from reports of ours: those found beside an exam are offered, those asked for are restored.

Reading and checking happen off the GUI thread; what comes back names its exam, and is applied only to that one, in one step
that can be undone. In a blinded list nothing is looked for and nothing restored: a report is somebody's reading.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, QTimer, Signal, Slot

from hyrisk_desktop.calcium import HeartRegion
from hyrisk_desktop.errors import ExamError, InputError
from hyrisk_desktop.exchange.preload import collections_paused, import_makers
from hyrisk_desktop.exchange.reports.our_objects import SEG_CLASS, kind_of_object, reports_in
from hyrisk_desktop.exchange.reports.report import grade_text
from hyrisk_desktop.gui.services.exam_loader import ExamLoader
from hyrisk_desktop.gui.services.job_runner import Job, JobContext, JobRunner
from hyrisk_desktop.gui.session import Session
from hyrisk_desktop.gui.state import Exam, ReadState, RiskStatus
from hyrisk_desktop.gui.worklist.controller import Worklist
from hyrisk_desktop.i18n import moment_text, tr, trn
from hyrisk_desktop.imaging import Voxel
from hyrisk_desktop.imaging.records import dicom_series_uid

if TYPE_CHECKING:
    from hyrisk_desktop.exchange.reports.structured_report_reader import ReadBack
    from hyrisk_desktop.exchange.restoring import Restored
    from hyrisk_desktop.worklist.store import Store

_MOST_REPORTS, _MOST_FOLDERS = 20, 500
_LOOK_AGAIN_MS = 50
_WORTH_TELLING = frozenset(("changed_object", "damaged_object", "misfit", "other_patient"))


@dataclass(frozen=True, slots=True, eq=False)
class Found:
    """What lies beside an exam: readings of it, the newest first, and what is wrong with others ("" for nothing)."""

    exam_id: int
    readings: tuple[Restored, ...] = ()
    trouble: str = ""


class Restoring(QObject):
    """Looks for reports, checks them, and hands them to the session.

    Signals:
        offered: text; the newest reading beside the exam, to be restored by `accept`.
        told: one sentence for the status bar.
        remarked: text that the reader should not overlook.
        over: neither offer nor remark is about what is on screen any more.
        restored: a reading has just been restored.
        failed: the error; nothing has been restored.
    """

    offered = Signal(str)
    told = Signal(str)
    remarked = Signal(str)
    over = Signal()
    restored = Signal()
    failed = Signal(object)

    def __init__(
        self, session: Session, loader: ExamLoader, runner: JobRunner, worklist: Worklist, parent: QObject | None = None
    ) -> None:
        super().__init__(parent)
        self._session, self._loader, self._runner = session, loader, runner
        self._store, self._keeper = worklist.store, worklist.keeper
        self._job: Job | None = None
        self._offer: Restored | None = None
        self._wanted: tuple[Path, str] | None = None
        self._check: tuple[int, ReadState, Restored] | None = None
        self._remarked: ReadState | None = None
        loader.opened.connect(self._opened)
        loader.report_given.connect(self.take)
        loader.abandoned.connect(self._forget_wanted)
        session.exam_changed.connect(self._leave)
        session.risk_changed.connect(self._compare_risk)
        session.read_changed.connect(self._reconsider)

    # --- asked for

    @Slot(object)
    def take(self, path: Path) -> None:
        """Restore the report at ``path``; where its exam isn't the one on screen, open that first, from beside it."""
        if self._refuse():
            return

        def work(_: JobContext) -> tuple[Path, ReadBack]:
            import_makers()
            from hyrisk_desktop.exchange.reports.structured_report_reader import read_report

            report_path = _report_path(path)
            return report_path, read_report(report_path)

        def done(found: tuple[Path, ReadBack]) -> None:
            report_path, report = found
            exam = self._session.exam
            if (
                exam is not None
                and self._session.can_measure
                and dicom_series_uid(exam.volume.series_uid) == report.series_uid
            ):
                self.restore(report_path)
            elif not self._refuse():
                self._wanted = report_path, report.series_uid
                self._loader.open_path(report_path.parent, report.series_uid)

        self._run("reading a report", work, done)

    def restore(self, path: Path) -> None:
        """Restore the report at ``path`` for the exam on screen."""
        exam = self._session.exam
        if exam is None or not self._session.can_measure or self._refuse():
            return

        def work(context: JobContext) -> Restored:
            import_makers()
            from hyrisk_desktop.exchange.restoring import restore

            return restore(_report_path(path), exam.record, exam.volume, context.token.raise_if_cancelled)

        self._run("restoring a reading", work, lambda found: self._apply(found, exam.exam_id))

    def accept(self) -> None:
        """Restore the reading on offer; its file is read anew, as it may have changed."""
        if self._offer is not None:
            self.restore(self._offer.path)

    def _refuse(self) -> bool:
        """Say why nothing can be restored now, if so."""
        if self._session.blinded:
            why = tr("This list is read blinded: no other reading is shown or restored here.")
            self.failed.emit(InputError("blinded", why))
        elif self._session.read.locked:
            self.failed.emit(
                InputError(
                    "locked", tr("The grade of this exam is locked, so no other reading can be restored over it.")
                )
            )
        else:
            return False
        return True

    def _run(self, name: str, work: Callable[[JobContext], object], done: Callable[..., None]) -> None:
        """The newest job counts."""

        def current(callback: Callable[..., None]) -> Callable[..., None]:
            return lambda value: callback(value) if self._job is job else None

        def quietly(context: JobContext) -> object:
            with collections_paused():
                return work(context)

        if self._job is not None:
            self._job.cancel()
        job = Job(name, quietly, current(done), current(self.failed.emit))
        self._job = job
        self._runner.run_io(job)

    # --- found

    @Slot(object)
    def _opened(self, path: Path | None) -> None:
        """An exam is on screen: restore what was asked for, or look for what could be."""
        exam, wanted = self._session.exam, self._wanted
        self._wanted = None
        if exam is None or self._session.blinded:
            return
        if wanted is not None and wanted[1] == exam.volume.series_uid:
            self.restore(wanted[0])
            return
        self._run("looking for reports", lambda context: _look(exam, path, context), self._show_found)

    def _show_found(self, found: Found) -> None:
        exam = self._session.exam
        if exam is None or exam.exam_id != found.exam_id or self._session.blinded or self._session.read.locked:
            return
        on_screen = any(state_of(r) == self._session.read for r in found.readings)
        if found.readings and not on_screen:
            self._offer = found.readings[0]
            self.offered.emit(offer_text(found.readings, self._session.model))
        elif found.trouble:
            self.remarked.emit(found.trouble)

    @Slot()
    def _reconsider(self) -> None:
        """An offer of what is on screen already is none, and a remark on numbers that have changed since misleads."""
        if self._offer is not None and state_of(self._offer) == self._session.read:
            self._offer = None
            self.over.emit()
        if self._remarked is not None and self._remarked != self._session.read:
            self._remarked = None
            self.over.emit()

    @Slot()
    def _leave(self) -> None:
        if self._job is not None:
            self._job.cancel()
        self._job, self._offer, self._check, self._remarked = None, None, None, None
        self.over.emit()

    @Slot()
    def _forget_wanted(self) -> None:
        self._wanted = None

    # --- applied

    def _apply(self, found: Restored, exam_id: int) -> None:
        """All of it in one step that can be undone, if its exam is still on screen."""
        session = self._session
        exam = session.exam
        if exam is None or exam.exam_id != exam_id or not session.can_measure:
            return
        if self._keeper.asking:
            # The reader's own earlier read comes first, and is then what Ctrl+Z brings back; never a mixture of both.
            QTimer.singleShot(_LOOK_AGAIN_MS, self, lambda: self._apply(found, exam_id))
            return
        if self._refuse():
            return
        self._offer = None
        state = state_of(found)
        session.edit(
            centre=state.centre, grade=state.grade, excluded=state.excluded, box=state.box, profile=state.profile,
            vessels=(), whole_heart=state.whole_heart, heart=state.heart,
        )  # fmt: skip
        self.restored.emit()
        self.told.emit(restored_text(found.report))
        self._note(found)
        self._check = (exam_id, session.read, found)
        self._remark(found, ())
        self._compare_risk()

    def _remark(self, found: Restored, more: tuple[str, ...]) -> None:
        from hyrisk_desktop.exchange.restoring import model_notes

        known = self._session.risk_status is not RiskStatus.MODEL_LOADING
        notes = [*found.notes, *(model_notes(found.report, self._session.model) if known else ()), *more]
        self._remarked = self._session.read if notes else None
        if notes:
            self.remarked.emit("\n".join((tr("Restored, but not everything is as it was:"), *notes)))
        else:
            self.over.emit()

    @Slot()
    def _compare_risk(self) -> None:
        """Once the risk of what was restored is there, say whether it is the report's."""
        if self._check is None:
            return
        exam_id, read, found = self._check
        session = self._session
        if session.exam is None or session.exam.exam_id != exam_id or session.read != read:
            self._check = None
        elif session.risk is not None:
            from hyrisk_desktop.exchange.restoring import risk_notes

            self._check = None
            self._remark(found, tuple(risk_notes(found.report, session.risk, session.risk_standing)))
        elif session.risk_status in (RiskStatus.NO_MODEL, RiskStatus.FAILED):
            self._check = None
            self._remark(found, ())

    def _note(self, found: Restored) -> None:
        """Into the audit trail, where the worklist keeps this exam."""
        stored_id, reader, uid = self._session.stored_id, self._session.reader, found.report.sop_instance_uid
        if stored_id is None:
            return

        def work(store: Store) -> None:
            store.note(reader, "reading_restored", f"exam:{stored_id}", {"report": uid})

        self._store.ask(work)


def state_of(found: Restored) -> ReadState:
    """A restored reading as the session holds it."""
    return ReadState(
        found.centre, found.grade, found.excluded, found.box, found.profile,
        whole_heart=found.whole_heart, heart=found.heart,
    )  # fmt: skip


def who_and_when(report: ReadBack) -> str:
    """Reader and time, for a sentence."""
    moment = moment_text(report.read_at.astimezone())
    return tr("{reader}, {time}", reader=report.reader or tr("reader not named"), time=moment)


def offer_text(found: tuple[Restored, ...], model: tuple[str, str] | None) -> str:
    """What lies beside the exam, in two lines; its risk is not said, as it may be another model's."""
    report = found[0].report
    first = tr("A reading of this exam lies beside it: {who}.", who=who_and_when(report))
    if len(found) > 1:
        first += " " + trn(
            "{n} older one too (File > Restore reading…).",
            "{n} older ones too (File > Restore reading…).",
            len(found) - 1,
        )
    name = tr("box Agatston") if report.drawn else tr("region Agatston")
    grade, agatston = grade_text(report.grade), report.calcium["agatston"]
    if agatston is None:
        second = tr("Grade {grade}; the calcium scores are withheld.", grade=grade)
    else:
        second = tr("Grade {grade}, {name} {a:.1f}.", grade=grade, name=name, a=agatston)
    if report.risk is not None and model is not None and report.risk["bundle_sha256"] not in ("", model[1]):
        second += " " + tr("Its risk is another model's and is computed anew.")
    return f"{first}\n{second}"


def restored_text(report: ReadBack) -> str:
    """One line: what is back, and how to take it back."""
    excluded = sum(lesion.excluded for lesion in report.lesions)
    more = tr(", excluded lesions: {n}", n=excluded) if excluded else ""
    return tr(
        "Restored the reading of {who}: heart centre, grade {grade}{more}. Ctrl+Z takes it back.",
        who=who_and_when(report),
        grade=grade_text(report.grade),
        more=more,
    )


def _report_path(path: Path) -> Path:
    """On a worker thread: ``path``, or where a segmentation of ours lies there, the report that goes with it."""
    from hyrisk_desktop.exchange.restoring import report_of_segmentation

    try:
        found, ours = kind_of_object(path)
    except OSError:
        return path
    return report_of_segmentation(path) if found == SEG_CLASS and ours else path


def _look(exam: Exam, opened: Path | None, context: JobContext) -> Found:
    """On a worker thread: readings of ``exam`` among the files beside it."""
    check = context.token.raise_if_cancelled
    known = {file for record in (exam.record, *exam.alternatives) for file in record.files}
    folders = dict.fromkeys(file.parent for file in sorted(known))
    if opened is not None and opened.is_dir():
        folders |= dict.fromkeys(_below(opened, check))
    paths = reports_in(folders, known, check)[:_MOST_REPORTS]
    if not paths:
        return Found(exam.exam_id)
    import_makers()
    from hyrisk_desktop.exchange.restoring import restore

    found, trouble = [], ""
    outlines: dict[Voxel, HeartRegion] = {}
    for path in paths:
        try:
            found.append(restore(path, exam.record, exam.volume, check, outlines))
        except ExamError as e:
            # Reports of other exams and patients in a shared folder are nothing to be told of.
            if e.code in _WORTH_TELLING:
                trouble = tr("{name}: {why}", name=path.name, why=e.message)
    found.sort(key=lambda one: one.report.read_at, reverse=True)
    return Found(exam.exam_id, tuple(found), trouble)


def _below(folder: Path, check: Callable[[], None]) -> list[Path]:
    """``folder`` and the folders below it, some hundreds at most: an exam has no more."""
    found: list[Path] = []
    for here, _, _ in os.walk(folder):
        check()
        found.append(Path(here))
        if len(found) >= _MOST_FOLDERS:
            break
    return found
