"""Exams of the store as the window opens them; for worker threads."""

from __future__ import annotations

from hyrisk_desktop.errors import ExamError
from hyrisk_desktop.gui.services.exam_loader import read_exam
from hyrisk_desktop.gui.services.job_runner import JobContext
from hyrisk_desktop.gui.services.store import StoreService
from hyrisk_desktop.gui.state import Exam
from hyrisk_desktop.i18n import tr
from hyrisk_desktop.imaging import SeriesRecord, reopen


def stored_series(store: StoreService, exam_id: int, series_uid: str = "") -> tuple[SeriesRecord, ...]:
    """On a worker thread: the series of a stored exam, ``series_uid`` or the chosen one first and ready to be read."""
    records, source = store.open().records(exam_id)
    wanted = next((r for r in records if r.series_uid == series_uid), records[0] if records else None)
    if wanted is None or not wanted.suitable:
        reason = wanted.reason if wanted else tr("There is no CT exam here; choose a folder that holds one.")
        raise ExamError("no_suitable_series", reason)
    return reopen(wanted, source), *(r for r in records if r is not wanted)


def load_stored(store: StoreService, exam_id: int, context: JobContext) -> Exam:
    """On a worker thread: a stored exam's chosen series with its pixels, without a preview."""
    records = stored_series(store, exam_id)
    quiet = JobContext(context.progress, context.token, lambda _: None)
    return read_exam(records[0], records, quiet, exam_id)
