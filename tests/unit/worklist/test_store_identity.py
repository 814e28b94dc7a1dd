"""The store's file taken away, replaced or shared under an open window: nothing is acknowledged that is gone."""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from hyrisk_desktop.errors import ConflictError, StoreError
from hyrisk_desktop.worklist import presence
from hyrisk_desktop.worklist.database import backups_of, damage_in, restore_backup
from hyrisk_desktop.worklist.records import Read, Reader
from hyrisk_desktop.worklist.store import Store
from tests.helpers.exams import scanned

ROOT = Path(__file__).parents[3]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data" / "worklist.sqlite"


def opened(path: Path) -> tuple[Store, Reader, Read]:
    """A store with a read of grade 1 and a backup of it."""
    store = Store(path)
    reader = store.reader("Ada")
    (exam_id,) = store.add_exams(None, [scanned(1)])
    read = store.save_read(Read(exam_id, reader.reader_id, "1.2.1", grade=1.0), reader)
    store.database.back_up(label="good")
    return store, reader, read


def deleted(path: Path) -> None:
    path.unlink()


def renamed(path: Path) -> None:
    path.rename(path.with_name("other.sqlite"))


def folder_renamed(path: Path) -> None:
    path.parent.rename(path.parent.with_name("elsewhere"))


def replaced(path: Path) -> None:
    shutil.copy(backups_of(path)[0], path.with_name("new"))
    os.replace(path.with_name("new"), path)


def linked(path: Path) -> None:
    path.rename(path.with_name("other.sqlite"))
    shutil.copy(backups_of(path)[0], path.with_name("new"))
    path.symlink_to(path.with_name("new"))


def overwritten(path: Path) -> None:
    path.write_bytes(backups_of(path)[0].read_bytes())


def truncated(path: Path) -> None:
    os.truncate(path, 0)


def cut_short(path: Path) -> None:
    os.truncate(path, path.stat().st_size - 1)


def another_store(path: Path) -> None:
    """The bytes of somebody else's worklist, larger than this one, in the same file."""
    other = Store(path.with_name("foreign.sqlite"))
    other.add_exams(None, [scanned(n, reason="x" * 3000) for n in range(2, 60)])
    other.close()
    path.write_bytes(path.with_name("foreign.sqlite").read_bytes())


ACTS = (another_store, deleted, renamed, folder_renamed, replaced, linked, overwritten, truncated, cut_short)


@pytest.mark.skipif(os.name == "nt", reason="Windows refuses to touch a file that is open")
@pytest.mark.parametrize("act", ACTS, ids=lambda f: f.__name__)
def test_what_is_saved_into_a_file_that_is_gone_is_not_acknowledged(path: Path, act: Callable[[Path], None]) -> None:
    store, reader, read = opened(path)
    # What was in the log is in the file now, so that its size is what counts.
    with store.database.engine.connect() as connection:
        connection.exec_driver_sql("COMMIT")
        connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
        connection.exec_driver_sql("BEGIN")
    store.note("Ada", "looked", "list:1", {})
    act(path)
    for _ in range(2):
        with pytest.raises(StoreError) as caught:
            store.save_read(replace(read, grade=3.0), reader)
        assert caught.value.code in ("store_moved", "store_changed")
        assert "not saved" in caught.value.message
    with pytest.raises(StoreError):
        store.note("Ada", "exported", "list:1", {})
    with pytest.raises(StoreError):
        store.database.back_up(label="of-what-took-its-place")
    store.close()


@pytest.mark.skipif(os.name == "nt", reason="Windows refuses to touch a file that is open")
def test_a_file_that_is_put_back_is_saved_into_again(path: Path) -> None:
    store, reader, read = opened(path)
    renamed(path)
    with pytest.raises(StoreError):
        store.save_read(replace(read, grade=3.0), reader)
    assert not path.exists(), "no new file takes the place of the lost one"
    path.with_name("other.sqlite").rename(path)
    assert store.save_read(replace(read, grade=3.0), reader).grade == 3.0
    store.close()
    again = Store(path)
    assert [r.grade for r in again.reads()] == [3.0]
    again.close()


@pytest.mark.skipif(os.name == "nt", reason="Windows refuses to touch a file that is open")
@pytest.mark.parametrize("ends", [("-wal",), ("-shm",), ("-wal", "-shm")])
def test_a_log_that_is_taken_away_is_brought_into_the_file(path: Path, ends: tuple[str, ...]) -> None:
    store, reader, read = opened(path)
    for end in ends:
        path.with_name(path.name + end).unlink()
    for grade in (2.0, 3.0):
        store.save_read(replace(read, grade=grade), reader)
        # As a process that was killed now would leave it: the names alone.
        copy = path.parent / f"copy{grade}.sqlite"
        for end in ("", "-wal"):
            if (name := path.with_name(path.name + end)).exists():
                shutil.copy(name, copy.with_name(copy.name + end))
        other = Store(copy)
        assert [r.grade for r in other.reads()] == [grade]
        other.close()
    store.close()
    assert damage_in(path) is None


