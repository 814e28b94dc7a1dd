"""Which cases has a model learned from already? What it then says of them is not held out, however the folds are cut.

A bundle keeps a mark of every exam that it was trained on: the first half of the SHA-256 of its files' hashes. A mark
tells an exam again and nothing about it; it is no hash of anybody's number or name.
"""

from __future__ import annotations

from hyrisk_desktop.i18n import trn
from hyrisk_desktop.risk.bundle import ModelBundle
from model_training.dataset import CohortData

MARKS = "case_marks"
_LENGTH = 32


def case_marks(data: CohortData, start: ModelBundle | None = None) -> list[str]:
    """Sorted marks of ``data``'s exams, and of those that ``start`` had learned from before."""
    return sorted({digest[:_LENGTH] for digest in data.exams} | _marks(start))


def cases_seen(bundle: ModelBundle | None, data: CohortData) -> int:
    """How many of ``data``'s cases ``bundle``, or a model that it began as, was trained on; 0 where none is known."""
    if bundle is None:
        return 0
    if data.sha256 in {bundle.training.get("cohort_sha256"), *bundle.training.get("earlier_cohorts", ())}:
        return len(data)
    marks = _marks(bundle)
    return sum(digest[:_LENGTH] in marks for digest in data.exams)


def start_warning(start: ModelBundle | None, data: CohortData) -> str:
    """What must stand above results whose network began as a model that knows some of the cases; "" where none does."""
    seen = cases_seen(start, data)
    if start is None or not seen:
        return ""
    return trn(
        "{n} of these {all} exams has trained the starting model “{name}” before: the results here are not held out, and look better than they are. Start from other weights for results that hold.",
        "{n} of these {all} exams have trained the starting model “{name}” before: the results here are not held out, and look better than they are. Start from other weights for results that hold.",
        seen,
        all=len(data),
        name=start.name,
    )


def _marks(bundle: ModelBundle | None) -> set[str]:
    found = bundle.training.get(MARKS, ()) if bundle is not None else ()
    return {mark for mark in found if isinstance(mark, str)}
