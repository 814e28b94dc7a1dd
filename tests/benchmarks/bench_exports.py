"""Time to make SR, SEG, PDF and FHIR of one reading, beside the time that scoring it took.

    python -m tests.benchmarks.bench_exports [EXAM X Y Z] [--model DIR] [--times 7]

EXAM is a DICOM exam and X Y Z its heart centre in voxels; without it, a synthetic series of 120 slices of 512 x 512 is written.
Prints ratios beside seconds, because seconds on a busy machine say little. "First" includes importing the libraries.
"""

from __future__ import annotations

import argparse
import itertools
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import numpy as np

from hyrisk_desktop.imaging import find_series, read_volume
from hyrisk_desktop.measurement import measure
from hyrisk_desktop.paths import bundled_model_dir
from hyrisk_desktop.risk import Predictor
from tests.helpers import dicom_series


def timed(work: Callable[[], object], times: int) -> tuple[float, float]:
    """Seconds of the first call, and the median of those after it."""
    took = []
    for _ in range(times + 1):
        began = time.perf_counter()
        work()
        took.append(time.perf_counter() - began)
    return took[0], statistics.median(took[1:])


def synthetic(folder: Path) -> tuple[Path, tuple[int, int, int]]:
    """A series with twelve lesions around its middle, and that middle."""
    made = dicom_series.slices(120, 512, 512, increment=2.5)
    for n in range(12):
        ds = made[58 + n % 5]
        pixels = np.frombuffer(ds.PixelData, np.uint16).reshape(512, 512).copy()
        pixels[240 + 3 * n : 244 + 3 * n, 232 + 4 * n : 236 + 4 * n] = 1024 + 150 + 40 * n
        ds.PixelData = pixels.tobytes()
    return dicom_series.write(made, folder / "exam"), (256, 256, 60)


def run(exam: Path, centre: tuple[int, int, int], model: Path, times: int) -> list[tuple[str, float, float]]:
    """Rows of name, first and median seconds; the first row is scoring."""
    record = find_series(exam)[0]
    volume = read_volume(record)
    predictor = Predictor(model, "cpu", None)

    clicks = itertools.count(1)

    def score() -> object:
        # Another click each time: the predictor keeps the features of the last ones.
        return measure(volume, (centre[0] + next(clicks), centre[1], centre[2]), 2.0, predictor)

    rows = [("scoring, model included", *timed(score, times))]
    from hyrisk_desktop.exchange.reports.formats import dicom_bytes
    from hyrisk_desktop.exchange.reports.report import Report

    report = Report(record, volume, measure(volume, centre, 2.0, predictor), reader="Reader^One")

    def source() -> object:
        from hyrisk_desktop.exchange.reports.source_images import source_images

        return source_images(record, volume)

    def sr() -> object:
        from hyrisk_desktop.exchange.reports.structured_report import structured_report

        return dicom_bytes(structured_report(report, source()))  # type: ignore[arg-type]

    def seg() -> object:
        from hyrisk_desktop.exchange.reports.segmentation import segmentation

        return dicom_bytes(segmentation(report, source()))  # type: ignore[arg-type]

    def pdf() -> object:
        from hyrisk_desktop.exchange.reports.pdf import pdf_report

        return pdf_report(report)

    def fhir() -> object:
        from hyrisk_desktop.exchange.reports.fhir import fhir_bundle

        return fhir_bundle(report)

    def heat() -> object:
        from hyrisk_desktop.risk.explain import explain

        return explain(predictor, volume, centre, 2.0)

    makers = {"SR": sr, "SEG": seg, "PDF": pdf, "heat map for the PDF": heat, "FHIR": fhir}
    return rows + [(name, *timed(make, times)) for name, make in makers.items()]


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("exam", nargs="*", help="EXAM X Y Z")
    parser.add_argument("--model", type=Path, default=bundled_model_dir())
    parser.add_argument("--times", type=int, default=7)
    given = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        if given.exam:
            path, x, y, z = given.exam
            exam, centre = Path(path), (int(x), int(y), int(z))
        else:
            exam, centre = synthetic(Path(folder))
        rows = run(exam, centre, given.model, given.times)
    scoring = rows[0][2]
    print(f"{'':26}{'first':>10}{'median':>10}{'x scoring':>11}")
    for name, first, median in rows:
        print(f"{name:26}{first:>9.3f}s{median:>9.3f}s{median / scoring:>11.2f}")


if __name__ == "__main__":
    main()
