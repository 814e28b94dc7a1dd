"""A cohort as arrays, and the batches a network is trained on."""

from __future__ import annotations

import hashlib
import json
import math
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hyrisk_desktop.errors import InputError
from hyrisk_desktop.i18n import tr
from hyrisk_desktop.jobs import CancelToken, Progress, no_progress
from hyrisk_desktop.risk.preprocessing import Crop, Preprocessing, centred_crop, in_window, prepare, random_crop
from hyrisk_desktop.risk.score_input import ScoreInput
from model_training.cohort_table import Case, CohortTable, read_table, refuse_mixed, refuse_ungraded
from model_training.jitter import jittered
from model_training.patches import Patches, cut_patches

F64 = NDArray[np.float64]
I64 = NDArray[np.int64]
_MOST_STATISTICS = 2000
_SAME_SCORE = 1e-3
"""By which share a table's Agatston scores may differ from the program's region scores and still be these, rounded."""
GIVEN = "agatston_column"
"""The baseline of a table's own Agatston scores, where they are another quantity than the region score."""


class Scans(Protocol):
    """Patches int16 HU [n, 3, 161, 161] and their pixel sizes [n]."""

    @property
    def patches(self) -> NDArray[np.int16]: ...

    @property
    def pixel_mm(self) -> F64: ...


@dataclass(frozen=True, eq=False)
class CohortData:
    """Patches and the columns that training and evaluation need; arrays of length n.

    Attributes:
        patches: int16 HU [n, 3, 161, 161], memory-mapped.
        grade: 0..3, NaN where there is none. outcome: 1 for a non-survivor.
        agatston: what a network with this score input is fed, one ``quantity`` for all: "region" (the program's region
            score) or "external" (the table's own, where it is another). region_agatston, category, volume_mm3: the
            program's region scores. kernel, pixel_mm, increment_mm: acquisition.
        patient: who is kept within one fold. names: exam of each row, for the table of predictions.
        expected_risk: known risk before the outcome was drawn, NaN for every real case.
        synthetic: at least one case is a phantom. key: hash of what was cut; sha256: of all that decides the weights.
        exams: SHA-256 of each case's files. unscored: lines of the table without a score where others have one.
        horizon: the time within which the outcome was counted, as the table says; "" where it does not.
        cases: the table's rows, for who needs more of an exam than its patch.
    """

    patches: NDArray[np.int16]
    grade: F64
    outcome: I64
    agatston: F64
    region_agatston: F64
    category: F64
    volume_mm3: F64
    kernel: tuple[str, ...]
    pixel_mm: F64
    increment_mm: F64
    patient: tuple[str, ...]
    expected_risk: F64
    synthetic: bool
    name: str
    key: str
    exams: tuple[str, ...] = ()
    quantity: str = "region"
    unscored: tuple[int, ...] = ()
    horizon: str = ""
    cases: tuple[Case, ...] = ()

    def __len__(self) -> int:
        return len(self.outcome)

    @cached_property
    def groups(self) -> tuple[str, ...]:
        """Who must stay in one fold, for each case: exams of one patient, and the same files or pixels under other names."""
        return joined(self.patient, self.exams, self.pixels)

    @cached_property
    def pixels(self) -> tuple[str, ...]:
        """A hash of each case's patch: a copy whose headers name another patient has other files and the same pixels."""
        return tuple(
            hashlib.blake2b(np.ascontiguousarray(p).tobytes(), digest_size=16).hexdigest() for p in self.patches
        )

    @property
    def copies(self) -> int:
        """Exams whose files or pixels are those of another patient's exam."""
        owners: dict[str, set[str]] = defaultdict(set)
        same = joined(self.pixels, self.exams)
        for exam, patient in zip(same, self.patient, strict=True):
            owners[exam].add(patient)
        return sum(len(owners[exam]) > 1 for exam in same)

    @property
    def has_expected_risk(self) -> bool:
        """Whether every case's risk is known (synthetic cohorts)."""
        return bool(np.isfinite(self.expected_risk).all())

    @property
    def sha256(self) -> str:
        """Of pixels, scores, outcomes and patients: another cohort can't be mistaken for this one."""
        digest = hashlib.sha256(self.key.encode())
        for column in (self.grade, self.outcome, self.agatston, self.expected_risk):
            digest.update(np.ascontiguousarray(column).tobytes())
        digest.update(json.dumps(self.patient).encode())
        return digest.hexdigest()

    def scores(self) -> dict[str, F64]:
        """The baselines by name; the grade only where every case has one."""
        graded = {"grade": self.grade} if np.isfinite(self.grade).all() else {}
        given = {GIVEN: self.agatston} if self.quantity == "external" else {}
        return (
            graded
            | given
            | {
                "agatston": self.region_agatston,
                "category": self.category,
                "volume": self.volume_mm3,
                "sqrt_volume": np.sqrt(self.volume_mm3),
            }
        )

    def score_values(self, score: str, quantity: str = "") -> F64:
        """What the network's score comes from [n]: grades or Agatston scores.

        Args:
            score: "grade" or "agatston". quantity: which Agatston score a bundle takes, "" for the cohort's own.

        Raises:
            InputError: grades are asked for and some are missing, scores of which the table gives some only, or another
                quantity than the table's.
        """
        if score == "agatston":
            if self.unscored:
                refuse_mixed(list(self.unscored))
            if quantity == "external" != self.quantity:
                text = tr(
                    "The model takes Agatston scores from elsewhere, and this table has none: fill its column “agatston”."
                )
                raise InputError("other_score", text)
            return self.region_agatston if quantity == "region" else self.agatston
        if not np.isfinite(self.grade).all():
            first = int(np.flatnonzero(~np.isfinite(self.grade))[0])
            # Lines of the file, of which blank ones and cells of several lines take some.
            refuse_ungraded(self.cases[first].row if self.cases else first + 2)
        return self.grade


