"""The model card that travels with a bundle."""

from __future__ import annotations

from typing import Any

from hyrisk_desktop.risk.bundle import ModelBundle

_NAMES = {
    "risknet": "RiskNet (image only)",
    "hyrisknet": "HyRiskNet (image + grade)",
    "grade": "visual grade 0-3",
    "agatston": "region Agatston",
    "category": "Agatston category",
    "volume": "volume score",
    "sqrt_volume": "square root of volume",
}


def write_card(bundle: ModelBundle) -> str:
    """``CARD.md`` of a bundle trained on synthetic phantoms; ``{sha256}`` is left for the bundle writer."""
    training = bundle.training
    config, results = training["config"], training["results"]
    phases = ", ".join(f"{p['epochs']:g} x all cases at {p['size']} px" for p in config["phases"])
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
    return f"""# {bundle.name}

**A demonstration model. It has never seen a patient. Research use only; not for diagnosis or treatment.**

SHA-256 of the weights: `{{sha256}}`

## What it is
{bundle.network}: a torchvision ResNet-{bundle.depth} over a 161 x 161 x 3 heart patch (RiskNet), its features joined with the
0-3 visual grade of coronary calcification (HyRiskNet). Input window {low:g} to {high:g} HU; centred crop
{bundle.preprocessing.inference_crop:g} of the patch, {bundle.preprocessing.input_size} px. Weights are stored in half precision.

## Data
Synthetic low-dose chest CT of this project's own generator (`model_training/phantom`; versions in `model.json`). No patient
data of any kind. Four disjoint ranges of seeds:

| part | phantoms | seeds |
|---|---|---|
{parts}

The last {config["validation"]} phantoms of the training part were its inner split.

## Training
From scratch: {phases}; AdamW, peak rate {config["learning_rate"]:g}, batch {config["batch"]}, seed {config["seed"]}.
Stage two fitted the fused head on the stage-two part, with the trunk fixed (weight of the grade's input in log odds:
{training["stage_two"]["score_weight"]:+.2f}). Platt calibration and percentiles come from the calibration part; the calibrated
risk assumes {100 * bundle.calibration["hyrisknet"].prevalence:.0f} % non-survivors, which no screening population has.

{target}
{training["notes"]}

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


def _table(table: dict[str, Any]) -> str:
    return "\n".join(
        f"| {_NAMES[name]} | {row['expected_auc']:.3f} | {row['sd_over_draws']:.3f} "
        f"| {row['auc']:.3f} ({row['ci'][0]:.3f}-{row['ci'][1]:.3f}) |"
        for name, row in table.items()
    )


def _kernels(within: dict[str, dict[str, float]]) -> str:
    return "; ".join(f"{kernel} {row['hyrisknet']:.3f} / {row['risknet']:.3f}" for kernel, row in within.items())
