"""From a volume to what a view draws: planes, windows and colours, as plain functions of arrays.

Plane coordinates are (u, v) in voxels, u to the right and v down on screen. Volumes are stored with x to the
patient's left, y to the back and z to the head, so images come out as radiologists expect: patient's right on
the left of the picture in axial and coronal views, front on the left in sagittal ones, head up.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from hyrisk_desktop.calcium import CalciumScores, Region
from hyrisk_desktop.gui.overlay import Overlay
from hyrisk_desktop.imaging import CTVolume, Voxel
from hyrisk_desktop.imaging.volume import HuArray

_GREYS = np.arange(256, dtype=np.uint32) * np.uint32(0x010101) | np.uint32(0xFF000000)
_Colour = TypeVar("_Colour", np.uint8, np.uint32)
_WHOLE_HEART_MM = (120.0, 100.0, 100.0)


class Plane(Enum):
    """The three orthogonal planes."""

    AXIAL = "axial"
    CORONAL = "coronal"
    SAGITTAL = "sagittal"


ORIENTATION_LETTERS = {
    # left, right, top, bottom of the picture
    Plane.AXIAL: ("R", "L", "A", "P"),
    Plane.CORONAL: ("R", "L", "H", "F"),
    Plane.SAGITTAL: ("A", "P", "H", "F"),
}


@dataclass(frozen=True, slots=True)
class PlaneGeometry:
    """How one plane cuts a volume of ``shape_zyx`` voxels of ``spacing_mm`` (x, y, z)."""

    plane: Plane
    shape_zyx: tuple[int, int, int]
    spacing_mm: tuple[float, float, float]

    @property
    def count(self) -> int:
        """Number of slices in this plane."""
        return self.shape_zyx[{Plane.AXIAL: 0, Plane.CORONAL: 1, Plane.SAGITTAL: 2}[self.plane]]

    @property
    def size_uv(self) -> tuple[int, int]:
        """Columns and rows of the picture."""
        d, r, c = self.shape_zyx
        return {Plane.AXIAL: (c, r), Plane.CORONAL: (c, d), Plane.SAGITTAL: (r, d)}[self.plane]

    @property
    def spacing_uv(self) -> tuple[float, float]:
        """Millimetres per column and row."""
        x, y, z = self.spacing_mm
        return {Plane.AXIAL: (x, y), Plane.CORONAL: (x, z), Plane.SAGITTAL: (y, z)}[self.plane]

    def slab_slices(self, slab_mm: float) -> int:
        """How many slices of this plane a slab of ``slab_mm`` takes; at least one."""
        normal = {Plane.AXIAL: 2, Plane.CORONAL: 1, Plane.SAGITTAL: 0}[self.plane]
        return max(1, round(slab_mm / self.spacing_mm[normal]))

    def to_plane(self, voxel: tuple[float, float, float]) -> tuple[float, float, float]:
        """(x, y, z) -> (u, v, slice)."""
        x, y, z = voxel
        flipped = self.shape_zyx[0] - 1 - z
        return {Plane.AXIAL: (x, y, z), Plane.CORONAL: (x, flipped, y), Plane.SAGITTAL: (y, flipped, x)}[self.plane]

    def to_voxel(self, u: float, v: float, index: int) -> Voxel:
        """Nearest voxel (x, y, z) to a place in slice ``index``; may lie outside the volume."""
        i, j = int(np.floor(u + 0.5)), int(np.floor(v + 0.5))
        if self.plane is Plane.AXIAL:
            return i, j, index
        z = self.shape_zyx[0] - 1 - j
        return (i, index, z) if self.plane is Plane.CORONAL else (index, i, z)

    def cut(self, array: HuArray, index: int, slab: int = 1) -> HuArray:
        """The picture [v, u] of slice ``index`` of a [z, y, x] array; with ``slab`` > 1 the maximum over that many."""
        low = max(0, index - (slab - 1) // 2)
        high = min(self.count, index + slab // 2 + 1)
        axis = {Plane.AXIAL: 0, Plane.CORONAL: 1, Plane.SAGITTAL: 2}[self.plane]
        part = array[(slice(None),) * axis + (slice(low, high),)]
        picture = part.max(axis=axis) if high - low > 1 else np.squeeze(part, axis=axis)
        return picture if self.plane is Plane.AXIAL else picture[::-1]

    def rectangle(self, region: Region) -> tuple[float, float, float, float]:
        """Edges (u0, v0, u1, v1) in plane coordinates, half a voxel outside the region's outer voxels."""
        (x0, y0, z0), (x1, y1, z1) = region.start, region.stop
        u0, va, _ = self.to_plane((x0, y0, z0))
        u1, vb, _ = self.to_plane((x1 - 1, y1 - 1, z1 - 1))
        return u0 - 0.5, min(va, vb) - 0.5, u1 + 0.5, max(va, vb) + 0.5

    def rectangle_mm(self, region: Region) -> tuple[float, float, float, float]:
        """The same as left, top, width and height in mm from the slice's upper left corner."""
        u0, v0, u1, v1 = self.rectangle(region)
        su, sv = self.spacing_uv
        return (u0 + 0.5) * su, (v0 + 0.5) * sv, (u1 - u0) * su, (v1 - v0) * sv

    def place_mm(self, place: tuple[float, float, float]) -> tuple[float, float]:
        """Where ``place`` (x, y, z in voxels and parts of them) lies, in mm from the slice's upper left corner."""
        (u, v, _), (su, sv) = self.to_plane(place), self.spacing_uv
        return (u + 0.5) * su, (v + 0.5) * sv

    def crosses(self, region: Region, index: int) -> bool:
        """Whether slice ``index`` passes through ``region``."""
        low, high = self.to_plane(region.start)[2], self.to_plane(region.stop)[2]
        return low <= index < high


