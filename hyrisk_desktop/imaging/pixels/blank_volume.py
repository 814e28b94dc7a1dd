"""What every reader of pixels begins and ends with: a volume of air to fill, and the sentences where that fails."""

from __future__ import annotations

import contextlib
import dataclasses
import math
import mmap
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hyrisk_desktop.errors import ExamError
from hyrisk_desktop.findings import Finding, Severity
from hyrisk_desktop.i18n import tr
from hyrisk_desktop.imaging.records import SeriesRecord
from hyrisk_desktop.imaging.slices import MAX_VOXELS
from hyrisk_desktop.imaging.volume import CTVolume

OnFirst = Callable[[CTVolume, int], None]
"""Called as ``on_first(preview, slice_index)``; the preview's array goes on filling."""


def new_volume(
    record: SeriesRecord,
    shape: tuple[int, int, int],
    dtype: Any,
    stack_findings: tuple[Finding, ...],
    grid: Any,
    new_array: Callable[[tuple[int, int, int], Any], NDArray[Any]] = np.empty,
) -> CTVolume:
    """A volume of air of this record on this grid; its array is to be filled in place.

    Args:
        record: the series. shape: slices, rows, columns. dtype: of the HU. stack_findings: of its geometry.
        grid: where it lies. new_array: makes the array [z, y, x].
    """
    if shape[0] * shape[1] * shape[2] > MAX_VOXELS:
        raise ExamError("too_large", tr("This series is too large to be opened."))
    return CTVolume(
        hu=new_array(shape, dtype),
        spacing_mm=grid.spacing_mm,
        origin_mm=grid.origin_mm,
        direction=grid.direction,
        series_uid=record.series_uid,
        attributes=record.attributes,
        findings=record.findings + stack_findings,
    )


def with_padding_noted(volume: CTVolume, padded: bool) -> CTVolume:
    """The volume with finding ``padding`` where there was any."""
    if not padded:
        return volume
    message = tr("Pixels outside the scanned field hold padding values; they are taken for air and never counted.")
    return dataclasses.replace(volume, findings=(*volume.findings, Finding("padding", Severity.INFO, message)))


def sparse_array(shape: tuple[int, int, int], dtype: Any) -> NDArray[Any]:
    """An array of zeros whose pages take memory only once they are touched.

    numpy's own zeros lie in huge pages where the system has them: a few slices would bring in most of the volume.
    """
    dtype = np.dtype(dtype)
    # Private where the system tells the two apart: shared pages are slower to come by.
    private = {"flags": mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS} if hasattr(mmap, "MAP_PRIVATE") else {}
    memory = mmap.mmap(-1, math.prod(shape) * dtype.itemsize, **private)
    if hasattr(memory, "madvise") and hasattr(mmap, "MADV_NOHUGEPAGE"):
        # A kernel without huge pages refuses the advice, and needs none.
        with contextlib.suppress(OSError):
            memory.madvise(mmap.MADV_NOHUGEPAGE)
    return np.frombuffer(memory, dtype).reshape(shape)


def decode_failure(kind: str, name: str) -> ExamError:
    """The one sentence for a frame that can't be decoded."""
    if kind == "memory":
        return ExamError("memory", tr("Decoding {name} needs more memory than is allowed. Export it again.", name=name))
    if kind == "start":
        return ExamError("decoder_start", tr("The image decoder could not be started. Start the program again."))
    if kind == "timeout":
        return ExamError(
            "decode_timeout", tr("Decoding {name} took too long and was stopped. Export it again.", name=name)
        )
    return ExamError(
        "undecodable", tr("The image in {name} is damaged and can't be decoded. Export it again.", name=name)
    )
