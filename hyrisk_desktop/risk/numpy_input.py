"""The network's input without torch: what `preprocessing.prepare` does, in numpy.

Training and the reference engine go through torch; a test compares the two number for number, and the known answer of each
bundle does so before anything is read with this one (`engine_choice`).
"""

from __future__ import annotations

import functools
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from hyrisk_desktop.risk.preprocessing import Crop, Preprocessing, blood_shift, inner_half

_KEPT_SIZES = 64


def prepared_in_numpy(
    patches: NDArray[np.float32], crops: Sequence[Crop], preprocessing: Preprocessing
) -> NDArray[np.float32]:
    """HU patches [N, 3, rows, columns] -> network input [N, 3, size, size], normalised; shrinking smooths first.

    Args:
        patches: in HU. crops: one per patch, or a single one for all. preprocessing: of the bundle.
    """
    windowed = _in_window(patches, preprocessing)
    size, each = preprocessing.input_size, crops if len(crops) > 1 else [crops[0]] * len(patches)
    found = np.empty((*patches.shape[:2], size, size), np.float32)
    for target, patch, c in zip(found, windowed, each, strict=True):
        target[...] = resized(patch[:, c.top : c.top + c.side, c.left : c.left + c.side], size)
    mean, std = (np.array(values, np.float32)[:, None, None] for values in (preprocessing.mean, preprocessing.std))
    found -= mean
    found /= std
    return found


def resized(values: NDArray[np.floating], size: int) -> NDArray[np.floating]:
    """Squares [..., n, n] -> [..., size, size], bilinear, in their own precision; shrinking averages over what a pixel covers."""
    places, weights = _taps(values.shape[-1], size, values.dtype)
    # Tap by tap and not as a product of matrices: its threads wait for each other by spinning, which takes ten times as long
    # where the cores are busy (measured), and most of its factors are 0.
    wide = sum(values[..., place] * weight for place, weight in zip(places, weights, strict=True))
    found: NDArray[np.floating] = sum(
        wide[..., place, :] * weight[:, None] for place, weight in zip(places, weights, strict=True)
    )
    return found


def _in_window(patches: NDArray[np.float32], preprocessing: Preprocessing) -> NDArray[np.float32]:
    low, high = preprocessing.hu_window
    if preprocessing.blood_hu is not None:
        shifts = [blood_shift(values, preprocessing.blood_hu, _lower_median) for values in inner_half(patches)]
        patches = patches + np.array(shifts, np.float32)[:, None, None, None]
    return (patches.clip(low, high) - np.float32(low)) / np.float32(high - low)


def _lower_median(values: NDArray[np.float32]) -> float:
    """Of an even number of values the lower one of the middle two, as torch takes it; numpy's would lie between them."""
    middle = (len(values) - 1) // 2
    return float(np.partition(values, middle)[middle])


@functools.lru_cache(_KEPT_SIZES)
def _taps(before: int, after: int, dtype: np.dtype[np.floating]) -> tuple[NDArray[np.intp], NDArray[np.floating]]:
    """Which of ``before`` pixels each of ``after`` is made of, and how much it takes of each: both [taps, after].

    The weights are a triangle as wide as the larger pixel on either side, in the precision of the values, as torch works them
    out: in a better one they differ from torch's by 2e-5.
    """
    scale = dtype.type(before / after)
    reach = max(scale, dtype.type(1))
    centres = scale * (np.arange(after).astype(dtype) + dtype.type(0.5))
    first = np.maximum((centres - reach + dtype.type(0.5)).astype(np.intp), 0)
    places = first + np.arange(int(np.ceil(2 * reach)) + 1)[:, None]
    weights = np.maximum(1 - np.abs(places.astype(dtype) - centres + dtype.type(0.5)) / reach, 0)
    weights[places >= before] = 0
    weights /= weights.sum(axis=0)
    used = weights.any(axis=1)
    return np.minimum(places, before - 1)[used], weights[used]