def joined(*labels: Sequence[str]) -> tuple[str, ...]:
    """A name for each case, the same for all that share a label of any kind, also by way of others.

    Args:
        labels: of each kind one per case; a kind without labels joins nobody.
    """
    count = max(map(len, labels))
    parent = list(range(count))

    def root(case: int) -> int:
        while parent[case] != case:
            parent[case] = parent[parent[case]]
            case = parent[case]
        return case

    for kind in labels:
        first: dict[str, int] = {}
        for case, label in enumerate(kind):
            parent[root(case)] = root(first.setdefault(label, case))
    return tuple(labels[0][root(case)] for case in range(count))


def load_cohort(
    path: Path, cache: Path, progress: Progress = no_progress, cancel: CancelToken | None = None
) -> CohortData:
    """Read and check a cohort's table, and cut its patches where that hasn't been done.

    Args:
        path: of the table. cache: where cut patches lie. progress: called as ``progress(cases cut, cases in all)``.

    Raises:
        InputError: the table or an exam can't be used; row and column are named.
        Cancelled: ``cancel`` was set.
    """
    table = read_table(path)
    table.require_ready()
    return cohort_data(table, cut_patches(table, cache, progress, cancel))


def cohort_data(table: CohortTable, cut: Patches) -> CohortData:
    """Table and patches as arrays."""
    cases, facts = table.cases, cut.facts

    def numbers(values: Iterator[float | None]) -> F64:
        return np.array([math.nan if v is None else v for v in values], np.float64)

    region = np.array([f.agatston for f in facts])
    given = numbers(case.agatston for case in cases)
    # A table in part filled is refused where its scores are to be fed; elsewhere nobody asks for them.
    own = bool(np.isfinite(given).all()) and bool((np.abs(given - region) > _SAME_SCORE * (1 + region)).any())
    return CohortData(
        patches=cut.patches,
        grade=numbers(case.grade for case in cases),
        outcome=np.array([case.outcome for case in cases], np.int64),
        agatston=given if own else region,
        quantity="external" if own else "region",
        unscored=tuple(case.row for case in cases if case.agatston is None) if np.isfinite(given).any() else (),
        region_agatston=region,
        category=np.array([f.category for f in facts], np.float64),
        volume_mm3=np.array([f.volume_mm3 for f in facts]),
        kernel=tuple(f.kernel for f in facts),
        pixel_mm=np.array([f.pixel_mm for f in facts]),
        increment_mm=np.array([f.increment_mm for f in facts]),
        patient=tuple(case.patient for case in cases),
        expected_risk=numbers(_expected_risk(case.extra.get("expected_risk", "")) for case in cases),
        synthetic=table.synthetic or any(f.synthetic for f in facts),
        name=table.path.parent.name if table.path.stem == "cohort" else table.path.stem,
        key=cut.key,
        horizon=table.horizon,
        exams=tuple(f.sha256 for f in facts),
        cases=tuple(cases),
    )


