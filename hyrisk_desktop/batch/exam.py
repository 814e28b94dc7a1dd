"""The exams of a bulk scoring: small values that name files, so that 50,000 fit in memory and any travels to a worker."""

from __future__ import annotations

import hashlib
import json
import os
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hyrisk_desktop.batch.reads_file import BatchRead
from hyrisk_desktop.findings import finding_rows, findings_from
from hyrisk_desktop.i18n import tr
from hyrisk_desktop.imaging import Kind, ScannedExam, SeriesRecord, scan_exams
from hyrisk_desktop.jobs import CancelToken, Progress, no_progress

Reads = Mapping[str, Sequence[BatchRead]]
"""Reads by SeriesInstanceUID."""


@dataclass(frozen=True, slots=True)
class BatchExam:
    """One series to score, by every reader who read it.

    Attributes:
        token: tells the exam from every other one without naming a patient.
        source: folder, zip or image file.
        packed: the series' files and what the scan noticed, see `record`; b"" where nothing can be read.
        reads: centres and grades; empty: the centre is proposed.
        problem: code and one plain sentence where the exam can't be read.
    """

    token: str
    source: Path
    patient_id: str
    study_uid: str
    series_uid: str
    packed: bytes
    reads: tuple[BatchRead, ...] = ()
    problem: tuple[str, str] | None = None

    @property
    def slots(self) -> tuple[tuple[str, BatchRead], ...]:
        """Each row that this exam makes, by its id: the exam's token, and a hash of series and reader."""
        return tuple(
            (f"{self.token}-{_hash(self.series_uid, read.reader)[:8]}", read) for read in self.reads or (BatchRead(),)
        )

    @property
    def record(self) -> SeriesRecord:
        """The series without headers, as `imaging.reopen` takes it."""
        data = json.loads(zlib.decompress(self.packed))
        return SeriesRecord(
            series_uid=self.series_uid, study_uid=self.study_uid, modality=data["modality"], kind=Kind(data["kind"]),
            description="", kernel="", slice_count=data["slice_count"],
            files=tuple(Path(data["folder"], name) for name in data["names"]), reason=data["reason"],
            findings=findings_from(data["findings"]),
        )  # fmt: skip

    def fingerprint(self, read: BatchRead, settings: str) -> str:
        """Hash of everything that decides this row but the model: files (place, size, time), read and settings.

        Raises:
            OSError: a file is gone.
        """
        digest = hashlib.sha256(json.dumps([settings, self.series_uid, *read.plain]).encode())
        for path in self.record.files if self.packed else ():
            status = path.stat()
            digest.update(os.fsencode(path) + f"\0{status.st_size} {status.st_mtime_ns}\n".encode())
        return digest.hexdigest()

    def to_plain(self) -> dict[str, Any]:
        """Plain values for another process; they name files, but no patient."""
        return {
            "token": self.token, "source": str(self.source), "study_uid": self.study_uid, "series_uid": self.series_uid,
            "packed": self.packed, "reads": [r.plain for r in self.reads],
        }  # fmt: skip

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> BatchExam:
        """Inverse of `to_plain`, without the patient."""
        reads = tuple(map(BatchRead.from_plain, plain["reads"]))
        return cls(
            plain["token"], Path(plain["source"]), "", plain["study_uid"], plain["series_uid"], plain["packed"], reads
        )


def batch_exams(scanned: ScannedExam, reads: Reads) -> tuple[BatchExam, ...]:
    """What to score of an exam: each series that somebody read, else the chosen one; or the exam's problem."""
    token = "e" + _hash(scanned.key)[:15]
    read_of = [r for r in scanned.records if reads.get(r.series_uid)]
    if not read_of and (chosen := scanned.chosen) is not None:
        read_of = [chosen]
    if not read_of:
        first = scanned.records[0] if scanned.records else None
        problem = scanned.problem or ("unsuitable", tr("No series of this exam can be read."))
        return (_exam(token, scanned.source, first, (), problem),)
    return tuple(
        _exam(token, scanned.source, r, tuple(reads.get(r.series_uid, ())), None if r.suitable else _why(r))
        for r in read_of
    )


def list_exams(
    root: Path, reads: Reads, *, progress: Progress = no_progress, cancel: CancelToken | None = None
) -> list[BatchExam]:
    """Every exam below ``root``, in the order in which they were found.

    The whole folder is looked through before anything is scored: an exam may go on in a later folder.

    Args:
        reads: known centres and grades by series UID.
        root: folder or file, as `imaging.scan_exams` takes.
        progress: called as ``progress(files looked at, 0)``.
        cancel: polled between files.

    Raises:
        ExamError: ``root`` doesn't exist or can't be read.
        Cancelled: ``cancel`` was set.
    """
    found: dict[str, tuple[BatchExam, ...]] = {}
    for scanned in scan_exams(root, progress=progress, cancel=cancel):
        exams = batch_exams(scanned, reads)
        earlier = found.get(scanned.key)
        # A damaged copy must not take the place of a sound one.
        if earlier is None or not all(e.problem for e in exams) or all(e.problem for e in earlier):
            found[scanned.key] = exams
    return [exam for exams in found.values() for exam in exams]


def unused_reads(exams: Sequence[BatchExam], reads: Reads) -> int:
    """How many series of ``reads`` are not among the exams."""
    return len(set(reads) - {exam.series_uid for exam in exams})


def _why(record: SeriesRecord) -> tuple[str, str]:
    return record.problem or "unsuitable", record.reason


def _exam(
    token: str,
    source: Path,
    record: SeriesRecord | None,
    reads: tuple[BatchRead, ...],
    problem: tuple[str, str] | None,
) -> BatchExam:
    if record is None:
        return BatchExam(token, source, "", "", "", b"", reads, problem)
    patient = record.attributes.get("PatientID", "")
    return BatchExam(token, source, patient, record.study_uid, record.series_uid, _pack(record), reads, problem)


def _pack(record: SeriesRecord) -> bytes:
    folder = os.path.commonpath([str(path.parent) for path in record.files])
    data = {
        "folder": folder,
        "names": [os.path.relpath(path, folder) for path in record.files],
        "kind": record.kind,
        "modality": record.modality,
        "slice_count": record.slice_count,
        "reason": record.reason,
        "findings": finding_rows(record.findings),
    }
    # ASCII: a file name may hold bytes that are no text.
    return zlib.compress(json.dumps(data).encode("ascii"), 6)


def _hash(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode("utf-8", "surrogateescape")).hexdigest()
