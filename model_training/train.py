"""One fit: a stage of RiskNet or HyRiskNet on one training part, its weights chosen on an inner split.

Stage one trains the trunk and the image head (RiskNet). Stage two starts from its weights and adds the score
(HyRiskNet); both heads learn, so that the trunk that is shipped serves both. Everything random follows from the seed
and the step's number: killed at any moment, a fit goes on from its checkpoint with the same batches, crops and losses.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from hyrisk_desktop.errors import InputError
from hyrisk_desktop.i18n import tr
from hyrisk_desktop.risk.network import NON_SURVIVOR, HyRiskNet, feature_width, log_odds
from hyrisk_desktop.risk.preprocessing import Preprocessing
from hyrisk_desktop.training_run import write_json
from model_training.checkpoint import drop_checkpoint, load_checkpoint, load_weights, save_checkpoint, save_state
from model_training.config import LARGEST_GRADIENT, TrainConfig
from model_training.dataset import CohortData, Scans, evaluation_batches, order_of_epoch, training_batch
from model_training.metrics import auc, expected_auc
from model_training.optimisers import Adam, AdamW

I64 = NDArray[np.int64]
BEST = "best.safetensors"
FACTOR_HEAD = "factor_head"
"""Only a fit has it: what its features tell of the known factors. It is in checkpoints and never among the best weights."""
_STEP_DECAY, _STEP_EPOCHS = 0.9, 5


@dataclass(frozen=True, slots=True)
class Plan:
    """The steps of a fit: input size and share of the work done, by step."""

    sizes: tuple[int, ...]
    work: tuple[float, ...]
    steps_per_epoch: int

    @property
    def steps(self) -> int:
        """Number of optimiser steps."""
        return len(self.sizes)

    @property
    def epochs(self) -> int:
        """Number of epochs, the last perhaps cut short."""
        return math.ceil(self.steps / self.steps_per_epoch)


def make_plan(config: TrainConfig, cases: int) -> Plan:
    """Lay the phases of ``config`` out over ``cases`` training cases."""
    per_epoch = max(1, cases // config.batch)
    sizes: list[int] = []
    for phase in config.phases:
        sizes += [phase.size] * max(1, round(phase.epochs * per_epoch))
    cost = np.cumsum([size * size for size in sizes]).astype(np.float64)
    return Plan(tuple(sizes), tuple(float(c) for c in cost / cost[-1]), per_epoch)


def rate_factor(config: TrainConfig, plan: Plan, step: int) -> float:
    """What the learning rates are multiplied by at ``step``.

    The cosine counts pixels, not steps, so that the last, large phase gets the fine steps.
    """
    if config.schedule == "step":
        return float(_STEP_DECAY ** (step // plan.steps_per_epoch // _STEP_EPOCHS))
    if config.schedule == "cosine":
        share = plan.work[step]
        if share < config.warm_up:
            return share / config.warm_up
        return 0.5 * (1.0 + math.cos(math.pi * (share - config.warm_up) / (1.0 - config.warm_up)))
    return 1.0


@dataclass(frozen=True, slots=True, eq=False)
class Fit:
    """What one fit needs.

    Attributes:
        data: the cohort. training, inner: indices of the training part and of the split that chooses the weights.
        targets: [n] outcome or expected risk, float32. scores: [n] score inputs; None for stage one.
        preprocessing: with the training part's statistics. config, device: how and where.
        twins: the same subjects scanned once more, in the cohort's order; what they differ in shall not count.
        factors: [n, K] what else is known of each case, standardised; its features shall tell it.
    """

    data: CohortData
    training: I64
    inner: I64
    targets: Tensor
    scores: Tensor | None
    preprocessing: Preprocessing
    config: TrainConfig
    device: torch.device
    twins: Scans | None = None
    factors: Tensor | None = None

    @property
    def stage(self) -> int:
        """1 for RiskNet, 2 for HyRiskNet."""
        return 1 if self.scores is None else 2


class Watch:
    """Who wants to know how a fit goes; this one doesn't."""

    def step(self, stage: int, epoch: int, step: int, steps: int, loss: float) -> None:
        """After every step; may raise `Cancelled`.

        Args:
            stage, epoch, step: which, from 1. steps: in this stage. loss: of the batch.
        """

    def epoch(self, stage: int, values: dict[str, Any]) -> None:
        """After every epoch: losses, AUC of the inner split, whether it is the best so far."""


