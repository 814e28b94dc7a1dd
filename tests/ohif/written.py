"""What stands in the files, read with pydicom alone: what a viewer has to show."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pydicom
from pydicom.dataset import Dataset

_IMAGING_MEASUREMENTS, _TRACKING_IDENTIFIER, _TRACKING_UID = "126010", "112039", "112040"


@dataclass(frozen=True)
class Group:
    """A group of measurements.

    Attributes:
        name, uid: what it tracks. image: SOP Instance UID of its first region; points: the corners of that.
        numbers: name and value of each measurement, as OHIF words them.
    """

    name: str
    uid: str
    image: str
    points: int
    numbers: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Segment:
    """A segment, and on how many pixels it lies."""

    number: int
    label: str
    pixels: int


def study_of(path: Path) -> str:
    return str(pydicom.dcmread(path, stop_before_pixels=True).StudyInstanceUID)


def groups_of(path: Path) -> list[Group]:
    sr = pydicom.dcmread(path)
    (measurements,) = (item for item in sr.ContentSequence if _code(item) == _IMAGING_MEASUREMENTS)
    return [_group(item.ContentSequence) for item in measurements.ContentSequence]


def _code(item: Dataset) -> str:
    return str(item.ConceptNameCodeSequence[0].CodeValue)


def _group(items: list[Dataset]) -> Group:
    by_code = {_code(item): item for item in items}
    region = next(item for item in items if item.ValueType == "SCOORD")
    image = region.ContentSequence[0].ReferencedSOPSequence[0]
    return Group(
        by_code[_TRACKING_IDENTIFIER].TextValue,
        by_code[_TRACKING_UID].UID,
        image.ReferencedSOPInstanceUID,
        len(region.GraphicData) // 2,
        tuple(_number(item) for item in items if item.ValueType == "NUM"),
    )


def _number(item: Dataset) -> tuple[str, str]:
    measured = item.MeasuredValueSequence[0]
    unit = measured.MeasurementUnitsCodeSequence[0].CodeValue
    return item.ConceptNameCodeSequence[0].CodeMeaning, f"{float(measured.NumericValue):.2f} {unit}"


def segments_of(path: Path) -> list[Segment]:
    seg = pydicom.dcmread(path)
    frames = np.atleast_3d(seg.pixel_array) if seg.NumberOfFrames > 1 else seg.pixel_array[None]
    counts: dict[int, int] = {}
    for groups, frame in zip(seg.PerFrameFunctionalGroupsSequence, frames, strict=True):
        number = groups.SegmentIdentificationSequence[0].ReferencedSegmentNumber
        counts[number] = counts.get(number, 0) + int(frame.sum())
    return [Segment(s.SegmentNumber, s.SegmentLabel, counts.get(s.SegmentNumber, 0)) for s in seg.SegmentSequence]
