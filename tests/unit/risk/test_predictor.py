from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from hyrisk_desktop.errors import BundleError, InputError
from hyrisk_desktop.imaging.volume import CTVolume
from hyrisk_desktop.risk import Predictor, device
from hyrisk_desktop.risk.preprocessing import Crop, prepare
from tests.helpers.bundles import edit_description, write_tiny_bundle
from tests.helpers.volumes import HEART_CENTRE, block_volume, box


@pytest.fixture(scope="module")
def model_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("model") / "tiny"
    write_tiny_bundle(folder)
    return folder


@pytest.fixture(scope="module")
def predictor(model_folder: Path) -> Predictor:
    return Predictor(model_folder, "cpu")


def test_reading_is_complete(predictor: Predictor) -> None:
    volume = block_volume()
    reading = predictor.predict(volume, HEART_CENTRE, 2)
    assert (reading.series_uid, reading.centre, reading.grade) == (volume.series_uid, HEART_CENTRE, 2)
    assert reading.sha256 == predictor.bundle.sha256
    assert reading.bundle_sha256 == predictor.bundle.bundle_sha256 != reading.sha256
    assert reading.demonstration
    assert reading.hyrisknet == reading.risk == reading.by_grade[2]
    assert list(reading.by_grade) == sorted(reading.by_grade)


def test_without_a_grade_the_image_speaks(predictor: Predictor) -> None:
    reading = predictor.predict(block_volume(), HEART_CENTRE)
    assert reading.hyrisknet is None
    assert reading.risk == reading.risknet
    assert (reading.prevalence, reading.calibrated) == (0.4, True)


@pytest.fixture(scope="module")
def odds_apart(predictor: Predictor) -> tuple[CTVolume, dict[float | None, np.ndarray]]:
    """A volume, and the log odds of its eleven views by grade, worked out from the network alone: patches cut one by one,
    logits subtracted by hand; None for the image-only head."""

    volume = block_volume([(box((110, 100, 10), (30, 20, 3)), 300), (box((150, 130, 13), (9, 25, 2)), -400)])
    p, model = predictor.bundle.preprocessing, predictor.network
    cx, cy, cz = HEART_CENTRE
    looks = [(0, 0, 0, 0.7), (3, 0, 0, 0.7), (-3, 0, 0, 0.7), (0, 3, 0, 0.7), (0, -3, 0, 0.7), (0, 0, -1, 0.7), (0, 0, 1, 0.7),
             (3, 3, -1, 0.7), (-3, -3, 1, 0.7), (0, 0, 0, 0.6), (0, 0, 0, 0.8)]  # fmt: skip
    inputs = []
    for dx, dy, dz, ratio in looks:
        side = round(161 * ratio)
        half = (161 - side) // 2
        x, y, z = cx + dx - 80 + half, cy + dy - 80 + half, cz + dz
        patch = volume.hu[z - 1 : z + 2, y : y + side, x : x + side].astype(np.float32)
        inputs.append(prepare(torch.from_numpy(patch)[None], [Crop(0, 0, side)], p))
    with torch.inference_mode():
        features = model.trunk(torch.cat(inputs))
        logits = {None: features @ model.image_head.weight.T + model.image_head.bias}
        for grade in (0.0, 1.0, 2.0, 3.0):
            whole = torch.cat([features, torch.full((len(looks), 1), grade * 2 / 3 - 1)], 1)
            logits[grade] = whole @ model.fused_head.weight.T + model.fused_head.bias
    return volume, {grade: (both[:, 1] - both[:, 0]).double().numpy() for grade, both in logits.items()}


def logistic(z: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-z))


