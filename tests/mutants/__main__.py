"""Try the mutants on the tests: ``python -m tests.mutants [WORDS ...] [--jobs N] [--timeout S] [--again]``.

Each mutant is put into a copy of the tree, never into the tree itself, and the tests nearest to it run there. What is
found is appended to a file, so that the same command goes on where it stopped. Before a mutant counts, its tests must pass
without it.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import queue
import shutil
import subprocess
import sys
import tempfile
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil

from tests.mutants.mutant import ROOT, Mutant
from tests.mutants.table import MUTANTS

KILLED, SURVIVED, TIMED_OUT, BROKEN = "killed", "survived", "timed out", "broken"
_LEFT_BEHIND = shutil.ignore_patterns(".*", "__pycache__", "scratch", "build", "dist", "*.egg-info")


def main() -> int:
    """Run the chosen mutants; 0 where each that should be killed is."""
    options = _options()
    chosen = [m for m in MUTANTS if all(word in m.name for word in options.words)]
    record = _Record(options.out, again=options.again)
    todo = [m for m in chosen if record.result_of(m) is None]
    copies: queue.Queue[Path] = queue.Queue()
    with tempfile.TemporaryDirectory(prefix="hyrisk-mutants-") as folder:
        for number in range(min(options.jobs, len(todo))):
            copy = Path(folder, str(number))
            shutil.copytree(ROOT, copy, ignore=_LEFT_BEHIND)
            copies.put(copy)
        with ThreadPoolExecutor(options.jobs) as pool:
            for _ in pool.map(lambda m: _try(m, copies, record, options.timeout), todo):
                pass
    return _summary(chosen, record)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.mutants", description=__doc__)
    parser.add_argument("words", nargs="*", help="only mutants whose file, line or replacement holds all of these")
    parser.add_argument("--jobs", type=int, default=1, help="how many at a time")
    parser.add_argument("--timeout", type=float, default=300.0, help="seconds for the tests of one mutant")
    parser.add_argument("--again", action="store_true", help="try those again that were not killed")
    parser.add_argument(
        "--out", type=Path, default=ROOT / "scratch" / "mutants.jsonl", help="the record of what was found"
    )
    return parser.parse_args()


class _Record:
    """What was found so far, on disk, and which tests are known to pass without a mutant."""

    def __init__(self, path: Path, *, again: bool) -> None:
        self._path, self._lock = path, threading.Lock()
        self._found: dict[str, str] = {}
        self._sound: dict[str, bool] = {}
        lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
        for line in lines:
            entry = json.loads(line)
            self._found[entry["key"]] = entry["result"]
        if again:
            self._found = {key: result for key, result in self._found.items() if result == KILLED}

    def result_of(self, mutant: Mutant) -> str | None:
        return self._found.get(_key(mutant))

    def note(self, mutant: Mutant, result: str) -> None:
        with self._lock:
            self._found[_key(mutant)] = result
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with open(self._path, "a", encoding="utf-8") as stream:
                stream.write(json.dumps({"key": _key(mutant), "result": result, "name": mutant.name}) + "\n")
            print(f"{result:9}  {mutant.name}", flush=True)  # noqa: T201

    def sound(self, tests: str, copy: Path, timeout: float) -> bool:
        """Whether these tests pass in an untouched copy; asked once of each."""
        with self._lock:
            if tests not in self._sound:
                self._sound[tests] = _run(tests, copy, timeout) == SURVIVED
            return self._sound[tests]


def _key(mutant: Mutant) -> str:
    return hashlib.sha256(repr(mutant).encode()).hexdigest()


def _try(mutant: Mutant, copies: queue.Queue[Path], record: _Record, timeout: float) -> None:
    copy = copies.get()
    try:
        if not record.sound(mutant.tests, copy, timeout):
            record.note(mutant, BROKEN)
            return
        file = copy / mutant.file
        whole = file.read_text(encoding="utf-8")
        try:
            file.write_text(mutant.mutate(whole), encoding="utf-8")
            record.note(mutant, _run(mutant.tests, copy, timeout))
        finally:
            file.write_text(whole, encoding="utf-8")
    finally:
        copies.put(copy)


def _run(tests: str, copy: Path, timeout: float) -> str:
    """Run tests in a copy of the tree, up to the first failure."""
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", *tests.split()]
    # No bytecode: two versions of a file within one second, of one length, would be taken for the same.
    environment = {
        **os.environ,
        "PYTHONPATH": str(copy),
        "PYTHONDONTWRITEBYTECODE": "1",
        "QT_QPA_PLATFORM": "offscreen",
    }
    environment.pop("HYRISK_TEST_DATA", None)
    process = psutil.Popen(
        command, cwd=copy, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    try:
        out, _ = process.communicate(timeout=timeout)
    except subprocess.TimeoutExpired:
        for one in (*process.children(recursive=True), process):
            one.kill()
        process.communicate()
        return TIMED_OUT
    # 1: tests failed; 2: a module could not even be imported; anything else is a mistake in the table.
    if process.returncode not in (0, 1, 2):
        print(out)  # noqa: T201
    return {0: SURVIVED, 1: KILLED, 2: KILLED}.get(process.returncode, BROKEN)


def _summary(chosen: list[Mutant], record: _Record) -> int:
    results = {m: record.result_of(m) for m in chosen}
    counts = Counter(results.values())
    print(f"\n{counts[KILLED]} of {len(chosen)} mutants killed ({counts[KILLED] / max(len(chosen), 1):.1%})", end="")  # noqa: T201
    print("".join(f", {counts[kind]} {kind}" for kind in (SURVIVED, TIMED_OUT, BROKEN) if counts[kind]))  # noqa: T201
    for mutant, result in results.items():
        if result != KILLED:
            print(f"  {result}: {mutant.name}\n    {mutant.survives or 'a test is missing'}")  # noqa: T201
    return int(any(result != KILLED and not mutant.survives for mutant, result in results.items()))


if __name__ == "__main__":
    sys.exit(main())
