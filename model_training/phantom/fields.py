"""Grids, world-anchored noise and signed distances: the geometry every phantom is drawn with.

Lengths are in mm: x to the patient's left, y to the back, z to the head (DICOM's LPS axes), origin at
the anatomical heart centre. Distances are negative inside. Smooth fields are evaluated on a 2.5 mm
lattice fixed in the world and raised to pixels by two small Catmull-Rom matrix products, so that a
patch, a slab and a whole exam of one subject agree.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
from numpy.typing import NDArray

F32 = NDArray[np.float32]
Points = tuple[F32, F32, F32]
"""x, y, z of a set of points in mm; arrays that broadcast against each other."""
Triple = tuple[float, float, float] | NDArray[np.float64]
"""Three numbers along x, y and z."""

COARSE_MM = 2.5
LATTICE = 64


@dataclass(frozen=True, eq=False)
class Grid:
    """Pixel centres of an axis-aligned block of slices, in mm.

    Attributes:
        x, y, z: float32 coordinates of columns, rows and slices.
        pixel_mm: pixel size in plane.
        increment_mm: distance between slices (and their thickness).
        first_index: (column, row, slice) of the block's first voxel relative to the reader's click, which
            is the origin of the scanner noise.
    """

    x: F32
    y: F32
    z: F32
    pixel_mm: float
    increment_mm: float
    first_index: tuple[int, int, int]

    @property
    def shape(self) -> tuple[int, int, int]:
        """Slices, rows, columns."""
        return len(self.z), len(self.y), len(self.x)

    def slices(self, start: int, stop: int) -> Grid:
        """The same columns and rows for slices ``start`` to ``stop``."""
        i, j, k = self.first_index
        return Grid(self.x, self.y, self.z[start:stop], self.pixel_mm, self.increment_mm, (i, j, k + start))

    def padded(self, margin: int) -> Grid:
        """``margin`` more pixels on each side in plane, for blurring without border effects."""
        i, j, k = self.first_index
        step = np.arange(1, margin + 1, dtype=np.float32) * np.float32(self.pixel_mm)

        def wider(axis: F32) -> F32:
            return np.concatenate([axis[0] - step[::-1], axis, axis[-1] + step]).astype(np.float32)

        return Grid(wider(self.x), wider(self.y), self.z, self.pixel_mm, self.increment_mm, (i - margin, j - margin, k))


def block(
    centre_mm: Triple,
    first_index: tuple[int, int, int],
    shape_xyz: tuple[int, int, int],
    pixel_mm: float,
    increment_mm: float,
) -> Grid:
    """A `Grid` of ``shape_xyz`` voxels whose voxel (0, 0, 0) relative to the click lies at ``centre_mm``.

    Args:
        first_index: of voxel (0, 0, 0). pixel_mm, increment_mm: spacing in the plane and across.
    """
    steps = (pixel_mm, pixel_mm, increment_mm)
    axes = [
        (np.float64(centre_mm[axis]) + (first_index[axis] + np.arange(shape_xyz[axis])) * steps[axis]).astype(
            np.float32
        )
        for axis in range(3)
    ]
    return Grid(axes[0], axes[1], axes[2], pixel_mm, increment_mm, first_index)


def _cubic_weights(position: NDArray[np.float64]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Catmull-Rom weights [n, 4] on lattice points floor-1 .. floor+2, and the first of those indices [n]."""
    base = np.floor(position).astype(np.int64)
    t = position - base
    t2, t3 = t * t, t * t * t
    weights = np.stack([-t + 2 * t2 - t3, 2 - 5 * t2 + 3 * t3, t + 4 * t2 - 3 * t3, t3 - t2], axis=1) * 0.5
    return base - 1, weights


def _interpolation_matrix(position: NDArray[np.float64]) -> tuple[int, F32]:
    """First lattice index used, and the dense matrix [n, lattice points] that interpolates at ``position``."""
    first, weights = _cubic_weights(position)
    start = int(first.min())
    matrix = np.zeros((len(position), int(first.max()) - start + 4), np.float32)
    columns = (first - start)[:, None] + np.arange(4)
    np.put_along_axis(matrix, columns, weights.astype(np.float32), axis=1)
    return start, matrix


class CoarseGrid:
    """The world-fixed 2.5 mm lattice under a `Grid` (in plane; slices stay where they are)."""

    def __init__(self, grid: Grid) -> None:
        first_x, self._to_x = _interpolation_matrix(grid.x.astype(np.float64) / COARSE_MM)
        first_y, self._to_y = _interpolation_matrix(grid.y.astype(np.float64) / COARSE_MM)
        self.x = ((first_x + np.arange(self._to_x.shape[1])) * COARSE_MM).astype(np.float32)
        self.y = ((first_y + np.arange(self._to_y.shape[1])) * COARSE_MM).astype(np.float32)
        self.z = grid.z

    @cached_property
    def points(self) -> Points:
        """Open mesh of x [1, 1, nx], y [1, ny, 1] and z [nz, 1, 1]."""
        return self.x[None, None, :], self.y[None, :, None], self.z[:, None, None]

    @cached_property
    def _columns(self) -> F32:
        return np.ascontiguousarray(self._to_x.T)

    def raise_to_pixels(self, field: F32) -> F32:
        """Interpolate ``field`` [nz, coarse y, coarse x] to [nz, rows, columns]."""
        full = np.broadcast_to(field, (len(self.z), len(self.y), len(self.x)))
        raised: F32 = np.matmul(np.matmul(self._to_y, full), self._columns)
        return raised


