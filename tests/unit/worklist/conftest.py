"""A store to try things on: SQLite always, PostgreSQL as well where a test asks for both."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy

from hyrisk_desktop.worklist.store import Store
from tests.helpers import postgres


@pytest.fixture(scope="session")
def postgres_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """One server for the whole run; every test takes a database of its own from it."""
    with postgres.server(tmp_path_factory.mktemp("postgres")) as url:
        yield url


def new_database(url: str) -> str:
    """A fresh, empty database on that server."""
    name = f"t{uuid.uuid4().hex[:12]}"
    engine = sqlalchemy.create_engine(
        url.replace("postgresql://", "postgresql+psycopg://"), isolation_level="AUTOCOMMIT"
    )
    with engine.connect() as connection:
        connection.execute(sqlalchemy.text(f"CREATE DATABASE {name}"))
    engine.dispose()
    return url.rsplit("/", 1)[0] + f"/{name}"


@pytest.fixture(params=["sqlite", "postgresql"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Path | str:
    """Where a store may be made, on either database."""
    if request.param == "sqlite":
        return tmp_path / "store" / "worklist.sqlite"
    return new_database(request.getfixturevalue("postgres_url"))


@pytest.fixture
def store(place: Path | str) -> Iterator[Store]:
    """An empty store on either database."""
    opened = Store(place)
    yield opened
    opened.close()
