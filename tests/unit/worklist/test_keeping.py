"""Results of a bulk scoring come into reads where these lack them, and never over what a reader has said."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from hyrisk_desktop.calcium import HeartMarks
from hyrisk_desktop.findings import Finding, Severity
from hyrisk_desktop.worklist.keeping import completed, keep_results
from hyrisk_desktop.worklist.records import Read, Status
from hyrisk_desktop.worklist.store import Store
from tests.helpers.exams import scanned

RESULTS: dict[str, Any] = {"calcium": {"agatston": 5.0}, "risk": {"hyrisknet": 0.5}, "whole_heart": {"agatston": 7.0}}
MADE = Read(
    1, 1, "1.2.1", centre=(1, 2, 3), grade=1.0, whole_heart=True, model="M", bundle_sha256="cd", prevalence=0.3,
    results=RESULTS, findings=(Finding("heart_doubted", Severity.WARNING, "Doubted."),),
)  # fmt: skip
MINE = replace(MADE, whole_heart=False, model="", bundle_sha256="", prevalence=None, findings=(), results={
    "calcium": {"agatston": 4.0}, "risk": None,
}, read_id=9, revision=3)  # fmt: skip


def test_only_what_is_missing_is_added() -> None:
    read = completed(MINE, MADE)
    assert read is not None
    assert read.results == {**RESULTS, "calcium": {"agatston": 4.0}}, "a number that is there stays"
    assert (read.whole_heart, read.model, read.prevalence) == (True, "M", 0.3)
    assert read.finding_codes == ("heart_doubted",)
    assert (read.grade, read.centre, read.read_id) == (1.0, (1, 2, 3), 9)
    with_risk = completed(replace(MINE, results={**MINE.results, "risk": {"hyrisknet": 0.1}}, model="Mine"), MADE)
    assert with_risk is not None
    assert (with_risk.model, with_risk.results["risk"]) == ("Mine", {"hyrisknet": 0.1})


def test_a_risk_that_is_added_brings_what_ran_its_network() -> None:
    mine = replace(MINE, versions={"numpy": "1", "engine": ""})
    made = replace(MADE, versions={"numpy": "2", "engine": "onnxruntime 9"})
    read = completed(mine, made)
    assert read is not None
    assert read.versions == {"numpy": "1", "engine": "onnxruntime 9"}
    mine = replace(mine, results={**MINE.results, "risk": {"hyrisknet": 0.1}})
    read = completed(mine, made)
    assert read is not None
    assert read.versions == mine.versions, "its own risk was there"


def test_why_there_was_no_risk_goes_when_one_is_added_and_not_before() -> None:
    noisy = Finding("noise", Severity.WARNING, "Noisy.")
    mine = replace(MINE, findings=(Finding("bundle_hash", Severity.WARNING, "No risk: the model is damaged."), noisy))
    read = completed(mine, MADE)
    assert read is not None
    assert read.finding_codes == ("heart_doubted", "noise")
    read = completed(mine, replace(MADE, results={**RESULTS, "risk": None}))
    assert read is not None
    assert read.finding_codes == ("bundle_hash", "heart_doubted", "noise")


@pytest.mark.parametrize(
    "change",
    [
        {"centre": (1, 2, 4)},
        {"grade": 2.0},
        {"series_uid": "1.2.2"},
        {"excluded": frozenset({(1, 1, 1)})},
        {"profile": "mass"},
        {"box": ((0, 0, 0), (1, 1, 1))},
        {"results": RESULTS},
    ],
)
def test_a_read_that_is_another_by_now_or_lacks_nothing_is_left_alone(change: dict[str, Any]) -> None:
    assert completed(replace(MINE, **change), MADE) is None


def test_a_whole_heart_without_the_readers_marks_is_not_kept() -> None:
    marked = replace(MINE, heart=HeartMarks(counted=frozenset({(1, 1, 1)})))
    read = completed(marked, MADE)
    assert read is not None
    assert (read.results.get("whole_heart"), read.whole_heart, read.model) == (None, False, "M")


def test_a_proposed_centre_makes_a_read_of_nobodys_and_never_replaces_one(tmp_path: Path) -> None:
    store = Store(tmp_path / "w.sqlite")
    ada = store.reader("Ada")
    listed = store.reading_list(Path("/data"))
    (exam_id,) = store.add_exams(listed.list_id, [scanned(1)])
    made = replace(MADE, exam_id=exam_id, reader_id=ada.reader_id, grade=None, centre_proposed=True)
    assert keep_results(store, made, ada)
    assert not keep_results(store, made, ada), "nothing new"
    assert keep_results(store, replace(made, results={**RESULTS, "risk": {"hyrisknet": 0.7}}), ada)
    (row,) = store.entries(listed, ada)
    assert row.read is not None
    assert (row.status, row.read.unconfirmed, row.read.risk) == (Status.NEW, True, 0.7)
    mine = replace(made, grade=2.0, centre_proposed=False, results={"calcium": None, "risk": None})
    store.save_read(replace(mine, centre=(9, 9, 9)), ada)
    assert not keep_results(store, made, ada)
    # The window that has the read open knows nothing of it, and must not win over it unasked.
    assert [r.grade for r in store.reads()] == [2.0]
    assert completed(None, replace(made, centre_proposed=False)) is None, (
        "a reader's read that is gone is not made again"
    )
    store.close()
