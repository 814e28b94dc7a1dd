"""SHA-256 of an exam's files, taken at import: damage inside compressed pixels is invisible later."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from types import MappingProxyType

from hyrisk_desktop.errors import ExamError
from hyrisk_desktop.i18n import tr
from hyrisk_desktop.imaging.headers.kinds import Kind
from hyrisk_desktop.imaging.records import SeriesRecord
from hyrisk_desktop.jobs import CancelToken, Progress, no_progress
from hyrisk_desktop.regular_files import open_regular


def hash_files(
    record: SeriesRecord, *, progress: Progress = no_progress, cancel: CancelToken | None = None
) -> Mapping[str, str]:
    """Hash every file of a series.

    Args:
        record: the series.
        progress: called as ``progress(files done, files in all)``.
        cancel: polled between files.

    Returns:
        SHA-256 in hex by path, in the record's order.

    Raises:
        ExamError: a file can't be read any more.
        Cancelled: ``cancel`` was set.
    """
    digests: dict[str, str] = {}
    for done, path in enumerate(record.files):
        if cancel:
            cancel.raise_if_cancelled()
        progress(done, len(record.files))
        try:
            with open_regular(path) as stream:
                digests[str(path)] = hashlib.file_digest(stream, "sha256").hexdigest()
        except OSError as e:
            raise ExamError(
                "unreadable", tr("{name} can't be read: {why}.", name=path.name, why=e.strerror or type(e).__name__)
            ) from e
    progress(len(record.files), len(record.files))
    return MappingProxyType(digests)


def content_sha256(record: SeriesRecord, *, progress: Progress = no_progress, cancel: CancelToken | None = None) -> str:
    """One SHA-256 in hex for all files of a series, whatever their names; raises as `hash_files` does.

    DICOM slices say themselves where they lie, so their order is nothing; the data files of an image header don't.
    """
    digests = list(hash_files(record, progress=progress, cancel=cancel).values())
    if record.kind is not Kind.IMAGE_FILE or len(digests) <= 2:
        digests.sort()  # two: a header and its data can't change places, and hashes stored before stay valid
    return hashlib.sha256("".join(digests).encode()).hexdigest()
