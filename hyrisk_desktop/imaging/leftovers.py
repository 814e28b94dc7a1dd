"""What of a folder did not become part of the series that is read, and whether that is a reason to worry.

A slice at the end of a series leaves no gap when it is lost: its file is damaged, empty or cut short, or its header now
says something else. Every such file is counted. What is known to be another object (another whole series, a localizer, a
report, a text, a DICOMDIR) is not.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from hyrisk_desktop.errors import ExamError
from hyrisk_desktop.findings import Finding, Severity
from hyrisk_desktop.i18n import listed, tr, trn
from hyrisk_desktop.imaging.geometry import axes_of
from hyrisk_desktop.imaging.headers.header import Header
from hyrisk_desktop.imaging.headers.kinds import CT_IMAGE, ENHANCED, Kind
from hyrisk_desktop.imaging.headers.tag_numbers import TAGS
from hyrisk_desktop.imaging.records import SeriesRecord
from hyrisk_desktop.regular_files import open_regular

_IMAGE_SUFFIXES = frozenset((".dcm", ".dicom", ".ima", ".dc3"))
_HALF_COPIED = frozenset((".part", ".tmp", ".crdownload", ".filepart", ".partial"))
_HARMLESS = frozenset(
    [
        ".txt",
        ".log",
        ".xml",
        ".json",
        ".csv",
        ".tsv",
        ".xls",
        ".xlsx",
        ".ini",
        ".inf",
        ".md",
        ".html",
        ".htm",
        ".css",
        ".js",
        ".pdf",
        ".jpg",
        ".jpeg",
        ".png",
        ".gif",
        ".bmp",
        ".tif",
        ".tiff",
        ".ico",
        ".exe",
        ".dll",
        ".bat",
        ".sh",
        ".cmd",
        ".zip",
        ".gz",
        ".7z",
        ".rar",
        ".tar",
        ".md5",
        ".sha1",
        ".sha256",
        ".db",
        ".dat",
        ".doc",
        ".docx",
        ".rtf",
        ".ppt",
        ".pptx",
        ".mp4",
        ".avi",
        ".npy",
        ".py",
        ".yaml",
        ".yml",
        ".nii",
        ".nrrd",
        ".nhdr",
        ".mha",
        ".mhd",
        ".raw",
        ".url",
        ".lnk",
        ".jar",
        ".class",
        ".cfg",
        ".conf",
        ".lock",
        ".bak",
        ".toml",
        ".done",
        ".ok",
        ".flag",
        ".sqlite",
    ]
)
_MOST_ASIDE = 2000  # an archive's folder may hold any number of other images; lost slices are few
_FEW = 3  # more are a series of their own
_BEYOND = 3  # how many places beyond either end are looked at
_PLACE_SHARE, _LATERAL_MM = 0.05, 0.5


@dataclasses.dataclass(slots=True)
class FoundFiles:
    """What the walk through the files gathered.

    Attributes:
        groups: headers by series and kind. images: image files. others: objects of other kinds, by modality.
        unusable: files that should hold an image and can't be read, by reason.
        aside: objects with pixels of other kinds, which may be slices whose headers are damaged.
    """

    groups: dict[tuple[str, Kind], list[Header]] = dataclasses.field(default_factory=dict)
    images: list[Path] = dataclasses.field(default_factory=list)
    others: Counter[str] = dataclasses.field(default_factory=Counter)
    unusable: Counter[str] = dataclasses.field(default_factory=Counter)
    aside: list[Header] = dataclasses.field(default_factory=list)


def note_other(found: FoundFiles, header: Header) -> None:
    """Remember an object that is no CT image; one that can't be what it says is damaged."""
    meta = header.text("MediaStorageSOPClassUID")
    claims_ct = meta == CT_IMAGE or meta in ENHANCED or header.text("SOPClassUID") in (CT_IMAGE, *ENHANCED)
    if claims_ct:
        found.unusable["contradictory"] += 1
    found.others[header.text("Modality") or tr("unknown")] += 1
    if header.pixel_offset >= 0 and not claims_ct and len(found.aside) < _MOST_ASIDE:
        found.aside.append(header)


