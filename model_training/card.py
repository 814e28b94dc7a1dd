"""The model cards that travel with bundles: what a network is, learned from, reached, and is not for."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import fields
from pathlib import Path
from typing import Any

from hyrisk_desktop.files import replace_file
from hyrisk_desktop.i18n import english, for_machines
from hyrisk_desktop.risk.bundle import CARD, ModelBundle
from hyrisk_desktop.risk.model_summary import levels_text
from model_training.config import Phase, TrainConfig
from model_training.deviations import deviations, of_levels

_NAMES = {
    "risknet": "RiskNet (image only)",
    "hyrisknet": "HyRiskNet (image + score)",
    "hyrisknet_agatston": "HyRiskNet (image + region Agatston)",
    "grade_agatston": "logistic regression, grade + Agatston",
    "grade": "visual grade 0-3",
    "agatston": "region Agatston",
    "agatston_column": "Agatston score of the table, as it was fed",
    "category": "Agatston category",
    "volume": "volume score",
    "sqrt_volume": "square root of volume",
}

PLACEMENT_LINE = "- A click that seems to lie over"
SPREAD_LINE = "- The interval covers"
"""How these lines begin, so that a new one takes the place of the old."""


@for_machines()
def run_card(bundle: ModelBundle, results: dict[str, Any]) -> str:
    """``CARD.md`` of a site's own training; ``{sha256}`` is left for the bundle writer. English: a card travels."""
    settings, protocol = results["settings"], results["protocol"]
    rows = {**{head: results["pooled"][head] for head in ("hyrisknet", "risknet")}, **results["baselines"]}
    table = "\n".join(
        f"| {_NAMES[name]} | {_figure(row['auc'])} ({row['ci'][0]:.3f}-{row['ci'][1]:.3f}) "
        f"| {_figure(row['fold_mean'])} ± {_figure(row['fold_sd'])} |"
        for name, row in rows.items()
    )
    data = (
        "**Synthetic phantoms only. It has never seen a patient.** Agreement with any paper is built into such data."
        if results["synthetic"]
        else "A site's own exams. Who they are, and how their outcomes were found, only that site knows."
    )
    low, high = bundle.preprocessing.hu_window
    score = "visual grade 0-3" if bundle.score_input == "grade" else "region Agatston score"
    start = bundle.training["settings"]["init"] or "random weights"
    warning, cautions = english(results.get("warning") or ""), " ".join(map(english, results.get("cautions", ())))
    held_out = f"**{warning}**" if warning else "Every prediction comes from a network that had not seen the patient."
    held_out = f"**{cautions}** {held_out}" if cautions else held_out
    return f"""# {bundle.name}

**Research use only; not for diagnosis or treatment.**

SHA-256 of the weights: `{{sha256}}`

## What it is
{bundle.network}: a torchvision ResNet-{bundle.depth} over a 161 x 161 x 3 heart patch (RiskNet), its features joined with the
{score} (HyRiskNet). Input window {low:g} to {high:g} HU; centred crop of {_crop(bundle)},
{bundle.preprocessing.input_size} px. Strategy "{settings["strategy"]}", started from: {start}.

## Data
{data}
{results["n"]} exams of {results["patients"]} patients, {results["non_survivors"]} non-survivors. Trained on {bundle.training["date"]}.

## Results, {"synthetic data, " if results["synthetic"] else ""}{protocol["folds"]}-fold cross-validation
{held_out} The weights were chosen on an inner split. The network
in this bundle was then fitted on all cases: its own figure is not known, the folds' is the best guess.

| score | pooled AUC (95 % CI) | mean ± SD over folds |
|---|---|---|
{table}

Trained on shuffled outcomes, the AUC was {_figure(results["permutation_auc"])} (it must be about 0.5).
Brier score of the cross-fitted risk: {results["calibration"]["hyrisknet"]["brier"]:.3f} (always saying the prevalence:
{results["calibration"]["hyrisknet"]["brier_of_prevalence"]:.3f}).

## Calibration
Platt's method on the out-of-fold predictions. The risk assumes {100 * bundle.calibration["hyrisknet"].prevalence:.0f} % non-survivors, as in
the cohort; for a population with fewer it is too high.

## Where it left the paper
{_list(map(english, results.get("deviations", ())))}

## Limits
- One cohort, and no test on another one: expect less elsewhere.
- Kernels, slice increments and scanners that the cohort lacks are unknown to it; the novelty guard is a coarse net.
- Contrast-enhanced scans, and patches beyond the heart, are out of its depth.
"""


