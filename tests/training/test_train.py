"""A tiny cohort goes the whole way: train, die, resume, fuse, calibrate, export, load, predict."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from hyrisk_desktop.errors import InputError
from hyrisk_desktop.imaging.volume import CTVolume
from hyrisk_desktop.risk.network import HyRiskNet, log_odds
from hyrisk_desktop.risk.predictor import Predictor
from model_training.dataset import load_cohort
from model_training.export import Cohorts, export
from model_training.fuse import fit_fused_head
from model_training.metrics import auc, auc_over_draws, bootstrap_ci, expected_auc
from model_training.phantom.cohort import draw_case, write_cohort
from model_training.train import Phase, TrainConfig, learning_rate, make_plan, parse_phases, train

TINY = TrainConfig(
    depth=18,
    phases=(Phase(32, 1.0), Phase(48, 1.0)),
    batch=8,
    learning_rate=1e-3,
    validation=8,
    checkpoint_every=4,
    bfloat16=True,
    seed=3,
)


class Killed(Exception):
    """Stands for kill -9: nothing in the trainer catches it or cleans up after it."""


@pytest.fixture(scope="module")
def cohorts(tmp_path_factory) -> Cohorts:
    base = tmp_path_factory.mktemp("cohorts")
    parts = {}
    for name, first, count in (
        ("training", 0, 32),
        ("stage_two", 100, 12),
        ("calibration", 200, 12),
        ("test", 300, 12),
    ):
        write_cohort(base / name, count, first, workers=1)
        parts[name] = load_cohort(base / name)
    return Cohorts(**parts)


@pytest.fixture(scope="module")
def finished(cohorts, tmp_path_factory):
    run = tmp_path_factory.mktemp("run") / "whole"
    train(cohorts.training, run, TINY)
    return run


def losses(run) -> dict[int, float]:
    """Loss by step; a step that was done twice must have come out the same."""
    found: dict[int, float] = {}
    for line in (run / "log.jsonl").read_text().splitlines():
        entry = json.loads(line)
        if "loss" in entry:
            previous = found.setdefault(entry["step"], entry["loss"])
            assert math.isclose(previous, entry["loss"], abs_tol=1e-6)
    return found


def test_killed_run_continues_identically(cohorts, finished, tmp_path) -> None:
    def dies_at_step_five(done: int, total: int) -> None:
        if done == 5:
            raise Killed

    run = tmp_path / "killed"
    with pytest.raises(Killed):
        train(cohorts.training, run, TINY, dies_at_step_five)
    (run / "checkpoint-000008.safetensors.staged").write_bytes(b"half a file")
    train(cohorts.training, run, TINY)
    whole, resumed = losses(finished), losses(run)
    assert whole.keys() == resumed.keys()
    assert max(abs(whole[step] - resumed[step]) for step in whole) < 1e-6
    assert not list(run.glob("*.pt"))


def test_run_of_another_configuration_is_refused(cohorts, finished) -> None:
    with pytest.raises(InputError, match="another training run"):
        train(cohorts.training, finished, replace(TINY, seed=4))


def test_damaged_checkpoint_is_refused(cohorts, finished, tmp_path) -> None:
    import shutil

    run = tmp_path / "damaged"
    shutil.copytree(finished, run)
    checkpoint = next(run.glob("checkpoint-*.safetensors"))
    content = bytearray(checkpoint.read_bytes())
    content[-1] ^= 1
    checkpoint.write_bytes(content)
    with pytest.raises(InputError, match="damaged"):
        train(cohorts.training, run, TINY)


def test_export_load_predict(cohorts, finished, tmp_path) -> None:
    bundle = export(finished, cohorts, tmp_path / "bundle", "Tiny test")
    card = (tmp_path / "bundle" / "CARD.md").read_text()
    assert bundle.sha256 in card
    assert bundle.demonstration
    assert bundle.preprocessing.input_size == 48
    results = bundle.training["results"]
    assert set(results["auc"]) == {"risknet", "hyrisknet", "grade", "agatston", "category", "volume", "sqrt_volume"}
    assert bundle.training["seeds"]["test"] == [300, 311]
    predictor = Predictor(tmp_path / "bundle", device="cpu")
    row, patch = draw_case(310)
    volume = CTVolume(patch, (row.pixel_mm, row.pixel_mm, row.increment_mm), (0, 0, 0), np.eye(3), "310")
    reading = predictor.predict(volume, (80, 80, 1), row.grade)
    assert 0 < reading.risk < 1
    assert reading.calibrated
    assert reading.percentile is not None


def test_overlapping_cohorts_are_refused(cohorts, finished, tmp_path) -> None:
    leaky = replace(cohorts, test=cohorts.calibration)
    with pytest.raises(InputError, match="share phantoms"):
        export(finished, leaky, tmp_path / "bundle", "Leaky")


def test_fused_head_finds_the_score() -> None:
    torch.manual_seed(0)
    model = HyRiskNet(18)
    n = 1500
    features = torch.randn(n, 512).abs()
    score = torch.from_numpy(np.random.default_rng(0).choice([-1.0, -1 / 3, 1 / 3, 1.0], n)).float()
    with torch.no_grad():
        image = log_odds(model.image_logits(features))
        image = image - image.mean()
        target = torch.sigmoid(image + 1.5 * score)
    fit = fit_fused_head(model, features, score, target)
    assert fit.score_weight == pytest.approx(1.5, abs=0.1)
    with torch.no_grad():
        fused = log_odds(model.fused_logits(features, score))
    assert float((fused - (image + 1.5 * score)).abs().mean()) < 0.15


def test_schedule() -> None:
    config = TrainConfig(phases=parse_phases("96:6,224:1.5"), batch=64)
    plan = make_plan(config, 6400)
    assert plan.steps == 750
    assert plan.sizes[599:601] == (96, 224)
    rates = [learning_rate(config, share) for share in plan.work]
    assert max(rates) == pytest.approx(config.learning_rate, rel=0.01)
    assert rates[-1] == pytest.approx(0.0, abs=1e-9)
    with pytest.raises(InputError, match="SIZE:EPOCHS"):
        parse_phases("96x6")


def test_metrics() -> None:
    outcome = np.array([0, 0, 1, 1])
    assert auc(np.array([1.0, 2.0, 3.0, 4.0]), outcome) == 1.0
    assert auc(np.array([4.0, 3.0, 2.0, 1.0]), outcome) == 0.0
    assert auc(np.array([1.0, 1.0, 1.0, 1.0]), outcome) == 0.5
    assert auc(np.array([0.0, 1.0, 1.0, 2.0]), outcome) == 0.875
    rng = np.random.default_rng(0)
    score = rng.standard_normal(1500)
    risk = 1 / (1 + np.exp(-score))
    mean, spread = auc_over_draws(score, risk, 40, seed=0)
    assert expected_auc(score, risk) == pytest.approx(mean, abs=0.005)
    assert 0.005 < spread < 0.03
    drawn = (rng.random(1500) < risk).astype(np.int64)
    low, high = bootstrap_ci(score, drawn, resamples=200)
    assert low < auc(score, drawn) < high
