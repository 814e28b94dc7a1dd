"""The parts of a risk add up, and the heat lies where the network looked."""

from __future__ import annotations

import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from hyrisk_desktop.errors import InputError
from hyrisk_desktop.risk import explain as explain_module
from hyrisk_desktop.risk.calibration import PlattCalibration
from hyrisk_desktop.risk.explain import Split, explain
from hyrisk_desktop.risk.predictor import Predictor
from tests.helpers.bundles import write_tiny_bundle
from tests.helpers.volumes import HEART_CENTRE, block_volume, box


@pytest.fixture(scope="module")
def predictor(tmp_path_factory: pytest.TempPathFactory) -> Predictor:
    folder = tmp_path_factory.mktemp("model") / "tiny"
    write_tiny_bundle(folder)
    return Predictor(folder, "cpu")


def logit(p: float) -> float:
    return math.log(p / (1 - p))


@pytest.mark.parametrize("grade", [None, 0.0, 1.5, 3.0])
def test_the_parts_sum_to_the_risk_on_screen(predictor: Predictor, grade: float | None) -> None:
    import torch

    from hyrisk_desktop.risk.network import log_odds

    volume = block_volume()
    found = explain(predictor, volume, HEART_CENTRE, grade)
    reading = predictor.predict(volume, HEART_CENTRE, grade)
    features = predictor.features_at(volume, HEART_CENTRE)[:1]
    with torch.inference_mode():
        if grade is None:
            network = log_odds(predictor.network.image_logits(features))
        else:
            score = torch.tensor([grade * 2 / 3 - 1])
            network = log_odds(predictor.network.fused_logits(features, score))
    assert found.split.total == pytest.approx(float(network[0]), abs=1e-5)
    assert found.calibrated.total == pytest.approx(logit(reading.risk), abs=1e-5)
    assert found.raising + found.lowering == pytest.approx(found.split.image, abs=1e-5)
    assert (found.split.score is None) == (grade is None)
    asked = (found.series_uid, found.centre, found.grade, found.bundle_sha256)
    assert asked == (volume.series_uid, HEART_CENTRE, grade, reading.bundle_sha256)
    assert found.demonstration


def test_the_grade_moves_its_own_part_only(predictor: Predictor) -> None:
    volume = block_volume()
    low, high = (explain(predictor, volume, HEART_CENTRE, grade) for grade in (0.0, 3.0))
    assert low.split.score < 0 < high.split.score
    assert (low.split.image, low.split.constant) == (high.split.image, high.split.constant)


def test_calibration_scales_the_parts() -> None:
    parts = Split(1.0, -0.5, 0.25).calibrated(PlattCalibration(0.5, 0.1))
    assert (parts.image, parts.score, parts.constant) == (0.5, -0.25, 0.225)
    assert Split(1.0, None, 0.5).calibrated(PlattCalibration(2.0, 0.0)).total == 3.0


@pytest.mark.parametrize(("image", "beyond"), [(9.0, True), (-9.0, True), (0.2, False)])
def test_the_parts_sum_to_the_risk_on_screen_also_beyond_what_was_calibrated(image: float, beyond: bool) -> None:
    calibration = PlattCalibration(2.0, 0.1, 0.3, -1.0, 1.5)
    split = Split(image, 0.5, -0.25)
    parts = split.calibrated(calibration, 0.1)
    assert parts.total == pytest.approx(logit(float(calibration.risk(split.total, 0.1))))
    assert (parts.image, parts.score) == (2 * image, 1.0)
    assert calibration.beyond(split.total) is beyond


def test_the_heat_fills_the_crop_and_nothing_else(predictor: Predictor) -> None:
    heat = explain(predictor, block_volume(), HEART_CENTRE, 1.0).heat
    assert heat.shape == (161, 161)
    assert heat.dtype == np.float32
    seen = np.isfinite(heat)
    rows, columns = np.flatnonzero(seen.any(axis=1)), np.flatnonzero(seen.any(axis=0))
    assert (rows[0], rows[-1], columns[0], columns[-1]) == (24, 136, 24, 136)
    assert seen.sum() == 113 * 113
    assert np.nanmin(heat) >= 0
    assert np.nanmax(heat) == pytest.approx(1.0)
    with pytest.raises(ValueError, match="read-only"):
        heat[0, 0] = 1


