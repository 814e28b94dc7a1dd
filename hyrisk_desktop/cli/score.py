"""`hyrisk score`: one exam at one heart centre, as a readout, JSON and reports, without a window."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hyrisk_desktop.cli.failures import json_errors
from hyrisk_desktop.cli.findings import as_read, line_of, lines_of
from hyrisk_desktop.cli.options import Device, Engine, Prevalence, Profile, check_network
from hyrisk_desktop.cli.worklist import use_export_settings
from hyrisk_desktop.errors import ExamError, InputError
from hyrisk_desktop.i18n import tr, trn

if TYPE_CHECKING:
    from hyrisk_desktop.exchange.exports import Targets
    from hyrisk_desktop.findings import Finding
    from hyrisk_desktop.imaging.volume import CTVolume, Voxel

# A kilometre: beyond any scanner's table, and far from where a position would overflow the voxel grid.
_FARTHEST_MM = 1e6


def score(
    exam: Annotated[Path, typer.Argument(help=tr("Folder, DICOM file, DICOMDIR, zip, NIfTI, NRRD or MHA file."))],
    center: Annotated[
        tuple[int, int, int] | None, typer.Option(help=tr("Heart centre X Y Z in voxels, from 0."))
    ] = None,
    center_mm: Annotated[
        tuple[float, float, float] | None, typer.Option(help=tr("Heart centre in mm, DICOM LPS."))
    ] = None,
    grade: Annotated[float | None, typer.Option(help=tr("CAC grade 0 to 3; fractions allowed."))] = None,
    region: Annotated[tuple[int, int, int], typer.Option(help=tr("Score region W H D in voxels."))] = (65, 65, 5),
    profile: Profile = "standard",
    whole_heart: Annotated[
        bool, typer.Option("--whole-heart", help=tr("Also score the whole heart, with suggested vessels."))
    ] = False,
    model: Annotated[
        Path | None, typer.Option(help=tr("Model bundle folder; default: the model in use, see “hyrisk models”."))
    ] = None,
    device: Device = None,
    engine: Engine = "auto",
    prevalence: Prevalence = None,
    as_json: Annotated[bool, typer.Option("--json", help=tr("Print one JSON object."))] = False,
    sr: Annotated[
        Path | None, typer.Option(help=tr("Write a DICOM structured report (TID 1500) to this file."))
    ] = None,
    seg: Annotated[Path | None, typer.Option(help=tr("Write a DICOM segmentation of the counted lesions."))] = None,
    pdf: Annotated[
        Path | None, typer.Option(help=tr("Write a one-page report: PDF/A, or a DICOM object for a name in .dcm."))
    ] = None,
    fhir: Annotated[Path | None, typer.Option(help=tr("Write a FHIR R4 bundle (JSON)."))] = None,
    fhir_transaction: Annotated[
        Path | None, typer.Option(help=tr("Write a FHIR R4 transaction (JSON), to be posted to a server."))
    ] = None,
    template: Annotated[
        Path | None, typer.Option(help=tr("The site's report template (TOML); default: the one in the settings."))
    ] = None,
    reader: Annotated[str, typer.Option(help=tr("Who reads, for the reports."))] = "",
    deidentified: Annotated[
        Path | None, typer.Option(help=tr("Write exam and reports without identity into this new folder."))
    ] = None,
    subject: Annotated[
        str | None, typer.Option(help=tr("The patient's code in that folder; default: a random one."))
    ] = None,
    accept_burned_in: Annotated[
        bool, typer.Option("--accept-burned-in", help=tr("Although images say that text is burned into their pixels."))
    ] = False,
    secret_file: Annotated[
        Path | None, typer.Option(help=tr("Text file with a project's secret: the same codes and UIDs in each export."))
    ] = None,
) -> None:
    """Print the scores and the risk of one exam."""
    with json_errors(as_json):
        if (center is None) == (center_mm is None):
            raise InputError("center", tr("Give the heart centre once: --center X Y Z, or --center-mm X Y Z."))
        check_network(device, engine)
        from hyrisk_desktop.exchange.exports import Targets

        targets = Targets(sr, seg, pdf, fhir, deidentified, subject, accept_burned_in, secret_file, fhir_transaction)
        document, findings = _score_document(
            exam,
            center,
            center_mm,
            grade,
            region,
            profile,
            whole_heart,
            model,
            device,
            engine,
            prevalence,
            targets,
            reader,
            template,
        )
    if as_json:
        # ASCII: whoever reads the pipe need not guess this machine's encoding.
        typer.echo(json.dumps(document, indent=1))
    else:
        _print_readout(as_read(document, findings))


def _score_document(
    exam: Path,
    center: tuple[int, int, int] | None,
    center_mm: tuple[float, float, float] | None,
    grade: float | None,
    region: tuple[int, int, int],
    profile: str,
    whole_heart: bool,
    model: Path | None,
    device: str | None,
    engine: str,
    prevalence: float | None,
    targets: Targets,
    reader: str,
    template: Path | None,
) -> tuple[dict[str, Any], tuple[Finding, ...]]:
    from hyrisk_desktop.calcium import HeartMarks, get_profile
    from hyrisk_desktop.calcium.grading import check_grade
    from hyrisk_desktop.exchange.exports import left_out, write_exports
    from hyrisk_desktop.exchange.reports.document import score_document
    from hyrisk_desktop.exchange.reports.template import use_template
    from hyrisk_desktop.imaging import find_series, read_volume
    from hyrisk_desktop.measurement import measure
    from hyrisk_desktop.risk.loading import load_predictor

    chosen_profile = get_profile(profile)
    if grade is not None:
        grade = check_grade(grade)
    if center_mm is not None and not all(abs(v) < _FARTHEST_MM for v in center_mm):
        raise InputError("center_mm", tr("--center-mm needs three finite numbers of millimetres."))
    record = find_series(exam)[0]
    if not record.suitable:
        raise ExamError("no_suitable_series", record.reason)
    use_export_settings()
    if template is not None:
        use_template(str(template))
    targets.check(record, exam)
    volume = read_volume(record)
    centre = center if center is not None else _voxel_at(volume, center_mm)  # type: ignore[arg-type]
    predictor, trouble = load_predictor(model, device, prevalence, engine=engine)
    missing = left_out(targets, volume)
    also = (*trouble, *missing)
    heart = HeartMarks() if whole_heart else None
    m = measure(volume, centre, grade, predictor, region=region, profile=chosen_profile, also=also, heart=heart)
    export = write_exports(targets, record, volume, m, predictor, reader=reader)
    for finding in (*missing, *(() if export is None else export.warnings)):
        typer.echo(line_of(finding.severity, finding.message), err=True)
    return score_document(volume, centre, m.scores, m.risk, m.findings, m.whole_heart), m.findings


def _voxel_at(volume: CTVolume, mm: tuple[float, float, float]) -> Voxel:
    centre = volume.mm_to_voxel(mm)
    if not volume.contains(centre):
        x, y, z = mm
        raise InputError(
            "centre_outside",
            tr("The position ({x:g}, {y:g}, {z:g}) mm lies outside the volume.", x=x, y=y, z=z),
        )
    return centre


def _print_readout(document: dict[str, Any]) -> None:
    from hyrisk_desktop.calcium import category_bounds

    calcium, risk = document["calcium"], document["risk"]
    size = " × ".join(f"{mm:.0f}" for mm in calcium["region_mm_xyz"])
    agatston, category = calcium["agatston"], calcium["category"]
    scores = [
        tr("Region Agatston   {a:.1f}  ({size} mm, profile {p})", a=agatston, size=size, p=calcium["profile"]),
        tr("Category          {c} ({bounds})", c=category, bounds=category_bounds(category)),
        tr("Volume            {v:.1f} mm³, square root {s:.2f}", v=calcium["volume_mm3"], s=calcium["sqrt_volume"]),
    ]
    if calcium["state"] == "withheld":
        scores = [tr("Calcium scores    withheld: {why}", why=_why(document, calcium))]
    lines = [
        *scores,
        *(_heart_lines(calcium["whole_heart"], document) if "whole_heart" in calcium else ()),
        *([tr("Risk              not available")] if risk is None else _risk_lines(risk, _why(document, risk))),
        *lines_of(document),
        *([tr("Exam: synthetic phantom, not a patient")] if document["exam"]["synthetic"] else ()),
        tr("Research use only."),
    ]
    typer.echo("\n".join(lines))


def _heart_lines(heart: dict[str, Any], document: dict[str, Any]) -> Iterator[str]:
    from hyrisk_desktop.calcium import Doubt, category_bounds, doubt_words
    from hyrisk_desktop.exchange.reports.change import vessel_name
    from hyrisk_desktop.wide_font import columns_of

    if heart["state"] == "withheld":
        yield tr("Whole-heart score withheld: {why}", why=_why(document, heart))
        return
    yield trn("Whole-heart score {a:.1f}  ({n} plaque, {v:.1f} mm³, {drs})", "Whole-heart score {a:.1f}  ({n} plaques, {v:.1f} mm³, {drs})", heart["lesions"], a=heart["agatston"], v=heart["volume_mm3"], drs=heart["cac_drs"])  # fmt: skip
    category = heart["category"]
    yield tr("                  category {c} ({bounds})", c=category, bounds=category_bounds(category))
    for row in heart["vessels"]:
        if row["lesions"]:
            name = vessel_name(row["vessel"])
            line = trn(
                "  {vessel}{a:.1f}  ({n} plaque)",
                "  {vessel}{a:.1f}  ({n} plaques)",
                row["lesions"],
                vessel=name + " " * (16 - columns_of(name)),
                a=row["agatston"],
            )
            yield line + (tr(", vessel suggested") if row.get("suggested") else "")
    for doubt in Doubt:
        own = [row["agatston"] for row in heart["not_counted"] if row["reason"] == doubt]
        if own:
            yield tr("  not counted     {a:.1f}  ({n}: {why})", a=sum(own), n=len(own), why=doubt_words(doubt))
    if heart["noise"]["lesions"]:
        yield trn(
            "  not counted     {n} spot that may be noise",
            "  not counted     {n} spots that may be noise",
            heart["noise"]["lesions"],
        )


def _why(document: dict[str, Any], stated: dict[str, Any]) -> str:
    """The sentence of the finding that decided, "" for none."""
    decisive = next(iter(stated["reasons"]), "")
    return next((finding["message"] for finding in document["findings"] if finding["code"] == decisive), "")


def _risk_lines(risk: dict[str, Any], why: str) -> Iterator[str]:
    if risk["state"] == "withheld":
        yield tr("Risk              withheld: {why}", why=why)
        yield tr("Model             {m} {s}", m=risk["model"], s=risk["sha256"][:12])
        return
    from hyrisk_desktop.exchange.reports.report import percent

    head = risk["risknet"] if risk["hyrisknet"] is None else risk["hyrisknet"]
    low, high = (percent(end, 1) for end in risk["interval"])
    yield tr("Risk              {r}, interval {low} to {high}", r=percent(head, 1), low=low, high=high)
    if risk["demonstration"]:
        yield tr("                  demonstration model, trained on synthetic phantoms")
    if risk["calibrated"]:
        yield tr("                  calibrated; assumes {p:.1f} % non-survivors", p=100 * risk["prevalence"])
    else:
        yield tr("                  not calibrated")
    if risk["percentile"] is not None:
        yield tr("                  higher than {p:.0f} % of the reference cohort", p=risk["percentile"])
    if risk["horizon"] is None:
        yield tr("                  no time horizon: the model's training data state none")
    else:
        yield tr("                  time horizon {h}", h=risk["horizon"])
    yield tr("RiskNet           {r} (image alone)", r=percent(risk["risknet"], 1))
    yield tr("Model             {m} {s}", m=risk["model"], s=risk["sha256"][:12])
