from __future__ import annotations

import json
import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from hyrisk_desktop.risk.preprocessing import (
    Crop,
    Preprocessing,
    centred_crop,
    cut_block,
    cut_patch,
    prepare,
    random_crop,
)
from hyrisk_desktop.risk.uncertainty import View, interval_views

DEFAULT = Preprocessing()


def test_patch_covers_80_pixels_each_side_and_one_slice() -> None:
    hu = np.arange(5 * 300 * 300).reshape(5, 300, 300) % 30000
    hu = hu.astype(np.int16)
    patch, outside = cut_patch(hu, (150, 140, 2), DEFAULT)
    assert patch.shape == (3, 161, 161)
    assert not outside
    np.testing.assert_array_equal(patch, hu[1:4, 60:221, 70:231])


@pytest.mark.parametrize("centre", [(0, 0, 0), (299, 299, 4), (-500, 10, 2), (10, 150, 2)])
def test_outside_holds_the_windows_lower_bound(centre: tuple[int, int, int]) -> None:
    hu = np.full((5, 300, 300), 40, np.int16)
    patch, outside = cut_patch(hu, centre, DEFAULT)
    assert outside
    assert set(np.unique(patch)) <= {-200, 40}
    assert (patch == -200).any()


def test_cut_block_agrees_with_padding() -> None:
    rng = np.random.default_rng(1)
    hu = rng.integers(-1000, 1000, (6, 20, 22)).astype(np.int16)
    padded = np.pad(hu, 30, constant_values=-7)
    for centre in ((0, 0, 0), (21, 19, 5), (10, 3, 2)):
        block, _ = cut_block(hu, centre, (9, 7, 3), -7)
        x, y, z = (c + 30 for c in centre)
        np.testing.assert_array_equal(block, padded[z - 1 : z + 2, y - 3 : y + 4, x - 4 : x + 5])


def test_window_and_normalisation() -> None:
    import torch

    p = Preprocessing(mean=(0.1, 0.2, 0.3), std=(0.5, 0.25, 2.0), input_size=32)
    patch = torch.tensor([-1000.0, 150.0, 900.0])[None, :, None, None].expand(1, 3, 161, 161)
    out = prepare(patch, [centred_crop(p)], p)
    assert out.shape == (1, 3, 32, 32)
    expected = [(0 - 0.1) / 0.5, (0.5 - 0.2) / 0.25, (1 - 0.3) / 2.0]
    np.testing.assert_allclose(out[0, :, 5, 5].numpy(), expected, rtol=1e-5)


def test_inference_crop_is_centred_on_the_click() -> None:
    crop = centred_crop(DEFAULT)
    assert crop == Crop(24, 24, 113)
    assert crop.top + crop.side // 2 == 80


def test_random_crops_stay_inside_and_reach_every_end() -> None:
    rng = np.random.default_rng(0)
    crops = [random_crop(DEFAULT, rng) for _ in range(3000)]
    assert {c.side for c in crops} == set(range(97, 130))
    for low in ([c.top for c in crops], [c.left for c in crops]):
        assert min(low) == 0
        assert max(a + c.side for a, c in zip(low, crops, strict=True)) == 161
    assert abs(np.corrcoef([c.top for c in crops], [c.left for c in crops])[0, 1]) < 0.5


def triangle(length: int, size: int) -> np.ndarray:
    """[size, length] weights of bilinear resizing that smooths when it shrinks, by their definition."""
    scale = length / size
    middle = (np.arange(size)[:, None] + 0.5) * scale - 0.5
    weights = np.maximum(0, 1 - np.abs(np.arange(length)[None] - middle) / max(scale, 1))
    return weights / weights.sum(1, keepdims=True)


