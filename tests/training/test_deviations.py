"""Where a training left the paper, from its settings alone."""

from __future__ import annotations

from dataclasses import replace

import pytest

from hyrisk_desktop.i18n import tr
from hyrisk_desktop.paths import bundled_model_dir
from hyrisk_desktop.risk.bundle import read_description
from model_training.card import demonstration_card, demonstration_deviations, run_card
from model_training.cautions import no_better_than_chance
from model_training.config import (
    TRAINED_HEAD_RATE,
    TrainConfig,
    demonstration_config,
    paper_config,
    parse_phases,
    steady_config,
)
from model_training.demonstration import LEVELS_MM, PHASES, STEADY_PHASES
from model_training.deviations import deviations, of_levels
from tests.helpers.languages import LANGUAGES, speaking

ALWAYS = [
    "Gradients are shortened to a norm of 2.",
    "The weights kept are those of the lowest loss on an inner split of the training part.",
]


def test_the_papers_own_settings_leave_it_only_where_every_training_does() -> None:
    assert deviations(paper_config(34, "scratch", 20)) == ALWAYS
    heads = "The heads learn at 0.001, another rate than the trunk's."
    assert (
        deviations(paper_config(34, "finetune", 20)) == deviations(paper_config(34, "frozen", 20)) == [*ALWAYS, heads]
    )


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"learning_rate": 2e-4, "head_learning_rate": 2e-4}, "adam at 0.0002 instead of Adam at 0.0001."),
        ({"head_learning_rate": TRAINED_HEAD_RATE * 2}, "The heads learn at 0.0002, another rate than the trunk's."),
        ({"schedule": "cosine"}, "Schedule: cosine, instead of x 0.9 every five epochs."),
        ({"weight_decay": 0.01}, "Weight decay 0.01."),
        ({"phases": parse_phases("160:3")}, "Input of 160 pixels instead of 224 throughout."),
        ({"phases": parse_phases("96:3,224:1")}, "Input of 96, 224 pixels instead of 224 throughout."),
        ({"soft_target": True}, "It learns each phantom's expected risk instead of the outcome."),
        ({"patience": 4}, "It stops after 4 epochs without a better inner loss."),
        ({"bfloat16": True}, "Computed in bfloat16 where the device can."),
        ({"hu_window": (-1000.0, 500.0)}, "The network sees -1000 to 500 HU instead of -200 to 500."),
        ({"score": "agatston"}, "The Agatston score is fed as its logarithm, scaled to -1 to +1."),
    ],
)
def test_each_setting_that_differs_is_one_sentence(change: dict[str, object], said: str) -> None:
    config = replace(paper_config(34, "scratch", 20), **change)
    assert deviations(config) == [*ALWAYS, said]


def test_the_bundled_card_says_so_in_its_first_sentence_and_lists_them() -> None:
    folder = bundled_model_dir()
    bundle = read_description(folder)
    card = (folder / "CARD.md").read_text(encoding="utf-8")
    first = next(line for line in card.splitlines() if line.startswith("**"))
    assert first.startswith("**A demonstration model with the paper's architecture and not its training")
    listed = demonstration_deviations(bundle.training)
    # The last of its trainings counted the factors twice as much.
    steady = steady_config(STEADY_PHASES)
    configs = (demonstration_config(PHASES), steady, replace(steady, factors=1.0))
    said = [*(text for one in configs for text in deviations(one)), of_levels(LEVELS_MM)]
    assert listed.splitlines() == list(dict.fromkeys(f"- {text}" for text in said))
    assert "at −6, 0, +6 mm" in listed
    assert listed in card
    assert listed in demonstration_card(bundle)


def test_a_site_s_card_is_english_whatever_the_language() -> None:
    bundle = read_description(bundled_model_dir())
    seen = replace(bundle.preprocessing, levels_mm=(-7.5, 0.0, 6.0))
    bundle = replace(bundle, preprocessing=seen, training={"settings": {"init": ""}, "date": "2026-11-30"})
    row = {"auc": 0.6, "ci": [0.5, 0.7], "fold_mean": 0.6, "fold_sd": None}
    results = {
        "settings": {"strategy": "scratch"}, "protocol": {"folds": 2}, "pooled": {"risknet": row, "hyrisknet": row}, "baselines": {},
        "synthetic": True, "n": 24, "patients": 24, "non_survivors": 12, "permutation_auc": 0.5,
        "calibration": {"hyrisknet": {"brier": 0.2, "brier_of_prevalence": 0.25}},
    }  # fmt: skip
    made = set()
    for language in ("en", *LANGUAGES):
        with speaking(language):
            said = no_better_than_chance({"risknet": {"auc": 0.51, "ci": [0.4, 0.6]}})
            worded = {"warning": tr("Risk"), "cautions": said, "deviations": deviations(TrainConfig(weight_decay=0.5))}
            made.add(run_card(bundle, results | worded))
    (card,) = made
    assert "RiskNet is not better than chance" in card
    assert "Weight decay 0.5." in card
    assert "−7.5, 0, +6 mm along z" in card
