"""The paper's cohort from a user's own NLST files: 90 survivors and 90 non-survivors of lung cancer, matched by stage.

Needs two tables. The participant table (``pid``, ``de_stag``, ``candx_days``, ``scr_days0``, ``fup_days``,
``death_days``) with vital status comes from the NCI for an approved project; the copies that anyone can download hold
diagnosis and stage, but not survival. The series list is the one that comes with the images (one row per series, with
its UID and the participant's number); where it names folders, exams are found through them.

Stages are AJCC 6: 110 and 120 are I, 210 and 220 II, 310 and 320 III, 400 IV. The paper's 90 pairs are 49 / 19 / 22.
The project takes these as I / II / III; ``--stages`` says otherwise.
"""

from __future__ import annotations

import csv
import io
import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from hyrisk_desktop.errors import InputError
from hyrisk_desktop.files import staged
from hyrisk_desktop.i18n import tr, trn
from hyrisk_desktop.imaging.choice import rank
from hyrisk_desktop.imaging.headers.kinds import Kind
from hyrisk_desktop.imaging.records import SeriesRecord
from hyrisk_desktop.tables import named, number_in, read_csv

STAGES = {"I": (110, 120), "II": (210, 220), "III": (310, 320), "IV": (400,)}
PAPER_STAGES = {"I": 49, "II": 19, "III": 22}
_NEEDED = ("pid", "de_stag", "candx_days", "scr_days0")
_VITAL = ("death_days", "fup_days")
_BASELINE_YEAR = "1999"
"""NLST's study dates were shifted so that every baseline screen falls into this year."""
_NAMES = {
    "series_uid": ("seriesinstanceuid", "series uid", "series instance uid", "series_uid", "series"),
    "pid": ("patientid", "subject id", "patient id", "pid", "subject"),
    "study_date": ("studydate", "study date"),
    "study_year": ("study_yr", "study year", "studyyear"),
    "description": ("seriesdescription", "series description"),
    "images": ("number of images", "imagecount", "image count", "numimages", "instancecount"),
    "thickness": ("slicethickness", "slice thickness", "reconthickness"),
    "kernel": ("convolutionkernel", "kernel", "reconfilter"),
    "manufacturer": ("manufacturer",),
    "folder": ("file location", "folder", "path", "exam"),
    "modality": ("modality",),
}
_FEWEST_IMAGES = 40


@dataclass(frozen=True, slots=True)
class Participant:
    """One participant who can be in the cohort: lung cancer of a known stage, a baseline screen, a known vital status."""

    pid: str
    stage: str
    outcome: int


@dataclass(frozen=True, slots=True)
class NLSTCohort:
    """Who was chosen, with which series, and who could not be and why.

    ``chosen``: rows of the reading list, matched pairs side by side. ``missing``: participant number and reason.
    """

    chosen: tuple[tuple[Participant, SeriesRecord, str], ...]
    missing: tuple[tuple[str, str], ...] = ()
    counts: Mapping[str, tuple[int, int]] = field(default_factory=dict)


