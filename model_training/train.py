"""Stage one: RiskNet, the trunk with its image head, from scratch; small crops first, full size last.

Stage two (`fuse`) adds the score on cases that the trunk has never seen. A run is a folder with ``config.json``,
``log.jsonl``, the last checkpoint and the best weights of the last phase; killed at any moment, it goes on from
the checkpoint with the same batches, crops and losses.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load, save
from torch import Tensor, nn

from hyrisk_desktop.errors import InputError
from hyrisk_desktop.i18n import tr
from hyrisk_desktop.jobs import Progress, no_progress
from hyrisk_desktop.risk.network import NON_SURVIVOR, HyRiskNet, log_odds
from hyrisk_desktop.risk.preprocessing import Preprocessing
from model_training.dataset import CohortData, evaluation_batches, order_of_epoch, training_batch, with_statistics
from model_training.metrics import expected_auc

I64 = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Phase:
    """A stretch of training at one input size."""

    size: int
    epochs: float


@dataclass(frozen=True, slots=True)
class TrainConfig:
    """Everything that decides the weights, apart from the cohort.

    Attributes:
        depth: ResNet depth. phases: input sizes in order.
        batch, learning_rate, weight_decay, warm_up: AdamW; the rate rises over the ``warm_up`` share of the work and
            falls to zero along a cosine (work counts pixels, so that the last, large phase gets the fine steps).
        soft_target: learn the expected risk instead of the drawn outcome; only synthetic cohorts have it.
        validation: the cohort's last cases, kept for the inner split. checkpoint_every: steps.
        bfloat16: autocast on the CPU. seed: of weights, order and crops.
    """

    depth: int = 34
    phases: tuple[Phase, ...] = (Phase(96, 6.0), Phase(160, 1.0), Phase(224, 1.0))
    batch: int = 64
    learning_rate: float = 1e-3
    weight_decay: float = 0.02
    warm_up: float = 0.05
    soft_target: bool = True
    validation: int = 500
    checkpoint_every: int = 60
    bfloat16: bool = True
    seed: int = 20180617
    hu_window: tuple[float, float] = (-1000.0, 500.0)


@dataclass(frozen=True, slots=True)
class Plan:
    """The steps of a run: input size, epoch and share of the work done, by step."""

    sizes: tuple[int, ...]
    work: tuple[float, ...]
    steps_per_epoch: int

    @property
    def steps(self) -> int:
        """Number of optimiser steps."""
        return len(self.sizes)


def make_plan(config: TrainConfig, cases: int) -> Plan:
    """Lay the phases of ``config`` out over ``cases`` training cases."""
    per_epoch = max(1, cases // config.batch)
    sizes: list[int] = []
    for phase in config.phases:
        sizes += [phase.size] * max(1, round(phase.epochs * per_epoch))
    cost = np.cumsum([size * size for size in sizes]).astype(np.float64)
    return Plan(tuple(sizes), tuple(float(c) for c in cost / cost[-1]), per_epoch)


def learning_rate(config: TrainConfig, share: float) -> float:
    """Warm-up, then half a cosine, over the share of the work done."""
    if share < config.warm_up:
        return config.learning_rate * share / config.warm_up
    return config.learning_rate * 0.5 * (1.0 + math.cos(math.pi * (share - config.warm_up) / (1.0 - config.warm_up)))


def train(data: CohortData, run: Path, config: TrainConfig, progress: Progress = no_progress) -> HyRiskNet:
    """Train or resume the run in ``run``; returns the network with the last phase's best weights.

    Raises:
        InputError: ``run`` holds a run with another configuration or cohort.
    """
    run.mkdir(parents=True, exist_ok=True)
    cases = np.arange(len(data))
    training, validation = cases[: len(data) - config.validation], cases[len(data) - config.validation :]
    preprocessing = with_statistics(_preprocessing(config), data.patches[: len(training)])
    _claim(run, config, data, preprocessing)
    torch.manual_seed(config.seed)
    model = HyRiskNet(config.depth).to(memory_format=torch.channels_last)
    optimiser = torch.optim.AdamW(model.parameters(), lr=0.0, weight_decay=config.weight_decay)
    plan = make_plan(config, len(training))
    state = _Progress(**_load_checkpoint(run, model, optimiser))
    targets = torch.tensor(data.expected_risk if config.soft_target else data.outcome, dtype=torch.float32)
    while state.step < plan.steps:
        loss = _step(model, optimiser, data, training, targets, preprocessing, plan, config, state.step)
        state.step += 1
        _log(run, {"step": state.step, "loss": loss, "size": plan.sizes[state.step - 1], "time": round(time.time(), 1)})
        last = state.step == plan.steps
        if state.step % plan.steps_per_epoch == 0 or last:
            _evaluate(run, model, data, validation, targets, preprocessing, plan, config, state)
        if state.step % config.checkpoint_every == 0 or last:
            _save_checkpoint(run, model, optimiser, state)
        progress(state.step, plan.steps)
    model.load_state_dict(load((run / "best.safetensors").read_bytes()))
    return model.eval()


def _preprocessing(config: TrainConfig) -> Preprocessing:
    """The program's preprocessing with this run's window; the last phase's size is the one it will be read at."""
    return Preprocessing(hu_window=config.hu_window, input_size=config.phases[-1].size)


