"""From the store's rows to the values that it hands out, and back."""

from __future__ import annotations

import json
import zlib
from dataclasses import asdict
from pathlib import Path
from types import MappingProxyType
from typing import Any

from hyrisk_desktop.calcium import NO_MARKS, HeartMarks
from hyrisk_desktop.findings import finding_rows, findings_from
from hyrisk_desktop.imaging import Kind, ScannedExam, SeriesRecord, Voxel
from hyrisk_desktop.standing import risk_standing, scores_standing, whole_heart_standing
from hyrisk_desktop.worklist.models import ExamRow, ListRow, ReadRow, SeriesRow
from hyrisk_desktop.worklist.notes import NO_NOTES, Notes, notes_from, notes_values
from hyrisk_desktop.worklist.records import ExamEntry, OtherRead, Proposal, Read, ReadingList, ReadSummary

# What a change of a read is compared by; the rest follows from these or is a stamp.
_AUDITED = (
    "series_uid", "content_sha256", "centre", "centre_proposed", "grade", "vessels", "excluded", "box", "whole_heart", "heart", "notes", "profile", "locked", "shown_anyway", "finding_codes", "bundle_sha256", "results",
)  # fmt: skip
_NOT_COLUMNS = {
    "exam_id",
    "reader_id",
    "read_id",
    "centre",
    "excluded",
    "box",
    "whole_heart",
    "heart",
    "notes",
    "findings",
}


def plain(text: str) -> str:
    """Text that every database takes: no NUL, which PostgreSQL refuses, and no half of a surrogate pair."""
    return text.replace("\0", "").encode("utf-8", "replace").decode()


def path_text(path: Path) -> str:
    """A path as the store keeps it."""
    # As JSON: a file name on Linux may hold bytes that are no text.
    return json.dumps(str(path))


def list_of(row: ListRow) -> ReadingList:
    """A row of the lists."""
    return ReadingList(row.id, row.name, Path(json.loads(row.root)), row.blinded, row.seed)


def exam_values(exam: ScannedExam, first: SeriesRecord | None) -> dict[str, Any]:
    """Columns of an exam, from its first series."""
    a = first.attributes if first else {}
    code, problem = exam.problem or ("", "")
    return {
        "source": path_text(exam.source),
        "study_uid": plain(first.study_uid) if first else "",
        "patient_id": plain(a.get("PatientID", "")),
        "patient_name": plain(a.get("PatientName", "")),
        "study_date": plain(a.get("StudyDate", "")),
        "description": plain(a.get("StudyDescription", "") or (first.description if first else exam.source.name)),
        "synthetic": a.get("PatientName", "").upper().startswith("SYNTHETIC^PHANTOM"),
        "problem_code": code,
        "problem": plain(problem),
    }


def series_values(record: SeriesRecord, place: int) -> dict[str, Any]:
    """Columns of a series; ``place`` 0 is the one to read."""
    return {
        "place": place,
        "series_uid": plain(record.series_uid),
        "kind": str(record.kind),
        "modality": plain(record.modality),
        "description": plain(record.description),
        "kernel": plain(record.kernel),
        "image_type": plain(record.image_type),
        "slice_count": record.slice_count,
        "thickness_mm": record.thickness_mm,
        "increment_mm": record.increment_mm,
        "suitable": record.suitable,
        "reason": plain(record.reason),
        "problem": record.problem,
        "findings": finding_rows(record.findings),
        "attributes": {plain(k): plain(v) for k, v in record.attributes.items()},
        "files": pack([str(path) for path in record.files]),
    }


def record_of(row: SeriesRow, study_uid: str) -> SeriesRecord:
    """The series as it was found, without headers."""
    return SeriesRecord(
        series_uid=row.series_uid, study_uid=study_uid, modality=row.modality, kind=Kind(row.kind),
        description=row.description, kernel=row.kernel, slice_count=row.slice_count,
        files=tuple(Path(name) for name in unpack(row.files)), image_type=row.image_type,
        thickness_mm=row.thickness_mm, increment_mm=row.increment_mm, attributes=MappingProxyType(dict(row.attributes)),
        suitable=row.suitable, reason=row.reason, problem=row.problem, findings=findings_from(row.findings),
    )  # fmt: skip


def pack(value: Any) -> bytes:
    """A value as deflated JSON."""
    return zlib.compress(json.dumps(value).encode("ascii"), 6)


def unpack(data: bytes) -> Any:
    """Inverse of `pack`."""
    return json.loads(zlib.decompress(data))


def voxel_of(row: Any) -> Voxel | None:
    """The row's x, y and z, None where any is missing."""
    return None if row.x is None or row.y is None or row.z is None else (row.x, row.y, row.z)


