"""How well any number of readers agree: Fleiss' kappa, Krippendorff's alpha, and the intraclass correlation, over all vessels.

Sources: Fleiss, Psychol Bull 1971 (kappa of many raters); Krippendorff, Computing Krippendorff's Alpha-Reliability, 2011
(alpha with missing values; ordinal and interval differences); ICC(2,1) as in `agreement`. Intervals of kappa and alpha are
percentiles of a bootstrap over exams, always from the same seed; McGraw & Wong's for the ICC.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hyrisk_desktop.i18n import tr
from hyrisk_desktop.standing import whole_heart_standing
from hyrisk_desktop.worklist.agreement import GRADES, Estimate, icc, region_agatston
from hyrisk_desktop.worklist.records import Read

REGION, WHOLE_HEART = "region", "whole_heart"
QUANTITIES = (REGION, WHOLE_HEART, "LM", "LAD", "LCX", "RCA")
"""Agatston scores that are compared: the region's, the whole heart's, and each vessel's."""
_RESAMPLES, _AT_ONCE = 2000, 100
_FEWEST, _MOST_DRAWS = 200, 4_000_000
_SEED = 20110125
_NAN = float("nan")
Table = NDArray[np.float64]
"""[exams, readers]; NaN where a reader has none."""


@dataclass(frozen=True, slots=True)
class ScoreAgreement:
    """Of one Agatston score: exams that all readers have it of, with their ICC(2,1); exams of at least two, with interval alpha."""

    complete: int
    icc: Estimate
    compared: int
    alpha: Estimate


@dataclass(frozen=True, slots=True)
class ManyAgreement:
    """Several readers' reads of the same exams.

    Attributes:
        readers: how many. complete: exams that all graded; fleiss: kappa of these (fractions go to the nearest grade).
        compared: exams that at least two graded; alpha: ordinal, of these. raw: share of the complete ones with one grade.
        scores: by each of `QUANTITIES`. left_out: exams whose region was not scored alike, see `agreement`.
    """

    readers: int
    complete: int
    fleiss: Estimate
    compared: int
    alpha: Estimate
    raw: float
    scores: dict[str, ScoreAgreement]
    left_out: int = 0

    @property
    def why_empty(self) -> str:
        """Why there is nothing to compare, in one sentence; "" where there is."""
        if self.readers < 2:
            return tr("There is nothing to compare: choose at least two readers.")
        if not self.compared and not any(s.compared for s in self.scores.values()):
            return tr("There is nothing to compare: no exam has reads of this kind by at least two of these readers.")
        return ""


def compare_many(reads: Sequence[Mapping[int, Read]]) -> ManyAgreement:
    """Compare readers.

    Args:
        reads: of each reader one read of each exam, by the exam's number; see `chosen_reads`.
    """
    exams = sorted({exam_id for of_one in reads for exam_id in of_one})

    def table(value: Callable[[Read], float | None]) -> Table:
        rows = [[_number(value, of_one.get(exam_id)) for of_one in reads] for exam_id in exams]
        return np.array(rows, np.float64).reshape(len(exams), len(reads))

    grades = table(lambda read: read.grade)
    complete = grades[~np.isnan(grades).any(axis=1)] if len(reads) > 1 else grades[:0]
    rounded = np.rint(complete).astype(np.int64)
    unlike = {i for i in exams if len({r.profile for of_one in reads if (r := of_one.get(i))}) > 1}
    alike = np.array([i not in unlike for i in exams], bool)
    region = table(region_agatston)
    known = (~np.isnan(region)).sum(axis=1) > 1
    scores = {REGION: _score_agreement(region[alike])}
    for name in QUANTITIES[1:]:
        scores[name] = _score_agreement(table(lambda read, name=name: _heart_agatston(read, name)))  # type: ignore[misc]
    return ManyAgreement(
        readers=len(reads), complete=len(complete), fleiss=fleiss_with_interval(rounded),
        compared=_compared(grades), alpha=alpha_with_interval(grades, ordinal=True),
        raw=float((rounded == rounded[:, :1]).all(axis=1).mean()) if len(rounded) else _NAN,
        scores=scores, left_out=int((known & ~alike).sum()),
    )  # fmt: skip


