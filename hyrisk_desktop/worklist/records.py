"""What the store hands out and takes: frozen values, free of any database."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

from hyrisk_desktop.calcium import NO_MARKS, HeartMarks
from hyrisk_desktop.findings import Finding
from hyrisk_desktop.i18n import tr, trc
from hyrisk_desktop.imaging.volume import Voxel
from hyrisk_desktop.standing import SHOWN, SHOWN_ANYWAY, Standing, risk_standing
from hyrisk_desktop.worklist.notes import NO_NOTES, Notes

VESSELS = ("LM", "LAD", "LCx", "RCA")
"""Left main, left anterior descending, left circumflex, right coronary artery: the rows of the grading sheet."""


def now() -> str:
    """This moment as the store writes it: ISO 8601, UTC, to the millisecond; sorts as text."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


class Status(StrEnum):
    """How far an exam has come, for one reader."""

    NEW = "new"
    CENTRE = "centre"
    GRADED = "graded"
    SCORED = "scored"
    WITHHELD = "withheld"
    FAILED = "failed"


def status_word(status: Status) -> str:
    """The status as the list shows it."""
    return {
        Status.NEW: tr("new"),
        Status.CENTRE: tr("centre placed"),
        Status.GRADED: tr("graded"),
        Status.SCORED: tr("scored"),
        Status.WITHHELD: trc("column", "withheld"),
        Status.FAILED: tr("failed"),
    }[status]


@dataclass(frozen=True, slots=True)
class Proposal:
    """A heart centre that the program proposes; only a reader places one."""

    voxel: Voxel
    confident: bool
    reason: str = ""


@dataclass(frozen=True, slots=True)
class ReadSummary:
    """What the list shows of a read.

    Attributes:
        agatston: of the region, of the drawn box where ``whole_heart``, or of the whole heart in its outline where ``outlined``.
        risk: what the model ``model`` (hash ``bundle_sha256``) said, assuming ``prevalence``.
        risk_standing, scores_standing: whether risk and agatston may be shown.
        unconfirmed: measured where the program proposes the heart's centre; no reader has said anything.
    """

    read_id: int
    centre: Voxel | None
    grade: float | None
    locked: bool
    agatston: float | None
    risk: float | None
    whole_heart: bool = False
    outlined: bool = False
    model: str = ""
    bundle_sha256: str = ""
    prevalence: float | None = None
    risk_standing: Standing = SHOWN
    scores_standing: Standing = SHOWN
    unconfirmed: bool = False

    @property
    def decisive(self) -> Finding | None:
        """Why a number of this read is withheld; None where none is."""
        numbers = ((self.risk, self.risk_standing), (self.agatston, self.scores_standing))
        return next((s.reasons[0] for number, s in numbers if number is not None and s.withheld), None)

    @property
    def status(self) -> Status:
        """New to scored; scored means graded and with a risk, withheld that it, or the scores, must not be shown."""
        if self.grade is not None:
            if self.risk is None or self.centre is None:
                return Status.GRADED
            return Status.SCORED if self.decisive is None else Status.WITHHELD
        return Status.NEW if self.centre is None or self.unconfirmed else Status.CENTRE


@dataclass(frozen=True, slots=True)
class OtherRead:
    """That another reader has graded an exam openly, and nothing of how."""

    reader: str
    locked: bool


@dataclass(frozen=True, slots=True)
class ExamEntry:
    """One row of a worklist.

    Attributes:
        exam_id: the store's number of it.
        source: folder, zip or image file.
        series_uid: of the chosen series, "" where none can be read; ``series``: what it is, ``reason``: why it.
        series_count: how many series the exam has.
        findings: of header and, once prepared, of the pixels.
        problem: why the exam can't be read; "" where it can.
        prepared: thumbnail and proposal are there (or could not be made).
        read: this reader's read of it, where there is one.
        others: who else has graded it openly, by name; nobody in a blinded list.
    """

    exam_id: int
    source: Path
    patient_id: str
    patient_name: str
    study_date: str
    description: str
    synthetic: bool
    series_uid: str
    series: str
    reason: str
    series_count: int
    slice_count: int
    thickness_mm: float | None
    increment_mm: float | None
    findings: tuple[Finding, ...] = ()
    problem: str = ""
    prepared: bool = False
    proposal: Proposal | None = None
    read: ReadSummary | None = None
    others: tuple[OtherRead, ...] = ()

    @property
    def status(self) -> Status:
        """New, centre placed, graded, scored or failed."""
        if self.problem:
            return Status.FAILED
        return self.read.status if self.read else Status.NEW

    @property
    def decisive(self) -> Finding | None:
        """Why a number of this exam is withheld, or would be wherever its heart's centre is placed; None where none is."""
        of_the_scan = risk_standing(self.findings)
        found = self.read.decisive if self.read else None
        return found or (of_the_scan.reasons[0] if of_the_scan.withheld else None)


