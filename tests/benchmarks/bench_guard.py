"""How often a risk is withheld where it does not hold, and how often in vain: the state that `measure` gives, on phantoms and real exams.

Run: ``python -m tests.benchmarks.bench_guard [-n N] [--first SEED] [--model DIR] [EXAM ...]``. Of each phantom the true click, one 20 mm
off it, liver, spine, upper chest, air, the heart with contrast agent, the chest without a heart, and other kinds of scan; of each real EXAM
the proposed centre and clicks 20 mm off it along each axis. SYNTHETIC but for the exams. Nothing was tuned on seeds from 9100000.
"""

from __future__ import annotations

import argparse
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hyrisk_desktop.imaging import CTVolume, Voxel, find_series, propose_centre, read_volume
from hyrisk_desktop.measurement import Measurement, measure
from hyrisk_desktop.paths import resources_dir
from hyrisk_desktop.risk import Predictor
from model_training.phantom.fields import block
from model_training.phantom.render import Phantom, make_phantom, render

FIRST_SEED = 9_100_000
HALF_MM, HALF_Z_MM = 97.0, 33.0
"""What the checks around a centre look at."""
Case = tuple[str, CTVolume, Voxel]


def around(
    phantom: Phantom, place: NDArray[np.float64], half_mm: float = HALF_MM, half_z_mm: float = HALF_Z_MM
) -> tuple[CTVolume, Voxel]:
    """A block of the chest with ``place`` (mm) in its middle voxel."""
    pixel, step = phantom.scanner.pixel_mm, phantom.scanner.increment_mm
    n, k = round(half_mm / pixel), round(half_z_mm / step)
    hu = render(phantom, block(place, (-n, -n, -k), (2 * n + 1, 2 * n + 1, 2 * k + 1), pixel, step))
    return as_volume(hu, (pixel, pixel, step)), (n, n, k)


def as_volume(hu: NDArray[np.int16], spacing: tuple[float, float, float], agent: str = "") -> CTVolume:
    attributes = {"PatientName": "SYNTHETIC^PHANTOM", "Modality": "CT", "KVP": "120", "ContrastBolusAgent": agent}
    return CTVolume(hu, spacing, (0.0, 0.0, 0.0), np.eye(3), "phantom", attributes)


def with_contrast(phantom: Phantom) -> Phantom:
    """The same patient with contrast agent in the blood; the header says nothing of it."""
    rng = np.random.default_rng(phantom.subject.seed)
    lit = Phantom(phantom.subject, phantom.heart, phantom.thorax, phantom.scanner)
    blood = float(rng.uniform(150, 400))
    lit.__dict__["tissue"] = phantom.tissue | {"blood": blood, "myocardium": 60.0 + 0.2 * blood}
    return lit


