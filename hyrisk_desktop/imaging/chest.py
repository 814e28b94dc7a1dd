"""A chest at about 4 mm in the patient's own axes, and its lungs: what the heart's centre and its outline are proposed from."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hyrisk_desktop.imaging.volume import CTVolume, Voxel

F32 = NDArray[np.float32]
Mask = NDArray[np.bool_]

_STEP_MM = 4.0

# Lungs. A body of air that reaches the border is rather the air around the patient, so it must be brighter, unless
# there is no other.
_LUNG_HU, _GAS_HU, _CUT_LUNG_HU = -500.0, -980.0, (-945.0, -970.0)
_LEAST_LUNG_ML, _LEAST_PART_ML, _MOST_PARTS = 60.0, 15.0, 12


@dataclass(frozen=True, slots=True, eq=False)
class ChestGrid:
    """The volume on a coarse grid whose axes run to the patient's left, back and head.

    Attributes:
        hu: [z, y, x]; means over blocks in the stored plane, samples across it.
        unknown: [z, y, x], where the scanner reconstructed nothing.
        step_mm: (x, y, z).
        axes: for x, y, z here the stored axis (0 x, 1 y, 2 z); flipped: whether it runs the other way.
        factors: stored voxels per step along the stored x, y, z.
    """

    hu: F32
    unknown: Mask
    step_mm: tuple[float, float, float]
    axes: tuple[int, int, int]
    flipped: tuple[bool, bool, bool]
    factors: tuple[int, int, int]

    @property
    def voxel_ml(self) -> float:
        """Volume of one voxel in ml."""
        return float(np.prod(self.step_mm)) / 1000.0

    def voxel(self, volume: CTVolume, place: tuple[float, float, float]) -> Voxel:
        """The stored voxel under ``place`` (x, y, z) here, moved into the volume where it lies outside."""
        stored = [0, 0, 0]
        sizes = volume.shape_zyx[::-1]
        for here, (axis, flipped) in enumerate(zip(self.axes, self.flipped, strict=True)):
            factor = self.factors[axis]
            count = self.hu.shape[2 - here]
            index = count - 1 - place[here] if flipped else place[here]
            stored[axis] = int(np.clip(round(index * factor + self._shift(axis)), 0, sizes[axis] - 1))
        return stored[0], stored[1], stored[2]

    def place(self, voxel: Voxel) -> tuple[float, float, float]:
        """Where the stored ``voxel`` lies here, (x, y, z); inverse of `voxel`."""
        found = [0.0, 0.0, 0.0]
        for here, (axis, flipped) in enumerate(zip(self.axes, self.flipped, strict=True)):
            index = (voxel[axis] - self._shift(axis)) / self.factors[axis]
            found[here] = self.hu.shape[2 - here] - 1 - index if flipped else index
        return found[0], found[1], found[2]

    def _shift(self, axis: int) -> float:
        """Stored voxels from the first one to where this grid's first sample lies."""
        # Samples across the slices lie on slices, block means between pixels.
        return self.factors[axis] // 2 if axis == 2 else (self.factors[axis] - 1) / 2

    def stored_box(self, field: F32, start: Voxel, stop: Voxel) -> F32:
        """``field`` [z, y, x] of this grid at every stored voxel from ``start`` to before ``stop``, interpolated linearly.

        Args:
            field: values on this grid. start, stop: stored voxels (x, y, z).

        Returns:
            [z, y, x] in stored order; beyond this grid its border's values.
        """
        from scipy import ndimage

        steps = tuple(slice(None, None, -1 if flip else 1) for flip in reversed(self.flipped))
        order = [2 - self.axes.index(axis) for axis in (2, 1, 0)]
        stored = field[steps].transpose(order)
        shape = tuple(b - a for a, b in zip(start[::-1], stop[::-1], strict=True))
        scale = [1.0 / self.factors[axis] for axis in (2, 1, 0)]
        offset = [(start[axis] - self._shift(axis)) / self.factors[axis] for axis in (2, 1, 0)]
        box: F32 = ndimage.affine_transform(stored, scale, offset, shape, order=1, mode="nearest")
        return box


