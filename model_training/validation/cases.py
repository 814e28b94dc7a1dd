"""Every case of a cohort as the program reads it: risk, interval and state at the reader's centre, and at clicks moved on purpose.

What was read is kept line by line, so that a killed validation goes on where it stopped.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from hyrisk_desktop.bounded_json import parse_json
from hyrisk_desktop.errors import HyRiskError
from hyrisk_desktop.files import write_private
from hyrisk_desktop.findings import Finding
from hyrisk_desktop.imaging import CTVolume, Voxel, check_volume, read_volume, shutdown_decoders
from hyrisk_desktop.jobs import Progress
from hyrisk_desktop.measurement import conclude, measure, survey
from hyrisk_desktop.private_files import private_opener
from hyrisk_desktop.risk.predictor import Predictor
from hyrisk_desktop.risk.uncertainty import CLICK_SHIFT_PX, CLICK_SHIFT_SLICES
from model_training.cohort_table import Case, CohortTable, Problem, refuse_problems
from model_training.patches import series_of

READS = "reads.jsonl"
OFF_MM = 20.0
READERS_CLICKS = 3
_DIRECTIONS = ((1, 0, 0), (-1, 0, 0), (0, 1, 0), (0, -1, 0), (0, 0, 1), (0, 0, -1))


@dataclass(frozen=True, slots=True)
class CaseRead:
    """One case, read.

    Attributes:
        index: of the case in the table. risknet, hyrisknet: risks, the latter None without a score.
        interval: of the risk that is shown. state, reasons: of the risk at the reader's centre.
        clicks: how many of how many other clicks of a reader have a risk that the interval holds, None where they were not tried.
        off: how many of how many clicks `OFF_MM` off are withheld, None likewise.
    """

    index: int
    risknet: float
    hyrisknet: float | None
    interval: tuple[float, float]
    state: str
    reasons: tuple[str, ...]
    clicks: tuple[int, int] | None
    off: tuple[int, int] | None

    @property
    def risk(self) -> float:
        """The risk that is shown."""
        return self.risknet if self.hyrisknet is None else self.hyrisknet

    @property
    def withheld(self) -> bool:
        """Whether the program withholds the risk."""
        return self.state == "withheld"


def read_cases(
    table: CohortTable,
    exams: Sequence[str],
    predictor: Predictor,
    folder: Path,
    moved: int,
    progress: Progress,
    check: Callable[[], None],
) -> list[CaseRead]:
    """Read every case of ``table``; goes on with what is in ``folder``.

    Args:
        table: the cohort. exams: SHA-256 of each case's files. predictor: the model. folder: of the validation. moved: of how many cases the click is moved as well.
        progress: called with cases done and in all. check: called before each case; may raise `Cancelled`.

    Raises:
        InputError: exams can't be read; the rows are named.
    """
    path, count = folder / READS, len(table.cases)
    tried = set(np.linspace(0, count - 1, min(moved, count)).round().astype(int).tolist())
    keys = [
        _key(case, exam, predictor, moved=index in tried)
        for index, (case, exam) in enumerate(zip(table.cases, exams, strict=True))
    ]
    done = _done(path, keys)
    problems = []
    try:
        with open(path, "a", encoding="utf-8", opener=private_opener) as log:
            for index, case in enumerate(table.cases):
                check()
                if index not in done:
                    try:
                        done[index] = _read(index, case, predictor, moved=index in tried)
                    except HyRiskError as e:
                        problems.append(Problem(case.row, "exam", "error", e.message))
                        continue
                    log.write(json.dumps({"key": keys[index], **asdict(done[index])}) + "\n")
                    log.flush()
                progress(len(done), count)
    finally:
        shutdown_decoders()
    refuse_problems(problems)
    return [done[index] for index in range(count)]


def _key(case: Case, exam: str, predictor: Predictor, *, moved: bool) -> list[Any]:
    """What a kept reading is of: with other pixels, another model, centre or grade a case is read anew."""
    return [exam, predictor.bundle.bundle_sha256, *case.centre, case.grade, moved]


def _done(path: Path, keys: list[list[Any]]) -> dict[int, CaseRead]:
    """What an earlier, perhaps killed, run has read of the same; the file is left with nothing else."""
    found: dict[int, CaseRead] = {}
    kept = []
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines() if path.is_file() else []
    for line in lines:
        try:
            entry = parse_json(line)
            key = entry.pop("key")
            values: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in entry.items()}
            read = CaseRead(**values)
            if keys[read.index] != key:
                continue
        except (ValueError, TypeError, KeyError, AttributeError, IndexError):  # a kill can cut the last line
            continue
        found[read.index] = read
        kept.append(line)
    write_private(path, "".join(f"{line}\n" for line in kept).encode())
    return found


def _read(index: int, case: Case, predictor: Predictor, *, moved: bool) -> CaseRead:
    volume = _volume(case)
    measured = measure(volume, case.centre, case.grade, predictor)
    reading, standing = measured.risk, measured.risk_standing
    assert reading is not None
    clicks = off = None
    if moved:
        scan = (*volume.findings, *check_volume(volume))
        low, high = reading.interval
        near = [
            _glance(volume, click, case, predictor, scan)[0] for click in _readers_clicks(volume, case.centre, index)
        ]
        clicks = (sum(low <= risk <= high for risk in near), len(near))
        far = [_glance(volume, click, case, predictor, scan)[1] for click in _wrong_clicks(volume, case.centre)]
        off = (sum(far), len(far))
    return CaseRead(
        index=index,
        risknet=round(reading.risknet, 6),
        hyrisknet=None if reading.hyrisknet is None else round(reading.hyrisknet, 6),
        interval=(round(reading.interval[0], 6), round(reading.interval[1], 6)),
        state=str(standing.state),
        reasons=standing.codes,
        clicks=clicks,
        off=off,
    )


def _volume(case: Case) -> CTVolume:
    return read_volume(series_of(case))


def _glance(
    volume: CTVolume, click: Voxel, case: Case, predictor: Predictor, scan: tuple[Finding, ...]
) -> tuple[float, bool]:
    """The risk at a moved click, and whether it is withheld there.

    Args:
        volume, click, case, predictor: where, of whom, by what. scan: findings of the whole scan.
    """
    surveyed = survey(volume, click, case.grade, scan=scan)
    reading = predictor.glance(volume, click, case.grade, agatston=surveyed.region_agatston)
    risk = reading.risknet if reading.hyrisknet is None else reading.hyrisknet
    return risk, conclude(surveyed, reading).risk_standing.withheld


def _readers_clicks(volume: CTVolume, centre: Voxel, seed: int) -> Iterator[Voxel]:
    """Where another reader, or the same one again, could have clicked."""
    rng = np.random.default_rng([seed, 5])
    for _ in range(READERS_CLICKS):
        x, y = (int(v) for v in rng.integers(-CLICK_SHIFT_PX, CLICK_SHIFT_PX + 1, 2))
        yield from _inside(volume, centre, (x, y, int(rng.integers(-CLICK_SHIFT_SLICES, CLICK_SHIFT_SLICES + 1))))


def _wrong_clicks(volume: CTVolume, centre: Voxel) -> Iterator[Voxel]:
    """`OFF_MM` off in every direction that the volume has."""
    for way in _DIRECTIONS:
        x, y, z = (round(OFF_MM * w / mm) for w, mm in zip(way, volume.spacing_mm, strict=True))
        yield from _inside(volume, centre, (x, y, z))


def _inside(volume: CTVolume, centre: Voxel, shift: Voxel) -> Iterator[Voxel]:
    click = (centre[0] + shift[0], centre[1] + shift[1], centre[2] + shift[2])
    if volume.contains(click):
        yield click
