"""Find the CT series behind a path, judge them, and choose the one to read."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from hyrisk_desktop.errors import ExamError
from hyrisk_desktop.findings import Finding, Severity
from hyrisk_desktop.i18n import tr, trn
from hyrisk_desktop.imaging.choice import rank
from hyrisk_desktop.imaging.geometry import is_axial
from hyrisk_desktop.imaging.headers.attributes import nested_words, read_attributes
from hyrisk_desktop.imaging.headers.header import BadHeader, Header, NotDicom
from hyrisk_desktop.imaging.headers.kinds import Kind, kind_of, nature_findings, nature_of, refusal_of, refusal_of_types
from hyrisk_desktop.imaging.headers.layout import Layouts
from hyrisk_desktop.imaging.headers.tag_numbers import TAGS
from hyrisk_desktop.imaging.headers.tags import read_header
from hyrisk_desktop.imaging.leftovers import FoundFiles, note_other, note_strange, stray_findings, unusable_findings
from hyrisk_desktop.imaging.pixels.enhanced import frames_of, multi_frame_parts
from hyrisk_desktop.imaging.pixels.image_files import image_record
from hyrisk_desktop.imaging.records import SeriesRecord
from hyrisk_desktop.imaging.slices import Stack, stack_slices
from hyrisk_desktop.imaging.sources import Source, is_image_file, list_source
from hyrisk_desktop.imaging.splitting import header_parts, names_of
from hyrisk_desktop.jobs import CancelToken, Progress, no_progress

_ACCOMPANIMENTS = (Kind.LOCALIZER, Kind.SECONDARY)  # what may lie inside a series of slices without being one
_KIND_TAGS = tuple(
    TAGS[k] for k in ("SeriesInstanceUID", "Modality", "ImageType", "FrameType", "SOPClassUID", "SamplesPerPixel")
)
_WORD_TAGS = tuple(
    TAGS[k] for k in ("ImageType", "FrameType", "SeriesDescription", "DerivationDescription", "RescaleType")
)
_LOSSY = TAGS["LossyImageCompression"]
# JPEG with the discrete cosine transform; the others have lossless forms as well, so only the attribute tells.
_LOSSY_SYNTAXES = frozenset(f"1.2.840.10008.1.2.4.{number}" for number in (50, 51, 52, 53, 54, 55, 56))
_ORIENTATION = TAGS["ImageOrientationPatient"]


def find_series(
    path: Path | str, *, progress: Progress = no_progress, cancel: CancelToken | None = None
) -> list[SeriesRecord]:
    """Find the CT series behind a folder, a DICOM file, a DICOMDIR, a zip or a NIfTI, NRRD or MHA file.

    A single DICOM file stands for the series it belongs to among the files beside it. Only headers are read.

    Args:
        path: what the user opened.
        progress: called as ``progress(files done, files in all)``.
        cancel: polled between files.

    Returns:
        At least one record; the chosen series first, then the others as they rank. Where none is suitable, all
        have ``suitable`` False and say why.

    Raises:
        ExamError: there is no CT at all behind the path.
        Cancelled: ``cancel`` was set.
    """
    path = Path(path)
    source = list_source(path, cancel)
    found = look_through(source, progress, cancel)
    if source.opened is not None:
        _narrow_to(found, source.opened)
    records = records_of(found, source)
    if not records and found.images:
        records = list(_image_records(found.images, image_record, alone=source.opened is not None))
        records = [dataclasses.replace(r, holder=source.holder) for r in records]
    if not records:
        raise _nothing_found(path, source, found)
    ranked = rank(records)
    if source.opened is not None:
        # Of several image sets in one series, the one that was asked for.
        ranked.sort(key=lambda record: source.opened not in record.files)
    return ranked


def records_of(found: FoundFiles, source: Source) -> list[SeriesRecord]:
    """A record of each DICOM series found, unranked; what merely accompanies an axial series is named in it."""
    records: list[SeriesRecord] = []
    for (uid, kind), headers in found.groups.items():
        if kind not in _ACCOMPANIMENTS or (uid, Kind.AXIAL) not in found.groups:
            records += _records(uid, kind, headers, found, source)
    return records


def _records(uid: str, kind: Kind, headers: list[Header], found: FoundFiles, source: Source) -> Iterable[SeriesRecord]:
    """The one record of a series, or one of each image set in it: the best under the series' own UID."""
    parts: list[tuple[list[Header], tuple[int, ...], tuple[str, ...], str, float]] = []
    stack: Stack | None = None
    if kind is Kind.AXIAL:
        kept, _, _ = _set_aside(kind, headers)
        aside = [h for h in headers if not any(h is k for k in kept)] if len(kept) < len(headers) else []
        sets, stack = header_parts(kept)
        parts = [([*p.items, *aside], (), p.by, p.mark, p.order) for p in sets]
    elif kind is Kind.ENHANCED:
        parts = [([h], p.items, p.by, p.mark, p.order) for h, p in multi_frame_parts(headers)]
    if not parts:
        return [_record(uid, kind, headers, found, source, stack=stack)]
    by = names_of(list(dict.fromkeys(name for part in parts for name in part[2])))
    message = tr(
        "This series holds {count} image sets, which differ in {what}; this is one of them, the others are offered as well.",
        count=len(parts),
        what=by,
    )
    finding = Finding("split_series", Severity.WARNING, message)
    made = []
    for mine, frames, _, mark, order in parts:
        record = _record(uid, kind, mine, found, source, frames)
        record = dataclasses.replace(record, order=order, findings=(finding, *record.findings))
        made.append((record, mark))
    best = rank([dataclasses.replace(record, series_uid=f"{uid}#{mark}") for record, mark in made])[0].series_uid
    return [
        dataclasses.replace(record, series_uid=uid if best == f"{uid}#{mark}" else f"{uid}#{mark}")
        for record, mark in made
    ]


