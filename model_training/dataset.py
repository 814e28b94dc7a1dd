"""A cohort as arrays, and the batches a network is trained on."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hyrisk_desktop.errors import InputError
from hyrisk_desktop.i18n import tr
from hyrisk_desktop.risk.preprocessing import Crop, Preprocessing, centred_crop, prepare, random_crop, score_input
from model_training.phantom.cohort import PATCHES, RECORD, TABLE


@dataclass(frozen=True, eq=False)
class CohortData:
    """Patches and the columns that training and evaluation need; arrays of length n.

    Attributes:
        patches: int16 HU [n, 3, 161, 161], memory-mapped.
        seeds, grade, outcome, expected_risk, agatston, category, volume_mm3: columns of the table.
        numbers: every other numeric column by name; texts: the rest.
        record: what ``cohort.json`` says.
    """

    patches: NDArray[np.int16]
    seeds: NDArray[np.int64]
    grade: NDArray[np.float64]
    outcome: NDArray[np.int64]
    expected_risk: NDArray[np.float64]
    agatston: NDArray[np.float64]
    category: NDArray[np.float64]
    volume_mm3: NDArray[np.float64]
    numbers: dict[str, NDArray[np.float64]]
    texts: dict[str, list[str]]
    record: dict[str, object]

    def __len__(self) -> int:
        return len(self.seeds)

    def scores(self) -> dict[str, NDArray[np.float64]]:
        """The baselines by name."""
        return {
            "grade": self.grade,
            "agatston": self.agatston,
            "category": self.category,
            "volume": self.volume_mm3,
            "sqrt_volume": np.sqrt(self.volume_mm3),
        }


def load_cohort(directory: Path) -> CohortData:
    """Read a synthetic cohort written by `phantom.cohort.write_cohort`.

    Raises:
        InputError: a file is missing, or table and patches do not belong together.
    """
    try:
        with open(directory / TABLE, newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        record = json.loads((directory / RECORD).read_text(encoding="utf-8"))
        patches = np.load(directory / PATCHES, mmap_mode="r")
    except (OSError, ValueError) as e:
        raise InputError("cohort_unreadable", tr("“{name}” is no readable cohort.", name=directory.name)) from e
    if len(rows) != len(patches) or not rows:
        raise InputError("cohort_mismatch", tr("The table and the patches of “{name}” differ.", name=directory.name))

    def column(name: str) -> NDArray[np.float64]:
        return np.array([float(row[name]) for row in rows])

    texts = {"kernel": [row["kernel"] for row in rows]}
    numbers = {name: column(name) for name in rows[0] if name not in texts}
    return CohortData(
        patches=patches,
        seeds=numbers["seed"].astype(np.int64),
        grade=numbers["grade"],
        outcome=numbers["outcome"].astype(np.int64),
        expected_risk=numbers["expected_risk"],
        agatston=numbers["agatston"],
        category=numbers["category"],
        volume_mm3=numbers["volume_mm3"],
        numbers=numbers,
        texts=texts,
        record=record,
    )


def with_statistics(preprocessing: Preprocessing, patches: NDArray[np.int16], limit: int = 1000) -> Preprocessing:
    """``preprocessing`` with each channel's mean and SD over the first ``limit`` patches of the training part."""
    low, high = preprocessing.hu_window
    crop = centred_crop(preprocessing)
    rows, columns = slice(crop.top, crop.top + crop.side), slice(crop.left, crop.left + crop.side)
    total, squares, count = np.zeros(3), np.zeros(3), 0
    for patch in patches[:limit]:
        values = (np.clip(patch[:, rows, columns].astype(np.float64), low, high) - low) / (high - low)
        total += values.sum(axis=(1, 2))
        squares += (values * values).sum(axis=(1, 2))
        count += values[0].size
    mean = total / count
    std = np.sqrt(np.maximum(squares / count - mean * mean, 1e-6))
    m, s = [round(float(v), 5) for v in mean], [round(float(v), 5) for v in std]
    return replace(preprocessing, mean=(m[0], m[1], m[2]), std=(s[0], s[1], s[2]))


def order_of_epoch(indices: NDArray[np.int64], seed: int, epoch: int) -> NDArray[np.int64]:
    """``indices`` shuffled; the same for the same seed and epoch, so that a resumed run goes on where it was."""
    return np.random.default_rng([seed, 1, epoch]).permutation(indices)


def load_batch(
    data: CohortData, chosen: NDArray[np.int64], crops: list[Crop], preprocessing: Preprocessing, size: int
) -> Tensor:
    """Network input [len(chosen), 3, size, size] of the patches ``chosen``, in channels-last layout."""
    patches = torch.from_numpy(np.ascontiguousarray(data.patches[np.asarray(chosen)]))
    return prepare(patches, crops, preprocessing, size).contiguous(memory_format=torch.channels_last)


def training_batch(
    data: CohortData, chosen: NDArray[np.int64], preprocessing: Preprocessing, size: int, seed: int, step: int
) -> Tensor:
    """A batch with a random crop per patch, drawn from ``seed`` and ``step`` alone."""
    rng = np.random.default_rng([seed, 2, step])
    return load_batch(data, chosen, [random_crop(preprocessing, rng) for _ in chosen], preprocessing, size)


def evaluation_batches(
    data: CohortData, indices: NDArray[np.int64], preprocessing: Preprocessing, size: int, batch: int = 64
) -> Iterator[Tensor]:
    """All of ``indices`` in order, each with the centred inference crop."""
    crop = [centred_crop(preprocessing)]
    for start in range(0, len(indices), batch):
        yield load_batch(data, indices[start : start + batch], crop, preprocessing, size)


def score_inputs(data: CohortData) -> Tensor:
    """Grades as the network takes them, [n] float32."""
    return torch.tensor([score_input(float(grade)) for grade in data.grade], dtype=torch.float32)
