"""Phantoms as a bundle looks at them: the patches of a click, and the features that the program itself reads there."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from hyrisk_desktop.imaging.volume import CTVolume
from hyrisk_desktop.risk.bundle import load_bundle, write_bundle
from hyrisk_desktop.risk.predictor import Predictor
from model_training.looks import features_at, features_of_seeds, patches_at
from model_training.phantom.render import make_phantom, render
from model_training.stability import changes_of, features_of
from model_training.twins import second_click
from tests.helpers.bundles import write_tiny_bundle

SEED = 5_200_003


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle that looks at two heights, by a crop in millimetres."""
    folder = tmp_path_factory.mktemp("looks")
    write_tiny_bundle(folder / "tiny")
    bundle, model = load_bundle(folder / "tiny")
    seen = replace(bundle.preprocessing, levels_mm=(0.0, 5.0), crop_mm=84.0)
    write_bundle(folder / "levels", replace(bundle, preprocessing=seen), model, "# {sha256}\n")
    return folder / "levels"


def test_a_patch_is_what_the_scan_shows_there() -> None:
    phantom = make_phantom(SEED)
    clicks = [(0, 0, 0), (5, -7, 3), (-4, 2, -6)]
    for (x, y, z), patch in zip(clicks, patches_at(phantom, clicks, 31), strict=True):
        alone = render(phantom, phantom.grid_from((x - 15, y - 15, z - 1), (31, 31, 3)))
        assert patch.shape == (3, 31, 31)
        assert np.abs(patch.astype(int) - alone).max() <= 2


def test_features_are_those_that_the_program_reads(folder: Path) -> None:
    """A phantom's exam, read by the program at two clicks, with 7 HU added."""
    bundle, model = load_bundle(folder)
    phantom = make_phantom(SEED)
    scanner, clicks = phantom.scanner, [(0, 0, 0), (3, -2, 1)]
    z = round(5.0 / scanner.increment_mm) + 4
    hu = render(phantom, phantom.grid(175, 175, 2 * z + 1)) + 7
    volume = CTVolume(
        hu, (scanner.pixel_mm, scanner.pixel_mm, scanner.increment_mm), (0.0, 0.0, 0.0), np.eye(3), "exam"
    )
    predictor = Predictor(folder, "cpu")
    read = [predictor.features_at(volume, (87 + x, 87 + y, z + dz))[0].numpy() for x, y, dz in clicks]
    found = features_at(model, bundle.preprocessing, phantom, clicks, hu=7)
    assert found.shape == (2, 512)
    # The shapes' distances are worked out on another lattice: a voxel in a hundred differs by a HU or two.
    spread = np.abs(read[0] - read[1]).max()
    np.testing.assert_allclose(found, read, rtol=0, atol=0.02 * spread)


def test_the_readings_views_are_those_of_its_interval(folder: Path) -> None:
    bundle, model = load_bundle(folder)
    phantom = make_phantom(SEED)
    views, changed, names = features_of(model, bundle.preprocessing, phantom)
    assert views.shape == (11, 512)
    assert changed.shape == (len(names), 512)
    scanner, z = phantom.scanner, round(5.0 / phantom.scanner.increment_mm) + 2
    hu = render(phantom, phantom.grid(161, 161, 2 * z + 1))
    volume = CTVolume(
        hu, (scanner.pixel_mm, scanner.pixel_mm, scanner.increment_mm), (0.0, 0.0, 0.0), np.eye(3), "exam"
    )
    read = Predictor(folder, "cpu").features_at(volume, (80, 80, z)).numpy()
    np.testing.assert_allclose(views, read, rtol=0, atol=0.02 * np.abs(read[1:] - read[0]).max())
    # After each change it is the reading that is told, at the click of the change.
    p, shift = bundle.preprocessing, next(c.shift for c in changes_of(phantom) if c.name == "click 1")
    assert shift != (0, 0, 0)
    warm, clicked = features_at(model, p, phantom, hu=10)[0], features_at(model, p, phantom, [shift])[0]
    np.testing.assert_allclose(changed[names.index("HU +10")], warm, rtol=0, atol=1e-5)
    np.testing.assert_allclose(changed[names.index("click 1")], clicked, rtol=0, atol=1e-5)
    assert min(np.abs(warm - views[0]).max(), np.abs(clicked - views[0]).max()) > 1e-3


def test_seeds_are_seen_at_the_usual_click_or_at_another_readers(folder: Path, tmp_path: Path) -> None:
    bundle, model = load_bundle(folder)
    threads = torch.get_num_threads()
    try:
        usual = features_of_seeds(folder, tmp_path / "usual", SEED, 2, 1)
        look = features_of_seeds(folder, tmp_path / "look", SEED, 2, 1, kind="look")
        again = features_of_seeds(folder, tmp_path / "again", SEED, 2, 1, kind="second look")
    finally:
        torch.set_num_threads(threads)
    p = bundle.preprocessing
    one = replace(p, levels_mm=None)
    for n in range(2):
        phantom = make_phantom(SEED + n)
        np.testing.assert_allclose(usual[n], features_at(model, p, phantom)[0], rtol=0, atol=1e-5)
        _, click = second_click(phantom)
        assert click != (0, 0, 0)
        np.testing.assert_allclose(look[n], features_at(model, one, phantom)[0], rtol=0, atol=1e-5)
        np.testing.assert_allclose(again[n], features_at(model, one, phantom, [click])[0], rtol=0, atol=1e-5)
    assert min(np.abs(usual - look).max(), np.abs(look - again).max()) > 1e-3
