"""A crop in millimetres and HU moved to the exam's own blood: what a bundle may ask for instead of the paper's input."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from hyrisk_desktop.imaging.volume import CTVolume
from hyrisk_desktop.risk.bundle import ModelBundle, load_bundle, write_bundle
from hyrisk_desktop.risk.explain import explain
from hyrisk_desktop.risk.predictor import Predictor
from hyrisk_desktop.risk.preprocessing import Crop, Preprocessing, centred_crop, in_window, prepare, random_crop
from hyrisk_desktop.risk.self_test import known_answer_volume
from hyrisk_desktop.risk.uncertainty import interval_views
from tests.helpers.bundles import write_tiny_bundle
from tests.helpers.volumes import HEART_CENTRE, block_volume

MM = Preprocessing(crop_mm=84.0)
BLOOD = Preprocessing(blood_hu=45.0)


@pytest.mark.parametrize(
    ("pixel_mm", "side"),
    # 84 mm; where the patch has less, all of it.
    [(0.7, 120), (0.84, 100), (0.86, 98), (0.6, 140), (0.55, 153), (0.5, 161), (0.2, 161), (4.0, 21)],
)
def test_a_crop_in_millimetres_is_as_large_in_every_exam(pixel_mm: float, side: int) -> None:
    crop = centred_crop(MM, pixel_mm=pixel_mm)
    assert crop.side == side
    assert crop.top == crop.left == (161 - side) // 2


def test_shares_of_training_change_with_it() -> None:
    assert [centred_crop(MM, ratio, pixel_mm=0.84).side for ratio in (0.6, 0.7, 0.8)] == [86, 100, 114]
    sides = {random_crop(MM, np.random.default_rng(i), 0.84).side for i in range(500)}
    assert (min(sides), max(sides)) == (86, 114)
    # The paper's crop knows no pixel size.
    assert {random_crop(Preprocessing(), np.random.default_rng(i), 0.84).side for i in range(500)} <= set(
        range(97, 130)
    )


def test_a_click_moves_in_pixels_and_the_crop_stays_as_large() -> None:
    views = interval_views(MM, 0.84)
    assert views[0].crop == Crop(30, 30, 100)
    assert views[1].crop == Crop(30, 33, 100)
    assert views[3].crop == Crop(33, 30, 100)
    assert [view.crop.side for view in views[-2:]] == [86, 114]


def test_without_a_pixel_size_it_is_refused() -> None:
    for way in (lambda: centred_crop(MM), lambda: interval_views(MM), lambda: MM.side(0.7)):
        with pytest.raises(ValueError, match="pixel size"):
            way()


@pytest.mark.parametrize(
    "values",
    [{"crop_mm": 0.0}, {"crop_mm": -3.0}, {"crop_mm": float("nan")}, {"crop_mm": "84"}, {"crop_mm": 5000.0}, {"crop_mm": True},
     {"blood_hu": 151.0}, {"blood_hu": -51.0}, {"blood_hu": float("inf")}, {"blood_hu": "45"}],
)  # fmt: skip
def test_what_is_no_length_and_no_blood_is_refused(values: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"crop_mm|blood_hu"):
        Preprocessing(**values)  # type: ignore[arg-type]


def test_the_papers_mode_is_written_as_it_always_was() -> None:
    assert set(Preprocessing().to_json()) == {
        "hu_window", "patch_xyz", "inference_crop", "training_crop", "input_size", "mean", "std",
    }  # fmt: skip
    both = replace(MM, blood_hu=45.0)
    assert Preprocessing.from_json(both.to_json()) == both
    assert Preprocessing.from_json(Preprocessing().to_json()) == Preprocessing()
    with pytest.raises(TypeError):
        Preprocessing.from_json(both.to_json() | {"voxel_mm": 1.0})


def chest(shift: int = 0, blood: int = 40, seed: int = 0) -> np.ndarray:
    """A patch [1, 3, 161, 161]: lung, a heart of blood with a noise of 20 HU, fat and calcium in it."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:161, :161] - 80
    hu = np.full((3, 161, 161), -860.0)
    hu[:, x * x + y * y < 60 * 60] = blood
    hu[:, (abs(x - 20) < 12) & (abs(y + 10) < 8)] = -95
    hu[:, (abs(x + 15) < 3) & (abs(y) < 3)] = 700
    hu += rng.normal(0, 20, hu.shape)
    return np.rint(hu + shift)[None]


def shares(patch: np.ndarray, p: Preprocessing) -> np.ndarray:
    import torch

    return in_window(torch.from_numpy(patch.astype(np.float32)), p).numpy()


