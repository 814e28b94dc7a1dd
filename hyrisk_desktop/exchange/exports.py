"""Write a reading's reports as files, and its de-identified export as a folder: all of them, or none, and never half of one."""

from __future__ import annotations

import io
import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from hyrisk_desktop.errors import ExamError, HyRiskError, InputError
from hyrisk_desktop.exchange.staging import one_sentence, part_beside, write_synced
from hyrisk_desktop.i18n import tr
from hyrisk_desktop.imaging import CTVolume, Kind, SeriesRecord
from hyrisk_desktop.worklist.measure import Measurement

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from pydicom.dataset import Dataset

    from hyrisk_desktop.exchange.deidentify import DeidentifiedExport
    from hyrisk_desktop.exchange.report import Report
    from hyrisk_desktop.exchange.source_images import SourceImages
    from hyrisk_desktop.risk import Predictor


@dataclass(frozen=True, slots=True)
class Targets:
    """Where to write what; None for what is not wanted.

    Attributes:
        sr, seg: DICOM. pdf: a PDF, or Encapsulated PDF in DICOM where the name ends in ``.dcm``. fhir: JSON.
        deidentified: a new folder for exam and reports without identity. subject: code of the patient in there.
        accept_burned_in: whether it may hold images that say that text is burned into them.
    """

    sr: Path | None = None
    seg: Path | None = None
    pdf: Path | None = None
    fhir: Path | None = None
    deidentified: Path | None = None
    subject: str | None = None
    accept_burned_in: bool = False

    @property
    def named(self) -> dict[str, Path]:
        """The files that are wanted, by the name of their option."""
        found = {"--sr": self.sr, "--seg": self.seg, "--pdf": self.pdf, "--fhir": self.fhir}
        return {name: path for name, path in found.items() if path is not None}

    @property
    def encapsulated(self) -> bool:
        """Whether the PDF is wanted inside a DICOM object."""
        return self.pdf is not None and self.pdf.suffix.lower() == ".dcm"

    def check(self, record: SeriesRecord, opened: Path | None = None) -> None:
        """Refuse early what could not be written later.

        Args:
            opened: what the user opened, such as a zip, whose unpacked files the record names.

        Raises:
            InputError: two targets are the same file, one is a folder, lies in none, or is a file of the exam itself; a
                subject code without a folder for it.
            ExamError: a DICOM object is wanted of an exam that isn't DICOM.
        """
        if self.deidentified is not None:
            from hyrisk_desktop.exchange.deidentify import check_request

            check_request(record, self.deidentified, self.subject)
        elif self.subject is not None or self.accept_burned_in:
            raise InputError("no_folder", tr("--subject and --accept-burned-in go with --deidentified FOLDER."))
        seen: set[Path] = set()
        inputs = {file.resolve() for file in (*record.files, *([opened] if opened else ()))}
        for option, path in self.named.items():
            place = path.resolve()
            if place in seen:
                raise InputError("same_target", tr("{option} names a file that another option names.", option=option))
            if place in inputs:
                raise InputError("own_exam", tr("{option} names a file of the exam itself.", option=option))
            if place.is_dir() or not place.parent.is_dir():
                raise InputError("bad_target", tr("{option} must name a file in a folder that exists.", option=option))
            seen.add(place)
        if record.kind is Kind.IMAGE_FILE and (self.sr or self.seg or self.encapsulated):
            raise ExamError(
                "not_dicom",
                tr("This exam isn't DICOM, so no DICOM object can refer to its images; choose a PDF file or FHIR."),
            )


