"""A real scheduler and worker processes, with their logs in files."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import hyrisk_desktop


@dataclass(frozen=True, slots=True)
class RunningCluster:
    """Its address, its worker processes, and everything that it logged so far."""

    address: str
    workers: tuple[subprocess.Popen[bytes], ...]
    folder: Path

    @property
    def logs(self) -> str:
        """What scheduler and workers logged."""
        return "".join(path.read_text(errors="replace") for path in sorted(self.folder.glob("*.log")))


def free_port() -> int:
    """A TCP port that nobody listens on."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


@contextlib.contextmanager
def dask_cluster(folder: Path, workers: int = 2, *worker_options: str) -> Iterator[RunningCluster]:
    """Start a scheduler and workers in ``folder``; all end with the context."""
    port = free_port()
    address = f"tcp://127.0.0.1:{port}"
    root = str(Path(hyrisk_desktop.__file__).parents[1])
    path = os.pathsep.join(filter(None, (root, os.environ.get("PYTHONPATH"))))
    environment = os.environ | {"PYTHONPATH": path}
    common = ("--host", "127.0.0.1", "--no-dashboard")

    def start(name: str, *arguments: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", f"distributed.cli.dask_{arguments[0]}", *arguments[1:], *common]
        with open(folder / f"{name}.log", "wb") as log:
            return subprocess.Popen(command, stdout=log, stderr=log, env=environment, cwd=folder)

    processes = [start("scheduler", "scheduler", "--port", str(port))]
    try:
        processes += [
            start(f"worker{n}", "worker", address, "--local-directory", str(folder), "--nthreads", "1", *worker_options)
            for n in range(workers)
        ]
        yield RunningCluster(address, tuple(processes[1:]), folder)
    finally:
        for process in processes:
            process.kill()
            process.wait()
