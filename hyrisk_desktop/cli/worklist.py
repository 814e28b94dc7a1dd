"""`hyrisk replay`, `audit`, `agreement` and `store`: the worklist's keeping without a window."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hyrisk_desktop.errors import InputError, StoreError
from hyrisk_desktop.i18n import decimal, english, tr, trn

if TYPE_CHECKING:
    from hyrisk_desktop.settings import Settings
    from hyrisk_desktop.worklist.audit import AuditEntry
    from hyrisk_desktop.worklist.records import Reader, ReadingList
    from hyrisk_desktop.worklist.replay import Replay
    from hyrisk_desktop.worklist.store import Store

EXIT_DIFFERENT = 3
_WHERE = typer.Option(
    "--store", help=tr("Worklist file or postgresql://user@host/name; default: the one in the settings.")
)
Where = Annotated[str | None, _WHERE]
store_cli = typer.Typer(no_args_is_help=True, help=tr("Back up and restore the worklist's file."))


def user_settings() -> Settings:
    """The user's settings; a damaged file of them is told on stderr."""
    from hyrisk_desktop import settings as stored

    settings = stored.user_settings()
    if settings.problem:
        typer.echo(settings.problem, err=True)
    return settings


def use_export_settings() -> None:
    """Write what is exported with the rights and in the form that the settings ask for."""
    from hyrisk_desktop.exchange.reports.template import use_template
    from hyrisk_desktop.files import keep_exports_private

    settings = user_settings()
    keep_exports_private(settings["private_exports"])
    use_template(settings["report_template"])


def _place(where: str | None) -> Path | str:
    from hyrisk_desktop.settings import store_place

    return store_place(user_settings(), where)


@contextmanager
def opened_store(where: str | None) -> Iterator[Store]:
    """The worklist, open; StoreError where there is none."""
    from hyrisk_desktop.worklist.store import Store

    place = _place(where)
    if isinstance(place, Path) and not place.is_file():
        raise StoreError("no_store", tr("There is no worklist here yet; the window makes one."))
    store = Store(place)
    try:
        yield store
    finally:
        store.close()


def replay(
    read_id: Annotated[int, typer.Argument(help=tr("Number of the read, as the audit trail and the exports show it."))],
    store: Where = None,
    as_json: Annotated[bool, typer.Option("--json", help=tr("Print one JSON object."))] = False,
) -> None:
    """Recompute a stored read from the same files and say whether every number is the same."""
    from hyrisk_desktop.risk.loading import engine_of, find_predictor
    from hyrisk_desktop.worklist.replay import replay as run

    with opened_store(store) as opened:
        engine = engine_of(opened.read_by_id(read_id).versions)
        result = run(opened, read_id, partial(find_predictor, engine=engine))
    typer.echo(json.dumps(_replay_json(result), indent=1) if as_json else "\n".join(_replay_lines(result)))
    raise typer.Exit(0 if result.same else EXIT_DIFFERENT)


def _replay_json(result: Replay) -> dict[str, Any]:
    return {
        "read_id": result.read.read_id,
        "same": result.same,
        "pixels_same": result.pixels_same,
        "model_found": result.model_found,
        "compared": result.compared,
        "differences": [asdict(d) for d in result.differences],
    }


def _replay_lines(result: Replay) -> Iterator[str]:
    pixels = {
        True: tr("The files are the same (SHA-256)."),
        False: tr("THE FILES ARE NOT THE SAME: their SHA-256 differs from the read's."),
        None: tr("The read stored no hash of its files, so whether they are the same is not known."),
    }
    yield pixels[result.pixels_same]
    if not result.model_found:
        yield tr("The model that answered is not installed here; its numbers were not computed again.")
    for d in result.differences:
        yield tr("{name}: stored {stored}, now {now}", name=d.name, stored=d.stored, now=d.now)
    yield tr("{n} numbers compared, {d} differ.", n=result.compared, d=len(result.differences))
    yield tr("Everything is the same.") if result.same else tr("Not everything is the same.")


def audit(
    out: Annotated[Path | None, typer.Option(help=tr("JSON lines file; default: the standard output."))] = None,
    store: Where = None,
) -> None:
    """Export the audit trail, oldest first, and check that nothing in it was changed or taken out."""
    from hyrisk_desktop.worklist.audit import verify

    with opened_store(store) as opened:
        broken = verify(opened.audit_trail(), opened.audit_head())
        _write_trail(opened.audit_trail(), out)
        number, digest = opened.audit_head()
    if broken is not None:
        message = tr("The audit trail does not fit together from row {n} on: it was changed by other means.", n=broken)
        raise StoreError("audit_broken", message)
    typer.echo(
        trn(
            "{n} row, in order; newest hash {digest}.",
            "{n} rows, all in order; newest hash {digest}.",
            number,
            digest=digest[:16] or "-",
        ),
        err=True,
    )