def chosen_reads(reads: Sequence[Read], reader_id: int, *, blinded: bool, mixed: bool = False) -> dict[int, Read]:
    """One read of each exam by one reader.

    Args:
        reads: of a list. reader_id: whose. blinded: the blinded ones, or the open ones.
        mixed: those of the other kind as well, where there is none of this kind.
    """
    mine = [r for r in reads if r.reader_id == reader_id]
    other = {r.exam_id: r for r in mine if r.blinded != blinded} if mixed else {}
    return other | {r.exam_id: r for r in mine if r.blinded == blinded}


def _number(value: Callable[[Read], float | None], read: Read | None) -> float:
    found = None if read is None else value(read)
    return _NAN if found is None else float(found)


def _heart_agatston(read: Read, name: str) -> float | None:
    withheld = whole_heart_standing(read.findings).withheld
    heart = None if read.centre_proposed or withheld else read.results.get("whole_heart")
    if not heart:
        return None
    if name == WHOLE_HEART:
        return float(heart["agatston"])
    return next((float(row["agatston"]) for row in heart["vessels"] if row["vessel"] == name), None)


def _compared(table: Table) -> int:
    return int(((~np.isnan(table)).sum(axis=1) > 1).sum())


def _score_agreement(table: Table) -> ScoreAgreement:
    complete = table[~np.isnan(table).any(axis=1)] if table.shape[1] > 1 else table[:0]
    return ScoreAgreement(len(complete), icc(complete), _compared(table), alpha_with_interval(table, ordinal=False))


# --- Fleiss' kappa


def fleiss_kappa(counts: NDArray[np.float64]) -> float:
    """Fleiss' kappa (1971, equations 1 to 7); NaN where all readers gave one and the same grade throughout.

    Args:
        counts: [exams, grades] how many readers gave each; the same number of readers for each exam, at least two.
    """
    readers = counts.sum(axis=1)
    if len(counts) == 0 or readers[0] < 2:
        return _NAN
    agree = ((counts**2).sum(axis=1) - readers) / (readers * (readers - 1))
    return float(_fleiss(np.array([agree.mean()]), counts.mean(axis=0)[None] / readers[0])[0])


def _fleiss(observed: NDArray[np.float64], shares: NDArray[np.float64]) -> NDArray[np.float64]:
    """[samples] kappas of observed agreements [samples] and shares of the grades [samples, grades]."""
    by_chance = (shares**2).sum(axis=1)
    room = np.where(by_chance < 1 - 1e-12, 1 - by_chance, _NAN)
    return np.asarray((observed - by_chance) / room, np.float64)


def fleiss_with_interval(grades: NDArray[np.int64], *, resamples: int = _RESAMPLES) -> Estimate:
    """Fleiss' kappa with its bootstrap interval.

    Args:
        grades: [exams, readers], each 0 to 3. resamples: how many.
    """
    n, readers = grades.shape
    counts = (grades[:, :, None] == np.arange(GRADES)).sum(axis=1).astype(np.float64)
    value = fleiss_kappa(counts)
    if n < 3 or np.isnan(value):
        return Estimate(value, _NAN, _NAN)
    rows, times = _distinct(counts)
    agree = ((rows**2).sum(axis=1) - readers) / (readers * (readers - 1))
    found = [_fleiss(w @ agree / n, w @ rows / (n * readers)) for w in _weights(times, resamples)]
    return _interval(value, np.concatenate(found))


# --- Krippendorff's alpha


def krippendorff_alpha(table: Table, *, ordinal: bool) -> float:
    """Krippendorff's alpha with ordinal or interval differences; NaN where nothing differs, or nothing can be paired.

    Args:
        table: [units, readers] values, NaN for missing ones. ordinal: by ranks; else by squared differences.
    """
    return alpha_with_interval(table, ordinal=ordinal, resamples=0).value


