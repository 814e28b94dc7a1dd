"""Synthetic cohorts: patches in a memory-mapped array and a table of grades, scores and outcomes.

A cohort is a folder with ``cohort.csv`` (one row per phantom, `COLUMNS`), ``patches.npy`` (int16 HU
[n, 3, 161, 161], rows in the table's order) and ``cohort.json`` (seeds, generator version, hash of the table).
Scores are the program's own region scores (65 x 65 x 5), computed on the noisy slab around the click.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import multiprocessing
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hyrisk_desktop.calcium import score_region
from hyrisk_desktop.errors import InputError
from hyrisk_desktop.i18n import tr
from hyrisk_desktop.imaging.volume import CTVolume
from hyrisk_desktop.jobs import Progress, no_progress
from model_training.phantom.exam import exam_layout
from model_training.phantom.render import Phantom, make_phantom, render
from model_training.phantom.subject import GENERATOR_VERSION

PATCH_XYZ = (161, 161, 3)
SLAB_SLICES = 5
"""Slices drawn around the click: the score region needs five, the patch the middle three."""
TABLE, PATCHES, RECORD = "cohort.csv", "patches.npy", "cohort.json"


@dataclass(frozen=True, slots=True)
class Row:
    """One phantom of a cohort; the field names are the table's columns.

    ``x, y, z`` is the click's voxel in the seed's whole exam; ``agatston``, ``category``, ``volume_mm3`` are the
    region scores; ``outcome`` is 1 for a non-survivor, ``expected_risk`` its probability before the draw.
    """

    seed: int
    x: int
    y: int
    z: int
    grade: int
    agatston: float
    category: int
    volume_mm3: float
    outcome: int
    expected_risk: float
    kernel: str
    pixel_mm: float
    increment_mm: float
    noise_hu: float
    male: int
    age_years: float
    agatston_target: float


COLUMNS = tuple(field.name for field in fields(Row))


def draw_case(seed: int) -> tuple[Row, NDArray[np.int16]]:
    """The table row and the patch [3, 161, 161] of one seed."""
    phantom = make_phantom(seed)
    columns, rows, slices = PATCH_XYZ
    slab = render(phantom, phantom.grid(columns, rows, SLAB_SLICES))
    border = (SLAB_SLICES - slices) // 2
    return _row(phantom, slab), slab[border : SLAB_SLICES - border]


def _row(phantom: Phantom, slab: NDArray[np.int16]) -> Row:
    subject, scanner = phantom.subject, phantom.scanner
    spacing = (scanner.pixel_mm, scanner.pixel_mm, scanner.increment_mm)
    volume = CTVolume(slab, spacing, (0.0, 0.0, 0.0), np.eye(3), f"phantom-{subject.seed}")
    depth, rows, columns = slab.shape
    scores = score_region(volume, (columns // 2, rows // 2, depth // 2))
    x, y, z = exam_layout(phantom).click
    return Row(
        seed=subject.seed, x=x, y=y, z=z, grade=subject.grade,
        agatston=round(scores.agatston, 3), category=scores.category, volume_mm3=round(scores.volume_mm3, 3),
        outcome=int(subject.non_survivor), expected_risk=round(subject.expected_risk, 6),
        kernel=scanner.kernel.name, pixel_mm=scanner.pixel_mm, increment_mm=scanner.increment_mm,
        noise_hu=round(scanner.noise_hu, 2), male=int(subject.male), age_years=round(subject.age_years, 1),
        agatston_target=round(subject.agatston_target, 1),
    )  # fmt: skip


def write_cohort(
    directory: Path, count: int, first_seed: int, workers: int = 2, progress: Progress = no_progress
) -> None:
    """Render seeds ``first_seed`` .. ``first_seed + count - 1`` into ``directory``; continues what a killed run left.

    Raises:
        InputError: the folder holds another cohort.
    """
    directory.mkdir(parents=True, exist_ok=True)
    record = {"generator_version": GENERATOR_VERSION, "first_seed": first_seed, "count": count}
    done = _resume(directory, record)
    shape = (count, PATCH_XYZ[2], PATCH_XYZ[1], PATCH_XYZ[0])
    path = directory / PATCHES
    mode = "r+" if path.exists() else "w+"
    patches = np.lib.format.open_memmap(path, mode=mode, dtype=np.int16, shape=shape)
    missing = [seed for seed in range(first_seed, first_seed + count) if seed not in done]
    with open(directory / "rows.jsonl", "a", encoding="utf-8") as log:
        for row, patch in _draw_all(missing, workers):
            patches[row.seed - first_seed] = patch
            log.write(json.dumps(asdict(row)) + "\n")
            done[row.seed] = row
            if len(done) % 50 == 0:
                patches.flush()
                log.flush()
                progress(len(done), count)
    patches.flush()
    _write_table(directory, [done[seed] for seed in sorted(done)], record)
    progress(count, count)


def _resume(directory: Path, record: dict[str, object]) -> dict[int, Row]:
    """Rows drawn earlier, by seed, after checking that they belong to the same cohort."""
    mark = directory / "request.json"
    if mark.exists() and json.loads(mark.read_text(encoding="utf-8")) != record:
        raise InputError(
            "cohort_exists", tr("“{name}” holds another cohort; choose an empty folder.", name=directory.name)
        )
    mark.write_text(json.dumps(record), encoding="utf-8")
    log = directory / "rows.jsonl"
    rows = {}
    for line in log.read_text(encoding="utf-8").splitlines() if log.exists() else ():
        if line.endswith("}"):  # a kill can cut the last line
            row = Row(**json.loads(line))
            rows[row.seed] = row
    # Without what was cut, or the next row would be written onto the same line.
    staged = log.with_name(log.name + ".staged")
    staged.write_text("".join(json.dumps(asdict(row)) + "\n" for row in rows.values()), encoding="utf-8")
    os.replace(staged, log)
    return rows


def _draw_all(seeds: list[int], workers: int) -> Iterator[tuple[Row, NDArray[np.int16]]]:
    """`draw_case` of every seed, in ``workers`` processes (in this one when there is a single worker)."""
    if workers <= 1 or len(seeds) < 2 * workers:
        yield from map(draw_case, seeds)
        return
    # Fresh processes: forking one that has started torch or BLAS threads can hang.
    with multiprocessing.get_context("spawn").Pool(workers) as pool:
        yield from pool.imap(draw_case, seeds, chunksize=8)


def _write_table(directory: Path, rows: list[Row], record: dict[str, object]) -> None:
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(asdict(row) for row in rows)
    table = text.getvalue().encode()
    record = {**record, "patches": PATCHES, "synthetic": True, "table_sha256": hashlib.sha256(table).hexdigest()}
    for name, content in ((TABLE, table), (RECORD, (json.dumps(record, indent=1) + "\n").encode())):
        staged = directory / (name + ".staged")
        staged.write_bytes(content)
        os.replace(staged, directory / name)
