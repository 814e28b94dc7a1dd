"""`hyrisk replay`, `audit`, `agreement` and `store` as an IT person types them."""

from __future__ import annotations

import errno
import json
import os
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from hyrisk_desktop.exchange.reports.document import versions
from hyrisk_desktop.imaging import content_sha256, read_volume, reopen, scan_exams
from hyrisk_desktop.measurement import measure, numbers
from hyrisk_desktop.paths import store_path
from hyrisk_desktop.risk import Predictor
from hyrisk_desktop.worklist.records import Read
from hyrisk_desktop.worklist.store import Store
from tests.helpers import command_line
from tests.helpers.bundles import shelve, write_tiny_bundle
from tests.helpers.exams import scanned, write_exam
from tests.helpers.languages import speaking

Command = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def hyrisk(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    def run(*arguments: object) -> subprocess.CompletedProcess[str]:
        return subprocess.CompletedProcess(arguments, *command_line.hyrisk(monkeypatch, capsys, *arguments))

    return run


def saved_read(tmp_path: Path, predictor: Predictor | None = None, *, engine_named: bool = True) -> int:
    """A read of an exam in this user's worklist, with the risk of ``predictor`` where there is one."""
    write_exam(tmp_path / "exam", 1)
    (scanned,) = scan_exams(tmp_path / "exam")
    store = Store(store_path())
    reader = store.reader("Ada")
    (exam_id,) = store.add_exams(None, [scanned])
    record = reopen(scanned.records[0], scanned.source)
    m = measure(read_volume(record), (34, 30, 12), 1.0, predictor)
    read = Read(
        exam_id, reader.reader_id, record.series_uid, content_sha256=content_sha256(record), centre=(34, 30, 12),
        grade=1.0, results=numbers(m.scores, m.risk),
    )  # fmt: skip
    if predictor is not None:
        assert m.risk is not None
        named = versions(m.risk) if engine_named else {}
        read = replace(read, bundle_sha256=m.risk.bundle_sha256, prevalence=m.risk.prevalence, versions=named)
    saved = store.save_read(read, reader)
    store.close()
    return saved.read_id


@pytest.fixture
def read_id(tmp_path: Path) -> int:
    """A read of an exam, scored without a risk, in this user's worklist."""
    return saved_read(tmp_path)


@pytest.mark.parametrize("engine", ["torch", "onnx", ""])
def test_a_read_is_replayed_by_the_engine_that_answered_it(hyrisk: Command, engine: str, tmp_path: Path) -> None:
    """The two differ in digits that a replay compares; a read that names none is of a time when there was torch alone."""
    if engine == "onnx":
        pytest.importorskip("onnxruntime")
    write_tiny_bundle(tmp_path / "tiny")
    (model,) = shelve(tmp_path / "tiny")
    predictor = Predictor(model, "cpu", 0.3, engine or "torch")
    read_id = saved_read(tmp_path, predictor, engine_named=bool(engine))
    done = hyrisk("replay", str(read_id), "--json")
    assert json.loads(done.stdout)["differences"] == []
    assert done.returncode == 0, done.stderr


def test_replay_says_the_same_and_then_not(hyrisk: Command, read_id: int, tmp_path: Path) -> None:
    done = hyrisk("replay", str(read_id))
    assert done.returncode == 0, done.stderr
    assert "Everything is the same." in done.stdout
    file = next((tmp_path / "exam").iterdir())
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(bytes(content))
    done = hyrisk("replay", str(read_id), "--json")
    assert done.returncode == 3
    answer = json.loads(done.stdout)
    assert (answer["same"], answer["pixels_same"]) == (False, False)


def test_a_read_that_is_not_there(hyrisk: Command, read_id: int) -> None:
    done = hyrisk("replay", "999")
    assert done.returncode == 2
    assert done.stderr.strip() == "There is no read number 999."


def test_without_a_worklist_there_is_one_sentence(hyrisk: Command) -> None:
    for arguments in (("replay", "1"), ("audit",), ("store", "backup")):
        done = hyrisk(*arguments)
        assert done.returncode == 3
        assert done.stderr.count("\n") == 1
        assert "no worklist" in done.stderr
    assert not store_path().exists()


def test_the_audit_trail_is_exported_and_checked(hyrisk: Command, read_id: int, tmp_path: Path) -> None:
    done = hyrisk("audit", "--out", str(tmp_path / "trail.jsonl"))
    assert done.returncode == 0, done.stderr
    rows = [json.loads(line) for line in (tmp_path / "trail.jsonl").read_text().splitlines()]
    assert [r["action"] for r in rows] == ["reader_added", "read_begun"]
    assert "2 rows, all in order" in done.stderr
    store = Store(store_path())
    with store.database.engine.begin() as connection:
        connection.exec_driver_sql("DROP TRIGGER audit_no_update")
        connection.exec_driver_sql("UPDATE audit SET reader='Eve' WHERE id=2")
    store.close()
    done = hyrisk("audit")
    assert done.returncode == 3
    assert "from row 2 on" in done.stderr


def test_a_trail_that_can_not_be_written_leaves_the_file_that_was_there(
    hyrisk: Command, read_id: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "trail.jsonl"
    out.write_text("the one before")

    def full(_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("hyrisk_desktop.files._to_disk", full)
    done = hyrisk("audit", "--out", str(out))
    assert (done.returncode, done.stderr) == (2, "trail.jsonl can't be written: No space left on device.\n")
    assert [(path.name, path.read_text()) for path in tmp_path.glob("*trail*")] == [(out.name, "the one before")]


def test_backup_and_restore(hyrisk: Command, read_id: int) -> None:
    assert hyrisk("store", "backup").returncode == 0
    store_path().write_bytes(b"rubbish" * 500)
    done = hyrisk("replay", str(read_id))
    assert done.returncode == 3
    assert "store restore" in done.stderr
    done = hyrisk("store", "restore")
    assert done.returncode == 0, done.stderr
    assert hyrisk("replay", str(read_id)).returncode == 0
    done = hyrisk("store", "restore", "--store", "postgresql://host/name")
    assert done.returncode == 3
    assert "pg_restore" in done.stderr


def test_readers_agreement_without_a_window(hyrisk: Command, tmp_path: Path) -> None:
    store = Store(store_path())
    listed = store.reading_list(tmp_path / "study one")
    ids = store.add_exams(listed.list_id, [scanned(n) for n in range(5)])
    for name, grades in (
        ("Ada", (0, 1, 2, 3, 1)),
        ("Ben", (0, 1, 2, 3, 2)),
        ("Cat", (0, 1, 2, 2, 1)),
        ("Consensus", (0, 1, 2, 3, 1)),
    ):
        reader = store.reader(name)
        for exam_id, grade in zip(ids, grades, strict=True):
            store.save_read(Read(exam_id, reader.reader_id, "1.2.1", grade=grade), reader)
    store.close()
    done = hyrisk("agreement", "--json")
    assert done.returncode == 0, done.stderr
    rows = {(r["statistic"], r["quantity"]): r for r in json.loads(done.stdout)["agreement"]}
    kappa = rows["fleiss_kappa", "grade"]
    assert (kappa["readers"], kappa["exams"], kappa["reads"]) == ("Ada; Ben; Cat", 5, "open")
    assert kappa["value"] == pytest.approx(0.6296, abs=1e-4)
    assert rows["icc_2_1", "agatston_LAD"]["value"] is None
    two = hyrisk(
        "agreement", "--list", "study one", "--reader", "Ada", "--reader", "Cat", "--out", str(tmp_path / "a.csv")
    )
    assert two.returncode == 0, two.stderr
    assert (tmp_path / "a.csv").read_text().splitlines()[1].startswith("share_equal,grade,open,Ada; Cat,5,0.8,")
    nothing = hyrisk("agreement", "--blinded").stdout.strip()
    assert "nothing to compare" in nothing
    with speaking("de"):
        assert json.loads(hyrisk("agreement", "--blinded", "--json").stdout)["nothing"] == nothing
        assert hyrisk("agreement", "--blinded").stdout.strip() != nothing
    wrong = hyrisk("agreement", "--list", "nine")
    assert (wrong.returncode, wrong.stderr.strip()) == (2, "There is no list “nine” here; there are: 1 study one.")
    assert "has graded no exam" in hyrisk("agreement", "--reader", "Eve").stderr
