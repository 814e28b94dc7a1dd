"""One series UID, several image sets: acquisitions, cardiac phases, kernels, voltages or fields of view, told apart.

Scanners and archives put them under one UID. Only a series that does not make one volume is parted, only by what a
header says, and only where every part is more than a few slices: a single slice of another scan is a fault, and stays one.
"""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from hyrisk_desktop.errors import ExamError
from hyrisk_desktop.i18n import listed, tr
from hyrisk_desktop.imaging.headers.header import Header
from hyrisk_desktop.imaging.slices import Stack, stack_slices

FEWEST = 3
DIASTOLE = 75.0
"""Per cent of the cardiac cycle where the heart moves least, and scores are taken."""
_DIVISIBLE = frozenset(
    ("duplicate_slice", "mixed_acquisitions", "mixed_matrix", "uneven_spacing", "missing_slice", "shifted_slice", "instance_order",
     "derived", "localizer", "rescale")
)  # fmt: skip
# What an image set has one value of; those that always make two sets come first.
_ALWAYS = ("KVP", "ConvolutionKernel", "SliceThickness", "PixelSpacing", "Rows", "Columns", "ReconstructionDiameter")
_PERHAPS = (
    "AcquisitionNumber", "TemporalPositionIdentifier", "NominalPercentageOfCardiacPhase", "NominalCardiacTriggerDelayTime",
    "ReconstructionTargetCenterPatient", "ImageType", "SeriesDescription", "TriggerTime", "AcquisitionTime", "ImageComments",
    "FilterType", "AcquisitionDateTime", "IrradiationEventUID", "ContentTime",
)  # fmt: skip

Item = TypeVar("Item")
Values = Callable[[Item, str], Hashable]
"""The value of an attribute of a slice or frame, comparable; "" where it has none."""


@dataclass(frozen=True, slots=True)
class Part(Generic[Item]):
    """One image set of a series.

    Attributes:
        items: its slices or frames. by: the attributes in which it differs from the others. values: its own.
    """

    items: tuple[Item, ...]
    by: tuple[str, ...] = ()
    values: tuple[Hashable, ...] = ()

    @property
    def mark(self) -> str:
        """Eight letters that name the part for good, made of what tells it apart."""
        return hashlib.sha256(repr((self.by, self.values)).encode()).hexdigest()[:8]

    @property
    def order(self) -> float:
        """Which of otherwise equal parts is read first, smaller first: the phase nearest to diastole, the earlier acquisition."""
        for name, value in zip(self.by, self.values, strict=True):
            number = value[0] if isinstance(value, tuple) and value else value
            if isinstance(number, (int, float)):
                return abs(number - DIASTOLE) if name == "NominalPercentageOfCardiacPhase" else float(number)
        return 0.0


def parts_of(
    items: Sequence[Item],
    value: Values[Item],
    check: Callable[[Sequence[Item]], bool],
    always: Sequence[str] = _ALWAYS,
    perhaps: Sequence[str] = _PERHAPS,
) -> list[Part[Item]]:
    """Part slices or frames by what differs, so that as many as possible of the parts make a volume.

    Args:
        items: slices or frames. always, perhaps: attributes that part them wherever they differ, or where that helps.
        value: an attribute's value.
        check: whether a part makes a volume.

    Returns:
        Two parts or more; [] where nothing parts them, or a part would be a few slices only.
    """
    first = _parted(items, value, [k for k in always if _usable(items, value, k)])
    parts: list[Part[Item]] = []
    for part in first:
        if check(part.items):
            parts.append(part)
            continue
        finer = _finer(part, value, check, perhaps)
        parts += finer or [part]
    readable = [part for part in parts if check(part.items)]
    if len(parts) < 2 or not readable or any(len(part.items) < FEWEST for part in parts):
        return []
    return parts


def _finer(
    part: Part[Item], value: Values[Item], check: Callable[[Sequence[Item]], bool], perhaps: Sequence[str]
) -> list[Part[Item]]:
    usable = [k for k in perhaps if _usable(part.items, value, k)]
    for names in (*((k,) for k in usable), *itertools.combinations(usable[:6], 2)):
        found = _parted(part.items, value, names)
        if len(found) > 1 and all(len(p.items) >= FEWEST for p in found) and all(check(p.items) for p in found):
            return [Part(p.items, part.by + p.by, part.values + p.values) for p in found]
    return []


def _usable(items: Sequence[Item], value: Values[Item], name: str) -> bool:
    """Whether an attribute has several values, and few enough for each to be a set's."""
    values = {value(item, name) for item in items}
    return 2 <= len(values) <= max(2, len(items) // FEWEST)


def _parted(items: Sequence[Item], value: Values[Item], names: Sequence[str]) -> list[Part[Item]]:
    found: dict[tuple[Hashable, ...], list[Item]] = {}
    for item in items:
        found.setdefault(tuple(value(item, name) for name in names), []).append(item)
    return [Part(tuple(mine), tuple(names), values) for values, mine in found.items()]


def divisible(error: ExamError) -> bool:
    """Whether a series refused for this may be several image sets."""
    return error.code in _DIVISIBLE


def header_value(header: Header, name: str) -> Hashable:
    """An attribute of a single-frame file: numbers as such, so that 120 and 120.0 are one voltage."""
    if name in ("Rows", "Columns"):
        return header.number(name)
    return header.floats(name) or header.text(name)


def header_parts(headers: Sequence[Header]) -> tuple[list[Part[Header]], Stack | None]:
    """The image sets of a series of single-frame files, [] where it is one or can't be parted; and its stack where it is one."""
    whole: Stack | None = None
    try:
        whole = stack_slices(headers)
        if not any(f.code == "instance_order" for f in whole.findings):
            return [], whole
    except ExamError as e:
        if not divisible(e):
            return [], None
    interleaved = whole is not None

    def check(items: Sequence[Header]) -> bool:
        try:
            found = stack_slices(items)
        except ExamError:
            return False
        return not (interleaved and any(f.code == "instance_order" for f in found.findings))

    # Slices that make one even volume are two sets only where a header says so in one of these words.
    parts = parts_of(headers, header_value, check, *(((), _PERHAPS[:3]) if interleaved else ()))
    return parts, None if parts else whole


def names_of(by: Sequence[str]) -> str:
    """What parts differ in, for a sentence."""
    said = {
        "KVP": tr("tube voltage"),
        "ConvolutionKernel": tr("kernel"),
        "SliceThickness": tr("slice thickness"),
        "PixelSpacing": tr("field of view"),
        "Rows": tr("matrix"),
        "Columns": tr("matrix"),
        "ReconstructionDiameter": tr("field of view"),
        "ReconstructionTargetCenterPatient": tr("field of view"),
        "AcquisitionNumber": tr("acquisition"),
        "FrameAcquisitionNumber": tr("acquisition"),
        "TemporalPositionIdentifier": tr("time"),
        "TemporalPositionIndex": tr("time"),
        "TemporalPositionTimeOffset": tr("time"),
        "NominalPercentageOfCardiacPhase": tr("cardiac phase"),
        "NominalCardiacTriggerDelayTime": tr("cardiac phase"),
        "TriggerTime": tr("cardiac phase"),
        "AcquisitionTime": tr("time"),
        "AcquisitionDateTime": tr("time"),
        "IrradiationEventUID": tr("acquisition"),
        "ContentTime": tr("time"),
        "file": tr("file"),
    }
    return listed(dict.fromkeys(said.get(name, tr("kind of image")) for name in by))
