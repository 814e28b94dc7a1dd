"""What a reading can be written as: one table, which the command line and the window's dialog share.

A new kind of file is a row in `formats` and a function that makes its bytes.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from hyrisk_desktop.exchange.reports.report import Report
from hyrisk_desktop.i18n import for_machines, tr
from hyrisk_desktop.jobs import Check, no_check

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

    from hyrisk_desktop.exchange.reports.source_images import SourceImages
    from hyrisk_desktop.exchange.reports.template import PageTemplate


@dataclass(frozen=True, eq=False)
class Making:
    """The files of one reading while they are made; what two of them share is made once.

    Attributes:
        with_segmentation: a SEG is among them, so the structured report refers to it.
        check: called now and then; raises where the work shall stop.
    """

    report: Report
    with_segmentation: bool = False
    check: Check = no_check

    @cached_property
    def source(self) -> SourceImages:
        """The images that the volume was read from."""
        from hyrisk_desktop.exchange.reports.source_images import source_images

        return source_images(self.report.record, self.report.volume)

    @cached_property
    def segmentation(self) -> Dataset:
        """The SEG as a data set."""
        from hyrisk_desktop.exchange.reports.segmentation import segmentation

        return segmentation(self.report, self.source)

    @cached_property
    def pdf(self) -> bytes:
        """The PDF page."""
        from hyrisk_desktop.exchange.reports.pdf import pdf_report

        return pdf_report(self.report, self.template)

    @cached_property
    def template(self) -> PageTemplate:
        """What the site says of its reports."""
        from hyrisk_desktop.exchange.reports.template import chosen_template

        return chosen_template()


@dataclass(frozen=True, slots=True)
class Format:
    """One row.

    Attributes:
        key: what settings and programs call it.
        title, note: what it is and what it is good for, in the reader's words.
        ending: of its file's name.
        dicom: it refers to the exam's images, so the exam must be DICOM.
        make: the bytes of the file.
    """

    key: str
    title: str
    note: str
    ending: str
    dicom: bool
    make: Callable[[Making], bytes]


def formats() -> tuple[Format, ...]:
    """All rows, in the order in which they are offered."""
    f = Format
    return (
        f("sr", tr("Structured report (DICOM SR)"), tr("for the archive; can be restored here"), ".sr.dcm", True, _sr),
        f("seg", tr("Segmentation (DICOM SEG)"), tr("counted calcifications on the images, by vessel too"), ".seg.dcm", True, _seg),
        f("kos", tr("Key images (DICOM Key Object Selection)"), tr("which slices matter, for the archive"), ".kos.dcm", True, _kos),
        f("pdf", tr("Report (PDF)"), tr("one page, and further ones for key images"), ".pdf", False, lambda m: m.pdf),
        f("pdf_dicom", tr("Report in DICOM (Encapsulated PDF)"), tr("the same page for the archive"), ".pdf.dcm", True, _pdf_dicom),
        f("fhir", tr("FHIR R4 bundle"), tr("for the hospital's information systems"), ".fhir.json", False, _fhir),
        f("fhir_transaction", tr("FHIR R4 transaction"), tr("to be posted to a FHIR server"), ".transaction.json", False, _transaction),
        f("json", tr("Numbers (JSON)"), tr("as the command line prints them"), ".json", False, _json),
        f("csv", tr("Table of one row (CSV)"), tr("for spreadsheets"), ".csv", False, _csv),
    )  # fmt: skip


def dicom_bytes(ds: Dataset) -> bytes:
    """A data set as the bytes of a DICOM file."""
    stream = io.BytesIO()
    ds.save_as(stream, enforce_file_format=True)
    return stream.getvalue()


@for_machines()
def _sr(m: Making) -> bytes:
    from hyrisk_desktop.exchange.reports.structured_report import structured_report

    seg = m.segmentation if m.with_segmentation else None
    return dicom_bytes(structured_report(m.report, m.source, seg, check=m.check))


@for_machines()
def _seg(m: Making) -> bytes:
    return dicom_bytes(m.segmentation)


@for_machines()
def _kos(m: Making) -> bytes:
    from hyrisk_desktop.exchange.reports.key_images import key_object_selection

    return dicom_bytes(key_object_selection(m.report, m.source))


def _pdf_dicom(m: Making) -> bytes:
    from hyrisk_desktop.exchange.reports.encapsulated_pdf import encapsulated_pdf

    page = m.pdf  # people read the page, in their language, and machines what is around it
    with for_machines():
        return dicom_bytes(encapsulated_pdf(m.report, m.source, page))


@for_machines()
def _fhir(m: Making) -> bytes:
    from hyrisk_desktop.exchange.reports.fhir import fhir_bundle

    return json.dumps(fhir_bundle(m.report, m.template.patient_id_system), indent=1, allow_nan=False).encode("ascii")


@for_machines()
def _transaction(m: Making) -> bytes:
    from hyrisk_desktop.exchange.reports.fhir_transaction import fhir_transaction

    return json.dumps(fhir_transaction(m.report, m.template.patient_id_system), indent=1, allow_nan=False).encode(
        "ascii"
    )


@for_machines()
def _json(m: Making) -> bytes:
    return json.dumps(m.report.document, indent=1, allow_nan=False).encode("ascii") + b"\n"


@for_machines()
def _csv(m: Making) -> bytes:
    from hyrisk_desktop.exchange.reports.one_row_table import reading_table

    return reading_table(m.report)