def _list(texts: Iterable[str]) -> str:
    return "\n".join(f"- {text}" for text in texts)


def demonstration_deviations(training: dict[str, Any]) -> str:
    """The demonstration's own, from the settings of its trainings as they stand in ``model.json``; each said once."""
    configs = _configs(training)
    said = [text for config in configs for text in _deviations_of(config)]
    if levels := training["stage_two"].get("levels_mm"):
        said.append(of_levels(levels))
    return _list(dict.fromkeys(said))


def _configs(training: dict[str, Any]) -> list[dict[str, Any]]:
    """Of the trainings whose settings are known, in their order."""
    told = [training, *training.get("earlier", ()), training]
    keys = ["config", *["steady_config"] * (len(told) - 1)]
    return [one[key] for one, key in zip(told, keys, strict=True) if key in one]


def _deviations_of(config: dict[str, Any]) -> list[str]:
    known = {field.name for field in fields(TrainConfig)}
    values = {key: value for key, value in config.items() if key in known}
    values |= {"phases": tuple(Phase(**phase) for phase in config["phases"]), "hu_window": tuple(config["hu_window"])}
    return deviations(TrainConfig(**values))


def exchange_line(directory: Path, begins: str, line: str) -> None:
    """Put ``line`` into the card in ``directory``: in place of the one that ``begins`` so, else at its end."""
    lines = (directory / CARD).read_text(encoding="utf-8").rstrip().splitlines()
    if not any(one.startswith(begins) for one in lines):
        lines.append(line)
    kept = [line if one.startswith(begins) else one for one in lines]
    replace_file(directory / CARD, "\n".join([*kept, ""]).encode())


def exchange_section(directory: Path, text: str) -> None:
    """Put a section of the card in ``directory`` in the place of the one with the same heading, else at the end.

    Args:
        directory: of the bundle. text: the section, its first line the heading.
    """
    heading = text.splitlines()[0]
    lines = (directory / CARD).read_text(encoding="utf-8").rstrip().splitlines()
    if heading in lines:
        begin = lines.index(heading)
        end = next((i for i in range(begin + 1, len(lines)) if lines[i].startswith("## ")), len(lines))
        lines = [*lines[:begin], *text.rstrip().splitlines(), "", *lines[end:]]
    else:
        lines = [*lines, "", *text.rstrip().splitlines()]
    replace_file(directory / CARD, ("\n".join(lines).rstrip() + "\n").encode())


def placement_line(bundle: ModelBundle) -> str:
    """What the bundle's guard against misplaced clicks catches, as a line of its limits."""
    facts, placement = bundle.training["placement"], bundle.placement
    assert placement is not None
    caught = ", ".join(f"{100 * share:.0f} % at {mm} mm" for mm, share in facts["caught_by_mm"].items())
    return (
        f"{PLACEMENT_LINE} {placement.limit_mm:.1f} mm from where the phantoms' readers click withholds the risk. Of "
        f"{facts['subjects']} phantoms (seeds {facts['seeds'][0]} to {facts['seeds'][1]}), each judged by a fit that had not seen it: "
        f"{caught} off; {100 - 100 * facts['limit_quantile']:.1f} % of readers' own clicks (within 3 px and a slice) in vain."
    )


def spread_line(bundle: ModelBundle) -> str:
    """How much of each kind of change the intervals hold, as a line of the limits."""
    facts = bundle.training["spread"]
    shares = ", ".join(f"{kind} {100 * share:.0f} %" for kind, share in facts["hyrisknet"]["held"].items())
    return (
        f"{SPREAD_LINE} clicks within 3 px and a slice, 5 mm in z, 5 HU, kernels, pixels of 0.55 and 0.86 mm and the model's own doubt "
        f"(heads of resampled cases). Of the {facts['subjects']} phantoms (seeds {facts['seeds'][0]} to {facts['seeds'][1]}) on which its width "
        f"was chosen it holds: {shares}."
    )


