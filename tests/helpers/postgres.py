"""A PostgreSQL server of the tests' own: on a free loopback port, under an unprivileged user, gone afterwards."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def programs() -> Path | None:
    """The folder with initdb and pg_ctl, None where PostgreSQL is not installed."""
    debian = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    found = str(debian[-1]) if debian else shutil.which("initdb")
    return Path(found).parent if found else None


@contextmanager
def server(folder: Path) -> Iterator[str]:
    """Start a server below ``folder`` and yield the URL of an empty database."""
    bin_dir = programs()
    assert bin_dir is not None, "PostgreSQL's programs are missing; packaging/bootstrap.py test installs them"
    data = folder / "data"
    data.mkdir(parents=True)
    # PostgreSQL refuses to run as root.
    before = []
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        shutil.chown(data, "postgres", "postgres")
        for parent in data.parents:
            if parent.stat().st_mode & 0o005 != 0o005:
                parent.chmod(parent.stat().st_mode | 0o055)
        before = ["runuser", "-u", "postgres", "--"]
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    options = f"-c listen_addresses=127.0.0.1 -c port={port} -c unix_socket_directories= -c fsync=off"

    def run(*command: str) -> None:
        subprocess.run([*before, *command], check=True, capture_output=True, timeout=60, cwd=data)

    run(str(bin_dir / "initdb"), "-D", str(data), "-U", "hyrisk", "-A", "trust", "-E", "UTF8", "--locale=C")
    run(str(bin_dir / "pg_ctl"), "-D", str(data), "-w", "-o", options, "-l", str(data / "log"), "start")
    try:
        yield f"postgresql://hyrisk@127.0.0.1:{port}/postgres"
    finally:
        run(str(bin_dir / "pg_ctl"), "-D", str(data), "-m", "immediate", "stop")
        time.sleep(0.05)
