"""Try the mutants on the tests: ``python -m tests.mutants [WORDS ...] [--jobs N] [--timeout S] [--again]``.

Each mutant is put into a copy of the tree, never into the tree itself, and the tests nearest to it run there. What is
found is appended to a file, so that the same command goes on where it stopped. Before a mutant counts, its tests must pass
without it.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import queue
import sys
import tempfile
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.mutants.bench import BROKEN, KILLED, SURVIVED, TIMED_OUT, Bench
from tests.mutants.mutant import ROOT, Mutant
from tests.mutants.table import MUTANTS


def main() -> int:
    """Run the chosen mutants; 0 where each that should be killed is."""
    options = _options()
    chosen = [m for m in MUTANTS if all(word in m.name for word in options.words)]
    record = _Record(options.out, again=options.again)
    todo = [m for m in chosen if record.result_of(m) is None]
    benches: queue.Queue[Bench] = queue.Queue()
    with tempfile.TemporaryDirectory(prefix="hyrisk-mutants-") as folder:
        for number in range(min(options.jobs, len(todo))):
            benches.put(Bench(Path(folder, str(number)), options.timeout))
        with ThreadPoolExecutor(options.jobs) as pool:
            list(pool.map(lambda m: _try(m, benches, record), todo))
        while not benches.empty():
            benches.get().close()
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

    def sound(self, tests: str, bench: Bench) -> bool:
        """Whether these tests pass in an untouched copy; asked once of each."""
        with self._lock:
            if tests not in self._sound:
                self._sound[tests] = bench.run(tests) == SURVIVED
            return self._sound[tests]


def _key(mutant: Mutant) -> str:
    return hashlib.sha256(repr(mutant).encode()).hexdigest()


def _try(mutant: Mutant, benches: queue.Queue[Bench], record: _Record) -> None:
    bench = benches.get()
    try:
        if not record.sound(mutant.tests, bench):
            record.note(mutant, BROKEN)
            return
        file = bench.folder / mutant.file
        whole = file.read_text(encoding="utf-8")
        try:
            file.write_text(mutant.mutate(whole), encoding="utf-8")
            record.note(mutant, bench.run(mutant.tests))
        finally:
            file.write_text(whole, encoding="utf-8")
    finally:
        benches.put(bench)


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