def stability_section(bundle: ModelBundle) -> str:
    """By how much the risk moves when a phantom is scanned again with one thing changed, as a section."""
    facts = bundle.training["spread"]
    rows = "\n".join(
        f"| {name} | {row['mean']:+.3f} | {row['sd']:.3f} | {row['n']} |" for name, row in facts["stability"].items()
    )
    return f"""## How still it holds
SYNTHETIC: change of HyRiskNet's risk when the same phantom is scanned again with one thing changed ({facts["subjects"]} phantoms, seeds
{facts["seeds"][0]} to {facts["seeds"][1]}; `tests/benchmarks/bench_stability.py` measures it on others).

| change | mean | SD | n |
|---|---|---|---|
{rows}
"""


def _figure(value: float | None) -> str:
    return "not known" if value is None else f"{value:.3f}"


@for_machines()
def demonstration_card(bundle: ModelBundle) -> str:
    """``CARD.md`` of the bundle trained on synthetic phantoms; ``{sha256}`` is left for the bundle writer."""
    training = bundle.training
    config, results = training["config"], training["results"]
    phases = _phases(config)
    sizes, seeds = training["sizes"], training["seeds"]
    parts = "\n".join(
        f"| {key.replace('_', ' ')} | {sizes[key]} | {seeds[key][0]} to {seeds[key][1]} |" for key in sizes
    )
    target = (
        "The network learned each phantom's *expected risk* (a soft label), not its drawn outcome. No real cohort has\n"
        "such a label; it is worth several times the number of phantoms. The outcome model was tuned so that the scores\n"
        "reach about the AUCs of the paper, so agreement with the paper is built in and proves nothing."
        if training["soft_target"]
        else "The network learned the drawn outcomes."
    )
    low, high = bundle.preprocessing.hu_window
    heads = "both heads" if "image_pull" in training["stage_two"] else "the fused head"
    return f"""# {bundle.name}

**A demonstration model with the paper's architecture and not its training. It has never seen a patient. Research use only; not for diagnosis or treatment.**

SHA-256 of the weights: `{{sha256}}`

## What it is
{bundle.network}: a torchvision ResNet-{bundle.depth} over a 161 x 161 x 3 heart patch (RiskNet), its features joined with the
0-3 visual grade of coronary calcification (HyRiskNet). Input window {low:g} to {high:g} HU; centred crop of
{_crop(bundle)}, {bundle.preprocessing.input_size} px. Weights are stored in half precision.

## Data
Synthetic low-dose chest CT of this project's own generator (`model_training/phantom`; versions in `model.json`). No patient
data of any kind. Disjoint ranges of seeds:

| part | phantoms | seeds |
|---|---|---|
{parts}

{_inner_split(training)}

## Training
From scratch: {phases}; AdamW, peak rate {config["learning_rate"]:g}, batch {config["batch"]}, seed {config["seed"]}.
{_earlier(training)}{_steady(training)}Stage two fitted {heads} on the stage-two part, with the trunk fixed (weight of the grade's input in log odds:
{training["stage_two"]["score_weight"]:+.2f}).{_clicked_twice(training["stage_two"])} Platt calibration and percentiles come from the calibration part; the calibrated
risk assumes {100 * bundle.calibration["hyrisknet"].prevalence:.0f} % non-survivors, which no screening population has.

{target}
{training["notes"]}

## Where it left the paper
{demonstration_deviations(training)}

## Results on {results["n"]} held-out phantoms
Expected AUC: over all outcome draws that the known risks allow; SD over {results["outcome_draws"]} such draws. The last column is the
one draw in the table, with its bootstrap 95 % interval. Knowing the true risk exactly would give {results["ceiling_true_risk"]:.3f}.

| score | expected AUC | SD over draws | AUC of one draw (95 % CI) |
|---|---|---|---|
{_table(results["auc"])}

Expected AUC of HyRiskNet / RiskNet within one kernel: {_kernels(results["within_kernel"])}.

## Limits
- Phantoms only: on real CT the number has no established meaning, and the novelty guard is a coarse net.
- The region scores above see 65 x 65 x 5 voxels, not the whole heart.
- The phantoms' readers click close to the level of the proximal coronary arteries; elsewhere the network is out of its depth.
- The grade comes from a synthetic reader with noise tuned to the paper's AUC.
- Contrast-enhanced scans, and thick slices outside the training range, are outside of what it has seen.
"""