def load_run(run: Path) -> tuple[HyRiskNet, dict[str, Any]]:
    """A finished run's network (best weights of the last phase) and its ``config.json``."""
    record: dict[str, Any] = json.loads((run / "config.json").read_text(encoding="utf-8"))
    model = HyRiskNet(record["config"]["depth"])
    model.load_state_dict(load((run / "best.safetensors").read_bytes()))
    return model.eval(), record


@dataclass(slots=True)
class _Progress:
    """How far a run is, and the best validation loss of the last phase so far."""

    step: int = 0
    best_loss: float = float("inf")


def _step(
    model: HyRiskNet,
    optimiser: torch.optim.Optimizer,
    data: CohortData,
    training: I64,
    targets: Tensor,
    preprocessing: Preprocessing,
    plan: Plan,
    config: TrainConfig,
    step: int,
) -> float:
    """One optimiser step; everything random in it follows from the seed and the step's number."""
    epoch, place = divmod(step, plan.steps_per_epoch)
    order = order_of_epoch(training, config.seed, epoch)
    chosen = order[place * config.batch : (place + 1) * config.batch]
    images = training_batch(data, chosen, preprocessing, plan.sizes[step], config.seed, step)
    for group in optimiser.param_groups:
        group["lr"] = learning_rate(config, plan.work[step])
    model.train()
    with torch.autocast("cpu", torch.bfloat16, enabled=config.bfloat16):
        logits = model(images)
    loss = soft_cross_entropy(logits.float(), targets[torch.from_numpy(chosen)])
    optimiser.zero_grad(set_to_none=True)
    loss.backward()  # type: ignore[no-untyped-call]
    nn.utils.clip_grad_norm_(model.parameters(), 2.0)
    optimiser.step()
    return float(loss.detach())


def soft_cross_entropy(logits: Tensor, risk: Tensor) -> Tensor:
    """Mean cross-entropy of [N, 2] ``logits`` against the probability [N] of the non-survivor class."""
    target = torch.stack([1.0 - risk, risk] if NON_SURVIVOR == 1 else [risk, 1.0 - risk], dim=1)
    return -(target * logits.log_softmax(dim=1)).sum(dim=1).mean()


@torch.no_grad()
def image_features(
    model: HyRiskNet, data: CohortData, indices: I64, preprocessing: Preprocessing, size: int, bfloat16: bool
) -> Tensor:
    """Trunk features [n, F] of the centred crops, float32."""
    model.eval()
    parts = []
    for images in evaluation_batches(data, indices, preprocessing, size):
        with torch.autocast("cpu", torch.bfloat16, enabled=bfloat16):
            parts.append(model.features(images).float())
    return torch.cat(parts)


