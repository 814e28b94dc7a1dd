"""One fit in this process: strategies, schedules, early stop, calibration, novelty, and stage two on reserved cases."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from hyrisk_desktop.errors import InputError
from hyrisk_desktop.risk.network import HyRiskNet, log_odds
from hyrisk_desktop.risk.preprocessing import Preprocessing
from hyrisk_desktop.risk.score_input import ScoreInput
from model_training.config import Phase, TrainConfig, demonstration_config, paper_config, parse_network, parse_phases
from model_training.dataset import CohortData, load_cohort, score_inputs, with_statistics
from model_training.export import novelty_statistics, platt_calibration
from model_training.folds import final_fold
from model_training.fuse import PULLS, fit_fused_head, fit_image_head, fit_linear
from model_training.train import Fit, Watch, fit, make_plan, rate_factor


@pytest.fixture(scope="module")
def data(cohort: Path, cache: Path) -> CohortData:
    return load_cohort(cohort, cache)


def job(data: CohortData, config: TrainConfig, scores: torch.Tensor | None = None) -> Fit:
    fold = final_fold(data.outcome, data.patient, 0)
    preprocessing = with_statistics(Preprocessing(input_size=config.input_size), data, fold.training)
    targets = torch.tensor(data.outcome, dtype=torch.float32)
    return Fit(data, fold.training, fold.inner, targets, scores, preprocessing, config, torch.device("cpu"))


def network() -> HyRiskNet:
    torch.manual_seed(0)
    return HyRiskNet(18)


class Recorder(Watch):
    def __init__(self) -> None:
        self.epochs: list[dict[str, Any]] = []

    def epoch(self, stage: int, values: dict[str, Any]) -> None:
        self.epochs.append(values)


def test_a_frozen_trunk_learns_nothing_and_its_heads_do(data: CohortData, tmp_path: Path) -> None:
    config = paper_config(18, "frozen", 4, size=32, batch=6)
    before = network()
    # The weights are chosen on what they learn from: some step must be better than none.
    whole = job(data, config, score_inputs(data, ScoreInput()))
    after = fit(replace(whole, inner=whole.training), tmp_path, network)
    for (name, a), b in zip(before.state_dict().items(), after.state_dict().values(), strict=True):
        if name.startswith("trunk."):
            assert torch.equal(a, b), name
    assert not torch.equal(before.fused_head.weight, after.fused_head.weight)


def test_fine_tuning_may_keep_the_weights_it_started_from(data: CohortData, tmp_path: Path) -> None:
    watch = Recorder()
    fit(job(data, paper_config(18, "finetune", 1, size=32, batch=6)), tmp_path / "tuned", network, watch)
    assert [e["epoch"] for e in watch.epochs] == [0, 1]
    watch = Recorder()
    fit(job(data, paper_config(18, "scratch", 1, size=32, batch=6)), tmp_path / "scratch", network, watch)
    assert [e["epoch"] for e in watch.epochs] == [1]


def test_a_fit_stops_when_the_inner_loss_no_longer_falls(data: CohortData, tmp_path: Path) -> None:
    config = replace(
        paper_config(18, "scratch", 30, size=32, batch=6, patience=2), learning_rate=0.0, head_learning_rate=0.0
    )
    watch = Recorder()
    fit(job(data, config), tmp_path, network, watch)
    assert len(watch.epochs) < 30
    best = max(e["epoch"] for e in watch.epochs if e["best"])
    assert watch.epochs[-1]["epoch"] == best + 2


def test_a_diverged_fit_is_one_sentence(data: CohortData, tmp_path: Path) -> None:
    config = replace(paper_config(18, "scratch", 1, size=32, batch=6), learning_rate=float("nan"))
    with pytest.raises(InputError, match="diverged"):
        fit(job(data, config), tmp_path, network)


def test_schedules() -> None:
    config = paper_config(34, "scratch", 12, batch=10)
    plan = make_plan(config, 100)
    assert [round(rate_factor(config, plan, 10 * e), 4) for e in (0, 4, 5, 9, 10)] == [1, 1, 0.9, 0.9, 0.81]
    tuned = paper_config(34, "finetune", 12)
    assert (tuned.optimiser, tuned.learning_rate, rate_factor(tuned, plan, 90)) == ("adam", 1e-5, 1.0)
    cosine = demonstration_config((Phase(96, 1.0), Phase(224, 1.0)))
    plan = make_plan(cosine, 64 * 50)
    factors = [rate_factor(cosine, plan, step) for step in range(plan.steps)]
    assert max(factors) == pytest.approx(1, abs=0.05)
    assert factors[0] < 0.1
    assert factors[-1] < 0.01


def test_phases_and_networks_are_parsed_or_refused() -> None:
    assert parse_phases("96:6,224:1.5") == (Phase(96, 6.0), Phase(224, 1.5))
    assert parse_network("risknet-50") == 50
    for text in ("96", "a:b", ""):
        with pytest.raises(InputError):
            parse_phases(text)
    for text in ("hyrisknet-35", "resnet-34", "hyrisknet"):
        with pytest.raises(InputError):
            parse_network(text)
    for arguments in ((34, "quick", 1.0), (33, "scratch", 1.0), (34, "scratch", 0.0)):
        with pytest.raises(InputError):
            paper_config(*arguments)


def test_statistics_come_from_the_training_part_alone(data: CohortData) -> None:
    some = np.arange(10)
    found = with_statistics(Preprocessing(), data, some)
    changed = replace(data, patches=np.where(np.arange(len(data))[:, None, None, None] < 10, data.patches, 3000))
    assert with_statistics(Preprocessing(), changed, some) == found
    assert with_statistics(Preprocessing(), changed, np.arange(12)) != found


def test_stage_two_on_reserved_cases_finds_the_weight_of_the_score() -> None:
    rng = np.random.default_rng(0)
    model = HyRiskNet(18)
    features = torch.from_numpy(rng.normal(size=(1500, 512)).astype(np.float32))
    score = torch.from_numpy(rng.uniform(-1, 1, 1500).astype(np.float32))
    with torch.no_grad():
        image = log_odds(model.image_logits(features))
    truth = 2.0 * image + 1.5 * score
    outcome = torch.from_numpy((rng.random(1500) < 1 / (1 + np.exp(-truth.numpy()))).astype(np.float32))
    found = fit_fused_head(model, features, score, outcome)
    assert found.score_weight == pytest.approx(1.5, abs=0.4)
    with torch.no_grad():
        fused = log_odds(model.fused_logits(features, score))
    assert np.corrcoef(fused, truth)[0, 1] > 0.9


def test_the_image_head_is_fitted_on_reserved_cases_from_nothing() -> None:
    rng = np.random.default_rng(1)
    model = HyRiskNet(18)
    features = torch.from_numpy((rng.normal(size=(1500, 512)) * rng.uniform(0.5, 3, 512)).astype(np.float32))
    truth = (features @ torch.from_numpy((rng.normal(size=512) * 0.03).astype(np.float32)) + 0.4).numpy()
    # A soft label, as the demonstration's: the risk itself.
    target = torch.from_numpy(1 / (1 + np.exp(-truth))).float()
    with torch.no_grad():
        before, fused = log_odds(model.image_logits(features)), model.fused_head.weight.clone()
    pull = fit_image_head(model, features, target)
    with torch.no_grad():
        odds = log_odds(model.image_logits(features)).numpy()
    assert pull in PULLS
    assert np.corrcoef(odds, truth)[0, 1] > 0.99 > abs(np.corrcoef(before, truth)[0, 1])
    assert odds.mean() == pytest.approx(truth.mean(), abs=0.05)
    assert np.polyfit(truth, odds, 1)[0] == pytest.approx(1, abs=0.05)
    assert torch.equal(model.fused_head.weight, fused)
    # What the head was before is forgotten: another start, the same head.
    other = HyRiskNet(18)
    assert fit_image_head(other, features, target) == pull
    assert torch.allclose(other.image_head.weight, model.image_head.weight, atol=1e-6)


def test_heads_count_by_how_much_the_log_odds_of_two_clicks_differ() -> None:
    rng = np.random.default_rng(2)
    features = torch.from_numpy(rng.normal(size=(1200, 512)).astype(np.float32))
    # Half of what tells the risk moves with the click.
    truth = (features[:, :2].sum(dim=1)).numpy()
    target = torch.from_numpy(1 / (1 + np.exp(-truth))).float()
    twice = torch.zeros(300, 512)
    twice[:, 1] = torch.from_numpy(rng.normal(size=300).astype(np.float32))

    def heads(still: float) -> list[tuple[float, float]]:
        model = HyRiskNet(18)
        fit_image_head(model, features, target, still=[(twice, still)])
        fit_fused_head(model, features, torch.zeros(1200), target, still=[(twice, still)])
        found = [(head.weight[1] - head.weight[0]).detach() for head in (model.image_head, model.fused_head)]
        return [(float(weight[0]), float(weight[1])) for weight in found]

    for free, held in zip(heads(0.0), heads(1.0), strict=True):
        assert free == pytest.approx((1, 1), abs=0.15)
        assert 0 < held[1] < held[0] / 2
    model = HyRiskNet(18)
    none = torch.zeros(1200)
    lines = [fit_linear(model, features, none, target, 0.1, still=[(twice, still)]) for still in (0.3, 0.6)]
    double = fit_linear(model, features, none, target, 0.1, still=[(twice * 2**0.5, 0.3)])
    assert torch.allclose(double.weight, lines[1].weight, atol=1e-4)
    assert not torch.allclose(lines[0].weight, lines[1].weight, atol=1e-3)
    both = fit_linear(model, features, none, target, 0.1, still=[(twice, 0.2), (twice[:, [1, 0, *range(2, 512)]], 0.6)])
    assert 0 < both.weight[0] < both.weight[1], "each counts by its own"


def test_agatston_is_scaled_by_its_rule() -> None:
    rule = ScoreInput("agatston", 1000.0)
    assert (rule.value(0), rule.value(1000), rule.value(5000)) == (-1.0, 1.0, 1.0)
    assert -1 < rule.value(10) < rule.value(100) < 1
    assert ScoreInput.from_json(rule.to_json()) == rule
    for bad in (("volume", 10.0), ("agatston", 0.0), ("agatston", float("nan"))):
        with pytest.raises(ValueError):
            ScoreInput(*bad)


def test_calibration_recovers_a_known_distortion() -> None:
    rng = np.random.default_rng(0)
    odds = rng.normal(size=8000)
    outcome = (rng.random(8000) < 1 / (1 + np.exp(-(0.5 * odds - 0.3)))).astype(np.int64)
    found = platt_calibration(odds, outcome)
    assert (found.slope, found.intercept) == (pytest.approx(0.5, abs=0.08), pytest.approx(-0.3, abs=0.08))
    backwards = platt_calibration(-odds, outcome)
    assert backwards.slope == 0.05
    assert backwards.risk(-odds).mean() == pytest.approx(outcome.mean(), abs=0.02)


def test_the_novelty_guard_of_a_small_cohort_lets_its_own_kind_pass(data: CohortData) -> None:
    rng = np.random.default_rng(0)
    scale = rng.uniform(0.1, 3, 512)
    cases = torch.from_numpy((rng.normal(size=(220, 512)) * scale).astype(np.float32))
    guard = novelty_statistics(cases[:160], cases[160:180], data, floor=1.0)
    assert guard.whitening.shape[0] <= 32
    assert np.mean([guard.distance(row) <= guard.threshold for row in cases[180:].numpy()]) > 0.8
    assert guard.distance(10 * cases[0].numpy()) > guard.threshold
    assert guard.ranges["increment_mm"] == (data.increment_mm.min(), data.increment_mm.max())