def _phases(config: dict[str, Any]) -> str:
    return ", ".join(f"{p['epochs']:g} x all cases at {p['size']} px" for p in config["phases"])


def _crop(bundle: ModelBundle) -> str:
    p = bundle.preprocessing
    where = f"{p.inference_crop:g} of the patch" if p.crop_mm is None else f"{p.crop_mm:g} mm"
    if p.blood_hu is not None:
        where += f", HU moved so that the exam's own blood has {p.blood_hu:g}"
    return (
        where if p.levels_mm is None else f"{where}; the mean of its features at {levels_text(p.levels_mm)} mm along z"
    )


def _clicked_twice(stage_two: dict[str, Any]) -> str:
    if "still" not in stage_two:
        return ""
    levels = (
        "\nHeads learned from looks at the click's own height; a reading is their mean."
        if "levels_mm" in stage_two
        else ""
    )
    return (
        f" Where {stage_two['clicked_twice']} of these phantoms were clicked once more, as another reader could have (3 px, 5 mm in z),\n"
        f"the squared difference of the log odds counted {stage_two['still']:g}.{_scanned_again(stage_two)}{levels}"
    )


def _scanned_again(stage_two: dict[str, Any]) -> str:
    if "level" not in stage_two:
        return ""
    return (
        f" {stage_two['scanned_again']} of them were scanned again with another kernel, pixel size\n"
        f"and increment; the squared log odds that each of these changes made in the mean counted {stage_two['level']:g}."
    )


def _inner_split(training: dict[str, Any]) -> str:
    counts = list(dict.fromkeys(config["validation"] for config in _configs(training)))
    if len(counts) == 1:
        return f"The last {counts[0]} phantoms of a part that was trained on were its inner split."
    text = ", ".join(str(config["validation"]) for config in _configs(training))
    return f"The last phantoms of a part that was trained on were its inner split: in the order of the trainings below, {text}."


def _earlier(training: dict[str, Any]) -> str:
    """The trainings of the models before this one, "" where it was made from nothing."""
    if not (models := training.get("earlier")):
        return ""
    parts = [name for model in models for name in model["parts"]] + ["steady"]
    said = [f"Its trunk was trained {len(parts)} times, on these parts one after the other: {', '.join(parts)}.\n"]
    for model in models:
        # The first training has its own line above.
        for part in (name for name in model["parts"] if name != "training"):
            if part == model.get("steady_part"):
                said.append(_held_still(model["steady_config"], part))
            else:
                said.append(f"Then on the {part} part; of this training's settings only notes tell.\n")
        said.append(
            f"Out of this came the model of {model['date']} (SHA-256 of the weights `{model['sha256']}`), in half precision.\n"
        )
        if model["notes"]:
            renamed = "".join(f", which called the {new} part “{name}”" for name, new in model["renamed"].items())
            said.append(f"Its notes{renamed}: “{model['notes']}”\n")
    return "".join(said)


def _steady(training: dict[str, Any]) -> str:
    """How it then learned to hold still, "" where it did not."""
    return _held_still(training["steady_config"], "steady") if "steady_config" in training else ""


def _held_still(config: dict[str, Any], part: str) -> str:
    return (
        f"Then, from these weights, on the {part} part: each phantom as it is and scanned once more with another kernel, pixel size, increment, noise and\n"
        f"click, their log odds pulled together (weight {config['hold']:g}), with random sharpness and noise: {_phases(config)}; peak rate\n"
        f"{config['learning_rate']:g}, {config['batch']} phantoms a batch. Here the target was the expected risk with what no image shows averaged out.\n"
    )


def _table(table: dict[str, Any]) -> str:
    return "\n".join(
        f"| {_NAMES[name]} | {row['expected_auc']:.3f} | {row['sd_over_draws']:.3f} "
        f"| {row['auc']:.3f} ({row['ci'][0]:.3f}-{row['ci'][1]:.3f}) |"
        for name, row in table.items()
    )


def _kernels(within: dict[str, dict[str, float]]) -> str:
    return "; ".join(f"{kernel} {row['hyrisknet']:.3f} / {row['risknet']:.3f}" for kernel, row in within.items())
