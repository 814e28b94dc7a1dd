"""Every case's patch, cut once into one memory-mapped array, with what the program itself measures there.

A cache is a folder named after its content: a hash of each exam's files, heart centre and patch size, in the
table's order. It holds ``patches.npy`` (int16 HU [n, 3, 161, 161]) and ``facts.jsonl`` (one line per case: hash,
scores, acquisition). A cut that was killed goes on where it stopped.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal, TextIO

import numpy as np
from numpy.typing import NDArray

from hyrisk_desktop.bounded_json import parse_json
from hyrisk_desktop.calcium import score_region
from hyrisk_desktop.errors import ExamError, HyRiskError, InputError
from hyrisk_desktop.files import write_private
from hyrisk_desktop.i18n import tr
from hyrisk_desktop.imaging import (
    CTVolume,
    SeriesRecord,
    content_sha256,
    find_series,
    read_volume,
    shutdown_decoders,
)
from hyrisk_desktop.jobs import CancelToken, Progress, no_progress
from hyrisk_desktop.private_files import make_private, private_opener
from hyrisk_desktop.risk.preprocessing import cut_block
from model_training.cohort_table import Case, CohortTable, Problem, refuse_problems

PATCH_XYZ = (161, 161, 3)
OUTSIDE_HU = -1024
"""What a patch holds beyond the volume: every window's lower bound or less, so that it becomes the bound."""
_INT16 = np.iinfo(np.int16)


@dataclass(frozen=True, slots=True)
class CaseFacts:
    """What is known of one case from its pixels; scores are the program's own region scores (65 x 65 x 5)."""

    sha256: str
    agatston: float
    category: int
    volume_mm3: float
    kernel: str
    pixel_mm: float
    increment_mm: float
    outside: bool
    synthetic: bool


@dataclass(frozen=True, eq=False)
class Patches:
    """Patches int16 HU [n, 3, 161, 161], memory-mapped, and the facts of each case."""

    patches: NDArray[np.int16]
    facts: tuple[CaseFacts, ...]
    key: str


def cut_patches(
    table: CohortTable, cache: Path, progress: Progress = no_progress, cancel: CancelToken | None = None
) -> Patches:
    """The patches of every case of ``table``, from the cache below ``cache`` where it has them.

    Args:
        progress: called as ``progress(cases cut, cases in all)``.

    Raises:
        InputError: exams can't be read, or a centre lies outside; rows and columns are named.
        Cancelled: ``cancel`` was set; what was cut stays.
    """
    cases = table.cases
    try:
        records, digests = _identify(cases, progress, cancel)
        key = _key(cases, digests)
        folder = cache / key
        done = _load_facts(folder, digests)
        path = folder / "patches.npy"
        shape = (len(cases), *PATCH_XYZ[::-1])
        if not path.is_file():
            done = {}
        if len(done) < len(cases):
            _cut(folder, cases, records, digests, done, shape, progress, cancel)
    finally:
        shutdown_decoders()
    patches = np.load(path, mmap_mode="r")
    if patches.shape != shape:
        raise InputError("cache_damaged", tr("The patch cache “{name}” is damaged; delete it.", name=folder.name))
    progress(len(cases), len(cases))
    return Patches(patches, tuple(done[i] for i in range(len(cases))), key)


