"""The tables of a new SQLite worklist: migrated once by each process, and laid from what that said to the database afterwards."""

from __future__ import annotations

from typing import Any

import alembic.command
from alembic.config import Config
from sqlalchemy import event
from sqlalchemy.engine import Connection

_upgrade = alembic.command.upgrade
_said: dict[str, list[tuple[str, Any]]] = {}
"""By the folder of the migrations: each statement that changes something, with its values."""


def upgrade(config: Config, revision: str, **more: Any) -> None:
    """Stands in for `alembic.command.upgrade`, which takes 80 ms for the same statements.

    Where there are tables already, on a server, or up to another revision than the newest it is alembic's own.
    """
    connection = config.attributes.get("connection")
    if more or revision != "head" or connection is None or not _is_new(connection):
        _upgrade(config, revision, **more)
        return
    migrations = str(config.get_main_option("script_location"))
    if migrations not in _said:
        _said[migrations] = _listened(connection, config)
        return
    for statement, values in _said[migrations]:
        connection.exec_driver_sql(statement, values)


def _is_new(connection: Connection) -> bool:
    return connection.dialect.name == "sqlite" and not connection.exec_driver_sql("SELECT 1 FROM sqlite_master").all()


def _listened(connection: Connection, config: Config) -> list[tuple[str, Any]]:
    said: list[tuple[str, Any]] = []

    def listen(_: object, __: object, statement: str, values: Any, ___: object, many: bool) -> None:
        if not statement.lstrip().upper().startswith(("SELECT", "PRAGMA")):
            assert not many, statement
            said.append((statement, values))

    event.listen(connection, "before_cursor_execute", listen)
    try:
        _upgrade(config, "head")
    finally:
        event.remove(connection, "before_cursor_execute", listen)
    return said