def note_strange(found: FoundFiles, strange: Sequence[Path], not_files: Sequence[Path]) -> None:
    """Count what isn't DICOM at all but should be: the like-named among slices, empty and half copied ones."""
    suffixes = {h.path.suffix.lower() for headers in found.groups.values() for h in headers[:1]}
    for path in strange:
        suffix = path.suffix.lower()
        try:
            empty = path.stat().st_size == 0
            if suffix in _IMAGE_SUFFIXES or suffix in _HALF_COPIED:
                expected = True
            elif (suffix in _HARMLESS and suffix not in suffixes - {""}) or path.name.upper() == "DICOMDIR":
                expected = False
            else:
                expected = empty or (suffix in suffixes and not _is_text(path))
        except OSError:
            empty, expected = False, True
        if expected:
            found.unusable["empty" if empty else "no_dicom"] += 1
    if odd := len(not_files):
        found.unusable["no_file"] += odd


def _is_text(path: Path) -> bool:
    with open_regular(path) as stream:
        head = stream.read(512)
    return all(byte >= 32 or byte in b"\t\r\n\f" for byte in head) and 0x7F not in head


def unusable_findings(unusable: Counter[str]) -> tuple[Finding, ...]:
    """Code ``damaged_files``: how many files of the folder could not be used, by reason."""
    if not unusable.total():
        return ()
    names = {
        "damaged": tr("damaged"),
        "empty": tr("empty"),
        "no_dicom": tr("no DICOM inside"),
        "no_file": tr("no ordinary file"),
        "contradictory": tr("contradicts itself"),
    }
    reasons = listed(f"{count} " + names[reason] for reason, count in sorted(unusable.items()) if count)
    message = trn(
        "{n} file of this folder could not be used ({reasons}): slices may be missing at an end.",
        "{n} files of this folder could not be used ({reasons}): slices may be missing at an end.",
        unusable.total(),
        reasons=reasons,
    )
    return (Finding("damaged_files", Severity.WARNING, message),)


def stray_findings(
    record: SeriesRecord, groups: Mapping[tuple[str, Kind], Sequence[Header]], aside: Sequence[Header]
) -> tuple[Finding, ...]:
    """Code ``stray_slices``: images that count as something else, but lie just where this series would go on.

    Args:
        groups: all CT images found, by series and kind. aside: images of other modalities.
    """
    stack = record.stack
    if record.kind is not Kind.AXIAL or stack is None or len(stack.headers) < 2:
        return ()
    others = [
        h
        for (uid, kind), headers in groups.items()
        if (uid, kind) != (record.series_uid, record.kind)  # other image sets of the series are told of elsewhere
        for h in (headers if uid == record.series_uid else headers[: _FEW + 1] if len(headers) <= _FEW else ())
    ]
    # Most folders hold no others, and hundreds of paths take a while to compare.
    mine = {h.path for h in record.headers} if others else set()
    others = [h for h in others if h.path not in mine]
    count = sum(_goes_on(record, header) for header in others)
    count += sum(h.text("SeriesInstanceUID") == record.series_uid or _goes_on(record, h) for h in aside)
    if not count:
        return ()
    message = trn(
        "{n} image of this folder lies where this series goes on, but says that it is something else and was left out: slices may be missing at an end.",
        "{n} images of this folder lie where this series goes on, but say that they are something else and were left out: slices may be missing at an end.",
        count,
    )
    return (Finding("stray_slices", Severity.WARNING, message),)


def _goes_on(record: SeriesRecord, header: Header) -> bool:
    """Whether this image lies on the series' grid, just beyond one of its ends."""
    stack = record.stack
    assert stack is not None
    first, last = stack.headers[0], stack.headers[-1]
    if any(header.number(k) != first.number(k) for k in ("Rows", "Columns")):
        return False
    position, spacing = header.floats("ImagePositionPatient"), stack.grid.spacing_mm[2]
    if len(position) != 3 or header.floats("PixelSpacing") != first.floats("PixelSpacing"):
        return False
    if header.values.get(TAGS["ImageOrientationPatient"]) != first.values.get(TAGS["ImageOrientationPatient"]):
        try:
            axes, wanted = (axes_of(h.floats("ImageOrientationPatient")) for h in (header, first))
        except ExamError:
            return False
        if max(float(np.abs(a - b).max()) for a, b in zip(axes, wanted, strict=True)) > 1e-3:
            return False
    for end, sense in ((first, -1), (last, 1)):
        away = stack.grid.direction.T @ (np.asarray(position) - np.asarray(end.floats("ImagePositionPatient")))
        places = sense * float(away[2]) / spacing
        near = abs(places - round(places)) <= _PLACE_SHARE and 1 <= round(places) <= _BEYOND
        if near and float(np.hypot(away[0], away[1])) <= _LATERAL_MM:
            return True
    return False
