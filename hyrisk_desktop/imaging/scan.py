"""All exams below a folder, one after another as they are found, on any mess of a disk.

`find_series` answers "which series of this exam?"; this answers "which exams are there?". It looks at one folder at a
time and tells of an exam as soon as the folder that holds it is done, so a list fills while a disk is still being
read. What it remembers does not grow with the number of images: of the exams passed lately their records without
headers, of all others where they lie.
"""

from __future__ import annotations

import dataclasses
import os
from collections import Counter, OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from hyrisk_desktop.errors import ExamError
from hyrisk_desktop.findings import Finding, Severity
from hyrisk_desktop.i18n import tr, trn
from hyrisk_desktop.imaging.choice import rank
from hyrisk_desktop.imaging.headers.attributes import read_attributes
from hyrisk_desktop.imaging.headers.header import Header
from hyrisk_desktop.imaging.headers.kinds import Kind
from hyrisk_desktop.imaging.leftovers import FoundFiles
from hyrisk_desktop.imaging.listing import Entries, Walk, entries
from hyrisk_desktop.imaging.records import SeriesRecord, current_headers
from hyrisk_desktop.imaging.series import find_series, look_through, records_of
from hyrisk_desktop.imaging.sources import Source, is_image_file
from hyrisk_desktop.jobs import CancelToken, Progress, no_progress

_REMEMBERED = 256
_ZIP_SUFFIX = ".zip"
Group = tuple[str, Kind]
Key = tuple[str, str]
"""What makes images one exam: StudyInstanceUID and PatientID. UIDs alone have been shared by two patients."""


@dataclass(frozen=True, slots=True)
class ScannedExam:
    """One exam as the scan found it.

    Attributes:
        key: what tells it from every other exam, also when it is found again: of the study and patient, or of the file.
        source: the folder, zip or image file that holds it.
        records: its series, ranked, the chosen one first, without headers (see `reopen`); empty where nothing could
            be read.
        problem: code and one plain sentence where none of its series can be read, else None.
    """

    key: str
    source: Path
    records: tuple[SeriesRecord, ...] = ()
    problem: tuple[str, str] | None = None

    @property
    def chosen(self) -> SeriesRecord | None:
        """The series to read, None where there is none that can be."""
        return self.records[0] if self.records and self.records[0].suitable else None


def scan_exams(
    root: Path, *, progress: Progress = no_progress, cancel: CancelToken | None = None
) -> Iterator[ScannedExam]:
    """Every exam below ``root``, depth first, in the order of names.

    An exam that spreads over several folders is told of again, whole, with each folder that adds to it. Symbolic links
    to folders are followed, each real folder once. What is no exam (text files, reports, segmentations) is passed over; a damaged zip or a
    folder of damaged files is told of with its problem.

    Args:
        root: the folder, or one file (as `find_series` takes).
        progress: called as ``progress(files looked at, 0)``: how many there are is not known beforehand.
        cancel: polled between files.

    Raises:
        ExamError: ``root`` doesn't exist or can't be read.
        Cancelled: ``cancel`` was set.
    """
    if not root.exists():
        raise ExamError("not_found", tr("{name} doesn't exist. Choose a folder or a file.", name=root.name))
    scan = _Scan(progress, cancel)
    if root.is_dir():
        yield from scan.below(root)
    else:
        yield from scan.single(root)


