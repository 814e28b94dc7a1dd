"""The fake training process as a command, a tiny table, and the end of every process that a test started."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil

from hyrisk_desktop.gui.retrain.run_files import find_runs
from hyrisk_desktop.gui.retrain.training_process import Launcher
from hyrisk_desktop.paths import runs_dir
from tests.helpers.patience import PATIENCE_S

_SCRIPT = Path(__file__).with_name("fake_training.py")


def fake_command(
    *, step_s: float = 0.0, check_s: float = 0.0, fail: bool = False, hold: bool = False, bundle: Path | None = None
) -> Callable[..., tuple[list[str], dict[str, str]]]:
    """Stands in for `paths.training_process`."""
    environment = os.environ | {"FAKE_STEP_S": str(step_s), "FAKE_CHECK_S": str(check_s)}
    if fail:
        environment["FAKE_FAIL"] = "1"
    if hold:
        environment["FAKE_HOLD"] = "1"
    if bundle is not None:
        environment["FAKE_BUNDLE"] = str(bundle)
    return lambda *arguments: ([sys.executable, str(_SCRIPT), *arguments], environment)


def tiny_table(folder: Path, *, rows: int = 20, grade: str = "") -> Path:
    """A cohort table of ``rows`` exams that do not exist; ``grade`` is put into the first row."""
    lines = ["exam,x,y,z,grade,outcome", *(f"exam-{i},80,80,2,{i % 4},{i % 2}" for i in range(rows))]
    if grade:
        lines[1] = f"exam-0,80,80,2,{grade},0"
    path = folder / "table.csv"
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


def stop_all(launcher: Launcher) -> None:
    """Kill what still works on a run of this test, and see that nothing is left."""
    for run in find_runs(runs_dir()):
        for child in psutil.Process().children(recursive=True):
            # One that has ended meanwhile is what is wanted.
            with contextlib.suppress(psutil.NoSuchProcess):
                if str(run) in child.cmdline():
                    child.kill()
                    child.wait(PATIENCE_S)
        # One that is just leaving has no command line any more, and is not killed above.
        deadline = time.monotonic() + PATIENCE_S
        while launcher.is_alive(run):
            assert time.monotonic() < deadline, run.name
            time.sleep(0.02)
