"""How fast an exam opens: beside a raw read of the same bytes, SimpleITK, dcm2niix and pydicom, in one run.

Run: ``python tests/benchmarks/bench_load.py [--slices 400] [--json]``; HYRISK_TEST_DATA adds the real JPEG-LS exam.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from hyrisk_desktop.imaging import find_series, read_volume, shutdown_decoders, warm_decoders
from tests.helpers.dicom_series import slices, write_one

_SIDE = 512


def make_exam(folder: Path, count: int) -> None:
    """An uncompressed series; a few slices are made and written many times, for speed."""
    parts = slices(40, _SIDE, _SIDE, increment=0.8, series="55")
    for z in range(count):
        part = parts[abs(z % 78 - 39)]  # to and fro: each slice must continue its neighbours
        part.ImagePositionPatient = [-180.0, -170.0, round(-300.0 + 0.8 * z, 3)]
        part.InstanceNumber, part.SOPInstanceUID = count - z, f"1.2.826.0.1.3680043.10.9999.55.{z}"
        part.file_meta.MediaStorageSOPInstanceUID = part.SOPInstanceUID
        write_one(part, folder / f"{z:04d}.dcm")


def raw_read(files: list[Path]) -> Any:
    """The same pixel bytes into one array, and nothing else."""
    size = _SIDE * _SIDE * 2
    volume = np.empty((len(files), _SIDE, _SIDE), np.int16)
    target = volume.data.cast("B")
    for index, file in enumerate(files):
        with open(file, "rb", buffering=0) as stream:
            stream.seek(-size, os.SEEK_END)
            stream.readinto(target[index * size : (index + 1) * size])
    return volume


def with_simpleitk(files: list[Path]) -> Any:
    import SimpleITK as sitk

    reader = sitk.ImageSeriesReader()
    reader.SetFileNames([str(f) for f in files])
    return sitk.GetArrayViewFromImage(reader.Execute())


def with_pydicom(files: list[Path]) -> Any:
    import pydicom

    datasets = sorted((pydicom.dcmread(f) for f in files), key=lambda d: float(d.ImagePositionPatient[2]))
    return np.stack([d.pixel_array * float(d.RescaleSlope) + float(d.RescaleIntercept) for d in datasets])


def with_dcm2niix(folder: Path) -> None:
    with tempfile.TemporaryDirectory() as out:
        subprocess.run(["dcm2niix", "-z", "n", "-d", "9", "-o", out, str(folder)], check=True, capture_output=True)


def interleaved(calls: dict[str, Callable[[], Any]], repeats: int) -> dict[str, float]:
    """Median seconds of each call, taken in turns so that a busy moment hits all alike."""
    times: dict[str, list[float]] = {name: [] for name in calls}
    for turn in range(repeats + 1):
        for name, call in calls.items():
            began = time.perf_counter()
            call()
            if turn:  # the first turn warms caches and imports
                times[name].append(time.perf_counter() - began)
    return {name: statistics.median(values) for name, values in times.items()}


def peak_ratio(folder: Path) -> float:
    """Peak memory of opening the exam in a fresh process, above its memory beforehand, as a share of the volume."""
    code = (
        "import re,sys,pathlib;from hyrisk_desktop.imaging import find_series,read_volume;import pydicom;"
        # not ru_maxrss: a child inherits its parent's across exec
        "kb=lambda:int(re.search(r'VmHWM:\\s+(\\d+)',pathlib.Path('/proc/self/status').read_text())[1]);before=kb();"
        "v=read_volume(find_series(sys.argv[1])[0],on_first=lambda *a:None);print((kb()-before)*1024/v.hu.nbytes)"
    )
    root = Path(__file__).resolve().parents[2]
    done = subprocess.run(
        [sys.executable, "-c", code, str(folder)], check=True, capture_output=True, text=True, cwd=root
    )
    return float(done.stdout)


def bench_uncompressed(count: int) -> dict[str, Any]:
    folder = Path(tempfile.mkdtemp(prefix="hyrisk-bench-"))
    try:
        make_exam(folder, count)
        files = sorted(p for p in folder.rglob("*.dcm"))
        record = find_series(folder)[0]
        first: list[float] = []

        def open_exam() -> None:
            began = time.perf_counter()
            read_volume(find_series(folder)[0], on_first=lambda *_: first.append(time.perf_counter() - began))

        fast = interleaved(
            {
                "raw": lambda: raw_read(files),
                "ours: find": lambda: find_series(folder),
                "ours: read": lambda: read_volume(record),
                "ours: find + read": lambda: read_volume(find_series(folder)[0]),
                "ours: find + read, with preview": open_exam,
            },
            15,
        )
        slow: dict[str, Callable[[], Any]] = {
            "SimpleITK": lambda: with_simpleitk(files),
            "pydicom": lambda: with_pydicom(files),
        }
        if shutil.which("dcm2niix"):
            slow["dcm2niix"] = lambda: with_dcm2niix(folder)
        seconds = fast | interleaved(slow, 1)
        return {
            "slices": count,
            "seconds": seconds,
            "ratio_to_raw": {name: value / seconds["raw"] for name, value in seconds.items()},
            "first_image_seconds": statistics.median(first),
            "peak_memory_over_volume": peak_ratio(folder),
        }
    finally:
        shutil.rmtree(folder)


def bench_nlst(folder: Path) -> dict[str, float]:
    """The JPEG-LS exam: with decoding children still to start, then with warm ones."""

    def once() -> tuple[float, float]:
        first: list[float] = []
        began = time.perf_counter()
        read_volume(find_series(folder)[0], on_first=lambda *_: first.append(time.perf_counter() - began))
        return time.perf_counter() - began, first[0]

    find_series(folder)
    shutdown_decoders()
    cold, cold_first = once()
    warm_decoders()
    times = [once() for _ in range(3)]
    files = [h.path for h in find_series(folder)[0].headers]
    reference = interleaved({"SimpleITK": lambda: with_simpleitk(files)}, 1)["SimpleITK"]
    shutdown_decoders()
    return {
        "first_open_seconds": cold,
        "first_open_first_image_seconds": cold_first,
        "next_open_seconds": statistics.median(t for t, _ in times),
        "next_open_first_image_seconds": statistics.median(f for _, f in times),
        "simpleitk_seconds": reference,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--slices", type=int, default=400)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    results: dict[str, Any] = {"uncompressed": bench_uncompressed(arguments.slices)}
    nlst = Path(os.environ.get("HYRISK_TEST_DATA", "/nowhere")) / "nlst_101287_T0"
    if nlst.is_dir():
        results["nlst_jpeg_ls"] = bench_nlst(nlst)
    results["load_average"] = os.getloadavg()
    results["own_peak_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    if arguments.json:
        print(json.dumps(results))
        return
    plain = results["uncompressed"]
    for name, value in plain["seconds"].items():
        print(f"{name:34s} {value * 1e3:9.1f} ms  {plain['ratio_to_raw'][name]:7.2f} x raw")
    print(f"{'first image':34s} {plain['first_image_seconds'] * 1e3:9.1f} ms")
    print(f"{'peak memory':34s} {plain['peak_memory_over_volume']:9.2f} x volume")
    for name, value in results.get("nlst_jpeg_ls", {}).items():
        print(f"NLST {name:34s} {value:9.2f} s")


if __name__ == "__main__":
    main()
