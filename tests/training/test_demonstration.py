"""The one command that makes the bundled model, on a handful of phantoms."""

from __future__ import annotations

import sys
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from hyrisk_desktop.errors import InputError
from hyrisk_desktop.risk.bundle import ModelBundle, load_bundle, write_bundle
from hyrisk_desktop.risk.network import HyRiskNet
from hyrisk_desktop.risk.self_test import self_test
from model_training import __main__ as command
from model_training import ranges
from model_training.config import Phase, TrainConfig, demonstration_config, steady_config
from model_training.demonstration import STEADY_PHASES, build_demonstration
from model_training.looks import SEEN
from model_training.ranges import STEADY, Part, check_parts, claim, earlier_facts, open_start, parts_of
from model_training.stability import mean_moves, rescans
from tests.helpers.bundles import write_tiny_bundle

PARTS = (
    Part("training", 24, 5_110_000),
    Part(STEADY, 16, 5_110_050),
    Part("stage-two", 14, 5_110_100),
    Part("calibration", 14, 5_110_200),
    Part("test", 14, 5_110_300),
)


@pytest.fixture(autouse=True)
def few_scans(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("model_training.demonstration.SCANNED_AGAIN", 3)


def test_from_nothing_to_a_bundle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Processes of their own would each import torch for a handful of phantoms.
    monkeypatch.setattr("os.cpu_count", lambda: 1)
    monkeypatch.setattr("model_training.demonstration.LEVEL", 1e4)
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
    assert (
        "counted 0.3. 3 of them were scanned again with another kernel, pixel size\n"
        "and increment; the squared log odds that each of these changes made in the mean counted 10000.\n"
        "Heads learned from looks at the click's own height; a reading is their mean."
    ) in card
    # What a scanner moves in the mean says nothing to heads that this counts for so much.
    scans = rescans(tmp_path / "bundle", tmp_path / "work" / SEEN, 5_110_100, 3)
    assert {name.split()[0] for name in scans.names.ravel()} == {"pixel", "kernel", "increment"}
    moves = mean_moves(scans)
    for weights in (head.weight.detach().double().numpy() for head in heads_of(tmp_path / "bundle")):
        weight = (weights[1] - weights[0])[: moves.shape[1]]
        by_chance = np.linalg.norm(moves) * np.linalg.norm(weight) / len(weight) ** 0.5
        assert np.linalg.norm(moves @ weight) < 0.25 * by_chance
    # Started once more, nothing is trained again, and the weights are the same.
    again = build_demonstration(*arguments, steady=steady, parts=PARTS, inner=8, notes="A test.")
    assert again.sha256 == bundle.sha256


RESERVED_PARTS = PARTS[2:]
NEXT_PARTS = (Part(STEADY, 12, 5_110_070), *RESERVED_PARTS)


def told(*parts: Part, steady: TrainConfig | None = None, **more: Any) -> dict[str, Any]:
    """What a demonstration model of ``parts`` says of its training."""
    config = asdict(demonstration_config((Phase(32, 3.0),), depth=18)) | {"validation": 8}
    held = {} if steady is None else {"steady_config": asdict(steady) | {"validation": 8}}
    return {
        "date": "2026-11-02",
        "config": config,
        **held,
        "notes": "",
        "sizes": {part.name: part.count for part in parts},
        "seeds": {part.name: [part.seeds[0], part.seeds[-1]] for part in parts},
        "cohorts": {part.name: {"generator_version": "1.2", "first_seed": part.first_seed} for part in parts},
        **more,
    }


def heads_of(folder: Path) -> tuple[torch.nn.Linear, torch.nn.Linear]:
    _, model = load_bundle(folder)
    return model.image_head, model.fused_head


def start_bundle(folder: Path, training: dict[str, Any]) -> ModelBundle:
    write_tiny_bundle(folder, seed=3)
    bundle, model = load_bundle(folder)
    # What is drawn next is not the start once more.
    torch.manual_seed(4)
    return write_bundle(folder, replace(bundle, training=training), model, "# {sha256}\n")


def named(training: dict[str, Any]) -> ModelBundle:
    """A description that says no more than this."""
    return replace(BARE, training=training)


BARE = ModelBundle("A start", 18, steady_config((Phase(48, 1.0),)).plain_preprocessing, demonstration=True, sha256="ab")


def test_a_second_training_goes_on_from_a_bundle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.cpu_count", lambda: 1)
    monkeypatch.setattr("model_training.demonstration.train_demonstration", None)
    before = (Part("training", 24, 5_110_000), Part("steady-before", 16, 5_110_030), Part(STEADY, 16, 5_110_050))
    held = steady_config((Phase(32, 4.0),), depth=18, batch=4, bfloat16=False)
    start = start_bundle(
        tmp_path / "start",
        told(
            *before,
            *RESERVED_PARTS,
            steady=held,
            notes="Done twice, last on steady.",
            cohort_sha256="bb",
            earlier_cohorts=["aa"],
        ),
    )
    # At a rate of 0 what comes out is what it started from.
    steady = steady_config((Phase(48, 1.0),), depth=18, batch=4, bfloat16=False)
    steady = replace(steady, learning_rate=0.0, head_learning_rate=0.0)
    unused = demonstration_config((Phase(64, 7.0),), depth=18)
    arguments = (tmp_path / "work", tmp_path / "bundle", unused, torch.device("cpu"))
    bundle = build_demonstration(
        *arguments, steady=steady, parts=NEXT_PARTS, inner=4, notes="A test.", start=tmp_path / "start"
    )
    assert not (tmp_path / "work" / "training").exists()
    first, last = (load_bundle(tmp_path / name)[1].trunk.state_dict() for name in ("start", "bundle"))
    weights = [key for key in first if key.endswith("conv1.weight")]
    assert len(weights) > 4
    assert all(torch.equal(first[key], last[key]) for key in weights)
    torch.manual_seed(unused.seed)
    assert not torch.equal(HyRiskNet(18).trunk.state_dict()["conv1.weight"], last["conv1.weight"])

    facts = bundle.training
    assert list(facts["sizes"]) == [
        "training", "steady-before", "steady-before-2", STEADY, "stage-two", "calibration", "test",
    ]  # fmt: skip
    assert facts["n"] == 24 + 16 + 16 + 12
    assert (facts["seeds"]["steady-before-2"], facts["seeds"][STEADY]) == ([5110050, 5110065], [5110070, 5110081])
    assert facts["cohorts"]["steady-before-2"] == {"generator_version": "1.2", "first_seed": 5_110_050}
    assert facts["cohorts"]["test"]["table_sha256"]
    assert facts["config"]["phases"] == [{"size": 32, "epochs": 3.0}]
    assert facts["earlier"][0]["sha256"] == start.sha256
    assert facts["earlier_cohorts"] == ["aa", "bb"]
    card = (tmp_path / "bundle" / "CARD.md").read_text(encoding="utf-8")
    for line in (
        "| training | 24 | 5110000 to 5110023 |",
        "| steady-before-2 | 16 | 5110050 to 5110065 |",
        "| steady | 12 | 5110070 to 5110081 |",
        "inner split: in the order of the trainings below, 8, 8, 4.",
        "From scratch: 3 x all cases at 32 px; AdamW, peak rate 0.001, batch 64",
        "trained 4 times, on these parts one after the other: training, steady-before, steady-before-2, steady.",
        "Then on the steady-before part; of this training's settings only notes tell.",
        "Then, from these weights, on the steady-before-2 part:",
        f"Out of this came the model of 2026-11-02 (SHA-256 of the weights `{start.sha256}`), in half precision.",
        "Its notes, which called the steady-before-2 part “steady”: “Done twice, last on steady.”",
        "Then, from these weights, on the steady part:",
        "4 x all cases at 32 px; peak rate",
        "- adamw at 0.0005 instead of Adam at 1e-05.",
        "- adamw at 0 instead of Adam at 1e-05.",
        "A test.",
    ):
        assert line in card
    assert "Then on the training part" not in card
    assert card.index("on the steady-before part") < card.index("on the steady-before-2 part:") < card.index("Out of")
    assert card.index("Out of this") < card.index("on the steady part:")

    # The next one of the chain tells of both.
    third = earlier_facts(bundle, (Part(STEADY, 9, 5_110_090), *RESERVED_PARTS))
    assert list(third["seeds"]) == ["training", "steady-before", "steady-before-2", "steady-before-3"]
    assert third["seeds"]["steady-before-3"] == [5110070, 5110081]
    assert [model["parts"] for model in third["earlier"]] == [
        ["training", "steady-before", "steady-before-2"], ["steady-before-3"],
    ]  # fmt: skip
    assert [model["notes"] for model in third["earlier"]] == ["Done twice, last on steady.", "A test."]

    with pytest.raises(InputError, match="learned from the phantoms 5110000 to 5110023"):
        build_demonstration(
            *arguments, steady=steady, parts=(Part(STEADY, 9, 5_110_020),), start=tmp_path / "start"
        )  # fmt: skip

    # What lies in the folder is not taken for a training from another start.
    with pytest.raises(InputError, match="from another start"):
        claim(tmp_path / "work", None)
    claim(tmp_path / "work", start)
    (tmp_path / "old" / "hold").mkdir(parents=True)
    with pytest.raises(InputError, match="from another start"):
        claim(tmp_path / "old", start)
    claim(tmp_path / "old", None)


def test_phantoms_that_the_start_has_learned_from_are_refused() -> None:
    start = named(told(Part("training", 24, 5_110_000), Part(STEADY, 16, 5_110_050), *RESERVED_PARTS))
    check_parts(NEXT_PARTS, start)
    check_parts((Part(STEADY, 4, 5_110_066), *RESERVED_PARTS), start)
    check_parts((Part(STEADY, 26, 5_110_024), *RESERVED_PARTS), start)
    said = r"learned from the phantoms 5110050 to 5110065 \(its part “steady”\); give the part “steady” other seeds"
    for shared in (Part(STEADY, 4, 5_110_065), Part(STEADY, 27, 5_110_024), Part(STEADY, 1, 5_110_055)):
        with pytest.raises(InputError, match=said):
            check_parts((shared, *RESERVED_PARTS), start)
        check_parts((shared, *RESERVED_PARTS), None)
    # What is reserved must be new to the trunk too, and a test new to the heads; stage two may fit them once more.
    for shared in (Part("test", 4, 5_110_003), Part("test", 4, 5_110_100)):
        with pytest.raises(InputError, match="give the part “test” other seeds"):
            check_parts((NEXT_PARTS[0], shared), start)
    with pytest.raises(InputError, match="The parts “steady” and “test” share phantoms"):
        check_parts((NEXT_PARTS[0], Part("test", 4, 5_110_080)), None)


def test_the_usual_parts_of_a_training_that_goes_on() -> None:
    assert parts_of(None) == ranges.PARTS
    start = named(told(*ranges.PARTS))
    parts = parts_of(start)
    assert [part.name for part in parts] == [STEADY, "stage-two", "calibration", "test"]
    assert parts[0] == Part(STEADY, 16000, 1_200_000)
    assert parts[1:] == ranges.PARTS[2:]
    check_parts(parts, start)
    assert parts_of(start, 500, 1_700_000)[0] == Part(STEADY, 500, 1_700_000)
    assert parts_of(None, 500)[:2] == (ranges.PARTS[0], Part(STEADY, 500, 1_100_000))
    # A part that ends with a hundred thousand leaves the next one free.
    assert parts_of(named(told(Part("training", 100_000, 1_000_000))))[0].first_seed == 1_100_000


@pytest.mark.parametrize("lacks", ["sizes", "seeds", "config", "cohorts"])
def test_a_start_that_does_not_say_what_it_learned_from_is_refused(tmp_path: Path, lacks: str) -> None:
    training = told(*PARTS)
    del training[lacks]
    start_bundle(tmp_path / "start", training)
    with pytest.raises(InputError, match="does not say which phantoms it learned from"):
        open_start(tmp_path / "start", 18)
    unknown = told(*PARTS)
    del unknown["cohorts"][STEADY]
    start_bundle(tmp_path / "start", unknown)
    with pytest.raises(InputError, match="does not say which phantoms it learned from"):
        open_start(tmp_path / "start", 18)
    start_bundle(tmp_path / "start", told(*PARTS, earlier=[{}]))
    with pytest.raises(InputError, match="does not say which phantoms it learned from"):
        open_start(tmp_path / "start", 18)
    start_bundle(tmp_path / "start", told(*PARTS))
    with pytest.raises(InputError, match="choose that network"):
        open_start(tmp_path / "start", 34)
    _, model = open_start(tmp_path / "start", 18)
    assert model.training
    assert all(parameter.requires_grad for parameter in model.parameters())


def test_the_command_goes_on_from_a_bundle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: dict[str, Any] = {}

    def build(*arguments: object, **options: Any) -> ModelBundle:
        asked.update(options)
        raise InputError("enough", "Enough.")

    monkeypatch.setattr("model_training.demonstration.build_demonstration", build)
    # The command makes networks of one depth, and a tiny bundle has another.
    monkeypatch.setattr("model_training.config.TrainConfig", partial(TrainConfig, depth=18))
    start_bundle(tmp_path / "start", told(*ranges.PARTS))
    words = ["hyrisk", "train-demonstration", "--work", str(tmp_path / "work"), "--out", str(tmp_path / "out")]
    words += ["--start", str(tmp_path / "start")]
    monkeypatch.setattr(sys, "argv", [*words, "--steady-phantoms", "600"])
    with pytest.raises(SystemExit):
        command.main()
    assert asked["parts"][0] == Part(STEADY, 600, 1_200_000)
    monkeypatch.setattr(sys, "argv", [*words, "--steady-seed", "1500000"])
    with pytest.raises(SystemExit):
        command.main()
    assert asked["parts"][0] == Part(STEADY, 16000, 1_500_000)
    assert asked["start"] == tmp_path / "start"
    assert asked["steady"].phases == STEADY_PHASES
    asked.clear()
    monkeypatch.setattr(sys, "argv", [*words, "--phases", "96:1"])
    with pytest.raises(SystemExit):
        command.main()
    assert not asked
