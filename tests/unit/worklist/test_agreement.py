"""Agreement statistics against published examples and an independent implementation."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np
import pytest
from scipy.stats import f
from sklearn.metrics import cohen_kappa_score

from hyrisk_desktop.errors import InputError
from hyrisk_desktop.findings import Finding, Severity
from hyrisk_desktop.worklist.agreement import (
    adjudicated_read,
    bland_altman,
    compare,
    confusion,
    icc,
    is_adjudicated,
    kappa_with_interval,
    mean_read,
    weighted_kappa,
)
from hyrisk_desktop.worklist.records import Read

# Shrout & Fleiss 1979, table 2: six targets, four judges.
SHROUT = np.array([[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7]], np.float64)


def read(exam: int, grade: float | None, agatston: float | None = None, **changes: Any) -> Read:
    results = {} if agatston is None else {"calcium": {"agatston": agatston}}
    known = {"reader_id": 1, "series_uid": "1.2", "results": results}
    return Read(exam, grade=grade, **(known | changes))


@pytest.mark.parametrize("weights", ["linear", "quadratic"])
@pytest.mark.parametrize("seed", range(4))
def test_kappa_agrees_with_scikit_learn(weights: str, seed: int) -> None:
    rng = np.random.default_rng(seed)
    a = rng.integers(0, 4, 60)
    b = np.clip(a + rng.integers(-1, 2, 60), 0, 3)
    expected = cohen_kappa_score(a, b, weights=weights, labels=[0, 1, 2, 3])
    assert weighted_kappa(confusion(a, b), weights) == pytest.approx(expected, abs=1e-12)
    estimate = kappa_with_interval(a, b, weights)
    assert estimate.low < estimate.value < estimate.high
    assert kappa_with_interval(a, b, weights) == estimate, "the interval is the same every time"


def test_the_interval_covers_a_known_kappa_about_as_often_as_it_says() -> None:
    """Readers drawn from a model whose quadratic kappa is known from a very large draw."""
    rng = np.random.default_rng(5)

    def draw(n: int) -> tuple[np.ndarray, np.ndarray]:
        truth = rng.normal(size=n)
        return tuple(np.digitize(truth + 0.5 * rng.normal(size=n), (-0.7, 0.2, 1.0)) for _ in range(2))  # type: ignore[return-value]

    known = weighted_kappa(confusion(*draw(400_000)), "quadratic")
    hits = 0
    for _ in range(120):
        e = kappa_with_interval(*draw(100), "quadratic", resamples=300)
        hits += e.low <= known <= e.high
    assert 0.85 < hits / 120 <= 1


def test_icc_is_that_of_the_published_example() -> None:
    estimate = icc(SHROUT)
    assert estimate.value == pytest.approx(0.29, abs=0.005)
    assert (estimate.low, estimate.high) == (pytest.approx(0.02, abs=0.005), pytest.approx(0.76, abs=0.005))


def icc_apart(scores: np.ndarray) -> tuple[float, float, float]:
    """ICC(2,1) and its interval from the sums of squares of a two-way table, as in McGraw & Wong 1996, tables 4 and 7."""
    n, k = scores.shape
    grand = scores.sum() ** 2 / (n * k)
    between = sum(row.sum() ** 2 for row in scores) / k - grand
    judges = sum(column.sum() ** 2 for column in scores.T) / n - grand
    rest = (scores**2).sum() - grand - between - judges
    msr, msc, mse = between / (n - 1), judges / (k - 1), rest / ((n - 1) * (k - 1))
    value = (msr - mse) / (msr + (k - 1) * mse + k / n * (msc - mse))
    a, b = k * value / (n * (1 - value)), 1 + k * value * (n - 1) / (n * (1 - value))
    v = (a * msc + b * mse) ** 2 / ((a * msc) ** 2 / (k - 1) + (b * mse) ** 2 / ((n - 1) * (k - 1)))
    lower, upper = f.ppf(0.975, n - 1, v), f.ppf(0.975, v, n - 1)
    low = n * (msr - lower * mse) / (lower * (k * msc + (k * n - k - n) * mse) + n * msr)
    high = n * (upper * msr - mse) / (k * msc + (k * n - k - n) * mse + n * upper * msr)
    return value, low, high


@pytest.mark.parametrize("k", [2, 3])
def test_icc_is_that_of_the_sums_of_squares(k: int) -> None:
    rng = np.random.default_rng(k)
    scores = rng.gamma(1, 100, (9, 1)) + rng.normal(0, 30, (9, k)) + 25 * np.arange(k)
    found = icc(scores)
    assert (found.value, found.low, found.high) == pytest.approx(icc_apart(scores))
    assert icc(SHROUT).value == pytest.approx(icc_apart(SHROUT)[0])


@pytest.mark.parametrize("weights", ["linear", "quadratic"])
def test_kappas_interval_is_that_of_resamples_drawn_apart(weights: str) -> None:
    rng = np.random.default_rng(8)
    a = rng.integers(0, 4, 70)
    b = np.clip(a + rng.choice([-1, 0, 0, 0, 1, 2], 70), 0, 3)
    found = kappa_with_interval(a, b, weights)
    apart = np.abs(np.subtract.outer(np.arange(4), np.arange(4))) ** (1 if weights == "linear" else 2)
    kappas = []
    for drawn in rng.integers(0, 70, (1500, 70)):
        table = np.bincount(4 * a[drawn] + b[drawn], minlength=16).reshape(4, 4) / 70
        kappas.append(1 - (apart * table).sum() / (apart * np.outer(table.sum(1), table.sum(0))).sum())
    wanted = np.percentile(kappas, [2.5, 97.5])
    # An interval of 90 % would be narrower by 16 %.
    assert (found.low, found.high) == pytest.approx(tuple(wanted), abs=0.07 * (wanted[1] - wanted[0]))


def test_icc_at_its_ends() -> None:
    same = np.repeat(np.arange(5.0)[:, None], 2, axis=1)
    assert icc(same).value == 1
    assert icc(same + np.array([0.0, 3.0])).value < 1, "a constant difference is disagreement"
    assert math.isnan(icc(np.ones((5, 2))).value)
    assert math.isnan(icc(np.ones((2, 2))).value)


def test_bland_altman_by_hand() -> None:
    scores = np.array([[10.0, 12], [20, 21], [30, 36], [40, 43]])
    result = bland_altman(scores)
    differences = np.array([2, 1, 6, 3])
    sd = differences.std(ddof=1)
    assert result.bias.value == 3
    assert (result.lower.value, result.upper.value) == (pytest.approx(3 - 1.96 * sd), pytest.approx(3 + 1.96 * sd))
    assert result.bias.high - result.bias.value == pytest.approx(3.182446 * sd / 2, rel=1e-5)
    half = 3.182446 * sd * math.sqrt(1 / 4 + 1.96**2 / 6)
    for limit in (result.lower, result.upper):
        assert (limit.low, limit.high) == (pytest.approx(limit.value - half), pytest.approx(limit.value + half))
    assert (result.bias.low, result.bias.high) == (
        pytest.approx(3 - 3.182446 * sd / 2),
        pytest.approx(3 + 3.182446 * sd / 2),
    )
    with pytest.raises(InputError):
        bland_altman(scores[:2])
    assert bland_altman(scores[:3]).bias.value == 3


def test_fractions_of_grades_and_seconds_to_the_grade() -> None:
    first = [
        read(n, g, float(n), seconds_to_grade=s)
        for n, g, s in ((1, 1.6, 2.0), (2, 0.4, 4.0), (3, 2.4, 60.0), (4, None, 900.0))
    ]
    second = [
        read(n, g, float(n) + 1, seconds_to_grade=s)
        for n, g, s in ((1, 2.4, None), (2, 1.0, None), (3, 2.0, None), (4, 1.0, 5.0))
    ]
    result = compare(first, second)
    assert result.confusion[2, 2] == 2
    assert result.confusion[0, 1] == 1
    assert result.grades.tolist() == [[1.6, 2.4], [0.4, 1.0], [2.4, 2.0]]
    assert result.differing == (1, 2, 3), "0.8, 0.6 and 0.4"
    assert result.seconds[0] == 4.0, "the median of those that both graded"
    assert math.isnan(result.seconds[1])
    assert result.bland_altman is not None
    assert result.bland_altman.bias.value == 1
    assert compare(first[:2], second[:2]).bland_altman is None
    assert compare(first[:3], second[:3]).bland_altman is not None


def test_only_what_both_readers_read_counts() -> None:
    first = [read(1, 0.0, 5.0), read(2, 3.0, 900.0), read(3, None, 1.0), read(4, 2.0), read(5, 1.0, 7.0)]
    second = [read(5, 1.0, 8.0), read(1, 1.0, 5.0), read(2, 1.0, 100.0), read(3, 2.0, 2.0), read(9, 0.0)]
    result = compare(first, second)
    assert result.exam_ids == (1, 2, 5)
    assert result.confusion[3, 1] == result.confusion[0, 1] == result.confusion[1, 1] == 1
    assert result.differing == (2, 1), "the largest difference first"
    assert result.agatston_ids == (1, 2, 3, 5)
    assert result.raw == pytest.approx(1 / 3)
    assert result.bland_altman is not None


def test_nothing_in_common_is_no_error() -> None:
    result = compare([read(1, 1.0)], [read(2, 1.0)])
    assert result.exam_ids == ()
    assert math.isnan(result.linear.value)
    assert math.isnan(result.icc.value)
    assert result.bland_altman is None


def test_all_one_grade_has_no_kappa() -> None:
    same = np.zeros(10, np.int64)
    assert math.isnan(weighted_kappa(confusion(same, same), "linear"))
    assert math.isnan(kappa_with_interval(same, same, "linear").low)


def test_a_mean_consensus() -> None:
    reads = [
        read(1, 1.0, centre=(10, 20, 30), excluded=frozenset({(1, 1, 1), (2, 2, 2)})),
        read(1, 2.0, centre=(13, 20, 31), excluded=frozenset({(2, 2, 2)})),
        read(1, None),
    ]
    consensus = mean_read(reads, 9)
    assert (consensus.grade, consensus.centre, consensus.reader_id) == (1.5, (12, 20, 30), 9)
    assert consensus.excluded == {(2, 2, 2)}
    assert consensus.results == {}, "numbers are computed for the new centre, never averaged"
    with pytest.raises(InputError, match="at least two"):
        mean_read(reads[1:], 9)
    with pytest.raises(InputError, match="same series"):
        mean_read([reads[0], dataclasses.replace(reads[1], series_uid="1.3")], 9)


def test_a_consensus_began_with_the_first_and_ended_with_the_last_grade() -> None:
    reads = [
        read(1, 1.0, started_at="2026-01-02", graded_at="2026-01-09", list_id=4, content_sha256="a"),
        read(1, 3.0, started_at="2026-01-01", graded_at="2026-01-03", list_id=4, content_sha256="a"),
    ]
    mean = mean_read(reads, 9)
    assert (mean.started_at, mean.graded_at, mean.list_id, mean.content_sha256) == ("2026-01-01", "2026-01-09", 4, "a")
    assert (is_adjudicated(mean), is_adjudicated(adjudicated_read(reads, 3.0, 9))) == (False, True)
    assert mean.centre is None


def test_an_adjudicated_consensus_has_the_grade_decided() -> None:
    reads = [read(1, 1.0, centre=(10, 20, 30)), read(1, 3.0, centre=(10, 20, 30))]
    assert adjudicated_read(reads, 3.0, 9).grade == 3.0
    with pytest.raises(InputError, match="same series"):
        # The middle between voxels of two series lies in neither.
        adjudicated_read([reads[0], dataclasses.replace(reads[1], series_uid="1.3", centre=(200, 210, 80))], 3.0, 9)


def test_scores_that_are_not_alike_are_left_out_of_the_agatston_figures() -> None:
    box = ((0, 0, 0), (9, 9, 9))
    first = [read(1, 1, 10.0), read(2, 2, 900.0, box=box), read(3, 0, 30.0), read(4, 1, 44.0), read(5, 1)]
    second = [
        read(1, 1, 12.0),
        read(2, 2, 90.0),
        read(3, 0, 31.0, profile="sensitive"),
        read(4, 2, 40.0),
        read(5, 1, 7.0),
    ]
    agreement = compare(first, second)
    assert agreement.agatston_ids == (1, 4)
    assert agreement.agatston.tolist() == [[10.0, 12.0], [44.0, 40.0]]
    assert agreement.left_out == 2
    turned = compare(second, first)
    assert (turned.agatston_ids, turned.left_out) == ((1, 4), 2), "a box of either reader"
    assert agreement.exam_ids == (1, 2, 3, 4, 5), "grades are compared all the same"


@pytest.mark.parametrize(
    "change", [{"series_uid": "1.3"}, {"findings": (Finding("bone_counted", Severity.WARNING, "Bone is counted."),)}]
)
def test_neither_another_series_nor_a_withheld_score_says_anything_of_the_readers(change: dict[str, Any]) -> None:
    noisy = (Finding("noise", Severity.WARNING, "Noisy."),)
    first = [read(1, 1, 10.0), read(2, 2, 20.0), read(3, 1, 30.0, findings=noisy)]
    second = [read(1, 1, 12.0), read(2, 1, 52025.0, **change), read(3, 1, 31.0)]
    for agreement in (compare(first, second), compare(second, first)):
        assert (agreement.agatston_ids, agreement.left_out) == ((1, 3), 1)
        assert agreement.exam_ids == (1, 2, 3)


def test_scores_that_are_withheld_are_left_out_as_well() -> None:
    contrast = (Finding("contrast", Severity.UNFIT, "Contrast agent."),)
    risk_alone = (Finding("unlike_training", Severity.WARNING, "Unlike."),)
    first = [read(1, 1, 10.0), read(2, 2, 900.0, findings=contrast), read(3, 0, 30.0, findings=risk_alone)]
    second = [read(1, 1, 12.0), read(2, 2, 905.0), read(3, 0, 31.0)]
    agreement = compare(first, second)
    assert (agreement.agatston_ids, agreement.left_out) == ((1, 3), 1)
    assert compare(second, first).agatston_ids == (1, 3)
    assert agreement.exam_ids == (1, 2, 3)
