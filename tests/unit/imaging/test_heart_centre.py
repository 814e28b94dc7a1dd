"""The proposed heart centre: near the click on phantoms and real chests, and never sure of what is no whole chest."""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from hyrisk_desktop.imaging import CTVolume, ProposedCentre, find_series, propose_centre, read_volume
from tests.benchmarks.bench_heart_centre import small_chest, unlike

SEEDS = (720000, 720001, 720002)


@cache
def chest(seed: int) -> tuple[CTVolume, tuple[float, float, float]]:
    """A whole phantom chest of 96 x 96 x 58 voxels of about 4 x 4 x 5 mm, and its click."""
    volume, click = small_chest(seed, side=96, increment_mm=5.0)
    volume.hu.setflags(write=False)
    return volume, click


def proposed(volume: CTVolume) -> ProposedCentre:
    proposal = propose_centre(volume)
    assert proposal is not None
    assert volume.contains(proposal.voxel)
    assert bool(proposal.reason) != proposal.confident
    return proposal


def off_mm(volume: CTVolume, proposal: ProposedCentre, click: tuple[float, float, float]) -> float:
    return float(np.linalg.norm((np.asarray(proposal.voxel) - click) * np.asarray(volume.spacing_mm)))


def blank(shape: tuple[int, int, int], hu: float = 0, spacing: float = 4.0) -> CTVolume:
    return CTVolume(np.full(shape, hu, np.int16), (spacing,) * 3, (0.0, 0.0, 0.0), np.eye(3), "1")


@pytest.mark.parametrize("seed", SEEDS)
def test_it_is_near_the_click_and_sure_on_whole_chests(seed: int) -> None:
    volume, click = chest(seed)
    proposal = proposed(volume)
    assert off_mm(volume, proposal, click) < 20
    assert proposal.confident


# Of the other one, cut 40 mm below its click, less lung is left than a sure answer needs.
@pytest.mark.parametrize("seed", SEEDS[::2])
def test_what_is_no_whole_chest_is_never_sure_and_far_off(seed: int) -> None:
    sure = set()
    for name, volume, click in unlike(*chest(seed)):
        proposal = propose_centre(volume)
        if proposal is not None and proposal.confident:
            sure.add(name)
            assert off_mm(volume, proposal, click) < 20, name
    assert {"from 40 mm below", "contrast agent"} <= sure
    assert not sure & {"80 mm of heart", "to 60 mm above", "abdomen only", "neck only", "left quarter missing",
                       "feet for head", "front for back", "one lung filled"}  # fmt: skip


def test_a_heart_slab_still_gets_a_useful_guess() -> None:
    volume, (x, y, z) = chest(SEEDS[0])
    slab = replace(volume, hu=volume.hu[round(z) - 8 : round(z) + 7])
    proposal = proposed(slab)
    assert not proposal.confident
    assert "whole chest" in proposal.reason
    assert off_mm(slab, proposal, (x, y, 8)) < 25


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
@pytest.mark.parametrize("flips", [(0,), (1, 2)])
def test_the_same_place_however_the_voxels_are_stored(order: tuple[int, int, int], flips: tuple[int, ...]) -> None:
    """Stored axes permuted and flipped, with the direction that says so."""
    volume, _ = chest(SEEDS[0])
    expected = volume.voxel_to_mm(proposed(volume).voxel)
    axes = [2 - axis for axis in order][::-1]
    hu = volume.hu.transpose(axes)
    direction = np.eye(3)[:, list(order)]
    spacing = [volume.spacing_mm[axis] for axis in order]
    origin = np.zeros(3)
    for axis in flips:
        origin += direction[:, axis] * spacing[axis] * (hu.shape[2 - axis] - 1)
        direction[:, axis] *= -1
        hu = np.flip(hu, 2 - axis)
    turned = CTVolume(hu, (spacing[0], spacing[1], spacing[2]), tuple(origin), direction, "1")
    place = turned.voxel_to_mm(proposed(turned).voxel)
    assert np.linalg.norm(np.subtract(place, expected)) < 1e-6


