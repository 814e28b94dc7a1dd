"""An exam and its reading for others: CT images, SR, SEG, PDF and FHIR in one new folder, none of which names anybody.

The images come first: new objects of an allow-list (`deidentified_images`). They are read back like any exam, and every report is
built from what was read, so there is nothing for it to carry over. Then all that was written is searched for whatever the
input's headers say (`leaks`), and the folder appears only if nothing was found.
"""

from __future__ import annotations

import dataclasses
import re
import stat
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset

from hyrisk_desktop.errors import ExamError, HyRiskError, InputError
from hyrisk_desktop.exchange.deidentified.burned_in import BurnedIn
from hyrisk_desktop.exchange.deidentified.folder import DEFAULT_READER, IMAGES
from hyrisk_desktop.exchange.deidentified.images import (
    DUMMY_DAY,
    Identity,
    image_without_identity,
    pixel_type,
    set_pixels,
)
from hyrisk_desktop.exchange.deidentified.leaks import Haystack, Identifiers
from hyrisk_desktop.exchange.deidentified.pseudonyms import Pseudonyms
from hyrisk_desktop.exchange.deidentified.reports import identity_left, reports_of
from hyrisk_desktop.exchange.reports.formats import dicom_bytes
from hyrisk_desktop.exchange.reports.report import Report
from hyrisk_desktop.exchange.reports.source_images import source_images
from hyrisk_desktop.files import export_opener, staged_folder, write_new
from hyrisk_desktop.findings import Finding, Severity
from hyrisk_desktop.i18n import listed, tr
from hyrisk_desktop.imaging import CTVolume, Kind, SeriesRecord, check_volume, find_series, read_volume
from hyrisk_desktop.imaging.headers.attributes import parse_header
from hyrisk_desktop.imaging.headers.damage import parsing_errors
from hyrisk_desktop.imaging.headers.header import Header
from hyrisk_desktop.imaging.pixels.enhanced import frames_of
from hyrisk_desktop.imaging.pixels.native import rescale_of
from hyrisk_desktop.imaging.pixels.padding import AIR_HU
from hyrisk_desktop.imaging.read import readable
from hyrisk_desktop.imaging.records import current_headers
from hyrisk_desktop.imaging.slices import stack_slices
from hyrisk_desktop.jobs import CancelToken, Progress, no_progress
from hyrisk_desktop.worklist.notes import NO_NOTES

_SUBJECT = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ._-]{0,39}")
_DUMMY_MOMENT = datetime.strptime(DUMMY_DAY, "%Y%m%d").replace(tzinfo=UTC)
_NAMING = ("PatientID", "PatientName", "PatientBirthDate", "AccessionNumber")
_LEFT_OUT = ("Manufacturer", "ManufacturerModelName", "ConvolutionKernel")


@dataclass(frozen=True, slots=True)
class DeidentifiedExport:
    """What was written.

    Attributes:
        folder: with ``ct/``, the one or two further DICOM objects, the PDF and two JSON files. objects: number of DICOM objects.
        subject: the code that stands for the patient. warnings: what a person should look at before passing it on.
    """

    folder: Path
    objects: int
    subject: str
    warnings: tuple[Finding, ...]


def check_request(record: SeriesRecord, folder: Path, subject: str | None = None, secret: bytes | None = None) -> None:
    """Refuse early what `write_deidentified` would refuse.

    Args:
        record: the exam. folder, subject, secret: as of `write_deidentified`.

    Raises:
        InputError: the folder holds something, has no parent or lies within the exam; the subject code is no plain code;
            the secret is too short.
        ExamError: the exam isn't DICOM.
    """
    if record.kind is Kind.IMAGE_FILE:
        raise ExamError("not_dicom", tr("This exam isn't DICOM; only DICOM exams can be exported de-identified."))
    if subject is not None and not _SUBJECT.fullmatch(subject):
        raise InputError(
            "bad_subject", tr("A subject code has 1 to 40 letters, digits, spaces, dots, dashes or underscores.")
        )
    if secret is not None:
        Pseudonyms(secret)
    place = folder.resolve()
    if place.exists() and (not place.is_dir() or any(place.iterdir())):
        raise InputError("target_exists", tr("The folder for the de-identified export must be new or empty."))
    if not place.parent.is_dir():
        raise InputError("bad_target", tr("The folder for the de-identified export must lie in a folder that exists."))
    if any(place.is_relative_to(file.resolve().parent) for file in record.files):
        raise InputError("own_exam", tr("The de-identified export must not lie within the exam's own folder."))


