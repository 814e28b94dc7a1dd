"""What can go wrong with the database: kills, locks, full and read-only disks, damage, newer versions, upgrades."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import alembic.command
import alembic.config
import pytest
import sqlalchemy
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

from hyrisk_desktop.errors import StoreError
from hyrisk_desktop.worklist import database
from hyrisk_desktop.worklist.database import Database, backups_of, damage_in, restore_backup
from hyrisk_desktop.worklist.models import Base
from hyrisk_desktop.worklist.records import Read
from hyrisk_desktop.worklist.store import Store
from tests.helpers.exams import scanned
from tests.helpers.patience import PATIENCE_S

ROOT = Path(__file__).parents[3]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "worklist.sqlite"


def filled(path: Path, grade: float = 1.0) -> Store:
    """A store with one read."""
    store = Store(path)
    reader = store.reader("Ada")
    (exam_id,) = store.add_exams(None, [scanned(1)])
    store.save_read(Read(exam_id, reader.reader_id, "1.2.1", grade=grade), reader)
    return store


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the killer forks")
def test_a_hundred_kills_lose_nothing_that_was_saved(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.helpers.kill_writer", str(tmp_path), "100", "20261124"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE_S)
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert result["lost"] == 0
    assert result["damage"] is None
    assert (result["kills"], result["saves"] >= 100) == (100, True)


def test_a_locked_database_is_one_sentence_and_nothing_is_lost(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "_PRAGMAS", (*database._PRAGMAS[:-1], "PRAGMA busy_timeout=50"))
    store = filled(path)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreError) as caught:
        store.note("Ada", "exported", "list:1", {})
    assert caught.value.code == "store_locked"
    other.execute("ROLLBACK")
    other.close()
    store.note("Ada", "exported", "list:1", {})
    assert len(list(store.audit_trail())) == 3
    store.close()


def test_a_full_database_is_one_sentence_and_the_reads_stay(path: Path) -> None:
    store = filled(path)
    with store.database.engine.connect() as connection:
        pages = connection.execute(sqlalchemy.text("PRAGMA page_count")).scalar()
    store.close()
    store = Store(path)

    @sqlalchemy.event.listens_for(store.database.engine, "connect")
    def no_more_pages(connection: sqlite3.Connection, _: object) -> None:
        connection.execute(f"PRAGMA max_page_count={pages}")

    store.database.engine.dispose()
    with pytest.raises(StoreError) as caught:
        store.add_exams(None, [scanned(n, reason="x" * 2000) for n in range(2, 100)])
    assert caught.value.code == "store_full"
    assert [r.grade for r in store.reads()] == [1.0]
    store.close()
    assert damage_in(path) is None


def fill_up(store: Store) -> None:
    for n in range(2, 400):
        store.add_exams(None, [scanned(n, reason="x" * 2000)])


def test_a_full_disk_is_one_sentence_and_the_reads_stay(tmp_path: Path) -> None:
    """On a real file system of 600 KB, where the machine lets this user mount one."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=600k", "tmpfs", str(disk)]
    if shutil.which("mount") is None or subprocess.run(mount, capture_output=True).returncode:
        # The page limit above stands in for it.
        return
    try:
        store = filled(disk / "worklist.sqlite")
        with pytest.raises(StoreError) as caught:
            fill_up(store)
        assert caught.value.code == "store_full"
        assert [r.grade for r in store.reads()] == [1.0]
        store.close()
        assert damage_in(disk / "worklist.sqlite") is None
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def test_a_read_only_database_can_be_read_and_says_why_not_written(path: Path) -> None:
    filled(path).close()
    store = Store(path)

    @sqlalchemy.event.listens_for(store.database.engine, "connect")
    def only_read(connection: sqlite3.Connection, _: object) -> None:
        # Root may write every file, so the connection itself is made read-only.
        connection.execute("PRAGMA query_only=ON")

    store.database.engine.dispose()
    with pytest.raises(StoreError) as caught:
        store.note("Ada", "exported", "list:1", {})
    assert caught.value.code == "store_read_only"
    assert [r.grade for r in store.reads()] == [1.0]
    store.close()


@pytest.mark.parametrize("damage", ["text", "zeros", "torn"])
def test_a_damaged_file_is_refused_and_never_overwritten(path: Path, damage: str) -> None:
    filled(path).close()
    whole = path.read_bytes()
    bad = {"text": b"not a database at all" * 99, "zeros": bytes(len(whole)), "torn": whole[:4096] + b"\xff" * 9000}
    path.write_bytes(bad[damage])
    with pytest.raises(StoreError) as caught:
        Store(path).reads()
    assert caught.value.code == "store_corrupt"
    assert caught.value.message.endswith(".")
    assert path.read_bytes() == bad[damage]


def test_restoring_brings_the_backup_and_keeps_the_damaged_file(path: Path) -> None:
    store = filled(path, grade=3.0)
    assert store.database.back_up() is not None
    store.close()
    path.write_bytes(b"rubbish" * 1000)
    with pytest.raises(StoreError, match="store restore"):
        Store(path)
    restore_backup(path)
    store = Store(path)
    assert [r.grade for r in store.reads()] == [3.0]
    store.close()
    (kept,) = path.parent.glob("*.damaged-*")
    assert kept.read_bytes().startswith(b"rubbish")


def test_without_a_backup_nothing_is_promised(path: Path) -> None:
    path.write_bytes(b"rubbish" * 1000)
    with pytest.raises(StoreError, match="no backup"):
        Store(path)
    with pytest.raises(StoreError, match="no sound backup"):
        restore_backup(path)
    assert path.read_bytes().startswith(b"rubbish")


