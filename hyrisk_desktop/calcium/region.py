"""The score region: a box of voxels, either around the heart centre or drawn by the reader."""

from __future__ import annotations

from dataclasses import dataclass

from hyrisk_desktop.errors import InputError
from hyrisk_desktop.i18n import tr
from hyrisk_desktop.imaging.volume import CTVolume, Voxel

REGION_SIZE_XYZ = (65, 65, 5)
"""The paper's region around the heart centre, in voxels."""


@dataclass(frozen=True, slots=True)
class Region:
    """A box of voxels, half open: ``start`` (x, y, z) belongs to it, ``stop`` does not."""

    start: Voxel
    stop: Voxel

    @classmethod
    def around(cls, centre: Voxel, size_xyz: tuple[int, int, int] = REGION_SIZE_XYZ) -> Region:
        """The box of ``size_xyz`` voxels whose middle voxel is ``centre`` (an even size has its extra voxel after it)."""
        if min(size_xyz) < 1:
            raise InputError("region_size", tr("The score region needs at least one voxel along each axis."))
        x, y, z = (c - (s - 1) // 2 for c, s in zip(centre, size_xyz, strict=True))
        w, h, d = size_xyz
        return cls((x, y, z), (x + w, y + h, z + d))

    @property
    def size_xyz(self) -> tuple[int, int, int]:
        """Columns, rows and slices."""
        (x0, y0, z0), (x1, y1, z1) = self.start, self.stop
        return x1 - x0, y1 - y0, z1 - z0

    def size_mm(self, volume: CTVolume) -> tuple[float, float, float]:
        """Width, height and depth in mm on ``volume``'s grid."""
        (w, h, d), (sx, sy, sz) = self.size_xyz, volume.spacing_mm
        return w * sx, h * sy, d * sz

    def clipped(self, volume: CTVolume) -> Region:
        """The part inside ``volume``; may be empty."""
        extent = volume.shape_zyx[::-1]
        start = tuple(min(max(a, 0), e) for a, e in zip(self.start, extent, strict=True))
        stop = tuple(min(max(b, a), e) for a, b, e in zip(start, self.stop, extent, strict=True))
        return Region((start[0], start[1], start[2]), (stop[0], stop[1], stop[2]))

    def slices(self) -> tuple[slice, slice, slice]:
        """Index into a [z, y, x] array; the box must lie inside it (see `clipped`)."""
        (x0, y0, z0), (x1, y1, z1) = self.start, self.stop
        return slice(z0, z1), slice(y0, y1), slice(x0, x1)
