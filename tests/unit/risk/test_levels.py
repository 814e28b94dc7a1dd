"""A reading at several heights: the mean of what the network sees there, for bundles that ask for it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from hyrisk_desktop.imaging.volume import CTVolume
from hyrisk_desktop.risk.bundle import load_bundle, read_description, write_bundle
from hyrisk_desktop.risk.engine_choice import open_predictor
from hyrisk_desktop.risk.explain import explain
from hyrisk_desktop.risk.look import look_at, slices_seen
from hyrisk_desktop.risk.predictor import Predictor
from hyrisk_desktop.risk.preprocessing import Preprocessing
from hyrisk_desktop.risk.self_test import KNOWN_ANSWER, known_answer, self_test
from hyrisk_desktop.risk.uncertainty import own_views
from tests.helpers.bundles import write_tiny_bundle
from tests.helpers.volumes import HEART_CENTRE, block_volume, box

LEVELS = (-9.0, 0.0, 5.0)
LESIONS = [(box((110, 100, 10), (30, 20, 3)), 300), (box((120, 90, 6), (20, 30, 2)), -100)]


def scan(increment_mm: float = 3.0) -> CTVolume:
    """No slice like another, so that no level can stand in for another."""
    return block_volume(LESIONS, spacing=(0.7, 0.8, increment_mm))


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("plain") / "tiny"
    write_tiny_bundle(folder)
    return folder


@pytest.fixture(scope="module")
def high_and_low(plain: Path) -> Path:
    """The same network, looking 9 mm below and 5 mm above the click as well."""
    bundle, model = load_bundle(plain)
    seen = replace(bundle, preprocessing=replace(bundle.preprocessing, levels_mm=LEVELS))
    answered = replace(seen, training=seen.training | {KNOWN_ANSWER: known_answer(model, seen)})
    folder = plain.parent / "levels"
    write_bundle(folder, answered, model, "# {sha256}\n")
    return folder


def at(predictor: Predictor, volume: CTVolume, z: int) -> np.ndarray:
    """The features [F] of the own view of a click on slice ``z``."""
    features: np.ndarray = predictor.plain(predictor.features_at(volume, (*HEART_CENTRE[:2], z)))[0]
    return features


@pytest.mark.parametrize(
    "levels",
    [(), (-5.0, 5.0), (5.0, 0.0), (0.0, 0.0), (0.0, 30.5), (-31.0, 0.0), (0.0, float("nan")), ("0", 0.0), (0.0, True), [0.0, 5.0],
     tuple(float(v) for v in range(10))],
)  # fmt: skip
def test_what_are_no_levels_is_refused(levels: object) -> None:
    with pytest.raises(ValueError, match="levels_mm"):
        Preprocessing(levels_mm=levels)  # type: ignore[arg-type]


@pytest.mark.parametrize("levels", [(0.0,), (-30.0, 0.0, 30.0), tuple(float(v) for v in range(9))])
def test_levels_travel_in_the_bundle(levels: tuple[float, ...]) -> None:
    p = Preprocessing(levels_mm=levels)
    assert p.to_json()["levels_mm"] == list(levels)
    assert Preprocessing.from_json(p.to_json()) == p


def test_without_levels_a_bundle_is_written_as_ever(plain: Path) -> None:
    assert "levels_mm" not in Preprocessing().to_json()
    assert read_description(plain).preprocessing.levels_mm is None


@pytest.mark.parametrize(
    ("increment_mm", "slices"),
    [(1.0, (-9, 0, 5)), (1.25, (-7, 0, 4)), (3.0, (-3, 0, 2)), (3.6, (-2, 0, 1)), (9.0, (-1, 0, 1)), (20.0, (0, 0, 0))],
)
def test_levels_are_as_far_off_in_every_exam(increment_mm: float, slices: tuple[int, ...]) -> None:
    assert Preprocessing(levels_mm=LEVELS).level_slices(increment_mm) == slices
    assert Preprocessing().level_slices(increment_mm) == (0,)


@pytest.mark.parametrize(
    ("room", "shifts"),
    [
        ((12, 12), (-3, 0, 2)),
        ((4, 3), (-3, 0, 2)),
        ((3, 2), (-2, 0, 1)),  # one slice less on either side than the level's patch would need
        ((1, 1), (0, 0, 0)),
        (
            (0, 9),
            (0, 0, 2),
        ),  # the click's own patch leaves the volume: that stays where it is, and no level goes further
        ((9, 0), (-3, 0, 0)),
        ((0, 0), (0, 0, 0)),
    ],
)
def test_a_level_beyond_the_scan_moves_to_its_last_whole_patch(room: tuple[int, int], shifts: tuple[int, ...]) -> None:
    views = own_views(Preprocessing(levels_mm=LEVELS), 0.7, 3.0, room)
    assert tuple(view.slice_shift for view in views) == shifts
    assert len({view.crop for view in views}) == 1


def test_the_reading_is_of_the_mean_over_the_levels(plain: Path, high_and_low: Path) -> None:
    one, several, volume = Predictor(plain, "cpu"), Predictor(high_and_low, "cpu"), scan()
    z = HEART_CENTRE[2]
    each = [at(one, volume, z + dz) for dz in (-3, 0, 2)]
    np.testing.assert_allclose(at(several, volume, z), np.mean(each, axis=0), rtol=0, atol=1e-5)
    assert np.abs(each[0] - each[1]).max() > 1e-3 < np.abs(each[2] - each[1]).max()
    maps = several.plain(several.maps_at(volume, HEART_CENTRE))
    np.testing.assert_allclose(maps.mean(axis=(1, 2)), at(several, volume, z), rtol=0, atol=1e-5)
    # The interval's other views are single looks, the same for both.
    others = [predictor.plain(predictor.features_at(volume, HEART_CENTRE))[1:] for predictor in (one, several)]
    np.testing.assert_array_equal(*others)
    reading = several.predict(volume, HEART_CENTRE, 2.0)
    assert several.glance(volume, HEART_CENTRE, 2.0).risk == reading.risk
    assert reading.risk != one.predict(volume, HEART_CENTRE, 2.0).risk
    odds = several.odds_at(volume, HEART_CENTRE, [1 / 3])
    assert several.bundle.calibration["risknet"].risk(np.array(odds[:1]))[0] == pytest.approx(reading.risknet, abs=1e-7)


def test_near_the_scans_end_the_last_whole_patches_are_read(plain: Path, high_and_low: Path) -> None:
    one, several, volume = Predictor(plain, "cpu"), Predictor(high_and_low, "cpu"), scan()
    # 25 slices: the highest whole patch is around slice 23.
    np.testing.assert_allclose(
        at(several, volume, 22), np.mean([at(one, volume, z) for z in (19, 22, 23)], axis=0), rtol=0, atol=1e-5
    )
    # At the lowest whole patch nothing leaves the volume.
    low = several.predict(volume, (*HEART_CENTRE[:2], 1), 1.0)
    assert "patch_outside" not in [finding.code for finding in low.findings]
    np.testing.assert_allclose(
        at(several, volume, 1), np.mean([at(one, volume, z) for z in (1, 1, 3)], axis=0), rtol=0, atol=1e-5
    )


def test_the_same_pixels_further_apart_are_other_levels(high_and_low: Path) -> None:
    """Both exams reach as far in slices: only which of them are read tells them apart."""
    several = Predictor(high_and_low, "cpu")
    near, far = scan(3.0), scan(2.7)
    assert several.predict(near, HEART_CENTRE, 2.0).risk == several.predict(far, HEART_CENTRE, 2.0).risk
    thick = scan(3.4)
    views = [own_views(several.bundle.preprocessing, 0.7, volume.spacing_mm[2], (12, 12)) for volume in (near, thick)]
    assert [view.slice_shift for view in views[0]] != [view.slice_shift for view in views[1]]
    assert several.predict(near, HEART_CENTRE, 2.0).risk != several.predict(thick, HEART_CENTRE, 2.0).risk
    assert (
        several.predict(near, HEART_CENTRE, 2.0).risk
        == Predictor(high_and_low, "cpu").glance(near, HEART_CENTRE, 2.0).risk
    )


def test_its_known_answer_is_of_the_levels_too(plain: Path, high_and_low: Path) -> None:
    assert self_test(high_and_low, "cpu").preprocessing.levels_mm == LEVELS
    answers = [load_bundle(folder)[0].training[KNOWN_ANSWER]["risknet"] for folder in (plain, high_and_low)]
    assert answers[0] != answers[1]


def test_both_engines_look_at_the_same_levels(high_and_low: Path) -> None:
    volume = scan()
    torch_, onnx = (open_predictor(high_and_low, "cpu", engine=engine) for engine in ("torch", "onnx"))
    onnx.warm_up()
    torch_.warm_up()
    one, other = (predictor.predict(volume, HEART_CENTRE, 2.0) for predictor in (torch_, onnx))
    assert one.risk == pytest.approx(other.risk, abs=1e-4)
    assert one.interval == pytest.approx(other.interval, abs=1e-4)


def test_an_explanation_is_of_the_mean_that_was_read(high_and_low: Path) -> None:
    several, volume = Predictor(high_and_low, "cpu"), scan()
    found = explain(several, volume, HEART_CENTRE, 2.0)
    weight, _ = several.head(fused=True)
    features = at(several, volume, HEART_CENTRE[2]).astype(np.float64)
    assert found.split.image == pytest.approx(float(weight[:512] @ features), abs=1e-9)
    assert found.raising + found.lowering == pytest.approx(found.split.image, abs=1e-5)
    assert found.levels_mm == LEVELS


@pytest.mark.parametrize("increment_mm", [0.7, 1.25, 3.0])
@pytest.mark.parametrize("z", [0, 1, 6, 18, 19])
def test_what_is_shown_to_the_network_is_known_before_it_is_read(z: int, increment_mm: float) -> None:
    p, volume = Preprocessing(levels_mm=LEVELS), scan(increment_mm)
    volume = replace(volume, hu=np.arange(20, dtype=np.int16)[:, None, None] + np.zeros((20, 3, 3), np.int16))
    look = look_at(volume, (1, 1, z), replace(p, patch_xyz=(1, 1, 3), inference_crop=1.0, training_crop=(1.0, 1.0)))
    shown = np.unique(look.patches([*look.own, *look.others])[:, :, 0, 0])
    seen = slices_seen(p, z, 20, increment_mm)
    assert set(seen) == set(shown[shown >= 0].astype(int))