def build_nlst(
    participants: Path, series: Path, *, stages: Mapping[str, int] = PAPER_STAGES, seed: int = 20180617
) -> NLSTCohort:
    """Choose and match.

    Args:
        participants, series: the tables. stages: how many participants of each stage. seed: of the drawing.

    Raises:
        InputError: a table lacks columns, has no survival, or holds too few participants of a stage.
    """
    people, missing = read_participants(participants)
    listed = read_series(series)
    able: dict[tuple[str, int], list[tuple[Participant, SeriesRecord, str]]] = defaultdict(list)
    for person in people:
        candidates = listed.get(person.pid, [])
        ranked = rank([record for record, _ in candidates]) if candidates else []
        if not ranked or not ranked[0].suitable:
            missing.append((person.pid, tr("no baseline (T0) series that can be read is listed")))
            continue
        folder = next(where for record, where in candidates if record.series_uid == ranked[0].series_uid)
        able[person.stage, person.outcome].append((person, ranked[0], folder))
    counts = {stage: (len(able[stage, 0]), len(able[stage, 1])) for stage in stages}
    short = [
        tr("stage {stage}: {wanted} pairs wanted, {survivors} survivors and {others} non-survivors there",
           stage=stage, wanted=wanted, survivors=counts[stage][0], others=counts[stage][1])
        for stage, wanted in stages.items()
        if min(counts[stage]) < wanted
    ]  # fmt: skip
    if short:
        raise InputError("nlst_too_few", tr("There are too few participants: {what}.", what="; ".join(short)))
    rng = np.random.default_rng(seed)
    chosen = []
    for stage, wanted in stages.items():
        # Sorted first: the draw must not depend on the order of the files.
        drawn = [
            [members[i] for i in sorted(rng.permutation(len(members))[:wanted])]
            for members in (sorted(able[stage, outcome], key=lambda row: row[0].pid) for outcome in (0, 1))
        ]
        chosen += [row for pair in zip(*drawn, strict=True) for row in pair]
    return NLSTCohort(tuple(chosen), tuple(missing), counts)


def read_participants(path: Path) -> tuple[list[Participant], list[tuple[str, str]]]:
    """Everyone with lung cancer who can be in the cohort, and those who can't with the reason."""
    columns, rows = _read(path)
    if lacking := [name for name in _NEEDED if name not in columns]:
        raise InputError(
            "nlst_columns", tr("“{name}” is no NLST participant table: it lacks {columns}.", name=path.name,
                               columns=", ".join(lacking))
        )  # fmt: skip
    if lacking := [name for name in _VITAL if name not in columns]:
        raise InputError(
            "nlst_survival",
            tr("“{name}” holds no survival ({columns}). Public copies of NLST have diagnosis and stage only: ask the NCI "
               "(CDAS) for the participant table of an approved project.", name=path.name, columns=", ".join(lacking)),
        )  # fmt: skip
    stage_of = {code: stage for stage, codes in STAGES.items() for code in codes}
    people, missing = [], []
    for pid, count in Counter(row["pid"] for row in rows).items():
        if count > 1:
            raise InputError("nlst_twice", tr("A participant is twice in “{name}”; remove one row.", name=path.name))
        if not pid:
            raise InputError("nlst_pid", tr("A row of “{name}” has no pid.", name=path.name))
    for row in rows:
        if _number(row["candx_days"]) is None:
            continue  # no lung cancer: not of this cohort, and not missing from it
        stage = stage_of.get(int(_number(row["de_stag"]) or 0))
        died, seen = _number(row["death_days"]), _number(row["fup_days"])
        screened = _number(row["scr_days0"])
        if stage is None:
            missing.append((row["pid"], tr("no stage I to IV is recorded")))
        elif screened is None:
            missing.append((row["pid"], tr("no baseline screen is recorded")))
        elif died is None and seen is None:
            missing.append((row["pid"], tr("neither a death nor a last contact is recorded")))
        elif died is not None and died < screened:
            missing.append((row["pid"], tr("the death lies before the baseline screen; check the row")))
        else:
            people.append(Participant(row["pid"], stage, int(died is not None)))
    return people, missing


def read_series(path: Path) -> dict[str, list[tuple[SeriesRecord, str]]]:
    """Baseline CT series by participant, as the imaging rules rank them, each with its folder ("" where not named)."""
    columns, rows = _read(path)
    names = {key: next((n for n in options if n in columns), "") for key, options in _NAMES.items()}
    if not names["series_uid"] or not names["pid"]:
        raise InputError(
            "nlst_series",
            tr("“{name}” is no list of series: it lacks the series UID or the patient ID.", name=path.name),
        )
    found: dict[str, list[tuple[SeriesRecord, str]]] = defaultdict(list)
    for row in rows:
        cell = {key: row.get(name, "") if name else "" for key, name in names.items()}
        if _is_baseline(cell) and cell["modality"].upper() in ("", "CT"):
            found[cell["pid"]].append((_record(cell), cell["folder"]))
    return found