def look_through(source: Source, progress: Progress, cancel: CancelToken | None) -> FoundFiles:
    """Read the header of each file and group the CT images by series and kind."""
    found = FoundFiles()
    total = len(source.files)
    layouts = Layouts()
    strange: list[Path] = []
    kinds: dict[tuple[bytes | None, ...], tuple[str, Kind | None]] = {}
    for done, file in enumerate(source.files):
        if done % 32 == 0:
            if cancel:
                cancel.raise_if_cancelled()
            progress(done, total)
        if is_image_file(file):
            found.images.append(file)
            continue
        try:
            header = read_header(file, layouts)
        except NotDicom:
            strange.append(file)
            continue
        except (BadHeader, OSError):
            found.unusable["damaged"] += 1
            continue
        looks = tuple(map(header.values.get, _KIND_TAGS))  # the same for hundreds of slices
        if looks not in kinds:
            kinds[looks] = header.text("SeriesInstanceUID"), kind_of(header)
        uid, kind = kinds[looks]
        if kind is None:
            note_other(found, header)
        else:
            found.groups.setdefault((uid, kind), []).append(header)
    progress(total, total)
    note_strange(found, strange, source.not_files)
    return found


def _narrow_to(found: FoundFiles, opened: Path) -> None:
    """Keep the series of the opened file, without other versions of that very slice."""
    if is_image_file(opened):
        found.groups.clear()
        return
    for key, headers in list(found.groups.items()):
        mine = next((h for h in headers if h.path == opened), None)
        if mine is None:
            del found.groups[key]
            continue
        if header_parts(headers)[0] if key[1] is Kind.AXIAL else key[1] is Kind.ENHANCED:
            continue
        place = mine.raw("ImagePositionPatient")
        found.groups[key] = [
            h
            for h in headers
            if h is mine
            or (h.raw("ImagePositionPatient") != place and h.raw("SOPInstanceUID") != mine.raw("SOPInstanceUID"))
        ]
    if not found.groups:
        found.images.clear()


