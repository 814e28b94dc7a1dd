"""The engine under the store: SQLite in one file, or PostgreSQL by URL; migrations, backups, and errors in one sentence each."""

from __future__ import annotations

import contextlib
import errno
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
from sqlalchemy import Engine, create_engine, event, select, text
from sqlalchemy.engine import URL, Connection, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError, SQLAlchemyError
from sqlalchemy.orm import Session
from sqlalchemy.pool import QueuePool

from hyrisk_desktop.errors import StoreError
from hyrisk_desktop.files import move, sync_folder
from hyrisk_desktop.i18n import tr
from hyrisk_desktop.private_files import FILE_MODE, make_private
from hyrisk_desktop.unfinished import part_beside
from hyrisk_desktop.worklist.models import AuditHeadRow, AuditRow
from hyrisk_desktop.worklist.presence import PROGRAM, WINDOW, Presence, alone
from hyrisk_desktop.worklist.store_file import StoreFile, sqlite_uri

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
        where: a file for SQLite (made if missing, for this user only), or a URL such as
            ``postgresql+psycopg://user@host/name``.
        window: it stays open for as long as a window, and other windows want to know; see `other_windows`.

    Raises:
        StoreError: it can't be opened, is damaged, or was made by a newer version of this program.
    """

    def __init__(self, where: Path | str, *, window: bool = False) -> None:
        self.path = where if isinstance(where, Path) else None
        with self._errors():
            url = URL.create("sqlite", database=str(where)) if isinstance(where, Path) else _url(where)
        if url.get_backend_name() == "sqlite" and self.path is None:
            self.path = Path(url.database or "")
        self._file: StoreFile | None = None
        self._presence: Presence | None = None
        self._tip: tuple[int, str] | None = None
        self._closed = False
        with contextlib.ExitStack() as undo:
            with self._errors():
                if self.path is not None:
                    _refuse_emptied_file(self.path)
                    if not self.path.parent.is_dir():
                        make_private(self.path.parent)
                    self._presence = Presence(self.path, WINDOW if window else PROGRAM)
                    undo.callback(self._presence.leave)
                    self._file = StoreFile(self.path)
                    undo.callback(self._file.release)
                self.engine = _engine(url, self._file)
            undo.callback(self.engine.dispose)
            with self._errors():
                self._upgrade()
                if self._file is not None:
                    self._file.note()
                    self._file.log_is_whole()
                with Session(self.engine) as session:
                    self._tip = _tip_of(session)
            undo.pop_all()

    def other_windows(self) -> int:
        """How many other windows have the same file open; 0 for PostgreSQL, which is meant to be shared."""
        return self._presence.other_windows() if self._presence is not None else 0

    @contextlib.contextmanager
    def read(self) -> Iterator[Session]:
        """A session that only reads."""
        with self._errors(), Session(self.engine) as session:
            yield session

    @contextlib.contextmanager
    def write(self) -> Iterator[Session]:
        """A session that is committed at the end, or rolled back whole.

        Raises:
            StoreError: as for any failure, and where what is written would go, or has gone, into a file that is no
                longer the worklist's: deleted, renamed, replaced, or brought back from a backup.
        """
        with self._errors():
            self._check_file()
            engine = self.engine.execution_options(hyrisk_writes=True)
            with Session(engine, expire_on_commit=False) as session, session.begin():
                self._compare_tip(session, self._tip)
                yield session
                session.flush()
                tip = _tip_of(session)
                if self._file is not None:
                    self._file.check()
            # Once more: what was taken away just before the commit is no longer taken for saved.
            self._check_file(tip)
            self._tip = tip

    def _check_file(self, tip: tuple[int, str] | None = None) -> None:
        if self._file is None:
            return
        self._file.check()
        if self._file.has_thawed():
            self.engine.dispose()
        if self._file.log_is_whole():
            return
        # The write-ahead log has lost its name, and with it what only it holds: bring that into the file itself, begin
        # a new log, and look whether the newest change came along.
        with self.engine.connect() as connection:
            connection.exec_driver_sql("COMMIT")
            connection.exec_driver_sql("PRAGMA wal_checkpoint(FULL)")
            connection.exec_driver_sql("BEGIN")
        self.engine.dispose()
        self._file.note()
        with Session(self.engine) as session:
            self._compare_tip(session, tip or self._tip)
        self._file.log_is_whole()

    def _compare_tip(self, session: Session, tip: tuple[int, str] | None) -> None:
        """The newest change that this process knows of must still be there: else an older file took the place of this one."""
        if tip is None or tip[0] == 0:
            return
        if session.scalar(select(AuditRow.sha256).where(AuditRow.id == tip[0])) != tip[1]:
            raise StoreError(
                "store_replaced",
                tr(
                    "The worklist was replaced by an older one while it was open, so this is not saved. Close all windows "
                    "and open the program again."
                ),
            )

    def close(self) -> None:
        """Close all connections; twice is no error."""
        self.engine.dispose()
        if self._closed:
            return
        self._closed = True
        if self._file is not None:
            self._file.release()
        if self._presence is not None:
            self._presence.leave()

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
            # A backup of what took this file's place would push out a good one.
            if self._file is not None:
                self._file.check()
            make_private(folder)
            staged = part_beside(target)
            try:
                _copy_sqlite(self.path, staged)
                if (trouble := damage_in(staged)) is not None:
                    raise sqlite3.DatabaseError(trouble)
                move(staged, target)
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

    def _errors(self) -> contextlib.AbstractContextManager[None]:
        return explained(self.path)


@contextlib.contextmanager
def explained(path: Path | None) -> Iterator[None]:
    """What the database or the disk refuses, as a `StoreError`."""
    try:
        yield
    except (SQLAlchemyError, sqlite3.Error, OSError) as e:
        raise explain(e, path) from e


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
        StoreError: there is no sound backup, or a window or another program has the worklist open.
    """
    good = next((backup for backup in backups_of(path) if damage_in(backup) is None), None)
    if good is None:
        raise StoreError("no_backup", tr("There is no sound backup of the worklist."))
    with explained(path), alone(path):
        # Stands in for what a link names, as everywhere.
        path = path.resolve()
        stamp = datetime.now(UTC).strftime("%Y%m%d-%H%M%S")
        staged = part_beside(path)
        _copy_sqlite(good, staged)
        for name in (f"{path.name}-wal", f"{path.name}-shm", f"{path.name}-journal"):
            if (old := path.with_name(name)).exists():
                move(old, path.with_name(f"{name}.damaged-{stamp}"))
        kept = path.with_name(f"{path.name}.damaged-{stamp}")
        if path.exists():
            # A second name first: there must be no moment without a worklist, in which a start would make an empty one.
            try:
                os.link(path, kept)
            except OSError:
                move(path, kept)
        move(staged, path)
        sync_folder(path.parent)
        return good