@lru_cache(maxsize=1)
def _noise_lattice() -> F32:
    """One fixed periodic lattice of standard normal values; subjects differ by where they start in it."""
    return np.random.default_rng(20180617).standard_normal((LATTICE,) * 3).astype(np.float32)


def noise(x: F32, y: F32, z: F32, scale_mm: float, offset: NDArray[np.float64]) -> F32:
    """Smooth noise of about unit SD on the mesh of three axes: [len(z), len(y), len(x)].

    ``scale_mm`` is the lattice step; ``offset`` (3,) in lattice steps sets the subject and the purpose apart.
    """
    lattice = _noise_lattice()
    first_x, to_x = _interpolation_matrix(x.astype(np.float64) / scale_mm + offset[0])
    first_y, to_y = _interpolation_matrix(y.astype(np.float64) / scale_mm + offset[1])
    columns = (first_x + np.arange(to_x.shape[1])) % LATTICE
    rows = (first_y + np.arange(to_y.shape[1])) % LATTICE
    first_z, weights_z = _cubic_weights(z.astype(np.float64) / scale_mm + offset[2])
    to_x = np.ascontiguousarray(to_x.T) * np.float32(1.45)  # interpolation lowers the SD; bring it back near one
    result = np.empty((len(z), len(y), len(x)), np.float32)
    for k in range(len(z)):
        planes = lattice[(first_z[k] + np.arange(4)) % LATTICE][:, rows][:, :, columns]
        plane = np.tensordot(weights_z[k].astype(np.float32), planes, axes=1)
        np.matmul(to_y @ plane, to_x, out=result[k])
    return result


def ellipsoid(points: Points, centre: Triple, radii: Triple) -> F32:
    """Approximate signed distance [z, y, x] (mm) to an axis-aligned ellipsoid (first-order, exact on the surface)."""
    x, y, z = (points[axis] - np.float32(centre[axis]) for axis in range(3))
    a, b, c = (np.float32(1.0 / radius) for radius in radii)
    x, y, z = x * a, y * b, z * c
    near = np.sqrt(x * x + y * y + z * z)
    x, y, z = x * a, y * b, z * c
    gradient = np.sqrt(x * x + y * y + z * z) + np.float32(1e-6)
    distance: F32 = near * (near - np.float32(1.0)) / gradient
    return distance


def capsule(points: Points, start: Triple, end: Triple, radius: float, end_radius: float | None = None) -> F32:
    """Signed distance [z, y, x] (mm) to a capsule whose radius goes linearly from ``radius`` to ``end_radius``.

    Args:
        points: an open mesh, mm. start, end: middle of its ends, mm.
    """
    axis = [float(end[i]) - float(start[i]) for i in range(3)]
    length2 = sum(value * value for value in axis) + 1e-9
    x, y, z = (points[i] - np.float32(start[i]) for i in range(3))
    t = (x * np.float32(axis[0]) + y * np.float32(axis[1]) + z * np.float32(axis[2])) * np.float32(1.0 / length2)
    t = np.clip(t, 0, 1)
    x, y, z = x - t * np.float32(axis[0]), y - t * np.float32(axis[1]), z - t * np.float32(axis[2])
    distance: F32 = np.sqrt(x * x + y * y + z * z) - np.float32(radius)
    if end_radius is not None:
        distance = distance - t * np.float32(end_radius - radius)
    return distance


def tube(points: Points, path: NDArray[np.float64], radius: float, end_radius: float | None = None) -> F32:
    """Signed distance (mm) to a tube through the rows of ``path`` [n, 3], tapering to ``end_radius``.

    Args:
        points: an open mesh, mm. radius: at the path's beginning, mm.
    """
    radii = np.linspace(radius, radius if end_radius is None else end_radius, len(path))
    distance: F32 | None = None
    for i in range(len(path) - 1):
        part = capsule(points, path[i], path[i + 1], float(radii[i]), float(radii[i + 1]))
        distance = part if distance is None else np.minimum(distance, part)
    assert distance is not None
    return distance


def smooth_min(a: F32, b: F32, width_mm: float) -> F32:
    """Union of two shapes [z, y, x], filleted over ``width_mm`` (polynomial smooth minimum)."""
    blend = np.maximum(np.float32(width_mm) - np.abs(a - b), 0)
    union: F32 = np.minimum(a, b) - blend * blend * np.float32(0.25 / width_mm)
    return union


def smooth_max(a: F32, b: F32, width_mm: float) -> F32:
    """Intersection of two shapes [z, y, x], filleted over ``width_mm``."""
    return -smooth_min(-a, -b, width_mm)


def coverage(distance: F32, width_mm: float) -> F32:
    """Share of a pixel inside a shape, given distances [z, y, x] in mm: a linear ramp of ``width_mm`` across its border."""
    share: F32 = np.clip(np.float32(0.5) - distance * np.float32(1.0 / width_mm), 0, 1)
    return share
