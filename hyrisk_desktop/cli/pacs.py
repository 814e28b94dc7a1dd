"""`hyrisk pacs`: nodes, test, search, retrieval, sending and receiving without a window."""

from __future__ import annotations

import json
import time
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hyrisk_desktop.errors import InputError, PacsError
from hyrisk_desktop.i18n import tr, trn

if TYPE_CHECKING:
    from hyrisk_desktop.exchange.pacs.inbox import Inbox
    from hyrisk_desktop.exchange.pacs.node import Node
    from hyrisk_desktop.exchange.pacs.outbox import Outbox
    from hyrisk_desktop.exchange.pacs.receiver import Receiver
    from hyrisk_desktop.settings import Settings

EXIT_SOME_FAILED = 4
pacs_cli = typer.Typer(no_args_is_help=True, help=tr("Search, retrieve, send and receive; the nodes are the window's."))
NodeName = Annotated[str, typer.Argument(metavar="NODE", help=tr("Name of a node, as in “hyrisk pacs nodes”."))]


def _settings() -> Settings:
    from hyrisk_desktop.cli.worklist import user_settings
    from hyrisk_desktop.exchange.pacs.association import require_pacs

    require_pacs()
    return user_settings()


def _nodes(settings: Settings) -> tuple[Node, ...]:
    from hyrisk_desktop.exchange.pacs.node import nodes_of

    return nodes_of(settings["pacs_nodes"])


def _node(settings: Settings, name: str) -> Node:
    for node in _nodes(settings):
        if node.name == name:
            return node
    raise InputError("no_node", tr("There is no node “{name}”; “hyrisk pacs nodes” lists them.", name=name))


def _secret(node: Node) -> str | None:
    from hyrisk_desktop.exchange.pacs.credentials import secret_of

    return secret_of(node)


@pacs_cli.command("nodes", help=tr("List the nodes."))
def nodes() -> None:
    """One line for each node."""
    for node in _nodes(_settings()):
        where = node.url or f"{node.ae_title} {node.host}:{node.port}{' TLS' if node.tls else ''}"
        typer.echo(f"{node.name}\t{where}")


@pacs_cli.command(
    "add", help=tr("Add a DICOM node (or change the one of that name); others are described in the window.")
)
def add(
    name: Annotated[str, typer.Argument(help=tr("What to call it."))],
    ae_title: Annotated[str, typer.Option(help=tr("Its AE title."))],
    host: Annotated[str, typer.Option(help=tr("Its host name or address."))],
    port: Annotated[int, typer.Option(help=tr("Its port."))],
    move: Annotated[bool, typer.Option("--move", help=tr("Retrieve by C-MOVE instead of C-GET."))] = False,
    tls_ca: Annotated[Path | None, typer.Option(help=tr("Encrypt, and trust this PEM file."))] = None,
) -> None:
    """Keep a node in the settings."""
    from hyrisk_desktop.exchange.pacs.node import Node, Retrieval, with_node

    settings = _settings()
    retrieval = Retrieval.MOVE if move else Retrieval.GET
    ca_file = "" if tls_ca is None else str(tls_ca.resolve())
    node = Node(name, ae_title, host, port, retrieval=retrieval, tls=tls_ca is not None, ca_file=ca_file)
    node.check()
    settings["pacs_nodes"] = with_node(settings["pacs_nodes"], node)


@pacs_cli.command("test", help=tr("Ask a node, or all, whether they answer, and say why not."))
def ask_nodes(node: Annotated[str | None, typer.Argument(metavar="[NODE]")] = None) -> None:
    """C-ECHO or a DICOMweb question."""
    from hyrisk_desktop.exchange.pacs.archive import open_archive

    settings = _settings()
    asked = _nodes(settings) if node is None else (_node(settings, node),)
    if not asked:
        raise InputError("no_node", tr("There are no nodes yet: “hyrisk pacs add”, or File > PACS in the window."))
    failed = 0
    for one in asked:
        began = time.monotonic()
        try:
            with open_archive(one, settings["pacs_ae_title"], _secret(one)) as archive:
                archive.test()
        except PacsError as e:
            failed += 1
            typer.echo(f"BAD  {one.name}\t{e.message}")
        else:
            typer.echo(f"ok   {one.name}\t{1000 * (time.monotonic() - began):.0f} ms")
    raise typer.Exit(EXIT_SOME_FAILED if failed else 0)


@pacs_cli.command("find", help=tr("Search for studies; prints one JSON object for each."))
def find(
    node: NodeName,
    patient_id: Annotated[str, typer.Option(help=tr("Patient ID; * and ? are wildcards."))] = "",
    name: Annotated[str, typer.Option(help=tr("Beginning of the family name."))] = "",
    accession: Annotated[str, typer.Option(help=tr("Accession number."))] = "",
    description: Annotated[str, typer.Option(help=tr("Beginning of the study description."))] = "",
    modality: Annotated[str, typer.Option(help=tr("Empty for any."))] = "CT",
    date_from: Annotated[datetime | None, typer.Option(formats=["%Y-%m-%d"])] = None,
    date_to: Annotated[datetime | None, typer.Option(formats=["%Y-%m-%d"])] = None,
) -> None:
    """C-FIND or QIDO-RS.

    Args:
        node: its name. date_from, date_to: of the study, both included; the rest as `--help` says.
    """
    from hyrisk_desktop.exchange.pacs.archive import open_archive
    from hyrisk_desktop.exchange.pacs.query import Query

    settings = _settings()
    chosen = _node(settings, node)
    first, last = (d.date() if d is not None else None for d in (date_from, date_to))
    query = Query(patient_id, name, accession, description, modality, first, last)
    with open_archive(chosen, settings["pacs_ae_title"], _secret(chosen)) as archive:
        studies = archive.find_studies(query)
    for study in studies:
        typer.echo(json.dumps(asdict(study)))


