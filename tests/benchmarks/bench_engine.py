"""What reading on a CPU costs with ONNX Runtime beside torch, in one run: ratios below 1 are ONNX Runtime's gain.

    python -m tests.benchmarks.bench_engine [EXAM X Y Z] [--model DIR] [--runs 9]

Run it in the environment that readers have (``bootstrap.py run``): torch with CUDA weighs twice as much. With an exam, also the
most memory of `hyrisk score` and of the reading in a window, and what `hyrisk score` takes from its start to its end.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from hyrisk_desktop.paths import bundled_model_dir
from hyrisk_desktop.risk.predictor import Predictor
from hyrisk_desktop.risk.self_test import known_answer_volume
from tests.benchmarks.bench_weight import READING, most_memory

_FIRST = """
import sys
from pathlib import Path
from hyrisk_desktop.risk.engine_choice import open_predictor
from hyrisk_desktop.risk.self_test import known_answer_volume
volume, centre, grade = known_answer_volume()
predictor = open_predictor(Path(sys.argv[1]), "cpu", engine=sys.argv[2])
predictor.warm_up()
predictor.predict(volume, centre, grade)
"""


def compared(calls: dict[str, Callable[[], object]], runs: int) -> dict[str, list[float]]:
    """Seconds of each call, taken in turns so that a busy moment hits all alike; the first turn is not counted."""
    took: dict[str, list[float]] = {name: [] for name in calls}
    for turn in range(runs + 1):
        for name, call in calls.items():
            began = time.perf_counter()
            call()
            if turn:
                took[name].append(time.perf_counter() - began)
    return took


def line(what: str, took: dict[str, list[float]], unit: str = "ms", factor: float = 1000.0) -> str:
    """Medians of both engines, and the median of the ratios of what was taken in the same turn."""
    torch, onnx = (took[name] for name in ("torch", "onnx"))
    ratio = statistics.median(b / a for a, b in zip(torch, onnx, strict=True))
    medians = [statistics.median(values) * factor for values in (torch, onnx)]
    return f"{what}: torch {medians[0]:.0f} {unit}, ONNX Runtime {medians[1]:.0f} {unit}, ratio {ratio:.2f}"


def in_this_process(model: Path, runs: int) -> None:
    """One view, and all views of a reading, from HU to risks."""
    volume, centre, grade = known_answer_volume()
    predictors = {name: Predictor(model, "cpu", engine=name) for name in ("torch", "onnx")}
    odds = [predictor.odds_at(volume, centre, (-1.0, 1.0)) for predictor in predictors.values()]
    print(f"largest difference of log odds: {max(abs(a - b) for a, b in zip(*odds, strict=True)):.1e}")

    def whole(predictor: Predictor) -> None:
        predictor._seen.clear()
        predictor.predict(volume, centre, grade)

    calls = {name: lambda p=p: p.glance(volume, centre, grade) for name, p in predictors.items()}
    print(line("one view", compared(calls, runs)))
    calls = {name: lambda p=p: whole(p) for name, p in predictors.items()}
    print(line("all views of a reading", compared(calls, runs)))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("exam", nargs="*", help="path X Y Z")
    parser.add_argument("--model", type=Path, default=bundled_model_dir())
    parser.add_argument("--runs", type=int, default=9)
    options = parser.parse_args()
    in_this_process(options.model, options.runs)

    def run(command: list[str]) -> None:
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)

    few = max(options.runs // 3, 3)
    first = {name: [sys.executable, "-c", _FIRST, str(options.model), name] for name in ("torch", "onnx")}
    calls = {name: lambda c=command: run(c) for name, command in first.items()}
    print(line("from a process's start to its first reading", compared(calls, few)))
    print(memory("most memory of such a process", first))
    if not options.exam:
        return
    with tempfile.TemporaryDirectory() as home:
        os.environ["HYRISK_HOME"] = home
        path, *centre = options.exam
        where = [str(Path(path).resolve()), *centre]
        score = [sys.executable, "-m", "hyrisk_desktop.cli", "score", where[0], "--center", *centre, "--grade", "2", "--json", "--device", "cpu"]  # fmt: skip
        scores = {name: [*score, "--engine", name] for name in ("torch", "onnx")}
        calls = {name: lambda c=command: run(c) for name, command in scores.items()}
        print(line("hyrisk score", compared(calls, few)))
        print(memory("most memory of hyrisk score", scores))
        window = {name: [sys.executable, "-c", READING, *where, name] for name in ("torch", "onnx")}
        print(memory("most memory of a reading in the window", window))


def memory(what: str, commands: dict[str, list[str]]) -> str:
    """Of the two engines' processes, the most of three runs each."""
    torch, onnx = (max(most_memory(commands[name]) for _ in range(3)) for name in ("torch", "onnx"))
    return f"{what}: torch {torch:.0f} MB, ONNX Runtime {onnx:.0f} MB, ratio {onnx / torch:.2f}"


if __name__ == "__main__":
    main()
