"""What a comparison with the exam before is worth: where registration puts the heart, and the change of calcium it finds, against the truth.

Run: ``python -m tests.benchmarks.bench_follow_up [-n N] [--first SEED] [--work DIR] [--workers N]``. Pairs of phantoms, a year apart, that lie
differently, in another breath and on another scanner, with plaques grown by a known factor (as often as not by none). SYNTHETIC. Nothing was
tuned on seeds from 9810000. Exams are kept in DIR, so that a second run is quick.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hyrisk_desktop.calcium import CORONARIES, score_region
from hyrisk_desktop.comparison import compare
from hyrisk_desktop.imaging import CTVolume, Voxel
from model_training.phantom.exam import exam_layout, exam_slices, first_voxel_mm
from model_training.phantom.follow_up import FollowUp, follow_up, lying_hu
from model_training.phantom.render import Phantom, make_phantom, render

FIRST_SEED = 9_810_000
HEART_MM = 30.0
"""How far from the click registration is looked at, beside the click itself."""
YEAR = 365
F64 = NDArray[np.float64]


@dataclass(frozen=True)
class Pair:
    """What came of one subject's two exams.

    Attributes:
        growth: true factor of the lesions' volume. kernels, increments: differ. residual_mm: as told.
        click_mm, heart_mm: error of registration at the click, and the mean `HEART_MM` around it. unregistered_mm: by the couch's coordinates.
        prior, true: Agatston of the region without noise, and what growth alone adds to it.
        found, noise, root, root_noise: the change told and its band, of Agatston and of the square root of the volume.
        heart_prior, heart, heart_noise: square root of the volume of the prior's whole heart, its change as told, and its band.
        vessels, vessels_held: with calcium in either exam, and of them those whose change lies within its band.
    """

    seed: int
    growth: float
    kernels: bool
    increments: bool
    residual_mm: float
    click_mm: float
    heart_mm: float
    unregistered_mm: float
    prior: float
    true: float
    found: float
    noise: float
    root: float
    root_noise: float
    true_root: float
    heart_prior: float
    heart: float
    heart_noise: float
    vessels: int
    vessels_held: int


def as_exam(hu: NDArray[np.int16], phantom: Phantom, day: str) -> CTVolume:
    """An exam of the phantom, with the headers that a comparison reads."""
    scanner = phantom.scanner
    attributes = {
        "PatientName": "SYNTHETIC^PHANTOM", "PatientID": f"{phantom.subject.seed}", "Modality": "CT",
        "StudyDate": day, "ConvolutionKernel": scanner.kernel.name, "KVP": "120",
    }  # fmt: skip
    spacing = (scanner.pixel_mm, scanner.pixel_mm, scanner.increment_mm)
    return CTVolume(hu, spacing, first_voxel_mm(phantom, exam_layout(phantom)), np.eye(3), day, attributes)


def places(phantom: Phantom) -> F64:
    """The click and six places around it [7, 3], LPS mm in the first exam."""
    click = phantom.heart.click - np.array([phantom.thorax.midline, 0.0, 0.0])
    around = HEART_MM * np.concatenate([np.eye(3), -np.eye(3)])
    return click + np.concatenate([np.zeros((1, 3)), around])


def clean_scores(phantom: Phantom) -> tuple[float, float]:
    """Agatston and square root of the volume of the region around the true click, without noise."""
    scanner = phantom.scanner
    hu = render(phantom, phantom.grid(97, 97, 9), noisy=False)
    volume = CTVolume(
        hu, (scanner.pixel_mm, scanner.pixel_mm, scanner.increment_mm), (0.0, 0.0, 0.0), np.eye(3), "clean"
    )
    scores = score_region(volume, (48, 48, 4))
    return scores.agatston, scores.sqrt_volume


def exams(first: Phantom, later: FollowUp, work: Path) -> tuple[NDArray[np.int16], NDArray[np.int16]]:
    """HU of both, drawn once."""
    seed = first.subject.seed
    names = [work / f"{seed}-{which}.npy" for which in ("prior", "current")]
    for name in names:
        if not name.exists():
            drawn = exam_slices(first, 0, exam_layout(first).slices) if name is names[0] else lying_hu(later)
            np.save(name.with_suffix(".part.npy"), drawn)
            name.with_suffix(".part.npy").replace(name)
    prior, current = (np.load(name) for name in names)
    return prior, current


def one_pair(task: tuple[int, str]) -> Pair:
    """Draw, compare and judge the pair of one seed."""
    seed, folder = task
    first, later = make_phantom(seed), follow_up(seed)
    hu = exams(first, later, Path(folder))
    prior, current = as_exam(hu[0], first, "20200101"), as_exam(hu[1], later.phantom, "20201231")
    then = places(first)
    now = later.of_heart(then)
    click: Voxel = current.mm_to_voxel(tuple(now[0]))
    told = compare(current, prior, click, whole_heart=True)
    errors = [
        float(np.linalg.norm(np.array(told.registration.to_prior(tuple(a))) - b))
        for a, b in zip(now, then, strict=True)
    ]
    before, grown = clean_scores(first), clean_scores(replace(first, growth=later.phantom.growth))
    agatston, root, heart = (told.changes[name] for name in ("agatston", "sqrt_volume", "heart_sqrt_volume"))
    hearts = told.current.whole_heart, told.prior.whole_heart
    assert hearts[0] is not None
    assert hearts[1] is not None
    calcified = [
        change for name in CORONARIES
        if (change := told.changes[f"heart_{name.lower()}"]).current or change.prior
    ]  # fmt: skip
    return Pair(
        seed, later.phantom.growth, first.scanner.kernel != later.phantom.scanner.kernel,
        first.scanner.increment_mm != later.phantom.scanner.increment_mm, told.registration.residual_mm,
        errors[0], float(np.mean(errors[1:])), float(np.linalg.norm(now[0] - then[0])), before[0], grown[0] - before[0],
        told.current.scores.agatston - told.prior.scores.agatston, agatston.noise or np.nan,
        told.current.scores.sqrt_volume - told.prior.scores.sqrt_volume, root.noise or np.nan, grown[1] - before[1],
        hearts[1].sqrt_volume, hearts[0].sqrt_volume - hearts[1].sqrt_volume, heart.noise or np.nan,
        len(calcified), sum(not change.beyond_noise for change in calcified),
    )  # fmt: skip


def tell(pairs: list[Pair]) -> None:
    """The figures."""
    column = {name: np.array([getattr(pair, name) for pair in pairs], float) for name in asdict(pairs[0])}
    for name, what in (
        ("unregistered_mm", "couch coordinates, at the click"), ("click_mm", "registered, at the click"),
        ("heart_mm", f"registered, {HEART_MM:.0f} mm around it"), ("residual_mm", "residual as told"),
    ):  # fmt: skip
        v = column[name]
        print(
            f"{what:34s} median {np.median(v):5.1f}  90th percentile {np.percentile(v, 90):5.1f}  most {v.max():5.1f} mm"
        )
    grown = column["growth"] > 1.0
    beyond = np.abs(column["heart"]) > column["heart_noise"]
    with_calcium = column["heart_prior"] > 0
    # A volume that holds g times as much has the square root of g times the root.
    expected = column["heart_prior"] * (np.sqrt(column["growth"]) - 1)
    off = column["heart"] - expected
    print(f"whole heart, sqrt volume: found - expected mean {off.mean():+.1f}, SD {off.std(ddof=1):.1f}; told beyond noise "
          f"{beyond[~grown].mean():.0%} of {(~grown).sum()} that did not grow, {beyond[grown & with_calcium].mean():.0%} of "
          f"{(grown & with_calcium).sum()} that did and had calcium")  # fmt: skip
    still = ~grown
    print(
        f"vessels of hearts that did not grow: {column['vessels_held'][still].sum():.0f} of {column['vessels'][still].sum():.0f} within the band told"
    )
    for found, true, noise, what in (
        ("found", "true", "noise", "Agatston"),
        ("root", "true_root", "root_noise", "sqrt volume"),
    ):
        off = column[found] - column[true]
        held = np.abs(off) <= column[noise]
        print(f"change of {what:12s} found - true: mean {off.mean():+.1f}, SD {off.std(ddof=1):.1f}; within the band told {held.mean():.0%}; "
              f"median band {np.nanmedian(column[noise]):.1f}")  # fmt: skip
        for grown in (False, True):
            chosen = (column["growth"] > 1.0) == grown
            beyond = np.abs(column[found]) > column[noise]
            if chosen.any():
                print(
                    f"  {'grown' if grown else 'not grown':10s} n {chosen.sum():2d}: told beyond noise {beyond[chosen].mean():.0%}"
                )


def main() -> None:
    """Draw what is missing, compare, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-n", type=int, default=30)
    parser.add_argument("--first", type=int, default=FIRST_SEED)
    parser.add_argument("--work", type=Path, default=Path("follow-up"))
    parser.add_argument("--workers", type=int, default=2)
    arguments = parser.parse_args()
    arguments.work.mkdir(parents=True, exist_ok=True)
    tasks = [(seed, str(arguments.work)) for seed in range(arguments.first, arguments.first + arguments.n)]
    with multiprocessing.get_context("spawn").Pool(arguments.workers) as pool:
        pairs = []
        for pair in pool.imap(one_pair, tasks):
            pairs.append(pair)
            print(
                json.dumps({k: round(v, 2) if isinstance(v, float) else v for k, v in asdict(pair).items()}), flush=True
            )
    tell(pairs)


if __name__ == "__main__":
    main()
