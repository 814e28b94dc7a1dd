"""What a desk hears of the others: which exams they have changed, and that they came, went or opened another one.

A PostgreSQL server says so by itself. An SQLite file is asked once a second for what is newer than what is known: two small
queries, whatever the list's length.
"""

from __future__ import annotations

import json
import select as sockets
import socket
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Protocol

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from hyrisk_desktop.errors import StoreError
from hyrisk_desktop.i18n import tr
from hyrisk_desktop.worklist.changes import CHANNEL
from hyrisk_desktop.worklist.database import Database
from hyrisk_desktop.worklist.models import ChangeRow, DeskRow

_POLL_S = 1.0
_GATHER_S = 0.25


@dataclass(frozen=True, slots=True)
class News:
    """What was changed elsewhere.

    Attributes:
        exam_ids: exams that are new or shown otherwise. desks: another desk came, went, or opened another exam.
        everything: what was changed is not known, as nobody listened for a while.
    """

    exam_ids: frozenset[int] = frozenset()
    desks: bool = False
    everything: bool = False

    def __or__(self, other: News) -> News:
        return News(self.exam_ids | other.exam_ids, self.desks or other.desks, self.everything or other.everything)

    def __bool__(self) -> bool:
        return bool(self.exam_ids) or self.desks or self.everything


class Feed(Protocol):
    """What one desk hears of the others."""

    def wait(self, wake: socket.socket) -> News:
        """What came in; empty after a while in which nothing did, or once ``wake`` can be read. Raises StoreError."""

    def close(self) -> None:
        """Hear no more."""


def feed_of(database: Database) -> Feed:
    """A feed from now on, for one thread; raises StoreError."""
    return _ServerFeed(database) if database.path is None else _FileFeed(database)


def _can_be_read(*waiting: Any, seconds: float) -> list[Any]:
    return sockets.select(waiting, (), (), seconds)[0]


class _FileFeed:
    """Asks an SQLite file again and again.

    No connection stays open for it: SQLite could otherwise not begin a new log where the old one was taken away.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        with database.read() as session:
            self._last = session.scalar(select(func.max(ChangeRow.number))) or 0
            self._desks = self._others(session)
        database.heard = self._last

    def wait(self, wake: socket.socket) -> News:
        if _can_be_read(wake, seconds=_POLL_S):
            return News()
        with self._database.read() as session:
            newer = select(ChangeRow.exam_id, ChangeRow.number, ChangeRow.desk).where(ChangeRow.number > self._last)
            rows = session.execute(newer).all()
            desks = self._others(session)
        self._last = self._database.heard = max((row.number for row in rows), default=self._last)
        before, self._desks = self._desks, desks
        others = frozenset(row.exam_id for row in rows if row.desk != self._database.desk)
        return News(others, desks != before)

    def _others(self, session: Session) -> set[tuple[Any, ...]]:
        columns = select(DeskRow.token, DeskRow.reader_id, DeskRow.exam_id, DeskRow.blinded)
        return {tuple(row) for row in session.execute(columns.where(DeskRow.token != self._database.desk))}

    def close(self) -> None:
        self._database.heard = None


class _ServerFeed:
    """Listens to a PostgreSQL server on a connection of its own."""

    def __init__(self, database: Database) -> None:
        self._desk = database.desk
        dialect: Any = database.engine.dialect
        self._error: type[Exception] = dialect.loaded_dbapi.Error
        self._heard: list[Any] = []
        try:
            with database.explained():
                pooled = database.engine.raw_connection()
        except self._error as e:
            raise _gone() from e
        connection: Any = pooled.driver_connection
        self._connection = connection
        pooled.detach()
        try:
            self._connection.autocommit = True
            self._connection.add_notify_handler(self._heard.append)
            self._connection.execute(f"LISTEN {CHANNEL}")
        except self._error as e:
            self.close()
            raise _gone() from e

    def wait(self, wake: socket.socket) -> News:
        if wake in _can_be_read(wake, self._connection.pgconn.socket, seconds=_POLL_S):
            return News()
        news = self._take()
        if news and not _can_be_read(wake, seconds=_GATHER_S):
            # A desk saves a read several times in a moment: grade, risk, hash. One look at the row is enough.
            news |= self._take()
        return news

    def _take(self) -> News:
        try:
            self._connection.pgconn.consume_input()
            while (told := self._connection.pgconn.notifies()) is not None:
                self._heard.append(told)
        except (self._error, OSError) as e:
            raise _gone() from e
        heard, self._heard[:] = list(self._heard), []
        return _news_of((_payload(told) for told in heard), self._desk)

    def close(self) -> None:
        self._connection.close()


def _payload(told: Any) -> str:
    content = told.extra if hasattr(told, "extra") else told.payload
    return content.decode("utf-8", "replace") if isinstance(content, bytes) else str(content)


def _news_of(payloads: Iterable[str], own: str) -> News:
    """What payloads of `publish` say; one of another version of this program means that anything may have changed."""
    news = News()
    for payload in payloads:
        try:
            told = json.loads(payload)
            if told["desk"] != own:
                news |= News(frozenset(map(int, told["exams"])), bool(told["desks"]))
        except (ValueError, TypeError, KeyError):
            news |= News(everything=True)
    return news


def _gone() -> StoreError:
    return StoreError(
        "store_unreachable",
        tr("The worklist's server does not answer, so what other desks do does not show. Check the network."),
    )
