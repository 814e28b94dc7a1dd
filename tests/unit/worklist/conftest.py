"""A store to try things on: SQLite always, PostgreSQL as well where a test asks for both."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from hyrisk_desktop.worklist.store import Store
from tests.helpers import postgres


@pytest.fixture(scope="session")
def postgres_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[postgres.Server]:
    """One server for the whole run; every test takes a database of its own from it."""
    with postgres.server() as server:
        yield server


@pytest.fixture(params=["sqlite", "postgresql"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Path | str:
    """Where a store may be made, on either database."""
    if request.param == "sqlite":
        return tmp_path / "store" / "worklist.sqlite"
    server: postgres.Server = request.getfixturevalue("postgres_server")
    return server.new_database()


@pytest.fixture
def store(place: Path | str) -> Iterator[Store]:
    """An empty store on either database."""
    opened = Store(place)
    yield opened
    opened.close()