def test_the_heat_is_where_it_belongs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A network made to answer to bright pixels: its heat lies on the bright corner and not on its mirror image."""
    import torch

    write_tiny_bundle(tmp_path / "tiny")
    predictor = Predictor(tmp_path / "tiny", "cpu")

    def bright(images: torch.Tensor) -> torch.Tensor:
        """Average brightness on a grid, as the last stage of a trunk that has learned nothing else."""
        return torch.nn.functional.adaptive_avg_pool2d(images, 8).mean(dim=1, keepdim=True).expand(-1, 512, -1, -1)

    monkeypatch.setattr(predictor.network, "maps", bright)
    with torch.no_grad():
        predictor.network.image_head.weight[1] = 1.0
        predictor.network.image_head.weight[0] = 0.0
    x, y, z = HEART_CENTRE
    volume = block_volume([(box((x + 28, y - 42, z - 1), (12, 12, 3)), 3000)])
    heat = explain(predictor, volume, HEART_CENTRE).heat
    row, column = np.unravel_index(np.nanargmax(heat), heat.shape)
    assert abs(int(row) - (80 - 36)) < 9
    assert abs(int(column) - (80 + 34)) < 9


def test_where_nothing_raises_the_risk_there_is_no_heat(tmp_path: Path) -> None:
    import torch

    write_tiny_bundle(tmp_path / "tiny")
    predictor = Predictor(tmp_path / "tiny", "cpu")
    with torch.no_grad():
        predictor.network.image_head.weight[1] = -1.0
        predictor.network.image_head.weight[0] = 0.0
    found = explain(predictor, block_volume(), HEART_CENTRE)
    assert np.nanmax(found.heat) == 0
    assert found.raising == 0
    assert found.lowering == pytest.approx(found.split.image, abs=1e-4)


def test_bad_questions_are_refused(predictor: Predictor) -> None:
    for centre, grade in (((999, 0, 0), 1.0), (HEART_CENTRE, 4.0)):
        with pytest.raises(InputError):
            explain(predictor, block_volume(), centre, grade)


def test_explaining_leaves_the_reading_as_it_was(predictor: Predictor) -> None:
    volume = block_volume(seed=8)
    before = predictor.predict(volume, HEART_CENTRE, 2.0)
    explain(predictor, volume, HEART_CENTRE, 2.0)
    assert predictor.predict(volume, HEART_CENTRE, 2.0) == before
    assert all(parameter.grad is None for parameter in predictor.network.parameters())


@pytest.mark.parametrize("grade", [None, 2.0])
def test_the_map_is_grad_cam_by_its_definition(
    predictor: Predictor, grade: float | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Channels weighted by the mean of the log odds' gradient, which autograd works out here."""
    import torch

    from hyrisk_desktop.risk.network import log_odds

    volume, network = block_volume(seed=4), predictor.network
    placed: list[np.ndarray] = []
    place = explain_module._place
    monkeypatch.setattr(explain_module, "_place", lambda cam, *rest: placed.append(cam) or place(cam, *rest))
    explain(predictor, volume, HEART_CENTRE, grade)
    images, _ = predictor.input_batch(volume, HEART_CENTRE)
    with torch.enable_grad():
        maps = network.maps(images[:1].clone()).detach().requires_grad_()
        features = network.averaged(maps)
        score = None if grade is None else torch.tensor([predictor.score_input(grade, None)])
        logits = network.image_logits(features) if score is None else network.fused_logits(features, score)
        (gradient,) = torch.autograd.grad(log_odds(logits).sum(), maps)
    expected = (gradient.mean(dim=(2, 3), keepdim=True) * maps).sum(dim=1)[0].detach().numpy()
    assert placed[0].shape == expected.shape
    np.testing.assert_allclose(placed[0], expected, rtol=0, atol=1e-5 * np.abs(expected).max())


def test_an_explanation_after_its_risk_runs_no_network(predictor: Predictor, monkeypatch: pytest.MonkeyPatch) -> None:
    volume = block_volume(seed=5)
    predictor.predict(volume, HEART_CENTRE, 1.0)
    monkeypatch.setattr(predictor.network, "maps", None)
    explain(predictor, volume, HEART_CENTRE, 1.0)


def test_the_window_imports_no_plotting_library() -> None:
    code = (
        "import sys, hyrisk_desktop.gui.main_window, hyrisk_desktop.risk.explain, hyrisk_desktop.risk.predictor\n"
        "print([m for m in ('captum', 'matplotlib') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
