"""How near the proposed heart centre comes to the click, how often it is sure of itself, and what it costs.

Run: ``python -m tests.benchmarks.bench_heart_centre [-n N] [--first SEED] [--full K] [EXAM ...]``. N phantoms are drawn
with their own scanner on a 192 x 192 matrix of the same field of view, K as complete DICOM exams of 512 x 512; of each
real EXAM the proposal and its time are printed. The method was tuned on seeds below 720000.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from hyrisk_desktop.imaging import CTVolume, ProposedCentre, find_series, propose_centre, read_volume
from model_training.phantom.exam import COLUMNS, FEET_MM, HEAD_MM, exam_layout, write_exam
from model_training.phantom.fields import block
from model_training.phantom.render import make_phantom, render

FIRST_SEED = 730000
Place = tuple[float, float, float]


@dataclass(frozen=True)
class Answer:
    """One proposal and how far it is off, mm; infinitely far where there is none."""

    proposal: ProposedCentre | None
    error_mm: float
    seconds: float

    @property
    def confident(self) -> bool:
        return self.proposal is not None and self.proposal.confident


def small_chest(seed: int, side: int = 192, increment_mm: float | None = None) -> tuple[CTVolume, Place]:
    """The whole exam of ``seed`` on ``side`` x ``side`` pixels over the same field of view, and its click (x, y, z).

    Kernel, noise, padding and slice distance (unless ``increment_mm`` is given) are those of the seed's own scanner.
    """
    phantom = make_phantom(seed)
    scanner, layout = phantom.scanner, exam_layout(phantom)
    pixel, step = scanner.pixel_mm * COLUMNS / side, increment_mm or scanner.increment_mm
    x, y = ((index + 0.5) * side / COLUMNS - 0.5 for index in layout.click[:2])
    z = round((float(phantom.heart.click[2]) - FEET_MM) / step)
    shift = np.array([(round(x) - x) * pixel, (round(y) - y) * pixel, 0.0])
    slices = round((HEAD_MM - FEET_MM) / step)
    grid = block(phantom.heart.click + shift, (-round(x), -round(y), -z), (side, side, slices), pixel, step)
    hu = render(phantom, grid)
    i = np.arange(side) - (side - 1) / 2
    hu[:, i[None] ** 2 + i[:, None] ** 2 > (side / 2) ** 2] = scanner.padding_hu
    return CTVolume(hu, (pixel, pixel, step), (0.0, 0.0, 0.0), np.eye(3), f"phantom-{seed}"), (x, y, z)


def ask(volume: CTVolume, click: Place) -> Answer:
    """Time and judge the proposal for ``volume`` whose click is voxel ``click``."""
    began = time.perf_counter()
    proposal = propose_centre(volume)
    seconds = time.perf_counter() - began
    if proposal is None:
        return Answer(None, float("inf"), seconds)
    offset = (np.asarray(proposal.voxel) - click) * np.asarray(volume.spacing_mm)
    return Answer(proposal, float(np.linalg.norm(offset)), seconds)


def unlike(volume: CTVolume, click: Place) -> Iterator[tuple[str, CTVolume, Place]]:
    """The exam cut, turned and disturbed, each with its click."""
    hu, (x, y, z), step = volume.hu, click, volume.spacing_mm[2]
    depth, rows, columns = hu.shape
    parts = {
        "80 mm of heart": (-50, 30), "from 40 mm below": (-40, 999), "to 60 mm above": (-999, 60),
        "to 90 mm above": (-999, 90), "abdomen only": (-999, -60), "neck only": (70, 999),
    }  # fmt: skip
    for name, (low, high) in parts.items():
        first, last = max(0, round(z + low / step)), min(depth, round(z + high / step) + 1)
        yield name, replace(volume, hu=hu[first:last]), (x, y, z - first)
    for share in (0.8, 0.5):
        side = round(columns * share)
        off = (columns - side) // 2
        field = hu[:, off : off + side, off : off + side].copy()
        i = np.arange(side) - (side - 1) / 2
        field[:, i[None] ** 2 + i[:, None] ** 2 > (side / 2) ** 2] = -3024
        yield f"{share:.0%} of the field", replace(volume, hu=field), (x - off, y - off, z)
    yield "left quarter missing", replace(volume, hu=hu[:, :, : round(columns * 0.75)]), click
    yield "feet for head", replace(volume, hu=hu[::-1]), (x, y, depth - 1 - z)
    yield "left for right", replace(volume, hu=hu[:, :, ::-1]), (columns - 1 - x, y, z)
    yield "front for back", replace(volume, hu=hu[:, ::-1]), (x, rows - 1 - y, z)
    rng = np.random.default_rng(0)
    yield "100 HU more noise", replace(volume, hu=(hu + rng.normal(0, 100, hu.shape)).astype(np.int16)), click
    blood = ((hu > 20) & (hu < 110)).astype(np.int16)
    yield "contrast agent", replace(volume, hu=hu * (1 + 5 * blood)), click
    one = hu.copy()
    one[:, :, : columns // 2][one[:, :, : columns // 2] < -500] = 20
    yield "one lung filled", replace(volume, hu=one), click


def line(name: str, answers: list[Answer]) -> str:
    """One row of the table."""
    errors = np.array([answer.error_mm for answer in answers])
    sure = np.array([answer.confident for answer in answers])
    wrong = int((errors[sure] > 20).sum())
    none = sum(answer.proposal is None for answer in answers)
    milliseconds = 1e3 * float(np.median([answer.seconds for answer in answers]))
    return (
        f"{name:22s} {len(answers):4d} {np.median(errors):8.1f} {(errors < 10).mean():6.0%} {(errors < 20).mean():6.0%} "
        f"{none:5d} {sure.mean():9.0%} {wrong:7d} of {sure.sum():<4d} {milliseconds:6.0f}"
    )


def full_exam(seed: int) -> tuple[Answer, float]:
    """The proposal on a complete DICOM exam, and the seconds it took to find and read it."""
    layout = exam_layout(make_phantom(seed))
    with tempfile.TemporaryDirectory() as folder:
        write_exam(Path(folder), seed, workers=1)
        began = time.perf_counter()
        volume = read_volume(find_series(Path(folder))[0])
        reading = time.perf_counter() - began
    return ask(volume, layout.click), reading


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-n", type=int, default=60, help="phantoms on the small matrix")
    parser.add_argument("--first", type=int, default=FIRST_SEED, help="first seed")
    parser.add_argument("--full", type=int, default=2, help="phantoms at full size")
    parser.add_argument("exams", nargs="*", type=Path, metavar="EXAM")
    arguments = parser.parse_args()
    answers: dict[str, list[Answer]] = {"whole chest": []}
    for seed in range(arguments.first, arguments.first + arguments.n):
        volume, click = small_chest(seed)
        answers["whole chest"].append(ask(volume, click))
        for name, other, place in unlike(volume, click):
            answers.setdefault(name, []).append(ask(other, place))
    print(f"{'phantoms, 192 x 192':22s}    n  med. mm  <10mm  <20mm  none  confident  sure >20 mm      ms")
    for name, given in answers.items():
        if given:
            print(line(name, given))
    for seed in range(arguments.first, arguments.first + arguments.full):
        answer, reading = full_exam(seed)
        print(
            f"512 x 512, seed {seed}: {answer.error_mm:.1f} mm off, confident {answer.confident}, {cost(answer, reading)}"
        )
    for exam in arguments.exams:
        began = time.perf_counter()
        volume = read_volume(find_series(exam)[0])
        reading = time.perf_counter() - began
        answer = ask(volume, (0, 0, 0))
        print(f"{exam.name}: {answer.proposal}, {cost(answer, reading)}")


def cost(answer: Answer, reading: float) -> str:
    """Time of a proposal beside that of finding and reading the exam (whose files the system may have cached)."""
    return f"{answer.seconds * 1e3:.0f} ms after {reading * 1e3:.0f} ms of finding and reading"


if __name__ == "__main__":
    main()