def test_one_backup_a_day_seven_kept_and_a_damaged_database_makes_none(path: Path) -> None:
    store = filled(path)
    assert store.database.back_up() is not None
    assert store.database.back_up() is None, "today's is there"
    for day in range(10):
        store.database.back_up(label=f"2026-01-{day:02d}")
    backups = backups_of(path)
    assert len(backups) == 7
    assert all(damage_in(b) is None for b in backups)
    store.close()
    good = backups[0].read_bytes()
    content = bytearray(path.read_bytes())
    content[4096 * 3 : 4096 * 6] = b"\xff" * (4096 * 3)
    path.write_bytes(bytes(content))
    with pytest.raises(StoreError):
        Database(path).back_up(label="of-the-damaged")
    assert backups[0].read_bytes() == good
    assert not [p for p in (path.parent / "backups").iterdir() if "damaged" in p.name or p.name.startswith(".")]


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE alembic_version SET version_num = '9999'",
        # A newer version may have brought two branches of changes.
        "INSERT INTO alembic_version VALUES ('9999')",
    ],
)
def test_a_worklist_of_a_newer_version_is_left_alone(path: Path, change: str) -> None:
    filled(path).close()
    with sqlite3.connect(path) as connection:
        connection.execute(change)
    connection.close()
    before = path.read_bytes()
    with pytest.raises(StoreError) as caught:
        Store(path)
    assert caught.value.code == "store_newer"
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    ("url", "code"),
    [
        ("postgresql://hyrisk@127.0.0.1:1/none", "store_unreachable"),
        ("nonsense://host/name", "store_url"),
        ("no url at all", "store_url"),
        ("postgresql://host:port/name", "store_url"),
        ("mysql://host/name", "store_url"),
    ],
)
def test_a_bad_address_is_one_sentence(url: str, code: str) -> None:
    with pytest.raises(StoreError) as caught:
        Database(url)
    assert caught.value.code == code


@pytest.mark.parametrize("name", ["file/worklist.sqlite", "x" * 300])
def test_a_place_where_no_worklist_can_be_is_one_sentence(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match=r"^The worklist can't be kept there: .*\. Choose another place for it\.$"):
        Database(tmp_path / name)


# --- schema


def revisions() -> list[str]:
    scripts = ScriptDirectory(str(Path(database.__file__).parent / "migrations"))
    return [s.revision for s in scripts.walk_revisions()][::-1]


def test_the_migrations_make_the_tables_of_the_models(place: Path | str) -> None:
    opened = Database(place)
    with opened.engine.connect() as connection:
        differences = compare_metadata(MigrationContext.configure(connection), Base.metadata)
    opened.close()
    assert not differences


def old_store(path: Path, revision: str) -> None:
    """An SQLite worklist as the release of that revision left it, with a row in every table that it had."""
    config = alembic.config.Config()
    config.set_main_option("script_location", str(Path(database.__file__).parent / "migrations"))
    engine = sqlalchemy.create_engine(f"sqlite:///{path}")
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        alembic.command.upgrade(config, revision)
        tables = sqlalchemy.MetaData()
        tables.reflect(connection)
        connection.execute(sqlalchemy.text("PRAGMA foreign_keys=OFF"))
        for table in tables.sorted_tables:
            if table.name not in ("alembic_version", "audit_head"):
                connection.execute(table.insert(), {c.name: example(c) for c in table.columns})
    engine.dispose()


def example(column: sqlalchemy.Column[object]) -> object:
    kind = column.type
    if isinstance(kind, sqlalchemy.Boolean):
        return False
    if isinstance(kind, sqlalchemy.Integer):
        return 1
    if isinstance(kind, sqlalchemy.Float):
        return 1.5
    if isinstance(kind, sqlalchemy.LargeBinary):
        return b"x"
    if isinstance(kind, sqlalchemy.JSON):
        return {}
    return "text"


@pytest.mark.parametrize("revision", revisions())
def test_every_released_schema_is_brought_up_to_date_with_its_rows(path: Path, revision: str) -> None:
    old_store(path, revision)
    with sqlite3.connect(path) as connection:
        before = {t: connection.execute(f"SELECT count(*) FROM {t}").fetchone()[0] for t in tables_of(connection)}
    connection.close()
    Database(path).close()
    with sqlite3.connect(path) as connection:
        after = {t: connection.execute(f"SELECT count(*) FROM {t}").fetchone()[0] for t in tables_of(connection)}
        version = connection.execute("SELECT version_num FROM alembic_version").fetchone()[0]
    connection.close()
    assert version == revisions()[-1]
    assert {t: n for t, n in after.items() if t in before} == before
    made = [b for b in backups_of(path) if "before" in b.name]
    assert bool(made) == (revision != revisions()[-1]), "an upgrade begins with a backup"


def tables_of(connection: sqlite3.Connection) -> Iterator[str]:
    for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type='table'").fetchall():
        yield name


def test_audit_rows_can_be_neither_changed_nor_deleted(store: Store) -> None:
    store.note("Ada", "exported", "list:1", {})
    for statement in ("UPDATE audit SET reader='Ben'", "DELETE FROM audit"):
        with pytest.raises(sqlalchemy.exc.DBAPIError, match="only grows"), store.database.engine.begin() as connection:
            connection.execute(sqlalchemy.text(statement))
    assert [e.reader for e in store.audit_trail()] == ["Ada"]
