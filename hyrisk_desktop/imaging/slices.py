"""The strict reader's rules: which slices may make one volume, and in which grid."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hyrisk_desktop.errors import ExamError
from hyrisk_desktop.findings import Finding, Severity
from hyrisk_desktop.i18n import tr, trn
from hyrisk_desktop.imaging.geometry import Grid, axes_of, make_grid
from hyrisk_desktop.imaging.headers.header import DEFLATED_LE, EXPLICIT_LE, IMPLICIT_LE, NATIVE_SYNTAXES, Header
from hyrisk_desktop.imaging.headers.tag_numbers import TAGS
from hyrisk_desktop.imaging.numbering import check_instance_numbers
from hyrisk_desktop.regular_files import open_regular

_REQUIRED = (
    "SeriesInstanceUID",
    "ImageOrientationPatient",
    "PixelSpacing",
    "Rows",
    "Columns",
    "BitsAllocated",
    "PixelRepresentation",
    "RescaleSlope",
    "RescaleIntercept",
)
_IDENTITY = ("PatientID", "PatientName", "PatientBirthDate", "PatientSex")
_STUDY = ("StudyInstanceUID", "FrameOfReferenceUID", "Modality")
_ACQUISITION = ("Manufacturer", "KVP", "ConvolutionKernel", "SliceThickness", "RescaleType", "ContrastBolusAgent")
_PIXELS = ("SamplesPerPixel", "PhotometricInterpretation", "NumberOfFrames", "BitsStored", "HighBit")
_SIGNATURE = tuple(TAGS[k] for k in dict.fromkeys((*_REQUIRED, *_IDENTITY, *_STUDY, *_ACQUISITION, *_PIXELS)))
_POSITION, _SOP_UID = TAGS["ImagePositionPatient"], TAGS["SOPInstanceUID"]
_ORIENTATION = TAGS["ImageOrientationPatient"]
_META_UID = TAGS["MediaStorageSOPInstanceUID"]
HU_TYPES = frozenset(("", "HU", "US", "HU_MOD"))
"""Values of RescaleType whose pixels are, or may be, HU."""
_SAME_IN_COPIES = (
    *_REQUIRED, *_IDENTITY, "StudyInstanceUID", "ImagePositionPatient", "BitsStored", "HighBit", "PhotometricInterpretation",
    "RescaleType", "KVP", "ConvolutionKernel", "SliceThickness", "PixelPaddingValue",
)  # fmt: skip
_STANDARD_SYNTAXES = "1.2.840.10008.1.2"
MAX_MATRIX = 8192
MAX_VOXELS = 4 << 30


@dataclass(frozen=True, slots=True)
class Stack:
    """Checked slices in volume order (feet to head) on their grid."""

    headers: tuple[Header, ...]
    grid: Grid
    findings: tuple[Finding, ...] = ()


def stack_slices(headers: Sequence[Header]) -> Stack:
    """Check single-frame slices of one series and order them.

    Raises:
        ExamError: they do not make one trustworthy volume.
    """
    kinds = _distinct(headers)
    for header in kinds:
        _check_kind(header)
    for header in headers:
        _check_slice(header)
    findings = _check_names(headers)
    kept, copies = _without_copies(headers)
    findings += copies
    _check_same_scan(kinds)
    first = kept[0]
    grid = make_grid(
        _positions(kept),
        first.floats("ImageOrientationPatient"),
        first.floats("PixelSpacing"),
        (first.number("Rows") or 0, first.number("Columns") or 0),
        next(iter(first.floats("SliceThickness")), None),
    )
    if _differ(kinds, _ACQUISITION):
        raise ExamError(
            "mixed_acquisitions",
            tr("Images of different scans or reconstructions are mixed in this series. Export the series again."),
        )
    ordered = tuple(kept[i] for i in grid.order)
    return Stack(ordered, grid, findings + check_instance_numbers(ordered) + _pixel_findings(kinds))


def _positions(headers: Sequence[Header]) -> NDArray[np.float64]:
    """ImagePositionPatient of each slice, [n, 3] in mm."""
    try:
        positions = np.array([h.floats("ImagePositionPatient") for h in headers], np.float64)
    except ValueError:  # of different lengths
        positions = np.empty(0)
    if positions.shape != (len(headers), 3):
        raise ExamError("position", tr("A slice has no usable position. Export the series again."))
    return positions


def _distinct(headers: Sequence[Header]) -> tuple[Header, ...]:
    """One header of each kind: hundreds of slices agree in all but place and number, so few need a close look."""
    kinds: dict[tuple[object, ...], Header] = {}
    last: tuple[object, ...] = ()
    for header in headers:
        found = (
            header.syntax,
            header.disordered,
            header.pixel_length,
            header.pixel_offset < 0,
            *map(header.values.get, _SIGNATURE),
        )
        if found != last:  # to compare with the last one is quicker than to look it up
            kinds.setdefault(found, header)
            last = found
    return tuple(kinds.values())


def _check_kind(header: Header) -> None:
    """Refuse slices that lack what their HU values depend on."""
    for keyword in _REQUIRED:
        if not header.values.get(TAGS[keyword], b"").strip(b" "):
            raise _missing(header, keyword)
    check_pixel_description(header)


def _check_slice(header: Header) -> None:
    """Refuse a slice without place or name, one that contradicts itself, or one that is cut short."""
    values = header.values
    if not values.get(_POSITION):
        raise _missing(header, "ImagePositionPatient")
    if not values.get(_SOP_UID):
        raise _missing(header, "SOPInstanceUID")
    if header.syntax != DEFLATED_LE and header.size < header.pixel_offset + max(header.pixel_length, 0):
        raise truncated(header)


def _check_names(headers: Sequence[Header]) -> tuple[Finding, ...]:
    """Compare the two places that name an image. Anonymisers change one of them in all files; one of many is misfiled."""
    odd = [h for h in headers if _contradicts_itself(h)]
    if not odd:
        return ()
    if len(odd) < len(headers):
        raise ExamError(
            "uid_mismatch",
            tr(
                "The file {name} contradicts itself about which image it holds. Export the series again.",
                name=odd[0].path.name,
            ),
        )
    message = tr("The files name their images otherwise outside than inside, as some anonymisers leave them.")
    return (Finding("uid_mismatch", Severity.WARNING, message),)


def _contradicts_itself(header: Header) -> bool:
    meta, name = header.values.get(_META_UID, b""), header.values.get(_SOP_UID, b"")
    return bool(meta) and meta != name and meta.strip(b" \0") != name.strip(b" \0")


def unknown_syntax(name: str) -> ExamError:
    """The sentence for a transfer syntax that is its maker's own, such as GE's 1.2.840.113619.5.2."""
    return ExamError(
        "private_syntax",
        tr(
            "The file {name} is written in a private encoding of its maker. Export it from there as standard DICOM.",
            name=name,
        ),
    )


def _missing(header: Header, keyword: str) -> ExamError:
    return ExamError(
        "missing_tag",
        tr(
            "The file {name} lacks {tag}, which this program needs to measure. Export the series again.",
            name=header.path.name,
            tag=keyword,
        ),
    )


def truncated(header: Header) -> ExamError:
    """The sentence for a file with fewer bytes than its image needs."""
    return ExamError(
        "truncated", tr("The file {name} is cut short or damaged. Copy or export it again.", name=header.path.name)
    )


def check_pixel_description(header: Header) -> None:
    """Refuse pixels that are absent, coloured, of an unknown width or of an absurd size, or cut short."""
    name = header.path.name
    rows, columns = header.number("Rows") or 0, header.number("Columns") or 0
    bits, stored = header.number("BitsAllocated"), header.number("BitsStored")
    if header.pixel_offset < 0:
        raise ExamError("no_pixels", tr("The file {name} holds no image. Open the series with images.", name=name))
    if (header.number("SamplesPerPixel") or 1) != 1 or header.words("PhotometricInterpretation")[:1] not in (
        (),
        ("MONOCHROME1",),
        ("MONOCHROME2",),
    ):
        raise ExamError("not_grey", tr("The file {name} is a colour picture and not a CT slice.", name=name))
    if not (0 < rows <= MAX_MATRIX and 0 < columns <= MAX_MATRIX) or bits not in (8, 16, 32):
        raise ExamError("bad_matrix", tr("The file {name} describes its image wrongly. Export it again.", name=name))
    if stored is not None and not 1 <= stored <= bits:
        raise ExamError("bad_matrix", tr("The file {name} describes its image wrongly. Export it again.", name=name))
    slope, intercept = header.floats("RescaleSlope"), header.floats("RescaleIntercept")
    for value in (slope, intercept):
        if len(value) > 1 or (value and not (np.isfinite(value[0]) and abs(value[0]) < 1e6)):
            raise ExamError("rescale", tr("The file {name} gives no usable HU scale. Export it again.", name=name))
    if slope == (0.0,):
        raise ExamError("rescale", tr("The file {name} gives no usable HU scale. Export it again.", name=name))
    if "".join(header.words("RescaleType")[:1]) not in HU_TYPES:
        raise ExamError("not_hu", tr("The images are not in Hounsfield units. Open the original CT series."))
    _check_length(header)


def _check_length(header: Header) -> None:
    native = header.syntax in NATIVE_SYNTAXES
    if not header.syntax.startswith(_STANDARD_SYNTAXES):
        raise unknown_syntax(header.path.name)
    if native and header.pixel_length < 0:
        raise ExamError(
            "wrong_syntax",
            tr(
                "The file {name} says that its image isn't compressed, but it is. Export it again.",
                name=header.path.name,
            ),
        )
    if not native and header.pixel_length >= 0:
        raise ExamError(
            "wrong_syntax",
            tr(
                "The file {name} says that its image is compressed, but it isn't. Export it again.",
                name=header.path.name,
            ),
        )
    if not native:
        return
    wanted = frame_bytes(header)
    # What follows the last frame is padding (PS3.5 8.1.1); less than the image is damage.
    if header.pixel_length < wanted:
        raise truncated(header)


def _pixel_findings(kinds: Sequence[Header]) -> tuple[Finding, ...]:
    """Codes ``long_pixels`` and ``disordered``: oddities that cost nothing, but that careful writers don't make."""
    findings = []
    if any(0 <= frame_bytes(h) < h.pixel_length - h.pixel_length % 2 for h in kinds if h.syntax in NATIVE_SYNTAXES):
        message = tr("The files hold more bytes than their images need; the first ones were taken.")
        findings.append(Finding("long_pixels", Severity.INFO, message))
    if any(h.disordered for h in kinds):
        message = tr("The files' headers are out of order or say things twice; check patient and series.")
        findings.append(Finding("disordered", Severity.WARNING, message))
    return tuple(findings)


