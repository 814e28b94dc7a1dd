"""Whom and what the one-page report is about, from the exam's header."""

from __future__ import annotations

from collections.abc import Mapping

from hyrisk_desktop.exchange import dicom_values as v
from hyrisk_desktop.exchange.reports.report import Report
from hyrisk_desktop.i18n import day_text, decimal, listed, tr, trn


def patient_rows(report: Report) -> list[tuple[str, str]]:
    """Who was examined, as names and values."""
    a = report.volume.attributes
    born, sex, age = _day(a.get("PatientBirthDate", "")), v.sex(a.get("PatientSex", "")), _age(a)
    return [
        (tr("Patient name"), v.readable_name(a.get("PatientName", ""))),
        (tr("Patient ID"), v.long_text(a.get("PatientID", ""))),
        (tr("Born, sex, age"), listed(part for part in (born, sex, age) if part)),
        (
            tr("Study"),
            " ".join(p for p in (_day(a.get("StudyDate", "")), v.long_text(a.get("StudyDescription", ""))) if p),
        ),
        (tr("Accession"), v.short_text(a.get("AccessionNumber", ""))),
    ]


def technique_rows(report: Report) -> list[tuple[str, str]]:
    """How, as names and values."""
    volume = report.volume
    a = volume.attributes
    x, y, z = volume.spacing_mm
    depth, rows, columns = volume.shape_zyx
    scanner = " ".join(v.long_text(a.get(k, "")) for k in ("Manufacturer", "ManufacturerModelName")).strip()
    voltage = tr("{kv} kV", kv=_plainly(a["KVP"])) if a.get("KVP") else ""
    kernel = tr("kernel {k}", k=v.short_text(a["ConvolutionKernel"])) if a.get("ConvolutionKernel") else ""
    thick = tr("{t} mm thick", t=_plainly(a["SliceThickness"])) if a.get("SliceThickness") else ""
    step = tr("{n} every {z:g} mm", n=depth, z=round(z, 4))
    return [
        (tr("Scanner"), scanner),
        (tr("Technique"), listed(part for part in (voltage, kernel) if part)),
        (tr("Slices"), listed(part for part in (thick, step) if part)),
        (tr("Pixels"), tr("{c} × {r} of {x:g} × {y:g} mm", c=columns, r=rows, x=round(x, 4), y=round(y, 4))),
        (tr("Series"), v.long_text(a.get("SeriesDescription", ""))),
    ]


def _plainly(number: str) -> str:
    """A header's number without needless zeros."""
    try:
        return decimal(float(number), "g")
    except ValueError:
        return v.short_text(number)


def _age(a: Mapping[str, str]) -> str:
    """The patient's age at the study: as the header has it (DICOM AS, such as 061Y), else from the date of birth."""
    if said := v.age(a.get("PatientAge", "").strip().upper()):
        n, unit = int(said[:3]), said[3]
        days, weeks, months = (
            trn("{n} day", "{n} days", n),
            trn("{n} week", "{n} weeks", n),
            trn("{n} month", "{n} months", n),
        )
        return {"D": days, "W": weeks, "M": months}.get(unit, trn("{n} year", "{n} years", n))
    born, study = v.date(a.get("PatientBirthDate", "")), v.date(a.get("StudyDate", ""))
    if not born or not study or born > study:
        return ""
    return trn("{n} year", "{n} years", int(study[:4]) - int(born[:4]) - (study[4:] < born[4:]))


def _day(text: str) -> str:
    return day_text(v.date(text))
