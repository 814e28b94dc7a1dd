"""The engine under the store: SQLite in one file, or PostgreSQL by URL; migrations, backups, and errors in one sentence each."""

from __future__ import annotations

import contextlib
import logging
import os
import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import alembic.command
import alembic.config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Engine, create_engine, event, text
from sqlalchemy.engine import URL, Connection, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError, SQLAlchemyError
from sqlalchemy.orm import Session

from hyrisk_desktop.errors import StoreError
from hyrisk_desktop.i18n import tr

_log = logging.getLogger(__name__)
_MIGRATIONS = Path(__file__).resolve().parent / "migrations"
_LOCK_WAIT_MS = 5000
_KEPT_BACKUPS = 7
_PRAGMAS = (
    "PRAGMA foreign_keys=ON",
    "PRAGMA journal_mode=WAL",
    # With NORMAL a power cut could take the last reads with it; a commit is a gesture of a reader, and those are few.
    "PRAGMA synchronous=FULL",
    f"PRAGMA busy_timeout={_LOCK_WAIT_MS}",
)


class Database:
    """One open database at the newest schema.

    Args:
        where: a file for SQLite (made if missing), or a URL such as ``postgresql+psycopg://user@host/name``.

    Raises:
        StoreError: it can't be opened, is damaged, or was made by a newer version of this program.
    """

    def __init__(self, where: Path | str) -> None:
        self.path = where if isinstance(where, Path) else None
        with self._errors():
            url = URL.create("sqlite", database=str(where)) if isinstance(where, Path) else _url(where)
        if url.get_backend_name() == "sqlite" and self.path is None:
            self.path = Path(url.database or "")
        with self._errors():
            if self.path is not None:
                _refuse_foreign_file(self.path)
                self.path.parent.mkdir(parents=True, exist_ok=True)
            self.engine = _engine(url)
        try:
            with self._errors():
                self._upgrade()
        except StoreError:
            self.engine.dispose()
            raise

    @contextlib.contextmanager
    def read(self) -> Iterator[Session]:
        """A session that only reads."""
        with self._errors(), Session(self.engine) as session:
            yield session

    @contextlib.contextmanager
    def write(self) -> Iterator[Session]:
        """A session that is committed at the end, or rolled back whole."""
        engine = self.engine.execution_options(hyrisk_writes=True)
        with self._errors(), Session(engine, expire_on_commit=False) as session, session.begin():
            yield session

    def close(self) -> None:
        """Close all connections."""
        self.engine.dispose()

    def back_up(self, *, label: str = "") -> Path | None:
        """Copy an SQLite database to ``backups`` beside it, once a day (or under ``label``), checked before it counts.

        The copy is staged, checked for damage, and only then takes its name; the oldest beyond seven go. A damaged
        database so never displaces a good backup. None where there is nothing to do, or the database is PostgreSQL.
        """
        if self.path is None:
            return None
        folder = self.path.parent / "backups"
        name = f"{self.path.stem}-{label or datetime.now(UTC).date().isoformat()}{self.path.suffix}"
        target = folder / name
        if target.exists():
            return None
        with self._errors():
            folder.mkdir(exist_ok=True)
            staged = folder / f".{name}.part"
            staged.unlink(missing_ok=True)
            try:
                _copy_sqlite(self.path, staged)
                if (trouble := damage_in(staged)) is not None:
                    raise sqlite3.DatabaseError(trouble)
                os.replace(staged, target)
            finally:
                staged.unlink(missing_ok=True)
        for old in backups_of(self.path)[_KEPT_BACKUPS:]:
            old.unlink(missing_ok=True)
        return target

    def _upgrade(self) -> None:
        config = alembic.config.Config()
        config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
        scripts = ScriptDirectory.from_config(config)
        head = scripts.get_current_head()
        with self.engine.connect() as connection:
            current = MigrationContext.configure(connection).get_current_revision()
        if current == head:
            return
        if current is not None:
            if current not in {s.revision for s in scripts.walk_revisions()}:
                raise StoreError(
                    "store_newer",
                    tr("The worklist was made by a newer version of this program. Update this program to open it."),
                )
            self.back_up(label=f"before-{head}")
        with self.engine.execution_options(hyrisk_writes=True).begin() as connection:
            config.attributes["connection"] = connection
            alembic.command.upgrade(config, "head")

    @contextlib.contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except (SQLAlchemyError, sqlite3.Error, OSError) as e:
            raise explain(e, self.path) from e


