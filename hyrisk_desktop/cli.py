"""`hyrisk`: the window, the demonstration exam, scores as JSON, the phantom and training commands, and the doctor."""

from __future__ import annotations

import contextlib
import json
import multiprocessing
import os
import subprocess
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from hyrisk_desktop import __version__
from hyrisk_desktop.errors import ExamError, HyRiskError, InputError
from hyrisk_desktop.i18n import tr

EXIT_ARGUMENTS, EXIT_EXAM = 2, 3
_COMMANDS = ("gui", "demo", "score", "phantom", "train", "doctor")

cli = typer.Typer(
    add_completion=False,
    no_args_is_help=False,
    pretty_exceptions_enable=False,
    help=tr("HyRisk Desktop: mortality risk from low-dose chest CT. Research use only."),
)


def has_display() -> bool:
    """Whether Qt can open a window here."""
    if sys.platform in ("win32", "darwin") or os.environ.get("QT_QPA_PLATFORM"):
        return True
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def _require_display() -> None:
    if not has_display():
        raise InputError(
            "no_display",
            tr("There is no display to open a window on; use “hyrisk score”, or set DISPLAY."),
        )


@cli.callback(invoke_without_command=True)
def _main(
    context: typer.Context, version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False
) -> None:
    if version:
        typer.echo(__version__)
        raise typer.Exit
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

    raise typer.Exit(app.run_gui(None, demonstration=True) if has_display() else app.run_demonstration_offscreen())


