"""Exams of the store as the window opens them; for worker threads."""

from __future__ import annotations

from pathlib import Path

from hyrisk_desktop.errors import ExamError, StoreError
from hyrisk_desktop.gui.services.exam_loader import read_exam
from hyrisk_desktop.gui.services.job_runner import JobContext
from hyrisk_desktop.gui.services.store import StoreService
from hyrisk_desktop.gui.state import Exam
from hyrisk_desktop.i18n import tr
from hyrisk_desktop.imaging import SeriesRecord, find_series, reopen
from hyrisk_desktop.worklist.records import ExamEntry


def stored_series(
    store: StoreService, exam_id: int, entry: ExamEntry | None, series_uid: str = ""
) -> tuple[SeriesRecord, ...]:
    """On a worker thread: the series of a stored exam, ``series_uid`` or the chosen one first and ready to be read.

    Args:
        store: whose. exam_id: of the exam. series_uid: "" for the chosen one.
        entry: its row: while the store is away the exam is looked for where the row says that it lies.
    """
    try:
        records, source = store.records(exam_id)
    except StoreError:
        if entry is None or not entry.series_uid:
            raise
        series_uid, source = series_uid or entry.series_uid, entry.source
        records = _on_disk(source, series_uid)
    wanted = next((r for r in records if r.series_uid == series_uid), records[0] if records else None)
    if wanted is None or not wanted.suitable:
        reason = wanted.reason if wanted else tr("There is no CT exam here; choose a folder that holds one.")
        raise ExamError("no_suitable_series", reason)
    return reopen(wanted, source), *(r for r in records if r is not wanted)


def _on_disk(source: Path, series_uid: str) -> tuple[SeriesRecord, ...]:
    """The series of the study that ``series_uid`` is of, and nothing else that lies there."""
    found = find_series(source)
    study = next((r.study_uid for r in found if r.series_uid == series_uid), None)
    return tuple(r for r in found if r.study_uid == study)


def load_stored(store: StoreService, exam_id: int, context: JobContext, entry: ExamEntry | None = None) -> Exam:
    """On a worker thread: a stored exam's chosen series with its pixels, without a preview.

    Args:
        store, exam_id, entry: as of `stored_series`. context: of the job.
    """
    records = stored_series(store, exam_id, entry)
    quiet = JobContext(context.progress, context.token, lambda _: None)
    return read_exam(records[0], records, quiet, exam_id)