def _set_aside(kind: Kind, headers: list[Header]) -> tuple[list[Header], Kind, tuple[Finding, ...]]:
    """Part the few slices that lie across the axial ones: unlabelled localizers inside the series."""
    if kind is not Kind.AXIAL:
        return headers, kind, ()
    examples = {h.values.get(_ORIENTATION, b""): h for h in headers}
    crosswise = {
        raw for raw, h in examples.items() if raw.strip(b" \0") and not is_axial(h.floats("ImageOrientationPatient"))
    }
    if not crosswise:
        return headers, kind, ()
    across = [h for h in headers if h.values.get(_ORIENTATION, b"") in crosswise]
    if len(across) == len(headers):
        return headers, Kind.REFORMAT, ()
    if len(across) > max(3, len(headers) // 20):
        return headers, kind, ()
    gone = {id(h) for h in across}
    kept = [h for h in headers if id(h) not in gone]
    like_slices = [h for h in across if all(h.number(k) == kept[0].number(k) for k in ("Rows", "Columns"))
                   and h.floats("PixelSpacing") == kept[0].floats("PixelSpacing")]  # fmt: skip
    findings = [_localizer_finding(len(across) - len(like_slices))] if len(like_slices) < len(across) else []
    if like_slices:
        message = trn(
            "{n} image of this series lies across the others and was left out: slices may be missing.",
            "{n} images of this series lie across the others and were left out: slices may be missing.",
            len(like_slices),
        )
        findings.append(Finding("stray_slices", Severity.WARNING, message))
    return kept, kind, tuple(findings)


def _localizer_finding(count: int) -> Finding:
    message = trn(
        "{n} localizer image inside this series was set aside.",
        "{n} localizer images inside this series were set aside.",
        count,
    )
    return Finding("localizer_set_aside", Severity.INFO, message)


def _record(
    uid: str,
    kind: Kind,
    headers: list[Header],
    found: FoundFiles,
    source: Source,
    frames: tuple[int, ...] = (),
    stack: Stack | None = None,
) -> SeriesRecord:
    findings = list(source.findings)
    headers, kind, aside = _set_aside(kind, headers)
    findings += aside
    if kind is Kind.AXIAL and (uid, Kind.LOCALIZER) in found.groups:
        findings.append(_localizer_finding(len(found.groups[uid, Kind.LOCALIZER])))
    if kind is Kind.AXIAL and (uid, Kind.SECONDARY) in found.groups:
        count = len(found.groups[uid, Kind.SECONDARY])
        message = trn(
            "{n} picture inside this series that is no slice was set aside.",
            "{n} pictures inside this series that are no slices were set aside.",
            count,
        )
        findings.append(Finding("pages_set_aside", Severity.INFO, message))
    findings += unusable_findings(found.unusable)
    first = headers[0]
    attributes = read_attributes(first)
    if kind is Kind.AXIAL:
        types, energies = nested_words(first)
        kind = Kind.DERIVED if refusal_of_types(types) else kind
        findings += _nature_findings(headers, types, energies)
    findings += _lossy_findings(headers)
    record = SeriesRecord(
        series_uid=uid,
        study_uid=first.text("StudyInstanceUID"),
        modality="CT",
        kind=kind,
        description=attributes.get("SeriesDescription", ""),
        kernel=attributes.get("ConvolutionKernel", ""),
        slice_count=len(headers),
        files=tuple(h.path for h in headers),
        image_type=first.text("ImageType"),
        thickness_mm=next(iter(first.floats("SliceThickness")), None),
        attributes=attributes,
        findings=tuple(findings),
        headers=tuple(headers),
        frames=frames,
        holder=source.holder,
    )
    record = _with_geometry(record, stack)
    return dataclasses.replace(record, findings=record.findings + stray_findings(record, found.groups, found.aside))


def _lossy_findings(headers: list[Header]) -> tuple[Finding, ...]:
    """Code ``lossy``: some image was compressed with loss, now or at any time before."""
    distinct = {(h.syntax, h.values.get(_LOSSY)) for h in headers}
    if not any(syntax in _LOSSY_SYNTAXES or (said or b"").strip(b" \0") == b"01" for syntax, said in distinct):
        return ()
    message = tr(
        "The images were compressed with loss, so small calcifications may look larger, smaller or not at all."
    )
    return (Finding("lossy", Severity.WARNING, message),)


def _nature_findings(headers: list[Header], types: Sequence[str], energies: Sequence[float]) -> tuple[Finding, ...]:
    """What the words of any slice say of its values; one computed slice in a series is enough to say so."""
    distinct = {tuple(map(h.values.get, _WORD_TAGS)): h for h in headers}
    found: dict[str, Finding] = {}
    for header in distinct.values():
        words = (*header.words("ImageType"), *header.words("FrameType"), *types)
        texts = header.text("SeriesDescription"), header.text("DerivationDescription")
        for finding in nature_findings(nature_of(words, texts, energies), header.text("RescaleType")):
            found.setdefault(finding.code, finding)
    return tuple(found.values())


def _with_geometry(record: SeriesRecord, stack: Stack | None) -> SeriesRecord:
    """Fill in increment and slice count, or the reason why the series can't be read."""
    try:
        if record.kind is Kind.ENHANCED:
            frames = frames_of(record)
            return dataclasses.replace(
                record,
                slice_count=len(frames.order),
                increment_mm=frames.grid.spacing_mm[2],
                thickness_mm=frames.thickness_mm,
                kernel=record.kernel or frames.kernel,
                findings=record.findings + frames.findings,
            )
        if refusal := refusal_of(record.kind):
            raise refusal
        stack = stack or stack_slices(record.headers)
    except ExamError as e:
        return dataclasses.replace(record, suitable=False, reason=e.message, problem=e.code)
    increment = stack.grid.spacing_mm[2] if len(stack.headers) > 1 else None
    return dataclasses.replace(record, increment_mm=increment, slice_count=len(stack.headers), stack=stack)


def _image_records(
    images: Sequence[Path], make: Callable[[Path], SeriesRecord], *, alone: bool
) -> Iterable[SeriesRecord]:
    for image in images:
        try:
            yield make(image)
        except ExamError:
            if alone or len(images) == 1:
                raise


def _nothing_found(path: Path, source: Source, found: FoundFiles) -> ExamError:
    name = path.name or str(path)
    if found.others:
        kinds = ", ".join(sorted(found.others))
        return ExamError(
            "no_ct",
            tr(
                "{name} holds no CT exam, only objects of another kind ({kinds}). Open a CT series.",
                name=name,
                kinds=kinds,
            ),
        )
    if found.unusable["damaged"]:
        return ExamError(
            "damaged",
            tr("{name} holds no readable CT exam: its files are damaged. Copy or export them again.", name=name),
        )
    if source.opened is None and path.is_dir():
        return ExamError(
            "no_exam",
            tr("The folder {name} holds no CT exam. Choose a folder with DICOM files of a chest CT.", name=name),
        )
    return ExamError("no_exam", tr("{name} holds no CT exam. Choose a chest CT.", name=name))
