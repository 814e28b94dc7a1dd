"""The reports of a de-identified exam, and the search of all that was written for what names somebody."""

from __future__ import annotations

import dataclasses
import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import pydicom
from pydicom.dataset import Dataset

from hyrisk_desktop.exchange.deidentified.folder import DEFAULT_READER, FHIR, IMAGES, PDF, READING, SEG, SR
from hyrisk_desktop.exchange.deidentified.images import DUMMY_DAY, DUMMY_TIME, kept_keywords, say_so
from hyrisk_desktop.exchange.deidentified.leaks import Haystack, Identifiers, strings_of, texts_of, values_of
from hyrisk_desktop.exchange.deidentified.pdf_text import streams_of, text_of_pdf
from hyrisk_desktop.exchange.reports.formats import dicom_bytes
from hyrisk_desktop.exchange.reports.report import Report
from hyrisk_desktop.exchange.reports.source_images import SourceImages, source_images
from hyrisk_desktop.i18n import for_machines
from hyrisk_desktop.imaging.headers.header import Header

_DUMMIES = {"DA": DUMMY_DAY, "TM": DUMMY_TIME, "DT": DUMMY_DAY + DUMMY_TIME}


def reports_of(report: Report, source: SourceImages) -> dict[str, bytes]:
    """The bytes of each report, by file name; all of them without dates."""
    from hyrisk_desktop.exchange.reports.fhir import fhir_bundle
    from hyrisk_desktop.exchange.reports.pdf import pdf_report
    from hyrisk_desktop.exchange.reports.segmentation import segmentation
    from hyrisk_desktop.exchange.reports.structured_report import structured_report

    with for_machines():
        # Without a frame of reference there can be no segmentation; the rest of the export is as good without it.
        seg = segmentation(report, source) if "FrameOfReferenceUID" in source.study else None
        sr = structured_report(report, source, seg)
        documents = {FHIR: fhir_bundle(report), READING: report.document}
    made_of = {SR: sr} if seg is None else {SEG: seg, SR: sr}
    for ds in made_of.values():
        _remove_dates(ds)
        say_so(ds)
    return {
        **{name: dicom_bytes(ds) for name, ds in made_of.items()},
        PDF: pdf_report(report),
        **{name: json.dumps(made, indent=1, allow_nan=False).encode("ascii") for name, made in documents.items()},
    }


def _remove_dates(ds: Dataset) -> None:
    """Dummies for all dates: the reading's can be the exam's own day."""
    for element in ds:
        if element.VR == "SQ":
            for item in element.value:
                _remove_dates(item)
        elif element.VR in _DUMMIES and element.value:
            element.value = _DUMMIES[element.VR]


def identity_left(identifiers: Identifiers, stage: Path, clean: Report, reports: Mapping[str, bytes]) -> list[str]:
    """Search the files in ``stage`` for values of the input.

    Args:
        identifiers: what the input's headers say.
        clean: the report about the exported images. reports: the report files that were written, by name.

    Returns:
        The attributes whose values were found, by name; never a value.
    """
    written = [pydicom.dcmread(path, stop_before_pixels=True) for path in sorted((stage / IMAGES).iterdir())]
    found = _haystack({name: (stage / name).read_bytes() for name in reports})
    texts = (*found.texts, *(text for ds in written for text in texts_of(ds)))
    # An image's pixels were compared with the exam's; all else of its file is searched.
    data = (*found.data, *(_beside_pixels(header) for header in clean.record.headers))
    held = Haystack(texts, data).holds(identifiers)
    # The words that are allowed nearly always explain all; the reports of a nobody take as long to make as the export's own.
    for sayings in (_allowed, _nobodys):
        if held:
            by_chance = sayings(clean, written).holds(identifiers)
            held = {value: name for value, name in held.items() if value not in by_chance}
    return sorted(set(held.values()))


def _haystack(files: Mapping[str, bytes]) -> Haystack:
    """What these report files say."""
    texts, data = [*files], [*files.values()]
    for name, content in files.items():
        if name == PDF:
            texts.append(text_of_pdf(content))
            data += streams_of(content)
        elif name in (FHIR, READING):
            texts += strings_of(json.loads(content))
        else:
            texts += texts_of(pydicom.dcmread(io.BytesIO(content)))
    return Haystack(tuple(texts), tuple(data))


def _beside_pixels(header: Header) -> bytes:
    with open(header.path, "rb") as stream:
        before = stream.read(header.pixel_offset)
        stream.seek(header.pixel_offset + header.pixel_length)
        return before + b"\0" + stream.read()


def _allowed(_: Report, written: Sequence[Dataset]) -> Haystack:
    """What the images say of anybody: our own words, and what the allow-list let through."""
    plain, said = kept_keywords(), Dataset()
    say_so(said)
    values = (
        value for ds in written for element in ds.iterall() if element.keyword in plain for value in values_of(element)
    )
    words = ("CT", "CONTRAST", DUMMY_DAY, DUMMY_TIME, DUMMY_DAY + DUMMY_TIME, *texts_of(said), *values)
    return Haystack(words, tuple(word.encode() for word in words))


def _nobodys(clean: Report, _: Sequence[Dataset]) -> Haystack:
    """What the reports would say of a nobody: our own words, and the measured numbers."""
    plain = kept_keywords()
    kept = {keyword: text for keyword, text in clean.volume.attributes.items() if keyword in (*plain, "Modality")}
    if clean.volume.synthetic:
        kept["PatientName"] = "SYNTHETIC^PHANTOM"
    reader = clean.reader if clean.reader in ("", DEFAULT_READER) else "-"
    nobody = dataclasses.replace(clean, volume=dataclasses.replace(clean.volume, attributes=kept), reader=reader)
    source = source_images(clean.record, clean.volume)
    study = Dataset()
    study.update(source.study)
    study.PatientID, study.PatientName = "", kept.get("PatientName", "")
    return _haystack(reports_of(nobody, dataclasses.replace(source, study=study)))
