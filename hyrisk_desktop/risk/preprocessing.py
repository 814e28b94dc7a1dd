"""From HU to the network's input: the one definition that training and reading share, driven by the bundle.

HU patch -> clip to the HU window, scaled to [0, 1] -> square crop -> resize -> (x - mean) / std per channel.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from hyrisk_desktop.imaging.volume import HuArray, Voxel

if TYPE_CHECKING:
    from torch import Tensor


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
    """

    hu_window: tuple[float, float] = (-200.0, 500.0)
    patch_xyz: tuple[int, int, int] = (161, 161, 3)
    inference_crop: float = 0.7
    training_crop: tuple[float, float] = (0.6, 0.8)
    input_size: int = 224
    mean: tuple[float, float, float] = (0.5, 0.5, 0.5)
    std: tuple[float, float, float] = (0.25, 0.25, 0.25)

    def to_json(self) -> dict[str, Any]:
        """A dict of JSON types."""
        return {key: list(value) if isinstance(value, tuple) else value for key, value in asdict(self).items()}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Preprocessing:
        """Inverse of `to_json`; raises TypeError on unknown or missing keys."""
        values: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in data.items()}
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
    """The crop around the patch centre, moved by ``shift`` (x, y) pixels; ``ratio`` defaults to inference's."""
    side = preprocessing.side(preprocessing.inference_crop if ratio is None else ratio)
    columns, rows, _ = preprocessing.patch_xyz
    return Crop((rows - side) // 2 + shift[1], (columns - side) // 2 + shift[0], side)


def random_crop(preprocessing: Preprocessing, rng: np.random.Generator) -> Crop:
    """A training crop: side ratio uniform in ``training_crop``, anywhere inside the patch."""
    side = preprocessing.side(float(rng.uniform(*preprocessing.training_crop)))
    columns, rows, _ = preprocessing.patch_xyz
    return Crop(int(rng.integers(0, rows - side + 1)), int(rng.integers(0, columns - side + 1)), side)


def cut_block(hu: HuArray, centre: Voxel, size_xyz: tuple[int, int, int], fill: float) -> tuple[HuArray, bool]:
    """Copy the block of ``size_xyz`` voxels (odd) around ``centre``; outside the volume it holds ``fill``.

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


def score_input(grade: float) -> float:
    """CAC grade 0..3 (fractional for a mean of readers) -> the network's score input -1..+1."""
    return grade * 2.0 / 3.0 - 1.0
