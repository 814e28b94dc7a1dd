"""Agreement of several readers against published worked examples, and what counts as comparable."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from hyrisk_desktop.findings import Finding, Severity
from hyrisk_desktop.worklist.agreement import icc
from hyrisk_desktop.worklist.agreement_many import (
    QUANTITIES,
    _distinct,
    _Interval,
    _Ordinal,
    _pairable,
    _weights,
    alpha_with_interval,
    chosen_reads,
    compare_many,
    fleiss_kappa,
    fleiss_with_interval,
    krippendorff_alpha,
)
from hyrisk_desktop.worklist.records import Read

FLEISS_1971 = """
00060 03003 01401 00006 03030 20400 00402 20310 20040 00006 10050 11040 03300 10050 02031 00501 30012 51000 02040 10203
00006 01050 02013 20040 10041 05010 40002 02040 10500 00006
"""
"""Table 1 of Fleiss, Psychol Bull 1971: 30 patients, 6 psychiatrists, 5 diagnoses; one digit for how many gave each."""

_ = math.nan
KRIPPENDORFF_2011 = [
    [1, 2, 3, 3, 2, 1, 4, 1, 2, _, _, _],
    [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, _, 3],
    [_, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, _],
    [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, _],
]
"""Section C of Krippendorff, Computing Krippendorff's Alpha-Reliability, 2011: 4 observers, 12 units, missing values."""

SHROUT_FLEISS_1979 = [[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7]]
"""Table 2 of Shrout & Fleiss, Psychol Bull 1979: 6 targets, 4 judges."""


def test_fleiss_kappa_of_1971() -> None:
    counts = np.array([[int(digit) for digit in row] for row in FLEISS_1971.split()], float)
    assert counts.sum(axis=0).tolist() == [26, 26, 30, 55, 43]
    assert fleiss_kappa(counts) == pytest.approx(0.430, abs=5e-4)


def test_krippendorff_alpha_of_2011() -> None:
    table = np.array(KRIPPENDORFF_2011).T
    assert krippendorff_alpha(table, ordinal=True) == pytest.approx(0.815, abs=5e-4)
    assert krippendorff_alpha(table, ordinal=False) == pytest.approx(0.849, abs=5e-4)


def test_icc_of_1979() -> None:
    assert icc(np.array(SHROUT_FLEISS_1979, float)).value == pytest.approx(0.29, abs=5e-3)


def test_what_the_statistics_say_at_their_ends() -> None:
    same = np.array([[0, 0, 0], [1, 1, 1], [3, 3, 3], [2, 2, 2]])
    assert fleiss_with_interval(same).value == pytest.approx(1.0)
    assert alpha_with_interval(same.astype(float), ordinal=True).value == 1.0
    flat = np.ones((5, 3), int)
    assert math.isnan(fleiss_with_interval(flat).value)
    assert math.isnan(alpha_with_interval(flat.astype(float), ordinal=True).value)
    assert math.isnan(alpha_with_interval(np.full((4, 3), math.nan), ordinal=False).value)
    assert math.isnan(fleiss_kappa(np.zeros((0, 4))))
    alone = np.array([[1.0, math.nan], [math.nan, 2.0]])
    assert math.isnan(krippendorff_alpha(alone, ordinal=True))
    two = alpha_with_interval(np.array([[0.0, 1.0], [2.0, 2.0]]), ordinal=True)
    assert not math.isnan(two.value)
    assert math.isnan(two.low), "no interval from two exams"


def test_a_large_score_costs_no_digits() -> None:
    table = np.array([[1.0, 2.0, 1.5], [7.0, 9.0, 8.0], [3.0, 3.5, 4.0], [0.0, 0.0, 1.0]])
    assert krippendorff_alpha(table + 1e9, ordinal=False) == pytest.approx(
        krippendorff_alpha(table, ordinal=False), abs=1e-6
    )


def test_intervals_hold_the_value_and_are_the_same_every_day() -> None:
    rng = np.random.default_rng(1)
    truth = rng.integers(0, 4, 60)
    grades = np.clip(truth[:, None] + rng.integers(-1, 2, (60, 3)) * (rng.random((60, 3)) < 0.4), 0, 3)
    for one, two in (
        (fleiss_with_interval(grades), fleiss_with_interval(grades)),
        (
            alpha_with_interval(grades.astype(float), ordinal=True),
            alpha_with_interval(grades.astype(float), ordinal=True),
        ),
    ):
        assert one == two
        assert one.low < one.value < one.high
        assert 0.1 < one.high - one.low < 0.5


def test_the_bootstrap_draws_exams_as_drawing_their_rows_does() -> None:
    """Weights stand for repeated rows, and rows that are there twice are drawn twice as often."""
    table = np.array(KRIPPENDORFF_2011).T
    rows, times = _distinct(_pairable(table))
    assert (len(rows), times.sum()) == (9, 11)
    weights = np.array([[0, 2, 1, 0, 3, 1, 1, 0, 2]], float)
    drawn = np.repeat(rows, weights[0].astype(int), axis=0)
    for parts, ordinal in ((_Ordinal(rows), True), (_Interval(rows), False)):
        assert parts.alphas(weights)[0] == pytest.approx(krippendorff_alpha(drawn, ordinal=ordinal))
    samples = np.concatenate(_weights(np.array([1.0, 3.0, 6.0]), 2000))
    assert (samples.sum(axis=1) == 10).all()
    assert samples.mean(axis=0) == pytest.approx([1, 3, 6], abs=0.15)


