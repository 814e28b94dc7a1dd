"""`read_volume`: from a series on disk to HU, by the reader for its kind of file."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from hyrisk_desktop.errors import ExamError
from hyrisk_desktop.i18n import tr
from hyrisk_desktop.imaging.headers.kinds import Kind, refusal_of
from hyrisk_desktop.imaging.pixels.blank_volume import OnFirst
from hyrisk_desktop.imaging.pixels.enhanced import read_enhanced
from hyrisk_desktop.imaging.pixels.image_files import read_image
from hyrisk_desktop.imaging.pixels.single_frame import read_series
from hyrisk_desktop.imaging.records import SeriesRecord
from hyrisk_desktop.imaging.volume import CTVolume
from hyrisk_desktop.jobs import CancelToken, Progress, no_progress


def read_volume(
    record: SeriesRecord,
    *,
    progress: Progress = no_progress,
    cancel: CancelToken | None = None,
    on_first: OnFirst | None = None,
) -> CTVolume:
    """Read a series that `find_series` found.

    Args:
        record: the series.
        progress: called as ``progress(slices done, slices in all)``.
        cancel: polled between slices.
        on_first: called from this thread once the geometry holds, the middle slice is decoded and every slice not
            yet read holds -1024. It is called again, with another array, in the rare case that the HU don't fit int16.

    Returns:
        HU as int16, or float32 where slope or intercept aren't whole numbers or int16 can't hold the values.

    Raises:
        ExamError: the series can't be read, or its slices don't make one trustworthy volume.
        Cancelled: ``cancel`` was set.
    """
    with readable():
        if record.kind is Kind.IMAGE_FILE:
            return read_image(record, progress=progress, cancel=cancel, on_first=on_first)
        if record.kind is Kind.ENHANCED:
            return read_enhanced(record, progress=progress, cancel=cancel, on_first=on_first)
        if refusal := refusal_of(record.kind):
            raise refusal
        return read_series(record, progress, cancel, on_first)


@contextlib.contextmanager
def readable() -> Iterator[None]:
    """What the system refuses, as an ExamError with one sentence."""
    try:
        yield
    except MemoryError as e:
        raise ExamError("memory", tr("There isn't enough memory for this exam. Close other programs.")) from e
    except OSError as e:
        raise ExamError(
            "unreadable",
            tr(
                "{name} can't be read: {why}.",
                name=Path(e.filename).name if isinstance(e.filename, str | os.PathLike) else tr("A file"),
                why=e.strerror or type(e).__name__,
            ),
        ) from e
