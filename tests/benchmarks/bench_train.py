"""Training throughput: the trainer's own steps against a bare forward-backward loop on one batch already on the device.

    python -m tests.benchmarks.bench_train [--size 224] [--network hyrisknet-34] [--device cpu]

Prints images per second of both and their ratio; nothing is asserted. The trainer's steps include cutting random crops
out of memory-mapped patches, windowing, resizing, normalising, the loss, clipping, the optimiser and its bookkeeping.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import numpy as np
import torch

from hyrisk_desktop.risk.network import HyRiskNet
from hyrisk_desktop.risk.predictor import choose_device
from hyrisk_desktop.risk.preprocessing import Preprocessing
from model_training.config import paper_config, parse_network
from model_training.dataset import CohortData
from model_training.device import has_native_bfloat16
from model_training.train import Fit, _optimiser, _step, make_plan, soft_cross_entropy


def cohort(folder: Path, n: int) -> CohortData:
    """Random patches on disk: what they show makes no difference to the speed."""
    rng = np.random.default_rng(0)
    path = folder / "patches.npy"
    patches = np.lib.format.open_memmap(path, mode="w+", dtype=np.int16, shape=(n, 3, 161, 161))
    patches[:] = rng.integers(-1000, 500, patches.shape, dtype=np.int16)
    patches.flush()
    zeros = np.zeros(n)
    return CohortData(
        np.load(path, mmap_mode="r"), zeros, np.arange(n) % 2, zeros, zeros, zeros, zeros, ("",) * n, zeros, zeros,
        tuple(str(i) for i in range(n)), zeros * np.nan, True, "benchmark", "",
    )  # fmt: skip


def measure(step: Callable[[int], object], steps: int, device: torch.device) -> float:
    """Seconds per step: the median of ``steps`` after two to warm up."""
    times = []
    for i in range(steps + 2):
        start = time.perf_counter()
        step(i)
        if device.type == "cuda":
            torch.cuda.synchronize()
        times.append(time.perf_counter() - start)
    return float(np.median(times[2:]))


def main() -> None:
    """Measure both, alternating, and print their ratio."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--network", default="hyrisknet-34")
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--steps", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--device")
    arguments = parser.parse_args()
    device, depth = choose_device(arguments.device), parse_network(arguments.network)
    bfloat16 = has_native_bfloat16(device)
    config = paper_config(depth, "scratch", 100, size=arguments.size, batch=arguments.batch, bfloat16=bfloat16)
    torch.manual_seed(0)
    model = HyRiskNet(depth).to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    images = torch.randn(arguments.batch, 3, arguments.size, arguments.size).to(
        device, memory_format=torch.channels_last
    )
    target = torch.full((arguments.batch,), 0.5, device=device)

    def bare(_: int) -> None:
        with torch.autocast(device.type, torch.bfloat16, enabled=bfloat16):
            features = model.features(images)
        loss = soft_cross_entropy(model.image_logits(features.float()), target)
        model.zero_grad(set_to_none=True)
        loss.backward()

    with tempfile.TemporaryDirectory() as folder:
        data = cohort(Path(folder), 20 * arguments.batch)
        cases = np.arange(len(data))
        targets = torch.tensor(data.outcome, dtype=torch.float32)
        job = Fit(data, cases, cases, targets, None, Preprocessing(input_size=arguments.size), config, device)
        plan, optimiser = make_plan(config, len(cases)), _optimiser(model, config)
        rates = []
        for _ in range(arguments.rounds):
            alone = measure(bare, arguments.steps, device)
            whole = measure(lambda i: _step(job, model, optimiser, plan, i), arguments.steps, device)
            rates.append((arguments.batch / whole, arguments.batch / alone))
            print(
                f"trainer {rates[-1][0]:7.1f} img/s   bare loop {rates[-1][1]:7.1f} img/s   ratio {rates[-1][0] / rates[-1][1]:.3f}"
            )
        ratio = float(np.median([a / b for a, b in rates]))
    print(f"{arguments.network} at {arguments.size} px, batch {arguments.batch}, {'bf16' if bfloat16 else 'fp32'} on {device.type}: "
          f"median ratio {ratio:.3f} (aim: 0.85)")  # fmt: skip


if __name__ == "__main__":
    main()
