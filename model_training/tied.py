"""Does the outcome go with the kernel, the scanner or the date? Then a network may learn these instead of the patient."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.stats import chi2_contingency, mannwhitneyu

from hyrisk_desktop.i18n import tr

KINDS = ("kernel", "manufacturer", "manufacturer_model", "model", "scanner", "station", "site", "kvp")
DATES = ("date", "study_date", "scan_date")
TIED_P = 1e-3
"""Below this probability of chance a column is called tied: of a dozen columns of chance hardly one will be."""
FEWEST = 20
"""Fewer cases say nothing of it."""
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
    """The same for ``values`` [n] that are dates, by their order, and ``outcome`` [n] (Mann-Whitney); 1 where they are no dates."""
    digits = [re.sub(r"\D", "", value)[:8] for value in values]
    if not all(len(d) == 8 for d in digits):
        return 1.0
    days = np.array([int(d) for d in digits])
    first, second = days[outcome == 0], days[outcome == 1]
    if not len(first) or not len(second) or len(set(digits)) < 2:
        return 1.0
    return float(mannwhitneyu(first, second).pvalue)


def tied(columns: Mapping[str, Sequence[str]], outcome: NDArray[np.int64]) -> Iterator[tuple[str, str]]:
    """Columns that the outcome goes with, and a sentence of each.

    Args:
        columns: [n] texts by the column's name; those of `KINDS` and `DATES` are looked at. outcome: [n].
    """
    if len(outcome) < FEWEST:
        return
    for name, values in columns.items():
        if name not in (*KINDS, *DATES):
            continue
        p = (chance_of_dates if name in DATES else chance_of_kinds)(values, outcome)
        if p < TIED_P:
            text = tr(
                "the outcome goes with this column (p = {p:.0e}): a network may learn it instead of the patient. Match or balance the "
                "cohort.",
                p=p,
            )
            yield name, text
