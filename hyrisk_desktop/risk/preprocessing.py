"""From HU to the network's input: the one definition that training and reading share, driven by the bundle.

HU patch (moved to the bundle's blood) -> clip to the HU window, scaled to [0, 1] -> square crop -> resize -> (x - mean) / std per channel.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from hyrisk_desktop.imaging.volume import HuArray, Voxel
from hyrisk_desktop.risk.json_checks import check_integer, check_keys, check_number, check_tuple

if TYPE_CHECKING:
    from torch import Tensor

_LARGEST_SIDE = 4096
"""No scan is larger; what asks for more is a typing mistake that would fill the memory."""
_BLOOD_RANGE, _BLOOD_HALF_WIDTH, _LARGEST_SHIFT = (-50.0, 150.0), 40.0, 20.0
"""HU of soft tissue without contrast; how far around its median blood is looked for; and the most that an exam is moved."""
_FEWEST_BLOOD = 200
_MOST_LEVELS, _FARTHEST_LEVEL_MM = 9, 30.0


@dataclass(frozen=True, slots=True)
class Preprocessing:
    """Everything that decides which numbers the network sees; stored in the model bundle.

    Attributes:
        hu_window: lower and upper HU, mapped to 0 and 1.
        patch_xyz: columns, rows and slices of the patch around the centre; all odd.
        inference_crop: side of the centred crop as a share of the patch side.
        training_crop: range of that share in training; crops lie anywhere inside the patch.
        input_size: side in pixels of the square the crop is resized to.
        mean, std: per channel, of windowed values in the training part.
        crop_mm: side of the centred crop in millimetres, whatever the pixel size; it then takes the place of
            ``inference_crop``, and ``training_crop`` changes with it. None, the paper's mode: crops are shares of the patch.
        blood_hu: HU that the exam's own blood is moved to before the window, None to leave HU as they are.
        levels_mm: heights along z, from the click, at which the patch is looked at; the reading is of the features' mean. The
            click's own, 0, is one of them. None, the paper's mode: the click's own alone.

    Raises:
        ValueError: a value is no number, or one that no network could have been trained with.
    """

    hu_window: tuple[float, float] = (-200.0, 500.0)
    patch_xyz: tuple[int, int, int] = (161, 161, 3)
    inference_crop: float = 0.7
    training_crop: tuple[float, float] = (0.6, 0.8)
    input_size: int = 224
    mean: tuple[float, float, float] = (0.5, 0.5, 0.5)
    std: tuple[float, float, float] = (0.25, 0.25, 0.25)
    crop_mm: float | None = None
    blood_hu: float | None = None
    levels_mm: tuple[float, ...] | None = None

    def __post_init__(self) -> None:
        low, high = (check_number("hu_window", v) for v in check_tuple("hu_window", self.hu_window, 2))
        if not low < high:
            raise ValueError("hu_window must rise")
        columns, rows, slices = (
            check_integer("patch_xyz", v, 1, _LARGEST_SIDE) for v in check_tuple("patch_xyz", self.patch_xyz, 3)
        )
        if columns != rows or columns % 2 == 0 or slices != 3:
            raise ValueError("patch_xyz must be an odd square of three slices")
        check_integer("input_size", self.input_size, 32, _LARGEST_SIDE)
        smallest, largest = (
            check_number("training_crop", v) for v in check_tuple("training_crop", self.training_crop, 2)
        )
        crops = (smallest, largest, check_number("inference_crop", self.inference_crop))
        if smallest > largest or not all(0 < crop <= 1 and round(self.patch_xyz[0] * crop) >= 1 for crop in crops):
            raise ValueError("crops must be shares of the patch, the smallest first")
        for v in check_tuple("mean", self.mean, 3):
            check_number("mean", v)
        if min(check_number("std", v) for v in check_tuple("std", self.std, 3)) <= 0:
            raise ValueError("std must be positive")
        if self.crop_mm is not None and not 0 < check_number("crop_mm", self.crop_mm) <= _LARGEST_SIDE:
            raise ValueError("crop_mm must be a length in millimetres")
        low, high = _BLOOD_RANGE
        if self.blood_hu is not None and not low <= check_number("blood_hu", self.blood_hu) <= high:
            raise ValueError("blood_hu must be the HU of blood without contrast")
        if self.levels_mm is not None:
            _check_levels(self.levels_mm)

    def to_json(self) -> dict[str, Any]:
        """A dict of JSON types; without what the paper's mode does not have, as bundles were always written."""
        values = {key: list(value) if isinstance(value, tuple) else value for key, value in asdict(self).items()}
        return {key: value for key, value in values.items() if value is not None}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Preprocessing:
        """Inverse of `to_json`; raises TypeError on unknown or missing keys, ValueError on unusable values."""
        own: dict[str, Any] = {"crop_mm": None, "blood_hu": None, "levels_mm": None}
        known = check_keys(cls, own | data)
        values: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in known.items()}
        return cls(**values)

    def side(self, ratio: float, pixel_mm: float | None = None) -> int:
        """Side in pixels of a crop with side ``ratio`` of the patch; in the mode in millimetres, of what stands for it there.

        Raises:
            ValueError: this mode needs ``pixel_mm``, the exam's pixel size.
        """
        if self.crop_mm is None:
            return round(self.patch_xyz[0] * ratio)
        if pixel_mm is None:
            raise ValueError("a crop in millimetres needs the pixel size")
        side = self.crop_mm / pixel_mm * ratio / self.inference_crop
        return max(1, round(min(side, self.patch_xyz[0])))

    def level_slices(self, increment_mm: float) -> tuple[int, ...]:
        """How many slices above the click each of the levels lies, in an exam of ``increment_mm``; (0,) in the paper's mode."""
        return tuple(round(level / increment_mm) for level in self.levels_mm or (0.0,))


