"""An oblique plane through a volume, resampled for looking: turned about the body's long axis, then tilted.

Nothing is measured on it: scores and network see the voxels as they were scanned.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hyrisk_desktop.imaging.pixels.padding import AIR_HU
from hyrisk_desktop.imaging.volume import CTVolume, HuArray, Voxel

F64 = NDArray[np.float64]
Place = tuple[float, float, float]
_FINEST_MM = 0.6
_MOST_PIXELS = 640


@dataclass(frozen=True, slots=True)
class ObliquePlane:
    """A plane through ``through`` (voxel x, y, z); the coronal one where both angles are 0.

    Attributes:
        turn_deg: about z, seen from below as in the axial image: its line there turns clockwise. tilt_deg: about its own
            horizontal; positive leans its upper end forwards, to smaller y.
    """

    through: Voxel
    turn_deg: float = 0.0
    tilt_deg: float = 0.0

    @property
    def right(self) -> F64:
        """Unit vector (x, y, z) in millimetres along the picture's rows."""
        a = math.radians(self.turn_deg)
        return np.array((math.cos(a), math.sin(a), 0.0))

    @property
    def down(self) -> F64:
        """Unit vector along the picture's columns."""
        a, b = math.radians(self.turn_deg), math.radians(self.tilt_deg)
        return np.array((-math.sin(a) * math.sin(b), math.cos(a) * math.sin(b), -math.cos(b)))

    @property
    def normal(self) -> F64:
        """Unit vector to the back, at right angles to both."""
        return np.cross(self.right, self.down)


def extent_px(volume: CTVolume) -> tuple[int, int, float]:
    """Columns and rows of the picture of an oblique plane, odd, and mm per pixel; it holds the volume however it is turned."""
    x, y, z = (n * mm for n, mm in zip(volume.shape_zyx[::-1], volume.spacing_mm, strict=True))
    wide, high = math.hypot(x, y), math.hypot(z, y)
    pixel = max(_FINEST_MM, min(volume.spacing_mm), max(wide, high) / _MOST_PIXELS)
    return 2 * int(wide / pixel / 2) + 1, 2 * int(high / pixel / 2) + 1, pixel


def cut_oblique(volume: CTVolume, plane: ObliquePlane) -> HuArray:
    """HU [rows, columns] of the plane by linear interpolation, air outside the volume; its middle pixel is `plane.through`.

    Args:
        volume, plane: what is cut, and where; the picture has `extent_px`.
    """
    from scipy.ndimage import map_coordinates

    columns, rows, pixel = extent_px(volume)
    u = (np.arange(columns) - columns // 2) * pixel
    v = (np.arange(rows) - rows // 2) * pixel
    places = [
        at + (plane.right[axis] * u[None, :] + plane.down[axis] * v[:, None]) / mm
        for axis, (at, mm) in enumerate(zip(plane.through, volume.spacing_mm, strict=True))
    ]
    cut: HuArray = np.empty((rows, columns), volume.hu.dtype)
    map_coordinates(volume.hu, places[::-1], output=cut, order=1, mode="constant", cval=AIR_HU)
    return cut


def place_on(volume: CTVolume, plane: ObliquePlane, u_mm: float, v_mm: float) -> Place:
    """Where a point of the picture lies in the volume, in voxels (x, y, z) and parts of them.

    Args:
        volume, plane: what is cut, and where. u_mm, v_mm: right and down from the picture's middle.
    """
    moved = plane.right * u_mm + plane.down * v_mm
    x, y, z = (at + by / mm for at, by, mm in zip(plane.through, moved, volume.spacing_mm, strict=True))
    return float(x), float(y), float(z)


def turn_of(dx_mm: float, dy_mm: float) -> float:
    """Turn in degrees, within -90 to 90, of the plane whose line in the axial image has that direction."""
    return _half_turn(math.degrees(math.atan2(dy_mm, dx_mm)))


def tilt_of(turn_deg: float, dy_mm: float, down_mm: float) -> float:
    """Tilt in degrees of the plane turned by ``turn_deg`` whose line in the sagittal image has that direction.

    Args:
        turn_deg: as of `ObliquePlane`. dy_mm: backwards. down_mm: towards the feet.
    """
    along = dy_mm * math.cos(math.radians(turn_deg))
    return _half_turn(math.degrees(math.atan2(along, down_mm)))


def line_in_sagittal(plane: ObliquePlane) -> tuple[float, float]:
    """Direction (backwards, towards the feet) of the plane's line in the sagittal image; the inverse of `tilt_of`."""
    a, b = math.radians(plane.turn_deg), math.radians(plane.tilt_deg)
    return math.sin(b), math.cos(b) * math.cos(a)


def _half_turn(degrees: float) -> float:
    """A line has no head: the same one within -90 to 90."""
    return (degrees + 90.0) % 180.0 - 90.0