def write_exports(
    targets: Targets,
    record: SeriesRecord,
    volume: CTVolume,
    measurement: Measurement,
    predictor: Predictor | None = None,
    *,
    reader: str = "",
) -> DeidentifiedExport | None:
    """Write the wanted reports of one reading; returns what was written without identity, if that was wanted.

    Args:
        record: what ``volume`` was read from. predictor: the model that answered; for the PDF's heat map and model card.

    Raises:
        ExamError, InputError: as `Targets.check` and `write_deidentified`, or the exam can't be referred to.
        HyRiskError: a target can't be written; none of them was changed then.
    """
    targets.check(record)
    if not targets.named and targets.deidentified is None:
        return None
    from hyrisk_desktop.exchange.report import Report

    pictured = targets.pdf is not None or targets.deidentified is not None
    heat = _heat(volume, measurement, predictor) if pictured and predictor is not None else None
    patch = (161, 161, 3) if predictor is None else predictor.bundle.preprocessing.patch_xyz
    lines = _model_lines(predictor)
    report = Report(record, volume, measurement, reader=reader, model_lines=lines, patch_xyz=patch, heat=heat)
    contents = _contents(targets, report, record, volume)
    export = None if targets.deidentified is None else _without_identity(targets, report, targets.deidentified)
    try:
        _replace_all(contents)
    except HyRiskError:
        if export is not None:
            shutil.rmtree(export.folder, ignore_errors=True)
        raise
    return export


def _without_identity(targets: Targets, report: Report, folder: Path) -> DeidentifiedExport:
    from hyrisk_desktop.exchange.deidentify import write_deidentified

    return write_deidentified(report, folder, subject=targets.subject, accept_burned_in=targets.accept_burned_in)


def _heat(volume: CTVolume, m: Measurement, predictor: Predictor) -> NDArray[np.float32] | None:
    """What raised the risk; None where the library that explains is missing, as the report does without."""
    from hyrisk_desktop.risk.explain import explain

    agatston = None if m.risk is None else m.risk.agatston
    try:
        return explain(predictor, volume, m.centre, m.grade, agatston=agatston).heat
    except HyRiskError:
        return None


def _model_lines(predictor: Predictor | None) -> tuple[str, ...]:
    if predictor is None:
        return ()
    from hyrisk_desktop.risk.model_summary import summarise

    summary = summarise(predictor.bundle)
    return (
        tr("{network}, takes the {score}", network=summary.network, score=summary.score_input),
        tr("Trained on {cases}", cases=summary.trained_on) + (f", {summary.date}" if summary.date else ""),
        *([summary.aucs] if summary.aucs else ()),
    )


def _contents(targets: Targets, report: Report, record: SeriesRecord, volume: CTVolume) -> dict[Path, bytes]:
    """The bytes of each file."""
    made: dict[Path, bytes] = {}
    if targets.fhir is not None:
        from hyrisk_desktop.exchange.fhir import fhir_bundle

        made[targets.fhir] = json.dumps(fhir_bundle(report), indent=1, allow_nan=False).encode("ascii")
    pdf = b""
    if targets.pdf is not None:
        from hyrisk_desktop.exchange.pdf import pdf_report

        made[targets.pdf] = pdf = pdf_report(report)
    if targets.sr is not None or targets.seg is not None or targets.encapsulated:
        from hyrisk_desktop.exchange.source_images import source_images

        made |= _objects(targets, report, source_images(record, volume), pdf)
    return made


def _objects(targets: Targets, report: Report, source: SourceImages, pdf: bytes) -> dict[Path, bytes]:
    from hyrisk_desktop.exchange.encapsulated_pdf import encapsulated_pdf
    from hyrisk_desktop.exchange.segmentation import segmentation
    from hyrisk_desktop.exchange.structured_report import structured_report

    made: dict[Path, bytes] = {}
    seg = None
    if targets.seg is not None:
        seg = segmentation(report, source)
        made[targets.seg] = dicom_bytes(seg)
    if targets.sr is not None:
        made[targets.sr] = dicom_bytes(structured_report(report, source, seg))
    if targets.pdf is not None and targets.encapsulated:
        made[targets.pdf] = dicom_bytes(encapsulated_pdf(report, source, pdf))
    return made


def dicom_bytes(ds: Dataset) -> bytes:
    """A data set as the bytes of a DICOM file."""
    stream = io.BytesIO()
    ds.save_as(stream, enforce_file_format=True)
    return stream.getvalue()


def _replace_all(contents: dict[Path, bytes]) -> None:
    """Stage every file beside its target, then put all in place."""
    staged: dict[Path, Path] = {}
    with one_sentence():
        try:
            for target, data in contents.items():
                # What a link names is replaced, and not the link.
                place = target.resolve()
                part = part_beside(place)
                staged[part] = place
                write_synced(part, data)
            for part, place in staged.items():
                os.replace(part, place)
        finally:
            for part in staged:
                part.unlink(missing_ok=True)
