"""What the exam before costs the current one: the longest stall of the window while it is loaded, registered and compared.

Run: ``python tests/benchmarks/bench_prior.py FOLDER`` (two exams of one patient, such as ``hyrisk phantom pair --out FOLDER`` makes), with
QT_QPA_PLATFORM=offscreen or a display. Prints milliseconds, and their ratio to the longest stall of the same window doing nothing.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from PySide6.QtWidgets import QApplication

from hyrisk_desktop.app import build_window, make_application
from hyrisk_desktop.gui.application import Services
from hyrisk_desktop.gui.main_window import MainWindow
from hyrisk_desktop.settings import Settings

_IDLE_S = 3.0


class Watch:
    """The event loop, and the longest time that one round of it took."""

    def __init__(self, application: QApplication) -> None:
        self._application = application

    def stall_ms(self, until: Callable[[], bool], timeout_s: float = 300.0) -> float:
        """Until ``until`` holds: the longest round, ms."""
        end, last, longest = time.monotonic() + timeout_s, time.monotonic(), 0.0
        while not until():
            self._application.processEvents()
            now = time.monotonic()
            longest, last = max(longest, now - last), now
            time.sleep(0.001)
            if now > end:
                raise SystemExit("it took too long")
        return 1000 * longest


def open_later(watch: Watch, window: MainWindow, services: Services, folder: Path) -> None:
    """The later of both exams on screen, with its prior known and a finished read."""
    session, worklist = services.session, services.worklist
    watch.stall_ms(lambda: session.model is not None)
    worklist.open_path(folder)
    watch.stall_ms(lambda: session.can_measure and len(worklist.model.entries) == 2 and not worklist.busy)
    newest = max(worklist.model.entries, key=lambda entry: entry.study_date)
    worklist.open_exam(newest.exam_id)
    watch.stall_ms(lambda: session.can_measure and session.stored_id == newest.exam_id and bool(services.priors.found))
    watch.stall_ms(lambda: session.proposal is not None)
    window.desk.confirmed.emit()
    session.place_centre(session.proposal.voxel)  # type: ignore[union-attr]
    session.set_grade(2)
    watch.stall_ms(lambda: session.risk is not None and not services.runner.busy)


def main() -> None:
    """Open, watch, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    home = Path(tempfile.mkdtemp())
    os.environ["HYRISK_HOME"] = str(home)
    watch = Watch(make_application(["bench"]))
    window, services = build_window(Settings(None), home / "log")
    window.resize(1920, 1060)
    window.show()
    session, priors = services.session, services.priors
    open_later(watch, window, services, folder)
    began = time.monotonic()
    idle = watch.stall_ms(lambda: time.monotonic() - began > _IDLE_S)
    print(f"doing nothing      {idle:6.1f} ms")
    for name, act, until in (
        ("loading the prior", lambda: window.commands.run("prior_beside"), lambda: priors.loaded is not None),
        ("registering", lambda: None, lambda: priors.placing is not None and priors.placing.exact),
        ("comparing", lambda: None, lambda: session.comparison is not None),
        ("scoring the heart", lambda: window.commands.run("whole_heart"), lambda: session.settled_heart is not None),
    ):
        started = time.monotonic()
        act()
        stall = watch.stall_ms(until)
        print(f"{name:18s} {stall:6.1f} ms = {stall / max(idle, 0.1):5.1f} x, took {time.monotonic() - started:.1f} s")
    window.close()


if __name__ == "__main__":
    main()