def explain(error: Exception, path: Path | None) -> StoreError:
    """One sentence for a failure of the database; the driver's own words may quote what was to be stored."""
    original: BaseException = error.orig if isinstance(error, DBAPIError) and error.orig else error
    words = str(original).lower()
    code = getattr(original, "sqlite_errorcode", 0) & 0xFF
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED) or "locked" in words:
        return StoreError(
            "store_locked",
            tr("The worklist is locked by another program, so this is not saved yet. Close the other program."),
        )
    full = code == sqlite3.SQLITE_FULL or getattr(original, "errno", None) in _errnos("ENOSPC", "EDQUOT")
    if full or "disk is full" in words or "no space left" in words:
        return StoreError("store_full", tr("The disk is full, so this is not saved yet. Free some space on it."))
    readonly = code in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM)
    if readonly or isinstance(original, PermissionError) or getattr(original, "errno", None) in _errnos("EROFS"):
        return StoreError(
            "store_read_only",
            tr("The worklist can't be written, so this is not saved. Allow writing to the program's data folder."),
        )
    if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB) or isinstance(original, sqlite3.DatabaseError):
        if code == sqlite3.SQLITE_IOERR:
            return StoreError("store_io", tr("The disk with the worklist does not answer. Check the disk or network."))
        if not isinstance(original, (sqlite3.OperationalError, sqlite3.IntegrityError)) or code in (
            sqlite3.SQLITE_CORRUPT,
            sqlite3.SQLITE_NOTADB,
        ):
            return _damaged(path)
    if isinstance(error, (ArgumentError, NoSuchModuleError)):
        return StoreError(
            "store_url", tr("The worklist's address is not understood; it must look like postgresql://host/name.")
        )
    if path is None and type(original).__name__ in ("OperationalError", "InterfaceError"):
        return StoreError(
            "store_unreachable",
            tr("The worklist's server does not answer, so this is not saved yet. Check the network."),
        )
    _log.error("The worklist failed: %s (%s)", type(error).__name__, type(original).__name__)
    return StoreError("store_failed", tr("The worklist could not be read or written; see the log."))


def _damaged(path: Path | None) -> StoreError:
    good = backups_of(path) if path else []
    if not good:
        return StoreError(
            "store_corrupt",
            tr(
                "The worklist's file is damaged and there is no backup of it. Keep the file, and move it away to begin anew."
            ),
        )
    return StoreError(
        "store_corrupt",
        tr(
            "The worklist's file is damaged. “hyrisk store restore” brings back the backup of {day}; the damaged file is kept.",
            day=good[0].stem.split("-", 1)[-1],
        ),
    )


def _errnos(*names: str) -> tuple[int, ...]:
    import errno

    return tuple(getattr(errno, name) for name in names if hasattr(errno, name))


def backups_of(path: Path) -> list[Path]:
    """Backups of an SQLite database, newest first."""
    found = (path.parent / "backups").glob(f"{path.stem}-*{path.suffix}")
    return sorted(found, key=lambda p: p.stat().st_mtime_ns, reverse=True)


def restore_backup(path: Path) -> Path:
    """Put the newest sound backup in the place of a damaged database, which is kept under another name.

    Returns:
        The backup that was restored.

    Raises:
        StoreError: there is no sound backup.
    """
    for backup in backups_of(path):
        if damage_in(backup) is None:
            stamp = datetime.now(UTC).strftime("%Y%m%d-%H%M%S")
            staged = path.with_name(f".{path.name}.restored")
            _copy_sqlite(backup, staged)
            for name in (path.name, f"{path.name}-wal", f"{path.name}-shm"):
                if (old := path.with_name(name)).exists():
                    os.replace(old, path.with_name(f"{name}.damaged-{stamp}"))
            os.replace(staged, path)
            return backup
    raise StoreError("no_backup", tr("There is no sound backup of the worklist."))


def damage_in(path: Path) -> str | None:
    """What SQLite finds wrong with a file, None where it is sound."""
    try:
        with contextlib.closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)) as connection:
            (answer,) = connection.execute("PRAGMA integrity_check(1)").fetchone()
    except sqlite3.Error as e:
        return str(e)
    return None if answer == "ok" else str(answer)


def _copy_sqlite(source: Path, target: Path) -> None:
    """A consistent copy, also while others write; on the disk before this returns."""
    with (
        contextlib.closing(sqlite3.connect(f"{source.resolve().as_uri()}?mode=ro", uri=True)) as one,
        contextlib.closing(sqlite3.connect(target)) as other,
    ):
        one.backup(other)
        # A copy is one file: the write-ahead log's mode comes along with the pages.
        other.execute("PRAGMA journal_mode=DELETE")
    with open(target, "rb+") as stream:
        os.fsync(stream.fileno())


def _refuse_foreign_file(path: Path) -> None:
    """SQLite would say so only at the first query, and would begin to write into an empty file of any name."""
    if path.is_file() and path.stat().st_size:
        with open(path, "rb") as stream:
            if stream.read(16) != b"SQLite format 3\x00":
                raise sqlite3.DatabaseError("file is not a database")


def _url(where: str) -> URL:
    url = make_url(where)
    if url.drivername in ("postgresql", "postgres"):
        url = url.set(drivername="postgresql+psycopg")
    return url


def _engine(url: URL) -> Engine:
    if url.get_backend_name() != "sqlite":
        try:
            return create_engine(url, pool_pre_ping=True, connect_args={"connect_timeout": 5})
        except ModuleNotFoundError as e:
            raise StoreError(
                "no_postgresql",
                tr('PostgreSQL needs the extra “postgresql”: pip install "hyrisk-desktop[postgresql]".'),
            ) from e
    engine = create_engine(url)

    @event.listens_for(engine, "connect")
    def prepare(connection: Any, _: Any) -> None:
        # The driver's own transactions begin too late for a writer that has read before.
        connection.isolation_level = None
        cursor = connection.cursor()
        for pragma in _PRAGMAS:
            cursor.execute(pragma)
        cursor.close()

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        # A writer takes the lock at once: one that has read first would fail where another wrote in between.
        writes = connection.get_execution_options().get("hyrisk_writes", False)
        connection.execute(text("BEGIN IMMEDIATE" if writes else "BEGIN"))

    return engine
