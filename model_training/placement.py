"""The guard against clicks beside the heart's middle: phantoms clicked where readers click and at known distances from it.

    python -m model_training.placement BUNDLE --work WORK

renders subjects that no other part of a model has seen, reads the network's features at each click, fits the shift by ridge
regression, takes the limit from clicks that readers could have made (of subjects that the fit has not seen), and writes it into the
bundle. Goes on where a killed run stopped. SYNTHETIC: no real scan takes part.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import Ridge
from sklearn.model_selection import GroupKFold, cross_val_predict

from hyrisk_desktop.i18n import tr
from hyrisk_desktop.jobs import Progress, no_progress
from hyrisk_desktop.risk.bundle import ModelBundle, load_bundle, seal_description
from hyrisk_desktop.risk.placement import Placement
from model_training.card import PLACEMENT_LINE, exchange_line, placement_line
from model_training.looks import USUAL, Click, features_at, ready, write_part
from model_training.parts import Task, in_parts
from model_training.phantom.render import Phantom, make_phantom

F64 = NDArray[np.float64]

FIRST_SEED, SUBJECTS = 5_100_000, 640
OFF_MM = (10, 10, 15, 20, 20, 20, 20, 30, 30)
"""How far each subject's wrong clicks lie off, in a direction drawn anew for each."""
READERS = 3
"""Further clicks within what two readers differ by: 3 pixels in the slice and one slice."""
LIMIT_QUANTILE = 0.975
"""Of readers' clicks: with the 1 % that the distance guard stops, at most 5 % are stopped in vain."""
_PENALTIES = (10.0, 30.0, 100.0, 300.0, 1000.0)
_PER_FILE = 20


def clicks_of(phantom: Phantom) -> tuple[list[Click], list[int]]:
    """Shifts (x, y, z) in voxels from the usual click, that one first, and how far each was meant to be off, mm (0: a reader's)."""
    rng = np.random.default_rng(phantom.subject.seed + 77)
    pixel, step = phantom.scanner.pixel_mm, phantom.scanner.increment_mm
    clicks: list[Click] = [USUAL]
    for _ in range(READERS):
        clicks.append((int(rng.integers(-3, 4)), int(rng.integers(-3, 4)), int(rng.integers(-1, 2))))
    for mm in OFF_MM:
        way = rng.normal(size=3)
        x, y, z = way * (mm / np.linalg.norm(way))
        clicks.append((round(x / pixel), round(y / pixel), round(z / step)))
    return clicks, [0] * (1 + READERS) + list(OFF_MM)


def _draw(task: Task) -> None:
    """Some subjects' features [n, F] at each of their clicks, the clicks' shifts [n, 3] in mm, and whose they are; in a process of its own."""
    directory, path, first, stop = task
    model, p = ready(directory)
    features, shifts, seeds = [], [], []
    for seed in range(first, stop):
        phantom = make_phantom(seed)
        clicks, _ = clicks_of(phantom)
        pixel, step = phantom.scanner.pixel_mm, phantom.scanner.increment_mm
        features.append(features_at(model, p, phantom, clicks))
        shifts.append(np.array(clicks) * np.array([pixel, pixel, step]))
        seeds += [seed] * len(clicks)
    write_part(path, f=np.concatenate(features).astype(np.float16), o=np.concatenate(shifts), s=np.array(seeds))


def gather(
    directory: Path, work: Path, first: int, count: int, workers: int, progress: Progress = no_progress
) -> tuple[F64, F64, NDArray[np.int64]]:
    """Features [n, F], shifts [n, 3] in mm and subjects [n] of ``count`` seeds; continues what is in ``work``.

    Args:
        directory: of the bundle. work: folder of the parts, of this bundle only. first, count: seeds.
        workers: processes. progress: called with subjects done and in all.
    """
    seeds_ = range(first, first + count)
    parts = [np.load(path) for path in in_parts(_draw, directory, work, seeds_, _PER_FILE, workers, progress)]
    features, shifts, seeds = (np.concatenate([part[key] for part in parts]) for key in ("f", "o", "s"))
    return features.astype(np.float64), shifts, seeds


def fit_placement(features: F64, shifts: F64, subjects: NDArray[np.int64]) -> tuple[Placement, dict[str, Any]]:
    """The guard, and what it catches of subjects that its fit has not seen.

    Args:
        features: [n, F]. shifts: [n, 3] in mm from the usual click. subjects: [n], whose clicks these are, in the order of
            `clicks_of` for each.
    """
    mean, spread = features.mean(axis=0), features.std(axis=0) + 1e-6
    x = (features - mean) / spread
    folds = GroupKFold(5)
    unseen = {a: cross_val_predict(Ridge(a), x, shifts, groups=subjects, cv=folds) for a in _PENALTIES}
    penalty = min(_PENALTIES, key=lambda a: float(((unseen[a] - shifts) ** 2).mean()))
    seems = np.linalg.norm(unseen[penalty], axis=1)
    meant = np.tile([0] * (1 + READERS) + list(OFF_MM), len(np.unique(subjects)))
    limit = float(np.quantile(seems[meant == 0], LIMIT_QUANTILE))
    fitted = Ridge(penalty).fit(x, shifts)
    weights = fitted.coef_ / spread
    placement = Placement(
        weights.astype(np.float32), (fitted.intercept_ - weights @ mean).astype(np.float32), round(limit, 3)
    )
    caught = {str(mm): round(float((seems[meant == mm] > limit).mean()), 3) for mm in sorted(set(OFF_MM))}
    facts = {
        "subjects": len(np.unique(subjects)),
        "seeds": [int(subjects.min()), int(subjects.max())],
        "penalty": penalty,
        "limit_quantile": LIMIT_QUANTILE,
        "caught_by_mm": caught,
        "r2": [
            round(float(r), 3)
            for r in 1 - ((unseen[penalty] - shifts) ** 2).sum(0) / ((shifts - shifts.mean(0)) ** 2).sum(0)
        ],
    }
    return placement, facts


def add_placement(
    directory: Path,
    work: Path,
    *,
    first: int = FIRST_SEED,
    count: int = SUBJECTS,
    workers: int = 2,
    progress: Progress = no_progress,
) -> ModelBundle:
    """Fit the guard of the bundle in ``directory`` and write it into its description and card.

    Args:
        work: folder of the parts on the way. first, count: seeds. workers, progress: of the rendering.
    """
    bundle, _ = load_bundle(directory)
    placement, facts = fit_placement(*gather(directory, work, first, count, workers, progress))
    changes = {"placement": placement.to_json(), "training": bundle.training | {"placement": facts}}
    written = seal_description(directory, changes)
    exchange_line(directory, PLACEMENT_LINE, placement_line(written))
    return written


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bundle", type=Path)
    parser.add_argument("--work", type=Path, required=True, help=tr("features on the way, some MB"))
    parser.add_argument("-n", type=int, default=SUBJECTS)
    parser.add_argument("--first", type=int, default=FIRST_SEED, metavar="SEED")
    a = parser.parse_args()
    bundle = add_placement(
        a.bundle, a.work, first=a.first, count=a.n, workers=os.cpu_count() or 1,
        progress=lambda done, of: print(f"{min(done, of)} of {of}", flush=True),
    )  # fmt: skip
    print(bundle.training["placement"], "SYNTHETIC")


if __name__ == "__main__":
    main()
