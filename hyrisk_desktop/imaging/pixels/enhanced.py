"""Enhanced multi-frame CT: one file, whose functional groups say where each frame lies and what its values mean."""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hyrisk_desktop.errors import ExamError
from hyrisk_desktop.findings import Finding
from hyrisk_desktop.i18n import tr
from hyrisk_desktop.imaging.geometry import Grid, axes_of, make_grid
from hyrisk_desktop.imaging.headers.attributes import parse_header
from hyrisk_desktop.imaging.headers.header import NATIVE_SYNTAXES, Header
from hyrisk_desktop.imaging.headers.kinds import nature_findings, nature_of, refusal_of_types, words_of
from hyrisk_desktop.imaging.pixels import decoder_pool
from hyrisk_desktop.imaging.pixels.blank_volume import decode_failure, new_volume, with_padding_noted
from hyrisk_desktop.imaging.pixels.continuity import Contents
from hyrisk_desktop.imaging.pixels.decoder_child import FrameTask
from hyrisk_desktop.imaging.pixels.native import Changed, OutOfRange, apply_rescale, padding_of, read_native_frames
from hyrisk_desktop.imaging.pixels.padding import AIR_HU
from hyrisk_desktop.imaging.records import SeriesRecord
from hyrisk_desktop.imaging.slices import HU_TYPES, check_pixel_description
from hyrisk_desktop.imaging.splitting import Part, divisible, parts_of
from hyrisk_desktop.imaging.volume import CTVolume
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
    check_pixel_description(header)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return _parse(header, parse_header(header), record.frames)
    except (AttributeError, IndexError, KeyError, TypeError, ValueError, RecursionError, OverflowError) as e:
        raise ExamError(
            "functional_groups",
            tr(
                "The multi-frame file {name} doesn't say where its frames lie. Export the series again.",
                name=header.path.name,
            ),
        ) from e


class _Groups:
    """The functional groups of a multi-frame data set."""

    def __init__(self, dataset: Any) -> None:
        self.dataset = dataset
        self.count = int(dataset.NumberOfFrames)
        self.shared = dataset.SharedFunctionalGroupsSequence[0]
        self.own = dataset.PerFrameFunctionalGroupsSequence
        if not 0 < self.count <= _MAX_FRAMES or len(self.own) != self.count:
            raise ValueError

    def group(self, number: int, keyword: str) -> Any:
        """This group of a frame, its own or the one that all share."""
        own = self.own[number].get(keyword)
        return (own or getattr(self.shared, keyword))[0]

    def value(self, number: int, name: str) -> Hashable:
        """An attribute of a frame for telling image sets apart; "" where it has none."""
        from pydicom.multival import MultiValue

        for keyword in _PLACES[name]:
            try:
                value = self.group(number, keyword).get(name)
            except (AttributeError, IndexError, KeyError, TypeError):
                continue
            if value is not None and value != "":
                try:
                    return tuple(float(v) for v in (value if isinstance(value, MultiValue) else (value,)))
                except (TypeError, ValueError):
                    return str(value)
        return ""


_PLACES: dict[str, tuple[str, ...]] = {
    "KVP": ("CTXRayDetailsSequence",),
    "ConvolutionKernel": ("CTReconstructionSequence",),
    "ReconstructionDiameter": ("CTReconstructionSequence",),
    "ReconstructionTargetCenterPatient": ("CTReconstructionSequence", "CTGeometrySequence"),
    "PixelSpacing": ("PixelMeasuresSequence",),
    "SliceThickness": ("PixelMeasuresSequence",),
    "FrameType": ("CTImageFrameTypeSequence",),
    "FrameAcquisitionNumber": ("FrameContentSequence",),
    "TemporalPositionIndex": ("FrameContentSequence",),
    "TemporalPositionTimeOffset": ("TemporalPositionSequence",),
    "NominalPercentageOfCardiacPhase": ("CardiacSynchronizationSequence", "CardiacTriggerSequence"),
    "NominalCardiacTriggerDelayTime": ("CardiacSynchronizationSequence", "CardiacTriggerSequence"),
    "StackID": ("FrameContentSequence",),
    "MonoenergeticEnergyEquivalent": ("MultienergyCTProcessingSequence", "MultienergyCTCharacteristicsSequence"),
}
_ALWAYS = ("KVP", "ConvolutionKernel", "SliceThickness", "PixelSpacing", "FrameType", "MonoenergeticEnergyEquivalent")
_PERHAPS = tuple(name for name in _PLACES if name not in _ALWAYS)
_UNIFORM = ("KVP", "ConvolutionKernel")


