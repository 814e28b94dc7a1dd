"""Bulk scoring: the pipeline against its bounds, a slab against the whole series, and memory over many exams.

    python -m tests.benchmarks.bench_batch [FOLDER] [--exams 40] [--memory 1000] [--workers 0] [--device cpu] [--model DIR]

FOLDER holds one exam; without it, a synthetic one of 512 x 512 x 140 voxels is written. It is scored ``--exams`` times at
places a pixel apart, so that no answer is kept from the time before. "load only" and "predict only" are the same exams
through the same readers without the model, and through the model without the readers; prints ratios beside rates, because
rates on a busy machine say little.
"""

from __future__ import annotations

import argparse
import dataclasses
import gc
import os
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import psutil

from hyrisk_desktop.batch.exam import BatchExam, list_exams
from hyrisk_desktop.batch.reads_file import BatchRead
from hyrisk_desktop.batch.row import BatchSettings, Loaded, looked_at, predict_row
from hyrisk_desktop.batch.run import default_workers, read_ahead, run_batch
from hyrisk_desktop.imaging import read_slab, read_volume, reopen
from hyrisk_desktop.paths import bundled_model_dir
from hyrisk_desktop.risk import Predictor
from tests.helpers.exams import write_exam


def repeated(exam: BatchExam, count: int) -> list[BatchExam]:
    """The exam at ``count`` places a pixel apart."""
    depth = exam.record.slice_count
    middle = (250, 230, depth // 2)
    return [
        dataclasses.replace(exam, reads=(BatchRead((middle[0] + i % 20, middle[1] + i // 20, middle[2]), i % 4),))
        for i in range(count)
    ]


def forget(predictor: Predictor) -> None:
    """Let no features be kept from the time before."""
    predictor._seen.clear()


class Elsewhere:
    """A model on a device that shares no core with the readers: waits, and answers what another one answered."""

    def __init__(self, predictor: Predictor, seconds: float) -> None:
        self.bundle, self.device, self._seen = predictor.bundle, predictor.device, predictor._seen
        self._predictor, self._seconds, self._answer = predictor, seconds, None

    def warm_up(self) -> None:
        self._predictor.warm_up()

    def predict(self, *what: object, **how: object) -> object:
        if self._answer is None:
            self._answer = self._predictor.predict(*what, **how)  # type: ignore[arg-type, assignment]
        time.sleep(self._seconds)
        return self._answer


def throughput(name: str, exams: Sequence[BatchExam], settings: BatchSettings, predictor: Any, workers: int) -> None:
    predictor.warm_up()
    count = len(exams)

    def load_only() -> list[Loaded]:
        found = read_ahead(exams, settings, lambda *_: False, (), None, None, workers, seen=looked_at(predictor))
        return [item for items in found for item in items if isinstance(item, Loaded)]

    def timed(work: object) -> float:
        forget(predictor)
        gc.collect()
        began = time.perf_counter()
        work()  # type: ignore[operator]
        return count / (time.perf_counter() - began)

    loaded = load_only()
    if len(loaded) != count:
        raise SystemExit(f"only {len(loaded)} of {count} exams can be read")
    rates: dict[str, list[float]] = {"load": [], "predict": [], "batch": []}
    for _ in range(3):
        rates["load"].append(timed(load_only))
        rates["predict"].append(timed(lambda: [predict_row(item, predictor) for item in loaded]))
        rates["batch"].append(
            timed(lambda: run_batch(exams, settings, predictor, on_row=lambda _: None, workers=workers))
        )
    load, predict, batch = (sorted(rates[key])[1] for key in ("load", "predict", "batch"))
    # Where reading and predicting share the same cores, this is what both can do in turns.
    turns = 1 / (1 / load + 1 / predict)
    print(
        f"{name} ({predictor.device}, {workers} readers): load only {load:.1f}/s, predict only {predict:.1f}/s, "
        f"pipeline {batch:.1f}/s = {batch / min(load, predict):.2f} of the slower one, {batch / turns:.2f} of taking turns"
    )


def slab_against_whole(exam: BatchExam) -> None:
    record = reopen(exam.record, exam.source)
    size = sum(path.stat().st_size for path in record.files)

    def best(work: object) -> float:
        took = []
        for _ in range(7):
            began = time.perf_counter()
            work()  # type: ignore[operator]
            took.append(time.perf_counter() - began)
        return min(took)

    headers = best(lambda: reopen(exam.record, exam.source))
    slab = best(lambda: read_slab(record, record.slice_count // 2))
    whole = best(lambda: read_volume(record))
    read = len(read_slab(record, record.slice_count // 2).slices)
    print(
        f"slab: {read} of {record.slice_count} slices ({size * read / record.slice_count / 1e6:.0f} of {size / 1e6:.0f} MB); "
        f"pixels {1000 * slab:.1f} against {1000 * whole:.1f} ms ({whole / slab:.1f} x), headers {1000 * headers:.1f} ms; "
        f"in all {(headers + whole) / (headers + slab):.1f} x"
    )


def memory(folder: Path, large: BatchExam, count: int, settings: BatchSettings, model: Path, workers: int) -> None:
    """RSS while many exams are scored: small ones of their own UIDs, and in every 25th place a large one, read whole."""
    began = time.perf_counter()
    for n in range(1, count + 1):
        write_exam(folder / f"{n:05d}", n, count=12, size=48)
    print(f"memory: wrote {count} exams in {time.perf_counter() - began:.0f} s")
    process = psutil.Process()
    start = process.memory_info().rss
    exams = [
        large if i % 25 == 24 else dataclasses.replace(exam, reads=(BatchRead((24, 22, 6), i % 4),))
        for i, exam in enumerate(list_exams(folder, {}))
    ]
    listed = process.memory_info().rss
    predictor = Predictor(model, settings.device)
    sizes: list[int] = []

    def on_row(_: object) -> None:
        sizes.append(process.memory_info().rss)
        if len(sizes) in (50, 100, 250, 500, 750, 1000, count):
            # Large exams come and go: the highest of the last fifty rows says what is kept.
            recent = sizes[-50:]
            print(f"memory: row {len(sizes)}: RSS {min(recent) / 1e6:.0f} to {max(recent) / 1e6:.0f} MB", flush=True)

    print(f"memory: the list of {len(exams)} exams takes {(listed - start) / 1e6:.1f} MB")
    run_batch(exams, settings, predictor, on_row=on_row, workers=workers)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path, nargs="?")
    parser.add_argument("--exams", type=int, default=40, help="exams of the throughput part; 0 leaves it out")
    parser.add_argument("--memory", type=int, default=1000, help="exams of the memory part; 0 leaves it out")
    parser.add_argument("--workers", type=int, default=0)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--model", type=Path, default=bundled_model_dir())
    options = parser.parse_args()
    workers = options.workers or default_workers()
    settings = BatchSettings(device=options.device)
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.folder or write_exam(Path(temporary, "large"), 90_001, count=140, size=512)
        (exam,) = list_exams(folder, {})
        slab_against_whole(exam)
        predictor = Predictor(options.model, options.device)
        whole = dataclasses.replace(settings, whole=True)
        known, fewer = repeated(exam, options.exams), repeated(exam, max(options.exams // 4, 8))
        if options.exams:
            throughput("known centre", known, settings, predictor, workers)
            throughput("whole series", fewer, whole, predictor, workers)
        for ms in (10, 40, 160) if options.exams else ():
            elsewhere = Elsewhere(predictor, ms / 1000)
            throughput(f"known centre, a device that needs {ms} ms", known, settings, elsewhere, workers)
        if options.memory:
            memory(Path(temporary, "small"), exam, options.memory, settings, options.model, workers)


if __name__ == "__main__":
    main()
