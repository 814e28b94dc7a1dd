"""How well the proposed whole heart counts what a perfect reader of the same image would count, untouched by any reader.

Run: ``python -m tests.benchmarks.bench_whole_heart [-n N] [--first SEED] [--rare K]``. N phantoms are drawn as complete exams of
512 x 512 with their own scanner; each is scored around the centre that `imaging.propose_centre` proposes and around the true click. K
more are drawn of subjects with calcium of the aortic root or the mitral ring, which are rare, for the share of these that is left out.

Truth is the generator's: a lesion of the image, by the rule of the region score, belongs to what adds most HU to its voxels
(`model_training.phantom.truth`). SYNTHETIC: the phantoms' anatomy is simpler than a patient's, and its coronary arteries follow
control points of the same textbooks as the program's courses, so vessels are told apart more easily here. Constants were tuned on
seeds from 8200000 on; nothing was tuned on seeds from 9800000 on.
"""

from __future__ import annotations

import argparse
import itertools
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from hyrisk_desktop.calcium import STANDARD, Region, agatston_category
from hyrisk_desktop.calcium.heart_region import propose_heart
from hyrisk_desktop.calcium.lesions import LabelledRegion, find_lesions
from hyrisk_desktop.calcium.whole_heart import WholeHeartScores, score_whole_heart
from hyrisk_desktop.imaging import CTVolume, Voxel, propose_centre
from hyrisk_desktop.worklist.agreement import Estimate, bland_altman, icc, weighted_kappa
from model_training.phantom.calcium import MITRAL, OTHER_KINDS, ROOT
from model_training.phantom.exam import COLUMNS, ROWS, exam_layout, exam_slices
from model_training.phantom.heart import CALCIFIED_VESSELS
from model_training.phantom.render import make_phantom
from model_training.phantom.truth import KINDS, calcium_labels

FIRST_SEED = 9_800_000
CATEGORIES = 5
NOTHING = "noise and bone"


@dataclass(frozen=True)
class Exam:
    """A phantom's exam with its truth: labels [z, y, x] as `calcium_labels` makes them, and the click."""

    volume: CTVolume
    labels: NDArray[np.uint8]
    click: Voxel


@dataclass
class Result:
    """What one exam gave.

    Attributes:
        truth, proposed: Agatston scores. lesions: of the whole image by kind, with Agatston, and whether they were counted.
        vessels: true and suggested vessel of each coronary plaque that was counted, with its Agatston.
    """

    truth: float
    proposed: float
    seconds: float
    lesions: list[tuple[str, float, bool]] = field(default_factory=list)
    vessels: list[tuple[str, str, float]] = field(default_factory=list)


def draw(seed: int) -> Exam:
    """The whole exam of ``seed``."""
    phantom = make_phantom(seed)
    layout, scanner = exam_layout(phantom), phantom.scanner
    x, y, z = layout.click
    hu = exam_slices(phantom, 0, layout.slices)
    labels = calcium_labels(phantom, phantom.grid_from((-x, -y, -z), (COLUMNS, ROWS, layout.slices)))
    spacing = (scanner.pixel_mm, scanner.pixel_mm, scanner.increment_mm)
    attributes = {"PatientName": "SYNTHETIC^PHANTOM", "Modality": "CT", "KVP": "120"}
    return Exam(CTVolume(hu, spacing, (0.0, 0.0, 0.0), np.eye(3), f"phantom-{seed}", attributes), labels, layout.click)


def rare_seeds(first: int) -> Iterator[int]:
    """Seeds from ``first`` on whose subjects have calcium of the aortic root or the mitral ring."""
    return (s for s in itertools.count(first) if any(d.kind in (ROOT, MITRAL) for d in make_phantom(s).deposits))


def kinds_of(exam: Exam, found: LabelledRegion) -> list[str]:
    """What each lesion of the whole image is; `NOTHING` where less than half of its voxels hold drawn calcium."""
    flat = np.flatnonzero(found.labels)
    counts = np.zeros((len(found.lesions), len(KINDS) + 1), np.int64)
    np.add.at(counts, (found.labels.ravel()[flat] - 1, exam.labels.ravel()[flat]), 1)
    most = counts[:, 1:].argmax(axis=1)
    drawn = 2 * counts[:, 1:].sum(axis=1) >= counts.sum(axis=1)
    return [KINDS[kind] if is_drawn else NOTHING for kind, is_drawn in zip(most, drawn, strict=True)]


def judge(exam: Exam, found: LabelledRegion, centre: Voxel) -> Result:
    """Score ``exam`` around ``centre`` and compare with the truth; ``found``: the lesions of the whole image."""
    began = time.perf_counter()
    scores = score_whole_heart(exam.volume, propose_heart(exam.volume, centre))
    seconds = time.perf_counter() - began
    kinds = kinds_of(exam, found)
    truth = sum(lesion.agatston for lesion, kind in zip(found.lesions, kinds, strict=True) if kind in CALCIFIED_VESSELS)
    result = Result(truth, scores.agatston, seconds)
    for lesion, kind in zip(found.lesions, kinds, strict=True):
        plaque = scores.at(lesion.peak)
        result.lesions.append((kind, lesion.agatston, plaque is not None and plaque.counted))
    result.vessels = list(_vessels(exam, scores))
    return result