@cli.command(help=tr("Score one exam at a heart centre, without a window."))
def score(
    exam: Annotated[Path, typer.Argument(help="Folder, DICOM file, DICOMDIR, zip, NIfTI, NRRD or MHA file.")],
    center: Annotated[tuple[int, int, int] | None, typer.Option(help="Heart centre X Y Z in voxels, from 0.")] = None,
    center_mm: Annotated[tuple[float, float, float] | None, typer.Option(help="Heart centre in mm, DICOM LPS.")] = None,
    grade: Annotated[float | None, typer.Option(help="CAC grade 0 to 3; fractions allowed.")] = None,
    region: Annotated[tuple[int, int, int], typer.Option(help="Score region W H D in voxels.")] = (65, 65, 5),
    profile: Annotated[str, typer.Option(help="standard, four_connected or no_spacing_correction.")] = "standard",
    model: Annotated[Path | None, typer.Option(help="Model bundle folder; default: the demonstration model.")] = None,
    device: Annotated[str | None, typer.Option(help="cpu or cuda; default: cuda when there is one.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Print the scores and the risk of one exam."""
    if (center is None) == (center_mm is None):
        raise InputError("center", tr("Give the heart centre once: --center X Y Z, or --center-mm X Y Z."))
    if device not in (None, "cpu", "cuda"):
        raise InputError("device", tr("--device must be cpu or cuda."))
    try:
        document = _score_document(exam, center, center_mm, grade, region, profile, model, device)
    except ExamError as e:
        if as_json:
            typer.echo(json.dumps({"error": {"code": e.code, "message": e.message}}, ensure_ascii=False))
        raise
    if as_json:
        typer.echo(json.dumps(document, indent=1, ensure_ascii=False))
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
) -> dict[str, Any]:
    from hyrisk_desktop.calcium import get_profile, score_region
    from hyrisk_desktop.calcium.grading import check_grade
    from hyrisk_desktop.exchange.reading_document import collect_findings, score_document
    from hyrisk_desktop.imaging import check_centre, check_volume, find_series, read_volume
    from hyrisk_desktop.paths import bundled_model_dir

    chosen_profile = get_profile(profile)
    if grade is not None:
        grade = check_grade(grade)
    record = find_series(exam)[0]
    if not record.suitable:
        raise ExamError("no_suitable_series", record.reason)
    volume = read_volume(record)
    centre = center if center is not None else volume.mm_to_voxel(center_mm)  # type: ignore[arg-type]
    scores = score_region(volume, centre, size_xyz=region, profile=chosen_profile)

    from hyrisk_desktop.risk import Predictor

    reading = Predictor(model or bundled_model_dir(), device).predict(volume, centre, grade)
    scan = (*volume.findings, *check_volume(volume))
    findings = collect_findings(scan, check_centre(volume, centre, region=region), scores, grade, reading)
    return score_document(volume, centre, scores, reading, findings)


def _print_readout(document: dict[str, Any]) -> None:
    calcium, risk = document["calcium"], document["risk"]
    size = " × ".join(f"{mm:.0f}" for mm in calcium["region_mm_xyz"])
    typer.echo(
        tr(
            "Region Agatston   {a:.1f}  ({size} mm, profile {p})",
            a=calcium["agatston"],
            size=size,
            p=calcium["profile"],
        )
    )
    typer.echo(
        tr("Volume            {v:.1f} mm³, square root {s:.2f}", v=calcium["volume_mm3"], s=calcium["sqrt_volume"])
    )
    head = risk["risknet"] if risk["hyrisknet"] is None else risk["hyrisknet"]
    low, high = risk["interval"]
    typer.echo(tr("Risk              {r:.1%}, interval {low:.1%} to {high:.1%}", r=head, low=low, high=high))
    if risk["demonstration"]:
        typer.echo(tr("                  demonstration model, trained on synthetic phantoms"))
    typer.echo(tr("Model             {m} {s}", m=risk["model"], s=risk["sha256"][:12]))
    for finding in document["findings"]:
        typer.echo(f"[{finding['severity']}] {finding['message']}")
    typer.echo(tr("Research use only."))


_PASS_THROUGH = {"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []}


@cli.command(context_settings=_PASS_THROUGH, help=tr("Make synthetic exams and cohorts (see “hyrisk phantom --help”)."))
def phantom(context: typer.Context) -> None:
    """Run the phantom generator."""
    raise typer.Exit(_run_training("phantom", context.args))


@cli.command(context_settings=_PASS_THROUGH, help=tr("Train a network on a cohort (see “hyrisk train --help”)."))
def train(context: typer.Context) -> None:
    """Run training."""
    raise typer.Exit(_run_training("train", context.args))


def _run_training(command: str, arguments: list[str]) -> int:
    """`model_training` runs as its own process: the program never imports it."""
    root = str(Path(__file__).resolve().parents[1])
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(p for p in (root, os.environ.get("PYTHONPATH")) if p)}
    return subprocess.call([sys.executable, "-m", "model_training", command, *arguments], env=environment)


@cli.command(help=tr("Say what is installed, which device computes, and whether the model is sound; runs a self-test."))
def doctor() -> None:
    """Check this installation."""
    from hyrisk_desktop.doctor import examine

    rows = examine()
    width = max(len(row.what) for row in rows)
    for row in rows:
        typer.echo(f"{'ok ' if row.ok else 'BAD'}  {row.what:<{width}}  {row.finding}")
    raise typer.Exit(0 if all(row.ok for row in rows) else 1)


@contextlib.contextmanager
def _sentences() -> Iterator[None]:
    """Expected failures become one sentence on stderr and an exit code."""
    try:
        yield
    except HyRiskError as e:
        print(e.message, file=sys.stderr)  # noqa: T201
        sys.exit(EXIT_ARGUMENTS if isinstance(e, InputError) else EXIT_EXAM)


def main() -> None:
    """Entry point of `hyrisk`."""
    multiprocessing.freeze_support()
    # Libraries quote header values in their warnings, and those may be a patient's.
    warnings.filterwarnings("ignore", module="pydicom")
    first = next((a for a in sys.argv[1:] if not a.startswith("-")), None)
    if first is not None and first not in _COMMANDS:
        # `hyrisk PATH` opens the window on it.
        sys.argv.insert(1, "gui")
    with _sentences():
        cli()


if __name__ == "__main__":
    main()
