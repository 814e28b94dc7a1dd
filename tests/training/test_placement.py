"""Clicks at known distances, and the guard fitted to them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from hyrisk_desktop.risk.bundle import CARD, load_bundle
from hyrisk_desktop.risk.predictor import Predictor
from model_training.phantom.render import make_phantom
from model_training.placement import (
    LIMIT_QUANTILE,
    OFF_MM,
    READERS,
    add_placement,
    clicks_of,
    fit_placement,
)
from tests.helpers.bundles import write_tiny_bundle

SEED = 5_200_003


def test_each_click_lies_as_far_off_as_it_is_meant_to() -> None:
    phantom = make_phantom(SEED)
    clicks, meant = clicks_of(phantom)
    assert clicks[0] == (0, 0, 0)
    assert clicks == clicks_of(make_phantom(SEED))[0] != clicks_of(make_phantom(SEED + 1))[0]
    assert meant == [0] * (1 + READERS) + list(OFF_MM)
    assert all(max(abs(x), abs(y)) <= 3 and abs(z) <= 1 for x, y, z in clicks[: 1 + READERS])
    spacing = np.array([phantom.scanner.pixel_mm, phantom.scanner.pixel_mm, phantom.scanner.increment_mm])
    off = np.linalg.norm(np.array(clicks) * spacing, axis=1)
    np.testing.assert_allclose(off[1 + READERS :], OFF_MM, atol=float(np.linalg.norm(spacing)) / 2)


def cohort(noise: float, subjects: int = 40) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Features that hold the shift times an unknown matrix, with ``noise`` of their own."""
    rng = np.random.default_rng(4)
    _, meant = clicks_of(make_phantom(SEED))
    way = rng.normal(size=(subjects, len(meant), 3))
    shifts = way / np.linalg.norm(way, axis=2, keepdims=True) * np.array(meant)[None, :, None]
    shifts[:, 1 : 1 + READERS] += rng.uniform(-2, 2, (subjects, READERS, 3))
    shifts = shifts.reshape(-1, 3)
    features = shifts @ rng.normal(size=(3, 24)) + noise * rng.normal(size=(len(shifts), 24)) + 5.0
    return features, shifts, np.repeat(np.arange(subjects), len(meant))


def test_the_fit_finds_the_shift_and_the_limit_lets_readers_pass() -> None:
    features, shifts, subjects = cohort(noise=0.5)
    placement, facts = fit_placement(features, shifts, subjects)
    found = features @ placement.weights.T + placement.intercept
    assert np.abs(found - shifts).max() < 1.5
    seems = np.array([placement.offset_mm(f.astype(np.float32)) for f in features])
    readers = np.tile(np.arange(1 + READERS + len(OFF_MM)) <= READERS, 40)
    assert np.mean(seems[readers] <= placement.limit_mm) == pytest.approx(LIMIT_QUANTILE, abs=0.03)
    assert facts["caught_by_mm"] == {"10": 1.0, "15": 1.0, "20": 1.0, "30": 1.0}
    assert (facts["subjects"], facts["seeds"]) == (40, [0, 39])
    assert min(facts["r2"]) > 0.98


def test_what_is_told_of_the_guard_is_of_subjects_that_it_has_not_seen() -> None:
    """Features that name the subject and not the shift: a fit can learn them by heart, and nothing else."""
    rng = np.random.default_rng(9)
    _, shifts, subjects = cohort(noise=0.5)
    placement, facts = fit_placement(rng.normal(size=(len(shifts), 500)), shifts, subjects)
    assert max(facts["r2"]) < 0.1
    assert facts["caught_by_mm"]["20"] < 0.3
    assert placement.limit_mm > 0


def test_a_bundle_gets_its_guard_and_goes_on_where_it_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("model_training.placement._PER_FILE", 4)
    folder, work = tmp_path / "tiny", tmp_path / "work"
    write_tiny_bundle(folder)
    before = load_bundle(folder)[0]
    told: list[tuple[float, float]] = []
    add_placement(folder, work, first=SEED, count=5, workers=1, progress=lambda done, of: told.append((done, of)))
    assert told == [(4, 5), (5, 5)]
    made = {path.name: path.stat().st_mtime_ns for path in work.iterdir()}
    assert set(made) == {f"{SEED}.npz", f"{SEED + 4}.npz"}
    first = load_bundle(folder)[0]
    assert first.placement is not None
    assert first.training["placement"]["seeds"] == [SEED, SEED + 4]
    assert first.sha256 == before.sha256
    again = add_placement(folder, work, first=SEED, count=5)
    assert {path.name: path.stat().st_mtime_ns for path in work.iterdir()} == made
    assert again.bundle_sha256 == first.bundle_sha256
    card = (folder / CARD).read_text()
    assert card.count("- A click that seems to lie over") == 1
    assert f"over {first.placement.limit_mm:.1f} mm" in card
    assert Predictor(folder, "cpu").bundle.placement is not None