def _check_levels(levels_mm: object) -> None:
    """Raise ValueError for what are no heights around the click."""
    if not isinstance(levels_mm, tuple) or not 1 <= len(levels_mm) <= _MOST_LEVELS:
        raise ValueError(f"levels_mm must have 1 to {_MOST_LEVELS} values")
    levels = [check_number("levels_mm", value) for value in levels_mm]
    if 0 not in levels or levels != sorted(set(levels)) or max(map(abs, levels)) > _FARTHEST_LEVEL_MM:
        raise ValueError("levels_mm must rise, hold 0 and lie near the click")


@dataclass(frozen=True, slots=True)
class Crop:
    """A square crop of the patch in pixels, rows from ``top`` and columns from ``left``."""

    top: int
    left: int
    side: int


def centred_crop(
    preprocessing: Preprocessing,
    ratio: float | None = None,
    shift: tuple[int, int] = (0, 0),
    *,
    pixel_mm: float | None = None,
) -> Crop:
    """The crop around the patch centre. One with little margin moves only as far as the patch reaches.

    Args:
        preprocessing: of the bundle. ratio: side of the crop, inference's where None. shift: (x, y) pixels.
        pixel_mm: of the exam, for a bundle whose crop is in millimetres.
    """
    side = preprocessing.side(preprocessing.inference_crop if ratio is None else ratio, pixel_mm)
    columns, rows, _ = preprocessing.patch_xyz
    top, left = (rows - side) // 2 + shift[1], (columns - side) // 2 + shift[0]
    return Crop(min(max(top, 0), rows - side), min(max(left, 0), columns - side), side)


def random_crop(preprocessing: Preprocessing, rng: np.random.Generator, pixel_mm: float | None = None) -> Crop:
    """A training crop: side ratio uniform in ``training_crop``, anywhere inside the patch; ``pixel_mm`` as of `centred_crop`."""
    side = preprocessing.side(float(rng.uniform(*preprocessing.training_crop)), pixel_mm)
    columns, rows, _ = preprocessing.patch_xyz
    return Crop(int(rng.integers(0, rows - side + 1)), int(rng.integers(0, columns - side + 1)), side)


