"""How well readers agree: confusion matrix, weighted kappa, intraclass correlation, Bland-Altman, and a consensus.

Sources: Cohen, Psychol Bull 1968 (weighted kappa); Shrout & Fleiss, Psychol Bull 1979, and McGraw & Wong, Psychol
Methods 1996 (ICC(2,1) and its interval); Bland & Altman, Lancet 1986 and Stat Methods Med Res 1999 (limits of agreement).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from hyrisk_desktop.errors import InputError
from hyrisk_desktop.i18n import tr
from hyrisk_desktop.imaging.volume import Voxel
from hyrisk_desktop.standing import scores_standing
from hyrisk_desktop.worklist.records import Read

GRADES = 4
_RESAMPLES = 2000
_SEED = 20180617
_HOW, MEAN, ADJUDICATED = "consensus", "mean", "adjudicated"
Weights = str
"""``"linear"`` or ``"quadratic"``."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """A statistic with its 95 % interval; NaN where the data can't give it."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class BlandAltman:
    """Bias and 95 % limits of agreement of ``second - first``, each with its 95 % interval."""

    bias: Estimate
    lower: Estimate
    upper: Estimate


@dataclass(frozen=True, slots=True, eq=False)
class Agreement:
    """Two readers' reads of the same exams.

    Attributes:
        exam_ids: the exams that both graded; grades: [n, 2].
        confusion: [4, 4] counts, rows the first reader's grade, columns the second's (fractions go to the nearest).
        linear, quadratic: weighted kappa; raw: share of equal grades.
        agatston_ids, agatston: the exams whose region both scored alike, and [n, 2] region Agatston scores.
        left_out: exams that both scored, but not alike: see `region_agatston` and `scored_alike`.
        icc: ICC(2,1) of these scores; bland_altman: of these scores, None with fewer than three.
        seconds: median seconds to the grade of either reader, NaN where unknown.
    """

    exam_ids: tuple[int, ...]
    grades: NDArray[np.float64]
    confusion: NDArray[np.int64]
    linear: Estimate
    quadratic: Estimate
    raw: float
    agatston_ids: tuple[int, ...]
    agatston: NDArray[np.float64]
    icc: Estimate
    bland_altman: BlandAltman | None
    seconds: tuple[float, float]
    left_out: int = 0

    @property
    def differing(self) -> tuple[int, ...]:
        """Exams with different grades, the largest difference first."""
        gap = np.abs(self.grades[:, 0] - self.grades[:, 1])
        order = np.argsort(-gap, kind="stable")
        return tuple(self.exam_ids[i] for i in order if gap[i] > 0)


def compare(first: Iterable[Read], second: Iterable[Read]) -> Agreement:
    """Compare two readers' reads; only exams that both graded count."""
    one, two = ({r.exam_id: r for r in reads} for reads in (first, second))
    both = [i for i in one if i in two]
    graded = [i for i in both if one[i].grade is not None and two[i].grade is not None]
    grades = np.array([(one[i].grade, two[i].grade) for i in graded], np.float64).reshape(-1, 2)
    known = [i for i in both if _agatston(one[i]) is not None and _agatston(two[i]) is not None]
    pairs = {i: (region_agatston(one[i]), region_agatston(two[i])) for i in known if scored_alike((one[i], two[i]))}
    scored = [i for i, pair in pairs.items() if None not in pair]
    scores = np.array([pairs[i] for i in scored], np.float64).reshape(-1, 2)
    a, b = (np.rint(grades[:, k]).astype(np.int64) for k in (0, 1))
    return Agreement(
        exam_ids=tuple(graded),
        grades=grades,
        confusion=confusion(a, b),
        linear=kappa_with_interval(a, b, "linear"),
        quadratic=kappa_with_interval(a, b, "quadratic"),
        raw=float((a == b).mean()) if len(a) else float("nan"),
        agatston_ids=tuple(scored),
        agatston=scores,
        icc=icc(scores),
        bland_altman=bland_altman(scores) if len(scores) >= 3 else None,
        seconds=(_median_seconds(one, graded), _median_seconds(two, graded)),
        left_out=len(known) - len(scored),
    )


