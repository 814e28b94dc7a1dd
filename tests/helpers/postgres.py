"""A PostgreSQL server of the tests' own: on a free loopback port, under an unprivileged user, gone afterwards."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import sqlalchemy

from tests.helpers.patience import PATIENCE_S


def programs() -> Path:
    """The folder with initdb and pg_ctl."""
    debian = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    found = str(debian[-1]) if debian else shutil.which("initdb")
    assert found, "PostgreSQL's programs are missing; “packaging/bootstrap.py test” installs them"
    return Path(found).parent


class Server:
    """One server below a folder; `start` and `stop` may be called again and again."""

    def __init__(self, folder: Path) -> None:
        self._data = folder / "data"
        self._data.mkdir(parents=True)
        self._before: list[str] = []
        # PostgreSQL refuses to run as root.
        if hasattr(os, "geteuid") and os.geteuid() == 0:
            shutil.chown(self._data, "postgres", "postgres")
            for parent in self._data.parents:
                if parent.stat().st_mode & 0o005 != 0o005:
                    parent.chmod(parent.stat().st_mode | 0o055)
            self._before = ["runuser", "-u", "postgres", "--"]
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self._run("initdb", "-U", "hyrisk", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync")

    def _run(self, program: str, *arguments: str) -> None:
        command = [*self._before, str(programs() / program), "-D", str(self._data), *arguments]
        done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_S, cwd=self._data)
        assert done.returncode == 0, done.stderr

    def start(self) -> None:
        options = f"-c listen_addresses=127.0.0.1 -c port={self.port} -c unix_socket_directories= -c fsync=off"
        self._run("pg_ctl", "-w", "-o", options, "-l", str(self._data / "log"), "start")

    def stop(self) -> None:
        self._run("pg_ctl", "-m", "immediate", "stop")

    def new_database(self) -> str:
        """URL of a fresh, empty database."""
        name = f"t{uuid.uuid4().hex[:12]}"
        address = f"postgresql+psycopg://hyrisk@127.0.0.1:{self.port}"
        engine = sqlalchemy.create_engine(f"{address}/postgres", isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            connection.execute(sqlalchemy.text(f"CREATE DATABASE {name}"))
        engine.dispose()
        return f"postgresql://hyrisk@127.0.0.1:{self.port}/{name}"


@contextmanager
def server() -> Iterator[Server]:
    """A running server; stopped at the end if it still runs.

    Not below pytest's own folder: each pytest that starts closes that to all other accounts, and PostgreSQL's is one.
    """
    with tempfile.TemporaryDirectory(prefix="hyrisk-postgres-", ignore_cleanup_errors=True) as folder:
        made = Server(Path(folder))
        made.start()
        try:
            yield made
        finally:
            # A test may have stopped it.
            with suppress(AssertionError):
                made.stop()
