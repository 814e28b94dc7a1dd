"""Does a risk hold still? Phantoms rendered again with one thing changed that is none of the patient's.

Each change keeps the subject: the HU scale, the pixel size, the kernel with its noise, the slice increment, the click. SYNTHETIC.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from hyrisk_desktop.jobs import Progress, no_progress
from hyrisk_desktop.risk.network import HyRiskNet
from hyrisk_desktop.risk.preprocessing import Preprocessing, prepare
from hyrisk_desktop.risk.uncertainty import CLICK_SHIFT_PX, CLICK_SHIFT_SLICES, interval_views
from model_training.looks import RESCANNED, USUAL, features_at, patches_at, ready, write_part
from model_training.parts import Task, in_parts
from model_training.phantom.render import Phantom, make_phantom
from model_training.phantom.scanner import KERNELS, Kernel

F64 = NDArray[np.float64]

PIXELS_MM, INCREMENTS_MM = (0.55, 0.86), (1.25, 3.2)
SCANS = ("pixel", "kernel", "increment")
"""How the names of changes begin that are another scan of the same body."""
Z_MM = 5.0
_PER_FILE = 10


@dataclass(frozen=True, slots=True)
class Change:
    """One thing changed: what it is called, the phantom as scanned then, the click's shift (x, y, z) in voxels, HU added."""

    name: str
    phantom: Phantom
    shift: tuple[int, int, int] = (0, 0, 0)
    hu: int = 0


def changes_of(phantom: Phantom) -> Iterator[Change]:
    """Every change of a phantom, in an order that never changes."""
    rng = np.random.default_rng(phantom.subject.seed + 31)
    scanner = phantom.scanner
    for hu in (-10, -5, 5, 10):
        yield Change(f"HU {hu:+d}", phantom, hu=hu)
    for pixel in PIXELS_MM:
        yield Change(f"pixel {pixel} mm", replace(phantom, scanner=replace(scanner, pixel_mm=pixel)))
    for kernel in KERNELS:
        if kernel is not scanner.kernel:
            yield Change(f"kernel {kernel.name}", _with_kernel(phantom, kernel))
    for increment in INCREMENTS_MM:
        noise = scanner.noise_hu * float(np.sqrt(scanner.increment_mm / increment))
        taken = replace(scanner, increment_mm=increment, noise_hu=noise)
        yield Change(f"increment {increment} mm", replace(phantom, scanner=taken))
    for n in range(3):
        x, y = (int(v) for v in rng.integers(-CLICK_SHIFT_PX, CLICK_SHIFT_PX + 1, 2))
        yield Change(f"click {n + 1}", phantom, (x, y, int(rng.integers(-CLICK_SHIFT_SLICES, CLICK_SHIFT_SLICES + 1))))
    for sign in (-1, 1):
        yield Change(f"z {sign * Z_MM:+.0f} mm", phantom, (0, 0, sign * round(Z_MM / scanner.increment_mm)))


def _with_kernel(phantom: Phantom, kernel: Kernel) -> Phantom:
    """The same acquisition reconstructed with another kernel: its blur, its noise and its texture."""
    scanner = phantom.scanner
    noise = scanner.noise_hu * kernel.noise_hu / scanner.kernel.noise_hu
    return replace(phantom, scanner=replace(scanner, kernel=kernel, noise_hu=noise))


@torch.inference_mode()
def features_of(
    model: HyRiskNet, p: Preprocessing, phantom: Phantom, only: tuple[str, ...] = ("",)
) -> tuple[F64, F64, list[str]]:
    """Features [views, F] of the reading and its interval's views, [changes, F] of the reading after each change, and their names.

    Args:
        model, p: of the bundle. phantom: who is scanned. only: how the names of the changes begin that are wanted.
    """
    views = interval_views(p, phantom.scanner.pixel_mm)[1:]
    levels = dict(zip((-1, 0, 1), patches_at(phantom, [(0, 0, -1), USUAL, (0, 0, 1)], p.patch_xyz[0]), strict=True))
    patches = torch.from_numpy(np.stack([levels[view.slice_shift] for view in views]).astype(np.float32))
    batch = prepare(patches, [view.crop for view in views], p).contiguous(memory_format=torch.channels_last)
    others: F64 = model.features(batch).double().numpy()
    changes = [change for change in changes_of(phantom) if change.name.startswith(only)]
    changed = [features_at(model, p, change.phantom, [change.shift], change.hu) for change in changes]
    own = features_at(model, p, phantom)
    return np.concatenate([own, others]), np.concatenate(changed), [change.name for change in changes]


@dataclass(frozen=True, slots=True, eq=False)
class Takes:
    """Some subjects, each seen by its own views and after each change.

    Attributes:
        views: [n, views, F]. changed: [n, changes, F]; ``names``: [n, changes] of the changes. seeds: [n].
        grades: [n], 0 to 3. expected_risk: [n], the truth.
    """

    views: F64
    changed: F64
    names: NDArray[np.str_]
    seeds: NDArray[np.int64]
    grades: F64
    expected_risk: F64


def _draw(only: tuple[str, ...], task: Task) -> None:
    """Some subjects into a file; runs in a process of its own."""
    directory, path, first, stop = task
    model, p = ready(directory)
    phantoms = [make_phantom(seed) for seed in range(first, stop)]
    parts = [features_of(model, p, phantom, only) for phantom in phantoms]
    write_part(
        path,
        views=np.stack([views for views, _, _ in parts]).astype(np.float16),
        changed=np.stack([changed for _, changed, _ in parts]).astype(np.float16),
        names=np.array([names for _, _, names in parts]),
        seeds=np.arange(first, stop),
        grades=np.array([float(phantom.subject.grade) for phantom in phantoms]),
        expected_risk=np.array([phantom.subject.expected_risk for phantom in phantoms]),
    )


def gather(
    directory: Path,
    work: Path,
    first: int,
    count: int,
    workers: int,
    progress: Progress = no_progress,
    *,
    only: tuple[str, ...] = ("",),
) -> Takes:
    """``count`` subjects from seed ``first`` on, as the bundle in ``directory`` sees them; continues what is in ``work``.

    Args:
        directory, work, first, count: as said. workers: processes. progress: called with subjects done and in all.
        only: how the names of the changes begin that are wanted; another folder for each choice.
    """
    seeds_, draw = range(first, first + count), partial(_draw, only)
    parts = [np.load(path) for path in in_parts(draw, directory, work, seeds_, _PER_FILE, workers, progress)]
    keys = ("views", "changed", "names", "seeds", "grades", "expected_risk")
    views, changed, names, seeds, grades, expected = (np.concatenate([part[key] for part in parts]) for key in keys)
    return Takes(views.astype(float), changed.astype(float), names, seeds, grades, expected)


def rescans(directory: Path, work: Path, first: int, count: int, workers: int | None = None) -> Takes:
    """Stage two's first ``count`` phantoms scanned again with another kernel, pixel size and increment.

    Args:
        directory: of the bundle. work: folder of the parts by kind. first: seed. workers: processes; None for one a core.
    """
    return gather(directory, work / RESCANNED, first, count, workers or os.cpu_count() or 1, only=SCANS)


def mean_moves(takes: Takes) -> F64:
    """By how much the features move in the mean with each change of ``takes``: [changes, F], by their names."""
    own = np.broadcast_to(takes.views[:, :1], takes.changed.shape)
    moved = takes.changed - own
    return np.array([moved[takes.names == name].mean(axis=0) for name in sorted(set(takes.names.ravel().tolist()))])
