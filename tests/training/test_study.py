"""``hyrisk study``: probes, shares and interventions on phantoms whose every factor is known."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hyrisk_desktop.errors import InputError
from hyrisk_desktop.risk.bundle import load_bundle, read_description
from hyrisk_desktop.risk.self_test import self_test
from model_training.card import exchange_section
from model_training.phantom.render import make_phantom, render
from model_training.phantom.subject import RISK_WEIGHTS
from model_training.study import gather
from model_training.study.factors import FACTORS, SCANNER, TRAITS, interventions, known
from model_training.study.gather import NAMES, Pairs, Seen
from model_training.study.page import HEADING, section
from model_training.study.probes import image_odds, r_squared, study
from model_training.study.run import run_study
from tests.helpers.bundles import write_tiny_bundle
from tests.helpers.languages import speaking

SEED = 5_950_000


def test_an_intervention_changes_one_factor_and_nothing_else() -> None:
    phantom = make_phantom(SEED)
    found = {one.name: one for one in interventions(phantom)}
    assert set(found) == set(NAMES)
    for name, one in found.items():
        before, after = known(one.before), known(one.after)
        changed = {key for key in before if before[key] != after[key]}
        assert changed <= {name, *(("noise", "sharpness") if name in SCANNER else ())}, name
        assert name in changed
        assert one.before.subject.seed == one.after.subject.seed == SEED
    for name, trait in TRAITS.items():
        assert (known(found[name].before)[name], known(found[name].after)[name]) == (-1.0, 1.0)
        assert found[name].truth == pytest.approx(2 * RISK_WEIGHTS.get(trait, 0.0))
    mass = found["calcium_mass"]
    assert (mass.before.subject.agatston_target, mass.after.subject.agatston_target) == (50.0, 800.0)
    assert mass.before.subject.lesions == mass.after.subject.lesions >= 3
    assert mass.truth == 0
    extent = found["calcium_extent"]
    assert extent.before.subject.agatston_target == extent.after.subject.agatston_target
    assert extent.after.subject.lesions > extent.before.subject.lesions
    assert extent.truth > 1
    assert all(found[name].truth == 0 for name in SCANNER)


def test_fat_that_is_changed_changes_the_picture() -> None:
    one = next(iter(interventions(make_phantom(SEED))))
    pictures = [render(p, p.grid(161, 161, 3), noisy=False) for p in (one.before, one.after)]
    fat = [int(((picture > -190) & (picture < -30)).sum()) for picture in pictures]
    assert one.name == "epicardial_fat"
    assert fat[1] > 1.1 * fat[0]


@pytest.fixture(scope="module")
def bundle_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("model") / "tiny"
    write_tiny_bundle(folder)
    return folder


def made_up(width: int = 512, n: int = 400) -> tuple[Seen, Pairs]:
    """Features that hold the epicardial fat and the noise, in known places, and nothing of the others."""
    rng = np.random.default_rng(4)
    factors = rng.normal(size=(n, len(NAMES)))
    features = np.zeros((n, width))
    features[:, 3] = 0.05 * rng.normal(size=n) + 3
    features[:, 3] += factors[:, NAMES.index("epicardial_fat")]
    features[:, 7] += 2 * factors[:, NAMES.index("noise")] + 5
    pairs = np.zeros((6, len(NAMES), 2, width))
    pairs[:, NAMES.index("epicardial_fat"), 1, 3] = 2.0
    truths = np.tile([2 * RISK_WEIGHTS["eat"], *np.zeros(len(NAMES) - 1)], (6, 1))
    return Seen(features, factors, rng.integers(0, 4, n).astype(float)), Pairs(pairs, truths, NAMES, np.ones(6))


def test_probes_find_what_is_there_and_nothing_else(bundle_dir: Path) -> None:
    import torch

    bundle, model = load_bundle(bundle_dir)
    with torch.no_grad():
        model.image_head.weight.zero_()
        model.fused_head.weight[:, :-1] = 0
        for head, weight in ((model.image_head, 0.8), (model.fused_head, 0.6)):
            # The log odds are the fat alone.
            head.weight[1, 3] = weight
    seen, pairs = made_up()
    found, factors = study(model, bundle, seen, pairs)
    rows = {row["factor"]: row for row in (*found["factors"], *found["shortcuts"])}
    assert list(rows) == [*FACTORS, *SCANNER]
    assert rows["epicardial_fat"]["r2"] > 0.95
    assert rows["noise"]["r2"] > 0.95
    assert all(row["r2"] < 0.2 for name, row in rows.items() if name not in ("epicardial_fat", "noise"))
    assert found["told"] == ["epicardial_fat"]
    for head in ("risknet", "hyrisknet"):
        assert rows["epicardial_fat"]["share"][head]["alone"] > 0.9
        assert rows["epicardial_fat"]["share"][head]["unique"] > 0.9
        # The noise stands in the features, and the risk does not use it.
        assert rows["noise"]["share"][head]["alone"] < 0.05
        assert found["together"][head] > 0.9
    assert rows["epicardial_fat"]["intervention"]["log_odds"] == pytest.approx(
        bundle.calibration["hyrisknet"].slope * 0.6 * 2, abs=1e-3
    )
    assert rows["epicardial_fat"]["truth"] == pytest.approx(2 * RISK_WEIGHTS["eat"], abs=1e-3)
    assert rows["heart_size"]["intervention"]["log_odds"] == 0
    assert factors is not None
    assert factors.names == ("epicardial_fat",)
    amounts = np.array([factors.shares(row.astype(np.float32), "hyrisknet")[0].log_odds for row in seen.features])
    odds = image_odds(model, "hyrisknet", seen.features)
    assert np.corrcoef(amounts, odds)[0, 1] > 0.99
    assert amounts.std() == pytest.approx(odds.std(), rel=0.05)
    assert abs(amounts.mean()) < 0.05 * amounts.std(), "what everybody has in common explains nobody"


def test_where_nothing_is_told_of_there_are_no_probes(bundle_dir: Path) -> None:
    bundle, model = load_bundle(bundle_dir)
    seen, pairs = made_up()
    blind = Seen(np.zeros(seen.features.shape), seen.factors, seen.grades)
    found, factors = study(model, bundle, blind, pairs)
    assert factors is None
    assert found["told"] == []


def test_r_squared_can_be_worse_than_the_mean() -> None:
    truth = np.array([1.0, 2.0, 3.0, 4.0])
    assert r_squared(truth, truth) == 1
    assert r_squared(truth, np.full(4, 2.5)) == 0
    assert r_squared(truth, truth[::-1]) == -3


def arguments(model: Path, out: Path, **changes: object) -> argparse.Namespace:
    values: dict[str, Any] = {
        "model": model, "out": out, "n": 60, "pairs": 1, "seed": SEED, "workers": 1, "in_place": False, "events": False,
        "words": [],
    }  # fmt: skip
    return argparse.Namespace(**(values | changes))


def test_a_study_goes_into_bundle_and_card(bundle_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Random weights tell of little, and it shall be told here.
    monkeypatch.setattr("model_training.study.probes.LEAST_R2", -10.0)
    monkeypatch.setattr("model_training.study.run.FEWEST", 24)
    run_study(arguments(bundle_dir, tmp_path, n=24))
    found = json.loads((tmp_path / "study.json").read_text())
    assert [row["factor"] for row in found["factors"]] == list(FACTORS)
    assert found["synthetic"] is True
    assert found["seeds"] == [SEED, SEED + 24]
    new = self_test(tmp_path / "bundle", "cpu")
    old = read_description(bundle_dir)
    assert old.factors is None
    assert new.sha256 == old.sha256
    assert new.factors is not None
    assert new.factors.names == tuple(found["told"])
    assert new.training["study"]["factors"] == found["factors"]
    assert found["bundle"]["bundle_sha256"] == new.bundle_sha256
    card = (tmp_path / "bundle" / "CARD.md").read_text(encoding="utf-8")
    assert card.count(HEADING) == 1
    assert "SYNTHETIC: 24 phantoms" in card
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "Synthetic data: every number here comes from phantoms" in page
    # The parts are kept: a second run draws nothing.
    monkeypatch.setattr(gather, "make_phantom", None)
    run_study(arguments(bundle_dir, tmp_path, n=24))
    assert json.loads((tmp_path / "study.json").read_text()) == found


def test_what_can_not_be_studied_is_one_sentence(bundle_dir: Path, tmp_path: Path) -> None:
    for changes in ({"n": 10}, {"pairs": 0}):
        with pytest.raises(InputError, match="A study needs"):
            run_study(arguments(bundle_dir, tmp_path / "out", **changes))
    assert not (tmp_path / "out").exists()


def test_a_section_of_the_card_is_exchanged_where_it_stands(tmp_path: Path) -> None:
    (tmp_path / "CARD.md").write_text("# A\n\n## What it sees\nold\n\nolder\n\n## Limits\n- one\n", encoding="utf-8")
    exchange_section(tmp_path, "## What it sees\nnew\n")
    assert (tmp_path / "CARD.md").read_text(encoding="utf-8") == "# A\n\n## What it sees\nnew\n\n## Limits\n- one\n"
    exchange_section(tmp_path, "## Another\ntext\n")
    assert (tmp_path / "CARD.md").read_text(encoding="utf-8").endswith("- one\n\n## Another\ntext\n")


def test_the_section_of_a_card_is_english_whatever_the_language() -> None:
    row = {"factor": "epicardial_fat", "r2": 0.5, "share": {"hyrisknet": {"alone": 0.1, "unique": 0.2}}, "intervention": {"log_odds": 1.5}, "truth": 1.0}  # fmt: skip
    results = {"n": 60, "pairs": 3, "seeds": [1, 63], "factors": [row], "shortcuts": [], "together": {"hyrisknet": 0.5}}
    with speaking("de"):
        assert "| epicardial fat | 0.50 | 0.10 | 0.20 | +1.50 | +1.00 |" in section(results)