def _vessels(exam: Exam, scores: WholeHeartScores) -> Iterator[tuple[str, str, float]]:
    z, y, x = _box(scores)
    labels = exam.labels[z, y, x]
    for index, plaque in enumerate(scores.groups, 1):
        if plaque.counted:
            counts = np.bincount(labels[scores.labels == index], minlength=len(KINDS) + 1)[1:]
            kind = KINDS[int(counts.argmax())]
            if counts.any() and kind in CALCIFIED_VESSELS:
                yield kind.upper(), plaque.suggested.upper(), plaque.agatston


def _box(scores: WholeHeartScores) -> tuple[slice, slice, slice]:
    x, y, z = scores.label_start
    depth, rows, columns = scores.labels.shape
    return slice(z, z + depth), slice(y, y + rows), slice(x, x + columns)


def whole_image(volume: CTVolume) -> LabelledRegion:
    """All lesions of ``volume`` by the standard profile, bones too."""
    depth, rows, columns = volume.shape_zyx
    return find_lesions(volume, Region((0, 0, 0), (columns, rows, depth)), STANDARD)


def run(seeds: list[int]) -> dict[str, list[Result]]:
    """The exams of ``seeds``, around the proposed and around the true centre."""
    results: dict[str, list[Result]] = {"proposed centre": [], "true centre": []}
    for seed in seeds:
        exam = draw(seed)
        found = whole_image(exam.volume)
        proposal = propose_centre(exam.volume)
        if proposal is None:
            print(f"seed {seed}: no centre is proposed")
        else:
            results["proposed centre"].append(judge(exam, found, proposal.voxel))
        results["true centre"].append(judge(exam, found, exam.click))
    return results


def report(name: str, results: list[Result]) -> None:
    """Print the figures of one set of results."""
    scores = np.array([(r.truth, r.proposed) for r in results])
    categories = np.array([[agatston_category(value) for value in pair] for pair in scores])
    table = np.zeros((CATEGORIES, CATEGORIES), np.int64)
    np.add.at(table, (categories[:, 0], categories[:, 1]), 1)
    ba = bland_altman(scores)
    print(
        f"\n{name}: {len(results)} exams, truth median {np.median(scores[:, 0]):.0f}, highest {scores[:, 0].max():.0f}"
    )
    print(f"  ICC(2,1) {_with_interval(icc(scores))}; of log(1 + A) {_with_interval(icc(np.log1p(scores)))}")
    print(
        f"  Bland-Altman of Agatston: bias {_with_interval(ba.bias, 1)}, limits {ba.lower.value:.1f} to {ba.upper.value:.1f}"
    )
    agree = float(np.mean(categories[:, 0] == categories[:, 1]))
    kappas = [weighted_kappa(table, weights) for weights in ("linear", "quadratic")]
    print(f"  category the same in {agree:.1%}, kappa {kappas[0]:.3f} (linear) {kappas[1]:.3f} (quadratic)")
    print("\n".join(f"    {' '.join(f'{n:4d}' for n in row)}" for row in table))
    lesions = [one for r in results for one in r.lesions]
    for kinds, wanted in ((tuple(CALCIFIED_VESSELS), "kept"), ((*OTHER_KINDS, NOTHING), "left out")):
        for kind in kinds:
            print(f"  {kind:15s} {wanted}: {_share(lesions, {kind}, counted=wanted == 'kept')}")
        print(f"  {'all of these':15s} {wanted}: {_share(lesions, set(kinds), counted=wanted == 'kept')}")
    _report_vessels([one for r in results for one in r.vessels])
    print(f"  {np.median([r.seconds for r in results]):.2f} s an exam, at most {max(r.seconds for r in results):.2f}")


def _share(lesions: list[tuple[str, float, bool]], kinds: set[str], *, counted: bool) -> str:
    own = [(score, was is counted) for kind, score, was in lesions if kind in kinds]
    right, score = sum(ok for _, ok in own), sum(score for score, ok in own if ok)
    whole = sum(score for score, _ in own)
    if not own:
        return "none there"
    return f"{right} of {len(own)} lesions ({right / len(own):.1%}), {score / whole:.1%} of their Agatston"


def _report_vessels(vessels: list[tuple[str, str, float]]) -> None:
    right = sum(true == suggested for true, suggested, _ in vessels)
    weight = sum(score for *_, score in vessels) or 1.0
    heavy = sum(score for true, suggested, score in vessels if true == suggested) / weight
    print(
        f"  vessel suggested rightly: {right} of {len(vessels)} plaques ({right / max(1, len(vessels)):.1%}), {heavy:.1%} of Agatston"
    )
    for (true, suggested), count in sorted(Counter((t, s) for t, s, _ in vessels).items()):
        print(f"    {true:4s} -> {suggested:5s} {count}")


def _with_interval(estimate: Estimate, digits: int = 3) -> str:
    return f"{estimate.value:.{digits}f} ({estimate.low:.{digits}f} to {estimate.high:.{digits}f})"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-n", type=int, default=60, help="phantoms")
    parser.add_argument("--first", type=int, default=FIRST_SEED, help="first seed")
    parser.add_argument("--rare", type=int, default=30, help="phantoms with calcium of aortic root or mitral ring")
    arguments = parser.parse_args()
    for name, results in run(list(range(arguments.first, arguments.first + arguments.n))).items():
        report(name, results)
    rare = list(itertools.islice(rare_seeds(arguments.first + 10_000), arguments.rare))
    for name, results in run(rare).items() if rare else ():
        report(f"root or mitral ring calcified, {name}", results)


if __name__ == "__main__":
    main()
