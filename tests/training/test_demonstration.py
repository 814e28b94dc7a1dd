"""The one command that makes the bundled model, on a handful of phantoms."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from hyrisk_desktop.risk.self_test import self_test
from model_training.config import Phase, demonstration_config, steady_config
from model_training.demonstration import STEADY, Part, build_demonstration

PARTS = (
    Part("training", 24, 5_110_000),
    Part(STEADY, 16, 5_110_050),
    Part("stage-two", 14, 5_110_100),
    Part("calibration", 14, 5_110_200),
    Part("test", 14, 5_110_300),
)


def test_from_nothing_to_a_bundle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Processes of their own would each import torch for a handful of phantoms.
    monkeypatch.setattr("os.cpu_count", lambda: 1)
    steady = steady_config((Phase(48, 1.0),), depth=18, batch=4, bfloat16=False)
    config = demonstration_config((Phase(32, 1.0), Phase(48, 1.0)), depth=18, batch=8, bfloat16=False)
    arguments = (tmp_path / "work", tmp_path / "bundle", config, torch.device("cpu"))
    bundle = build_demonstration(*arguments, steady=steady, parts=PARTS, inner=8, notes="A test.")
    assert bundle.demonstration
    assert (bundle.preprocessing.crop_mm, bundle.preprocessing.blood_hu) == (84.0, 45.0)
    assert bundle.preprocessing.input_size == 48
    assert bundle.preprocessing.levels_mm == (-6.0, 0.0, 6.0)
    assert set(bundle.training["results"]["auc"]) == {
        "risknet", "hyrisknet", "hyrisknet_agatston", "grade", "agatston", "category", "volume", "sqrt_volume",
    }  # fmt: skip
    self_test(tmp_path / "bundle", "cpu")
    card = (tmp_path / "bundle" / "CARD.md").read_text(encoding="utf-8")
    assert "It has never seen a patient" in card
    assert "A test." in card
    assert "| steady | 16 | 5110050 to 5110065 |" in card
    assert (
        "centred crop of\n84 mm, HU moved so that the exam's own blood has 45; the mean of its features at −6, 0, +6 mm along z, 48 px"
        in card
    )
    assert "- A reading is of the features' mean at −6, 0, +6 mm along z from the click." in card
    assert "1 x all cases at 48 px; peak rate" in card
    assert "counted 0.3.\nHeads learned from looks at the click's own height; a reading is their mean." in card
    # Started once more, nothing is trained again, and the weights are the same.
    again = build_demonstration(*arguments, steady=steady, parts=PARTS, inner=8, notes="A test.")
    assert again.sha256 == bundle.sha256