def multi_frame_parts(headers: Sequence[Header]) -> list[tuple[Header, Part[int]]]:
    """The image sets of an enhanced series, in one file or one file each; [] where it is one, or can't be parted."""
    if len(headers) > 1:
        return _file_parts(headers)
    header = headers[0]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            groups = _Groups(parse_header(header))

            def refusal(frames: Sequence[int]) -> ExamError | None:
                try:
                    check_pixel_description(header)
                    _parse(header, groups.dataset, tuple(frames))
                except ExamError as e:
                    return e
                return None

            every = range(groups.count)
            whole = refusal(every)
            if whole is None or not divisible(whole):
                return []
            parts = parts_of(list(every), groups.value, lambda frames: refusal(frames) is None, _ALWAYS, _PERHAPS)
    except (AttributeError, IndexError, KeyError, TypeError, ValueError, RecursionError, OverflowError):
        return []
    return [(header, part) for part in parts]


def _file_parts(headers: Sequence[Header]) -> list[tuple[Header, Part[int]]]:
    """One image set in each file; [] where the files are pieces of one, as concatenations are."""
    spans: list[tuple[Header, Any, float, float]] = []
    for header in headers:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                dataset = parse_header(header)
                if dataset.get("ConcatenationUID"):
                    return []
                frames = _parse(header, dataset)
        except (
            ExamError, AttributeError, IndexError, KeyError, TypeError, ValueError, RecursionError, OverflowError,
        ):  # fmt: skip
            spans.append((header, None, 0.0, 0.0))
            continue
        low = frames.grid.origin_mm[2]
        spans.append((header, dataset, low, low + frames.grid.spacing_mm[2] * (len(frames.order) - 1)))
    readable = [span for span in spans if span[1] is not None]
    overlap = [
        min(a[3], b[3]) - max(a[2], b[2]) > 0.5 * min(a[3] - a[2], b[3] - b[2])
        for a, b in itertools.combinations(readable, 2)
    ]
    if not readable or not all(overlap):
        return []
    made: list[tuple[Header, Part[int]]] = []
    for header, dataset, _, _ in spans:
        order: float | str = 0.0
        if dataset is not None:
            groups = _Groups(dataset)
            phase = groups.value(0, "NominalPercentageOfCardiacPhase")
            number = header.number("InstanceNumber") or 0
            name, order = (
                ("NominalPercentageOfCardiacPhase", phase[0]) if isinstance(phase, tuple) else ("file", number)
            )
        else:
            name, order = "file", 1e9
        part: Part[int] = Part((), (name, "SOPInstanceUID"), ((order,), header.text("SOPInstanceUID")))
        made.append((header, part))
    return made


def _parse(header: Header, dataset: Any, only: tuple[int, ...] = ()) -> Frames:
    groups = _Groups(dataset)
    selected = only or tuple(range(groups.count))
    types, energies = _words(groups, dataset, selected, only)
    if refusal := refusal_of_types(types):
        raise refusal
    if any(len({groups.value(number, name) for number in selected} - {""}) > 1 for name in _UNIFORM):
        raise _mixed()
    places = _places(groups, selected)
    matrix = (header.number("Rows") or 0, header.number("Columns") or 0)
    grid = make_grid(places.positions, places.orientation, places.spacing, matrix, places.thickness)
    texts = header.text("SeriesDescription"), header.text("DerivationDescription")
    findings = nature_findings(nature_of(types, texts, energies), "HU_MOD" if "HU_MOD" in places.types else "")
    order = tuple(selected[i] for i in grid.order)
    kernel = groups.value(selected[0], "ConvolutionKernel")
    kernel = kernel if isinstance(kernel, str) else ""
    rescale = tuple(places.rescale[i] for i in grid.order)
    return Frames(header, order, grid, rescale, places.thickness, kernel, findings)


