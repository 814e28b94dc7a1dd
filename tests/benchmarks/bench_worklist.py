"""The worklist: folder scan, next exam with and without read-ahead, a table of 10,000 rows, and store writes.

    QT_QPA_PLATFORM=offscreen python -m tests.benchmarks.bench_worklist [FOLDER] [--exams 40] [--slices 300]

FOLDER holds exams to scan and step through; without it, synthetic ones are written (64 x 64 pixels for the scan, 512 x 512
for stepping). Prints ratios beside seconds, because seconds on a busy machine say little.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import numpy as np

from tests.benchmarks.bench_desk import StallMeter, wait
from tests.helpers.exams import write_exam


def timed(work: Callable[[], object], times: int = 5) -> float:
    """Median seconds of ``work``."""
    took = []
    for _ in range(times):
        began = time.perf_counter()
        work()
        took.append(time.perf_counter() - began)
    return statistics.median(took)


def scan(folder: Path) -> None:
    from hyrisk_desktop.imaging import scan_exams
    from hyrisk_desktop.imaging.headers.header import NotDicom
    from hyrisk_desktop.imaging.headers.layout import Layouts
    from hyrisk_desktop.imaging.headers.tags import read_header

    files = [p for p in folder.rglob("*") if p.is_file()]

    def bare() -> None:
        layouts = Layouts()
        for place, _, names in os.walk(folder):
            for name in sorted(names):
                try:
                    read_header(Path(place, name), layouts)
                except NotDicom:
                    continue

    def with_pydicom() -> None:
        import pydicom

        for path in files[:2000]:
            try:
                pydicom.dcmread(path, stop_before_pixels=True)
            except pydicom.errors.InvalidDicomError:
                continue

    found = list(scan_exams(folder))
    ours, walk = timed(lambda: list(scan_exams(folder))), timed(bare)
    peer = timed(with_pydicom, 1) / min(len(files), 2000) * len(files)
    print(
        f"scan: {len(files)} files, {len({e.key for e in found})} exams: {ours:.2f} s, {len(files) / ours:.0f} files/s, "
        f"{ours / walk:.2f} x a bare walk with header reads, {ours / peer:.3f} x pydicom's headers"
    )


def step(folder: Path, count: int) -> None:
    """Time from the key N to the complete next exam on screen, and the longest stall on the way."""
    for budget, name in ((1500, "with read-ahead"), (0, "without")):
        with tempfile.TemporaryDirectory() as home:
            os.environ["HYRISK_HOME"] = home
            took, gaps, kept = step_through(folder, count, budget)
        print(
            f"next exam {name}: median {statistics.median(took) * 1e3:.0f} ms, worst {max(took) * 1e3:.0f} ms "
            f"({len(took)} steps, {kept / 1e6:.0f} MB kept); longest stall {max(gaps, default=0) * 1e3:.0f} ms"
        )


def step_through(folder: Path, count: int, budget_mb: int) -> tuple[list[float], list[float], int]:
    """Seconds of each step, gaps of the event loop, and bytes kept at the end."""
    from hyrisk_desktop.app import build_window, make_application
    from hyrisk_desktop.settings import Settings

    application = make_application(["bench"])
    settings = Settings(None)
    settings["read_ahead_mb"] = budget_mb
    window, services = build_window(settings, None)
    window.resize(1900, 1000)
    window.show()
    session, worklist = services.session, services.worklist
    wait(application, lambda: session.model is not None and worklist.reader is not None)
    worklist.open_folder(folder)
    wait(application, lambda: not worklist.scanning.running and session.can_measure)
    took: list[float] = []
    gaps: list[float] = []

    def next_is_there() -> bool:
        entry = worklist.model.neighbour(worklist.current, 1)
        return entry is None or entry.exam_id in worklist.ahead._kept

    for _ in range(count):
        # A reader looks at an exam for seconds, in which the next one is loaded.
        wait(application, next_is_there if budget_mb else lambda: not services.runner.busy)
        shown = session.exam.exam_id
        with StallMeter() as meter:
            began = time.perf_counter()
            if not worklist.step(1):
                break
            wait(application, lambda old=shown: session.can_measure and session.exam.exam_id != old)
            application.processEvents()
            took.append(time.perf_counter() - began)
        gaps += meter.gaps
    kept = worklist.ahead.bytes_kept
    window.close()
    return took, gaps, kept


def table(rows: int) -> None:
    from PySide6.QtCore import Qt

    from hyrisk_desktop.app import make_application
    from hyrisk_desktop.gui.worklist.table_model import WorklistModel
    from hyrisk_desktop.worklist.records import ExamEntry

    application = make_application(["bench"])
    entries = [
        ExamEntry(n, Path(f"/d/{n}"), f"ID{n}", f"Family{n % 97}^Given{n}", "20200102", "Study", False, f"1.{n}",
                  "Chest · B30f", "The only one.", 1, 100 + n % 50, 2.0, 2.0)
        for n in range(rows)
    ]  # fmt: skip
    from PySide6.QtWidgets import QTableView

    model = WorklistModel()
    filled = timed(lambda: model.show_entries(entries, blinded=False), 3)
    typed = [timed(lambda t=text: (model.search("", None), model.search(t, None))) for text in ("f", "family3", "id99")]
    model.search("", None)
    sort = timed(lambda: (model.sort(1, Qt.SortOrder.DescendingOrder), model.sort(0)))
    view = QTableView()
    view.setModel(model)
    view.verticalHeader().setDefaultSectionSize(42)
    view.resize(480, 900)
    view.show()
    application.processEvents()
    frames = []
    for at in np.linspace(0, view.verticalScrollBar().maximum(), 120).astype(int):
        began = time.perf_counter()
        view.verticalScrollBar().setValue(int(at))
        view.viewport().repaint()
        frames.append(time.perf_counter() - began)
    print(
        f"table of {rows} rows: filled in {filled * 1e3:.0f} ms, a letter typed {max(typed) * 1e3:.0f} ms, "
        f"sorted twice {sort * 1e3:.0f} ms, scroll frame p95 {np.percentile(frames, 95) * 1e3:.1f} ms "
        f"({np.percentile(frames, 95) * 60:.2f} of a 60 Hz frame)"
    )


def writes() -> None:
    import sqlite3

    from hyrisk_desktop.worklist.records import Read
    from hyrisk_desktop.worklist.store import Store
    from tests.helpers.exams import scanned

    with tempfile.TemporaryDirectory() as folder:
        store = Store(Path(folder) / "worklist.sqlite")
        reader = store.reader("Bench")
        listed = store.reading_list(Path("/data"))
        began = time.perf_counter()
        ids = store.add_exams(listed.list_id, [scanned(n) for n in range(2000)])
        added = (time.perf_counter() - began) / 2000
        rows = timed(lambda: store.entries(listed, reader), 3)
        grades = iter(range(10**6))
        save = timed(
            lambda: store.save_read(Read(ids[0], reader.reader_id, "1", centre=(next(grades), 0, 0)), reader), 200
        )
        store.close()
        bare = sqlite3.connect(Path(folder) / "bare.sqlite", isolation_level=None)
        bare.execute("PRAGMA journal_mode=WAL")
        bare.execute("PRAGMA synchronous=FULL")
        bare.execute("CREATE TABLE t (x)")
        floor = timed(lambda: bare.execute("INSERT INTO t VALUES (1)"), 200)
        bare.close()
    print(
        f"store: a read saved with its audit row {save * 1e3:.2f} ms ({save / floor:.1f} x a bare synced insert), "
        f"an exam added {added * 1e3:.2f} ms, 2000 rows listed {rows * 1e3:.0f} ms"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="?", type=Path)
    parser.add_argument("--exams", type=int, default=40)
    parser.add_argument("--slices", type=int, default=300)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as made:
        small, large = options.folder or Path(made) / "small", options.folder or Path(made) / "large"
        if options.folder is None:
            for n in range(options.exams):
                write_exam(small / f"{n}", n, count=options.slices)
            for n in range(6):
                write_exam(large / f"{n}", n, count=150, size=512)
        scan(small)
        table(10_000)
        writes()
        step(large, 5)


if __name__ == "__main__":
    sys.exit(main())
