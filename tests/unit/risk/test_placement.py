"""The guard that tells a click beside the heart's middle from the features."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from hyrisk_desktop.errors import BundleError
from hyrisk_desktop.findings import Severity
from hyrisk_desktop.risk import Predictor
from hyrisk_desktop.risk.bundle import load_bundle, read_description, seal_description, write_bundle
from hyrisk_desktop.risk.novelty import Novelty
from hyrisk_desktop.risk.placement import Placement, placement_findings
from tests.helpers.bundles import edit_description, write_tiny_bundle
from tests.helpers.volumes import HEART_CENTRE, block_volume

WEIGHTS = np.array([[2.0, 0.0, 1.0, 0.0], [0.0, 3.0, 0.0, 0.0], [0.0, 0.0, 0.0, -1.5]], np.float32)
SHIFT = np.array([1.0, -2.0, 0.5], np.float32)
FEATURES = np.array([1.0, 2.0, 3.0, 4.0], np.float32)
"""Shift (6, 4, -5.5) mm."""
OFFSET = float(np.sqrt(36 + 16 + 30.25))


def test_the_distance_is_that_of_the_estimated_shift() -> None:
    assert Placement(WEIGHTS, SHIFT, 5.0).offset_mm(FEATURES) == pytest.approx(OFFSET, abs=1e-6)


@pytest.mark.parametrize(("limit", "off"), [(OFFSET + 1e-4, False), (OFFSET - 1e-4, True)])
def test_over_the_limit_the_patch_is_unlike_the_training(limit: float, off: bool) -> None:
    found = placement_findings(Placement(WEIGHTS, SHIFT, limit), FEATURES)
    assert [(f.code, f.severity) for f in found] == [("unlike_training", Severity.WARNING)] * off
    if off:
        assert "seems to lie 9.0692 mm from" in found[0].message
        assert "limit 9.0691 mm" in found[0].message, "two numbers that read alike explain nothing"
    assert placement_findings(None, FEATURES) == ()


@pytest.mark.parametrize(
    "change",
    [
        {"weights": WEIGHTS[:2]}, {"weights": WEIGHTS[0]}, {"intercept": SHIFT[:2]}, {"limit_mm": 0.0},
        {"weights": np.full((3, 4), np.nan, np.float32)}, {"intercept": SHIFT * np.inf}, {"limit_mm": float("nan")},
    ],
)  # fmt: skip
def test_a_guard_that_never_or_always_warns_is_refused(change: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="must"):
        replace(Placement(WEIGHTS, SHIFT, 5.0), **change)


def test_json_keeps_six_digits_and_takes_no_text() -> None:
    placement = Placement(WEIGHTS / 3, SHIFT / 7, 12.34567)
    back = Placement.from_json(placement.to_json())
    np.testing.assert_allclose(back.weights, placement.weights, rtol=2e-6)
    np.testing.assert_allclose(back.intercept, placement.intercept, rtol=2e-6)
    assert back.limit_mm == 12.346
    with pytest.raises(ValueError, match="numbers"):
        Placement.from_json(placement.to_json() | {"intercept": ["1", "2", "3"]})


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A bundle whose guard compares the first three features with what they are at the heart, in mm."""
    folder = tmp_path / "tiny"
    write_tiny_bundle(folder)
    bundle, model = load_bundle(folder)
    seen = Predictor(folder, "cpu").features_at(block_volume(), HEART_CENTRE)[0].numpy()
    write_bundle(
        folder,
        replace(bundle, placement=Placement(1e3 * np.eye(3, 512, dtype=np.float32), -1e3 * seen[:3], 1e-3)),
        model,
        "card",
    )
    return folder


def codes(folder: Path, centre: tuple[int, int, int]) -> list[str]:
    return [f.code for f in Predictor(folder, "cpu").predict(block_volume(), centre, 2).findings]


def test_a_reading_asks_the_bundles_guard_about_the_readers_own_view(folder: Path) -> None:
    assert "unlike_training" not in codes(folder, HEART_CENTRE)
    x, y, z = HEART_CENTRE
    assert codes(folder, (x + 9, y, z)) == ["unlike_training"]


def test_a_click_beside_the_heart_is_told_also_where_the_image_is_unlike_the_training(folder: Path) -> None:
    bundle, model = load_bundle(folder)
    far = Novelty(np.full(512, 1e3, np.float32), np.eye(3, 512, dtype=np.float32), 1.0)
    write_bundle(folder, replace(bundle, novelty=far), model, "card")
    x, y, z = HEART_CENTRE
    (at_heart,), (beside,) = (
        [f.message for f in Predictor(folder, "cpu").predict(block_volume(), centre, 2).findings]
        for centre in (HEART_CENTRE, (x + 9, y, z))
    )
    assert "limit 1.0" in at_heart
    assert "The click seems to lie" not in at_heart
    assert "limit 1.0" in beside
    assert "The click seems to lie" in beside


def test_the_seal_takes_changes_along(folder: Path) -> None:
    before = read_description(folder)
    assert before.placement is not None
    changed = replace(before.placement, limit_mm=1e6)
    after = seal_description(folder, {"placement": changed.to_json()})
    assert after.placement is not None
    assert (after.placement.limit_mm, after.sha256) == (1e6, before.sha256)
    assert after.description_sha256 != before.description_sha256
    x, y, z = HEART_CENTRE
    assert codes(folder, (x + 9, y, z)) == []


@pytest.mark.parametrize(
    "placement",
    [None, {}, {"weights": [[1.0] * 512] * 3, "intercept": [0.0] * 3, "limit_mm": "12"},
     {"weights": [[1.0] * 511] * 3, "intercept": [0.0] * 3, "limit_mm": 12.0}],
)  # fmt: skip
def test_a_guard_of_another_network_or_shape_is_refused(folder: Path, placement: object) -> None:
    edit_description(folder, placement=placement)
    with pytest.raises(BundleError) as caught:
        load_bundle(folder)
    assert caught.value.code == "bundle_malformed"