@dataclass(slots=True)
class _State:
    """How far a fit is."""

    step: int = 0
    best_loss: float = float("inf")
    best_epoch: int = 0
    loss_sum: float = 0.0
    loss_count: int = 0
    stopped: bool = False


class _Keeper:
    """The folder of a fit: its log, its best weights, and its checkpoints.

    Between two checkpoints ``interval_s`` apart the best weights wait on the device: a ResNet-152 with its moments is
    700 MB, and written after each short epoch they would cost more than the training.
    """

    def __init__(self, folder: Path, interval_s: float) -> None:
        self._folder, self._interval_s = folder, interval_s
        self._last = time.monotonic()
        self._best: dict[str, Tensor] | None = None

    def log(self, stage: int, entry: dict[str, Any]) -> None:
        """Append what an epoch of ``stage`` has come to."""
        with open(self._folder / "log.jsonl", "a", encoding="utf-8") as file:
            file.write(json.dumps({"stage": stage, **entry}) + "\n")

    def keep(self, model: HyRiskNet) -> None:
        """``model`` is the best so far."""
        weights = {key: value for key, value in model.state_dict().items() if not key.startswith(FACTOR_HEAD)}
        if self._interval_s:
            self._best = {key: value.detach().clone() for key, value in weights.items()}
        else:
            save_state(self._folder / BEST, weights)

    def checkpoint(
        self, model: HyRiskNet, optimiser: torch.optim.Optimizer, state: _State, *, now: bool = False
    ) -> None:
        """Write a checkpoint if one is due, the best weights first, as its state speaks of them.

        Args:
            model, optimiser, state: of the fit. now: whether it is due or not.
        """
        if now or time.monotonic() - self._last >= self._interval_s:
            self._write_best()
            save_checkpoint(self._folder, model, optimiser, asdict(state))
            self._last = time.monotonic()

    def finish(self, state: _State) -> None:
        """Put the best weights on the disk, say that the fit is done, and drop its checkpoint.

        Raises:
            InputError: no epoch had a loss that is a number.
        """
        self._write_best()
        if not (self._folder / BEST).is_file():
            message = tr("The training diverged: its loss is no number. Start again with another seed.")
            raise InputError("diverged", message)
        write_json(
            self._folder / "done.json",
            {"steps": state.step, "best_epoch": state.best_epoch, "best_loss": state.best_loss},
        )
        drop_checkpoint(self._folder)

    def _write_best(self) -> None:
        if self._best is not None:
            save_state(self._folder / BEST, self._best)
            self._best = None


