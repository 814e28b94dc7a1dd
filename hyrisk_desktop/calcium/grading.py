"""The reader's 0-3 visual grade of coronary artery calcification: words, range, and whether it fits the score."""

from __future__ import annotations

import math

from hyrisk_desktop.errors import InputError
from hyrisk_desktop.findings import Finding, Severity
from hyrisk_desktop.i18n import tr

GRADES = (0, 1, 2, 3)


def grade_word(grade: int) -> str:
    """none, minimal, moderate or severe."""
    return (tr("none"), tr("minimal"), tr("moderate"), tr("severe"))[grade]


def check_grade(grade: float) -> float:
    """``grade`` if it lies in 0..3 (fractions are means of readers); raises InputError otherwise."""
    if not math.isfinite(grade) or not 0 <= grade <= 3:
        raise InputError("grade_range", tr("The grade must lie between 0 and 3."))
    return float(grade)


def consistency_findings(grade: float | None, agatston: float, *, drawn: bool = False) -> tuple[Finding, ...]:
    """Say aloud where grade and region Agatston disagree.

    The region sees five slices and the grade the whole heart, so only the clear contradictions are named:
    a grade of "none" with measured calcium above the minimal category, and a "moderate" or "severe" one with none at
    all. "Minimal" is no contradiction: readers see faint spots that do not reach 130 HU.
    """
    if grade is None:
        return ()
    name = tr("whole-heart box") if drawn else tr("region")
    if grade < 0.5 and agatston > 10:
        message = tr(
            "Grade {grade:g}, but the {name} Agatston is {agatston:.0f}: check the grade, or exclude what is not coronary.",
            grade=grade,
            name=name,
            agatston=agatston,
        )
    elif grade >= 1.5 and agatston == 0:
        message = tr(
            "Grade {grade:g}, but the {name} Agatston is 0: the calcium may lie outside it; check the centre.",
            grade=grade,
            name=name,
        )
    else:
        return ()
    return (Finding("grade_disagrees", Severity.WARNING, message),)
