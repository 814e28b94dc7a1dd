"""Does a risk hold still? Phantoms rendered again with one thing changed that is none of the patient's.

Each change keeps the subject: the HU scale, the pixel size, the kernel with its noise, the slice increment, the click. SYNTHETIC.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from hyrisk_desktop.files import replace_file
from hyrisk_desktop.jobs import Progress, no_progress
from hyrisk_desktop.risk.bundle import load_bundle
from hyrisk_desktop.risk.network import HyRiskNet
from hyrisk_desktop.risk.preprocessing import Preprocessing, centred_crop, prepare
from hyrisk_desktop.risk.uncertainty import CLICK_SHIFT_PX, CLICK_SHIFT_SLICES, interval_views
from model_training.parts import Task, in_parts
from model_training.phantom.render import Phantom, make_phantom, render
from model_training.phantom.scanner import KERNELS, Kernel

F64 = NDArray[np.float64]
Int16 = NDArray[np.int16]

PIXELS_MM, INCREMENTS_MM = (0.55, 0.86), (1.25, 3.2)
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


def patch_of(change: Change, side: int, slices: int = 3) -> Int16:
    """HU [slices, side, side] that the network reads after a change."""
    x, y, z = change.shift
    first = (x - side // 2, y - side // 2, z - slices // 2)
    drawn = render(change.phantom, change.phantom.grid_from(first, (side, side, slices)))
    return (drawn + change.hu).astype(np.int16)


@torch.inference_mode()
def features_of(model: HyRiskNet, preprocessing: Preprocessing, phantom: Phantom) -> tuple[F64, F64, list[str]]:
    """Features [views, F] of the reading's own views, [changes, F] of its own view after each change, and their names."""
    side = preprocessing.patch_xyz[0]
    slab = torch.from_numpy(patch_of(Change("", phantom), side, 5).astype(np.float32))
    views = interval_views(preprocessing, phantom.scanner.pixel_mm)
    patches = torch.stack([slab[(z := CLICK_SHIFT_SLICES + view.slice_shift) : z + 3] for view in views])
    own = _features(model, prepare(patches, [view.crop for view in views], preprocessing))
    found, names = [], []
    for change in changes_of(phantom):
        patch = torch.from_numpy(patch_of(change, side).astype(np.float32))[None]
        crop = centred_crop(preprocessing, pixel_mm=change.phantom.scanner.pixel_mm)
        found.append(_features(model, prepare(patch, [crop], preprocessing)))
        names.append(change.name)
    return own, np.concatenate(found), names


def _features(model: HyRiskNet, batch: torch.Tensor) -> F64:
    found: F64 = model.features(batch.contiguous(memory_format=torch.channels_last)).double().numpy()
    return found


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


def _draw(task: Task) -> None:
    """Some subjects into a file; runs in a process of its own."""
    directory, path, first, stop = task
    torch.set_num_threads(1)
    bundle, model = load_bundle(Path(directory))
    model = model.to(memory_format=torch.channels_last)
    phantoms = [make_phantom(seed) for seed in range(first, stop)]
    parts = [features_of(model, bundle.preprocessing, phantom) for phantom in phantoms]
    stream = io.BytesIO()
    np.savez(
        stream,
        views=np.stack([views for views, _, _ in parts]).astype(np.float16),
        changed=np.stack([changed for _, changed, _ in parts]).astype(np.float16),
        names=np.array([names for _, _, names in parts]),
        seeds=np.arange(first, stop),
        grades=np.array([float(phantom.subject.grade) for phantom in phantoms]),
        expected_risk=np.array([phantom.subject.expected_risk for phantom in phantoms]),
    )
    replace_file(Path(path), stream.getvalue())


def gather(
    directory: Path, work: Path, first: int, count: int, workers: int, progress: Progress = no_progress
) -> Takes:
    """``count`` subjects from seed ``first`` on, as the bundle in ``directory`` sees them; continues what is in ``work``.

    Args:
        directory, work, first, count: as said. workers: processes. progress: called with subjects done and in all.
    """
    seeds_ = range(first, first + count)
    parts = [np.load(path) for path in in_parts(_draw, directory, work, seeds_, _PER_FILE, workers, progress)]
    keys = ("views", "changed", "names", "seeds", "grades", "expected_risk")
    views, changed, names, seeds, grades, expected = (np.concatenate([part[key] for part in parts]) for key in keys)
    return Takes(views.astype(float), changed.astype(float), names, seeds, grades, expected)
