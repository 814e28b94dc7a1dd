"""The reading desk: start, scrolling, window/level, click to scores and risk, and the longest stall of the GUI thread.

    python tests/benchmarks/bench_desk.py [EXAM X Y Z] [--model DIR]

Run it in a real window (for example under ``xvfb-run``) or with QT_QPA_PLATFORM=offscreen. Without an exam it reads
a synthetic block. Prints ratios beside seconds, because seconds on a busy machine say little.
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

import numpy as np

START = time.perf_counter()


def percentile(values: list[float], share: float) -> float:
    return float(np.percentile(values, share)) if values else float("nan")


class StallMeter:
    """Longest gap between ticks of a zero-interval timer: how long the GUI thread served nobody."""

    def __init__(self) -> None:
        from PySide6.QtCore import QTimer

        self._last: float | None = None
        self.gaps: list[float] = []
        self._timer = QTimer()
        self._timer.timeout.connect(self._tick)

    def _tick(self) -> None:
        now = time.perf_counter()
        if self._last is not None:
            self.gaps.append(now - self._last)
        self._last = now

    def __enter__(self) -> StallMeter:
        self._last, self.gaps = None, []
        self._timer.start(2)
        return self

    def __exit__(self, *_: object) -> None:
        self._timer.stop()

    def __str__(self) -> str:
        worst = sorted(self.gaps)[-3:][::-1]
        return "longest " + ", ".join(f"{g * 1e3:.0f} ms" for g in worst)


def wait(application, condition: Callable[[], bool], seconds: float = 120) -> None:
    deadline = time.perf_counter() + seconds
    while not condition():
        if time.perf_counter() > deadline:
            raise TimeoutError("the program did not get there")
        application.processEvents()
        time.sleep(0.0005)


def start_to_window() -> tuple[float, bool]:
    """Seconds from starting a new process to a painted, usable window, and whether torch was imported by then."""
    code = (
        "import time,sys; t=time.time()\n"
        "from hyrisk_desktop.app import build_window, make_application\n"
        "from hyrisk_desktop.settings import Settings\n"
        "a=make_application(['x']); w,s=build_window(Settings(None),None); w.show()\n"
        "a.processEvents(); w.grab(); print(time.time()-t, 'torch' in sys.modules); import os; os._exit(0)"
    )
    runs = []
    for _ in range(3):
        began = time.perf_counter()
        out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
        runs.append((time.perf_counter() - began, out[1] == "True"))
    return min(runs)


def frames(application, view, act: Callable[[int], None], count: int = 120) -> list[float]:
    """Seconds from an input to the end of the repaint it causes."""
    times = []
    for i in range(count):
        began = time.perf_counter()
        act(i)
        view.viewport().repaint()
        times.append(time.perf_counter() - began)
        application.processEvents()
    return times


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("exam", nargs="*", help="path X Y Z")
    parser.add_argument("--model", type=Path)
    options = parser.parse_args()
    seconds, torch_there = start_to_window()
    print(f"start to usable window       {seconds:6.2f} s   torch imported by then: {torch_there}")

    from hyrisk_desktop.app import _SWITCH_INTERVAL_S, build_window, make_application
    from hyrisk_desktop.gui.viewer.display import Plane
    from hyrisk_desktop.settings import Settings

    sys.setswitchinterval(_SWITCH_INTERVAL_S)
    application = make_application(["bench"])
    if options.model:
        sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
        from tests.helpers.bundles import shelve

        os.environ["HYRISK_HOME"] = tempfile.mkdtemp(prefix="hyrisk-bench-")
        shelve(options.model)
    window, services = build_window(Settings(None), None)
    window.resize(1920, 1100)
    window.show()
    session = services.session
    if options.exam:
        path, centre = Path(options.exam[0]), tuple(int(v) for v in options.exam[1:4])
    else:
        path, centre = block_exam(), (256, 256, 30)
    with StallMeter() as meter:
        wait(application, lambda: session.model is not None)
    print(f"stall while the model loads  {meter}")
    with StallMeter() as meter:
        began = time.perf_counter()
        services.loader.open_path(path)
        wait(application, lambda: session.exam is not None)
        first = time.perf_counter() - began
        wait(application, lambda: session.can_measure)
        whole = time.perf_counter() - began
    print(f"open: first image {first:.2f} s, whole exam {whole:.2f} s; stall {meter}")
    with StallMeter() as meter:
        session.place_centre(centre)
        session.set_grade(2)
        wait(application, lambda: session.risk is not None)
        for i in range(20):
            session.nudge_centre(1 if i % 2 else -1, 0, 0)
            wait(application, lambda: session.risk is not None)
    print(f"stall while predicting       {meter}")
    latencies(application, services, centre)
    view = window.desk.views[Plane.AXIAL]
    side = min(view.viewport().width(), view.viewport().height())
    z = session.view.position[2]
    depth = session.volume.shape_zyx[0]

    def scroll(i: int) -> None:
        session.set_view(position=(*centre[:2], (z + i) % depth))

    times = frames(application, view, scroll)
    least, least95 = blit(application, view)
    print(f"bare blit of that size       p50 {least * 1e3:.1f} ms, p95 {least95 * 1e3:.1f} ms at {side} px")
    print(
        f"scroll frame                 p50 {percentile(times, 50) * 1e3:.1f} ms, p95 {percentile(times, 95) * 1e3:.1f} ms"
        f" = {percentile(times, 95) / least95:.1f} x the blit's p95"
    )

    def drag(i: int) -> None:
        view.window_dragged.emit(3.0, 2.0 if i % 20 < 10 else -2.0)

    times = frames(application, view, drag)
    print(
        f"window/level frame           p50 {percentile(times, 50) * 1e3:.1f} ms, p95 {percentile(times, 95) * 1e3:.1f} ms"
        f" = {percentile(times, 95) / least95:.1f} x the blit's p95"
    )
    window.close()


def blit(application, view) -> tuple[float, float]:
    """Median and 95th percentile, in seconds, of the least that a frame can cost here: an RGB32 image of the view's size painted into it."""
    from PySide6.QtGui import QImage, QPainter
    from PySide6.QtWidgets import QWidget

    class Bare(QWidget):
        def paintEvent(self, event) -> None:
            QPainter(self).drawImage(0, 0, picture)

    size = view.viewport().size()
    picture = QImage(size, QImage.Format.Format_RGB32)
    picture.fill(0x202020)
    bare = Bare()
    bare.resize(size)
    bare.show()
    # Before it is on the screen there is nothing to paint, and nothing costs nothing.
    wait(application, lambda: bare.windowHandle().isExposed())
    times = []
    for _ in range(120):
        began = time.perf_counter()
        bare.repaint()
        times.append(time.perf_counter() - began)
        application.processEvents()
    bare.close()
    return percentile(times, 50), percentile(times, 95)