class _Scan:
    def __init__(self, progress: Progress, cancel: CancelToken | None) -> None:
        self._progress, self._cancel = progress, cancel
        self._looked_at = 0
        self._recent: OrderedDict[Key, tuple[SeriesRecord, ...]] = OrderedDict()
        self._places: dict[Key, list[Path]] = {}

    def below(self, root: Path) -> Iterator[ScannedExam]:
        waiting, walk = [root], Walk(root)
        while waiting:
            folder = waiting.pop()
            self._poll()
            try:
                listed = entries(folder, self._cancel)
            except OSError as e:
                if folder == root:
                    raise ExamError(
                        "unreadable", tr("{name} can't be read: {why}.", name=folder.name, why=e.strerror or "")
                    ) from e
                yield ScannedExam(f"file:{folder}", folder, problem=("unreadable", tr("This folder can't be read.")))
                continue
            waiting += reversed(list(walk.inner(folder, listed)))
            yield from self._folder(folder, listed)

    def single(self, path: Path) -> Iterator[ScannedExam]:
        """One zip or image file is an exam; a DICOM file stands for the folder that it lies in."""
        if _stands_alone(path):
            yield from self._alone(path)
        else:
            yield from self._folder(path.parent, entries(path.parent, self._cancel))

    def _folder(self, folder: Path, listed: Entries) -> Iterator[ScannedExam]:
        files = [folder / name for name in listed.files]
        dicom = tuple(f for f in files if not _stands_alone(f) and f.name.upper() != "DICOMDIR")
        odd = tuple(folder / name for name in listed.others)
        found = look_through(Source(dicom, not_files=odd), self._report, self._cancel)
        self._looked_at += len(dicom)
        studies: dict[Key, FoundFiles] = {}
        for group, headers in found.groups.items():
            studies.setdefault(_key(headers[0]), FoundFiles()).groups[group] = headers
        for key, mine in studies.items():
            mine.unusable, mine.aside = found.unusable, found.aside
            yield self._study(key, folder, mine)
        if found.unusable and not studies:
            message = trn(
                "{n} damaged file and no readable CT. Copy or export it again.",
                "{n} damaged files and no readable CT. Copy or export them again.",
                found.unusable.total(),
            )
            yield ScannedExam(f"file:{folder}", folder, problem=("damaged", message))
        for path in files:
            if _stands_alone(path):
                yield from self._alone(path)

    def _study(self, key: Key, folder: Path, found: FoundFiles) -> ScannedExam:
        places = self._places.setdefault(key, [])
        before = self._recent.get(key, ())
        records = tuple(rank([*before, *records_of(found, Source(()))]))
        split = {(r.dicom_series_uid, r.kind) for r in before} & set(found.groups)
        if places and (split or key not in self._recent):
            records = self._again(key, [*places, folder])
        records = tuple(map(light, records))
        places.append(folder)
        self._recent[key] = records
        self._recent.move_to_end(key)
        if len(self._recent) > _REMEMBERED:
            self._recent.popitem(last=False)
        source = Path(os.path.commonpath([str(p) for p in places]))
        return scanned_exam(records, source)

    def _again(self, key: Key, folders: Sequence[Path]) -> tuple[SeriesRecord, ...]:
        """The series of a study, some of which go on from folder to folder and must be judged whole.

        A copy of an image already seen is left out. Where the whole does not fit together, but the part in one folder
        does, that part is taken: one damaged stray must not cost an exam.
        """
        whole: dict[Group, list[Header]] = {}
        parts: list[dict[Group, list[Header]]] = []
        seen: set[bytes] = set()
        unusable: Counter[str] = Counter()
        aside: list[Header] = []
        for folder in folders:
            files = tuple(folder / name for name in entries(folder).files if not _stands_alone(folder / name))
            found = look_through(Source(files), no_progress, self._cancel)
            mine = {group: headers for group, headers in found.groups.items() if _key(headers[0]) == key}
            parts.append(mine)
            unusable += found.unusable
            aside += found.aside
            for group, headers in mine.items():
                whole.setdefault(group, []).extend(h for h in headers if h.raw("SOPInstanceUID") not in seen)
            seen.update(h.raw("SOPInstanceUID") for headers in mine.values() for h in headers)
        everything = FoundFiles(groups={g: h for g, h in whole.items() if h}, unusable=unusable, aside=aside)
        records = records_of(everything, Source(()))
        return tuple(rank([r if r.suitable else _best_part(r, parts) for r in records]))

    def _alone(self, path: Path) -> Iterator[ScannedExam]:
        """A zip or an image file; a zip may hold several studies."""
        self._poll()
        try:
            records = find_series(path, cancel=self._cancel)
        except ExamError as e:
            yield ScannedExam(f"file:{path}", path, problem=(e.code, e.message))
            return
        finally:
            self._looked_at += 1
            self._report(0, 0)
        studies: dict[str, list[SeriesRecord]] = {}
        for record in records:
            studies.setdefault(_key_of(record), []).append(record)
        for mine in studies.values():
            yield scanned_exam(rank(mine), path)

    def _report(self, done: int, _: int) -> None:
        self._progress(self._looked_at + done, 0)

    def _poll(self) -> None:
        if self._cancel:
            self._cancel.raise_if_cancelled()


