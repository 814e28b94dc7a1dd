"""Synthetic cohorts: a table of centres, grades, scores and outcomes, and the heart slabs that it names.

A cohort is a folder with ``cohort.csv`` (one row per phantom, `COLUMNS`), ``slabs/`` (one NRRD volume of
161 x 161 x 5 voxels each) and ``cohort.json`` (seeds, generator version, hash of the table). The table has the
columns of any training cohort, so that nothing downstream has to know that it is synthetic, except to say so.
Scores are the program's own region scores (65 x 65 x 5), computed on the noisy slab around the click.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import multiprocessing
from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from hyrisk_desktop.bounded_json import parse_json, read_json
from hyrisk_desktop.calcium import score_region
from hyrisk_desktop.errors import InputError
from hyrisk_desktop.files import replace_file
from hyrisk_desktop.i18n import tr
from hyrisk_desktop.imaging.volume import CTVolume
from hyrisk_desktop.jobs import Progress, no_progress
from model_training.phantom.render import Phantom, make_phantom, render
from model_training.phantom.scanner import Scanner
from model_training.phantom.subject import GENERATOR_VERSION, make_subject

_MAX_MARK_BYTES = 1 << 20
SLAB_XYZ = (161, 161, 5)
"""The score region needs five slices, the patch the middle three."""
TABLE, SLABS, RECORD = "cohort.csv", "slabs", "cohort.json"


@dataclass(frozen=True, slots=True)
class Row:
    """One phantom of a cohort; the field names are the table's columns.

    ``exam`` is the slab's file, relative to the table; ``x, y, z`` the heart centre in it. ``agatston``, ``category``,
    ``volume_mm3`` are the region scores; ``outcome`` is 1 for a non-survivor, ``expected_risk`` its probability
    before the draw, which no real cohort has.
    """

    exam: str
    x: int
    y: int
    z: int
    grade: int
    agatston: float
    outcome: int
    patient_id: str
    synthetic: int
    seed: int
    category: int
    volume_mm3: float
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
    """The table row and the slab [5, 161, 161] of one seed, HU."""
    phantom = make_phantom(seed)
    slab = render(phantom, phantom.grid(*SLAB_XYZ))
    return _row(phantom, slab), slab


def _row(phantom: Phantom, slab: NDArray[np.int16]) -> Row:
    subject, scanner = phantom.subject, phantom.scanner
    volume = CTVolume(slab, _spacing(scanner), (0.0, 0.0, 0.0), np.eye(3), f"phantom-{subject.seed}")
    x, y, z = (size // 2 for size in SLAB_XYZ)
    scores = score_region(volume, (x, y, z))
    return Row(
        exam=f"{SLABS}/phantom-{subject.seed}.nrrd", x=x, y=y, z=z, grade=subject.grade,
        agatston=round(scores.agatston, 3), outcome=int(subject.non_survivor),
        patient_id=f"phantom-{subject.seed}", synthetic=1, seed=subject.seed,
        category=scores.category, volume_mm3=round(scores.volume_mm3, 3),
        expected_risk=round(subject.expected_risk, 6),
        kernel=scanner.kernel.name, pixel_mm=scanner.pixel_mm, increment_mm=scanner.increment_mm,
        noise_hu=round(scanner.noise_hu, 2), male=int(subject.male), age_years=round(subject.age_years, 1),
        agatston_target=round(subject.agatston_target, 1),
    )  # fmt: skip


def _spacing(scanner: Scanner) -> tuple[float, float, float]:
    return scanner.pixel_mm, scanner.pixel_mm, scanner.increment_mm


def _draw_to_disk(task: tuple[str, int]) -> Row:
    """Draw one seed and write its slab below the cohort's folder."""
    directory, seed = task
    row, slab = draw_case(seed)
    image = sitk.GetImageFromArray(slab)
    image.SetSpacing((row.pixel_mm, row.pixel_mm, row.increment_mm))
    # The program says "synthetic" beside every number of an exam of this name.
    image.SetMetaData("PatientName", "SYNTHETIC^PHANTOM")
    sitk.WriteImage(image, str(Path(directory) / row.exam))
    return row


