"""`hyrisk models`: the shelf of models without a window."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hyrisk_desktop.cli.options import Device
from hyrisk_desktop.errors import BundleError
from hyrisk_desktop.i18n import english, tr

if TYPE_CHECKING:
    from hyrisk_desktop.risk.model_store import InstalledModel, ModelStore

models_cli = typer.Typer(
    no_args_is_help=True,
    help=tr("List, test, install and choose the models that read risks. Research use only."),
)
_NAME = typer.Argument(help=tr("Folder name, model name or the hash's beginning, as “hyrisk models list” shows them."))
_OPTIONAL_NAME = typer.Argument(help=tr("As “hyrisk models list” shows it; left out: the model in use."))


def _store() -> ModelStore:
    from hyrisk_desktop.risk.model_store import installed_models

    return installed_models()


def _change(store: ModelStore, change: Callable[[], InstalledModel]) -> None:
    """Put another model into use, and say so with what its results are beside those of the one before."""
    from hyrisk_desktop.risk.model_summary import beside_the_one_before

    before = store.active_bundle()
    model = change()
    typer.echo(tr("“{title}” ({name}) is in use now.", title=model.title, name=model.name))
    if model.bundle is not None and (remark := beside_the_one_before(model.bundle, before)):
        typer.echo(remark)


@models_cli.command("list", help=tr("Show every installed model, and which one is in use."))
def list_models(as_json: Annotated[bool, typer.Option("--json", help=tr("Print one JSON object."))] = False) -> None:
    """List the models."""
    store = _store()
    models, warning = store.models(), store.active().warning
    if as_json:
        typer.echo(json.dumps({"models": [_row(m) for m in models], "warning": english(warning)}, indent=1))
        return
    from hyrisk_desktop.risk.model_summary import summarise

    for model in models:
        typer.echo(f"{'*' if model.active else ' '} {model.name}")
        if model.bundle is None:
            typer.echo(tr("    damaged: {reason}", reason=model.problem))
            continue
        s = summarise(model.bundle)
        typer.echo(f"    {model.title}, {s.network}, {s.score_input}, SHA-256 {s.sha256[:12]}")
        typer.echo(f"    {s.trained_on}{'; ' if s.aucs else ''}{s.aucs}")
    typer.echo(tr("* is in use. Research use only."))
    if warning:
        typer.echo(warning, err=True)


def _row(model: InstalledModel) -> dict[str, Any]:
    bundle = model.bundle
    row: dict[str, Any] = {
        "name": model.name,
        "active": model.active,
        "bundled": model.bundled,
        "problem": english(model.problem),
    }
    if bundle is not None:
        row |= {
            "title": bundle.name,
            "network": bundle.network,
            "score_input": bundle.score_input,
            "demonstration": bundle.demonstration,
            "sha256": bundle.sha256,
            "bundle_sha256": bundle.bundle_sha256,
            "training": bundle.training,
        }
    return row


@models_cli.command(help=tr("Print a model's card: its data, results and limits."))
def card(name: Annotated[str | None, _OPTIONAL_NAME] = None) -> None:
    """Print the card."""
    from hyrisk_desktop.risk.bundle_files import read_card

    store = _store()
    typer.echo(read_card(store.active_dir() if name is None else store.find(name).directory))


@models_cli.command(help=tr("Use another installed model, in the window and on the command line."))
def activate(name: Annotated[str, _NAME]) -> None:
    """Activate a model."""
    store = _store()
    _change(store, lambda: store.activate(name))


@models_cli.command("roll-back", help=tr("Go back to the model that was in use before."))
def roll_back() -> None:
    """Roll back."""
    store = _store()
    _change(store, store.roll_back)


@models_cli.command("export", help=tr("Write a model as a zip, for another machine."))
def export_model(name: Annotated[str, _NAME], zip_path: Annotated[Path, typer.Argument(metavar="ZIP")]) -> None:
    """Export a model."""
    _store().export_model(name, zip_path)
    typer.echo(tr("Written."))


@models_cli.command("import", help=tr("Test a model (a zip, or a bundle's folder), install it and use it."))
def import_model(
    source: Annotated[Path, typer.Argument()],
    device: Device = None,
    anyway: Annotated[
        bool, typer.Option("--anyway", help=tr("Also a model that by its own results is no better than chance."))
    ] = False,
) -> None:
    """Import a model."""
    from hyrisk_desktop.risk.model_store import DOUBTFUL

    store = _store()
    try:
        _change(store, lambda: store.import_model(source, device, anyway=anyway))
    except BundleError as e:
        if e.code != DOUBTFUL:
            raise
        raise BundleError(e.code, tr("{doubt} Give --anyway to install it all the same.", doubt=e.message)) from e


@models_cli.command(help=tr("Delete an installed model that is not in use."))
def remove(name: Annotated[str, _NAME]) -> None:
    """Remove a model."""
    _store().remove(name)
    typer.echo(tr("Removed."))


@models_cli.command(help=tr("Test a model: hashes, finite numbers, and its known answer on this machine."))
def check(
    name: Annotated[str | None, typer.Argument(help=tr("An installed model, or a bundle's folder."))] = None,
    device: Device = None,
) -> None:
    """Run the self-test."""
    from hyrisk_desktop.risk.self_test import self_test

    store = _store()
    if name is None:
        directory = store.active_dir()
    else:
        directory = Path(name) if Path(name).is_dir() else store.find(name).directory
    bundle = self_test(directory, device)
    typer.echo(tr("“{title}” is whole and gives its known answer here.", title=bundle.name))