@pytest.mark.parametrize("prevalence", [None, 0.1])
def test_each_head_has_its_own_curve_prevalence_and_reference(
    odds_apart: tuple[CTVolume, dict[float | None, np.ndarray]], model_folder: Path, prevalence: float | None
) -> None:
    """Risks, interval, strip and percentile against the views' log odds, computed apart, and the curves written out."""
    model = Predictor(model_folder, "cpu", prevalence)
    volume, apart = odds_apart
    logit = {0.1: np.log(0.1 / 0.9), 0.3: np.log(0.3 / 0.7), 0.4: np.log(0.4 / 0.6)}

    def risks(head: str, odds: np.ndarray) -> np.ndarray:
        slope, intercept, own = {"risknet": (0.8, 0.1, 0.4), "hyrisknet": (1.1, -0.3, 0.3)}[head]
        return logistic(slope * odds + intercept + (0 if prevalence is None else logit[prevalence] - logit[own]))

    alone = risks("risknet", apart[None])
    close = {"rtol": 0, "atol": 2e-6}
    image = model.predict(volume, HEART_CENTRE)
    assert image.risknet == pytest.approx(alone[0], abs=2e-6)
    np.testing.assert_allclose(image.interval, (alone.min(), alone.max()), **close)
    assert image.prevalence == (prevalence or 0.4)
    fused = [risks("hyrisknet", apart[g]) for g in range(4)]
    for grade in (1, 3):
        reading = model.predict(volume, HEART_CENTRE, grade)
        assert reading.risknet == pytest.approx(alone[0], abs=2e-6)
        assert reading.hyrisknet == pytest.approx(fused[grade][0], abs=2e-6)
        np.testing.assert_allclose(reading.by_grade, [f[0] for f in fused], **close)
        np.testing.assert_allclose(reading.interval, (fused[grade].min(), fused[grade].max()), **close)
        assert reading.prevalence == (prevalence or 0.3)
    # The view of the reader's own click is not the outermost one, or the interval's ends were not looked at.
    assert alone.min() < alone[0] < alone.max()
    assert fused[1].min() < fused[1][0] < fused[1].max()
    # The place in the cohort is that of the head's own reference, at the model's own prevalence.
    own = {"risknet": logistic(0.8 * apart[None][0] + 0.1), "hyrisknet": logistic(1.1 * apart[3][0] - 0.3)}
    assert image.percentile == 100 * np.count_nonzero(np.linspace(0, 1, 51) ** 2 < own["risknet"]) / 51
    assert model.predict(volume, HEART_CENTRE, 3).percentile == (
        100 * np.count_nonzero(np.linspace(0, 1, 101) < own["hyrisknet"]) / 101
    )
    assert model.prevalences == ((0.4, 0.3) if prevalence is None else (0.1,))