@torch.no_grad()
def _evaluate(
    run: Path,
    model: HyRiskNet,
    data: CohortData,
    validation: I64,
    targets: Tensor,
    preprocessing: Preprocessing,
    plan: Plan,
    config: TrainConfig,
    state: _Progress,
) -> None:
    """Log the inner split's loss and AUC; in the last phase, keep the weights with the lowest loss."""
    size = plan.sizes[state.step - 1]
    features = image_features(model, data, validation, preprocessing, size, config.bfloat16)
    logits = model.image_logits(features)
    loss = float(soft_cross_entropy(logits, targets[torch.from_numpy(validation)]))
    score = log_odds(logits).numpy().astype(np.float64)
    value = expected_auc(score, data.expected_risk[validation])
    _log(run, {"step": state.step, "validation_loss": loss, "validation_auc": round(value, 4), "size": size})
    if size == config.phases[-1].size and loss < state.best_loss:
        state.best_loss = loss
        _replace(run / "best.safetensors", save({k: v.contiguous() for k, v in model.state_dict().items()}))


def _claim(run: Path, config: TrainConfig, data: CohortData, preprocessing: Preprocessing) -> None:
    """Write the run's configuration, or check that it's the same one that is resumed."""
    record = {
        "config": json.loads(json.dumps(asdict(config))),
        "cohort": data.record,
        "preprocessing": preprocessing.to_json(),
    }
    path = run / "config.json"
    if path.exists():
        if json.loads(path.read_text(encoding="utf-8")) != record:
            raise InputError(
                "run_differs", tr("“{name}” holds another training run; choose an empty folder.", name=run.name)
            )
    else:
        _replace(path, (json.dumps(record, indent=1) + "\n").encode())


def _log(run: Path, entry: dict[str, Any]) -> None:
    with open(run / "log.jsonl", "a", encoding="utf-8") as file:
        file.write(json.dumps(entry) + "\n")


def _replace(path: Path, content: bytes) -> None:
    """Write beside ``path``, flush to disk, then swap in."""
    staged = path.with_name(path.name + ".staged")
    with open(staged, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    os.replace(staged, path)


def _save_checkpoint(run: Path, model: HyRiskNet, optimiser: torch.optim.Optimizer, state: _Progress) -> None:
    """Tensors first, then the small file that names them: a kill between the two leaves the older pair whole."""
    tensors = {f"model.{key}": value.contiguous() for key, value in model.state_dict().items()}
    for index, values in optimiser.state_dict()["state"].items():
        tensors |= {f"optimiser.{index}.{key}": value.contiguous() for key, value in values.items()}
    content = save(tensors)
    name = f"checkpoint-{state.step:06d}.safetensors"
    _replace(run / name, content)
    mark = {"file": name, "sha256": hashlib.sha256(content).hexdigest(), **asdict(state)}
    _replace(run / "checkpoint.json", json.dumps(mark).encode())
    for old in run.glob("checkpoint-*.safetensors"):
        if old.name != name:
            old.unlink()


def _load_checkpoint(run: Path, model: HyRiskNet, optimiser: torch.optim.Optimizer) -> dict[str, Any]:
    """Restore model and optimiser; returns `_Progress`'s fields ({} for a fresh run).

    Raises:
        InputError: the checkpoint is damaged.
    """
    path = run / "checkpoint.json"
    if not path.exists():
        return {}
    mark = json.loads(path.read_text(encoding="utf-8"))
    content = (run / mark["file"]).read_bytes()
    if hashlib.sha256(content).hexdigest() != mark["sha256"]:
        raise InputError("checkpoint_damaged", tr("The checkpoint in “{name}” is damaged.", name=run.name))
    tensors = load(content)
    model.load_state_dict({key[6:]: value for key, value in tensors.items() if key.startswith("model.")})
    moments: dict[int, dict[str, Tensor]] = {}
    for key, value in tensors.items():
        if key.startswith("optimiser."):
            _, index, name = key.split(".")
            if value.dim() == 4:
                value = value.contiguous(memory_format=torch.channels_last)
            moments.setdefault(int(index), {})[name] = value
    optimiser.load_state_dict({"state": moments, "param_groups": optimiser.state_dict()["param_groups"]})
    return {"step": mark["step"], "best_loss": mark["best_loss"]}


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