def _write_trail(trail: Iterator[AuditEntry], out: Path | None) -> None:
    lines = (json.dumps(asdict(entry)) + "\n" for entry in trail)
    if out is None:
        sys.stdout.writelines(lines)
        return
    from hyrisk_desktop.files import staged

    use_export_settings()
    with staged(out) as stream:
        stream.writelines(line.encode("ascii") for line in lines)


def agreement(
    list_name: Annotated[str | None, typer.Option("--list", help=tr("Name or number of the list; default: the newest."))] = None,
    reader: Annotated[list[str] | None, typer.Option(help=tr("A reader to compare; again for each. Default: all who graded."))] = None,
    blinded: Annotated[bool, typer.Option("--blinded", help=tr("Compare blinded reads."))] = False,
    mixed: Annotated[bool, typer.Option("--mixed", help=tr("Take reads of the other kind where there is none of this one."))] = False,
    out: Annotated[Path | None, typer.Option(help=tr("CSV table; default: lines on the standard output."))] = None,
    as_json: Annotated[bool, typer.Option("--json", help=tr("Print one JSON object."))] = False,
    store: Where = None,
) -> None:  # fmt: skip
    """How well the readers of a list in ``store`` agree: Fleiss' kappa, Krippendorff's alpha and ICC, per vessel as well."""
    from hyrisk_desktop.tables import write_csv
    from hyrisk_desktop.worklist import agreement_table as tables

    with opened_store(store) as opened:
        listed = _list_named(opened, list_name)
        reads = opened.reads(list_id=listed.list_id)
        readers = _readers_named(tables.graders(opened.readers(), reads), reader or [])
    choice = tables.Choice(readers, blinded, mixed)
    found = choice.compare(reads)
    rows = tables.agreement_rows(found, choice)
    if out is not None and not found.why_empty:
        use_export_settings()
        write_csv(out, tables.COLUMNS, rows)
    if as_json:
        typer.echo(
            json.dumps(
                {"list": listed.list_id, "nothing": english(found.why_empty) or None, "agreement": rows}, indent=1
            )
        )
    elif found.why_empty:
        typer.echo(found.why_empty)
    elif out is None:
        for row in rows:
            value, low, high = (
                "-" if row[k] is None else decimal(row[k], ".3f") for k in ("value", "low_95", "high_95")
            )
            of = tr("{value} ({low} to {high})", value=value, low=low, high=high)
            typer.echo(f"{tables.quantity_name(row)}: {tables.statistic_name(row)} {of}, n = {row['exams']}")


def _list_named(store: Store, name: str | None) -> ReadingList:
    lists = store.lists()
    found = next((x for x in lists if name is None or name in (x.name, str(x.list_id))), None)
    if found is None:
        known = ", ".join(f"{x.list_id} {x.name}" for x in lists) or "-"
        raise InputError(
            "no_list", tr("There is no list “{name}” here; there are: {known}.", name=name or "", known=known)
        )
    return found


def _readers_named(known: tuple[Reader, ...], names: list[str]) -> tuple[Reader, ...]:
    missing = [name for name in names if name not in {r.name for r in known}]
    if missing:
        raise InputError("no_reader", tr("“{name}” has graded no exam of this list.", name=missing[0]))
    return tuple(r for r in known if not names or r.name in names)


@store_cli.command("backup", help=tr("Copy the worklist's file now, checked, beside the daily backups."))
def back_up(store: Where = None) -> None:
    """Make a backup."""
    from hyrisk_desktop.worklist.records import now

    with opened_store(store) as opened:
        label = now().replace(":", "").replace(".", "")
        made = opened.database.back_up(label=label)
    if made is None:
        raise StoreError("not_a_file", tr("A PostgreSQL worklist is backed up with PostgreSQL's own tools (pg_dump)."))
    typer.echo(tr("Backed up to {path}", path=made))


@store_cli.command(
    "restore", help=tr("Bring back the newest sound backup; the present file is kept under another name.")
)
def restore(store: Where = None) -> None:
    """Restore the newest sound backup."""
    from hyrisk_desktop.worklist.database import restore_backup

    place = _place(store)
    if not isinstance(place, Path):
        raise StoreError(
            "not_a_file", tr("A PostgreSQL worklist is restored with PostgreSQL's own tools (pg_restore).")
        )
    backup = restore_backup(place)
    typer.echo(tr("Restored {name}; the file that was there is kept beside it.", name=backup.name))
