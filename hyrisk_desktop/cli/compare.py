"""`hyrisk compare`: a current exam beside an earlier one of the same patient, as JSON or in lines."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hyrisk_desktop.cli.failures import json_errors
from hyrisk_desktop.cli.findings import as_read, lines_of
from hyrisk_desktop.cli.options import Device, Engine, Model, check_network
from hyrisk_desktop.errors import ExamError, InputError
from hyrisk_desktop.i18n import decimal, english, tr, trn

if TYPE_CHECKING:
    from hyrisk_desktop.comparison import Comparison
    from hyrisk_desktop.findings import Finding
    from hyrisk_desktop.imaging import CTVolume


def compare(
    current: Annotated[Path, typer.Argument(help=tr("The current exam: folder, DICOM file, zip or image file."))],
    prior: Annotated[Path, typer.Argument(help=tr("The earlier exam of the same patient."))],
    center: Annotated[
        tuple[int, int, int] | None,
        typer.Option(help=tr("Heart centre X Y Z in voxels of the current exam; default: proposed.")),
    ] = None,
    grade: Annotated[float | None, typer.Option(help=tr("CAC grade of the current exam, 0 to 3."))] = None,
    prior_grade: Annotated[float | None, typer.Option(help=tr("CAC grade of the earlier exam, 0 to 3."))] = None,
    model: Model = None,
    device: Device = None,
    engine: Engine = "auto",
    same_patient: Annotated[
        bool, typer.Option("--same-patient", help=tr("Although the headers do not say that it is one patient."))
    ] = False,
    whole_heart: Annotated[
        bool, typer.Option("--whole-heart", help=tr("Also compare the whole hearts, in their proposed outlines."))
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help=tr("Print one JSON object."))] = False,
) -> None:
    """Print what has changed."""
    with json_errors(as_json):
        check_network(device, engine)
        document, findings = _document(
            current, prior, center, (grade, prior_grade), model, device, engine,
            same_patient=same_patient, whole_heart=whole_heart,
        )  # fmt: skip
    if as_json:
        typer.echo(json.dumps(document, indent=1))
    else:
        _print(as_read(document, findings))


def _document(
    current: Path,
    prior: Path,
    center: tuple[int, int, int] | None,
    grades: tuple[float | None, float | None],
    model: Path | None,
    device: str | None,
    engine: str,
    *,
    same_patient: bool,
    whole_heart: bool,
) -> tuple[dict[str, Any], tuple[Finding, ...]]:
    from hyrisk_desktop.calcium.grading import check_grade
    from hyrisk_desktop.comparison import check_same_patient
    from hyrisk_desktop.comparison import compare as compare_exams
    from hyrisk_desktop.risk.loading import load_predictor

    own, earlier = (None if grade is None else check_grade(grade) for grade in grades)
    now, then = _read(current), _read(prior)
    if now.series_uid == then.series_uid:
        raise InputError("same_series", tr("Both are the same series; give the current exam and an earlier one."))
    if not same_patient:
        check_same_patient(now.attributes, then.attributes)
    predictor, trouble = load_predictor(model, device, None, engine=engine)
    found = compare_exams(now, then, center, own, earlier, predictor, whole_heart=whole_heart)
    findings = (*found.findings, *trouble)
    rows = [{"code": f.code, "severity": str(f.severity), "message": english(f.message)} for f in findings]
    return document_of(found, now, then) | {"findings": rows}, findings


def _read(path: Path) -> CTVolume:
    from hyrisk_desktop.imaging import find_series, read_volume

    record = find_series(path)[0]
    if not record.suitable:
        raise ExamError("no_suitable_series", record.reason)
    return read_volume(record)


def document_of(found: Comparison, now: CTVolume, then: CTVolume) -> dict[str, Any]:
    """The JSON object of a comparison; numbers that are none are null.

    Args:
        found: the comparison. now, then: its exams.
    """
    from hyrisk_desktop.exchange.reports.change import change_document

    return {
        "exams": {
            name: {
                "study_uid": volume.attributes.get("StudyInstanceUID"),
                "series_uid": volume.series_uid,
                "study_date": volume.attributes.get("StudyDate"),
                "center_xyz": list(m.centre),
                "calcium_state": str(m.scores_standing.state),
                "risk_state": None if m.risk is None else str(m.risk_standing.state),
                "synthetic": volume.synthetic,
            }
            for name, volume, m in (("current", now, found.current), ("prior", then, found.prior))
        },
        **change_document(found),
        "model": _model(found),
        "research_use_only": True,
    }


def _model(found: Comparison) -> dict[str, Any] | None:
    """Whose the risks are."""
    risk = found.current.risk
    if risk is None:
        return None
    hashes = {"sha256": risk.sha256, "bundle_sha256": risk.bundle_sha256}
    return {"name": risk.model, **hashes, "demonstration": risk.demonstration, "prevalence": risk.prevalence}


def _number(value: float, sign: str = "") -> str:
    """Three digits, and all of those before the point: 1234 and not 1.23e+03."""
    return decimal(value, f"{sign}.0f" if abs(value) >= 999.5 else f"{sign}.3g")


def _beside_noise(difference: float, noise: float | None) -> str:
    if noise is None:
        return tr("noise not known")
    return tr("more than noise makes") if abs(difference) > noise else tr("within what noise makes")


def _print(document: dict[str, Any]) -> None:
    days, residual = document["interval_days"], document["registration"]["residual_mm"]
    lines = [tr("Interval          {days}", days=tr("not known") if days is None else trn("{n} day", "{n} days", days))]
    if residual is not None:
        lines.append(tr("Registration      residual {mm:.1f} mm", mm=residual))
    for name, row in document["change"].items():
        if row["difference"] is None:
            continue
        lines.append(
            tr("{name:17s} {prior} -> {current}, {difference} ({noise})",
               name=name, prior=_number(row["prior"]), current=_number(row["current"]), difference=_number(row["difference"], "+"),
               noise=_beside_noise(row["difference"], row["noise"]))
        )  # fmt: skip
    if document["model"] is not None:
        lines.append(tr("Model             {m} {s}", m=document["model"]["name"], s=document["model"]["sha256"][:12]))
        if document["model"]["demonstration"]:
            lines.append(tr("                  demonstration model, trained on synthetic phantoms"))
    lines += lines_of(document)
    if any(exam["synthetic"] for exam in document["exams"].values()):
        lines.append(tr("Exam: synthetic phantom, not a patient"))
    lines.append(tr("Noise: what other clicks, the registration and another scan of the same heart would make."))
    typer.echo("\n".join([*lines, tr("Research use only.")]))
