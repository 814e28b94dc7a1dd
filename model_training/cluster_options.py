"""The options that send folds to a Dask cluster, for every command that trains."""

from __future__ import annotations

import argparse
from pathlib import Path

from hyrisk_desktop.dask_client import Cluster
from hyrisk_desktop.errors import InputError
from hyrisk_desktop.i18n import tr


def add_cluster_options(parser: argparse.ArgumentParser) -> None:
    """``--scheduler`` and the PEM files of TLS."""
    parser.add_argument(
        "--scheduler",
        default="",
        metavar="ADDRESS",
        help=tr("a Dask scheduler, tcp:// or tls://; its workers see the same disk"),
    )
    parser.add_argument("--tls-ca", type=Path, metavar="PEM", help=tr("certificate authority of the cluster"))
    parser.add_argument("--tls-cert", type=Path, metavar="PEM", help=tr("this client's certificate"))
    parser.add_argument("--tls-key", type=Path, metavar="PEM", help=tr("this client's key"))


def cluster_of(arguments: argparse.Namespace) -> Cluster | None:
    """The cluster that was named, or None.

    Raises:
        InputError: PEM files without a scheduler.
    """
    files = (arguments.tls_ca, arguments.tls_cert, arguments.tls_key)
    if arguments.scheduler:
        return Cluster(arguments.scheduler, *files)
    if any(files):
        raise InputError("tls", tr("--tls-ca, --tls-cert and --tls-key need --scheduler."))
    return None