def _best_part(record: SeriesRecord, parts: Sequence[dict[Group, list[Header]]]) -> SeriesRecord:
    """The largest readable part of a series whose parts do not fit together; the series itself where there is none."""
    group = record.dicom_series_uid, record.kind
    alone = [records_of(FoundFiles(groups={group: part[group]}), Source(()))[0] for part in parts if group in part]
    readable = [r for r in rank(alone) if r.suitable] if alone else []
    if not readable:
        return record
    best = max(readable, key=lambda r: r.slice_count)
    message = tr("Images of this series in other folders do not fit and were left out.")
    return dataclasses.replace(best, findings=(*best.findings, Finding("strays_left_out", Severity.INFO, message)))


def light(record: SeriesRecord) -> SeriesRecord:
    """The record without what weighs: headers and checked geometry. `reopen` brings them back."""
    return dataclasses.replace(record, headers=(), stack=None)


def reopen(record: SeriesRecord, source: Path) -> SeriesRecord:
    """A record that was stored without its headers, ready for `read_volume`: its files are looked at anew.

    Args:
        record: as in `ScannedExam.records`.
        source: the exam's ``source``.

    Raises:
        ExamError: the files are gone, damaged, or no longer hold this series.
    """
    changed = ExamError(
        "changed", tr("The exam's files have changed since it was listed. Open its folder again to list it anew.")
    )
    if record.files == (source,) or record.kind is Kind.IMAGE_FILE:
        again = next((r for r in find_series(source) if r.series_uid == record.series_uid), None)
        if again is None:
            raise changed
        return dataclasses.replace(again, reason=record.reason)
    try:
        headers = current_headers(record)
    except FileNotFoundError as e:
        raise ExamError(
            "not_found",
            tr("The exam's files are gone from where they were. Bring them back, or list the folder again."),
        ) from e
    except OSError as e:
        raise ExamError("unreadable", tr("The exam can't be read: {why}.", why=e.strerror or type(e).__name__)) from e
    if any(h.text("SeriesInstanceUID") != record.dicom_series_uid for h in headers):
        raise changed
    found = FoundFiles(groups={(record.dicom_series_uid, record.kind): list(headers)})
    parts = records_of(found, Source(()))
    same = [r for r in parts if r.series_uid == record.series_uid] or (parts if len(parts) == 1 else [])
    if not same:
        raise changed
    again = dataclasses.replace(same[0], series_uid=record.series_uid)
    if not again.suitable and record.suitable:
        raise ExamError(again.problem or "changed", again.reason)
    noticed = {f.code for f in again.findings}
    kept = tuple(f for f in record.findings if f.code not in noticed)
    return dataclasses.replace(again, reason=record.reason, findings=(*again.findings, *kept))


def scanned_exam(records: Sequence[SeriesRecord], source: Path) -> ScannedExam:
    """The exam that ranked records of one study make; ``source`` is what they were found in."""
    best = records[0]
    problem = None if best.suitable else (best.problem or "unsuitable", best.reason)
    kept = tuple(light(r) for r in records)
    if source.suffix.lower() == _ZIP_SUFFIX:
        # The unpacked files go with their records; the zip is unpacked again when the exam is opened.
        kept = tuple(dataclasses.replace(r, files=(source,), holder=None) for r in kept)
    return ScannedExam(_key_of(best), source, kept, problem)


def _key_of(record: SeriesRecord) -> str:
    if not record.study_uid:
        return f"file:{record.series_uid}"
    return f"study:{record.study_uid}|{record.attributes.get('PatientID', '')}"


def _key(header: Header) -> Key:
    return header.text("StudyInstanceUID"), read_patient_id(header)


def read_patient_id(header: Header) -> str:
    """PatientID as text; the bytes are decoded by pydicom only where they aren't plain."""
    raw = header.raw("PatientID")
    return raw.decode("ascii") if raw.isascii() else read_attributes(header).get("PatientID", "")


def _stands_alone(path: Path) -> bool:
    return is_image_file(path) or path.suffix.lower() == _ZIP_SUFFIX
