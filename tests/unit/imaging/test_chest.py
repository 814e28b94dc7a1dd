"""The coarse chest: voxels there and back, and fields brought back to the stored voxels, in every orientation."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from hyrisk_desktop.imaging import CTVolume
from hyrisk_desktop.imaging.chest import between_lungs, chest_grid

SHAPE, SPACING = (26, 61, 52), (1.3, 0.9, 2.1)


def volume_in(order: tuple[int, int, int], flips: tuple[int, ...]) -> CTVolume:
    """A volume whose stored axes (0 x, 1 y, 2 z) run along the patient's axes ``order``, some of them backwards."""
    direction = np.eye(3)[:, list(order)]
    for axis in flips:
        direction[:, axis] *= -1
    hu = np.random.default_rng(1).normal(40, 30, SHAPE).astype(np.int16)
    return CTVolume(hu, SPACING, (0.0, 0.0, 0.0), direction, "1")


ORIENTATIONS = [(o, f) for o in itertools.permutations(range(3)) for f in ((), (0,), (1, 2))]


@pytest.mark.parametrize(("order", "flips"), ORIENTATIONS)
def test_a_voxels_place_leads_back_to_it(order: tuple[int, int, int], flips: tuple[int, ...]) -> None:
    volume = volume_in(order, flips)
    grid = chest_grid(volume)
    for voxel in ((0, 0, 0), (51, 60, 25), (17, 40, 9)):
        assert grid.voxel(volume, grid.place(voxel)) == voxel
    # One step along a stored axis is as many mm along the patient's.
    for axis in range(3):
        near, far = [0, 0, 0], [0, 0, 0]
        far[axis] = 7
        moved = np.subtract(grid.place(tuple(far)), grid.place(tuple(near))) * grid.step_mm  # type: ignore[arg-type]
        expected = volume.direction[:, axis] * 7 * SPACING[axis]
        assert moved == pytest.approx(expected)


@pytest.mark.parametrize(("order", "flips"), ORIENTATIONS)
def test_a_field_is_brought_back_to_the_stored_voxels(order: tuple[int, int, int], flips: tuple[int, ...]) -> None:
    """A field that grows evenly along the patient's axes is interpolated without error, but for the grid's border."""
    volume = volume_in(order, flips)
    grid = chest_grid(volume)
    z, y, x = np.indices(grid.hu.shape)
    weights = np.array([1.0, 3.0, -2.0])
    field = sum(w * i * s for w, i, s in zip(weights, (x, y, z), grid.step_mm, strict=True)).astype(np.float32)
    start, stop = (6, 9, 4), (44, 50, 21)
    box = grid.stored_box(field, start, stop)
    assert box.shape == (17, 41, 38)
    for voxel in ((6, 9, 4), (43, 49, 20), (20, 30, 11)):
        place = np.array(grid.place(voxel)) * grid.step_mm
        x0, y0, z0 = (v - s for v, s in zip(voxel, start, strict=True))
        assert box[z0, y0, x0] == pytest.approx(float(weights @ place), abs=1e-2)


def test_beyond_the_grid_lie_its_borders_values() -> None:
    volume = volume_in((0, 1, 2), ())
    grid = chest_grid(volume)
    field = np.zeros(grid.hu.shape, np.float32)
    field[:, :, -1] = 5
    box = grid.stored_box(field, (0, 0, 0), SHAPE[::-1])
    assert (box[:, :, -1] == 5).all()
    assert (box[:, :, 0] == 0).all()


def test_samples_lie_on_slices_and_between_pixels() -> None:
    """One in four slices, and means over blocks of four pixels of which every second is read."""
    hu = np.zeros((12, 16, 20), np.int16)
    hu[6] = 400
    volume = CTVolume(hu, (1.0, 1.0, 1.0), (0.0, 0.0, 0.0), np.eye(3), "1")
    grid = chest_grid(volume)
    assert grid.factors == (4, 4, 4)
    assert grid.hu[:, 0, 0].tolist() == [0, 400, 0]
    assert grid.place((0, 0, 6)) == (-0.375, -0.375, 1)
    assert grid.place((5, 9, 2)) == (0.875, 1.875, 0)
    assert grid.voxel(volume, (0, 0, 1))[2] == 6


def test_between_the_lungs() -> None:
    lungs = np.zeros((1, 3, 6), np.bool_)
    lungs[0, 0, [1, 4]] = True
    lungs[0, 1, 2] = True
    assert np.flatnonzero(between_lungs(lungs)[0, 0]).tolist() == [2, 3]
    assert not between_lungs(lungs)[0, 1:].any()
