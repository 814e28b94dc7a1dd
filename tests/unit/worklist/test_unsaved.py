"""Reads on this computer's disk: whose they are, who takes them over, and what becomes of damaged ones."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from hyrisk_desktop.calcium import HeartMarks
from hyrisk_desktop.findings import Finding, Severity
from hyrisk_desktop.worklist.read_document import read_document, read_from
from hyrisk_desktop.worklist.records import Read, Reader
from hyrisk_desktop.worklist.store import Store
from hyrisk_desktop.worklist.unsaved import UnsavedReads, Waiting, belongs, key_of, mark_of
from tests.helpers.exams import scanned
from tests.helpers.patience import PATIENCE_S

ROOT = Path(__file__).parents[3]
ADA = Reader(3, "Ada")
FULL = Read(
    7, 3, "1.2.3", list_id=4, blinded=True, content_sha256="ab", centre=(1, 2, 3), centre_proposed=True, grade=1.5,
    vessels={"LM": 1}, excluded=frozenset({(9, 8, 7), (1, 1, 1)}), box=((0, 0, 0), (4, 5, 6)), whole_heart=True,
    heart=HeartMarks((((1, 2, 3), "LAD"),), frozenset({(4, 4, 4)}), frozenset({(5, 5, 5)})), profile="mass", locked=True,
    model="m", bundle_sha256="cd", prevalence=0.25, results={"calcium": {"agatston": 1.25}},
    findings=(Finding("contrast", Severity.WARNING, "Contrast."),), versions={"hyrisk": "1"}, started_at="a",
    graded_at="b", locked_at="c", updated_at="d", seconds_to_grade=2.5, read_id=11, revision=12,
)  # fmt: skip


def test_a_read_survives_its_document_whole() -> None:
    assert read_from(json.loads(json.dumps(read_document(FULL)))) == FULL
    bare = Read(1, 2, "3")
    assert read_from(read_document(bare)) == bare
    assert read_from({**read_document(bare), "of_a_later_version": 1}) == bare


def reads(folder: Path, worklist: str = "w") -> UnsavedReads:
    return UnsavedReads(folder, worklist)


def test_the_newest_state_of_each_read_is_taken_over_once_its_program_has_ended(tmp_path: Path) -> None:
    first = reads(tmp_path / "u")
    first.keep(Waiting(FULL, ADA, 5))
    first.keep(Waiting(replace(FULL, grade=3.0), ADA, 5))
    first.keep(Waiting(replace(FULL, blinded=False), ADA, -1))
    second = reads(tmp_path / "u")
    assert second.take_over() == [], "it lives"
    first.close()
    found = second.take_over()
    assert found == [Waiting(replace(FULL, grade=3.0), ADA, 5), Waiting(replace(FULL, blinded=False), ADA, -1)]
    assert reads(tmp_path / "u").take_over() == [], "they are the second one's now"
    for waiting in found:
        assert second.holds(key_of(waiting.read, waiting.reader))
        second.drop(key_of(waiting.read, waiting.reader))
    second.close()
    assert list((tmp_path / "u").iterdir()) == []


def test_a_killed_programs_reads_are_taken_over(tmp_path: Path) -> None:
    program = (
        "import os, sys; from pathlib import Path; from tests.unit.worklist.test_unsaved import *;"
        "reads(Path(sys.argv[1])).keep(Waiting(FULL, ADA, 5)); os._exit(9)"
    )
    done = subprocess.run([sys.executable, "-c", program, str(tmp_path / "u")], cwd=ROOT, timeout=PATIENCE_S)
    assert done.returncode == 9
    later = reads(tmp_path / "u")
    assert later.take_over() == [Waiting(FULL, ADA, 5)]
    later.close()


def test_of_two_states_of_one_read_the_second_waits_for_the_next_start(tmp_path: Path) -> None:
    for grade in (1.0, 2.0):
        one = reads(tmp_path)
        one.keep(Waiting(replace(FULL, grade=grade), ADA, 5))
        one.close()
    later = reads(tmp_path)
    (found,) = later.take_over()
    later.drop(key_of(found.read, found.reader))
    later.close()
    last = reads(tmp_path)
    (other,) = last.take_over()
    last.close()
    assert {found.read.grade, other.read.grade} == {1.0, 2.0}


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"worklist": "w"}', b'{"worklist": "w", "reader": 1}'])
def test_what_can_not_be_understood_is_kept_aside(tmp_path: Path, content: bytes) -> None:
    one = reads(tmp_path)
    one.keep(Waiting(FULL, ADA, 5))
    one.close()
    (path,) = tmp_path.glob("*.json")
    path.write_bytes(content)
    later = reads(tmp_path)
    assert later.take_over() == []
    later.close()
    (kept,) = tmp_path.glob("*.damaged")
    assert kept.read_bytes() == content


def test_another_worklists_reads_stay_where_they_are(tmp_path: Path) -> None:
    one = reads(tmp_path, "one")
    one.keep(Waiting(FULL, ADA, 5))
    one.close()
    two = reads(tmp_path, "two")
    assert two.take_over() == []
    two.close()
    again = reads(tmp_path, "one")
    assert len(again.take_over()) == 1
    again.close()


@pytest.mark.parametrize(
    ("one", "two", "same"),
    [
        ("postgresql://ada:secret@db:5432/lung", "postgresql://bob@db:5432/lung", True),
        ("postgresql://db/lung", "postgresql://db/heart", False),
        ("postgresql://db:5432/lung", "postgresql://db:5433/lung", False),
        (Path("a/worklist.sqlite"), Path("a/../a/worklist.sqlite"), True),
    ],
)
def test_what_tells_one_worklist_from_another(one: Path | str, two: Path | str, same: bool) -> None:
    assert (mark_of(one) == mark_of(two)) is same
    assert "secret" not in mark_of(one)


def test_a_read_belongs_where_its_reader_and_its_series_are_known(tmp_path: Path) -> None:
    store = Store(tmp_path / "w.sqlite")
    ada = store.reader("Ada")
    (exam_id,) = store.add_exams(None, [scanned(1)])
    read = Read(exam_id, ada.reader_id, "1.2.1")
    assert belongs(store, Waiting(read, ada, -1))
    assert not belongs(store, Waiting(read, replace(ada, name="Bob"), -1))
    assert not belongs(store, Waiting(replace(read, series_uid="1.2.2"), ada, -1))
    assert not belongs(store, Waiting(replace(read, exam_id=exam_id + 1), ada, -1))
    store.close()