def window_table(level: float, width: float) -> NDArray[np.uint8]:
    """Grey value of every int16 HU, indexed by its bits as uint16: one gather per frame instead of arithmetic.

    The linear VOI LUT function of DICOM PS3.3 C.11.2.1.2 to display values 0 to 255.
    """
    step = max(width - 1.0, 1e-3)
    grey = np.zeros(65536, np.uint8)
    # In the order of HU: only the slope is arithmetic, all below is black and all above white.
    first, last = (int(np.clip(hu, -32768, 32768)) for hu in (level - 0.5 - step / 2 - 1, level - 0.5 + step / 2 + 2))
    slope = ((np.arange(first, last, dtype=np.float32) - (level - 0.5)) / step + 0.5) * 255.0
    grey[first + 32768 : last + 32768] = np.clip(np.rint(slope), 0, 255)
    grey[last + 32768 :] = 255
    return np.roll(grey, -32768)


def rgb32(table: NDArray[np.uint8]) -> NDArray[np.uint32]:
    """A grey table [65536] as opaque RGB32 colours, which Qt paints without converting them."""
    return _GREYS[table]


def apply_window(
    picture: HuArray,
    table: NDArray[_Colour],
    out: NDArray[_Colour] | None = None,
    index: NDArray[np.intp] | None = None,
) -> NDArray[_Colour]:
    """HU picture [v, u] -> colours [v, u] of a table [65536] by HU bits, C-contiguous; into ``out`` where it is given.

    Args:
        picture, table: HU and colours. out: [v, u]. index: [some rows, u], room to work in that is kept from picture to picture:
            numpy looks up by 64 bits, and memory that the system hands out anew costs four times the look-up.
    """
    if picture.dtype != np.int16:
        picture = np.clip(np.rint(picture), -32768, 32767).astype(np.int16)
    bits: NDArray[np.uint16] = np.ascontiguousarray(picture).view(np.uint16)
    if out is None:
        out = np.empty(bits.shape, table.dtype)
    if index is None:
        index = np.empty(bits.shape, np.intp)
    for start in range(0, len(bits), len(index)):
        rows = bits[start : start + len(index)]
        np.copyto(index[: len(rows)], rows)
        # "clip" changes nothing for 16 bits, and lets numpy write into the buffer itself.
        np.take(table, index[: len(rows)], out=out[start : start + len(rows)], mode="clip")
    return out


def overlay_colours(overlay: Overlay, geometry: PlaneGeometry, index: int) -> NDArray[np.uint8] | None:
    """RGBA picture of what slice ``index`` cuts of an overlay, over its own box only, or None for nothing.

    The picture covers ``geometry.rectangle(overlay.region)``.
    """
    labels, start, plane = overlay.labels, overlay.start, geometry.plane
    offset = {Plane.AXIAL: start[2], Plane.CORONAL: start[1], Plane.SAGITTAL: start[0]}[plane]
    axis = {Plane.AXIAL: 0, Plane.CORONAL: 1, Plane.SAGITTAL: 2}[plane]
    if not 0 <= index - offset < labels.shape[axis]:
        return None
    cut: NDArray[np.int32] = np.take(labels, index - offset, axis=axis)
    if not cut.any():
        return None
    return overlay.colours[cut if plane is Plane.AXIAL else cut[::-1]]


def lesion_at(scores: CalciumScores, voxel: Voxel) -> int | None:
    """Index of the lesion that holds ``voxel``, or None."""
    x, y, z = (v - s for v, s in zip(voxel, scores.label_start, strict=True))
    d, r, c = scores.labels.shape
    if not (0 <= x < c and 0 <= y < r and 0 <= z < d):
        return None
    label = int(scores.labels[z, y, x])
    return label - 1 if label else None


def default_box(volume: CTVolume, around: Voxel) -> Region:
    """A box of about a heart's size around ``around``, inside ``volume``."""
    w, h, d = (
        max(3, min(n, round(mm / s)))
        for mm, s, n in zip(_WHOLE_HEART_MM, volume.spacing_mm, volume.shape_zyx[::-1], strict=True)
    )
    return Region.around(around, (w, h, d)).clipped(volume)


def dicom_window(volume: CTVolume | None) -> tuple[float, float] | None:
    """Level and width stored in the header (the first of several), or None."""
    if volume is None:
        return None
    try:
        level = float(volume.attributes["WindowCenter"].split("\\")[0].strip("[] ,"))
        width = float(volume.attributes["WindowWidth"].split("\\")[0].strip("[] ,"))
    except (KeyError, ValueError):
        return None
    return (level, width) if width >= 1 else None
