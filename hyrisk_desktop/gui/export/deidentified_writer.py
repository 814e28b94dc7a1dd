"""Writes the exam on screen and its reading as a folder that names nobody, off the GUI thread and from the same snapshot as an
export (`exporting`): the numbers in it are those that were shown.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from hyrisk_desktop.exchange.deidentified.folder import DEFAULT_READER
from hyrisk_desktop.exchange.preload import collections_paused, import_makers
from hyrisk_desktop.gui.export.writer import ExportRequest, ReadingWriter
from hyrisk_desktop.gui.services.job_runner import JobContext
from hyrisk_desktop.i18n import tr

if TYPE_CHECKING:
    from hyrisk_desktop.exchange.deidentified.export import DeidentifiedExport

FOLDER_PREFIX = "deidentified-"


@dataclass(frozen=True, slots=True, eq=False)
class CopyRequest:
    """What to write without identity.

    Attributes:
        reading: what was on screen, and who reads: a name that must not be in the copy.
        folder: new, or empty. subject: stands for the patient. reader_label: stands for the reader.
        secret: what UIDs are made with. project: whether that is a project's, which somebody keeps.
        accept_burned_in: whether to copy images that say that text is burned into them.
    """

    reading: ExportRequest
    folder: Path
    subject: str
    reader_label: str
    secret: bytes = field(repr=False)
    project: bool = False
    accept_burned_in: bool = False


class Deidentifying(ReadingWriter):
    """Writes de-identified copies; ends with a `DeidentifiedExport`."""

    def start(self, request: CopyRequest) -> None:
        """Make the copy; its folder appears when all is in it and nothing that names somebody was found there."""
        self._explain(request.reading, lambda reading: self._write(replace(request, reading=reading)))

    def _write(self, request: CopyRequest) -> None:
        def work(context: JobContext) -> DeidentifiedExport:
            return write_copy(request, context)

        def wrote(answer: DeidentifiedExport) -> None:
            # Neither code nor folder: the trail names the exam, and would be the list that leads back to the patient.
            detail = {
                "objects": answer.objects,
                "project_secret": request.project,
                "burned_in_accepted": request.accept_burned_in,
                "warnings": sorted(finding.code for finding in answer.warnings),
            }
            self._note(request.reading.exam, "exam_deidentified", detail)

        self._run("writing a de-identified copy", work, wrote)


def write_copy(request: CopyRequest, context: JobContext) -> DeidentifiedExport:
    """On a worker thread: look first, then write."""
    import_makers("deidentified.export")
    from hyrisk_desktop.exchange.deidentified.export import check_request, check_words, write_deidentified

    reading = request.reading
    exam = reading.exam
    check_request(exam.record, request.folder, request.subject, request.secret)
    words = {
        tr("subject code"): request.subject,
        tr("name of the new folder"): request.folder.name.removeprefix(FOLDER_PREFIX),
    }
    if request.reader_label != DEFAULT_READER:
        words[tr("reader label")] = request.reader_label
    check_words(exam.volume, reading.reader, words)
    context.token.raise_if_cancelled()
    report = reading.report()
    with collections_paused():
        return write_deidentified(
            report,
            request.folder,
            subject=request.subject,
            reader_label=request.reader_label,
            secret=request.secret,
            accept_burned_in=request.accept_burned_in,
            progress=context.progress,
            cancel=context.token,
        )