@pacs_cli.command("get", help=tr("Retrieve a study; goes on where it broke. Prints its folder."))
def get(
    node: NodeName,
    study_uid: Annotated[str, typer.Argument(help=tr("StudyInstanceUID, as “find” prints it."))],
    out: Annotated[Path | None, typer.Option(help=tr("Folder; default: the window's PACS inbox."))] = None,
) -> None:
    """C-GET, C-MOVE or WADO-RS."""
    from hyrisk_desktop.exchange.pacs.archive import open_archive
    from hyrisk_desktop.exchange.pacs.classes import RETRIEVED_MODALITIES
    from hyrisk_desktop.exchange.pacs.inbox import Inbox
    from hyrisk_desktop.exchange.pacs.retrieve import retrieve
    from hyrisk_desktop.paths import inbox_dir

    settings = _settings()
    chosen = _node(settings, node)
    own, secret, inbox = settings["pacs_ae_title"], _secret(chosen), Inbox(out or inbox_dir())
    with open_archive(chosen, own, secret) as archive:
        series = [s for s in archive.find_series(study_uid) if s.modality in RETRIEVED_MODALITIES]
    if not series:
        raise PacsError("nothing", tr("{node} knows no CT series of this study.", node=chosen.name))
    result = retrieve(chosen, own, series, inbox, receiver=_receiver(settings, inbox), password=secret)
    for folder in result.folders:
        typer.echo(str(folder))
    counts = trn(
        "{n} object arrived; here before: {old}.",
        "{n} objects arrived; here before: {old}.",
        result.arrived,
        old=result.already,
    )
    typer.echo(" ".join((counts, *result.reasons)), err=True)
    if result.missing:
        typer.echo(trn("{n} object did not come.", "{n} objects did not come.", result.missing), err=True)
        raise typer.Exit(EXIT_SOME_FAILED)


@pacs_cli.command("send", help=tr("Send DICOM files, and ask for confirmation where the node gives it."))
def send(
    node: NodeName,
    files: Annotated[list[Path], typer.Argument(exists=True, dir_okay=False, help=tr("DICOM files."))],
) -> None:
    """C-STORE or STOW-RS, by the window's queue; what can't be sent now waits there."""
    from hyrisk_desktop.exchange.pacs.inbox import Inbox
    from hyrisk_desktop.exchange.pacs.outbox import Outbox, State
    from hyrisk_desktop.exchange.pacs.sending import send as send_all
    from hyrisk_desktop.paths import inbox_dir, outbox_dir

    settings = _settings()
    chosen, outbox = _node(settings, node), Outbox(outbox_dir())
    ids = {item.id for item in outbox.add(chosen.name, [file.read_bytes() for file in files])}
    try:
        receiver = _receiver(settings, Inbox(inbox_dir()), outbox)
        send_all(outbox, chosen, settings["pacs_ae_title"], password=_secret(chosen), receiver=receiver)
    finally:
        mine = [item for item in outbox.items() if item.id in ids]
        for item in mine:
            typer.echo(f"{item.state}\t{item.kind}\t{item.sop_uid}\t{item.reason}")
    if any(item.state is State.FAILED for item in mine):
        raise typer.Exit(EXIT_SOME_FAILED)


@pacs_cli.command("receive", help=tr("Receive CT images until Ctrl+C; the window must not be receiving meanwhile."))
def receive(
    seconds: Annotated[float | None, typer.Option(min=0, help=tr("Stop by itself after so long."))] = None,
) -> None:
    """The receiving mode."""
    from hyrisk_desktop.exchange.pacs.inbox import Inbox
    from hyrisk_desktop.paths import inbox_dir

    settings = _settings()
    receiver = _receiver(settings, Inbox(inbox_dir()))
    receiver.start()
    try:
        typer.echo(tr("Listening at port {port}; Ctrl+C stops.", port=receiver.port), err=True)
        end = None if seconds is None else time.monotonic() + seconds
        while end is None or time.monotonic() < end:
            time.sleep(0.2)
    except KeyboardInterrupt:
        pass
    finally:
        receiver.stop()


def _receiver(settings: Settings, inbox: Inbox, outbox: Outbox | None = None) -> Receiver:
    from hyrisk_desktop.exchange.pacs.association import server_context
    from hyrisk_desktop.exchange.pacs.receiver import Receiver, senders_of

    confirmed = (lambda _: None) if outbox is None else outbox.report
    return Receiver(
        settings["pacs_ae_title"], settings["pacs_address"], settings["pacs_port"], inbox, senders_of(_nodes(settings)),
        on_kept=lambda kept: typer.echo(str(kept.path)), on_refused=lambda why: typer.echo(why, err=True), on_confirmed=confirmed,
        tls=server_context(settings["pacs_certificate"], settings["pacs_key"]),
    )  # fmt: skip