def _mixed() -> ExamError:
    message = tr("Images of different scans or reconstructions are mixed in this series. Export the series again.")
    return ExamError("mixed_acquisitions", message)


def _words(
    groups: _Groups, dataset: Any, selected: tuple[int, ...], only: tuple[int, ...]
) -> tuple[list[str], list[float]]:
    """What the file and the chosen frames say they are: their types, and energies in keV."""
    # A file of several image sets says MIXED, or what the first of them is; then each frame's own type counts.
    typed = bool(only) and all(groups.value(number, "FrameType") != "" for number in selected)
    top, energies = words_of(dataset, 0)
    types = [] if typed else top
    for item in (groups.shared, *(groups.own[number] for number in selected)):
        inner = words_of(item)
        types, energies = types + inner[0], energies + inner[1]
    for keyword in ("MultienergyCTProcessingSequence", "MultienergyCTCharacteristicsSequence"):
        for item in dataset.get(keyword) or ():
            energies += words_of(item)[1]
    return types, energies


@dataclass(frozen=True, slots=True)
class _Places:
    """Where the chosen frames lie and how they are scaled: [n, 3] positions, and what all of them share."""

    positions: NDArray[np.float64]
    orientation: list[float]
    spacing: tuple[float, ...]
    thickness: float | None
    rescale: list[tuple[float, float]]
    types: set[str]


def _places(groups: _Groups, selected: tuple[int, ...]) -> _Places:
    group = groups.group
    positions, rescale = np.empty((len(selected), 3)), []
    orientations, spacings, thicknesses, rescale_types = [], [], set(), set()
    for place, number in enumerate(selected):
        positions[place] = [float(v) for v in group(number, "PlanePositionSequence").ImagePositionPatient]
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
        raise _mixed()
    return _Places(positions, orientations[0], spacings[0], thicknesses.pop() or None, rescale, rescale_types)


def read_enhanced(
    record: SeriesRecord,
    *,
    progress: Progress,
    cancel: CancelToken | None,
    on_first: Callable[[CTVolume, int], None] | None,
) -> CTVolume:
    """Read an enhanced CT.

    Args:
        record, progress, cancel, on_first: as of `imaging.read_volume`, whose errors it raises.
    """
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
        stored, outside = read_native_frames(
            header, rule, [scale.get(n, (1.0, 0.0)) for n in range(header.number("NumberOfFrames") or 1)]
        )
        for z in sequence:
            receive(z, stored[frames.order[z]], outside[frames.order[z]])
    else:
        _decode(frames, sequence, cancel, lambda z, stored: receive(z, stored, None))
    contents.check()
    return with_padding_noted(volume, padded)


def _decode(
    frames: Frames, sequence: list[int], cancel: CancelToken | None, receive: Callable[[int, NDArray[Any]], None]
) -> None:
    header = frames.header
    rows, columns = header.number("Rows") or 0, header.number("Columns") or 0
    try:
        decoder_pool.decoders().frames(
            (_task(header, frames.order[z], rows, columns) for z in sequence),
            rows * columns * 4,
            lambda index, memory: receive(sequence[index], decoder_pool.frame_from(memory, np.int32, rows, columns)),
            count=len(frames.order),
            cancel=cancel,
        )
    except decoder_pool.DecodeError as e:
        raise decode_failure(e.kind, header.path.name) from e


def _task(header: Header, frame: int, rows: int, columns: int) -> Callable[[str], FrameTask]:
    return lambda segment: FrameTask(str(header.path), rows, columns, "int32", segment, frame)
