"""Does the outcome go with the kernel, the scanner, the voxels or the date? Then a network may learn these instead of the patient."""

from __future__ import annotations

import contextlib
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import date

import numpy as np
from numpy.typing import NDArray
from scipy.stats import chi2_contingency, mannwhitneyu

from hyrisk_desktop.i18n import tr

KINDS = ("kernel", "manufacturer", "manufacturer_model", "model", "scanner", "station", "site", "kvp")
DATES = ("date", "study_date", "scan_date")
NUMBERS = ("pixel_mm", "pixel_spacing", "increment_mm", "slice_thickness", "thickness_mm")
TIED_P = 1e-3
"""Below this probability of chance a column is called tied: of a dozen columns of chance hardly one will be."""
FEWEST = 20
"""Fewer cases say nothing of it."""
_ORDERS = (("year", "month", "day"), ("day", "month", "year"), ("month", "day", "year"))
_DATE = {
    True: re.compile(r"(\d{4})(?:\D(?=\d{1,2}\D)|(?=\d{4}))(\d{1,2})\D?(\d{1,2})", re.ASCII),
    False: re.compile(r"(\d{1,2})\D(\d{1,2})\D(\d{4})(?!\d)", re.ASCII),
}
"""Whether the year stands first: DICOM's and ISO's days, and those with a point or stroke between their parts."""
_RARE = 5
"""Values with fewer cases count as one."""


def chance_of_kinds(values: Sequence[str], outcome: NDArray[np.int64]) -> float:
    """Probability that ``values`` [n] differ this much between ``outcome`` [n] 0 and 1 by chance (chi-squared; 1 for one value)."""
    counts = Counter(values)
    kinds = [value if counts[value] >= _RARE else "" for value in values]
    names = sorted(set(kinds))
    table = np.array(
        [[sum(k == n and o == v for k, o in zip(kinds, outcome, strict=True)) for n in names] for v in (0, 1)]
    )
    if len(names) < 2 or not table.sum(axis=1).all():
        return 1.0
    return float(chi2_contingency(table).pvalue)


def chance_of_dates(values: Sequence[str], outcome: NDArray[np.int64]) -> float:
    """The same for those of ``values`` [n] that are dates, by their order, and ``outcome`` [n] (Mann-Whitney); 1 where too few are.

    Some exams without a date, as de-identified ones are, must not hide what the others tell.
    """
    found = [_days(values, order) for order in _ORDERS]
    # Where 01/02/2020 can't be told from itself, all are read in the one order that most of them allow.
    days = max(found, key=lambda read: np.isfinite(read).sum())
    return _chance_of_order(days, outcome)


def chance_of_numbers(values: Sequence[str], outcome: NDArray[np.int64]) -> float:
    """The same for those of ``values`` [n] that are numbers, by their order, and ``outcome`` [n]; 1 where too few are."""
    return _chance_of_order(np.array([_number(value) for value in values]), outcome)


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return np.nan


def _chance_of_order(values: NDArray[np.float64], outcome: NDArray[np.int64]) -> float:
    """Mann and Whitney's, of those of ``values`` [n] that are finite, between ``outcome`` [n] 0 and 1."""
    known = np.isfinite(values)
    first, second = values[known & (outcome == 0)], values[known & (outcome == 1)]
    if known.sum() < FEWEST or not len(first) or not len(second) or len(set(values[known].tolist())) < 2:
        return 1.0
    return float(mannwhitneyu(first, second).pvalue)


def _days(values: Sequence[str], order: tuple[str, str, str]) -> NDArray[np.float64]:
    """Days by the calendar [n] of texts that begin with a date whose parts stand in this ``order``, NaN for others."""
    found = np.full(len(values), np.nan)
    for i, value in enumerate(values):
        match = _DATE[order[0] == "year"].match(value.strip())
        if match is None:
            continue
        parts = {name: int(text) for name, text in zip(order, match.groups(), strict=True)}
        with contextlib.suppress(ValueError):
            found[i] = date(**parts).toordinal()
    return found


def tied(columns: Mapping[str, Sequence[str]], outcome: NDArray[np.int64]) -> Iterator[tuple[str, str]]:
    """Columns that the outcome goes with, and a sentence of each.

    Args:
        columns: [n] texts by the column's name; those of `KINDS`, `NUMBERS` and `DATES` are looked at. outcome: [n].
    """
    if len(outcome) < FEWEST:
        return
    tests = (
        dict.fromkeys(KINDS, chance_of_kinds)
        | dict.fromkeys(NUMBERS, chance_of_numbers)
        | dict.fromkeys(DATES, chance_of_dates)
    )
    for name, values in columns.items():
        if name not in tests:
            continue
        p = tests[name](values, outcome)
        if p < TIED_P:
            text = tr(
                "the outcome goes with this column (p = {p:.0e}): a network may learn it instead of the patient. Match or balance the "
                "cohort.",
                p=p,
            )
            yield name, text