def chest_grid(volume: CTVolume) -> ChestGrid:
    """The volume at about 4 mm, in LPS order."""
    from scipy import ndimage

    sizes = volume.shape_zyx[::-1]
    fx, fy, fz = (
        max(1, min(round(_STEP_MM / spacing) if spacing < _STEP_MM else 1, size))
        for spacing, size in zip(volume.spacing_mm, sizes, strict=True)
    )
    planes = volume.hu[fz // 2 :: fz, : sizes[1] // fy * fy, : sizes[0] // fx * fx]
    corner = planes[len(planes) // 2, 0, 0]
    middle = planes[:, fy // 2 :: fy, fx // 2 :: fx]
    # Some scanners pad with the HU of air: what equals the corner exactly is padding as well.
    unknown = (middle < -1100) | ((middle == corner) & (corner <= -1000))
    # In a dark lung some voxels equal it by chance; padding lies at the picture's border.
    border = np.zeros(unknown.shape[1:], np.bool_)
    border[[0, -1]] = border[:, [0, -1]] = True
    opened = ndimage.binary_opening(unknown, np.ones((1, 3, 3), np.bool_))
    unknown = ndimage.binary_propagation(opened & border, mask=opened)
    # Every second pixel is enough: noise is correlated over neighbours, and this reads a quarter of the volume.
    places = list(itertools.product(range(0, fy, 2), range(0, fx, 2)))
    total = np.zeros(middle.shape, np.float32)
    for y, x in places:
        total += np.clip(planes[:, y::fy, x::fx], -1200, 1500)
    hu = np.nan_to_num(total / np.float32(len(places)), nan=-1000.0)
    axes = _lps_axes(volume.direction)
    flipped = tuple(bool(volume.direction[i, axis] < 0) for i, axis in enumerate(axes))
    steps = [spacing * factor for spacing, factor in zip(volume.spacing_mm, (fx, fy, fz), strict=True)]
    step_mm = (steps[axes[0]], steps[axes[1]], steps[axes[2]])
    turned = (_turn(hu, axes, flipped), _turn(unknown, axes, flipped))
    return ChestGrid(*turned, step_mm, axes, (flipped[0], flipped[1], flipped[2]), (fx, fy, fz))


def _lps_axes(direction: NDArray[np.float64]) -> tuple[int, int, int]:
    """For L, P and S the stored axis that runs along it most."""
    size = np.abs(np.nan_to_num(direction))
    best = max(itertools.permutations(range(3)), key=lambda p: sum(size[i, axis] for i, axis in enumerate(p)))
    return best[0], best[1], best[2]


def _turn(array: NDArray[Any], axes: tuple[int, int, int], flipped: tuple[bool, ...]) -> NDArray[Any]:
    """``array`` in stored order [z, y, x] as [S, P, L]."""
    turned = array.transpose(tuple(2 - axis for axis in reversed(axes)))
    steps = tuple(slice(None, None, -1 if flip else 1) for flip in reversed(flipped))
    return np.ascontiguousarray(turned[steps])


@dataclass(frozen=True, slots=True, eq=False)
class Lungs:
    """Both lungs and the box of the chest they span.

    Attributes:
        mask: [z, y, x], airways included.
        area_mm2: per slice.
        midline: column half-way between the outer borders; front, back: their rows in a typical slice.
        width_mm: from outer border to outer border.
        cut: whether the field of view cuts one lung and not the other.
    """

    mask: Mask
    area_mm2: F32
    midline: float
    front: float
    back: float
    width_mm: float
    cut: bool


def find_lungs(grid: ChestGrid) -> Lungs | None:
    """Both lungs and their measures; None where there is too little lung."""
    mask = _lung_mask(grid)
    if mask.sum() * grid.voxel_ml < _LEAST_LUNG_ML:
        return None
    area = mask.sum(axis=(1, 2)).astype(np.float32) * np.float32(grid.step_mm[0] * grid.step_mm[1])
    typical = np.flatnonzero(area >= 0.5 * area.max())
    columns, rows = mask[typical].max(axis=1), mask[typical].max(axis=2)
    first, front = (float(np.median(part.argmax(axis=1))) for part in (columns, rows))
    last, back = (part.shape[1] - 1 - float(np.median(part[:, ::-1].argmax(axis=1))) for part in (columns, rows))
    width_mm = (last - first + 1) * grid.step_mm[0]
    cut = (first < 1) != (last > mask.shape[2] - 2)
    return Lungs(mask, area, (first + last) / 2, front, back, width_mm, cut)


def _lung_mask(grid: ChestGrid) -> Mask:
    """Air that is darker than tissue and, as a whole, brighter than the air around the patient."""
    from scipy import ndimage

    air = (grid.hu < _LUNG_HU) & ~grid.unknown
    labels, count = ndimage.label(air)
    sizes = np.bincount(labels.ravel(), minlength=count + 1) * grid.voxel_ml
    sizes[0] = 0.0
    outer: Mask = np.asarray(ndimage.binary_dilation(grid.unknown))
    outer[:, [0, -1]] = outer[:, :, [0, -1]] = True
    reaching = np.bincount(labels[outer], minlength=count + 1) > 0
    # The skin of a body of air is partly tissue, and a thin one is all skin: judge what lies deeper.
    deep = ndimage.binary_erosion(air, border_value=1)
    large = [label for label in np.argsort(-sizes)[:_MOST_PARTS] if sizes[label] >= _LEAST_PART_ML]
    inner = [grid.hu[(labels == label) & deep] for label in large]
    medians = [float(np.median(hu)) if hu.size else -np.inf for hu in inner]
    mask = np.zeros(air.shape, np.bool_)
    for cut_hu in _CUT_LUNG_HU:
        kept = [
            label for label, hu in zip(large, medians, strict=True) if hu > (cut_hu if reaching[label] else _GAS_HU)
        ]
        mask = np.isin(labels, kept)
        if mask.sum() * grid.voxel_ml >= _LEAST_LUNG_ML:
            break
    return mask


def between_lungs(lungs: Mask) -> Mask:
    """What of [z, y, x] has lung on its left and on its right in its row, and is none itself."""
    between = np.logical_or.accumulate(lungs, axis=2)
    between &= np.logical_or.accumulate(lungs[:, :, ::-1], axis=2)[:, :, ::-1]
    between &= ~lungs
    return between
