"""`hyrisk`: the window, the demonstration exam, scores as JSON, the phantom and training commands, and the doctor."""

from __future__ import annotations

import contextlib
import io
import json
import multiprocessing
import os
import subprocess
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hyrisk_desktop import __version__, display, paths, unfinished
from hyrisk_desktop.cli_batch import batch
from hyrisk_desktop.cli_models import models_cli
from hyrisk_desktop.cli_pacs import pacs_cli
from hyrisk_desktop.cli_worklist import audit, replay, store_cli, use_export_settings
from hyrisk_desktop.errors import BundleError, ExamError, HyRiskError, InputError, safe_traceback
from hyrisk_desktop.i18n import tr
from hyrisk_desktop.private_files import tighten

if TYPE_CHECKING:
    from hyrisk_desktop.exchange.exports import Targets
    from hyrisk_desktop.imaging.volume import CTVolume, Finding, Voxel
    from hyrisk_desktop.risk import Predictor

EXIT_UNEXPECTED, EXIT_ARGUMENTS, EXIT_EXAM = 1, 2, 3
_TRAINING = ("phantom", "train", "evaluate", "nlst", "train-demonstration")
_COMMANDS = ("gui", "demo", "score", "batch", *_TRAINING, "models", "store", "pacs", "replay", "audit", "doctor")
_LATER_COMMANDS: tuple[str, ...] = ()
# A kilometre: beyond any scanner's table, and far from where a position would overflow the voxel grid.
_FARTHEST_MM = 1e6

cli = typer.Typer(
    add_completion=False,
    no_args_is_help=False,
    pretty_exceptions_enable=False,
    help=tr("HyRisk Desktop: mortality risk from low-dose chest CT. Research use only."),
)


def _require_display() -> None:
    if not display.has_display():
        raise InputError(
            "no_display",
            tr("There is no display to open a window on; use “hyrisk score”, or set DISPLAY."),
        )
    # Qt would end the process with a page of its own words.
    if not display.display_answers():
        raise InputError("dead_display", display.dead_display_message())


@cli.callback(invoke_without_command=True)
def _main(
    context: typer.Context, version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False
) -> None:
    if version:
        typer.echo(__version__)
        raise typer.Exit
    from hyrisk_desktop.imaging import sweep

    sweep()
    if context.invoked_subcommand is None:
        gui(None)


@cli.command(help=tr("Open the window, with the exam at PATH if given. “hyrisk PATH” does the same."))
def gui(path: Annotated[Path | None, typer.Argument(metavar="[PATH]")] = None) -> None:
    """Open the window."""
    _require_display()
    from hyrisk_desktop.app import run_gui

    raise typer.Exit(run_gui(path))


@cli.command(
    help=tr("Open a synthetic demonstration exam; without a display, read it offscreen and print the readout.")
)
def demo() -> None:
    """Open the demonstration exam."""
    from hyrisk_desktop import app

    raise typer.Exit(
        app.run_gui(None, demonstration=True) if display.display_works() else app.run_demonstration_offscreen()
    )