def test_an_older_state_under_the_same_name_is_noticed_by_its_contents(path: Path) -> None:
    """The same file, brought back row by row: only the chain of changes tells."""
    store, reader, read = opened(path)
    with sqlite3.connect(path) as other:
        other.execute("DROP TRIGGER audit_no_delete")
        other.execute("DELETE FROM audit WHERE id = (SELECT max(id) FROM audit)")
    other.close()
    with pytest.raises(StoreError) as caught:
        store.save_read(replace(read, grade=3.0), reader)
    assert caught.value.code == "store_replaced"
    assert [r.grade for r in store.reads()] == [1.0]
    store.close()


def test_restoring_is_refused_while_the_store_is_open(path: Path) -> None:
    store, reader, read = opened(path)
    before = path.read_bytes()
    with pytest.raises(StoreError) as caught:
        restore_backup(path)
    assert caught.value.code == "store_in_use"
    assert path.read_bytes() == before
    assert not list(path.parent.glob("*.damaged-*"))
    store.save_read(replace(read, grade=2.0), reader)
    store.close()
    assert restore_backup(path).name == "worklist-good.sqlite"
    again = Store(path)
    assert [r.grade for r in again.reads()] == [1.0]
    again.close()


def holder(path: Path) -> subprocess.Popen[str]:
    """Another process with a window on the store; it says so once it is open, and ends when its input does."""
    program = (
        "import sys; from pathlib import Path; from hyrisk_desktop.worklist.store import Store;"
        "s = Store(Path(sys.argv[1])); print('open', flush=True); sys.stdin.read()"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", program, str(path)], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "open\n"
    return process


def test_another_process_counts_until_it_is_killed(path: Path) -> None:
    store, _, _ = opened(path)
    store.close()
    process = holder(path)
    with process:
        with pytest.raises(StoreError) as caught:
            restore_backup(path)
        assert caught.value.code == "store_in_use"
        process.kill()
        process.wait()
    restore_backup(path)


def test_a_store_is_not_opened_while_it_is_restored(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(presence, "_WAIT_S", 0.05)
    opened(path)[0].close()
    with presence.alone(path), pytest.raises(StoreError) as caught:
        Store(path)
    assert caught.value.code == "store_busy"
    Store(path).close()


def test_an_emptied_file_with_backups_is_damage_and_no_new_worklist(path: Path) -> None:
    opened(path)[0].close()
    path.write_bytes(b"")
    with pytest.raises(StoreError, match="store restore"):
        Store(path)
    restore_backup(path)
    again = Store(path)
    assert [r.grade for r in again.reads()] == [1.0]
    again.close()


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no named pipes")
def test_a_pipe_is_no_store(path: Path) -> None:
    path.parent.mkdir()
    os.mkfifo(path)
    with pytest.raises(StoreError, match="This is no worklist"):
        Store(path)


def test_another_programs_database_is_left_as_it_is(path: Path) -> None:
    path.parent.mkdir()
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE cookies (name TEXT)")
    before = path.read_bytes()
    with pytest.raises(StoreError, match="This is no worklist") as caught:
        Store(path)
    assert caught.value.code == "store_foreign"
    assert path.read_bytes() == before


# --- two windows


def test_an_older_save_does_not_win(path: Path) -> None:
    first, reader, read = opened(path)
    second = Store(path)
    mine = second.read_of(read.exam_id, reader)
    assert mine is not None
    newer = first.save_read(replace(read, grade=2.0), reader)
    # As the window makes it: without a revision of its own.
    with pytest.raises(ConflictError) as caught:
        second.save_read(replace(mine, grade=3.0, revision=0), reader)
    assert caught.value.newer == newer
    assert [r.grade for r in first.reads()] == [2.0]
    assert second.save_read(replace(mine, grade=3.0, revision=newer.revision), reader).grade == 3.0
    with pytest.raises(ConflictError):
        first.save_read(replace(read, grade=0.0), reader)
    first.close()
    second.close()


def test_two_windows_that_begin_the_same_read_do_not_overwrite_each_other(path: Path) -> None:
    first, reader, _ = opened(path)
    second = Store(path)
    (exam_id,) = first.add_exams(None, [scanned(2)])
    assert first.read_of(exam_id, reader) is None
    assert second.read_of(exam_id, reader) is None
    first.save_read(Read(exam_id, reader.reader_id, "1.2.2", grade=1.0), reader)
    with pytest.raises(ConflictError):
        second.save_read(Read(exam_id, reader.reader_id, "1.2.2", grade=2.0), reader)
    # The same judgement is no conflict, another reader's or the blinded one is another read.
    second.save_read(Read(exam_id, reader.reader_id, "1.2.2", grade=1.0), reader)
    second.save_read(Read(exam_id, reader.reader_id, "1.2.2", grade=2.0, blinded=True), reader)
    assert sorted((r.grade, r.blinded) for r in first.reads() if r.exam_id == exam_id) == [(1.0, False), (2.0, True)]
    first.close()
    second.close()


def test_revisions_count_the_changes(path: Path) -> None:
    store, reader, read = opened(path)
    assert read.revision == 0
    assert store.save_read(replace(read, grade=2.0), reader).revision == 1
    assert store.save_read(replace(read, grade=2.0), reader).revision == 1
    assert store.save_read(replace(read, grade=3.0, revision=0), reader).revision == 2
    store.close()
