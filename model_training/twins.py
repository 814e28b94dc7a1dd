"""Phantoms scanned once more: another scanner, another click, the same person. What a training is taught to hold still for.

The second scan has a kernel, pixel size, increment, noise and streaks of its own, drawn independently of the subject, and lies where another
reader could have clicked: within 3 pixels, and within 5 mm along z. SYNTHETIC.
"""

from __future__ import annotations

import io
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hyrisk_desktop.files import replace_file
from hyrisk_desktop.jobs import Progress, no_progress
from model_training.parts import Task, in_parts
from model_training.patches import PATCH_XYZ
from model_training.phantom.render import Phantom, make_phantom, render
from model_training.phantom.scanner import INCREMENTS_MM, KERNELS
from model_training.phantom.subject import RISK_WEIGHTS, Subject, stream

F64 = NDArray[np.float64]
PIXELS_MM = (0.55, 0.86)
SHIFT_PX, SHIFT_Z_MM = 3, 5.0
_PER_FILE = 100
_NODES, _WEIGHTS = np.polynomial.hermite_e.hermegauss(24)


@dataclass(frozen=True, eq=False)
class Twins:
    """Second scans: patches int16 HU [n, 3, 161, 161] and their pixel sizes [n] in mm."""

    patches: NDArray[np.int16]
    pixel_mm: F64


def second_scan(phantom: Phantom) -> tuple[Phantom, tuple[int, int, int]]:
    """The subject on another scanner, and the click's shift (x, y, z) in that scan's voxels."""
    rng = stream(phantom.subject.seed, "second scan")
    kernel = KERNELS[rng.integers(len(KERNELS))]
    increment = float(rng.choice(INCREMENTS_MM))
    dose = phantom.scanner.noise_hu / phantom.scanner.kernel.noise_hu * np.sqrt(phantom.scanner.increment_mm / 2.5)
    noise = kernel.noise_hu * dose * np.exp(rng.normal(0, 0.12)) * np.sqrt(2.5 / increment)
    scanner = replace(
        phantom.scanner,
        kernel=kernel,
        pixel_mm=float(np.round(rng.uniform(*PIXELS_MM), 4)),
        increment_mm=increment,
        noise_hu=float(np.clip(noise, 7.0, 60.0)),
        slice_correlation=float(rng.uniform(0.2, 0.5)),
        streak_angles_rad=tuple(rng.uniform(0, np.pi, 2)),
        streak_gain=float(rng.uniform(0.8, 3.0)),
        motion_mm=float(abs(rng.normal(0, 1.1))),
        take=1,
    )
    x, y = (int(v) for v in rng.integers(-SHIFT_PX, SHIFT_PX + 1, 2))
    return replace(phantom, scanner=scanner), (x, y, round(float(rng.uniform(-SHIFT_Z_MM, SHIFT_Z_MM) / increment)))


def second_click(phantom: Phantom) -> tuple[Phantom, tuple[int, int, int]]:
    """The phantom as it is, and where it was clicked in its second scan: the shift (x, y, z) in the first one's voxels."""
    again, (x, y, z) = second_scan(phantom)
    return phantom, (x, y, round(z * again.scanner.increment_mm / phantom.scanner.increment_mm))


def visible_risk(subject: Subject) -> float:
    """The subject's risk with what nobody can see averaged out: the best that an image could tell."""
    seen = (
        np.log(subject.expected_risk / (1 - subject.expected_risk)) - RISK_WEIGHTS["hidden"] * subject.traits["hidden"]
    )
    risks = 1 / (1 + np.exp(-(seen + RISK_WEIGHTS["hidden"] * _NODES)))
    return float((_WEIGHTS * risks).sum() / _WEIGHTS.sum())


def _draw(task: Task) -> None:
    """Some subjects' second scans into a file; runs in a process of its own."""
    _, path, first, stop = task
    side = PATCH_XYZ[0]
    patches, pixels = [], []
    for seed in range(first, stop):
        phantom, (x, y, z) = second_scan(make_phantom(seed))
        patches.append(render(phantom, phantom.grid_from((x - side // 2, y - side // 2, z - 1), PATCH_XYZ)))
        pixels.append(phantom.scanner.pixel_mm)
    stream_ = io.BytesIO()
    np.savez(stream_, patches=np.stack(patches), pixel_mm=np.array(pixels))
    replace_file(Path(path), stream_.getvalue())


def second_scans(work: Path, first: int, count: int, workers: int, progress: Progress = no_progress) -> Twins:
    """Of ``count`` subjects from seed ``first`` on; continues what is in ``work``.

    Args:
        work, first, count: as said. workers: processes. progress: called with subjects done and in all.
    """
    parts = [
        np.load(path) for path in in_parts(_draw, work, work, range(first, first + count), _PER_FILE, workers, progress)
    ]
    return Twins(np.concatenate([p["patches"] for p in parts]), np.concatenate([p["pixel_mm"] for p in parts]))
