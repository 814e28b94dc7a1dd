"""What the finder tells of one series, before any pixel is read, and whether its files are still what they were."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

from hyrisk_desktop.errors import ExamError
from hyrisk_desktop.findings import Finding
from hyrisk_desktop.i18n import tr
from hyrisk_desktop.imaging.headers.header import BadHeader, Header, NotDicom
from hyrisk_desktop.imaging.headers.kinds import Kind
from hyrisk_desktop.imaging.headers.layout import Layouts
from hyrisk_desktop.imaging.headers.tags import read_header
from hyrisk_desktop.imaging.slices import Stack
from hyrisk_desktop.imaging.temporary import TemporaryFolder


@dataclass(frozen=True, slots=True)
class SeriesRecord:
    """One series as found on disk.

    Attributes:
        series_uid: SeriesInstanceUID, or ``sha256:...`` of an image file's content; of a series that holds several image
            sets, ``UID#mark`` for all but the best.
        study_uid: StudyInstanceUID, or "".
        modality: "CT", or "" for image files.
        kind: what it is made of.
        description: SeriesDescription, or an image file's name.
        kernel: ConvolutionKernel, or "".
        slice_count: number of slices (frames) that `read_volume` would return.
        files: the files, in order of discovery; for DICOM one per slice.
        image_type: ImageType as stored, values joined by backslashes.
        thickness_mm: SliceThickness in mm, None where unknown.
        increment_mm: distance of slices in mm, None where unknown or where the geometry doesn't hold.
        attributes: DICOM keywords to text, for overlays, reports and findings.
        suitable: whether it can be read and scored.
        reason: one plain sentence: why it is chosen, ranked after another, or unsuitable.
        problem: code of the error that `read_volume` would raise, or "".
        findings: what the finder noticed; `read_volume` hands them on.
        frames: the frames of a multi-frame file that belong to it, from 0; () for all.
        order: which of otherwise equal image sets of one series comes first, smaller first.
        headers: what the finder read of each DICOM file, so that it isn't read again.
        stack: the checked geometry, so that it isn't checked again.
        holder: keeps the temporary folder of an unpacked zip alive.
    """

    series_uid: str
    study_uid: str
    modality: str
    kind: Kind
    description: str
    kernel: str
    slice_count: int
    files: tuple[Path, ...]
    image_type: str = ""
    thickness_mm: float | None = None
    increment_mm: float | None = None
    attributes: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    suitable: bool = True
    reason: str = ""
    problem: str = ""
    findings: tuple[Finding, ...] = ()
    frames: tuple[int, ...] = ()
    order: float = 0.0
    headers: tuple[Header, ...] = field(default=(), repr=False, compare=False)
    stack: Stack | None = field(default=None, repr=False, compare=False)
    holder: TemporaryFolder | None = field(default=None, repr=False, compare=False)

    @property
    def dicom_series_uid(self) -> str:
        """SeriesInstanceUID as the files have it."""
        return dicom_series_uid(self.series_uid)


def dicom_series_uid(series_uid: str) -> str:
    """SeriesInstanceUID of a record's or volume's ``series_uid``, without the mark of an image set."""
    return series_uid.partition("#")[0]


def current_headers(record: SeriesRecord) -> tuple[Header, ...]:
    """The headers that the finder read, or new ones for files that have changed since."""
    known = {h.path: h for h in record.headers}
    headers, layouts = [], Layouts()
    for path in record.files:
        header = known.get(path)
        status = path.stat()
        if header is None or (header.size, header.mtime_ns) != (status.st_size, status.st_mtime_ns):
            try:
                header = read_header(path, layouts)
            except (NotDicom, BadHeader) as e:
                raise ExamError(
                    "damaged", tr("{name} is damaged and can't be read. Copy or export it again.", name=path.name)
                ) from e
        headers.append(header)
    return tuple(headers)