def _identify(
    cases: tuple[Case, ...], progress: Progress, cancel: CancelToken | None
) -> tuple[list[SeriesRecord], list[str]]:
    """The series meant by each case, and the hash of its files."""
    records, digests, problems = [], [], []
    for index, case in enumerate(cases):
        if cancel:
            cancel.raise_if_cancelled()
        try:
            record = series_of(case)
            # Whatever the files are called: a renamed copy is the same exam, here and for who has learned from it.
            digest = content_sha256(record, cancel=cancel)
        except HyRiskError as e:
            problems.append(Problem(case.row, "exam", "error", e.message))
            continue
        records.append(record)
        digests.append(digest)
        # Identifying is the smaller part: the first tenth of the bar.
        progress(index // 10, len(cases))
    refuse_problems(problems)
    return records, digests


def series_of(case: Case) -> SeriesRecord:
    """The series meant by ``case``; raises ExamError where it is not there or unfit."""
    records = find_series(case.exam)
    if case.series_uid:
        for record in records:
            if record.series_uid == case.series_uid:
                break
        else:
            raise ExamError("no_such_series", tr("the series named in “series_uid” is not there."))
    else:
        record = records[0]
    if not record.suitable:
        raise ExamError("no_suitable_series", record.reason)
    return record


def _key(cases: tuple[Case, ...], digests: list[str]) -> str:
    content = json.dumps([PATCH_XYZ, *([digest, case.centre] for digest, case in zip(digests, cases, strict=True))])
    return hashlib.sha256(content.encode()).hexdigest()[:32]


def _load_facts(folder: Path, digests: list[str]) -> dict[int, CaseFacts]:
    """Facts of the cases that an earlier, perhaps killed, cut finished."""
    found: dict[int, CaseFacts] = {}
    path = folder / "facts.jsonl"
    if not path.is_file():
        return found
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        with contextlib.suppress(ValueError, TypeError, KeyError):  # a kill can cut the last line
            entry = parse_json(line)
            index = entry.pop("index")
            facts = CaseFacts(**entry)
            if facts.sha256 == digests[index]:
                found[index] = facts
    return found


def _cut(
    folder: Path,
    cases: tuple[Case, ...],
    records: list[SeriesRecord],
    digests: list[str],
    done: dict[int, CaseFacts],
    shape: tuple[int, ...],
    progress: Progress,
    cancel: CancelToken | None,
) -> None:
    # Patients' pixels, by default in the user's cache.
    make_private(folder)
    path = folder / "patches.npy"
    mode: Literal["r+", "w+"] = "r+" if path.is_file() else "w+"
    with open(path, "ab", opener=private_opener):
        pass
    patches = np.lib.format.open_memmap(path, mode=mode, dtype=np.int16, shape=shape)
    problems = []
    with _log(folder / "facts.jsonl", done) as log:
        for index, case in enumerate(cases):
            if index in done:
                continue
            if cancel:
                cancel.raise_if_cancelled()
            try:
                patches[index], facts = _look(case, read_volume(records[index]), digests[index])
            except HyRiskError as e:
                column = "x" if e.code == "centre_outside" else "exam"
                problems.append(Problem(case.row, column, "error", e.message))
                continue
            done[index] = facts
            if len(done) % 50 == 0:
                patches.flush()
            log.write(json.dumps({"index": index, **asdict(facts)}) + "\n")
            progress(len(done), len(cases))
        # The array first: a line of facts vouches for its pixels.
        patches.flush()
    refuse_problems(problems)


@contextlib.contextmanager
def _log(path: Path, done: dict[int, CaseFacts]) -> Iterator[TextIO]:
    """A file of facts without the line that a kill has cut."""
    text = "".join(json.dumps({"index": index, **asdict(facts)}) + "\n" for index, facts in done.items())
    write_private(path, text.encode())
    with open(path, "a", encoding="utf-8") as file:
        yield file


def _look(case: Case, volume: CTVolume, digest: str) -> tuple[NDArray[np.int16], CaseFacts]:
    if not volume.contains(case.centre):
        depth, rows, columns = volume.shape_zyx
        raise InputError(
            "centre_outside",
            tr("the heart centre lies outside the volume of {x} × {y} × {z} voxels.", x=columns, y=rows, z=depth),
        )
    block, outside = cut_block(volume.hu, case.centre, PATCH_XYZ, OUTSIDE_HU)
    scores = score_region(volume, case.centre)
    facts = CaseFacts(
        sha256=digest,
        agatston=round(scores.agatston, 4),
        category=scores.category,
        volume_mm3=round(scores.volume_mm3, 4),
        kernel=case.extra.get("kernel") or volume.attributes.get("ConvolutionKernel", ""),
        pixel_mm=round(volume.spacing_mm[0], 4),
        increment_mm=round(volume.spacing_mm[2], 4),
        outside=outside,
        synthetic=case.synthetic or volume.synthetic,
    )
    return np.clip(np.rint(block), _INT16.min, _INT16.max).astype(np.int16), facts