@pytest.mark.parametrize("view", range(11))
def test_any_view_may_be_an_end_of_the_interval(
    predictor: Predictor, view: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Features made up so that one view stands out to either side."""

    for head, grade in ((predictor.network.image_head, None), (predictor.network.fused_head, 2.0)):
        along = (head.weight[1, :512] - head.weight[0, :512]).detach()
        for sense in (-1, 1):
            features = torch.zeros((11, 512))
            features[view] = sense * along / (along @ along)
            seen = replace(predictor._look_inside(block_volume(), HEART_CENTRE), features=features)
            monkeypatch.setattr(predictor, "_look_inside", lambda *_, seen=seen: seen)
            low, high = predictor.predict(block_volume(), HEART_CENTRE, grade).interval
            monkeypatch.undo()
            plain = (head.bias[1] - head.bias[0]).item() + (0 if grade is None else 2 * (2 * 2 / 3 - 1))
            slope, intercept = (0.8, 0.1) if grade is None else (1.1, -0.3)
            ends = logistic(slope * np.sort([plain, plain + sense]) + intercept)
            assert (low, high) == pytest.approx(tuple(ends), abs=1e-6)


def test_the_newest_centres_are_remembered(predictor: Predictor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hyrisk_desktop.risk.predictor._CACHED_CENTRES", 2)
    predictor._seen.clear()
    ran: list[int] = []
    maps = predictor._engine.maps
    monkeypatch.setattr(predictor._engine, "maps", lambda batch: (ran.append(1), maps(batch[:1]))[1])
    volume = block_volume(seed=9)
    for x, runs in ((120, 1), (121, 2), (120, 2), (122, 3), (120, 3), (121, 4)):
        predictor.features_at(volume, (x, 120, 12))
        assert len(ran) == 2 * runs, x  # the reader's own view, and then the others
    predictor._seen.clear()


@pytest.mark.parametrize(
    ("z", "slices"), [(1, [[0, 1, 2], [0, 0, 1], [1, 2, 3]]), (23, [[22, 23, 24], [21, 22, 23], [23, 24, 24]])]
)
def test_the_intervals_slices_beyond_an_end_are_the_nearest_one(
    predictor: Predictor, z: int, slices: list[list[int]]
) -> None:
    """Near an end there is no click beyond it: its slice stands in, and not emptiness."""

    volume = block_volume(seed=3)
    batch, outside = predictor.input_batch(volume, (130, 120, z))
    assert not outside
    p = predictor.bundle.preprocessing
    for view, where in zip((batch[0], batch[5], batch[6]), slices, strict=True):
        patch = torch.from_numpy(volume.hu[where, 40:201, 50:211].astype(np.float32))[None]
        torch.testing.assert_close(view, prepare(patch, [Crop(24, 24, 113)], p)[0])


def test_a_model_that_takes_the_agatston_score(tmp_path: Path) -> None:
    write_tiny_bundle(tmp_path)
    edit_description(tmp_path, score_input="agatston", agatston_scale=1000.0)
    model, volume = Predictor(tmp_path, "cpu"), block_volume()
    low, high = (model.predict(volume, HEART_CENTRE, 2, agatston=a) for a in (0.0, 1000.0))
    assert (low.score_input, low.agatston, low.grade, low.by_grade) == ("agatston", 0.0, 2, ())
    assert low.hyrisknet is not None
    assert low.risk < high.risk
    assert model.predict(volume, HEART_CENTRE, 0, agatston=0.0).risk == low.risk
    assert model.predict(volume, HEART_CENTRE, 2).hyrisknet is None
    # -1 and +1 are the ends of both scales: the same network reads them as the grades 0 and 3.
    write_tiny_bundle(tmp_path / "grade")
    by_grade = Predictor(tmp_path / "grade", "cpu").predict(volume, HEART_CENTRE, 2).by_grade
    assert (low.risk, high.risk) == (pytest.approx(by_grade[0], abs=1e-6), pytest.approx(by_grade[3], abs=1e-6))
    with pytest.raises(InputError):
        model.predict(volume, HEART_CENTRE, agatston=float("nan"))


def test_another_prevalence_moves_the_risk_and_not_the_rank(predictor: Predictor, tmp_path: Path) -> None:
    write_tiny_bundle(tmp_path)
    rare = Predictor(tmp_path, "cpu", prevalence=0.05).predict(block_volume(), HEART_CENTRE, 2)
    plain = predictor.predict(block_volume(), HEART_CENTRE, 2)
    assert (rare.prevalence, plain.prevalence) == (0.05, 0.3)
    odds = plain.risk / (1 - plain.risk) * (0.05 / 0.95) / (0.3 / 0.7)
    assert rare.risk == pytest.approx(odds / (1 + odds), abs=1e-6)
    assert rare.percentile == plain.percentile
    assert rare.interval[0] <= rare.risk == rare.by_grade[2] <= rare.interval[1]
    for wrong in (0.0, 1.0, -0.1, float("nan")):
        with pytest.raises(InputError):
            Predictor(tmp_path, "cpu", prevalence=wrong)


def test_a_new_grade_runs_only_the_last_layer(predictor: Predictor, monkeypatch: pytest.MonkeyPatch) -> None:
    volume = block_volume(seed=5)
    first = predictor.predict(volume, HEART_CENTRE, 0)
    monkeypatch.setattr(predictor._engine, "maps", lambda _: pytest.fail("the trunk ran again"))
    again = predictor.predict(volume, HEART_CENTRE, 3)
    assert again.risknet == first.risknet
    assert again.risk == first.by_grade[3]


def test_features_belong_to_pixels_and_not_to_names(predictor: Predictor) -> None:
    """Two exams with the same UIDs and centre but other pixels: the second must not inherit the first's features."""
    one, other = block_volume(seed=1), block_volume([(box((100, 100, 8), (50, 50, 8)), -600)], seed=1)
    assert one.series_uid == other.series_uid
    assert predictor.predict(one, HEART_CENTRE, 1).risknet != predictor.predict(other, HEART_CENTRE, 1).risknet


def test_the_interval_grows_from_nearby_clicks(predictor: Predictor) -> None:
    """Every view is the centred inference crop of a patch cut at the shifted click."""

    from hyrisk_desktop.risk.preprocessing import centred_crop, cut_patch, prepare

    volume = block_volume([(box((110, 100, 10), (30, 20, 3)), 300)])
    batch, _ = predictor.input_batch(volume, HEART_CENTRE)
    p = predictor.bundle.preprocessing
    cx, cy, cz = HEART_CENTRE
    shifts = [(0, 0, 0), (3, 0, 0), (-3, 0, 0), (0, 3, 0), (0, -3, 0), (0, 0, -1), (0, 0, 1), (3, 3, -1), (-3, -3, 1)]
    for view, (dx, dy, dz) in zip(batch, shifts, strict=False):
        patch, _ = cut_patch(volume.hu, (cx + dx, cy + dy, cz + dz), p)
        expected = prepare(torch.from_numpy(patch.astype(np.float32))[None], [centred_crop(p)], p)[0]
        torch.testing.assert_close(view, expected)
    assert len(batch) == len(shifts) + 2


def test_patch_outside_the_volume_is_a_finding(predictor: Predictor) -> None:
    volume = block_volume()
    assert "patch_outside" in [f.code for f in predictor.predict(volume, (10, 120, 12), 1).findings]
    assert "patch_outside" in [f.code for f in predictor.predict(volume, (130, 120, 0), 1).findings]
    assert "patch_outside" not in [f.code for f in predictor.predict(volume, HEART_CENTRE, 1).findings]
    # One slice from the end the patch fits, although the interval's outer click would not.
    assert "patch_outside" not in [f.code for f in predictor.predict(volume, (130, 120, 1), 1).findings]


@pytest.mark.parametrize(
    ("centre", "grade"),
    [((999, 0, 0), 1.0), ((260, 0, 0), 1.0), ((0, 240, 0), 1.0), (HEART_CENTRE, 3.01), (HEART_CENTRE, -0.01)],
)
def test_bad_questions_are_refused(predictor: Predictor, centre: tuple[int, int, int], grade: float) -> None:
    with pytest.raises(InputError):
        predictor.predict(block_volume(), centre, grade)


def test_acquisition_outside_training_is_a_finding(predictor: Predictor) -> None:
    reading = predictor.predict(block_volume(spacing=(4.2, 4.2, 3.0)), HEART_CENTRE, 1)
    assert "pixel_outside_training" in [f.code for f in reading.findings]


def test_no_cuda_is_one_sentence(tmp_path: Path) -> None:

    if torch.cuda.is_available():
        pytest.skip("there is a CUDA device")
    write_tiny_bundle(tmp_path / "tiny")
    with pytest.raises(InputError, match="no CUDA device"):
        Predictor(tmp_path / "tiny", "cuda")


def test_an_answer_that_is_no_number_is_refused(tmp_path: Path) -> None:

    write_tiny_bundle(tmp_path / "tiny")
    predictor = Predictor(tmp_path / "tiny", "cpu")
    with torch.no_grad():
        predictor._model.fused_head.bias[0] = torch.nan
    with pytest.raises(BundleError) as e:
        predictor.predict(block_volume(), HEART_CENTRE, 2)
    assert e.value.code == "bundle_not_finite"


def test_an_unknown_device_is_one_sentence() -> None:
    from hyrisk_desktop.risk.predictor import describe_device

    with pytest.raises(InputError, match="cpu or cuda"):
        describe_device("tpu")
    assert describe_device("cpu").startswith("cpu")


def test_a_card_is_called_by_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda: "A card")
    assert device.describe_device() == device.describe_device("cuda") == "cuda (A card)"
    assert device.describe_device("cpu").endswith(", as set")


