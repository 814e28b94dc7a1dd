"""Write a reading's reports as files, and its de-identified export as a folder: all of them, or none, and never half of one."""

from __future__ import annotations

import shutil
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from hyrisk_desktop.errors import ExamError, HyRiskError, InputError
from hyrisk_desktop.exchange.dicom_values import uid
from hyrisk_desktop.exchange.reports.formats import Making, formats
from hyrisk_desktop.exchange.reports.report import Report
from hyrisk_desktop.exchange.reports.template import chosen_template
from hyrisk_desktop.files import replace_files
from hyrisk_desktop.findings import Finding, Severity
from hyrisk_desktop.i18n import listed, tr
from hyrisk_desktop.imaging import CTVolume, Kind, SeriesRecord
from hyrisk_desktop.jobs import Check, Progress, no_check, no_progress
from hyrisk_desktop.measurement import Measurement
from hyrisk_desktop.risk.look import slices_seen
from hyrisk_desktop.worklist.notes import NO_NOTES, Notes

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from hyrisk_desktop.comparison import Comparison
    from hyrisk_desktop.exchange.deidentified.export import DeidentifiedExport
    from hyrisk_desktop.risk import Predictor


Place = TypeVar("Place")


@dataclass(frozen=True, slots=True)
class Targets:
    """Where to write what; None for what is not wanted.

    Attributes:
        sr, seg: DICOM. pdf: a PDF, or Encapsulated PDF in DICOM where the name ends in ``.dcm``. fhir: JSON.
        deidentified: a new folder for exam and reports without identity. subject: code of the patient in there.
        accept_burned_in: whether it may hold images that say that text is burned into them.
        fhir_transaction: JSON, the same as requests to a server.
        secret_file: text file with the project's secret, under which codes and UIDs are the same in each export.
    """

    sr: Path | None = None
    seg: Path | None = None
    pdf: Path | None = None
    fhir: Path | None = None
    deidentified: Path | None = None
    subject: str | None = None
    accept_burned_in: bool = False
    secret_file: Path | None = None
    fhir_transaction: Path | None = None

    @property
    def secret(self) -> bytes | None:
        """What the secret's file holds. Raises InputError where it can't be read."""
        if self.secret_file is None:
            return None
        from hyrisk_desktop.exchange.deidentified.pseudonyms import read_secret

        return read_secret(self.secret_file)

    @property
    def named(self) -> dict[str, Path]:
        """The files that are wanted, by the name of their option."""
        found = {"--sr": self.sr, "--seg": self.seg, "--pdf": self.pdf, "--fhir": self.fhir}
        found["--fhir-transaction"] = self.fhir_transaction
        return {name: path for name, path in found.items() if path is not None}

    @property
    def encapsulated(self) -> bool:
        """Whether the PDF is wanted inside a DICOM object."""
        return self.pdf is not None and self.pdf.suffix.lower() == ".dcm"

    @property
    def places(self) -> dict[str, Path]:
        """Those that are wanted, by the key of their format."""
        pdf = "pdf_dicom" if self.encapsulated else "pdf"
        found = {"sr": self.sr, "seg": self.seg, pdf: self.pdf, "fhir": self.fhir}
        found["fhir_transaction"] = self.fhir_transaction
        return {key: path for key, path in found.items() if path is not None}

    def check(self, record: SeriesRecord, opened: Path | None = None) -> None:
        """Refuse early what could not be written later.

        Raises:
            InputError: as `check_places`, `check_request` and `chosen_template`, or a subject code without a folder for it.
            ExamError: a DICOM object is wanted of an exam that isn't DICOM.
        """
        if self.deidentified is not None:
            from hyrisk_desktop.exchange.deidentified.export import check_request

            check_request(record, self.deidentified, self.subject, self.secret)
        elif self.subject is not None or self.accept_burned_in or self.secret_file is not None:
            message = tr("--subject, --accept-burned-in and --secret-file go with --deidentified FOLDER.")
            raise InputError("no_folder", message)
        if self.pdf or self.fhir or self.fhir_transaction:
            # What the site's template has wrong is said before an exam is read for minutes.
            chosen_template()
        check_places(self.named, record, opened)
        if record.kind is Kind.IMAGE_FILE and (self.sr or self.seg or self.encapsulated):
            raise ExamError(
                "not_dicom",
                tr("This exam isn't DICOM, so no DICOM object can refer to its images; choose a PDF file or FHIR."),
            )


def segmentable(volume: CTVolume) -> bool:
    """Whether the exam names the frame of reference that a segmentation needs."""
    return bool(uid(volume.attributes.get("FrameOfReferenceUID", "")))


def writable(places: Mapping[str, Place], volume: CTVolume) -> dict[str, Place]:
    """What of ``places`` (by format) can be made of this exam: no segmentation where only the others can."""
    kept = dict(places)
    if len(kept) > 1 and not segmentable(volume):
        kept.pop("seg", None)
    return kept


def left_out(targets: Targets, volume: CTVolume) -> tuple[Finding, ...]:
    """What of the wanted files can't be made of this exam although the others can; code ``no_segmentation``."""
    if len(writable(targets.places, volume)) == len(targets.places):
        return ()
    message = tr(
        "The exam names no frame of reference, which a segmentation needs: all but the segmentation was written."
    )
    return (Finding("no_segmentation", Severity.WARNING, message),)