@pytest.mark.parametrize("padding", [-1024, -2048, -3024])
def test_padding_is_neither_lung_nor_air(padding: int) -> None:
    volume, click = chest(SEEDS[0])
    side = volume.hu.shape[1]
    i = np.arange(side) - (side - 1) / 2
    hu = volume.hu.copy()
    hu[:, i[None] ** 2 + i[:, None] ** 2 > (0.42 * side) ** 2] = padding
    padded = replace(volume, hu=hu)
    assert off_mm(padded, proposed(padded), click) < 20


def test_thin_slices_and_small_pixels_give_the_same_place() -> None:
    volume, click = chest(SEEDS[0])
    fine = replace(
        volume,
        hu=volume.hu.repeat(4, 0).repeat(3, 1).repeat(3, 2),
        spacing_mm=(volume.spacing_mm[0] / 3, volume.spacing_mm[1] / 3, volume.spacing_mm[2] / 4),
    )
    proposal = proposed(fine)
    assert proposal.confident
    assert off_mm(fine, proposal, (click[0] * 3 + 1, click[1] * 3 + 1, click[2] * 4 + 1.5)) < 20


@pytest.mark.parametrize(
    "volume",
    [blank((1, 1, 1)), blank((0, 4, 4)), blank((40, 60, 60)), blank((40, 60, 60), -850), blank((40, 60, 60), -1000),
     blank((40, 60, 60), -3024), blank((3, 3, 3), -850, 100.0), blank((2, 512, 512), 40, 0.5)],
)  # fmt: skip
def test_nothing_in_it_no_proposal(volume: CTVolume) -> None:
    assert propose_centre(volume) is None


@settings(max_examples=60, deadline=None)
@given(
    hu=hnp.arrays(np.int16, st.tuples(*[st.integers(1, 14)] * 3), elements=st.sampled_from([-3024, -1000, -850, 40])),
    spacing=st.tuples(*[st.floats(0.2, 60)] * 3),
)
def test_any_volume_is_answered(hu: np.ndarray, spacing: tuple[float, float, float]) -> None:
    volume = CTVolume(hu, spacing, (0.0, 0.0, 0.0), np.eye(3), "1")
    proposal = propose_centre(volume)
    assert proposal is None or (volume.contains(proposal.voxel) and not proposal.confident)


@pytest.mark.parametrize(
    "fill", [lambda r, s: r.normal(-500, 500, s), lambda r, s: r.choice([np.nan, np.inf, -850.0], s)]
)
def test_noise_and_broken_numbers_are_no_chest(fill: Callable[..., np.ndarray]) -> None:
    hu = fill(np.random.default_rng(1), (30, 40, 40)).astype(np.float32)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        proposal = propose_centre(CTVolume(hu, (8.0, 8.0, 8.0), (0.0, 0.0, 0.0), np.eye(3), "1"))
    assert proposal is None or not proposal.confident


@pytest.mark.real_data
@pytest.mark.parametrize(
    ("exam", "middle"),
    [("nlst_101287_T0", (277, 212, 71)), ("lidc_idri_0001", (283, 225, 72)), ("cip_ct64", (35, 21, 40))],
)
def test_real_chests(real_data: Path, exam: str, middle: tuple[int, int, int]) -> None:
    """``middle``: the heart's middle by eye, in a slice near the proximal coronary arteries."""
    volume = read_volume(find_series(real_data / exam)[0])
    proposal = proposed(volume)
    assert proposal.confident
    assert off_mm(volume, proposal, middle) < 15


@pytest.mark.real_data
def test_a_calcium_phantom_is_no_chest_to_be_sure_of(real_data: Path) -> None:
    proposal = propose_centre(read_volume(find_series(real_data / "qrm_cci_phantom_canon")[0]))
    assert proposal is None or not proposal.confident