def check_words(volume: CTVolume, reader: str, words: Mapping[str, str]) -> None:
    """Refuse early the words somebody typed in which the search of the export would find the patient or the reader.

    Args:
        words: what was typed, by what it is called in the sentence; also those, such as a folder's name, that no file holds.

    Raises:
        InputError: a name or number is among them.
    """
    named = Identifiers()
    named.add_text(reader, "reader")
    for keyword in _NAMING:
        named.add_text(volume.attributes.get(keyword, ""), keyword)
    for what, word in words.items():
        if Haystack((word,)).holds(named):
            message = tr("The {what} holds a name or number of the patient or reader; choose another.", what=what)
            raise InputError("naming_word", message)


def write_deidentified(
    report: Report,
    folder: Path,
    *,
    subject: str | None = None,
    reader_label: str | None = None,
    secret: bytes | None = None,
    accept_burned_in: bool = False,
    progress: Progress = no_progress,
    cancel: CancelToken | None = None,
) -> DeidentifiedExport:
    """Write an exam and its reading without identity into a new folder.

    Args:
        report: the reading, with the record and volume that it is about.
        folder: where to; new, or empty.
        subject: code that stands for the patient; default: one that the secret makes of the patient's number.
        reader_label: stands for the reader's name, default "Reader 1".
        secret: at least 16 bytes; exports under the same secret name the same patients, studies and images alike.
            Default: a new one that nobody keeps.
        accept_burned_in: whether to export images that say that text is burned into them.
        progress, cancel: as everywhere; cancelling leaves nothing behind.

    Raises:
        InputError, ExamError: as `check_request`; the images say that text is burned in; their headers can't be read
            completely, or the exam has changed since it was read.
        HyRiskError: the folder can't be written, or something identifying was found in it.
        Cancelled: ``cancel`` was set.
    """
    check_request(report.record, folder, subject, secret)
    names = Pseudonyms() if secret is None else Pseudonyms(secret)
    identity = Identity(names, subject or names.subject_of(report.volume.attributes), report.volume.synthetic)
    label = (DEFAULT_READER if reader_label is None else reader_label) if report.reader else ""
    job = _Export(report, identity, progress, cancel)
    job.read_headers()
    if job.burned_in.certain and not accept_burned_in:
        raise ExamError(
            "burned_in",
            tr(
                "The images say that text is burned into their pixels, which this export can't remove, so it was refused."
            ),
        )
    with staged_folder(folder.resolve()) as stage:
        clean = job.write_images(stage, label)
        job.write_reports(stage, clean)
        job.search(stage, clean)
    # Without a frame of reference there is no segmentation among them.
    objects = len(job.images) + sum(name.endswith(".dcm") for name in job.files)
    return DeidentifiedExport(folder, objects, identity.subject, job.warnings())