def cases(phantom: Phantom) -> Iterator[Case]:
    """Each place of a phantom with its name; ``heart`` alone is sound."""
    rng = np.random.default_rng(phantom.subject.seed + 5)
    click, thorax = phantom.heart.click, phantom.thorax
    pixel, step = phantom.scanner.pixel_mm, phantom.scanner.increment_mm
    spread = np.array([*rng.integers(-3, 4, 2) * pixel, rng.integers(-1, 2) * step])
    way = rng.normal(size=3)
    volume, centre = around(phantom, click + spread)
    yield "heart", volume, centre
    # A lung without its heart: what a click into an operated chest, or the wrong exam, may show.
    x, y, z = (np.arange(n) - n // 2 for n in volume.shape_zyx[::-1])
    empty = volume.hu.copy()
    inside = (x[None, None] * pixel / 75) ** 2 + (y[None, :, None] * pixel / 60) ** 2 + (
        z[:, None, None] * step / 75
    ) ** 2 < 1
    empty[inside] = rng.normal(-860, 25, int(inside.sum()))
    yield "no heart", as_volume(empty, volume.spacing_mm), centre
    yield "contrast", *around(with_contrast(phantom), click + spread)
    yield "20 mm off", *around(phantom, click + way * (20 / np.linalg.norm(way)))
    yield "liver", *around(phantom, np.array([thorax.midline - 65.0, thorax.depth, thorax.dome_z - 45.0]))
    yield "spine", *around(phantom, np.array([thorax.midline, thorax.spine_y, float(click[2])]))
    yield "upper chest", *around(phantom, click + np.array([0.0, 0.0, 85.0]))
    yield "air", *around(phantom, click + np.array([210.0, 0.0, 0.0]))
    yield from other_scans(volume, centre, rng)


def other_scans(volume: CTVolume, centre: Voxel, rng: np.random.Generator) -> Iterator[Case]:
    """The heart at a quarter of its pixels, a head, and numbers that are no HU. (A coronal series is refused when it is read.)"""
    step = volume.spacing_mm[2]
    coarse = np.ascontiguousarray(volume.hu[:, ::4, ::4])
    pixel = 4 * volume.spacing_mm[0]
    yield "overview", as_volume(coarse, (pixel, pixel, step)), (centre[0] // 4, centre[1] // 4, centre[2])
    z, y, x = np.ogrid[-14:15, -150:151, -150:151]
    radius = np.sqrt((x * 0.5) ** 2 + (y * 0.6) ** 2 + (z * 2.5) ** 2)
    head = np.where(radius < 72, 35.0, np.where(radius < 79, 900.0, np.where(radius < 84, 40.0, -1000.0)))
    head += rng.normal(0, 5, head.shape)
    yield "head", as_volume(head.astype(np.int16), (0.6, 0.6, 2.5)), (150, 150, 14)
    yield "no HU", as_volume((volume.hu.astype(np.float32) * 0.4 + 500).astype(np.int16), volume.spacing_mm), centre


def off_by(volume: CTVolume, centre: Voxel, mm: float = 20.0) -> Iterator[tuple[str, Voxel]]:
    """The centre itself and clicks ``mm`` from it along each axis, those that lie in the scan."""
    yield "centre", centre
    for axis, name in enumerate("xyz"):
        for sign in (-1, 1):
            moved = list(centre)
            moved[axis] += sign * round(mm / volume.spacing_mm[axis])
            voxel = (moved[0], moved[1], moved[2])
            if volume.contains(voxel):
                yield f"{'+' if sign > 0 else '-'}{mm:.0f} mm {name}", voxel


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-n", type=int, default=40)
    parser.add_argument("--first", type=int, default=FIRST_SEED)
    parser.add_argument("--model", type=Path, default=resources_dir() / "models" / "hyrisknet-34-demo")
    parser.add_argument("exams", nargs="*", type=Path)
    a = parser.parse_args()
    predictor = Predictor(a.model, "cpu")
    states: defaultdict[str, Counter[str]] = defaultdict(Counter)
    reasons: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for seed in range(a.first, a.first + a.n):
        for name, volume, centre in cases(make_phantom(seed)):
            m = measure(volume, centre, 1.0, predictor)
            states[name][str(m.risk_standing.state)] += 1
            reasons[name][m.risk_standing.codes[0] if m.risk_standing.withheld else "-"] += 1
        print(f"\r{seed - a.first + 1} of {a.n}", end="", flush=True)
    print(
        f"\n{a.n} phantoms from seed {a.first}, SYNTHETIC; share of risks that are withheld, and the decisive findings"
    )
    for name, counts in states.items():
        print(f"{name:12s} {counts['withheld'] / a.n:5.2f}  {dict(reasons[name])}")
    for exam in a.exams:
        volume = read_volume(find_series(exam)[0])
        proposal = propose_centre(volume)
        if proposal is None:
            print(f"{exam.name}: no centre proposed")
            continue
        for name, voxel in off_by(volume, proposal.voxel):
            print(f"{exam.name} {name} {voxel}: {said(measure(volume, voxel, None, predictor))}")


def said(m: Measurement) -> str:
    assert m.risk is not None
    return f"risk {m.risk_standing.state} {' '.join(m.risk_standing.codes)}; scores {m.scores_standing.state}"


if __name__ == "__main__":
    main()