def frame_bytes(header: Header) -> int:
    """How many bytes the uncompressed frames of a file take."""
    rows, columns, bits = (header.number(k) or 0 for k in ("Rows", "Columns", "BitsAllocated"))
    return rows * columns * bits // 8 * max(header.number("NumberOfFrames") or 1, 1)


def _without_copies(headers: Sequence[Header]) -> tuple[tuple[Header, ...], tuple[Finding, ...]]:
    """Drop files that hold the same image once more; refuse two versions of one image.

    The same image is what has the same place, the same meaning and the same pixels, whatever else the header says: an
    exam that was exported twice differs in dates, names of images, or the way in which its header is written.
    """
    named: dict[bytes, Header] = {}
    placed: dict[tuple[bytes | None, ...], Header] = {}
    kept: list[Header] = []
    for header in headers:
        place = header.values.get(_POSITION), header.values.get(_ORIENTATION)
        other = named.get(header.values[_SOP_UID])
        if other is None and place in placed and _same_image(placed[place], header):
            continue
        if other is None:
            named[header.values[_SOP_UID]] = header
            placed.setdefault(place, header)
            kept.append(header)
        elif not _same_image(other, header):
            raise ExamError(
                "duplicate_slice",
                tr(
                    "The files {one} and {other} claim to be the same image but differ. Export the series again.",
                    one=other.path.name,
                    other=header.path.name,
                ),
            )
    if not (copies := len(headers) - len(kept)):
        return tuple(kept), ()
    message = trn(
        "{n} file holds the same image as another and was left out.",
        "{n} files hold the same images as others and were left out.",
        copies,
    )
    return tuple(kept), (Finding("copies_left_out", Severity.INFO, message),)


