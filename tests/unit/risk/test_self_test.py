"""A bundle is tested before it speaks: hashes, shape, finite numbers, and the answer it was stored with."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hyrisk_desktop.errors import BundleError, InputError
from hyrisk_desktop.risk.bundle import load_bundle, read_description, verify_bundle
from hyrisk_desktop.risk.predictor import Predictor
from hyrisk_desktop.risk.self_test import KNOWN_ANSWER, known_answer, known_answer_volume, self_test
from tests.helpers.bundles import edit_description, write_tiny_bundle


@pytest.fixture(scope="module")
def pristine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pristine") / "tiny"
    write_tiny_bundle(folder)
    return folder


@pytest.fixture
def folder(tmp_path: Path, pristine: Path) -> Path:
    return shutil.copytree(pristine, tmp_path / "tiny")


def refusal(folder: Path) -> str:
    with pytest.raises(BundleError) as e:
        self_test(folder, "cpu")
    assert str(folder) not in e.value.message
    return e.value.code


def with_answer(folder: Path, answer: object) -> None:
    training = read_description(folder).training
    edit_description(folder, training={**training, KNOWN_ANSWER: answer})


def test_the_exam_is_the_same_on_every_machine() -> None:
    volume, centre, grade = known_answer_volume()
    assert volume.hu.dtype == np.int16
    assert volume.contains(centre)
    assert volume.synthetic
    assert grade == 2
    digest = hashlib.sha256(volume.hu.astype("<i2").tobytes()).hexdigest()
    assert digest == "823bb7eaf8c9ee5826ac9c9aa72640f3d8273e755b2b5d7aff9965a07b47ac16"


def test_a_good_bundle_passes(folder: Path) -> None:
    assert self_test(folder, "cpu").name == "Tiny test network"
    assert verify_bundle(folder).bundle_sha256 == read_description(folder).bundle_sha256


def test_the_known_answer_is_what_the_program_reads(folder: Path) -> None:
    """Not a test of its own arithmetic: the Predictor's risks on the same exam are those of the stored log odds."""
    predictor = Predictor(folder, "cpu")
    reading = predictor.predict(*known_answer_volume())
    stored = predictor.bundle.training[KNOWN_ANSWER]
    calibration = predictor.bundle.calibration
    np.testing.assert_allclose(reading.by_grade, calibration["hyrisknet"].risk(stored["by_grade"]), atol=1e-5)
    assert reading.risknet == pytest.approx(float(calibration["risknet"].risk(stored["risknet"])), abs=1e-5)


def test_a_full_precision_model_gets_the_answer_of_its_stored_weights(tmp_path: Path) -> None:
    import torch

    from hyrisk_desktop.risk.network import HyRiskNet

    torch.manual_seed(3)
    model = HyRiskNet(18)
    bundle = write_tiny_bundle(tmp_path / "a")
    before = {key: value.clone() for key, value in model.state_dict().items()}
    answer = known_answer(model, bundle)
    assert answer == known_answer(model, bundle)
    assert set(answer) == {"exam", "risknet", "by_grade"}
    assert model.training
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())


@pytest.mark.parametrize("shift", [0.0002, -0.0002])
def test_rounding_of_another_machine_is_no_deviation(folder: Path, shift: float) -> None:
    stored = read_description(folder).training[KNOWN_ANSWER]
    with_answer(folder, {**stored, "by_grade": [v + shift for v in stored["by_grade"]]})
    self_test(folder, "cpu")


@pytest.mark.parametrize(
    "change",
    [
        lambda a: {**a, "risknet": a["risknet"] + 0.02},
        lambda a: {**a, "by_grade": [*a["by_grade"][:3], a["by_grade"][3] - 0.02]},
    ],
)
def test_another_answer_is_refused(folder: Path, change: Any) -> None:
    with_answer(folder, change(read_description(folder).training[KNOWN_ANSWER]))
    assert refusal(folder) == "bundle_known_answer"


def test_another_window_is_another_answer(folder: Path) -> None:
    """What no hash can tell: the description is sealed, but not what the network was trained with."""
    preprocessing = json.loads((folder / "model.json").read_text())["preprocessing"]
    edit_description(folder, preprocessing={**preprocessing, "hu_window": [-1000.0, 500.0]})
    assert refusal(folder) == "bundle_known_answer"


@pytest.mark.parametrize(
    "answer",
    [
        None,
        3,
        {},
        {"exam": 1, "risknet": 0.0, "by_grade": [0.0]},
        {"exam": 1, "risknet": "0.0", "by_grade": [0.0] * 4},
        {"exam": 99, "risknet": 0.0, "by_grade": [0.0] * 4},
    ],
)
def test_no_known_answer_is_refused(folder: Path, answer: object) -> None:
    with_answer(folder, answer)
    assert refusal(folder) == "no_known_answer"


def test_no_number_is_refused(folder: Path) -> None:
    from safetensors.torch import load_file, save_file

    path = folder / "weights.safetensors"
    tensors = load_file(path)
    tensors["fused_head.bias"][0] = float("nan")
    save_file(tensors, path)
    edit_description(folder, sha256=hashlib.sha256(path.read_bytes()).hexdigest())
    assert load_bundle(folder)
    assert refusal(folder) == "bundle_not_finite"


def test_damage_is_refused_before_the_network_is_built(folder: Path) -> None:
    data = bytearray((folder / "weights.safetensors").read_bytes())
    data[-1] ^= 1
    (folder / "weights.safetensors").write_bytes(data)
    assert refusal(folder) == "bundle_hash"
    with pytest.raises(BundleError, match="SHA-256"):
        verify_bundle(folder)


def test_an_unknown_device_is_one_sentence(folder: Path) -> None:
    with pytest.raises(InputError):
        self_test(folder, "tpu")


def test_a_model_fed_with_the_agatston_score_is_tested_with_the_same_score_inputs(folder: Path) -> None:
    edit_description(folder, score_input="agatston", agatston_scale=3000.0)
    assert self_test(folder, "cpu").score_input == "agatston"


@pytest.mark.gpu
def test_cuda_gives_the_answer_of_the_cpu(folder: Path) -> None:
    import torch

    if not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    self_test(folder, "cuda")