@pytest.mark.parametrize("each", [1, 2])
def test_resizing_smooths_first_and_keeps_rows_and_columns_apart(each: int) -> None:
    """Noise of the finest grain against the definition, in both ways of calling; a crop that is not in the middle."""
    import torch

    p = Preprocessing(mean=(0.1, 0.2, 0.3), std=(0.5, 0.25, 2.0), input_size=32)
    hu = np.random.default_rng(3).uniform(-400, 700, (each, 3, 161, 161)).astype(np.float32)
    crops = [Crop(5, 40, 100), Crop(31, 2, 119)][:each]
    out = prepare(torch.from_numpy(hu), crops, p).numpy()
    for patch, crop, found in zip(hu, crops, out, strict=True):
        cut = ((patch.clip(-200, 500) + 200) / 700)[
            :, crop.top : crop.top + crop.side, crop.left : crop.left + crop.side
        ]
        w = triangle(crop.side, 32)
        wanted = w @ cut @ w.T
        wanted = (wanted - np.array(p.mean)[:, None, None]) / np.array(p.std)[:, None, None]
        np.testing.assert_allclose(found, wanted, atol=2e-5)
    # Enlarged the same way.
    small = torch.from_numpy(hu[:1, :, :20, :20].copy())
    grown = prepare(small, [Crop(0, 0, 20)], p).numpy()[0]
    w = triangle(20, 32)
    np.testing.assert_allclose(
        grown[0] * 0.5 + 0.1, w @ ((hu[0, 0, :20, :20].clip(-200, 500) + 200) / 700) @ w.T, atol=2e-5
    )


def test_a_shift_to_the_right_moves_the_crop_to_the_right() -> None:
    assert centred_crop(DEFAULT, shift=(3, 0)) == Crop(24, 27, 113)
    assert centred_crop(DEFAULT, shift=(0, -5)) == Crop(19, 24, 113)
    assert centred_crop(DEFAULT, 0.8, shift=(99, -99)) == Crop(0, 32, 129)


def test_the_views_of_an_interval() -> None:
    def view(dz: int, x: int, y: int) -> View:
        return View(dz, Crop(24 + y, 24 + x, 113))

    assert interval_views(DEFAULT) == (
        view(0, 0, 0), view(0, 3, 0), view(0, -3, 0), view(0, 0, 3), view(0, 0, -3), view(-1, 0, 0), view(1, 0, 0),
        view(-1, 3, 3), view(1, -3, -3), View(0, Crop(32, 32, 97)), View(0, Crop(16, 16, 129)),
    )  # fmt: skip


def test_one_crop_for_all_equals_one_each() -> None:
    import torch

    patches = torch.randn(3, 3, 161, 161) * 300
    crop = centred_crop(DEFAULT)
    torch.testing.assert_close(prepare(patches, [crop], DEFAULT), prepare(patches, [crop] * 3, DEFAULT))


def test_json_round_trip() -> None:
    p = Preprocessing(hu_window=(-1000.0, 500.0), inference_crop=0.65)
    assert Preprocessing.from_json(json.loads(json.dumps(p.to_json()))) == p
    with pytest.raises(TypeError):
        Preprocessing.from_json({**p.to_json(), "surprise": 1})
    with pytest.raises(TypeError):
        Preprocessing.from_json({})


@pytest.mark.parametrize(
    "values",
    [
        {"hu_window": (500.0, -200.0)},
        {"hu_window": (-200.0, math.inf)},
        {"hu_window": (-200.0, "500")},
        {"hu_window": (-200.0,)},
        {"patch_xyz": (160, 160, 3)},
        {"patch_xyz": (161, 81, 3)},
        {"patch_xyz": (161, 161, 5)},
        {"patch_xyz": (161.0, 161.0, 3)},
        {"inference_crop": 0.0},
        {"inference_crop": 1.01},
        {"inference_crop": 0.001},
        {"inference_crop": math.nan},
        {"inference_crop": "0.7"},
        {"inference_crop": True},
        {"training_crop": (0.8, 0.6)},
        {"training_crop": (0.6, 1.2)},
        {"input_size": 31},
        {"input_size": 224.0},
        {"input_size": 10**9},
        {"mean": (0.5, 0.5)},
        {"mean": (0.5, 0.5, math.nan)},
        {"std": (0.25, 0.25, 0.0)},
        {"std": "0.2"},
    ],
)
def test_unusable_values_are_refused(values: dict[str, Any]) -> None:
    with pytest.raises(ValueError):
        replace(DEFAULT, **values)


def test_numpy_numbers_are_numbers() -> None:
    assert replace(DEFAULT, mean=tuple(np.full(3, 0.5, np.float32)), input_size=np.int64(64)).input_size == 64


def test_a_crop_without_margin_stays_inside_the_patch() -> None:
    """With the whole patch as crop, a shifted view would otherwise begin at a negative index."""
    whole = replace(DEFAULT, inference_crop=1.0)
    assert {view.crop for view in interval_views(whole) if view.crop.side == 161} == {Crop(0, 0, 161)}