def _same_image(one: Header, other: Header) -> bool:
    if any(one.raw(k) != other.raw(k) for k in _SAME_IN_COPIES):
        return False
    if one.syntax == other.syntax and one.size == other.size and _digest(one) == _digest(other):
        return True
    # Uncompressed pixels are the same bytes in explicit and implicit files.
    native = (IMPLICIT_LE, EXPLICIT_LE)
    if (one.syntax == other.syntax != DEFLATED_LE and one.pixel_length < 0) or {one.syntax, other.syntax} <= {*native}:
        return _pixel_digest(one) == _pixel_digest(other)
    return False


def _pixel_digest(header: Header) -> bytes:
    """SHA-256 of what stands in the pixel data, or of all that follows where its length isn't given."""
    with open_regular(header.path) as stream:
        stream.seek(header.pixel_offset)
        if header.pixel_length < 0:
            return hashlib.file_digest(stream, "sha256").digest()
        return hashlib.sha256(stream.read(min(header.pixel_length, frame_bytes(header)))).digest()


def _digest(header: Header) -> bytes:
    with open_regular(header.path) as stream:
        return hashlib.file_digest(stream, "sha256").digest()


def _check_same_scan(headers: Sequence[Header]) -> None:
    """Refuse slices of different patients, scans, matrices or orientations under one series UID."""
    if _differ(headers, _IDENTITY):
        raise ExamError(
            "mixed_patients",
            tr("Images of different patients are mixed in this series. Don't use it; export each patient again."),
        )
    if _differ(headers, _STUDY):
        raise ExamError(
            "mixed_studies", tr("Images of different examinations are mixed in this series. Export the series again.")
        )
    if len(Counter((h.number("Rows"), h.number("Columns")) for h in headers)) > 1 or _differ(
        headers, ("PixelSpacing",)
    ):
        raise ExamError(
            "mixed_matrix",
            tr("The series mixes images of different sizes. Export each reconstruction as a series of its own."),
        )
    if len({h.number("BitsAllocated") for h in headers}) > 1:
        raise ExamError(
            "bad_matrix",
            tr("The series' images are stored in different ways, so some are damaged. Export the series again."),
        )
    first = axes_of(headers[0].floats("ImageOrientationPatient"))
    seen = {headers[0].values[TAGS["ImageOrientationPatient"]]}
    for header in headers:
        if (raw := header.values[TAGS["ImageOrientationPatient"]]) not in seen:
            seen.add(raw)
            axes = axes_of(header.floats("ImageOrientationPatient"))
            if max(float(np.abs(a - b).max()) for a, b in zip(axes, first, strict=True)) > 1e-3:
                raise ExamError(
                    "mixed_orientation",
                    tr("The series mixes images of different orientations. Open a series of axial slices only."),
                )


def _differ(headers: Sequence[Header], keywords: Sequence[str]) -> bool:
    """Whether any keyword has two different values; an absent value agrees with every other."""
    for tag, keyword in ((TAGS[k], k) for k in keywords):
        values = {raw.strip(b" \0") for h in headers if (raw := h.values.get(tag))} - {b""}
        if len(values) > 1:
            numbers = {h.floats(keyword) for h in headers if h.raw(keyword)}
            if len(numbers) != 1 or () in numbers:
                return True
    return False
