"""`hyrisk`: the window, the demonstration exam, scores as JSON, the phantom and training commands, and the doctor."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Annotated

import typer

from hyrisk_desktop import __version__, paths, unfinished
from hyrisk_desktop.cli import display
from hyrisk_desktop.cli.batch import batch
from hyrisk_desktop.cli.compare import compare
from hyrisk_desktop.cli.failures import sentences
from hyrisk_desktop.cli.help import help_
from hyrisk_desktop.cli.models import models_cli
from hyrisk_desktop.cli.pacs import pacs_cli
from hyrisk_desktop.cli.score import score
from hyrisk_desktop.cli.worklist import agreement, audit, replay, store_cli
from hyrisk_desktop.errors import InputError
from hyrisk_desktop.i18n import tr
from hyrisk_desktop.private_files import tighten
from hyrisk_desktop.wide_font import columns_of

_TRAINING = (
    "phantom",
    "check",
    "estimate",
    "train",
    "reproduce",
    "evaluate",
    "validate",
    "study",
    "nlst",
    "train-demonstration",
)
_COMMANDS = (
    "gui",
    "demo",
    "score",
    "compare",
    "batch",
    *_TRAINING,
    "models",
    "store",
    "pacs",
    "replay",
    "audit",
    "agreement",
    "doctor",
    "help",
)
_LATER_COMMANDS: tuple[str, ...] = ()

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
    context: typer.Context, version: Annotated[bool, typer.Option("--version", help=tr("Print the version."))] = False
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
_pass_on("check", tr("Say whether a cohort can be trained on, and what is wrong with it"))
_pass_on("estimate", tr("Say what time, memory and disk a training would need"))
_pass_on("train", tr("Cross-validate and train on a cohort"))
_pass_on("reproduce", tr("Reproduce the paper's table and figures on a cohort"))
_pass_on("evaluate", tr("Measure a model and the plain scores on a cohort"))
_pass_on("validate", tr("Prove an installed model, unchanged, on your own cohort"))
_pass_on("study", tr("Say what a model sees in phantoms whose every factor is known"))
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
    from hyrisk_desktop.cli.doctor import examine

    rows = examine()
    width = max(columns_of(row.what) for row in rows)
    for row in rows:
        typer.echo(f"{'ok ' if row.ok else 'BAD'}  {row.what}{' ' * (width - columns_of(row.what))}  {row.finding}")
    raise typer.Exit(0 if all(row.ok for row in rows) else 1)


cli.command("help", help=tr("Print a page of the manual, or list its pages."))(help_)
cli.command("score", help=tr("Score one exam at a heart centre, without a window."))(score)
cli.command("compare", help=tr("Lay an exam onto an earlier one of the same patient, and say what has changed."))(
    compare
)
cli.command("batch", help=tr("Score every exam below a folder, one row each; goes on where it stopped."))(batch)
cli.add_typer(models_cli, name="models")
cli.add_typer(store_cli, name="store")
cli.add_typer(pacs_cli, name="pacs")
cli.command("replay", help=tr("Recompute a stored read from the same files and say whether every number is the same."))(
    replay
)
cli.command("audit", help=tr("Export the audit trail and check that nothing in it was changed or taken out."))(audit)
cli.command("agreement", help=tr("How well the readers of a list agree: kappa, alpha and ICC, per vessel as well."))(
    agreement
)


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
    """The commands of `hyrisk`."""
    _soften_streams()
    # Libraries quote header values in their warnings, and those may be a patient's.
    warnings.filterwarnings("ignore", module="pydicom")
    with sentences():
        # What an older version left open to other accounts; the window goes through what is below as well.
        for root in paths.private_roots():
            tighten(root)
        unfinished.sweep()
        _open_path_by_default()
        cli()
