"""The bundled demonstration model still says what its card says, on phantoms it has never seen."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from hyrisk_desktop.imaging.volume import CTVolume
from hyrisk_desktop.risk.bundle import load_bundle
from hyrisk_desktop.risk.predictor import Predictor
from hyrisk_desktop.risk.risk_reading import RiskReading
from model_training.metrics import expected_auc
from model_training.phantom.render import Phantom, make_phantom, render

BUNDLE = Path(__file__).parents[2] / "resources" / "models" / "hyrisknet-34-demo"
FIRST_SEED, COUNT = 5_000_000, 48
"""Reserved for this test: in no cohort the bundle was made with."""


def test_card_figures_keep_the_order_of_the_paper() -> None:
    bundle, _ = load_bundle(BUNDLE)
    results = bundle.training["results"]
    assert results["n"] >= 1000
    figure = {name: row["expected_auc"] for name, row in results["auc"].items()}
    scores = ("grade", "agatston", "category", "volume", "sqrt_volume")
    assert figure["hyrisknet"] > figure["risknet"] > max(figure[name] for name in scores)
    for name in ("agatston", "category", "volume", "sqrt_volume"):
        assert figure[name] == pytest.approx(0.615, abs=0.02)
    assert figure["grade"] == pytest.approx(0.645, abs=0.02)
    for low, high in bundle.training["seeds"].values():
        assert not low - COUNT < FIRST_SEED <= high
    card = (BUNDLE / "CARD.md").read_text(encoding="utf-8")
    assert bundle.sha256 in card
    assert "synthetic" in card.lower()


class Enough(Exception):
    """The reading is there; its interval is not wanted."""


def first_reading(predictor: Predictor, phantom: Phantom) -> RiskReading:
    """The reading of the click itself: the interval's ten other views take most of the time."""
    found: list[RiskReading] = []
    scanner, levels = phantom.scanner, predictor.bundle.preprocessing.level_slices(phantom.scanner.increment_mm)
    # All slices that a reading looks at: what leaves the scan would be looked for elsewhere.
    reach = max(levels) + 1
    hu = render(phantom, phantom.grid(161, 161, 2 * reach + 1))
    spacing = (scanner.pixel_mm, scanner.pixel_mm, scanner.increment_mm)
    volume = CTVolume(hu, spacing, (0, 0, 0), np.eye(3), str(phantom.subject.seed))

    def keep(reading: RiskReading) -> None:
        found.append(reading)
        raise Enough

    with pytest.raises(Enough):
        predictor.predict(volume, (80, 80, reach), phantom.subject.grade, on_first=keep)
    return found[0]


def test_reserved_phantoms_are_ranked_by_their_risk() -> None:
    predictor = Predictor(BUNDLE, device="cpu")
    risk, risknet, hyrisknet, novel = [], [], [], 0
    for seed in range(FIRST_SEED, FIRST_SEED + COUNT):
        phantom = make_phantom(seed)
        reading = first_reading(predictor, phantom)
        assert reading.hyrisknet is not None
        risk.append(phantom.subject.expected_risk)
        risknet.append(reading.risknet)
        hyrisknet.append(reading.hyrisknet)
        novel += any(finding.code == "unlike_training" for finding in reading.findings)
    assert np.corrcoef(risknet, risk)[0, 1] > 0.25
    assert expected_auc(np.array(hyrisknet), np.array(risk)) > 0.62
    assert novel <= 3
