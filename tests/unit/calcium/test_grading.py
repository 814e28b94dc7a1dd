from __future__ import annotations

import pytest

from hyrisk_desktop.calcium.grading import check_grade, consistency_findings, grade_word
from hyrisk_desktop.errors import InputError


@pytest.mark.parametrize("grade", [-0.001, 3.001, float("nan"), float("inf")])
def test_grades_outside_the_range_are_refused(grade: float) -> None:
    with pytest.raises(InputError):
        check_grade(grade)


def test_words() -> None:
    assert [grade_word(g) for g in range(4)] == ["none", "minimal", "moderate", "severe"]
    assert [check_grade(grade) for grade in (0, 1.5, 3)] == [0, 1.5, 3]


@pytest.mark.parametrize(
    ("grade", "agatston", "said"),
    [
        (None, 500, False),
        (0, 0, False),
        (0, 10, False),
        (0, 212, True),
        (1, 212, False),
        (3, 0, True),
        (3, 50, False),
        (0, 10.01, True),
        (0.49, 11, True),
        (0.5, 11, False),
        (1.5, 0, True),
        (1.49, 0, False),
        (2, 0, True),
        (2, 0.1, False),
        (1, 0, False),
    ],
)
def test_contradictions_are_said_aloud(grade: float | None, agatston: float, said: bool) -> None:
    findings = consistency_findings(grade, agatston)
    assert bool(findings) is said
    if grade == 0 and agatston == 212:
        assert "Grade 0, but the region Agatston is 212" in findings[0].message
