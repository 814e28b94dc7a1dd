"""What a grade or an Agatston score is before the network sees it."""

from __future__ import annotations

import math

import pytest

from hyrisk_desktop.risk.score_input import ScoreInput


@pytest.mark.parametrize(("grade", "value"), [(0, -1), (1, -1 / 3), (1.5, 0), (2, 1 / 3), (3, 1)])
def test_a_grade_lies_evenly_between_the_ends(grade: float, value: float) -> None:
    assert ScoreInput().value(grade) == pytest.approx(value, abs=1e-15)


def test_an_agatston_score_lies_on_a_logarithmic_scale_that_ends() -> None:
    rule = ScoreInput("agatston", 999.0)
    assert rule.value(0) == -1
    assert rule.value(9) == pytest.approx(2 * math.log(10) / math.log(1000) - 1)
    assert rule.value(99) == pytest.approx(1 / 3)
    assert rule.value(998) < rule.value(999) == pytest.approx(1)
    assert rule.value(1e6) == 1


@pytest.mark.parametrize(
    ("kind", "highest"), [("volume", 1.0), ("agatston", 0.0), ("agatston", -1.0), ("agatston", math.nan)]
)
def test_a_rule_that_cannot_be_used_is_refused(kind: str, highest: float) -> None:
    with pytest.raises(ValueError):
        ScoreInput(kind, highest)