def region_agatston(read: Read) -> float | None:
    """The region Agatston of a read; None where there is none, where it is of a box or withheld, or where no reader placed the centre."""
    return None if read.box is not None or scores_standing(read.findings).withheld else _agatston(read)


def scored_alike(reads: Iterable[Read]) -> bool:
    """Whether the scores differ by their readers alone: another series is another image, and another threshold another score."""
    return len({(r.series_uid, r.profile) for r in reads}) <= 1


def _agatston(read: Read) -> float | None:
    value = (read.results.get("calcium") or {}).get("agatston")
    return None if value is None or read.centre_proposed else float(value)


def _median_seconds(reads: Mapping[int, Read], graded: Sequence[int]) -> float:
    known = [s for i in graded if (s := reads[i].seconds_to_grade) is not None]
    return float(np.median(known)) if known else float("nan")


def confusion(a: NDArray[np.int64], b: NDArray[np.int64]) -> NDArray[np.int64]:
    """[4, 4] counts of grades 0 to 3: rows of ``a``, columns of ``b``."""
    table = np.zeros((GRADES, GRADES), np.int64)
    np.add.at(table, (a, b), 1)
    return table


def weighted_kappa(table: NDArray[np.int64], weights: Weights) -> float:
    """Cohen's weighted kappa of a confusion matrix: 1 - observed / expected weighted disagreement.

    NaN where there is nothing to agree on: no exams, or both readers gave one and the same grade throughout.

    Args:
        table: counts [first reader's grade, second's]. weights: linear or quadratic.
    """
    i, j = np.indices(table.shape)
    distance = np.abs(i - j) if weights == "linear" else (i - j) ** 2
    n = table.sum()
    if n == 0:
        return float("nan")
    expected = np.outer(table.sum(axis=1), table.sum(axis=0)) / n
    by_chance = float((distance * expected).sum())
    return float("nan") if by_chance == 0 else 1 - float((distance * table).sum()) / by_chance


def kappa_with_interval(
    a: NDArray[np.int64], b: NDArray[np.int64], weights: Weights, *, resamples: int = _RESAMPLES, seed: int = _SEED
) -> Estimate:
    """Weighted kappa with the percentile bootstrap's 95 % interval, exams resampled, always from the same seed.

    Args:
        a, b: grades [n] of the two readers, 0 to 3. weights: linear or quadratic.
        resamples: how many. seed: of the resampling.
    """
    value = weighted_kappa(confusion(a, b), weights)
    if len(a) < 3 or np.isnan(value):
        return Estimate(value, float("nan"), float("nan"))
    rng = np.random.default_rng(seed)
    drawn = rng.integers(0, len(a), (resamples, len(a)))
    kappas = [weighted_kappa(confusion(a[rows], b[rows]), weights) for rows in drawn]
    # A resample in which everybody gives one grade has no kappa and says nothing.
    low, high = np.nanpercentile(kappas, [2.5, 97.5])
    return Estimate(value, float(low), float(high))


def icc(scores: NDArray[np.float64]) -> Estimate:
    """ICC(2,1): two-way random effects, absolute agreement, single measurement.

    Args:
        scores: [exams, readers].

    Returns:
        The coefficient and its 95 % interval (McGraw & Wong, table 7); NaN with fewer than three exams or two readers,
        or where the exams do not differ.
    """
    from scipy.stats import f as f_distribution

    n, k = scores.shape
    nothing = Estimate(float("nan"), float("nan"), float("nan"))
    if n < 3 or k < 2:
        return nothing
    total = scores.mean()
    rows = k * float(((scores.mean(axis=1) - total) ** 2).sum()) / (n - 1)
    columns = n * float(((scores.mean(axis=0) - total) ** 2).sum()) / (k - 1)
    residual = scores - scores.mean(axis=1, keepdims=True) - scores.mean(axis=0, keepdims=True) + total
    error = float((residual**2).sum()) / ((n - 1) * (k - 1))
    below = rows + (k - 1) * error + k * (columns - error) / n
    if below <= 0 or rows == 0:
        return nothing
    value = (rows - error) / below
    if error == 0 and columns == 0:
        return Estimate(value, 1.0, 1.0)
    a = k * value / (n * (1 - value)) if value < 1 else float("inf")
    b = 1 + k * value * (n - 1) / (n * (1 - value)) if value < 1 else float("inf")
    if not np.isfinite(a):
        return Estimate(value, value, value)
    spread = (a * columns) ** 2 / (k - 1) + (b * error) ** 2 / ((n - 1) * (k - 1))
    freedom = (a * columns + b * error) ** 2 / spread
    f_low = f_distribution.ppf(0.975, n - 1, freedom)
    f_high = f_distribution.ppf(0.975, freedom, n - 1)
    common = k * columns + (k * n - k - n) * error
    low = n * (rows - f_low * error) / (f_low * common + n * rows)
    high = n * (f_high * rows - error) / (common + n * f_high * rows)
    return Estimate(value, float(low), float(high))