def middle(patch: np.ndarray) -> float:
    """Mean HU of the blood after it was moved, in a part of the heart with nothing else in it; less its share of the noise."""
    wide = replace(BLOOD, hu_window=(-1000.0, 1000.0))
    part = np.s_[:, :, 90:110, 60:80]
    noise = chest(blood=0)[part].mean()
    return float((shares(patch, wide)[part] * 2000 - 1000).mean() - noise)


@pytest.mark.parametrize("shift", [-12, -5, 5, 12])
def test_a_drift_of_the_scanner_changes_nothing(shift: int) -> None:
    wide = replace(BLOOD, hu_window=(-2000.0, 2000.0))
    still, moved = shares(chest(), wide), shares(chest(shift), wide)
    # 4000 HU wide: within half an HU.
    assert np.abs(still - moved).max() < 0.5 / 4000
    plain = replace(wide, blood_hu=None)
    assert np.abs(shares(chest(), plain) - shares(chest(shift), plain)).max() == pytest.approx(
        abs(shift) / 4000, rel=1e-3
    )


def test_blood_comes_to_the_bundles_value_whatever_lies_around_it() -> None:
    for blood in (30, 40, 55):
        assert middle(chest(blood=blood)) == pytest.approx(45, abs=1.0), blood


def test_no_exam_is_moved_by_more_than_twenty() -> None:
    for blood, moved_to in ((10, 30.0), (80, 60.0)):
        assert middle(chest(blood=blood)) == pytest.approx(moved_to, abs=1.0)


def test_without_soft_tissue_nothing_is_moved() -> None:
    lung = np.random.default_rng(0).normal(-860, 20, (1, 3, 161, 161))
    wide = replace(BLOOD, hu_window=(-1000.0, 1000.0))
    np.testing.assert_array_equal(shares(lung, wide), shares(lung, replace(wide, blood_hu=None)))
    few = lung.copy()
    few[0, 0, 80, 60:100] = 40
    np.testing.assert_array_equal(shares(few, wide), shares(few, replace(wide, blood_hu=None)))


def test_each_patch_of_a_batch_has_its_own_blood() -> None:
    import torch

    p = replace(BLOOD, input_size=64)
    both = torch.from_numpy(np.concatenate([chest(0), chest(-10)]).astype(np.float32))
    crop = [centred_crop(p)]
    together = prepare(both, crop, p)
    assert torch.equal(together[1], prepare(both[1:], crop, p)[0])
    assert (together[0] - together[1]).abs().max() < 1e-5


@pytest.fixture(scope="module")
def steady(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("steady")
    write_tiny_bundle(folder / "tiny")
    bundle, model = load_bundle(folder / "tiny")
    seen: ModelBundle = replace(bundle, preprocessing=replace(bundle.preprocessing, crop_mm=84.0, blood_hu=45.0))
    write_bundle(folder / "steady", seen, model, "# {sha256}\n")
    return folder / "steady"


def test_the_predictor_cuts_by_the_exams_own_pixels(steady: Path) -> None:
    volume = block_volume()
    predictor = Predictor(steady, "cpu")
    readings = {}
    for pixel in (volume.spacing_mm[0], 0.6, 0.85):
        taken = CTVolume(volume.hu, (pixel, pixel, volume.spacing_mm[2]), volume.origin_mm, volume.direction, "same")
        readings[pixel] = predictor.predict(taken, HEART_CENTRE, 2.0).hyrisknet
    # The same pixels of another size show another field of view: a kept answer must not stand in for it.
    assert len(set(readings.values())) == 3
    images, _ = predictor.input_batch(volume, HEART_CENTRE)
    assert images.shape[0] == len(interval_views(predictor.bundle.preprocessing, 0.7))


def test_a_drift_moves_no_risk(steady: Path) -> None:
    volume, centre, grade = known_answer_volume()
    predictor = Predictor(steady, "cpu")
    risks = [
        predictor.predict(
            CTVolume(volume.hu + drift, volume.spacing_mm, volume.origin_mm, volume.direction, f"drift {drift}"),
            centre,
            grade,
        ).hyrisknet
        for drift in (-8, 0, 8)
    ]
    assert max(risks) - min(risks) < 2e-3


def test_heat_lies_where_the_crop_does(steady: Path) -> None:
    volume = block_volume()
    predictor = Predictor(steady, "cpu")
    crop = centred_crop(predictor.bundle.preprocessing, pixel_mm=volume.spacing_mm[0])
    seen = np.isfinite(explain(predictor, volume, HEART_CENTRE, 2.0).heat)
    assert seen.sum() == crop.side**2
    assert seen[crop.top, crop.left]
    assert not seen[crop.top - 1].any()
