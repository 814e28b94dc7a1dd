"""From HU to the network's input: the one definition that training and reading share, driven by the bundle.

HU patch -> clip to the HU window, scaled to [0, 1] -> square crop -> resize -> (x - mean) / std per channel.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from hyrisk_desktop.imaging.volume import HuArray, Voxel
from hyrisk_desktop.risk.json_checks import check_integer, check_keys, check_number, check_tuple

if TYPE_CHECKING:
    from torch import Tensor

_LARGEST_SIDE = 4096
"""No scan is larger; what asks for more is a typing mistake that would fill the memory."""


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
        if smallest > largest or not all(0 < crop <= 1 and self.side(crop) >= 1 for crop in crops):
            raise ValueError("crops must be shares of the patch, the smallest first")
        for v in check_tuple("mean", self.mean, 3):
            check_number("mean", v)
        if min(check_number("std", v) for v in check_tuple("std", self.std, 3)) <= 0:
            raise ValueError("std must be positive")

    def to_json(self) -> dict[str, Any]:
        """A dict of JSON types."""
        return {key: list(value) if isinstance(value, tuple) else value for key, value in asdict(self).items()}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Preprocessing:
        """Inverse of `to_json`; raises TypeError on unknown or missing keys, ValueError on unusable values."""
        values: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in check_keys(cls, data).items()}
        return cls(**values)

    def side(self, ratio: float) -> int:
        """Side in pixels of a crop with side ``ratio`` of the patch."""
        return round(self.patch_xyz[0] * ratio)


@dataclass(frozen=True, slots=True)
class Crop:
    """A square crop of the patch in pixels, rows from ``top`` and columns from ``left``."""

    top: int
    left: int
    side: int


def centred_crop(preprocessing: Preprocessing, ratio: float | None = None, shift: tuple[int, int] = (0, 0)) -> Crop:
    """The crop around the patch centre, moved by ``shift`` (x, y) pixels; ``ratio`` defaults to inference's.

    A crop with little margin moves only as far as the patch reaches: a negative index would wrap around.
    """
    side = preprocessing.side(preprocessing.inference_crop if ratio is None else ratio)
    columns, rows, _ = preprocessing.patch_xyz
    top, left = (rows - side) // 2 + shift[1], (columns - side) // 2 + shift[0]
    return Crop(min(max(top, 0), rows - side), min(max(left, 0), columns - side), side)


def random_crop(preprocessing: Preprocessing, rng: np.random.Generator) -> Crop:
    """A training crop: side ratio uniform in ``training_crop``, anywhere inside the patch."""
    side = preprocessing.side(float(rng.uniform(*preprocessing.training_crop)))
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

    low, high = preprocessing.hu_window
    size = preprocessing.input_size if input_size is None else input_size
    windowed = (patches.to(torch.float32).clamp(low, high) - low) / (high - low)
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
