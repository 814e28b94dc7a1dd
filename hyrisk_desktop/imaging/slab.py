"""The few slices that a known heart centre needs, instead of the whole series.

Scores, risk and the findings at the centre look at the slices around the click only. They are read into a volume of full
size, so that every coordinate, border and finding is what it is with the whole series; the other slices stay empty and
take no memory.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

from hyrisk_desktop.imaging.checks import slices_of_ball
from hyrisk_desktop.imaging.headers.kinds import Kind
from hyrisk_desktop.imaging.pixels.blank_volume import sparse_array
from hyrisk_desktop.imaging.pixels.single_frame import read_some_slices
from hyrisk_desktop.imaging.read import read_volume, readable
from hyrisk_desktop.imaging.records import SeriesRecord
from hyrisk_desktop.imaging.slices import Stack
from hyrisk_desktop.imaging.volume import CTVolume
from hyrisk_desktop.jobs import CancelToken

SlicesSeen = Callable[[int, int, float], Collection[int]]
"""The slices that a network looks at around the centre's slice, of that many slices of that increment in mm."""
_NEIGHBOURS = 1
NEAR_Z_MM = 5.0
"""How far above and below the scored slices is looked for calcium that a slightly different click would count: as far as
the risk's interval moves the click along z."""


@dataclass(frozen=True, slots=True, eq=False)
class Slab:
    """A volume of which only some slices were read.

    Attributes:
        volume: in full size; slices that were not read hold 0 HU and must not be looked at.
        slices: those that were read, ascending; all of them where ``whole``.
        whole: the whole series was read, because it lies in one file or because its slices looked doubtful.
    """

    volume: CTVolume
    slices: tuple[int, ...]
    whole: bool


def slices_needed(centre_z: int, depth: int, spacing_z_mm: float, half_slices: int = 2) -> tuple[int, ...]:
    """The slices of ``depth`` that everything measured at slice ``centre_z`` looks at, ascending.

    Args:
        spacing_z_mm: distance of slices.
        half_slices: what is scored or shown to the network, to either side; at least one more is read to tell whether it
            fits in, and as many as `NEAR_Z_MM` holds.
    """
    reach = half_slices + max(_NEIGHBOURS, math.floor(NEAR_Z_MM / spacing_z_mm + 1e-6))
    near = range(max(0, centre_z - reach), min(depth, centre_z + reach + 1))
    ball = slices_of_ball(centre_z, depth, spacing_z_mm) if 0 <= centre_z < depth else ()
    return tuple(sorted({*near, *ball}))


def read_slab(
    record: SeriesRecord,
    centre_z: int,
    *,
    half_slices: int = 2,
    seen: SlicesSeen | None = None,
    cancel: CancelToken | None = None,
) -> Slab:
    """Read what a measurement at slice ``centre_z`` looks at; the whole series is checked by its headers.

    Args:
        record: a series that `find_series` found.
        centre_z: the heart centre's slice; outside the series no slice is read, and measuring says so.
        half_slices: slices needed to either side: 2 for a region of five and for the patch with its interval.
        seen: what a network looks at beside these, at other heights; None for one that looks at the click's alone.
        cancel: polled between slices.

    Raises:
        ExamError: as `read_volume`, but for damage that only the pixels of other slices would show.
        Cancelled: ``cancel`` was set.
    """

    def choose(stack: Stack) -> Sequence[int]:
        depth, spacing_z_mm = len(stack.headers), stack.grid.spacing_mm[2]
        needed = slices_needed(centre_z, depth, spacing_z_mm, half_slices)
        return sorted({*needed, *_also(seen, centre_z, depth, spacing_z_mm)})

    if record.kind is Kind.AXIAL:
        with readable():
            if (some := read_some_slices(record, choose, cancel)) is not None:
                return Slab(*some, whole=False)
    volume = read_volume(record, cancel=cancel)
    return Slab(volume, tuple(range(volume.shape_zyx[0])), whole=True)


def thin(volume: CTVolume, centre_z: int, half_slices: int = 2, seen: SlicesSeen | None = None) -> CTVolume:
    """``volume`` without the memory of the slices that a prediction at ``centre_z`` doesn't look at.

    Args:
        volume: the exam. centre_z, half_slices, seen: as of `read_slab`.
    """
    first, stop = max(0, centre_z - half_slices), max(0, centre_z + half_slices + 1)
    hu = sparse_array(volume.shape_zyx, volume.hu.dtype)
    hu[first:stop] = volume.hu[first:stop]
    for z in _also(seen, centre_z, volume.shape_zyx[0], volume.spacing_mm[2]):
        hu[z] = volume.hu[z]
    return dataclasses.replace(volume, hu=hu)


def _also(seen: SlicesSeen | None, centre_z: int, depth: int, spacing_z_mm: float) -> Collection[int]:
    """What ``seen`` adds; nothing around a centre outside the volume, which measuring refuses."""
    return () if seen is None or not 0 <= centre_z < depth else seen(centre_z, depth, spacing_z_mm)