def latencies(application, services, centre) -> None:
    import torch

    from hyrisk_desktop.calcium import score_region
    from hyrisk_desktop.risk.explain import explain

    session = services.session
    volume = session.volume
    times = []
    for _ in range(200):
        began = time.perf_counter()
        score_region(volume, centre)
        times.append(time.perf_counter() - began)
    print(
        f"click to scores              median {statistics.median(times) * 1e3:.2f} ms ({len(session.scores.lesions)} lesions)"
    )
    predictor = services.risk._predictor
    batch, _ = predictor.input_batch(volume, centre)
    bare, click, firsts = [], [], []
    for i in range(9):
        with torch.inference_mode():
            began = time.perf_counter()
            predictor._engine.maps(batch)
            bare.append(time.perf_counter() - began)
        session.nudge_centre(1 if i % 2 else -1, 1, 0)
        predictor._seen.clear()
        began = time.perf_counter()
        predictor.predict(
            volume, session.read.centre, 2.0, on_first=lambda _, start=began: firsts.append(time.perf_counter() - start)
        )
        click.append(time.perf_counter() - began)
    print(
        f"click to first number        median {statistics.median(firsts) * 1e3:.0f} ms = {statistics.median(firsts) / statistics.median(bare):.2f} x the bare forward pass"
    )
    began = time.perf_counter()
    explain(predictor, volume, session.read.centre, 2.0)
    print(f"first G                      {(time.perf_counter() - began) * 1e3:.0f} ms of work")
    ratio = statistics.median(click) / statistics.median(bare)
    print(
        f"click to risk                median {statistics.median(click) * 1e3:.0f} ms = {ratio:.2f} x the bare forward pass of {len(batch)} views"
    )
    wait(application, lambda: session.risk is not None)
    grades = []
    for i in range(50):
        began = time.perf_counter()
        predictor.predict(volume, session.read.centre, float(i % 4))
        grades.append(time.perf_counter() - began)
    print(f"grade to risk                median {statistics.median(grades) * 1e3:.2f} ms of work")


def block_exam() -> Path:
    import SimpleITK as sitk

    hu = np.random.default_rng(0).normal(40, 20, (60, 512, 512)).astype(np.int16)
    image = sitk.GetImageFromArray(hu)
    image.SetSpacing((0.7, 0.7, 2.5))
    path = Path(tempfile.mkdtemp(prefix="hyrisk-bench-")) / "block.mha"
    sitk.WriteImage(image, str(path))
    return path


if __name__ == "__main__":
    main()