@cli.command(help=tr("Score one exam at a heart centre, without a window."))
def score(
    exam: Annotated[Path, typer.Argument(help="Folder, DICOM file, DICOMDIR, zip, NIfTI, NRRD or MHA file.")],
    center: Annotated[tuple[int, int, int] | None, typer.Option(help="Heart centre X Y Z in voxels, from 0.")] = None,
    center_mm: Annotated[tuple[float, float, float] | None, typer.Option(help="Heart centre in mm, DICOM LPS.")] = None,
    grade: Annotated[float | None, typer.Option(help="CAC grade 0 to 3; fractions allowed.")] = None,
    region: Annotated[tuple[int, int, int], typer.Option(help="Score region W H D in voxels.")] = (65, 65, 5),
    profile: Annotated[str, typer.Option(help="standard, four_connected or no_spacing_correction.")] = "standard",
    model: Annotated[
        Path | None, typer.Option(help="Model bundle folder; default: the model in use, see “hyrisk models”.")
    ] = None,
    device: Annotated[str | None, typer.Option(help="cpu or cuda; default: cuda when there is one.")] = None,
    prevalence: Annotated[
        float | None, typer.Option(help="Share of non-survivors that the risk assumes, 0 to 1; default: the model's.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    sr: Annotated[Path | None, typer.Option(help="Write a DICOM structured report (TID 1500) to this file.")] = None,
    seg: Annotated[Path | None, typer.Option(help="Write a DICOM segmentation of lesions and region.")] = None,
    pdf: Annotated[
        Path | None, typer.Option(help="Write a one-page report: PDF/A, or a DICOM object for a name in .dcm.")
    ] = None,
    fhir: Annotated[Path | None, typer.Option(help="Write a FHIR R4 bundle (JSON).")] = None,
    reader: Annotated[str, typer.Option(help="Who reads, for the reports.")] = "",
    deidentified: Annotated[
        Path | None, typer.Option(help="Write exam and reports without identity into this new folder.")
    ] = None,
    subject: Annotated[
        str | None, typer.Option(help="The patient's code in that folder; default: a random one.")
    ] = None,
    accept_burned_in: Annotated[
        bool, typer.Option("--accept-burned-in", help="Although images say that text is burned into their pixels.")
    ] = False,
    secret_file: Annotated[
        Path | None, typer.Option(help="Text file with a project's secret: the same codes and UIDs in each export.")
    ] = None,
) -> None:
    """Print the scores and the risk of one exam."""
    with _json_errors(as_json):
        if (center is None) == (center_mm is None):
            raise InputError("center", tr("Give the heart centre once: --center X Y Z, or --center-mm X Y Z."))
        if device not in (None, "cpu", "cuda"):
            raise InputError("device", tr("--device must be cpu or cuda."))
        from hyrisk_desktop.exchange.exports import Targets

        targets = Targets(sr, seg, pdf, fhir, deidentified, subject, accept_burned_in, secret_file)
        document = _score_document(
            exam, center, center_mm, grade, region, profile, model, device, prevalence, targets, reader
        )
    if as_json:
        # ASCII: whoever reads the pipe need not guess this machine's encoding.
        typer.echo(json.dumps(document, indent=1))
    else:
        _print_readout(document)


def _score_document(
    exam: Path,
    center: tuple[int, int, int] | None,
    center_mm: tuple[float, float, float] | None,
    grade: float | None,
    region: tuple[int, int, int],
    profile: str,
    model: Path | None,
    device: str | None,
    prevalence: float | None,
    targets: Targets,
    reader: str,
) -> dict[str, Any]:
    from hyrisk_desktop.calcium import get_profile
    from hyrisk_desktop.calcium.grading import check_grade
    from hyrisk_desktop.exchange.exports import left_out, write_exports
    from hyrisk_desktop.exchange.reading_document import score_document
    from hyrisk_desktop.imaging import find_series, read_volume
    from hyrisk_desktop.worklist.measure import measure

    chosen_profile = get_profile(profile)
    if grade is not None:
        grade = check_grade(grade)
    if center_mm is not None and not all(abs(v) < _FARTHEST_MM for v in center_mm):
        raise InputError("center_mm", tr("--center-mm needs three finite numbers of millimetres."))
    record = find_series(exam)[0]
    if not record.suitable:
        raise ExamError("no_suitable_series", record.reason)
    targets.check(record, exam)
    use_export_settings()
    volume = read_volume(record)
    centre = center if center is not None else _voxel_at(volume, center_mm)  # type: ignore[arg-type]
    predictor, trouble = load_predictor(model, device, prevalence)
    missing = left_out(targets, volume)
    also = (*trouble, *missing)
    m = measure(volume, centre, grade, predictor, region=region, profile=chosen_profile, also=also)
    export = write_exports(targets, record, volume, m, predictor, reader=reader)
    for finding in (*missing, *(() if export is None else export.warnings)):
        typer.echo(f"[{finding.severity}] {finding.message}", err=True)
    return score_document(volume, centre, m.scores, m.risk, m.findings)


def _voxel_at(volume: CTVolume, mm: tuple[float, float, float]) -> Voxel:
    centre = volume.mm_to_voxel(mm)
    if not volume.contains(centre):
        x, y, z = mm
        raise InputError(
            "centre_outside",
            tr("The position ({x:g}, {y:g}, {z:g}) mm lies outside the volume.", x=x, y=y, z=z),
        )
    return centre


def load_predictor(
    model: Path | None, device: str | None, prevalence: float | None
) -> tuple[Predictor | None, tuple[Finding, ...]]:
    """The model; or, where the program's own can't be used, why not: calcium scoring goes on without it."""
    from hyrisk_desktop.imaging.volume import Finding, Severity
    from hyrisk_desktop.risk import Predictor
    from hyrisk_desktop.risk.model_store import ActiveModel, installed_models

    active = installed_models().active() if model is None else ActiveModel(model)
    try:
        return Predictor(active.directory, device, prevalence), active.findings
    except BundleError as e:
        if model is not None:
            # Who names a model wants its answer, not a document without one.
            raise
        missing = Finding(e.code, Severity.WARNING, tr("No risk: {reason}", reason=e.message))
        return None, (*active.findings, missing)


def _print_readout(document: dict[str, Any]) -> None:
    from hyrisk_desktop.calcium import category_bounds

    calcium, risk = document["calcium"], document["risk"]
    size = " × ".join(f"{mm:.0f}" for mm in calcium["region_mm_xyz"])
    agatston, category = calcium["agatston"], calcium["category"]
    lines = [
        tr("Region Agatston   {a:.1f}  ({size} mm, profile {p})", a=agatston, size=size, p=calcium["profile"]),
        tr("Category          {c} ({bounds})", c=category, bounds=category_bounds(category)),
        tr("Volume            {v:.1f} mm³, square root {s:.2f}", v=calcium["volume_mm3"], s=calcium["sqrt_volume"]),
        *([tr("Risk              not available")] if risk is None else _risk_lines(risk)),
        *(f"[{finding['severity']}] {finding['message']}" for finding in document["findings"]),
        *([tr("Exam: synthetic phantom, not a patient")] if document["exam"]["synthetic"] else ()),
        tr("Research use only."),
    ]
    typer.echo("\n".join(lines))


def _risk_lines(risk: dict[str, Any]) -> Iterator[str]:
    head = risk["risknet"] if risk["hyrisknet"] is None else risk["hyrisknet"]
    low, high = risk["interval"]
    yield tr(
        "Risk              {r:.1f} %, interval {low:.1f} % to {high:.1f} %",
        r=100 * head,
        low=100 * low,
        high=100 * high,
    )
    if risk["demonstration"]:
        yield tr("                  demonstration model, trained on synthetic phantoms")
    if risk["calibrated"]:
        yield tr("                  calibrated; assumes {p:.1f} % non-survivors", p=100 * risk["prevalence"])
    else:
        yield tr("                  not calibrated")
    if risk["percentile"] is not None:
        yield tr("                  higher than {p:.0f} % of the reference cohort", p=risk["percentile"])
    yield tr("RiskNet           {r:.1f} % (image alone)", r=100 * risk["risknet"])
    yield tr("Model             {m} {s}", m=risk["model"], s=risk["sha256"][:12])


_PASS_THROUGH = {"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []}


def _pass_on(command: str, text: str) -> None:
    """Register a command that runs in a training process of its own, with its arguments as they are."""

    def run(context: typer.Context) -> None:
        raise typer.Exit(_run_training(command, context.args))

    cli.command(
        command,
        context_settings=_PASS_THROUGH,
        help=tr("{what} (see “hyrisk {name} --help”).", what=text, name=command),
    )(run)


_pass_on("phantom", tr("Make synthetic exams and cohorts"))
_pass_on("train", tr("Cross-validate and train on a cohort"))
_pass_on("evaluate", tr("Measure a model and the plain scores on a cohort"))
_pass_on("nlst", tr("Make the paper's cohort from your own NLST files"))
_pass_on("train-demonstration", tr("Make the bundled demonstration model from nothing"))


def _run_training(command: str, arguments: list[str]) -> int:
    from hyrisk_desktop.paths import training_process

    line, environment = training_process(command, *arguments)
    if sys.platform == "win32":
        return subprocess.call(line, env=environment)
    else:
        # In this process's place: what is sent to it, an end or Ctrl+C, reaches the training and leaves it time to save.
        os.execve(line[0], line, environment)


@cli.command(help=tr("Say what is installed, which device computes, and whether the model is sound; runs a self-test."))
def doctor() -> None:
    """Check this installation."""
    from hyrisk_desktop.doctor import examine

    rows = examine()
    width = max(len(row.what) for row in rows)
    for row in rows:
        typer.echo(f"{'ok ' if row.ok else 'BAD'}  {row.what:<{width}}  {row.finding}")
    raise typer.Exit(0 if all(row.ok for row in rows) else 1)


cli.command("batch", help=tr("Score every exam below a folder, one row each; goes on where it stopped."))(batch)
cli.add_typer(models_cli, name="models")
cli.add_typer(store_cli, name="store")
cli.add_typer(pacs_cli, name="pacs")
cli.command("replay", help=tr("Recompute a stored read from the same files and say whether every number is the same."))(
    replay
)
cli.command("audit", help=tr("Export the audit trail and check that nothing in it was changed or taken out."))(audit)


@contextlib.contextmanager
def _json_errors(as_json: bool) -> Iterator[None]:
    """With --json, every failure is a JSON object as well as a sentence."""
    try:
        yield
    except Exception as e:
        if as_json:
            code, message, _ = _explain(e)
            typer.echo(json.dumps({"error": {"code": code, "message": message}}))
        raise


def _explain(error: Exception) -> tuple[str, str, int]:
    """Code, sentence and exit code of a failure. An unexpected one's own words may quote a patient: they stay unsaid."""
    if isinstance(error, HyRiskError):
        return error.code, error.message, EXIT_ARGUMENTS if isinstance(error, InputError) else EXIT_EXAM
    if isinstance(error, MemoryError):
        return "memory", tr("There is not enough memory for this; close other programs and try again."), EXIT_UNEXPECTED
    if isinstance(error, ImportError):
        if "cannot open shared object" in str(error):
            message = display.explain(str(error), EXIT_UNEXPECTED)
        else:
            name = error.name or tr("a library")
            message = tr("A part of the program can't be loaded ({name}); run “hyrisk doctor”.", name=name)
        return "incomplete", message, EXIT_UNEXPECTED
    if isinstance(error, OSError):
        reason = os.strerror(error.errno) if error.errno else type(error).__name__
        return "system", tr("The system refused: {reason}.", reason=reason), EXIT_UNEXPECTED
    message = tr(
        "An unexpected error happened ({kind}); run again with HYRISK_DEBUG=1 to see where, and report it.",
        kind=type(error).__name__,
    )
    return "unexpected", message, EXIT_UNEXPECTED


@contextlib.contextmanager
def _sentences() -> Iterator[None]:
    """Failures become one sentence on stderr and an exit code."""
    try:
        yield
    except Exception as e:  # noqa: BLE001  the outermost edge of the program
        _, message, code = _explain(e)
        print(message, file=sys.stderr)  # noqa: T201
        if os.environ.get("HYRISK_DEBUG"):
            print(safe_traceback(e), file=sys.stderr)  # noqa: T201
        sys.exit(code)


def _soften_streams() -> None:
    """A character the console can't show becomes “?”: on Windows it would otherwise end the program."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")


def _open_path_by_default() -> None:
    """`hyrisk PATH` opens the window on it; words that later versions will use are no paths."""
    first = next((a for a in sys.argv[1:] if not a.startswith("-")), None)
    if first in _LATER_COMMANDS:
        raise InputError(
            "later_version",
            tr(
                "“hyrisk {word}” comes with a later version; to open an exam of that name write “./{word}”.", word=first
            ),
        )
    if first is not None and first not in _COMMANDS:
        sys.argv.insert(1, "gui")


def main() -> None:
    """Entry point of `hyrisk`."""
    multiprocessing.freeze_support()
    _soften_streams()
    # Libraries quote header values in their warnings, and those may be a patient's.
    warnings.filterwarnings("ignore", module="pydicom")
    with _sentences():
        # What an older version left open to other accounts; the window goes through what is below as well.
        for root in paths.private_roots():
            tighten(root)
        unfinished.sweep()
        _open_path_by_default()
        cli()


if __name__ == "__main__":
    main()
