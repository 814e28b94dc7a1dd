"""What a phantom says of its calcium: each voxel's kind, and nothing of it moves a pixel."""

from __future__ import annotations

import json

import numpy as np
import pytest
from numpy.typing import NDArray

from model_training.phantom.calcium import OTHER_KINDS
from model_training.phantom.exam import exam_layout
from model_training.phantom.heart import CALCIFIED_VESSELS
from model_training.phantom.render import make_phantom, render
from model_training.phantom.subject import GENERATOR_VERSION
from model_training.phantom.truth import KINDS, calcium_labels, calcium_rows

# Sums of 96 x 80 pixels x 21 slices, each pixel with signs that four draws gave it, as generator 1.4 draws them. No digest: libraries of linear algebra choose their kernels by the processor, and a pixel in 161,280 is rounded the other way.
PIXELS = {
    720000: [-4608, -27160, 81150, -12218],
    8200003: [-40744, -10660, 87266, 50666],
    29974: [-34639, 23859, 66421, 64429],
}
MOST_ROUNDED = 3


def signed_sums(pixels: NDArray[np.int16]) -> list[int]:
    signs = np.random.default_rng(1).choice((-1, 1), size=(4, *pixels.shape))
    return [int(total) for total in (signs * pixels.astype(np.int64)).sum(axis=(1, 2, 3))]


@pytest.mark.parametrize("seed", PIXELS)
def test_no_pixel_has_moved(seed: int) -> None:
    assert GENERATOR_VERSION == "1.4"
    phantom = make_phantom(seed)
    pixels = render(phantom, phantom.grid(96, 80, 21)).astype(np.int16)
    assert signed_sums(pixels) == pytest.approx(PIXELS[seed], abs=MOST_ROUNDED, rel=0)
    # What is moved by a pixel, or by a few units in a lesion, is no rounding.
    moved = pixels.copy()
    moved[10, 40:42, 40:42] += 3
    for changed in (moved, np.roll(pixels, 1, axis=2)):
        assert signed_sums(changed) != pytest.approx(PIXELS[seed], abs=MOST_ROUNDED, rel=0)


def test_every_deposit_has_a_kind_and_all_blobs_are_deposits() -> None:
    kinds = set()
    for seed in range(8200000, 8200030):
        phantom = make_phantom(seed)
        kinds |= {deposit.kind for deposit in phantom.deposits}
        coronary = [deposit for deposit in phantom.deposits if deposit.kind in CALCIFIED_VESSELS]
        assert len(coronary) == phantom.subject.lesions + phantom.subject.faint
        assert sum(len(deposit.blobs) for deposit in phantom.deposits) == len(phantom.blobs)
    assert kinds == set(KINDS) == {*CALCIFIED_VESSELS, *OTHER_KINDS}


def test_labels_lie_where_the_calcium_is_bright() -> None:
    phantom = make_phantom(720000)
    grid = phantom.grid(160, 150, 31)
    labels, hu = calcium_labels(phantom, grid), render(phantom, grid, noisy=False)
    assert labels.shape == grid.shape == hu.shape
    assert set(np.unique(labels)) <= set(range(len(KINDS) + 1))
    heart = hu[labels > 0]
    # What calcium adds lifts blood and fat alike; elsewhere in the heart nothing reaches 130 HU but bone behind it.
    assert np.median(heart) > 80
    assert (hu[:, :110][labels[:, :110] == 0] >= 150).mean() < 2e-4
    # Each vessel's label lies along its own path.
    for index, name in enumerate(KINDS, 1):
        if name in CALCIFIED_VESSELS and (labels == index).sum() > 20:
            z, y, x = (axis.mean() for axis in np.nonzero(labels == index))
            place = np.array([grid.x[round(x)], grid.y[round(y)], grid.z[round(z)]])
            assert np.linalg.norm(phantom.heart.coronaries[name] - place, axis=1).min() < 12


def test_a_block_and_its_part_are_labelled_alike() -> None:
    phantom = make_phantom(8200005)
    whole = calcium_labels(phantom, phantom.grid_from((-60, -50, -14), (120, 100, 29)))
    part = calcium_labels(phantom, phantom.grid_from((-20, -10, -5), (60, 50, 11)))
    assert (whole[9:20, 40:90, 40:100] == part).all()
    assert part.any()


def test_rows_for_the_exams_folder() -> None:
    """Of a large lesion the named voxel is calcium in the exam, and its label says the same kind."""
    phantom = make_phantom(8200005)
    layout = exam_layout(phantom)
    rows = json.loads(json.dumps(calcium_rows(phantom, layout.click)))
    assert [row["kind"] for row in rows] == [deposit.kind for deposit in phantom.deposits]
    grid = phantom.grid_from((-80, -70, -30), (160, 140, 60))
    labels = calcium_labels(phantom, grid)
    seen = 0
    for row, deposit in zip(rows, phantom.deposits, strict=True):
        x, y, z = (round(v - c) + half for v, c, half in zip(row["voxel_xyz"], layout.click, (80, 70, 30), strict=True))
        small = np.ptp(deposit.blobs[:, :3], axis=0).max() < 12 and deposit.blobs[:, 4].max() > 300
        if small and 3 < x < 156 and 3 < y < 136 and 1 < z < 58:
            around = labels[z - 2 : z + 3, y - 4 : y + 5, x - 4 : x + 5]
            assert KINDS.index(row["kind"]) + 1 in around
            seen += 1
    assert seen >= 2