def check_places(named: Mapping[str, Path], record: SeriesRecord, opened: Path | None = None) -> None:
    """Refuse places where no file may be written.

    Args:
        named: places by what they are called in the sentence.
        opened: what the user opened, such as a zip, whose unpacked files the record names.

    Raises:
        InputError: two are the same file, one is a folder, lies in none, or is a file of the exam itself.
    """
    seen: set[Path] = set()
    inputs = {file.resolve() for file in (*record.files, *([opened] if opened else ()))}
    for name, path in named.items():
        place = path.resolve()
        if place in seen:
            raise InputError("same_target", tr("{option} names a file that another option names.", option=name))
        if place in inputs:
            raise InputError("own_exam", tr("{option} names a file of the exam itself.", option=name))
        if place.is_dir() or not place.parent.is_dir():
            raise InputError("bad_target", tr("{option} must name a file in a folder that exists.", option=name))
        seen.add(place)


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
        targets: which, and where. measurement: the reading. reader: who read.
        record: what ``volume`` was read from. predictor: the model that answered; for the PDF's heat map and model card.

    Raises:
        ExamError, InputError: as `Targets.check` and `write_deidentified`, or the exam can't be referred to.
        HyRiskError: a target can't be written; none of them was changed then.
    """
    targets.check(record)
    if not targets.named and targets.deidentified is None:
        return None
    pictured = targets.pdf is not None or targets.deidentified is not None
    heat = heat_of(volume, measurement, predictor) if pictured and predictor is not None else None
    report = report_of(record, volume, measurement, predictor, reader=reader, heat=heat)
    files = make_files(writable(targets.places, volume), report)
    export = None if targets.deidentified is None else _without_identity(targets, report, targets.deidentified)
    try:
        replace_files(files)
    except HyRiskError:
        if export is not None:
            shutil.rmtree(export.folder, ignore_errors=True)
        raise
    return export


def _without_identity(targets: Targets, report: Report, folder: Path) -> DeidentifiedExport:
    from hyrisk_desktop.exchange.deidentified.export import write_deidentified

    accept, secret = targets.accept_burned_in, targets.secret
    return write_deidentified(report, folder, subject=targets.subject, secret=secret, accept_burned_in=accept)


def report_of(
    record: SeriesRecord,
    volume: CTVolume,
    measurement: Measurement,
    predictor: Predictor | None,
    *,
    reader: str = "",
    heat: NDArray[np.float32] | None = None,
    read_at: datetime | None = None,
    comparison: Comparison | None = None,
    notes: Notes = NO_NOTES,
) -> Report:
    """The report of a reading, with what its model says of itself.

    Args:
        record: what ``volume`` was read from. measurement: the numbers. predictor: the model that answered, if known.
        reader: who read. heat: [rows, columns] of the patch, what raised the risk.
        read_at: when the read took this state, with a time zone; None for now. comparison: with an earlier exam.
        notes: key images and measures of the reader.
    """
    seen: frozenset[int] = frozenset()
    patch, levels = Report.patch_xyz, Report.levels_mm
    if predictor is not None:
        p, centre = predictor.bundle.preprocessing, measurement.centre
        levels = p.levels_mm or ()
        patch, seen = p.patch_xyz, slices_seen(p, centre[2], volume.shape_zyx[0], volume.spacing_mm[2])
    lines = _model_lines(predictor)
    return Report(
        record, volume, measurement, reader=reader, read_at=read_at or datetime.now(UTC), model_lines=lines,
        patch_xyz=patch, looked_at=seen, levels_mm=levels, heat=heat, comparison=comparison, notes=notes,
    )  # fmt: skip


def write_files(
    places: Mapping[str, Path],
    report: Report,
    *,
    replace: Collection[Path] | None = None,
    progress: Progress = no_progress,
    check: Check = no_check,
) -> None:
    """Make the files of a reading and put all in place, or none.

    Args:
        report: the reading. progress: called as ``progress(files made, files in all)``.
        places: where to write, by the key of a format (see `formats`).
        replace: the places whose files may be replaced; None for all.
        check: called now and then; what it raises stops the work with nothing changed.

    Raises:
        ExamError: the exam can't be referred to. InputError, HyRiskError: as `replace_files`.
    """
    replace_files(make_files(places, report, progress=progress, check=check), replace=replace, check=check)
    progress(len(places), len(places))


def make_files(
    places: Mapping[str, Place], report: Report, *, progress: Progress = no_progress, check: Check = no_check
) -> dict[Place, bytes]:
    """The bytes of the files of a reading, by what ``places`` gives for their formats' keys. Raises as `write_files`.

    Args:
        report: the reading. progress, check: as of `write_files`.
    """
    wanted = [f for f in formats() if f.key in places]
    making = Making(report, "seg" in places, check)
    made: dict[Place, bytes] = {}
    for number, one in enumerate(wanted):
        progress(number, len(wanted))
        check()
        made[places[one.key]] = one.make(making)
    return made


def heat_of(volume: CTVolume, m: Measurement, predictor: Predictor) -> NDArray[np.float32] | None:
    """What raised the risk; None where the library that explains is missing, or the risk is withheld: the report does without."""
    from hyrisk_desktop.risk.explain import explain

    if m.risk_standing.withheld:
        return None
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
        listed(text for text in (tr("Trained on {cases}", cases=summary.trained_on), summary.date) if text),
        *([summary.aucs] if summary.aucs else ()),
    )