@pytest.mark.gpu
def test_cpu_and_cuda_agree(tmp_path: Path) -> None:

    if not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    write_tiny_bundle(tmp_path / "tiny")
    volume = block_volume()
    risks = [Predictor(tmp_path / "tiny", device).predict(volume, HEART_CENTRE, 2).risk for device in ("cpu", "cuda")]
    assert risks[0] == pytest.approx(risks[1], abs=1e-4)


def test_the_first_answer_is_the_reading_without_its_interval(predictor: Predictor) -> None:
    volume, seen = block_volume(seed=11), []
    whole = predictor.predict(volume, HEART_CENTRE, 2.0, on_first=seen.append)
    (first,) = seen
    assert first.interval == (first.risk, first.risk)
    assert first.risk == pytest.approx(whole.risk, abs=1e-6)
    assert first.risknet == pytest.approx(whole.risknet, abs=1e-6)
    assert first.by_grade == pytest.approx(whole.by_grade, abs=1e-6)
    assert (first.grade, first.centre, first.findings) == (whole.grade, whole.centre, whole.findings)
    assert whole.interval[0] < whole.risk < whole.interval[1] or whole.risk in whole.interval
    predictor.predict(volume, HEART_CENTRE, 1.0, on_first=seen.append)
    assert len(seen) == 1, "what is known already has no first answer"
    assert predictor.predict(volume, HEART_CENTRE, 2.0) == whole