def bland_altman(scores: NDArray[np.float64]) -> BlandAltman:
    """Bias and limits of agreement of two columns, second minus first, with t-based intervals.

    Args:
        scores: [n, 2].

    Raises:
        InputError: fewer than three pairs.
    """
    from scipy.stats import t

    n = len(scores)
    if n < 3:
        raise InputError("too_few", tr("Bland-Altman needs at least three exams that both readers scored."))
    difference = scores[:, 1] - scores[:, 0]
    bias, sd = float(difference.mean()), float(difference.std(ddof=1))
    quantile = float(t.ppf(0.975, n - 1))
    of_bias = quantile * sd / np.sqrt(n)
    of_limit = quantile * sd * np.sqrt(1 / n + 1.96**2 / (2 * (n - 1)))

    def around(value: float, half: float) -> Estimate:
        return Estimate(value, value - half, value + half)

    return BlandAltman(around(bias, of_bias), around(bias - 1.96 * sd, of_limit), around(bias + 1.96 * sd, of_limit))


def mean_read(reads: Sequence[Read], reader_id: int) -> Read:
    """The consensus of several reads of one exam: mean grade, mean centre; numbers are computed anew.

    Raises:
        InputError: fewer than two of them are graded, or they are of different series.
    """
    graded = [r for r in reads if r.grade is not None]
    _require_one_series(graded)
    grade = float(np.mean([r.grade for r in graded]))
    return _consensus(graded, grade, reader_id, MEAN)


def adjudicated_read(reads: Sequence[Read], grade: float, reader_id: int) -> Read:
    """The consensus whose grade somebody decided; raises InputError as `mean_read`."""
    # The middle between voxels of two series is a place in neither.
    _require_one_series(reads)
    return _consensus(reads, grade, reader_id, ADJUDICATED)


def _require_one_series(reads: Sequence[Read]) -> None:
    if len(reads) < 2 or len({r.series_uid for r in reads}) != 1:
        raise InputError("consensus", tr("A consensus needs at least two graded reads of the same series."))


def is_adjudicated(read: Read) -> bool:
    """Whether somebody decided this consensus' grade; a mean must not take its place."""
    return read.versions.get(_HOW) == ADJUDICATED


def _consensus(reads: Sequence[Read], grade: float, reader_id: int, how: str) -> Read:
    first = reads[0]
    centres = [r.centre for r in reads if r.centre is not None]
    centre: Voxel | None = None
    if centres:
        x, y, z = np.rint(np.mean(centres, axis=0)).astype(int)
        centre = (int(x), int(y), int(z))
    blank = Read(first.exam_id, reader_id, first.series_uid)
    # A lesion that any of them took out is no coronary calcium by that reader; only what all took out stays out.
    excluded = frozenset.intersection(*(r.excluded for r in reads))
    return replace(
        blank,
        list_id=first.list_id,
        content_sha256=first.content_sha256,
        centre=centre,
        grade=grade,
        excluded=excluded,
        versions={_HOW: how},
        started_at=min((r.started_at for r in reads), default=""),
        graded_at=max((r.graded_at for r in reads), default=""),
    )