def alpha_with_interval(table: Table, *, ordinal: bool, resamples: int = _RESAMPLES) -> Estimate:
    """Krippendorff's alpha with its bootstrap interval; arguments as `krippendorff_alpha`.

    Args:
        table: [units, readers]. ordinal: as there. resamples: how many; 0 for no interval.
    """
    rows, times = _distinct(_pairable(table))
    if not len(rows):
        return Estimate(_NAN, _NAN, _NAN)
    parts = _Ordinal(rows) if ordinal else _Interval(rows)
    value = float(parts.alphas(times[None])[0])
    if times.sum() < 3 or np.isnan(value) or not resamples:
        return Estimate(value, _NAN, _NAN)
    return _interval(value, np.concatenate([parts.alphas(w) for w in _weights(times, resamples)]))


def _pairable(table: Table) -> Table:
    return np.asarray(table[(~np.isnan(table)).sum(axis=1) > 1], np.float64)


def _distinct(table: Table) -> tuple[Table, Table]:
    """The different rows of a table [n, columns], and how often each is there [rows]: a study of ten thousand has few."""
    # No value is negative, and a missing one is like any other missing one.
    _, first, times = np.unique(np.nan_to_num(table, nan=-1.0), axis=0, return_index=True, return_counts=True)
    return np.asarray(table[first], np.float64), times.astype(np.float64)


class _Interval:
    """Sums from which alphas of resampled units [units, readers] follow, with squared differences."""

    def __init__(self, table: Table) -> None:
        self._m = (~np.isnan(table)).sum(axis=1).astype(np.float64)
        # Around the middle of all values, so that no digits are lost to a large one.
        centred = table - np.nanmean(table)
        self._sum, self._squares = np.nansum(centred, axis=1), np.nansum(centred**2, axis=1)

    def alphas(self, weights: NDArray[np.float64]) -> NDArray[np.float64]:
        """[samples] of ``weights`` [samples, units]."""
        m, total, squares = self._m, self._sum, self._squares
        within = weights @ (2 * (m * squares - total**2) / (m - 1))
        n = weights @ m
        among = 2 * (n * (weights @ squares) - (weights @ total) ** 2)
        return _alpha(within / n, among / (n * (n - 1)))


class _Ordinal:
    """Coincidences of values in units [units, readers]; distances follow from how frequent values are."""

    def __init__(self, table: Table) -> None:
        values = np.unique(table[~np.isnan(table)])
        counts = (table[:, :, None] == values).sum(axis=1).astype(np.float64)
        m = counts.sum(axis=1)
        pairs = counts[:, :, None] * counts[:, None, :] - counts[:, :, None] * np.eye(len(values))
        self._pairs = (pairs / (m - 1)[:, None, None]).reshape(len(table), len(values) ** 2)
        self._counts = counts

    def alphas(self, weights: NDArray[np.float64]) -> NDArray[np.float64]:
        """[samples] of ``weights`` [samples, units]."""
        frequency = weights @ self._counts
        n, size = frequency.sum(axis=1), frequency.shape[1]
        rank = np.cumsum(frequency, axis=1) - frequency / 2
        distance = (rank[:, :, None] - rank[:, None, :]) ** 2
        within = ((weights @ self._pairs).reshape(-1, size, size) * distance).sum(axis=(1, 2))
        among = (frequency[:, :, None] * frequency[:, None, :] * distance).sum(axis=(1, 2))
        return _alpha(within / n, among / (n * (n - 1)))


def _alpha(observed: NDArray[np.float64], expected: NDArray[np.float64]) -> NDArray[np.float64]:
    """[samples] of observed and expected disagreements [samples]."""
    return np.asarray(1 - observed / np.where(expected > 1e-12, expected, _NAN), np.float64)


def _weights(times: Table, resamples: int) -> list[NDArray[np.float64]]:
    """How often rows that are there so many ``times`` [rows] are drawn, [samples, rows] at a time; the same every day."""
    rng, n = np.random.default_rng(_SEED), int(times.sum())
    # With so many different rows an interval is narrow, and its ends need fewer samples.
    resamples = min(resamples, max(_FEWEST, _MOST_DRAWS // len(times)))
    return [
        rng.multinomial(n, times / n, min(_AT_ONCE, resamples - at)).astype(np.float64)
        for at in range(0, resamples, _AT_ONCE)
    ]


def _interval(value: float, found: NDArray[np.float64]) -> Estimate:
    # A resample in which nothing differs says nothing.
    low, high = np.nanpercentile(found, [2.5, 97.5])
    return Estimate(value, float(low), float(high))
