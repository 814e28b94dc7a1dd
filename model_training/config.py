"""What decides a network's weights, apart from the cohort; and the three strategies of the paper."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from hyrisk_desktop.errors import InputError
from hyrisk_desktop.i18n import tr
from hyrisk_desktop.risk.network import DEPTHS
from hyrisk_desktop.risk.preprocessing import Preprocessing

STRATEGIES = ("scratch", "finetune", "frozen")
SCORES = ("grade", "agatston")
TRAINED_HEAD_RATE = 1e-4
"""For heads that were fitted before. At 1e-3 the first eight steps took a fitted head from an inner loss of 0.555 to
0.635, and the starting weights stayed the best; at 1e-4 it went on to 0.551."""


LARGEST_GRADIENT = 2.0
"""Longer gradients are shortened to this norm."""


@dataclass(frozen=True, slots=True)
class Phase:
    """A stretch of training at one input size."""

    size: int
    epochs: float


@dataclass(frozen=True, slots=True)
class TrainConfig:
    """One stage's settings.

    Attributes:
        depth: ResNet depth. strategy: see `STRATEGIES`; "frozen" trains the heads alone.
        phases: input sizes in order; the weights are chosen in the last.
        optimiser: "adam" or "adamw". learning_rate: of the trunk; head_learning_rate: of the linear heads.
        schedule: "constant"; "step", x 0.9 every 5 epochs (paper); or "cosine" with a ``warm_up`` share of the work.
        soft_target: learn the expected risk instead of the drawn outcome; only synthetic cohorts have it.
        score: where the score input comes from. patience: epochs without a better inner loss before the fit stops
            (0: never). checkpoint_every: steps, besides every epoch's end. checkpoint_s: fewest seconds
            between two checkpoints.
        bfloat16: autocast. seed: of weights, order and crops. hu_window, crop_mm, blood_hu: what the network sees, see `Preprocessing`.
        hold: weight of the squared difference of the log odds of two scans of one subject, where a fit has such.
        jitter: other sharpness and noise in each batch.
        factors: weight of the mean squared error of the known factors, where a fit has such.
    """

    depth: int = 34
    strategy: str = "scratch"
    phases: tuple[Phase, ...] = (Phase(224, 20.0),)
    batch: int = 16
    optimiser: str = "adam"
    learning_rate: float = 1e-4
    head_learning_rate: float = 1e-4
    schedule: str = "step"
    weight_decay: float = 0.0
    warm_up: float = 0.0
    soft_target: bool = False
    score: str = "grade"
    patience: int = 0
    checkpoint_every: int = 200
    checkpoint_s: float = 0.0
    bfloat16: bool = False
    seed: int = 20180617
    hu_window: tuple[float, float] = (-200.0, 500.0)
    crop_mm: float | None = None
    blood_hu: float | None = None
    hold: float = 0.0
    jitter: bool = False
    factors: float = 0.0

    @property
    def input_size(self) -> int:
        """The size that the network will be read at."""
        return self.phases[-1].size

    @property
    def plain_preprocessing(self) -> Preprocessing:
        """What the network sees, before the training part's statistics are known."""
        return Preprocessing(
            hu_window=self.hu_window, input_size=self.input_size, crop_mm=self.crop_mm, blood_hu=self.blood_hu
        )


def paper_config(
    depth: int, strategy: str, epochs: float, *, size: int = 224, score: str = "grade", **changes: Any
) -> TrainConfig:
    """The paper's optimisers and schedules: frozen trunk; fine-tuning, Adam 1e-5; from scratch, Adam 1e-4 x 0.9 every 5 epochs.

    The heads of a pre-trained trunk start from nothing, and Adam moves a weight by at most its rate in a step: they
    get a rate of 1e-3, without which a hundred steps of 1e-5 would leave the score's weight where it was. Heads that
    come trained with a bundle are the caller's to slow down (`TRAINED_HEAD_RATE`).

    Args:
        depth: of the ResNet. strategy: scratch, finetune or frozen. epochs: of stage one. size: of the input in
            pixels.
        score: "grade" or "agatston".

    Raises:
        InputError: unknown depth, strategy or score, or a number out of range.
    """
    if depth not in DEPTHS:
        raise InputError("network", tr("--network must be hyrisknet-18, -34, -50, -101 or -152."))
    if strategy not in STRATEGIES:
        raise InputError("strategy", tr("--strategy must be scratch, finetune or frozen."))
    if score not in SCORES:
        raise InputError("score", tr("--score must be grade or agatston."))
    if not 0 < epochs <= 10000:
        raise InputError("epochs", tr("--epochs must lie between 1 and 10000."))
    if not 32 <= size <= 512:
        raise InputError("size", tr("--size must lie between 32 and 512 pixels."))
    base = TrainConfig(depth=depth, strategy=strategy, phases=(Phase(size, epochs),), score=score)
    if strategy == "scratch":
        return replace(base, **changes)
    return replace(base, **{"learning_rate": 1e-5, "head_learning_rate": 1e-3, "schedule": "constant", **changes})


def demonstration_config(phases: tuple[Phase, ...], **changes: Any) -> TrainConfig:
    """How the bundled model is trained: many phantoms, small crops first, full size last, soft labels, a wide window."""
    base = TrainConfig(
        phases=phases,
        batch=64,
        optimiser="adamw",
        learning_rate=1e-3,
        head_learning_rate=1e-3,
        schedule="cosine",
        weight_decay=0.02,
        warm_up=0.05,
        soft_target=True,
        checkpoint_every=60,
        bfloat16=True,
        # From -1000 HU on the network sees emphysema, which the narrow window clips away.
        hu_window=(-1000.0, 500.0),
    )
    return replace(base, **changes)


def steady_config(phases: tuple[Phase, ...], **changes: Any) -> TrainConfig:
    """How the bundled model then learns to hold still: from its first weights, on phantoms that were scanned twice."""
    base = demonstration_config(
        phases,
        strategy="finetune",
        batch=32,
        learning_rate=5e-4,
        head_learning_rate=5e-4,
        crop_mm=84.0,
        blood_hu=45.0,
        hold=0.5,
        jitter=True,
        factors=0.5,
    )
    return replace(base, **changes)


def parse_phases(text: str) -> tuple[Phase, ...]:
    """``"96:6,160:1,224:1"`` -> phases.

    Raises:
        InputError: not of that form.
    """
    try:
        pairs = [part.split(":") for part in text.split(",")]
        return tuple(Phase(int(size), float(epochs)) for size, epochs in pairs)
    except ValueError as e:
        raise InputError("phases", tr("Write phases as SIZE:EPOCHS,SIZE:EPOCHS, for example 96:6,224:1.")) from e


def parse_network(name: str) -> int:
    """``"hyrisknet-34"`` or ``"risknet-34"`` -> 34.

    Raises:
        InputError: another name.
    """
    kind, _, depth = name.partition("-")
    if kind not in ("hyrisknet", "risknet") or not depth.isdecimal() or int(depth) not in DEPTHS:
        raise InputError("network", tr("--network must be hyrisknet-18, -34, -50, -101 or -152."))
    return int(depth)
