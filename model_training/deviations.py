"""Where a training left the paper: computed from its settings, so that report and card can't tell of another one."""

from __future__ import annotations

from collections.abc import Sequence

from hyrisk_desktop.i18n import tr, trn
from hyrisk_desktop.risk.model_summary import levels_text
from model_training.config import LARGEST_GRADIENT, TrainConfig

_PAPER_RATES = {"scratch": 1e-4, "finetune": 1e-5, "frozen": 1e-5}


def deviations(config: TrainConfig) -> list[str]:
    """One sentence each; what follows the paper, or what the paper leaves open and DESIGN fixed, is not among them."""
    said = [
        tr("Gradients are shortened to a norm of {norm:g}.", norm=LARGEST_GRADIENT),
        tr("The weights kept are those of the lowest loss on an inner split of the training part."),
    ]
    if config.optimiser != "adam" or config.learning_rate != _PAPER_RATES[config.strategy]:
        said.append(
            tr("{optimiser} at {rate:g} instead of Adam at {paper:g}.",
               optimiser=config.optimiser, rate=config.learning_rate, paper=_PAPER_RATES[config.strategy])
        )  # fmt: skip
    if config.head_learning_rate != config.learning_rate:
        said.append(tr("The heads learn at {rate:g}, another rate than the trunk's.", rate=config.head_learning_rate))
    if config.strategy == "scratch" and config.schedule != "step":
        said.append(tr("Schedule: {schedule}, instead of x 0.9 every five epochs.", schedule=config.schedule))
    if config.weight_decay:
        said.append(tr("Weight decay {decay:g}.", decay=config.weight_decay))
    said += _of_the_input(config)
    if config.hold:
        said.append(
            tr("It sees each subject scanned twice, and the squared difference of the log odds counts {weight:g}.",
               weight=config.hold)
        )  # fmt: skip
    if config.jitter:
        said.append(tr("Sharpness and noise are changed at random in each batch."))
    if config.factors:
        said.append(
            tr("Besides the risk it learns each phantom's known factors (fat, heart size, emphysema, calcium), which counts {weight:g}.",
               weight=config.factors)
        )  # fmt: skip
    if config.soft_target:
        said.append(tr("It learns each phantom's expected risk instead of the outcome."))
    if config.patience:
        said.append(
            trn("It stops after {n} epoch without a better inner loss.",
                "It stops after {n} epochs without a better inner loss.", config.patience)
        )  # fmt: skip
    if config.bfloat16:
        said.append(tr("Computed in bfloat16 where the device can."))
    if config.score == "agatston":
        said.append(tr("The Agatston score is fed as its logarithm, scaled to -1 to +1."))
    return said


def _of_the_input(config: TrainConfig) -> list[str]:
    said = []
    if config.input_size != 224 or len(config.phases) > 1:
        sizes = ", ".join(str(phase.size) for phase in config.phases)
        said.append(tr("Input of {sizes} pixels instead of 224 throughout.", sizes=sizes))
    if config.hu_window != TrainConfig().hu_window:
        low, high = config.hu_window
        said.append(tr("The network sees {low:g} to {high:g} HU instead of -200 to 500.", low=low, high=high))
    if config.crop_mm is not None:
        said.append(tr("The crop has {mm:g} mm instead of a share of 161 pixels.", mm=config.crop_mm))
    if config.blood_hu is not None:
        said.append(tr("HU are moved so that the exam's own blood has {hu:g}, by 20 at most.", hu=config.blood_hu))
    return said


def of_levels(levels_mm: Sequence[float]) -> str:
    """What is said of a bundle that looks at several heights."""
    return tr(
        "A reading is of the features' mean at {levels} mm along z from the click.", levels=levels_text(levels_mm)
    )
