"""What the program weighs: its start against an empty Qt window, and the most memory of reading an exam on a CPU.

    python -m tests.benchmarks.bench_weight [EXAM X Y Z] [--runs 5] [--engine auto]

Run it with QT_QPA_PLATFORM=offscreen or in a real window, in the environment that readers have (``bootstrap.py run``): torch with CUDA
weighs twice as much. Without an exam only the start is measured. Each figure is of processes of their own.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

_EMPTY = (
    "from PySide6.QtWidgets import QApplication, QMainWindow\n"
    "a = QApplication([]); w = QMainWindow(); w.resize(1280, 720); w.show(); a.processEvents(); w.grab()\n"
)
_OURS = (
    "from hyrisk_desktop.app import build_window, make_application\n"
    "from hyrisk_desktop.settings import Settings\n"
    "a = make_application(['x']); w, s = build_window(Settings(None), None); w.resize(1280, 720); w.show()\n"
    "a.processEvents(); w.grab()\n"
)
READING = """
import sys, time
from pathlib import Path
from hyrisk_desktop.app import build_window, make_application
from hyrisk_desktop.settings import Settings
application = make_application(["x"])
settings = Settings(None)
settings["device"] = "cpu"
settings["engine"] = sys.argv[5]
window, services = build_window(settings, None)
window.resize(1280, 720)
window.show()
services.start()
session = services.session

def wait(done):
    end = time.monotonic() + 300
    while not done():
        assert time.monotonic() < end, "no answer"
        application.processEvents()
        time.sleep(0.005)

services.worklist.open_path(Path(sys.argv[1]))
wait(lambda: session.exam is not None and session.can_measure)
session.edit(centre=tuple(map(int, sys.argv[2:5])), grade=2.0)
wait(lambda: session.risk is not None and session.risk.interval[0] < session.risk.interval[1])
print(session.risk.risk, session.scores.agatston)
window.close()
"""
_LEAVE = "import os; os._exit(0)\n"


def seconds(code: str, runs: int) -> list[float]:
    """Of whole processes that end as soon as their window is painted."""
    took = []
    for _ in range(runs):
        began = time.perf_counter()
        subprocess.run([sys.executable, "-c", code + _LEAVE], check=True, stdout=subprocess.DEVNULL)
        took.append(time.perf_counter() - began)
    return took


def most_memory(command: list[str]) -> float:
    """MB that a process held at most."""
    # In a process between, as the system tells the most of all children that have ended.
    code = (
        "import resource, subprocess, sys\n"
        "subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL)\n"
        "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"
    )
    said = subprocess.run([sys.executable, "-c", code, *command], check=True, capture_output=True, text=True).stdout
    return int(said) * (1 if sys.platform == "darwin" else 1024) / 1e6


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("exam", nargs="*", help="path X Y Z")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--engine", default="auto", help="auto, torch or onnx")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as home:
        os.environ["HYRISK_HOME"] = home
        # In turns, so that what else the machine does falls on both.
        pairs = [(seconds(_EMPTY, 1)[0], seconds(_OURS, 1)[0]) for _ in range(options.runs)]
        empty, ours = (statistics.median(column) for column in zip(*pairs, strict=True))
        ratio = statistics.median(b / a for a, b in pairs)
        print(f"start to a painted window: empty Qt {empty:.2f} s, HyRisk {ours:.2f} s, ratio {ratio:.2f}")
        if not options.exam:
            return
        path, *centre = options.exam
        where = [str(Path(path).resolve()), *centre]
        score = [sys.executable, "-m", "hyrisk_desktop.cli", "score", where[0], "--center", *centre, "--grade", "2", "--json", "--device", "cpu", "--engine", options.engine]  # fmt: skip
        print(f"most memory: hyrisk score {most_memory(score):.0f} MB")
        print(
            f"most memory: read in the window {most_memory([sys.executable, '-c', READING, *where, options.engine]):.0f} MB"
        )


if __name__ == "__main__":
    main()