@pytest.mark.parametrize(("rows", "samples"), [(2000, 2000), (2001, 1999), (30_000, 200)])
def test_many_different_exams_are_drawn_less_often(rows: int, samples: int) -> None:
    assert sum(len(w) for w in _weights(np.ones(rows), 2000)) == samples


def read(exam_id: int, reader_id: int, grade: float | None, region: float | None = None, **changes: Any) -> Read:
    results = {"calcium": None if region is None else {"agatston": region}}
    return replace(Read(exam_id, reader_id, "1", centre=(1, 2, 3), grade=grade, results=results), **changes)


def heart(total: float, **vessels: float) -> dict[str, Any]:
    rows = [{"vessel": name, "agatston": score} for name, score in vessels.items()]
    return {"whole_heart": {"agatston": total, "vessels": rows}}


def by_exam(*reads: Read) -> dict[int, Read]:
    return {r.exam_id: r for r in reads}


def test_who_graded_what_decides_which_exams_count() -> None:
    one = by_exam(read(1, 1, 0), read(2, 1, 1), read(3, 1, 2), read(4, 1, 3))
    two = by_exam(read(1, 2, 0), read(2, 2, 1), read(3, 2, None))
    three = by_exam(read(1, 3, 0), read(2, 3, 2), read(5, 3, 1))
    found = compare_many([one, two, three])
    assert (found.readers, found.complete, found.compared) == (3, 2, 2)
    assert found.raw == 0.5
    assert compare_many([one, by_exam(read(3, 2, 1)), three]).compared == 3


def test_a_box_another_profile_and_a_proposed_centre_are_not_compared() -> None:
    one = by_exam(*(read(n, 1, 1, 10.0 * n) for n in range(1, 7)))
    two = by_exam(
        read(1, 2, 1, 11.0), read(2, 2, 1, 22.0), read(3, 2, 1, 33.0), read(4, 2, 1, 9.0, box=((0, 0, 0), (1, 1, 1))),
        read(5, 2, 1, 9.0, profile="mass"), read(6, 2, None, 9.0, centre_proposed=True),
    )  # fmt: skip
    found = compare_many([one, two])
    assert (found.scores["region"].complete, found.scores["region"].compared, found.left_out) == (3, 3, 1)
    assert found.scores["region"].icc.value > 0.9


def test_scores_are_compared_of_one_series_by_one_profile_and_where_they_are_not_withheld() -> None:
    contrast = (Finding("contrast", Severity.UNFIT, "Contrast agent."),)

    def reads(reader: int, **changes: dict[str, Any]) -> dict[int, Read]:
        results = {"calcium": {"agatston": 5.0}} | heart(9.0, LAD=4.0)
        names = ("alike", "profile", "series", "withheld")
        return by_exam(*(read(n, reader, 1, results=results, **changes.get(k, {})) for n, k in enumerate(names)))

    other = {"profile": {"profile": "mass"}, "series": {"series_uid": "2"}, "withheld": {"findings": contrast}}
    for several in ([reads(1), reads(2, **other)], [reads(1, **other), reads(2)]):
        found = compare_many(several)
        assert [found.scores[q].compared for q in ("region", "whole_heart", "LAD")] == [1, 1, 1]
        assert (found.left_out, found.compared) == (3, 4)
    three = compare_many([reads(1), reads(2, withheld={"findings": contrast}), reads(3)])
    assert [three.scores[q].compared for q in ("region", "LAD")] == [4, 4], "the other two have it"
    assert [three.scores[q].complete for q in ("region", "LAD")] == [3, 3]
    assert three.left_out == 0


def test_each_vessel_is_compared_by_itself() -> None:
    totals = ((100.0, 40.0), (10.0, 4.0), (0.0, 0.0), (55.0, 30.0))
    one = by_exam(*(read(n, 1, 1, results=heart(t, LAD=lad, RCA=t - lad)) for n, (t, lad) in enumerate(totals)))
    two = by_exam(*(read(n, 2, 1, results=heart(t, LAD=lad, RCA=0.0)) for n, (t, lad) in enumerate(totals)))
    found = compare_many([one, two])
    assert tuple(found.scores) == QUANTITIES
    assert found.scores["LAD"].icc.value == pytest.approx(1.0)
    assert found.scores["whole_heart"].alpha.value == pytest.approx(1.0)
    assert found.scores["RCA"].icc.value < 0.5
    assert (found.scores["LM"].compared, found.scores["LCX"].complete) == (0, 0)
    proposed = {i: replace(r, grade=None, centre_proposed=True) for i, r in two.items()}
    assert compare_many([one, proposed]).scores["LAD"].compared == 0


def test_open_reads_stand_in_for_blinded_ones_only_where_that_is_wanted() -> None:
    reads = [read(1, 1, 0, blinded=True), read(1, 1, 3), read(2, 1, 2), read(3, 2, 1)]
    assert {i: r.grade for i, r in chosen_reads(reads, 1, blinded=True).items()} == {1: 0}
    assert {i: r.grade for i, r in chosen_reads(reads, 1, blinded=True, mixed=True).items()} == {1: 0, 2: 2}
    assert {i: r.grade for i, r in chosen_reads(reads, 1, blinded=False).items()} == {1: 3, 2: 2}


def test_nothing_to_compare_is_said() -> None:
    assert "at least two readers" in compare_many([]).why_empty
    assert "at least two readers" in compare_many([by_exam(read(1, 1, 1))]).why_empty
    assert "no exam" in compare_many([by_exam(read(1, 1, 1)), by_exam(read(2, 2, 1))]).why_empty
    assert compare_many([by_exam(read(1, 1, 1)), by_exam(read(1, 2, 1))]).why_empty == ""