def _is_baseline(cell: Mapping[str, str]) -> bool:
    """T0: the study year 0, given, or the first field of NLST's series descriptions, or the shifted date's year."""
    if cell["study_year"]:
        return _number(cell["study_year"]) == 0
    if cell["study_date"]:
        return _BASELINE_YEAR in cell["study_date"]
    return cell["description"].split(",")[0].strip() == "0"


def _record(cell: Mapping[str, str]) -> SeriesRecord:
    """What the list says of a series. NLST describes series as "year,.,maker,model,kernel,field,thickness,kVp,mAs...”."""
    parts = [part.strip() for part in cell["description"].split(",")]
    described = parts if len(parts) >= 8 else [""] * 8
    thickness = _number(cell["thickness"] or described[6])
    images = int(_number(cell["images"]) or 0)
    enough = images == 0 or images >= _FEWEST_IMAGES
    return SeriesRecord(
        series_uid=cell["series_uid"],
        study_uid="",
        modality="CT",
        kind=Kind.AXIAL if enough else Kind.LOCALIZER,
        description=cell["description"],
        kernel=cell["kernel"] or described[4],
        slice_count=images or _FEWEST_IMAGES,
        files=(),
        thickness_mm=thickness,
        # The list knows no distance of slices; thickness stands in for it, as nearly everywhere in NLST.
        increment_mm=thickness or 2.5,
        attributes={"Manufacturer": cell["manufacturer"] or described[2]},
        suitable=enough,
        reason=""
        if enough
        else trn("Only {n} slice: too few to hold a heart.", "Only {n} slices: too few to hold a heart.", images),
    )


def write_reading_list(path: Path, cohort: NLSTCohort, root: Path | None = None) -> None:
    """The cohort as a table that a reader completes with x, y, z and grade, and training then takes."""
    header = ("exam", "series_uid", "x", "y", "z", "grade", "outcome", "patient_id", "stage")
    rows: list[Sequence[object]] = [header]
    for person, record, folder in cohort.chosen:
        exam = str((root or Path()) / folder.replace("\\", "/")) if folder else str(root or "")
        rows.append((exam, record.series_uid, "", "", "", "", person.outcome, person.pid, person.stage))
    write_table(path, rows)


def write_table(path: Path, rows: Iterable[Sequence[object]]) -> None:
    """A whole table that goes on to programs, cells as they are; or nothing. Raises InputError where it can't be written."""
    text = io.StringIO(newline="")
    csv.writer(text).writerows(rows)
    with staged(path) as stream:
        stream.write(text.getvalue().encode())


def parse_stages(text: str) -> dict[str, int]:
    """``"I=49,II=19,III=22"`` -> pairs wanted by stage.

    Raises:
        InputError: not of that form.
    """
    try:
        pairs = {name.strip(): int(count) for name, count in (part.split("=") for part in text.split(","))}
    except ValueError as e:
        raise InputError("stages", tr("Write stages as I=49,II=19,III=22.")) from e
    if not pairs or not set(pairs) <= set(STAGES) or min(pairs.values()) < 1:
        raise InputError("stages", tr("Write stages as I=49,II=19,III=22."))
    return pairs


def _read(path: Path) -> tuple[Sequence[str], list[dict[str, str]]]:
    columns, rows = read_csv(path, "nlst_unreadable")
    return columns, [named(columns, cells) for _, cells in rows]


def _number(text: str) -> float | None:
    """A cell's number; NLST's special missing values (".N", ".M", ...), empty cells and "nan" or "inf" are none."""
    value = number_in(text)
    return value if math.isfinite(value) else None