@dataclass(frozen=True, slots=True)
class ReadingList:
    """The exams below one folder, in the order in which one reader sees them."""

    list_id: int
    name: str
    root: Path
    blinded: bool
    seed: int


@dataclass(frozen=True, slots=True)
class Reader:
    """Who reads."""

    reader_id: int
    name: str


@dataclass(frozen=True, slots=True)
class Read:
    """One reader's judgement of one exam, with everything needed to replay it.

    Attributes:
        exam_id, reader_id, list_id: whose judgement of what, and in which list. blinded: without identity, and without
            numbers before the grade; a reader's blinded read of an exam and the open one are two.
        series_uid: the series that was read; ``content_sha256``: hash of its files then.
        centre: heart centre (x, y, z) in voxels; ``centre_proposed``: it is the program's, and no reader confirmed it.
        grade: 0 to 3, fractional allowed; ``vessels``: 0 to 3 for each of `VESSELS`, where graded per vessel.
        excluded: voxels whose lesions do not count. box: a drawn box as (start, stop).
        whole_heart: the whole heart is scored as well, with the marks ``heart``. notes: key images and measures.
        locked: the grade is final (blinded lists: from then on risk and scores show).
        model, bundle_sha256: which model answered. results: the numbers, as `measure.numbers`. findings, versions: then.
        started_at, graded_at, locked_at, updated_at: ISO 8601 UTC, "" for not yet.
        seconds_to_grade: time with the exam on screen until the grade was first given.
        read_id: the store's number; 0 before it is stored. revision: counts the changes.
    """

    exam_id: int
    reader_id: int
    series_uid: str
    list_id: int | None = None
    blinded: bool = False
    content_sha256: str = ""
    centre: Voxel | None = None
    centre_proposed: bool = False
    grade: float | None = None
    vessels: dict[str, int] | None = None
    excluded: frozenset[Voxel] = frozenset()
    box: tuple[Voxel, Voxel] | None = None
    whole_heart: bool = False
    heart: HeartMarks = NO_MARKS
    notes: Notes = NO_NOTES
    profile: str = "standard"
    locked: bool = False
    model: str = ""
    bundle_sha256: str = ""
    prevalence: float | None = None
    results: dict[str, Any] = field(default_factory=dict)
    findings: tuple[Finding, ...] = ()
    versions: dict[str, str] = field(default_factory=dict)
    started_at: str = ""
    graded_at: str = ""
    locked_at: str = ""
    updated_at: str = ""
    seconds_to_grade: float | None = None
    read_id: int = 0
    revision: int = 0

    @property
    def shown_anyway(self) -> bool:
        """Somebody asked to see what is withheld here."""
        return any(f.code == SHOWN_ANYWAY for f in self.findings)

    @property
    def unconfirmed(self) -> bool:
        """It holds what the program measured at the centre that it proposed, and nothing that a reader said."""
        return self.centre_proposed and self.grade is None

    @property
    def finding_codes(self) -> tuple[str, ...]:
        """What qualifies the numbers, in an order of its own: the sentences are in the reader's language."""
        return tuple(sorted({f.code for f in self.findings}))


def reading_order(reading_list: ReadingList, reader: Reader | None, count: int) -> list[int]:
    """Positions 0 to ``count`` - 1 in this reader's order.

    Each reader of a blinded list has an order of their own, the same on every machine and every day. An exam that is
    added later takes its place among the others without changing their order.
    """
    if not reading_list.blinded or reader is None:
        return list(range(count))
    return sorted(
        range(count), key=lambda i: hashlib.sha256(f"{reading_list.seed}|{reader.name}|{i}".encode()).digest()
    )
