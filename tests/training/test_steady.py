"""The second training: phantoms scanned twice, other sharpness and noise, and a risk that holds still."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from hyrisk_desktop.risk.bundle import load_bundle
from hyrisk_desktop.risk.network import HyRiskNet
from model_training.config import Phase, demonstration_config, steady_config
from model_training.dataset import CohortData, load_cohort, order_of_epoch, training_batch, with_statistics
from model_training.deviations import deviations
from model_training.jitter import NOISE_HU, jittered
from model_training.phantom.render import make_phantom, render
from model_training.phantom.scanner import KERNELS
from model_training.phantom.subject import RISK_WEIGHTS, make_subject
from model_training.steady import LEARNED, hold_still, known_factors
from model_training.train import Fit, _optimiser, _step, _with_factor_head, make_plan
from model_training.twins import (
    PIXELS_MM,
    SHIFT_PX,
    SHIFT_Z_MM,
    Twins,
    second_click,
    second_scan,
    second_scans,
    visible_risk,
)
from model_training.units import Settings
from tests.helpers.bundles import write_tiny_bundle
from tests.training.conftest import FIRST_SEED


@pytest.fixture(scope="module")
def data(cohort: Path, cache: Path) -> CohortData:
    return load_cohort(cohort, cache)


def test_a_second_scan_is_of_the_same_person_on_another_scanner() -> None:
    pixels, kernels, lifts = [], set(), []
    for seed in range(300, 360):
        first = make_phantom(seed)
        again, (x, y, z) = second_scan(first)
        assert again.subject == first.subject
        assert again.heart is first.heart
        assert again.scanner.take == 1
        assert max(abs(x), abs(y)) <= SHIFT_PX
        lifts.append(z * again.scanner.increment_mm)
        pixels.append(again.scanner.pixel_mm)
        kernels.add(again.scanner.kernel)
        repeated, shift = second_scan(make_phantom(seed))
        assert (repeated.scanner, shift) == (again.scanner, (x, y, z))
    assert kernels == set(KERNELS)
    assert PIXELS_MM[0] <= min(pixels) < 0.6
    assert 0.81 < max(pixels) <= PIXELS_MM[1]
    assert max(map(abs, lifts)) <= SHIFT_Z_MM + 1.6
    assert min(lifts) < -2 < 2 < max(lifts)


def test_each_take_has_noise_of_its_own_and_the_first_is_what_it_was() -> None:
    phantom = make_phantom(11)
    grid = phantom.grid(33, 33, 3)
    clean, first = render(phantom, grid, noisy=False), render(phantom, grid)
    other = render(replace(phantom, scanner=replace(phantom.scanner, take=1)), grid)
    a, b = (taken.astype(float) - clean for taken in (first, other))
    assert a.std() == pytest.approx(b.std(), rel=0.15)
    assert abs(np.corrcoef(a.ravel(), b.ravel())[0, 1]) < 0.1


def test_visible_risk_is_the_mean_over_what_nobody_sees() -> None:
    subject = make_subject(4)
    seen = (
        np.log(subject.expected_risk / (1 - subject.expected_risk)) - RISK_WEIGHTS["hidden"] * subject.traits["hidden"]
    )
    hidden = np.random.default_rng(0).standard_normal(400_000)
    drawn = 1 / (1 + np.exp(-(seen + RISK_WEIGHTS["hidden"] * hidden)))
    assert visible_risk(subject) == pytest.approx(drawn.mean(), abs=2e-3)
    risks = np.array([(visible_risk(s), s.expected_risk) for s in map(make_subject, range(400))])
    assert risks[:, 0].std() < risks[:, 1].std()
    assert np.corrcoef(risks.T)[0, 1] > 0.85


def test_second_scans_go_on_where_they_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("model_training.twins._PER_FILE", 2)
    twins = second_scans(tmp_path, 70, 3, 1)
    assert twins.patches.shape == (3, 3, 161, 161)
    assert twins.patches.dtype == np.int16
    phantom, (x, y, z) = second_scan(make_phantom(72))
    expected = render(phantom, phantom.grid_from((x - 80, y - 80, z - 1), (161, 161, 3)))
    np.testing.assert_array_equal(twins.patches[2], expected)
    assert twins.pixel_mm[2] == phantom.scanner.pixel_mm
    monkeypatch.setattr("model_training.twins.make_phantom", None)
    np.testing.assert_array_equal(second_scans(tmp_path, 70, 3, 1).patches, twins.patches)


def test_a_second_click_lies_where_the_second_scan_was_clicked(tmp_path: Path) -> None:
    other_slices = 0
    for seed in range(66, 74):
        phantom = make_phantom(seed)
        same, (x, y, z) = second_click(phantom)
        again, (there_x, there_y, there_z) = second_scan(phantom)
        assert same is phantom
        assert (x, y) == (there_x, there_y)
        own, other = (scan.scanner.increment_mm for scan in (phantom, again))
        assert abs(z * own - there_z * other) <= own / 2
        other_slices += z != there_z
    assert other_slices


def test_jitter_blurs_sharpens_and_adds_noise_and_moves_nothing() -> None:
    patches = torch.full((40, 3, 33, 33), 40, dtype=torch.int16)
    found = jittered(patches, np.random.default_rng(2))
    spreads = found.flatten(1).std(dim=1)
    assert found.dtype == torch.float32
    assert spreads.min() < 2
    assert NOISE_HU * 0.8 < spreads.max() < NOISE_HU * 1.1
    assert (found.flatten(1).mean(dim=1) - 40).abs().max() < 2
    assert torch.equal(found, jittered(patches, np.random.default_rng(2)))
    # A step keeps its place and its levels; its edge gets softer in some and steeper in others.
    step = torch.zeros((40, 3, 33, 33))
    step[..., 17:] = 100.0
    seen = jittered(step, np.random.default_rng(3))
    edges = (seen[..., 17] - seen[..., 16]).mean(dim=(1, 2))
    assert edges.min() < 80
    assert edges.max() > 120
    assert (seen[..., :8].mean(dim=(1, 2, 3))).abs().max() < 2


def steady_job(data: CohortData, hold: float, twins: Twins | None) -> Fit:
    config = replace(steady_config((Phase(32, 1.0),), depth=18, batch=6, bfloat16=False), hold=hold)
    cases = np.arange(len(data))
    preprocessing = with_statistics(config.plain_preprocessing, data, cases)
    targets = torch.tensor(data.expected_risk, dtype=torch.float32)
    return Fit(data, cases, cases[:4], targets, None, preprocessing, config, torch.device("cpu"), twins)


def test_the_loss_counts_what_two_scans_differ_by(data: CohortData) -> None:
    twins = Twins(np.array(data.patches[:, :, ::-1]), data.pixel_mm)

    def loss(hold: float, second: Twins | None) -> float:
        torch.manual_seed(0)
        model = HyRiskNet(18)
        job = steady_job(data, hold, second)
        optimiser = torch.optim.SGD(model.parameters(), lr=0.0)
        for group in optimiser.param_groups:
            group["base"] = 0.0
        return _step(job, model, optimiser, make_plan(job.config, len(data)), 0)

    alone, plain, half, whole = loss(0.5, None), loss(0.0, twins), loss(0.5, twins), loss(1.0, twins)
    assert half - plain > 0
    assert whole - plain == pytest.approx(2 * (half - plain), rel=1e-4)
    # Both scans are learned from, and a fit without a second one is what it always was.
    assert plain != alone
    assert alone == loss(0.0, None)


def test_the_loss_counts_what_the_features_miss_of_the_known_factors(data: CohortData) -> None:
    def loss(weight: float, factors: torch.Tensor | None) -> float:
        torch.manual_seed(0)
        model = _with_factor_head(HyRiskNet(18), factors)
        job = steady_job(data, 0.0, None)
        job = replace(job, config=replace(job.config, factors=weight), factors=factors)
        return _step(job, model, _optimiser(model, job.config), make_plan(job.config, len(data)), 0)

    factors = torch.arange(2.0 * len(data)).reshape(len(data), 2) / len(data)
    chosen = order_of_epoch(np.arange(len(data)), steady_config(()).seed + 1, 0)[:6]
    without = loss(0.5, None)
    # Its head starts from nothing: all that is known is missed at the first step.
    assert loss(0.5, factors) - without == pytest.approx(0.5 * float(factors[chosen].square().mean()), rel=1e-4)
    assert loss(0.0, factors) == pytest.approx(without, rel=1e-6)


def test_the_factors_are_those_of_the_phantoms_standardised_by_the_training_part() -> None:
    seeds, training = range(70, 76), np.array([0, 2, 3, 5])
    found = known_factors(seeds, training)
    assert found.shape == (6, len(LEARNED))
    assert found.dtype == torch.float32
    np.testing.assert_allclose(found[training].mean(dim=0), 0, atol=1e-6)
    np.testing.assert_allclose(found[training].std(dim=0, correction=0), 1, rtol=1e-5)
    subjects = [make_subject(seed) for seed in seeds]
    for name, values in (
        ("epicardial_fat", [s.traits["eat"] for s in subjects]),
        ("calcium_extent", [s.burden for s in subjects]),
    ):
        part = np.array(values)[training]
        np.testing.assert_allclose(
            found[:, LEARNED.index(name)], (np.array(values) - part.mean()) / part.std(), rtol=1e-4, atol=1e-6
        )


def test_a_batch_of_the_paper_has_no_jitter_and_no_millimetres(data: CohortData) -> None:
    plain = demonstration_config((Phase(32, 1.0),))
    assert (plain.crop_mm, plain.blood_hu, plain.hold, plain.jitter, plain.factors) == (None, None, 0.0, False, 0.0)
    preprocessing = with_statistics(plain.plain_preprocessing, data, np.arange(len(data)))
    chosen, where = np.arange(4), torch.device("cpu")
    one, same = (training_batch(data, chosen, preprocessing, 32, [1, 2, 3], where) for _ in range(2))
    assert torch.equal(one, same)
    other = training_batch(data, chosen, preprocessing, 32, [1, 2, 3], where, jitter=True)
    assert 0 < (one - other).abs().mean() < 0.5


def test_what_it_learned_to_see_goes_on_in_a_fine_tuning(tmp_path: Path) -> None:
    from hyrisk_desktop.risk.bundle import write_bundle

    write_tiny_bundle(tmp_path / "tiny")
    bundle, model = load_bundle(tmp_path / "tiny")
    seen = replace(bundle, preprocessing=replace(bundle.preprocessing, crop_mm=84.0, blood_hu=45.0))
    write_bundle(tmp_path / "steady", seen, model, "# {sha256}\n")
    settings = Settings(cohort="", cache="", depths=(18,), strategy="finetune", init=str(tmp_path / "steady"))
    config = settings.config(18)
    assert (config.crop_mm, config.blood_hu) == (84.0, 45.0)
    said = " ".join(deviations(config))
    assert "The crop has 84 mm" in said
    assert "blood has 45" in said
    assert "84 mm" not in " ".join(deviations(replace(settings, init="", strategy="scratch").config(18)))


def test_a_second_training_learns_and_goes_on_where_it_was_killed(
    cohort: Path, data: CohortData, tmp_path: Path
) -> None:
    config = steady_config((Phase(32, 2.0),), depth=18, batch=6, bfloat16=False)

    def train(work: Path) -> HyRiskNet:
        torch.manual_seed(1)
        start = HyRiskNet(18)
        model, preprocessing = hold_still(
            work, data, FIRST_SEED, start, config, torch.device("cpu"), inner=6, workers=1
        )
        assert (preprocessing.crop_mm, preprocessing.blood_hu) == (84.0, 45.0)
        return model

    first = train(tmp_path)
    assert json.loads((tmp_path / "run" / "done.json").read_text())["steps"] == 2 * (18 // 6)
    # The head of the factors went with the fit.
    assert "known factors" in " ".join(deviations(config))
    assert set(first.state_dict()) == set(HyRiskNet(18).state_dict())
    assert set(load_file(tmp_path / "run" / "best.safetensors")) == set(first.state_dict())
    again = train(tmp_path)
    assert all(torch.equal(a, b) for a, b in zip(first.state_dict().values(), again.state_dict().values(), strict=True))
