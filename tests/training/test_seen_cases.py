"""A model that has learned from some of the cases is told from one that has not."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from hyrisk_desktop.risk.bundle import ModelBundle
from hyrisk_desktop.risk.preprocessing import Preprocessing
from model_training.dataset import CohortData, load_cohort
from model_training.seen_cases import MARKS, case_marks, cases_seen, start_warning


@pytest.fixture
def data(cohort: Path, cache: Path) -> CohortData:
    return load_cohort(cohort, cache)


def bundle(**training: object) -> ModelBundle:
    return ModelBundle("A model", 18, Preprocessing(), demonstration=True, training=dict(training))


def part(data: CohortData, n: int) -> CohortData:
    """The first ``n`` cases, regraded: another cohort by its hash, and the same exams."""
    some = np.arange(n)
    columns = {name: getattr(data, name)[some] for name in ("patches", "outcome", "agatston", "expected_risk")}
    lists = {name: getattr(data, name)[:n] for name in ("patient", "exams")}
    return replace(data, grade=3.0 - data.grade[some], **columns, **lists)


def test_a_cohort_that_has_grown_is_recognised_case_by_case(data: CohortData) -> None:
    earlier = bundle(**{MARKS: case_marks(part(data, 10)), "cohort_sha256": part(data, 10).sha256})
    assert cases_seen(earlier, data) == 10
    assert start_warning(earlier, data).startswith("10 of these 24 exams have trained the starting model “A model”")
    # What that model began as is remembered, too.
    grandchild = bundle(**{MARKS: case_marks(replace(data, exams=("f" * 64,) * len(data)), earlier)})
    assert cases_seen(grandchild, data) == 10


def test_a_stranger_has_seen_nothing(data: CohortData) -> None:
    assert cases_seen(None, data) == 0
    assert start_warning(None, data) == ""
    assert start_warning(bundle(), data) == ""
    # The same cohort, known by its hash alone.
    assert cases_seen(bundle(cohort_sha256=data.sha256), data) == len(data)
    assert cases_seen(bundle(earlier_cohorts=[data.sha256]), data) == len(data)


def test_marks_say_nothing_of_who_was_scanned(data: CohortData) -> None:
    marks = case_marks(data)
    assert len(marks) == 24
    assert all(len(mark) == 32 for mark in marks)
    assert not any(name in mark for name in data.patient for mark in marks)
