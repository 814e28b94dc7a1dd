"""Phantoms as a bundle sees them, with their factors; and pairs of phantoms that differ in one. Goes on where a killed run stopped."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from hyrisk_desktop.files import replace_file
from hyrisk_desktop.jobs import Progress, no_progress
from hyrisk_desktop.risk.bundle import load_bundle
from hyrisk_desktop.risk.network import HyRiskNet
from hyrisk_desktop.risk.preprocessing import Preprocessing, centred_crop, prepare
from model_training.parts import Task, in_parts
from model_training.phantom.render import Phantom, make_phantom
from model_training.stability import Change, patch_of
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


@torch.inference_mode()
def features_of(model: HyRiskNet, p: Preprocessing, phantom: Phantom) -> F64:
    """Features [F] of the reader's own view of ``phantom``, as the program computes them with ``model`` and ``p``."""
    patch = torch.from_numpy(patch_of(Change("", phantom), p.patch_xyz[0]).astype(np.float32))[None]
    batch = prepare(patch, [centred_crop(p, pixel_mm=phantom.scanner.pixel_mm)], p)
    found: F64 = model.features(batch.contiguous(memory_format=torch.channels_last)).double().numpy()[0]
    return found


def _loaded(directory: str) -> tuple[HyRiskNet, Preprocessing]:
    torch.set_num_threads(1)
    bundle, model = load_bundle(Path(directory))
    return model.to(memory_format=torch.channels_last), bundle.preprocessing


def _see(task: Task) -> None:
    directory, path, first, stop = task
    model, p = _loaded(directory)
    phantoms = [make_phantom(seed) for seed in range(first, stop)]
    _write(
        path,
        features=np.stack([features_of(model, p, phantom) for phantom in phantoms]).astype(np.float16),
        factors=np.array([[known(phantom)[name] for name in NAMES] for phantom in phantoms]),
        grades=np.array([float(phantom.subject.grade) for phantom in phantoms]),
    )


def _intervene(task: Task) -> None:
    directory, path, first, stop = task
    model, p = _loaded(directory)
    phantoms = [make_phantom(seed) for seed in range(first, stop)]
    rows = [list(interventions(phantom)) for phantom in phantoms]
    seen = [[[features_of(model, p, one) for one in (i.before, i.after)] for i in row] for row in rows]
    _write(
        path,
        features=np.array(seen).astype(np.float16),
        truths=np.array([[i.truth for i in row] for row in rows]),
        names=np.array([i.name for i in rows[0]]),
        grades=np.array([float(phantom.subject.grade) for phantom in phantoms]),
    )


def _write(path: str, **arrays: NDArray[np.generic]) -> None:
    stream = io.BytesIO()
    np.savez(stream, **arrays)  # type: ignore[arg-type]
    replace_file(Path(path), stream.getvalue())


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
