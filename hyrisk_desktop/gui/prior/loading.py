"""A prior exam's pixels, its heart centre, and what the reader made of it then; on a worker thread."""

from __future__ import annotations

from dataclasses import dataclass

from hyrisk_desktop.gui.prior.found import PriorExam
from hyrisk_desktop.gui.services.exam_loader import choose, read_exam
from hyrisk_desktop.gui.services.job_runner import JobContext
from hyrisk_desktop.gui.services.store import StoreService
from hyrisk_desktop.gui.state import Exam
from hyrisk_desktop.gui.worklist.stored_exams import load_stored
from hyrisk_desktop.imaging import Voxel, find_series, propose_centre
from hyrisk_desktop.worklist.records import Read, Reader


@dataclass(frozen=True, slots=True, eq=False)
class Loaded:
    """A prior exam that can be shown.

    Attributes:
        exam: with its pixels. read: this reader's, of this very series; None where there is none.
        centre: the heart's, as read or else as proposed; None where none is found.
    """

    exam: Exam
    read: Read | None
    centre: Voxel | None


def load_prior(
    store: StoreService, prior: PriorExam, reader: Reader | None, blinded: bool, context: JobContext
) -> Loaded:
    """Read it from where the store, or the reader, says it lies.

    Args:
        store: the worklist's. prior: which exam. reader, blinded: whose read of it counts. context: of the job.

    Raises:
        ExamError: it can't be read.
    """
    read = None
    if prior.path is not None:
        records = tuple(find_series(prior.path, cancel=context.token))
        quiet = JobContext(context.progress, context.token, lambda _: None)
        exam = read_exam(choose(records), records, quiet)
    else:
        exam = load_stored(store, prior.exam_id, context)
        # A look only: what is saved of the prior later still comes after what its own window last saw.
        read = None if reader is None else store.open().newest_read(prior.exam_id, reader, blinded=blinded)
    if read is not None and (read.unconfirmed or read.series_uid != exam.volume.series_uid):
        # Nobody has confirmed its centre, or its voxels are another series'.
        read = None
    centre = None if read is None else read.centre
    if centre is None and (found := propose_centre(exam.volume)) is not None:
        centre = found.voxel
    return Loaded(exam, read, centre)
