"""What a reproduction trains: settings, its tasks in the order of their size, and how long they will take."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch

from hyrisk_desktop.risk.network import HyRiskNet
from hyrisk_desktop.risk.predictor import choose_device
from model_training.estimate import (
    GIGAFLOPS,
    PATCH_BYTES,
    free_disk,
    memory_bytes,
    parameters_of,
    seconds_per_step,
)
from model_training.units import Settings, Unit

SCRATCH = "scratch"
_FIGURE_DEPTH = 34
_EVALUATION_SHARE = 0.06
_TRAINING_SHARE = 7 / 8


@dataclass(frozen=True, slots=True)
class Task:
    """One fold of one network under one strategy; fold 0 is the final fit, which is shipped as a bundle."""

    strategy: str
    depth: int
    fold: int

    @property
    def unit(self) -> Unit:
        """What is fitted."""
        return Unit(self.depth, self.fold)

    @property
    def name(self) -> str:
        """E.g. ``scratch/hyrisknet-34/fold-03``."""
        return f"{self.strategy}/{self.unit.name}"


@dataclass(frozen=True, slots=True)
class Plan:
    """A whole reproduction, of plain values, so that it travels to other processes.

    Attributes:
        base: settings of every fit, from scratch and with the grade. strategies: which of the three are trained, all
            but "scratch" with the network of the figures alone. imagenet: starting weights of the other two.
        bundles: whether each network is fitted on everybody at the end, and exported.
    """

    base: Settings
    strategies: tuple[str, ...] = (SCRATCH,)
    imagenet: str = "imagenet"
    bundles: bool = True

    def to_json(self) -> dict[str, Any]:
        """As JSON types."""
        plain: dict[str, Any] = json.loads(json.dumps(asdict(self)))
        return plain

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Plan:
        """Inverse of `to_json`."""
        return cls(Settings.from_json(data["base"]), tuple(data["strategies"]), data["imagenet"], data["bundles"])

    @property
    def figure_depth(self) -> int:
        """The network of the figures: 34, as in the paper, or the first where 34 is not trained."""
        return _FIGURE_DEPTH if _FIGURE_DEPTH in self.base.depths else self.base.depths[0]

    def settings(self, strategy: str, score: str) -> Settings:
        """Of the fits under ``strategy`` with ``score``."""
        return replace(self.base, strategy=strategy, score=score, init="" if strategy == SCRATCH else self.imagenet)

    def scores(self, task: Task) -> tuple[str, ...]:
        """What stage two is fitted with: the grade, and for Fig. 2 Agatston as well, on the same stage one."""
        both = task.strategy == SCRATCH and task.depth == self.figure_depth and task.fold
        return ("grade", "agatston") if both else ("grade",)

    def tasks(self) -> list[Task]:
        """The largest first, so that processes end together; final fits last."""
        folds = range(1, self.base.folds + 1)
        found = [Task(SCRATCH, depth, fold) for depth in self.base.depths for fold in folds]
        found += [Task(s, self.figure_depth, fold) for s in self.strategies if s != SCRATCH for fold in folds]
        found.sort(key=self.work, reverse=True)
        return found + ([Task(SCRATCH, depth, 0) for depth in self.base.depths] if self.bundles else [])

    def work(self, task: Task) -> float:
        """How much a task is, in stages of one gigaflop."""
        return GIGAFLOPS[task.depth] * (1 + len(self.scores(task)))


def part_name(strategy: str, score: str) -> str:
    """The folder of the fits under ``strategy`` with ``score``."""
    return f"{strategy}-{score}"


def estimate(plan: Plan, cases: int, workers: int) -> dict[str, Any]:
    """Seconds, memory and disk that ``plan`` needs, and how many fits it is; JSON types.

    Args:
        plan: all of it, finished or not. cases: of the cohort. workers: processes.
    """
    base = plan.base
    batch, deepest = max(1, min(base.batch, cases)), max(base.depths)
    # A checkpoint of each process, and both stages of a final fit with its bundle of half the precision.
    values = 20 * workers * parameters_of(deepest) + (10 * sum(map(parameters_of, base.depths)) if plan.bundles else 0)
    return {
        "seconds": round(estimate_seconds(plan, cases, workers)),
        "fits": len(plan.tasks()),
        "memory_bytes": workers * memory_bytes(base, deepest, batch),
        "disk_bytes": cases * PATCH_BYTES + values,
        "free_disk_bytes": free_disk(Path(base.cache)),
        "device": base.device,
    }


def estimate_seconds(plan: Plan, cases: int, workers: int) -> float:
    """Seconds of the whole plan by timed steps of the network of the figures.

    Processes that share one device are taken to share its speed: on a GPU they use its pauses, and take less.

    Args:
        plan: all of it, finished or not. cases: of the cohort. workers: processes.
    """
    base, depth = plan.base, plan.figure_depth
    device = choose_device(base.device)
    model = HyRiskNet(depth).to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    part = cases * (1 - 1 / base.folds) * _TRAINING_SHARE
    batch = max(1, min(base.batch, cases))
    seconds = seconds_per_step(model, base, device, batch)
    steps = math.ceil(base.epochs * max(1, part // batch))
    stages = sum(plan.work(task) for task in plan.tasks()) / GIGAFLOPS[depth]
    shared = workers if device.type == "cpu" and base.threads == 1 else 1
    return stages * steps * seconds * (1 + _EVALUATION_SHARE) / shared