def _expected_risk(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if 0 <= value <= 1 else None


def with_statistics(preprocessing: Preprocessing, data: CohortData, training: I64) -> Preprocessing:
    """``preprocessing`` with each channel's mean and SD over the training part (a spread of 2000 cases at most)."""
    total, squares, count = np.zeros(3), np.zeros(3), 0
    for index in training[:: max(1, len(training) // _MOST_STATISTICS)]:
        crop = centred_crop(preprocessing, pixel_mm=float(data.pixel_mm[index]))
        rows, columns = slice(crop.top, crop.top + crop.side), slice(crop.left, crop.left + crop.side)
        patch = torch.from_numpy(data.patches[index].astype(np.float64))[None]
        values = in_window(patch, preprocessing)[0, :, rows, columns].numpy()
        total += values.sum(axis=(1, 2))
        squares += (values * values).sum(axis=(1, 2))
        count += values[0].size
    mean = total / count
    std = np.sqrt(np.maximum(squares / count - mean * mean, 1e-6))
    m, s = [round(float(v), 5) for v in mean], [round(float(v), 5) for v in std]
    return replace(preprocessing, mean=(m[0], m[1], m[2]), std=(s[0], s[1], s[2]))


def order_of_epoch(indices: I64, seed: int, epoch: int) -> I64:
    """``indices`` shuffled; the same for the same seed and epoch, so that a resumed run goes on where it was."""
    return np.random.default_rng([seed, 1, epoch]).permutation(indices)


def load_batch(
    data: Scans, chosen: I64, crops: list[Crop], preprocessing: Preprocessing, size: int, device: torch.device
) -> Tensor:
    """Network input [len(chosen), 3, size, size] of the patches ``chosen``, in channels-last layout, on ``device``.

    Args:
        data: the cohort. crops: one per patch. preprocessing: window and normalisation.
    """
    return prepare(_patches(data, chosen).to(device), crops, preprocessing, size).contiguous(
        memory_format=torch.channels_last
    )


def training_batch(
    scans: Scans,
    chosen: I64,
    preprocessing: Preprocessing,
    size: int,
    seed: list[int],
    device: torch.device,
    *,
    jitter: bool = False,
) -> Tensor:
    """A batch with a random crop per patch, drawn from ``seed`` alone.

    Args:
        scans: the cohort. chosen: [n] case numbers. preprocessing, size, device: as of `load_batch`.
        seed: of all that is random. jitter: sharpness and noise too.
    """
    rng = np.random.default_rng(seed)
    crops = [random_crop(preprocessing, rng, float(scans.pixel_mm[case])) for case in chosen]
    patches = _patches(scans, chosen).to(device)
    if jitter:
        patches = jittered(patches, rng)
    return prepare(patches, crops, preprocessing, size).contiguous(memory_format=torch.channels_last)


def _patches(scans: Scans, chosen: I64) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(scans.patches[np.asarray(chosen)]))


def evaluation_batches(
    data: Scans, indices: I64, preprocessing: Preprocessing, size: int, device: torch.device, batch: int = 64
) -> Iterator[Tensor]:
    """All of ``indices`` in order, each with the centred inference crop.

    Args:
        data: the cohort, or other scans. preprocessing, size, device: as of `load_batch`. batch: cases in each.
    """
    for start in range(0, len(indices), batch):
        chosen = indices[start : start + batch]
        pixels = [None] if preprocessing.crop_mm is None else data.pixel_mm[chosen]
        crops = [centred_crop(preprocessing, pixel_mm=pixel) for pixel in pixels]
        yield load_batch(data, chosen, crops, preprocessing, size, device)


def score_inputs(data: CohortData, rule: ScoreInput, quantity: str = "") -> Tensor:
    """Grades or Agatston scores as the network takes them, [n] float32; ``quantity`` as of `CohortData.score_values`."""
    return torch.tensor([rule.value(float(v)) for v in data.score_values(rule.kind, quantity)], dtype=torch.float32)