def entry_of(exam: ExamRow, s: Any, count: int, p: Any, r: Any, others: tuple[OtherRead, ...] = ()) -> ExamEntry:
    """A row of the list, from the exam, its first of ``count`` series, what is prepared, and a reader's read of it.

    Args:
        exam: the row. s: of its chosen series. p: of what is prepared. r: of the read; each None where there is none.
        others: who else has read it.
    """
    fits = p is not None and s is not None and p.series_uid == s.series_uid
    voxel = voxel_of(p) if fits else None
    series = " · ".join(part for part in (s.description, s.kernel) if part) if s else ""
    return ExamEntry(
        exam_id=exam.id, source=Path(json.loads(exam.source)), patient_id=exam.patient_id,
        patient_name=exam.patient_name, study_date=exam.study_date, description=exam.description,
        synthetic=exam.synthetic, series_uid=s.series_uid if s else "", series=series, reason=s.reason if s else "",
        series_count=count, slice_count=s.slice_count if s else 0, thickness_mm=s.thickness_mm if s else None,
        increment_mm=s.increment_mm if s else None,
        findings=(*findings_from(s.findings if s else None), *findings_from(p.findings if fits else None)),
        problem=exam.problem, prepared=fits,
        proposal=Proposal(voxel, p.confident, p.reason) if voxel else None,
        read=None if r is None else _summary(r), others=others,
    )  # fmt: skip


def _summary(r: Any) -> ReadSummary:
    findings, edits = findings_from(r.findings), unpack(r.edits)
    outlined = bool(edits.get("outlined"))
    standing = whole_heart_standing if outlined else scores_standing
    return ReadSummary(
        read_id=r.id, centre=voxel_of(r), grade=r.grade, locked=r.locked, agatston=r.agatston, risk=r.risk,
        whole_heart=edits["box"] is not None and not outlined, outlined=outlined, model=r.model, bundle_sha256=r.bundle_sha256,
        prevalence=r.prevalence, risk_standing=risk_standing(findings), scores_standing=standing(findings),
        unconfirmed=r.centre_proposed and r.grade is None,
    )  # fmt: skip


def read_values(read: Read) -> dict[str, Any]:
    """Columns of a read."""
    x, y, z = read.centre or (None, None, None)
    values = {k: v for k, v in asdict(read).items() if k not in _NOT_COLUMNS}
    results = read.results
    risk, heart = results.get("risk") or {}, results.get("whole_heart")
    edits: dict[str, Any] = {"excluded": sorted(read.excluded), "box": read.box}
    if read.whole_heart or read.heart != NO_MARKS:
        edits["heart"] = {"on": read.whole_heart, **marks_values(read.heart)}
    if heart is not None:
        edits["outlined"] = True
    if read.notes != NO_NOTES:
        edits["notes"] = notes_values(read.notes)
    return values | {
        "x": x,
        "y": y,
        "z": z,
        "edits": pack(edits),
        "series_uid": plain(read.series_uid),
        "findings": finding_rows(read.findings),
        "agatston": (heart or results.get("calcium") or {}).get("agatston"),
        "risk": risk.get("hyrisknet") if risk.get("hyrisknet") is not None else risk.get("risknet"),
    }


def marks_values(marks: HeartMarks) -> dict[str, Any]:
    """A reader's marks of the whole heart as JSON."""
    return {"taken": sorted(marks.taken), "counted": sorted(marks.counted), "excluded": sorted(marks.excluded)}


def marks_from(values: dict[str, Any]) -> HeartMarks:
    """Inverse of `marks_values`."""
    taken = tuple(((x, y, z), vessel) for (x, y, z), vessel in values["taken"])
    counted, excluded = (frozenset((x, y, z) for x, y, z in values[key]) for key in ("counted", "excluded"))
    return HeartMarks(taken, counted, excluded)


def read_of_row(row: ReadRow) -> Read:
    """Inverse of `read_values`."""
    edits = unpack(row.edits)
    start_stop, heart = edits["box"], edits.get("heart")
    return Read(
        exam_id=row.exam_id, reader_id=row.reader_id, series_uid=row.series_uid, list_id=row.list_id,
        blinded=row.blinded,
        content_sha256=row.content_sha256, centre=voxel_of(row), centre_proposed=row.centre_proposed, grade=row.grade,
        vessels=row.vessels, excluded=frozenset((x, y, z) for x, y, z in edits["excluded"]),
        box=None if start_stop is None else (tuple(start_stop[0]), tuple(start_stop[1])),
        whole_heart=bool(heart and heart["on"]), heart=marks_from(heart) if heart else NO_MARKS,
        notes=notes_from(edits.get("notes")), profile=row.profile, locked=row.locked, model=row.model, bundle_sha256=row.bundle_sha256,
        prevalence=row.prevalence, results=row.results, findings=findings_from(row.findings), versions=row.versions,
        started_at=row.started_at, graded_at=row.graded_at, locked_at=row.locked_at, updated_at=row.updated_at,
        seconds_to_grade=row.seconds_to_grade, read_id=row.id, revision=row.revision,
    )  # fmt: skip


def changes_of(before: Read | None, after: Read) -> dict[str, Any]:
    """What differs, as [before, after] by field; numbers in full, many voxels as a count."""

    def shown(read: Read | None, name: str) -> Any:
        value = getattr(read, name) if read else None
        if name == "excluded":
            return len(value) if value else 0
        if isinstance(value, Notes):
            return {key: len(found) for key, found in notes_values(value).items()}
        if isinstance(value, HeartMarks):
            return {key: len(found) for key, found in marks_values(value).items()}
        return value

    blank = Read(after.exam_id, after.reader_id, "")
    return {
        name: [_jsonable(shown(before, name)), _jsonable(shown(after, name))]
        for name in _AUDITED
        if getattr(before or blank, name) != getattr(after, name)
    }


def _jsonable(value: Any) -> Any:
    return json.loads(json.dumps(value))