def fit(job: Fit, folder: Path, start: Callable[[], HyRiskNet], watch: Watch | None = None) -> HyRiskNet:
    """Run or resume a fit in ``folder``; returns the network with the best weights of the last phase, in eval mode.

    Args:
        job: what is fitted, and how.
        start: makes the network with its first weights, on the CPU.

    Raises:
        Cancelled: ``watch`` asked for it; a checkpoint is left.
    """
    folder.mkdir(parents=True, exist_ok=True)
    watch = watch or Watch()
    if (folder / "done.json").is_file():
        return load_weights(folder / BEST, HyRiskNet(job.config.depth)).to(job.device).eval()
    model = _with_factor_head(start(), job.factors).to(job.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    optimiser = _optimiser(model, job.config)
    plan = make_plan(job.config, len(job.training))
    state = _State(**load_checkpoint(folder, model, optimiser))
    keeper = _Keeper(folder, job.config.checkpoint_s)
    learned = job.stage == 2 or job.config.strategy != "scratch"
    if state.step == 0 and learned and plan.sizes[0] == job.config.input_size:
        # The weights it starts from may be the best there are; random ones never are, whatever a small split says.
        watch.epoch(job.stage, _evaluate(job, model, plan, state, keeper))
    try:
        while state.step < plan.steps and not state.stopped:
            loss = _step(job, model, optimiser, plan, state.step)
            state.step += 1
            state.loss_sum, state.loss_count = state.loss_sum + loss, state.loss_count + 1
            last = state.step == plan.steps
            ends_epoch = state.step % plan.steps_per_epoch == 0 or last
            if ends_epoch:
                watch.epoch(job.stage, _evaluate(job, model, plan, state, keeper))
            # The end of a fit needs none: it would be dropped in the next moment.
            goes_on = not (last or state.stopped)
            if goes_on and (ends_epoch or state.step % job.config.checkpoint_every == 0):
                keeper.checkpoint(model, optimiser, state)
            watch.step(job.stage, (state.step - 1) // plan.steps_per_epoch + 1, state.step, plan.steps, loss)
    except BaseException:
        if state.step:
            keeper.checkpoint(model, optimiser, state, now=True)
        raise
    keeper.finish(state)
    if job.factors is not None:
        delattr(model, FACTOR_HEAD)
    return load_weights(folder / BEST, model).eval()


def _with_factor_head(model: HyRiskNet, factors: Tensor | None) -> HyRiskNet:
    """``model``, which for the time of a fit tells the ``factors`` [n, K] as well, where there are any."""
    if factors is not None:
        head = nn.Linear(feature_width(model.depth), factors.shape[1])
        for parameter in head.parameters():
            # Not drawn: whether two fits of one seed are the same would be left to the caller.
            nn.init.zeros_(parameter)
        model.add_module(FACTOR_HEAD, head)
    return model


def _optimiser(model: HyRiskNet, config: TrainConfig) -> torch.optim.Optimizer:
    model.trunk.requires_grad_(config.strategy != "frozen")
    heads = [parameter for name, parameter in model.named_parameters() if not name.startswith("trunk.")]
    groups: list[dict[str, Any]] = [{"params": heads, "base": config.head_learning_rate}]
    if config.strategy != "frozen":
        groups.insert(0, {"params": list(model.trunk.parameters()), "base": config.learning_rate})
    kind = Adam if config.optimiser == "adam" else AdamW
    return kind(groups, lr=0.0, weight_decay=config.weight_decay)


def _step(job: Fit, model: HyRiskNet, optimiser: torch.optim.Optimizer, plan: Plan, step: int) -> float:
    """One optimiser step; everything random in it follows from the seed and the step's number."""
    config = job.config
    epoch, place = divmod(step, plan.steps_per_epoch)
    seed = config.seed + job.stage
    order = order_of_epoch(job.training, seed, epoch)
    chosen = order[place * config.batch : (place + 1) * config.batch]
    images = torch.cat(
        [
            training_batch(
                scans,
                chosen,
                job.preprocessing,
                plan.sizes[step],
                [seed + 7 * take, 2, step],
                job.device,
                jitter=config.jitter,
            )
            for take, scans in enumerate([job.data] if job.twins is None else [job.data, job.twins])
        ]
    )
    factor = rate_factor(config, plan, step)
    for group in optimiser.param_groups:
        group["lr"] = group["base"] * factor
    model.train()
    if config.strategy == "frozen":
        # Batch statistics of the cohort would change a trunk that shall stay as it is.
        model.trunk.eval()
    where = torch.from_numpy(chosen)
    target = job.targets[where].to(job.device).repeat(len(images) // len(chosen))
    with torch.autocast(job.device.type, torch.bfloat16, enabled=config.bfloat16):
        features = model.features(images)
    logits = model.image_logits(features.float())
    loss = soft_cross_entropy(logits, target)
    if job.twins is not None:
        first, again = log_odds(logits).chunk(2)
        loss = loss + config.hold * (first - again).square().mean()
    if job.factors is not None:
        known = job.factors[where].to(job.device).repeat(len(images) // len(chosen), 1)
        told = model.get_submodule(FACTOR_HEAD)(features.float())
        loss = loss + config.factors * (told - known).square().mean()
    if job.scores is not None:
        loss = loss + soft_cross_entropy(model.fused_logits(features.float(), job.scores[where].to(job.device)), target)
    optimiser.zero_grad(set_to_none=True)
    loss.backward()  # type: ignore[no-untyped-call]
    nn.utils.clip_grad_norm_([p for p in model.parameters() if p.grad is not None], LARGEST_GRADIENT)
    optimiser.step()
    return float(loss.detach()) / job.stage


def soft_cross_entropy(logits: Tensor, risk: Tensor) -> Tensor:
    """Mean cross-entropy of [N, 2] ``logits`` against the probability [N] of the non-survivor class."""
    target = torch.stack([1.0 - risk, risk] if NON_SURVIVOR == 1 else [risk, 1.0 - risk], dim=1)
    return -(target * logits.log_softmax(dim=1)).sum(dim=1).mean()


@torch.no_grad()
def image_features(
    model: HyRiskNet,
    data: Scans,
    indices: I64,
    preprocessing: Preprocessing,
    *,
    size: int | None = None,
    bfloat16: bool = False,
    device: torch.device | None = None,
) -> Tensor:
    """Trunk features [n, F] of the centred crops, float32, on the CPU; ``size`` defaults to the bundle's.

    Args:
        model: the network. data, indices: which cases. preprocessing: window and normalisation.
        bfloat16: compute in it. device: None for the model's own.
    """
    model.eval()
    where = device or torch.device("cpu")
    parts = []
    for images in evaluation_batches(data, indices, preprocessing, size or preprocessing.input_size, where):
        with torch.autocast(where.type, torch.bfloat16, enabled=bfloat16):
            parts.append(model.features(images).float().cpu())
    return torch.cat(parts)


@torch.no_grad()
def _evaluate(job: Fit, model: HyRiskNet, plan: Plan, state: _State, keeper: _Keeper) -> dict[str, Any]:
    """The inner split's loss and AUC, logged; in the last phase, keep the weights with the lowest loss."""
    size = plan.sizes[max(state.step - 1, 0)]
    features = image_features(
        model, job.data, job.inner, job.preprocessing, size=size, bfloat16=job.config.bfloat16, device=job.device
    ).to(job.device)
    where = torch.from_numpy(job.inner)
    logits = (
        model.image_logits(features)
        if job.scores is None
        else model.fused_logits(features, job.scores[where].to(job.device))
    )
    loss = float(soft_cross_entropy(logits, job.targets[where].to(job.device)))
    score = log_odds(logits).double().cpu().numpy()
    value = (
        expected_auc(score, job.data.expected_risk[job.inner])
        if job.config.soft_target
        else auc(score, job.data.outcome[job.inner])
    )
    epoch = math.ceil(state.step / plan.steps_per_epoch)
    best = size == job.config.input_size and loss < state.best_loss
    if best:
        state.best_loss, state.best_epoch = loss, epoch
        keeper.keep(model)
    patience = job.config.patience
    state.stopped = bool(patience) and epoch - state.best_epoch >= patience and math.isfinite(state.best_loss)
    training_loss = state.loss_sum / state.loss_count if state.loss_count else None
    state.loss_sum, state.loss_count = 0.0, 0
    entry = {
        "epoch": epoch,
        "epochs": plan.epochs,
        "step": state.step,
        "size": size,
        "training_loss": None if training_loss is None else round(training_loss, 5),
        "validation_loss": round(loss, 5),
        "validation_auc": None if math.isnan(value) else round(value, 4),
        "best": best,
    }
    keeper.log(job.stage, entry)
    return entry