def write_cohort(
    directory: Path,
    count: int,
    first_seed: int,
    workers: int = 2,
    progress: Progress = no_progress,
    *,
    balanced: bool = False,
) -> None:
    """Render ``count`` seeds from ``first_seed`` on into ``directory``; continues what a killed run left.

    Args:
        directory, count, first_seed: where, how many, from which on. balanced: as many of either outcome, by leaving
            out seeds of an outcome that has enough, as a case-control study does.
        workers: processes that render. progress: called as ``progress(phantoms made, phantoms in all)``.

    Raises:
        InputError: the folder holds another cohort.
    """
    directory.mkdir(parents=True, exist_ok=True)
    record: dict[str, object] = {"generator_version": GENERATOR_VERSION, "first_seed": first_seed, "count": count}
    if balanced:
        record["balanced"] = True
    seeds = balanced_seeds(count, first_seed) if balanced else list(range(first_seed, first_seed + count))
    done = _resume(directory, record)
    (directory / SLABS).mkdir(exist_ok=True)
    missing = [seed for seed in seeds if seed not in done]
    with open(directory / "rows.jsonl", "a", encoding="utf-8") as log:
        for row in _draw_all(directory, missing, workers):
            log.write(json.dumps(asdict(row)) + "\n")
            done[row.seed] = row
            if len(done) % 50 == 0:
                log.flush()
                progress(len(done), count)
    _write_table(directory, [done[seed] for seed in sorted(done)], record)
    progress(count, count)


def balanced_seeds(count: int, first_seed: int) -> list[int]:
    """The first ``count`` seeds from ``first_seed`` on with as many survivors as non-survivors.

    Raises:
        InputError: ``count`` is odd.
    """
    if count % 2:
        raise InputError("balanced", tr("--balanced needs an even number of phantoms."))
    left = {False: count // 2, True: count // 2}
    seeds: list[int] = []
    seed = first_seed
    while len(seeds) < count:
        outcome = make_subject(seed).non_survivor
        if left[outcome]:
            left[outcome] -= 1
            seeds.append(seed)
        seed += 1
    return seeds


def _resume(directory: Path, record: dict[str, object]) -> dict[int, Row]:
    """Rows drawn earlier, by seed, after checking that they belong to the same cohort."""
    mark = directory / "request.json"
    if mark.exists() and _stored(mark) != record:
        raise InputError(
            "cohort_exists", tr("“{name}” holds another cohort; choose an empty folder.", name=directory.name)
        )
    replace_file(mark, json.dumps(record).encode())
    log = directory / "rows.jsonl"
    rows = {}
    for line in log.read_text(encoding="utf-8").splitlines() if log.exists() else ():
        if line.endswith("}"):  # a kill can cut the last line
            row = Row(**parse_json(line))
            rows[row.seed] = row
    # Without what was cut, or the next row would be written onto the same line.
    replace_file(log, "".join(json.dumps(asdict(row)) + "\n" for row in rows.values()).encode())
    return rows


def _stored(mark: Path) -> object:
    """What an earlier run was asked for; None where that can't be read."""
    try:
        return read_json(mark, _MAX_MARK_BYTES)
    except (OSError, ValueError):
        return None


def _draw_all(directory: Path, seeds: list[int], workers: int) -> Iterator[Row]:
    """`_draw_to_disk` of every seed, in ``workers`` processes (in this one when there is a single worker)."""
    tasks = [(str(directory), seed) for seed in seeds]
    if workers <= 1 or len(seeds) < 2 * workers:
        yield from map(_draw_to_disk, tasks)
        return
    # Fresh processes: forking one that has started torch or BLAS threads can hang.
    with multiprocessing.get_context("spawn").Pool(workers) as pool:
        yield from pool.imap(_draw_to_disk, tasks, chunksize=8)


def _write_table(directory: Path, rows: list[Row], record: dict[str, object]) -> None:
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(asdict(row) for row in rows)
    table = text.getvalue().encode()
    record = {**record, "synthetic": True, "table_sha256": hashlib.sha256(table).hexdigest()}
    for name, content in ((TABLE, table), (RECORD, (json.dumps(record, indent=1) + "\n").encode())):
        replace_file(directory / name, content)