def damage_in(path: Path) -> str | None:
    """What SQLite finds wrong with a file, None where it is sound."""
    try:
        with contextlib.closing(sqlite3.connect(sqlite_uri(path, "ro"), uri=True)) as connection:
            (answer,) = connection.execute("PRAGMA integrity_check(1)").fetchone()
    except sqlite3.Error as e:
        return str(e)
    return None if answer == "ok" else str(answer)


def _copy_sqlite(source: Path, target: Path) -> None:
    """A consistent, private copy, also while others write; on the disk before this returns."""
    os.close(os.open(target, os.O_CREAT | os.O_EXCL | os.O_RDWR, FILE_MODE))
    with (
        contextlib.closing(sqlite3.connect(sqlite_uri(source, "ro"), uri=True)) as one,
        contextlib.closing(sqlite3.connect(sqlite_uri(target, "rw"), uri=True)) as other,
    ):
        one.backup(other)
        # A copy is one file: the write-ahead log's mode comes along with the pages.
        other.execute("PRAGMA journal_mode=DELETE")
    with open(target, "rb+") as stream:
        os.fsync(stream.fileno())


def _refuse_emptied_file(path: Path) -> None:
    """SQLite takes a file of no bytes for a new database; where there are backups, it once was a worklist."""
    if path.is_file() and path.stat().st_size == 0 and backups_of(path):
        raise sqlite3.DatabaseError("file is empty")


def _tip_of(session: Session) -> tuple[int, str] | None:
    """Number and hash of the newest audit row."""
    row = session.execute(select(AuditHeadRow.number, AuditHeadRow.sha256).where(AuditHeadRow.id == 1)).first()
    return (row[0], row[1]) if row is not None else None


def _url(where: str) -> URL:
    url = make_url(where)
    if url.drivername in ("postgresql", "postgres"):
        url = url.set(drivername="postgresql+psycopg")
    return url


def _engine(url: URL, file: StoreFile | None) -> Engine:
    if file is None:
        try:
            return create_engine(url, pool_pre_ping=True, connect_args={"connect_timeout": 5})
        except ModuleNotFoundError as e:
            raise StoreError(
                "no_postgresql",
                tr('PostgreSQL needs the extra “postgresql”: pip install "hyrisk-desktop[postgresql]".'),
            ) from e
    engine = create_engine(url, creator=file.connect, poolclass=QueuePool)

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
