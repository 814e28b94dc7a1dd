"""Where mutants are tried: a copy of the tree, and a process in it that has imported the slow libraries before.

Importing torch, scipy and the like takes longer than most of the tests that notice a mutant. So each run of the tests is a
fork of that process; where there are no forks, it is a process of its own.
"""

from __future__ import annotations

import importlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import psutil

from tests.mutants.mutant import ROOT

KILLED, SURVIVED, TIMED_OUT, BROKEN = "killed", "survived", "timed out", "broken"
# Nothing of ours, whose lines change, and nothing that pytest wants to rewrite.
_SLOW = (
    "numpy",
    "scipy.ndimage",
    "scipy.stats",
    "sklearn.linear_model",
    "torch",
    "pydicom",
    "highdicom",
    "alembic.command",
)
_LEFT_BEHIND = shutil.ignore_patterns(".*", "__pycache__", "scratch", "build", "dist", "*.egg-info")
# 1: tests failed; 2: a module could not even be imported; anything else is a mistake in the table.
_RESULTS = {0: SURVIVED, 1: KILLED, 2: KILLED, None: TIMED_OUT}


class Bench:
    """One copy of the tree with its process."""

    def __init__(self, folder: Path, timeout: float) -> None:
        self.folder = folder
        shutil.copytree(ROOT, folder, ignore=_LEFT_BEHIND)
        # No bytecode: two versions of a file within one second, of one length, would be taken for the same.
        environment = {
            **os.environ,
            "PYTHONPATH": str(folder),
            "PYTHONDONTWRITEBYTECODE": "1",
            "QT_QPA_PLATFORM": "offscreen",
            # One thread each: torch is imported before the tests can ask it to wait without spinning.
            "OMP_NUM_THREADS": "1",
            "OMP_WAIT_POLICY": "PASSIVE",
        }
        environment.pop("HYRISK_TEST_DATA", None)
        command = [sys.executable, "-m", "tests.mutants.bench", str(timeout)]
        self._process = subprocess.Popen(command, cwd=folder, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)  # fmt: skip

    def run(self, tests: str) -> str:
        """What becomes of these tests in the copy, up to the first failure."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(tests + "\n")
        self._process.stdin.flush()
        return _RESULTS.get(json.loads(self._process.stdout.readline()), BROKEN)

    def close(self) -> None:
        """End the process."""
        self._process.communicate()


def serve(timeout: float) -> None:
    """Run the tests that each line of stdin names; answer with pytest's exit code, or null for a timeout."""
    for name in _SLOW if hasattr(os, "fork") else ():
        importlib.import_module(name)
    for line in sys.stdin:
        arguments = ["-x", "-q", "-p", "no:cacheprovider", *line.split()]
        print(json.dumps(_in_child(arguments, timeout)), flush=True)  # noqa: T201


def _in_child(arguments: list[str], timeout: float) -> int | None:
    if not hasattr(os, "fork"):
        child = psutil.Popen(
            [sys.executable, "-m", "pytest", *arguments], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL
        )
    elif pid := os.fork():
        child = psutil.Process(pid)
    else:
        _run_and_leave(arguments)
    try:
        code: int = child.wait(timeout)
    except psutil.TimeoutExpired:
        for one in (*child.children(recursive=True), child):
            one.kill()
        child.wait()
        return None
    return code


def _run_and_leave(arguments: list[str]) -> None:
    import pytest

    nowhere = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(nowhere, stream)
    code = 3
    try:
        code = int(pytest.main(arguments))
    finally:
        os._exit(code)


if __name__ == "__main__":
    serve(float(sys.argv[1]))
