"""Enhanced multi-frame CT: one file, whose functional groups say where each frame lies and what its values mean."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hyrisk_desktop.errors import ExamError
from hyrisk_desktop.i18n import tr
from hyrisk_desktop.imaging import decoder
from hyrisk_desktop.imaging.attributes import parse_header
from hyrisk_desktop.imaging.content import Contents
from hyrisk_desktop.imaging.decoder_child import FrameTask
from hyrisk_desktop.imaging.geometry import Grid, axes_of, make_grid
from hyrisk_desktop.imaging.kinds import nature_findings, nature_of, refusal_of_types, words_of
from hyrisk_desktop.imaging.native import Changed, OutOfRange, apply_rescale, padding_of, read_native_frames
from hyrisk_desktop.imaging.padding import AIR_HU
from hyrisk_desktop.imaging.records import SeriesRecord
from hyrisk_desktop.imaging.slices import HU_TYPES, check_pixel_description
from hyrisk_desktop.imaging.tags import NATIVE_SYNTAXES, Header
from hyrisk_desktop.imaging.volume import CTVolume, Finding
from hyrisk_desktop.jobs import CancelToken, Progress

_MAX_FRAMES = 20_000


@dataclass(frozen=True, slots=True)
class Frames:
    """Frames of an enhanced CT in volume order, with slope and intercept of each."""

    header: Header
    order: tuple[int, ...]
    grid: Grid
    rescale: tuple[tuple[float, float], ...]
    thickness_mm: float | None
    kernel: str
    findings: tuple[Finding, ...] = ()


def frames_of(record: SeriesRecord) -> Frames:
    """Check and order the frames of an enhanced CT record.

    Raises:
        ExamError: it spreads over several files, is a map or a localizer, or its frames make no regular grid.
    """
    if len(record.headers) != 1:
        raise ExamError(
            "several_multiframe",
            tr("This series spreads over several multi-frame files. Open one of these files by itself."),
        )
    header = record.headers[0]
    if refusal := refusal_of_types(header.words("ImageType")):
        raise refusal
    check_pixel_description(header)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return _parse(header, parse_header(header))
    except (AttributeError, IndexError, KeyError, TypeError, ValueError, RecursionError, OverflowError) as e:
        raise ExamError(
            "functional_groups",
            tr(
                "The multi-frame file {name} doesn't say where its frames lie. Export the series again.",
                name=header.path.name,
            ),
        ) from e


def _parse(header: Header, dataset: Any) -> Frames:
    count = int(dataset.NumberOfFrames)
    shared = dataset.SharedFunctionalGroupsSequence[0]
    groups = dataset.PerFrameFunctionalGroupsSequence
    if not 0 < count <= _MAX_FRAMES or len(groups) != count:
        raise ValueError

    types, energies = words_of(dataset)
    if refusal := refusal_of_types(types):
        raise refusal

    def group(number: int, keyword: str) -> Any:
        own = groups[number].get(keyword)
        return (own or getattr(shared, keyword))[0]

    positions, rescale = np.empty((count, 3)), []
    orientations, spacings, thicknesses, rescale_types = [], [], set(), set()
    for number in range(count):
        positions[number] = [float(v) for v in group(number, "PlanePositionSequence").ImagePositionPatient]
        orientations.append([float(v) for v in group(number, "PlaneOrientationSequence").ImageOrientationPatient])
        measures = group(number, "PixelMeasuresSequence")
        spacings.append(tuple(float(v) for v in measures.PixelSpacing))
        thicknesses.add(float(measures.get("SliceThickness") or 0))
        scale = group(number, "PixelValueTransformationSequence")
        rescale.append((float(scale.RescaleSlope), float(scale.RescaleIntercept)))
        rescale_types.add(str(scale.get("RescaleType") or "HU").strip().upper())
        if not rescale_types <= HU_TYPES:
            raise ExamError("not_hu", tr("The images are not in Hounsfield units. Open the original CT series."))
    for orientation in orientations[1:]:
        if max(np.abs(a - b).max() for a, b in zip(axes_of(orientation), axes_of(orientations[0]), strict=True)) > 1e-3:
            raise ExamError(
                "mixed_orientation",
                tr("The series mixes images of different orientations. Open a series of axial slices only."),
            )
    if len(set(spacings)) != 1 or len(thicknesses) != 1:
        raise ExamError(
            "mixed_acquisitions",
            tr("Images of different scans or reconstructions are mixed in this series. Export the series again."),
        )
    thickness = thicknesses.pop() or None
    matrix = (header.number("Rows") or 0, header.number("Columns") or 0)
    grid = make_grid(positions, orientations[0], spacings[0], matrix, thickness)
    texts = header.text("SeriesDescription"), header.text("DerivationDescription")
    findings = nature_findings(nature_of(types, texts, energies), "HU_MOD" if "HU_MOD" in rescale_types else "")
    return Frames(
        header, grid.order, grid, tuple(rescale[i] for i in grid.order), thickness, _kernel(group), findings
    )  # fmt: skip


def _kernel(group: Callable[[int, str], Any]) -> str:
    try:
        return str(group(0, "CTReconstructionSequence").get("ConvolutionKernel") or "")
    except (AttributeError, IndexError, KeyError, TypeError):
        return ""


def read_enhanced(
    record: SeriesRecord,
    *,
    progress: Progress,
    cancel: CancelToken | None,
    on_first: Callable[[CTVolume, int], None] | None,
) -> CTVolume:
    """Read an enhanced CT; see `imaging.dicom.read_volume` for arguments and errors."""
    frames = frames_of(record)
    whole = all(value.is_integer() for pair in frames.rescale for value in pair)
    dtype: Any = np.int16 if whole else np.float32
    try:
        return _fill(record, frames, dtype, progress, cancel, on_first)
    except OutOfRange:
        return _fill(record, frames, np.float32, progress, cancel, on_first)
    except Changed:
        raise ExamError(
            "changing", tr("The exam's files are being changed by another program. Try again later.")
        ) from None


def _fill(
    record: SeriesRecord,
    frames: Frames,
    dtype: Any,
    progress: Progress,
    cancel: CancelToken | None,
    on_first: Callable[[CTVolume, int], None] | None,
) -> CTVolume:
    from hyrisk_desktop.imaging.dicom import decode_failure, new_volume, with_padding_noted

    header, count = frames.header, len(frames.order)
    rows, columns = header.number("Rows") or 0, header.number("Columns") or 0
    inside = (columns, rows) if frames.grid.transpose else (rows, columns)
    volume = new_volume(record, (count, *inside), dtype, (), frames.grid)
    volume.hu.fill(AIR_HU)
    contents = Contents(count, *inside)
    sequence = [count // 2, *(z for z in range(count) if z != count // 2)]
    done, padded = 0, False
    rule = padding_of(header, *frames.rescale[0])

    def receive(z: int, stored: NDArray[Any], outside: NDArray[np.bool_] | None) -> None:
        nonlocal done, padded
        turn = frames.grid.turn
        padded |= apply_rescale(
            turn(stored), volume.hu[z], *frames.rescale[z], rule, None if outside is None else turn(outside)
        )
        contents.note(z, volume.hu[z])
        done += 1
        if done == 1 and on_first:
            on_first(volume, z)
        progress(done, count)
        if cancel:
            cancel.raise_if_cancelled()

    if header.syntax in NATIVE_SYNTAXES:
        scale = dict(zip(frames.order, frames.rescale, strict=True))
        stored, outside = read_native_frames(header, rule, [scale[number] for number in range(count)])
        for z in sequence:
            receive(z, stored[frames.order[z]], outside[frames.order[z]])
    else:
        try:
            decoder.decoders().frames(
                (_task(header, frames.order[z], rows, columns) for z in sequence),
                rows * columns * 4,
                lambda index, memory: receive(
                    sequence[index], decoder.frame_from(memory, np.int32, rows, columns), None
                ),
                count=count,
                cancel=cancel,
            )
        except decoder.DecodeError as e:
            raise decode_failure(e.kind, header.path.name) from e
    contents.check()
    return with_padding_noted(volume, padded)


def _task(header: Header, frame: int, rows: int, columns: int) -> Callable[[str], FrameTask]:
    return lambda segment: FrameTask(str(header.path), rows, columns, "int32", segment, frame)
