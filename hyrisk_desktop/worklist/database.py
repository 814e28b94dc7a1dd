"""The engine under the store: SQLite in one file, or PostgreSQL by URL; migrations, backups, and errors in one sentence each."""

from __future__ import annotations

import contextlib
import os
import secrets
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
from sqlalchemy.orm import Session
from sqlalchemy.pool import QueuePool

from hyrisk_desktop.errors import StoreError
from hyrisk_desktop.files import move, sync_folder
from hyrisk_desktop.i18n import tr
from hyrisk_desktop.private_files import make_private
from hyrisk_desktop.unfinished import part_beside
from hyrisk_desktop.worklist import changes
from hyrisk_desktop.worklist.backups import backups_of, copy_sqlite, damage_in, refuse_emptied_file
from hyrisk_desktop.worklist.models import AuditHeadRow, AuditRow
from hyrisk_desktop.worklist.presence import Presence, alone
from hyrisk_desktop.worklist.store_errors import bad_address, explained
from hyrisk_desktop.worklist.store_file import StoreFile

_MIGRATIONS = Path(__file__).resolve().parent / "migrations"
_LOCK_WAIT_MS = 5000
_KEPT_BACKUPS = 7
# A number that only this program asks the server for: two desks must not bring the tables up to date at once.
_UPGRADE_LOCK = 0x48795269
# A cable that was pulled out is noticed within 20 s instead of after a quarter of an hour.
_SERVER = {
    "connect_timeout": 5, "keepalives_idle": 5, "keepalives_interval": 3, "keepalives_count": 3, "tcp_user_timeout": 15_000,
}  # fmt: skip
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

    Attributes:
        desk: a name for this one among all that have the database open, new each time.
        heard: the number of the last change in an SQLite file that a feed of this desk has told of; None without a feed.

    Raises:
        StoreError: it can't be opened, is damaged, or was made by a newer version of this program.
    """

    def __init__(self, where: Path | str) -> None:
        self.desk = secrets.token_hex(8)
        self.heard: int | None = None
        self.path = where if isinstance(where, Path) else None
        with self.explained():
            url = URL.create("sqlite", database=str(where)) if isinstance(where, Path) else _url(where)
        if url.get_backend_name() == "sqlite" and self.path is None:
            self.path = Path(url.database or "")
        self._file: StoreFile | None = None
        self._presence: Presence | None = None
        self._tip: tuple[int, str] | None = None
        self._closed = False
        with contextlib.ExitStack() as undo:
            with self.explained():
                if self.path is not None:
                    refuse_emptied_file(self.path)
                    if not self.path.parent.is_dir():
                        make_private(self.path.parent)
                    self._presence = Presence(self.path)
                    undo.callback(self._presence.leave)
                    self._file = StoreFile(self.path)
                    undo.callback(self._file.release)
                self.engine = _engine(url, self._file)
            undo.callback(self.engine.dispose)
            with self.explained():
                self._upgrade()
                if self._file is not None:
                    self._file.note()
                    self._file.log_is_whole()
                with Session(self.engine) as session:
                    self._tip = _tip_of(session)
            undo.pop_all()

    @contextlib.contextmanager
    def read(self) -> Iterator[Session]:
        """A session that only reads."""
        with self.explained(), Session(self.engine) as session:
            yield session

    @contextlib.contextmanager
    def write(self) -> Iterator[Session]:
        """A session that is committed at the end, or rolled back whole.

        Raises:
            StoreError: as for any failure, and where what is written would go, or has gone, into a file that is no
                longer the worklist's: deleted, renamed, replaced, or brought back from a backup.
        """
        with self.explained():
            self._check_file()
            engine = self.engine.execution_options(hyrisk_writes=True)
            with Session(engine, expire_on_commit=False) as session, session.begin():
                self._compare_tip(session, self._tip)
                touched = changes.watch(session)
                yield session
                session.flush()
                changes.publish(session, touched, self.desk, self.heard)
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
        with self.explained():
            # A backup of what took this file's place would push out a good one.
            if self._file is not None:
                self._file.check()
            make_private(folder)
            staged = part_beside(target)
            try:
                copy_sqlite(self.path, staged)
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
            current = set(MigrationContext.configure(connection).get_current_heads())
        if current == {head}:
            return
        if current:
            if not current <= {s.revision for s in scripts.walk_revisions()}:
                raise StoreError(
                    "store_newer",
                    tr("The worklist was made by a newer version of this program. Update this program to open it."),
                )
            self.back_up(label=f"before-{head}")
        with self.engine.execution_options(hyrisk_writes=True).begin() as connection:
            if self.path is None:
                connection.execute(text("SELECT pg_advisory_xact_lock(:number)"), {"number": _UPGRADE_LOCK})
            config.attributes["connection"] = connection
            alembic.command.upgrade(config, "head")

    def explained(self) -> contextlib.AbstractContextManager[None]:
        """What is refused inside, as a `StoreError`."""
        return explained(self.path)


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
        copy_sqlite(good, staged)
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


def _tip_of(session: Session) -> tuple[int, str] | None:
    """Number and hash of the newest audit row."""
    row = session.execute(select(AuditHeadRow.number, AuditHeadRow.sha256).where(AuditHeadRow.id == 1)).first()
    return (row[0], row[1]) if row is not None else None


def _url(where: str) -> URL:
    try:
        url = make_url(where)
    except ValueError as e:  # a port that is no number
        raise bad_address() from e
    if url.drivername in ("postgresql", "postgres"):
        url = url.set(drivername="postgresql+psycopg")
    if url.get_backend_name() not in ("sqlite", "postgresql"):
        raise bad_address()
    return url


def _engine(url: URL, file: StoreFile | None) -> Engine:
    if file is None:
        try:
            return create_engine(url, pool_pre_ping=True, connect_args=_SERVER)
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
