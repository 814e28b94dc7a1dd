"""Phantoms as a bundle sees them, with their factors; and pairs of phantoms that differ in one. Goes on where a killed run stopped."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hyrisk_desktop.jobs import Progress, no_progress
from model_training.looks import features_at, ready, write_part
from model_training.parts import Task, in_parts
from model_training.phantom.render import make_phantom
from model_training.study.factors import FACTORS, SCANNER, interventions, known

F64 = NDArray[np.float64]
NAMES = (*FACTORS, *SCANNER)
_PER_FILE = 20


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """Phantoms as the network sees them: features [n, F]; factors [n, len(NAMES)]; grades [n]."""

    features: F64
    factors: F64
    grades: F64


@dataclass(frozen=True, slots=True, eq=False)
class Pairs:
    """The same subjects before and after each intervention: features [n, K, 2, F]; truths [n, K]; names [K]; grades [n]."""

    features: F64
    truths: F64
    names: tuple[str, ...]
    grades: F64


def _see(task: Task) -> None:
    directory, path, first, stop = task
    model, p = ready(directory)
    phantoms = [make_phantom(seed) for seed in range(first, stop)]
    write_part(
        path,
        features=np.concatenate([features_at(model, p, phantom) for phantom in phantoms]).astype(np.float16),
        factors=np.array([[known(phantom)[name] for name in NAMES] for phantom in phantoms]),
        grades=np.array([float(phantom.subject.grade) for phantom in phantoms]),
    )


def _intervene(task: Task) -> None:
    directory, path, first, stop = task
    model, p = ready(directory)
    phantoms = [make_phantom(seed) for seed in range(first, stop)]
    rows = [list(interventions(phantom)) for phantom in phantoms]
    seen = [[[features_at(model, p, one)[0] for one in (i.before, i.after)] for i in row] for row in rows]
    write_part(
        path,
        features=np.array(seen).astype(np.float16),
        truths=np.array([[i.truth for i in row] for row in rows]),
        names=np.array([i.name for i in rows[0]]),
        grades=np.array([float(phantom.subject.grade) for phantom in phantoms]),
    )


def see(directory: Path, work: Path, first: int, count: int, workers: int, progress: Progress = no_progress) -> Seen:
    """``count`` phantoms from seed ``first`` on.

    Args:
        directory, work, first, count: bundle, folder of the parts, seeds. workers: processes. progress: done and in all.
    """
    paths = in_parts(_see, directory, work / "seen", range(first, first + count), _PER_FILE, workers, progress)
    parts = [np.load(path) for path in paths]
    features, factors, grades = (np.concatenate([p[key] for p in parts]) for key in ("features", "factors", "grades"))
    return Seen(features.astype(float), factors, grades)


def intervene(
    directory: Path, work: Path, first: int, count: int, workers: int, progress: Progress = no_progress
) -> Pairs:
    """The same with one factor changed, of ``count`` phantoms from seed ``first`` on.

    Args:
        directory, work, first, count, workers, progress: as of `see`.
    """
    paths = in_parts(_intervene, directory, work / "pairs", range(first, first + count), _PER_FILE, workers, progress)
    parts = [np.load(path) for path in paths]
    features, truths, grades = (np.concatenate([p[key] for p in parts]) for key in ("features", "truths", "grades"))
    return Pairs(features.astype(float), truths, tuple(parts[0]["names"].tolist()), grades)
