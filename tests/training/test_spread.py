"""The same subject scanned again, and the width of the interval that follows."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from hyrisk_desktop.risk.bundle import load_bundle
from model_training.card import stability_section
from model_training.fuse import fit_linear
from model_training.phantom.render import make_phantom
from model_training.phantom.subject import make_subject
from model_training.spread import (
    KINDS,
    WANTED,
    Cases,
    choose,
    held,
    odds_of,
    resampled_heads,
    stability_of,
    stage_two_cases,
    start_of_heads,
)
from model_training.stability import Takes, changes_of, gather
from model_training.twins import visible_risk
from tests.helpers.bundles import write_tiny_bundle

SEED = 5_500_002


def test_each_change_changes_one_thing() -> None:
    phantom = make_phantom(SEED)
    changes = {change.name: change for change in changes_of(phantom)}
    assert set().union(*KINDS.values()) - set(changes) == {f"kernel {phantom.scanner.kernel.name}"}
    assert all(
        change.phantom.subject is phantom.subject and change.phantom.heart is phantom.heart
        for change in changes.values()
    )
    assert (changes["HU -5"].hu, changes["HU +10"].hu) == (-5, 10)
    scanner = phantom.scanner
    wide = changes["pixel 0.86 mm"].phantom.scanner
    assert (wide.pixel_mm, wide.kernel, wide.increment_mm, wide.noise_hu) == (
        0.86,
        scanner.kernel,
        scanner.increment_mm,
        scanner.noise_hu,
    )
    assert scanner.increment_mm == 1.25
    for increment in (1.25, 3.2):
        taken = changes[f"increment {increment} mm"].phantom.scanner
        assert taken.noise_hu == pytest.approx(scanner.noise_hu * np.sqrt(1.25 / increment)), "thick slices are quiet"
    other = next(c for name, c in changes.items() if name.startswith("kernel")).phantom.scanner
    assert other.noise_hu / scanner.noise_hu == pytest.approx(other.kernel.noise_hu / scanner.kernel.noise_hu)
    assert changes["z +5 mm"].shift == (0, 0, round(5 / scanner.increment_mm))
    assert changes["z -5 mm"].shift == (0, 0, -round(5 / scanner.increment_mm))
    clicks = [changes[name].shift for name in KINDS["click"]]
    assert all(max(abs(x), abs(y)) <= 3 and abs(z) <= 1 for x, y, z in clicks)
    assert len(set(clicks)) > 1


def takes_of(n: int = 300) -> tuple[Takes, np.ndarray, np.ndarray]:
    """Subjects whose odds move by a normal amount with each change, most with the kernel."""
    rng = np.random.default_rng(1)
    names = [name for kind in KINDS.values() for name in kind]
    sizes = np.array([{"kernel": 0.5, "z": 0.3}.get(kind, 0.1) for kind, of in KINDS.items() for _ in of])
    views = rng.normal(0, 1, (n, 1)) + rng.normal(0, 0.1, (n, 11))
    changed = views[:, :1] + rng.normal(0, 1, (n, len(names))) * sizes
    nothing = np.zeros((n, 1, 1))
    return Takes(nothing, nothing, np.tile(names, (n, 1)), np.arange(n), np.zeros(n), np.zeros(n)), views, changed


def test_the_width_holds_each_kind_and_no_more_than_it_needs() -> None:
    takes, views, changed = takes_of()
    weight, floor = choose(takes, views, changed, np.zeros(300))
    half = np.sqrt((weight * views.std(axis=1)) ** 2 + floor**2)
    shares = held(takes, views, changed, half)
    assert WANTED <= shares["kernel"] < WANTED + 0.01
    assert min(shares, key=lambda kind: shares[kind]) == "kernel"
    assert half.mean() == pytest.approx(0.5 * 1.75, abs=0.1)
    doubtful = choose(takes, views, changed, np.full(300, 0.6))
    assert np.hypot(doubtful[1], 0.6) < half.mean() + 0.05, "what the model's own doubt covers needs no floor"


def test_shares_are_counted_by_kind_and_from_the_reading_itself() -> None:
    takes, views, changed = takes_of()
    wide = held(takes, views, changed, np.full(300, 0.2))
    at = [name for kind in KINDS.values() for name in kind].index("z -5 mm")
    expected = np.mean(np.abs(changed[:, at : at + 2] - views[:, :1]) <= 0.2)
    assert wide["z"] == pytest.approx(expected)
    assert wide["click"] > 0.9 > wide["kernel"]


def test_resampled_heads_differ_where_the_cases_are_few(tmp_path: Path) -> None:
    write_tiny_bundle(tmp_path / "tiny")
    _, model = load_bundle(tmp_path / "tiny")
    rng = np.random.default_rng(2)
    features, score = rng.normal(size=(400, 512)), rng.uniform(-1, 1, 400)
    target = 1 / (1 + np.exp(-2 * score))
    cases = Cases(features, score, target, np.zeros((0, 512)), 0.25, np.zeros((0, 512)), 0.0)
    few, many = (resampled_heads(model, cases.drawn(np.arange(n)), 0.1) for n in (40, 400))
    assert few.shape == many.shape == (12, 514)
    np.testing.assert_allclose(few.mean(axis=0), 0, atol=1e-5)
    assert few[:, -2].std() > 1.5 * many[:, -2].std()
    plain = resampled_heads(model, replace(cases, score=0 * score), 0.1)
    assert np.abs(plain[:, -2]).max() < 1e-9, "a head without a score doubts no score"


def test_resampled_heads_are_held_as_still_as_the_head_they_doubt(tmp_path: Path) -> None:
    write_tiny_bundle(tmp_path / "tiny")
    _, model = load_bundle(tmp_path / "tiny")
    rng = np.random.default_rng(4)
    features, moved = rng.normal(size=(200, 512)), np.zeros((50, 512))
    moved[:, 7] = 3.0
    cases = Cases(features, np.zeros(200), rng.uniform(size=200), moved, 0.25, np.zeros((0, 512)), 0.0)
    loose, held_still = (np.abs(resampled_heads(model, replace(cases, still=s), 0.01)[:, 7]).max() for s in (0.0, 0.25))
    assert held_still < loose / 3, "what a second click moves has a head of less weight"
    scanned = replace(cases, still=0.0, rescanned=np.eye(512)[7:8] * 3, level=0.25)
    level = np.abs(resampled_heads(model, scanned, 0.01)[:, 7]).max()
    assert level < loose / 3, "and so has what another scan moves"


def test_a_drawn_case_brings_its_second_click_and_no_others() -> None:
    cases = Cases(
        np.arange(4.0)[:, None],
        np.arange(4.0) + 10,
        np.arange(4.0) + 20,
        np.arange(2.0)[:, None] + 30,
        0.5,
        np.ones((1, 1)),
        2.0,
    )
    drawn = cases.drawn(np.array([3, 1, 1, 0]))
    assert drawn.features[:, 0].tolist() == [3, 1, 1, 0]
    assert (drawn.score.tolist(), drawn.target.tolist()) == ([13, 11, 11, 10], [23, 21, 21, 20])
    assert (drawn.twice[:, 0].tolist(), drawn.still) == ([31, 31, 30], 0.5)
    assert (drawn.rescanned.tolist(), drawn.level) == ([[1.0]], 2.0)


@pytest.mark.parametrize("steady", [False, True])
def test_cases_are_those_of_stage_two_as_it_saw_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, steady: bool
) -> None:
    asked = {}

    def features_of_seeds(directory: Path, work: Path, first: int, count: int, *_: object, kind: str) -> np.ndarray:
        asked[kind] = (work.name, first, count)
        return np.full((count, 3), 5.0 if kind == "second look" else 2.0)

    monkeypatch.setattr("model_training.spread.features_of_seeds", features_of_seeds)
    write_tiny_bundle(tmp_path / "tiny")
    bundle, _ = load_bundle(tmp_path / "tiny")

    def rescans(directory: Path, work: Path, first: int, count: int, workers: int) -> Takes:
        asked["rescans"] = (work, first, count)
        return rescanned

    views, changed = np.array([[[1.0, 0, 0]], [[3.0, 0, 0]]]), np.zeros((2, 2, 3))
    changed[:, :, 0] = [[2, 5], [6, 9]]
    names = np.array([["kernel A", "kernel B"], ["kernel B", "kernel C"]])
    rescanned = Takes(views, changed, names, np.arange(2), np.zeros(2), np.zeros(2))
    monkeypatch.setattr("model_training.spread.rescans", rescans)
    stage_two = {"clicked_twice": 2, "still": 0.25, "scanned_again": 2, "level": 3.0}
    told = {"seeds": {"stage-two": [2_000_000, 2_000_003]}, "stage_two": stage_two}
    bundle = replace(bundle, training=told | ({"steady_config": {}} if steady else {}))
    cases = stage_two_cases(tmp_path, bundle, tmp_path, 1)
    assert asked == {
        "look": ("stage-two-look", 2_000_000, 4),
        "second look": ("stage-two-again", 2_000_000, 2),
        "rescans": (tmp_path, 2_000_000, 2),
    }
    assert cases.rescanned.tolist() == [[1, 0, 0], [3.5, 0, 0], [6, 0, 0]], "A moved 1, B 4 and 3, C 6"
    assert cases.level == 3.0
    assert (cases.twice.tolist(), cases.still) == ([[3.0] * 3] * 2, 0.25)
    subjects = [make_subject(seed) for seed in range(2_000_000, 2_000_004)]
    assert cases.target.tolist() == [visible_risk(s) if steady else s.expected_risk for s in subjects]
    assert cases.score.tolist() == [bundle.score_rule.value(float(s.grade)) for s in subjects]
    loose = stage_two_cases(tmp_path, replace(bundle, training=told | {"stage_two": {}}), tmp_path, 1)
    assert (loose.twice.shape, loose.still) == ((0, 3), 0.0)
    assert (loose.rescanned.shape, loose.level) == ((0, 3), 0.0)


def test_heads_are_resampled_from_where_stage_two_began(tmp_path: Path) -> None:
    write_tiny_bundle(tmp_path / "tiny")
    _, model = load_bundle(tmp_path / "tiny")
    start, pull = start_of_heads(model, {"pull": 0.3})
    assert (start, pull) == (model, 0.3)
    start, pull = start_of_heads(model, {"pull": 0.3, "image_pull": 0.01})
    assert pull == 0.01
    assert not any(parameter.any() for parameter in start.image_head.parameters())
    assert all(parameter.any() for parameter in model.image_head.parameters()), "the bundled head stays"


def test_odds_are_those_of_the_network(tmp_path: Path) -> None:
    import torch

    write_tiny_bundle(tmp_path / "tiny")
    _, model = load_bundle(tmp_path / "tiny")
    features = np.random.default_rng(3).normal(size=(4, 3, 512))
    odds = odds_of(model, "hyrisknet", features, np.array([[-1.0], [0.0], [0.5], [1.0]]))
    with torch.no_grad():
        logits = model.fused_logits(torch.from_numpy(features[2].astype(np.float32)), torch.full((3,), 0.5))
    np.testing.assert_allclose(odds[2], (logits[:, 1] - logits[:, 0]).numpy(), atol=1e-5)
    assert odds_of(model, "risknet", features, np.zeros((4, 1))).shape == (4, 3)
    line = fit_linear(model, torch.zeros(2, 512), torch.zeros(2), torch.full((2,), 0.5), 1.0)
    assert line.weight.shape == (512,)


def test_takes_go_on_where_they_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("model_training.stability._PER_FILE", 2)
    write_tiny_bundle(tmp_path / "tiny")
    takes = gather(tmp_path / "tiny", tmp_path / "work", SEED, 3, 1)
    made = {path.name: path.stat().st_mtime_ns for path in (tmp_path / "work").iterdir()}
    assert set(made) == {f"{SEED}.npz", f"{SEED + 2}.npz"}
    assert takes.views.shape == (3, 11, 512)
    assert takes.changed.shape == (3, takes.names.shape[1], 512)
    assert takes.seeds.tolist() == list(range(SEED, SEED + 3))
    again = gather(tmp_path / "tiny", tmp_path / "work", SEED, 3, 1)
    assert {path.name: path.stat().st_mtime_ns for path in (tmp_path / "work").iterdir()} == made
    assert (again.views == takes.views).all()
    assert takes.grades[0] == make_phantom(SEED).subject.grade


def test_the_card_says_how_still_the_risk_holds(tmp_path: Path) -> None:
    folder = tmp_path / "tiny"
    write_tiny_bundle(folder)
    bundle, model = load_bundle(folder)
    rng = np.random.default_rng(8)
    views = rng.normal(size=(30, 11, 512))
    changed = np.repeat(views[:, :1], 2, axis=1)
    changed[:, 1] += 0.5 * rng.normal(size=(30, 512))
    takes = Takes(views, changed, np.tile(["HU +5", "z +5 mm"], (30, 1)), np.arange(30), np.ones(30), np.zeros(30))
    found = stability_of(model, bundle, takes)
    assert found["HU +5"] == {"mean": 0.0, "sd": 0.0, "n": 30}
    assert found["z +5 mm"]["sd"] > 0
    odds = [odds_of(model, "hyrisknet", f, np.full((30, 1), -1 / 3)) for f in (views[:, :1], changed[:, 1:])]
    moved = bundle.calibration["hyrisknet"].risk(odds[1]) - bundle.calibration["hyrisknet"].risk(odds[0])
    assert found["z +5 mm"]["mean"] == pytest.approx(moved.mean(), abs=1e-3)
    facts = {"subjects": 30, "seeds": [0, 29], "stability": found}
    text = stability_section(replace(bundle, training={"spread": facts}))
    assert text.startswith("## How still it holds\nSYNTHETIC")
    assert "| HU +5 | +0.000 | 0.000 | 30 |" in text
