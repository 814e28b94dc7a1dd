"""How long a run will take and what it needs, from a few timed steps of the real network."""

from __future__ import annotations

import math
import shutil
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

from hyrisk_desktop.risk.network import HyRiskNet
from hyrisk_desktop.risk.predictor import choose_device
from model_training.optimisers import Adam
from model_training.train import soft_cross_entropy
from model_training.units import Settings, list_units

_WARM, _TIMED = 1, 2
_EVALUATION_SHARE = 0.06
"""Inner split and test part are forward passes only: about this share of training's work."""
PATCH_BYTES = 3 * 161 * 161 * 2
GIGAFLOPS = {18: 1.81, 34: 3.66, 50: 4.09, 101: 7.80, 152: 11.51}
"""Of one forward pass at 224 px, as torchvision states them: other networks of a run are scaled by these."""
_PROCESS_BYTES = 1.0e9
_BYTES_PER_PIXEL = {18: 650, 34: 880, 50: 2240, 101: 3100, 152: 4300}
_BF16_SHARE = 0.7
"""Peak memory of the process and of a training step per input pixel, measured on a CPU with torch 2.15 in fp32; bf16's
share of it was measured with ResNet-34. Weights, gradients and Adam's two moments take 16 bytes a parameter."""


def estimate(settings: Settings, cases: int) -> dict[str, Any]:
    """Seconds, memory and disk for ``cases`` cases; times a few optimiser steps on the device that will train."""
    device = choose_device(settings.device)
    depth = settings.depths[0]
    model = HyRiskNet(depth).to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    model.trunk.requires_grad_(settings.strategy != "frozen")
    batch = min(settings.batch, cases)
    seconds = seconds_per_step(model, settings, device, batch)
    parts = cases * (1 - 1 / settings.folds) * 7 / 8
    steps = 0.0
    for unit in list_units(settings):
        share = 1.0 if unit.fold else settings.folds / (settings.folds - 1)
        weight = GIGAFLOPS[unit.depth] / GIGAFLOPS[depth]
        steps += 2 * settings.epochs * max(1, parts * share // batch) * weight
    values = parameters_of(depth)
    return {
        "seconds": math.ceil(steps * seconds * (1 + _EVALUATION_SHARE)),
        "memory_bytes": memory_bytes(settings, depth, batch),
        "disk_bytes": int(cases * PATCH_BYTES + 20 * values),
        "free_disk_bytes": free_disk(Path(settings.cache)),
        "images_per_second": round(batch / seconds, 1),
        "device": device.type,
    }


def parameters_of(depth: int) -> int:
    """Number of values that a network learns; it is made without memory of its own."""
    with torch.device("meta"):
        return sum(p.numel() for p in HyRiskNet(depth).parameters())


def memory_bytes(settings: Settings, depth: int, batch: int) -> int:
    """Most bytes that a process takes that trains the network ``depth`` with ``batch`` cases a step."""
    activations = batch * settings.size**2 * _BYTES_PER_PIXEL[depth] * (_BF16_SHARE if settings.bfloat16 else 1.0)
    return int(_PROCESS_BYTES + 16 * parameters_of(depth) + activations)


def free_disk(path: Path) -> int:
    """Free bytes where ``path`` will be."""
    existing = next(p for p in (path.absolute(), *path.absolute().parents) if p.exists())
    return shutil.disk_usage(existing).free


def seconds_per_step(model: HyRiskNet, settings: Settings, device: torch.device, batch: int) -> float:
    """Time of one optimiser step on a made-up batch [batch, 3, size, size], after warming up.

    Args:
        model, settings, device: what is trained, how and where. batch: cases in a step.
    """
    torch.manual_seed(0)
    images = torch.randn(batch, 3, settings.size, settings.size).to(device, memory_format=torch.channels_last)
    target = torch.full((batch,), 0.5, device=device)
    optimiser = Adam([p for p in model.parameters() if p.requires_grad], lr=1e-5)
    times = []
    for _ in range(_WARM + _TIMED):
        start = time.perf_counter()
        with torch.autocast(device.type, torch.bfloat16, enabled=settings.bfloat16):
            features = model.features(images)
        loss = soft_cross_entropy(model.image_logits(features.float()), target)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        if device.type == "cuda":
            torch.cuda.synchronize()
        times.append(time.perf_counter() - start)
    return float(np.mean(times[_WARM:]))