def cut_block(hu: HuArray, centre: Voxel, size_xyz: tuple[int, int, int], fill: float) -> tuple[HuArray, bool]:
    """Copy the block of ``size_xyz`` voxels (odd) around ``centre``; outside the volume it holds ``fill``.

    Args:
        hu: [z, y, x].

    Returns:
        The block [z, y, x] in the volume's dtype, and whether any of it lay outside the volume.
    """
    starts = [c - s // 2 for c, s in zip(centre[::-1], size_xyz[::-1], strict=True)]
    block = np.full(size_xyz[::-1], fill, hu.dtype)
    target, source = [], []
    for start, length, extent in zip(starts, block.shape, hu.shape, strict=True):
        low, high = max(start, 0), min(start + length, extent)
        high = max(low, high)
        target.append(slice(low - start, high - start))
        source.append(slice(low, high))
    inside = hu[tuple(source)]
    block[tuple(target)] = inside
    return block, inside.size != block.size


def cut_patch(hu: HuArray, centre: Voxel, preprocessing: Preprocessing) -> tuple[HuArray, bool]:
    """The patch [3, 161, 161] in HU around ``centre``, and whether it reaches outside the volume."""
    return cut_block(hu, centre, preprocessing.patch_xyz, preprocessing.hu_window[0])


def in_window(patches: Tensor, preprocessing: Preprocessing) -> Tensor:
    """HU patches [N, 3, rows, columns], floating point, to shares of the window, 0 to 1, their blood moved where the bundle says so."""
    low, high = preprocessing.hu_window
    if preprocessing.blood_hu is not None:
        patches = patches + _shifts(patches, preprocessing.blood_hu)[:, None, None, None]
    return (patches.clamp(low, high) - low) / (high - low)


def _shifts(patches: Tensor, blood_hu: float) -> Tensor:
    """HU [N] that bring the blood and heart muscle of each of patches [N, 3, rows, columns] to ``blood_hu``."""
    shifts = [blood_shift(values, blood_hu, lambda near: float(near.median())) for values in inner_half(patches)]
    return patches.new_tensor(shifts)


def inner_half(patches: Any) -> Any:
    """The voxels [N, 3 n] of the middle half of patches [N, 3, rows, columns]; torch's or numpy's, as they came."""
    rows, columns = patches.shape[-2:]
    inner = patches[..., rows // 4 : rows - rows // 4, columns // 4 : columns - columns // 4]
    return inner.reshape(len(patches), -1)


def blood_shift(values: Any, blood_hu: float, median: Callable[[Any], float]) -> float:
    """HU that bring a patch's blood and heart muscle to ``blood_hu``; at most 20: what is further off is no drift of a scanner.

    Blood fills most of the patch's inner half without contrast, so the median of its soft tissue stands for it.

    Args:
        values: [n] HU of the inner half, torch's or numpy's. blood_hu: of the bundle. median: of such values, the lower one
            of the middle two.
    """
    low, high = _BLOOD_RANGE
    middle = 0.0
    for _ in range(3):
        near = values[(values >= low) & (values <= high)]
        if len(near) < _FEWEST_BLOOD:
            return 0.0
        middle = median(near)
        low, high = middle - _BLOOD_HALF_WIDTH, middle + _BLOOD_HALF_WIDTH
    return min(max(blood_hu - middle, -_LARGEST_SHIFT), _LARGEST_SHIFT)


def prepare(
    patches: Tensor, crops: Sequence[Crop], preprocessing: Preprocessing, input_size: int | None = None
) -> Tensor:
    """HU patches to network input.

    Args:
        preprocessing: window, size and normalisation.
        patches: [N, 3, rows, columns] HU, any real dtype, on the device the result shall be on.
        crops: one per patch, or a single one for all.
        input_size: overrides the bundle's, for training at a smaller size first.

    Returns:
        [N, 3, size, size] float32, normalised. Shrinking smooths first, so that noise does not alias.
    """
    import torch
    from torch.nn.functional import interpolate

    size = preprocessing.input_size if input_size is None else input_size
    windowed = in_window(patches.to(torch.float32), preprocessing)
    if len(crops) == 1:
        crop = crops[0]
        cut = windowed[..., crop.top : crop.top + crop.side, crop.left : crop.left + crop.side]
        resized = interpolate(cut, (size, size), mode="bilinear", align_corners=False, antialias=True)
    else:
        resized = torch.cat(
            [
                interpolate(
                    windowed[i : i + 1, :, c.top : c.top + c.side, c.left : c.left + c.side],
                    (size, size),
                    mode="bilinear",
                    align_corners=False,
                    antialias=True,
                )
                for i, c in enumerate(crops)
            ]
        )
    mean = torch.tensor(preprocessing.mean, device=patches.device)[:, None, None]
    std = torch.tensor(preprocessing.std, device=patches.device)[:, None, None]
    return (resized - mean) / std
