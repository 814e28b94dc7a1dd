"""A read that is stored loses no number to a state of it that knows less, and keeps none that is of something else."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from hyrisk_desktop.calcium import HeartMarks
from hyrisk_desktop.findings import Finding, Severity
from hyrisk_desktop.standing import SHOWN_ANYWAY
from hyrisk_desktop.worklist.lasting import with_lasting_results
from hyrisk_desktop.worklist.records import Read
from hyrisk_desktop.worklist.store import Store
from tests.helpers.exams import scanned


def finding(code: str) -> Finding:
    return Finding(code, Severity.WARNING, f"About {code}.")


FULL: dict[str, Any] = {"calcium": {"agatston": 12.5}, "risk": {"hyrisknet": 0.25}, "whole_heart": {"agatston": 99.0}}
NOTHING: dict[str, Any] = {"calcium": None, "risk": None}
CODES = ("contrast", "unlike_training", "lesion_cut", "heart_doubted", "files_changed", SHOWN_ANYWAY)
BEFORE = Read(
    1, 2, "1.2.1", centre=(1, 2, 3), grade=1.0, whole_heart=True, content_sha256="ab", model="M", bundle_sha256="cd",
    prevalence=0.25, results=FULL, findings=tuple(map(finding, CODES)),
)  # fmt: skip
BLIND = replace(
    BEFORE, results=NOTHING, model="", bundle_sha256="", prevalence=None, findings=(finding("contrast"),), content_sha256=""
)  # fmt: skip
"""The same read before model, whole heart and files are known again."""


def test_what_is_not_known_yet_is_no_reason_to_forget_it() -> None:
    kept = with_lasting_results(BEFORE, replace(BLIND, locked=True))
    assert kept.results == FULL
    assert (kept.model, kept.bundle_sha256, kept.prevalence) == ("M", "cd", 0.25)
    assert set(kept.finding_codes) == set(CODES)
    assert [f.code for f in kept.findings].count("contrast") == 1
    assert kept.locked


def test_a_finding_comes_once_and_with_its_number() -> None:
    here = with_lasting_results(BEFORE, replace(BLIND, findings=(finding("lesion_cut"), finding("contrast"))))
    assert sorted(f.code for f in here.findings) == sorted(CODES)
    only_risk = with_lasting_results(BEFORE, replace(BEFORE, results={**FULL, "risk": None}, findings=()))
    assert only_risk.finding_codes == ("files_changed", SHOWN_ANYWAY, "unlike_training")


@pytest.mark.parametrize(
    ("change", "parts"),
    [
        ({"grade": 2.0}, {"calcium", "whole_heart"}),
        ({"centre": (1, 2, 4)}, set()),
        ({"excluded": frozenset({(5, 5, 5)})}, set()),
        ({"profile": "mass"}, {"risk"}),
        ({"box": ((0, 0, 0), (9, 9, 9))}, {"risk", "whole_heart"}),
        ({"whole_heart": False}, {"calcium", "risk"}),
        ({"heart": HeartMarks(counted=frozenset({(1, 1, 1)}))}, {"calcium", "risk"}),
        ({"series_uid": "1.2.9"}, set()),
        ({"vessels": {"LM": 1}}, {"calcium", "risk", "whole_heart"}),
    ],
)
def test_a_number_stays_only_with_what_it_was_measured_of(change: dict[str, Any], parts: set[str]) -> None:
    kept = with_lasting_results(BEFORE, replace(BLIND, **change))
    assert {name for name, value in kept.results.items() if value} == parts
    assert (kept.model == "M") is ("risk" in parts)
    assert ("unlike_training" in kept.finding_codes) is ("risk" in parts)
    assert ("lesion_cut" in kept.finding_codes) is ("calcium" in parts)
    assert ("heart_doubted" in kept.finding_codes) is ("whole_heart" in parts)


def test_what_is_known_anew_takes_the_place_of_what_was() -> None:
    new = {"calcium": {"agatston": 1.0}, "risk": {"hyrisknet": 0.5}, "whole_heart": {"agatston": 2.0}}
    now = replace(BEFORE, results=new, model="N", findings=(), content_sha256="xy")
    assert with_lasting_results(BEFORE, now) == now
    assert with_lasting_results(None, BLIND) == BLIND


@pytest.mark.parametrize(("digest", "kept"), [("", True), ("ab", True), ("xy", False)])
def test_that_the_files_changed_is_kept_until_they_have_been_hashed_again(digest: str, kept: bool) -> None:
    now = with_lasting_results(BEFORE, replace(BLIND, content_sha256=digest))
    assert ("files_changed" in now.finding_codes) is kept


def test_the_store_keeps_them_whoever_saves(tmp_path: Path) -> None:
    store = Store(tmp_path / "w.sqlite")
    ada = store.reader("Ada")
    (exam_id,) = store.add_exams(None, [scanned(1)])
    before = replace(BEFORE, exam_id=exam_id, reader_id=ada.reader_id)
    store.save_read(before, ada)
    saved = store.save_read(replace(before, results=NOTHING, model="", findings=(), locked=True), ada)
    assert (saved.results, saved.model, saved.locked) == (FULL, "M", True)
    (row,) = store.entries_of([exam_id], ada)
    assert row.read is not None
    assert (row.read.agatston, row.read.risk, row.read.model) == (99.0, 0.25, "M")
    # That it is withheld now is news, though no number has changed.
    told = store.save_read(replace(saved, findings=(*saved.findings, finding("not_heart"))), ada)
    assert told.revision == saved.revision + 1
    store.close()


def test_opening_another_series_takes_no_thumbnail_from_the_row(tmp_path: Path) -> None:
    store = Store(tmp_path / "w.sqlite")
    one = scanned(1)
    second = replace(one.records[0], series_uid="1.2.9")
    (exam_id,) = store.add_exams(None, [replace(one, records=(one.records[0], second))])
    for picture in (b"other", b"another"):
        store.save_prepared(exam_id, "1.2.9", picture, None, ())
    assert store.thumbnail(exam_id) == b"another", "nothing is prepared of the shown one yet"
    store.save_prepared(exam_id, "1.2.1", b"mine", None, (finding("contrast"),))
    store.save_prepared(exam_id, "1.2.9", b"other", None, (), "ff")
    (row,) = store.entries_of([exam_id], None)
    assert (row.prepared, [f.code for f in row.findings]) == (True, ["contrast"])
    assert store.thumbnail(exam_id) == b"mine"
    assert store.content_sha256(exam_id, "1.2.9") == "ff"
    store.close()
