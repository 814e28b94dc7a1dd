"""Who is trained on and who is tested: k folds, stratified by outcome, grouped by patient, and an inner split each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import StratifiedGroupKFold

from hyrisk_desktop.errors import InputError
from hyrisk_desktop.i18n import tr

I64 = NDArray[np.int64]
INNER_SPLITS = 8
"""An eighth of the training part chooses the weights."""
_FEWEST_INNER = 2


@dataclass(frozen=True, slots=True, eq=False)
class Fold:
    """Indices of one fold: trained on, choosing the weights, and reported; disjoint, patients too.

    ``number`` counts from 1; 0 is the final fit on everybody, which reports nobody.
    """

    number: int
    training: I64
    inner: I64
    test: I64


def make_folds(outcome: I64, patient: Sequence[str], k: int, seed: int) -> list[Fold]:
    """``k`` folds over all cases.

    Args:
        outcome: [n], 0 or 1. patient: of each case; one patient is in one fold. seed: of the drawing.

    Raises:
        InputError: fewer patients of one outcome than folds.
    """
    groups = _codes(patient)
    fewest = min(len(set(groups[outcome == value])) for value in (0, 1))
    if k < 2 or k > fewest:
        raise InputError(
            "folds",
            tr("The number of folds must lie between 2 and {n}, the patients of the rarer outcome.", n=fewest),
        )
    split = StratifiedGroupKFold(k, shuffle=True, random_state=seed)
    folds = []
    for number, (rest, test) in enumerate(split.split(outcome, outcome, groups), start=1):
        training, inner = inner_split(rest, outcome, groups, seed + number)
        folds.append(Fold(number, training, inner, np.sort(test)))
    return folds


def final_fold(outcome: I64, patient: Sequence[str], seed: int) -> Fold:
    """The fit that is shipped: everybody, with an inner split and nobody to report."""
    training, inner = inner_split(np.arange(len(outcome)), outcome, _codes(patient), seed)
    return Fold(0, training, inner, np.zeros(0, np.int64))


def inner_split(rest: I64, outcome: I64, groups: I64, seed: int) -> tuple[I64, I64]:
    """Part ``rest`` into what is trained on and what chooses the weights.

    Args:
        rest: [m] case numbers. outcome, groups: [n], of all cases. seed: of the drawing.
    """
    labels, members = outcome[rest], groups[rest]
    fewest = min((len(set(members[labels == value])) for value in (0, 1)), default=0)
    if fewest < _FEWEST_INNER:
        raise InputError("too_few", tr("There are too few patients of one outcome to hold some back; add cases."))
    split = StratifiedGroupKFold(min(INNER_SPLITS, fewest), shuffle=True, random_state=seed)
    kept, held = next(iter(split.split(rest, labels, members)))
    return np.sort(rest[kept]), np.sort(rest[held])


def patient_overlap(folds: Sequence[Fold], patient: Sequence[str]) -> int:
    """Number of patients who are on both sides of any fold, or in two of its parts; must be 0."""
    groups = _codes(patient)
    shared: set[int] = set()
    for fold in folds:
        parts = [set(groups[part].tolist()) for part in (fold.training, fold.inner, fold.test)]
        shared |= (parts[0] & parts[1]) | (parts[0] & parts[2]) | (parts[1] & parts[2])
    return len(shared)


def _codes(patient: Sequence[str]) -> I64:
    return np.unique(np.asarray(patient, object).astype(str), return_inverse=True)[1].astype(np.int64)