class _Export:
    """One export under way."""

    def __init__(self, report: Report, identity: Identity, progress: Progress, cancel: CancelToken | None) -> None:
        self.report, self.identity, self.cancel = report, identity, cancel
        self.source = source_images(report.record, report.volume)
        self.images: list[Dataset] = []
        self.identifiers, self.burned_in = Identifiers(), BurnedIn()
        self.scale: Sequence[tuple[float, float]] = ()
        self.files: dict[str, bytes] = {}
        count = len(self.source.slices)
        self.total = 3 * count + 2
        self._progress, self._done = progress, 0

    def _step(self, count: int = 1) -> None:
        self._done += count
        self._progress(self._done, self.total)
        if self.cancel:
            self.cancel.raise_if_cancelled()

    def read_headers(self) -> None:
        """Make the images' new headers, and note what must not be in the output."""
        record = self.report.record
        enhanced = record.kind is Kind.ENHANCED
        with readable():
            headers: tuple[Header, ...]
            if enhanced:
                frames = frames_of(record)
                headers, self.scale = (frames.header,), frames.rescale
            else:
                headers = stack_slices(current_headers(record)).headers
                self.scale = [rescale_of(header) for header in headers]
            for header in headers:
                self.images.append(self._without_identity(header))
                self._step(len(self.scale) if enhanced else 1)
        for name in {path.stem for path in record.files} | {path.parent.name for path in record.files}:
            # "00012" counts slices and names nobody.
            if not name.isdigit() or len(name) >= 6:
                self.identifiers.add_text(name, "file name")
        self.identifiers.add_text(self.report.reader, "reader")

    def _without_identity(self, header: Header) -> Dataset:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # pydicom's warnings quote values
                parsed = parse_header(header)
                self.burned_in.add_header(parsed)
                self.identifiers.add_header(parsed)
                return image_without_identity(parsed, self.identity, header.text("SOPClassUID"))
        except OSError:
            raise
        except parsing_errors() as e:
            raise ExamError(
                "unsafe_header",
                tr(
                    "An image's header can't be read completely, so nobody knows who is named in it; it wasn't exported."
                ),
            ) from e

    def _slices_of_images(self) -> list[list[int]]:
        """The slices of the volume that each image holds, in its own order."""
        frames = [place.frame for place in self.source.slices]
        if frames[0] is None:
            return [[z] for z in range(len(frames))]
        return [sorted(range(len(frames)), key=lambda z: frames[z] or 0)]

    def write_images(self, stage: Path, label: str) -> Report:
        """Write the CT objects, read them back, and return the report about those."""
        volume, source = self.report.volume, self.source
        dtype = pixel_type(volume, self.scale)
        (stage / IMAGES).mkdir(mode=stat.S_IMODE(stage.stat().st_mode))
        for number, (ds, slices) in enumerate(zip(self.images, self._slices_of_images(), strict=True)):
            set_pixels(ds, volume, source, slices, self.scale, dtype)
            write_new(stage / IMAGES / f"CT{number + 1:04d}.dcm", dicom_bytes(ds), export_opener)
            del ds.PixelData
            self._step(len(slices))
        record = find_series(stage / IMAGES)[0]
        with readable():
            again = read_volume(record, cancel=self.cancel)
        self._step(len(source.slices))
        same = _same_hu(again, volume, self.scale) and np.array_equal(again.direction, volume.direction)
        if not same or (again.spacing_mm, again.origin_mm) != (volume.spacing_mm, volume.origin_mm):
            raise HyRiskError(
                "not_same", tr("The exported images don't read like the exam, so the export was removed.")
            )
        measurement = dataclasses.replace(self.report.measurement, findings=_without_texts(self.report, again))
        return dataclasses.replace(
            self.report, record=record, volume=again, measurement=measurement, reader=label, read_at=_DUMMY_MOMENT, dated=False, comparison=None, notes=NO_NOTES,
        )  # fmt: skip

    def write_reports(self, stage: Path, clean: Report) -> None:
        """Build the reports anew from the exported images, and write them."""
        self.files = reports_of(clean, source_images(clean.record, clean.volume))
        for name, data in self.files.items():
            write_new(stage / name, data, export_opener)
        self._step()

    def search(self, stage: Path, clean: Report) -> None:
        """Raise HyRiskError where a value of the input is in the output."""
        where = identity_left(self.identifiers, stage, clean, self.files)
        if where:
            raise HyRiskError(
                "identity_left",
                tr(
                    "A value that can identify the patient ({where}) was found in the export, so it was removed.",
                    where=listed(where[:5]),
                ),
            )
        self._step()

    def warnings(self) -> tuple[Finding, ...]:
        """What a person should know of the export."""
        a = self.report.volume.attributes
        lost = [keyword for keyword in _LEFT_OUT if a.get(keyword) and not self.images[0].get(keyword)]
        found = list(self.burned_in.findings(self.report.volume))
        if lost:
            message = tr("Left out, as the text isn't a known name: {what}.", what=listed(lost))
            found.append(Finding("text_left_out", Severity.INFO, message))
        return tuple(found)


def _same_hu(again: CTVolume, volume: CTVolume, scale: Sequence[tuple[float, float]]) -> bool:
    """Whether the copy holds the very HU; padding, which has become air, as near to air as the slices' own scale allows."""
    if again.hu.shape != volume.hu.shape:
        return False
    return all(
        bool(((one == other) | ((other == AIR_HU) & (abs(one - AIR_HU) <= abs(slope)))).all())
        for one, other, (slope, _) in zip(again.hu, volume.hu, scale, strict=True)
    )


def _without_texts(report: Report, again: CTVolume) -> tuple[Finding, ...]:
    """The findings, where they quote a header or a file's name in the words that the exported images give."""
    fresh = {finding.code: finding.message for finding in (*again.findings, *check_volume(again))}
    plain = {
        "sharp_kernel": tr("The kernel is sharp: noise may be counted as calcium."),
        "dicomdir_missing": tr("Some of the images that the exam's directory lists are missing."),
    }
    return tuple(
        dataclasses.replace(finding, message=fresh.get(finding.code) or plain.get(finding.code) or finding.message)
        for finding in report.measurement.findings
    )
