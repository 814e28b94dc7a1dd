"""A client of a Dask cluster, for bulk scoring and training alike: TLS, private names of tasks, lost workers.

Dask shows the names of tasks in its dashboard, so they are numbered and tell nothing of whom they are about.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hyrisk_desktop.errors import InputError
from hyrisk_desktop.i18n import tr

_ANSWER_S = 10


class WorkerLost(Exception):
    """Every worker that was given a call has gone."""


@dataclass(frozen=True, slots=True)
class Cluster:
    """Where the scheduler is, and the PEM files of a cluster that speaks TLS (all three, or none)."""

    address: str
    tls_ca: Path | None = None
    tls_cert: Path | None = None
    tls_key: Path | None = None

    def connect(self) -> Any:
        """A client of the scheduler; closes as a context manager.

        Raises:
            InputError: dask.distributed is missing, no scheduler answers, or the PEM files and the address don't fit.
        """
        try:
            from distributed import Client, Security
            from distributed.comm import get_address_host_port
        except ImportError as e:
            raise InputError("no_dask", tr("--scheduler needs dask.distributed; install the extra [cluster].")) from e
        files = (self.tls_ca, self.tls_cert, self.tls_key)
        security = None
        if any(files) or self.address.startswith("tls:"):
            if not (all(files) and self.address.startswith("tls:")):
                message = tr(
                    "TLS needs --tls-ca, --tls-cert and --tls-key together, and an address that starts with tls://."
                )
                raise InputError("tls", message)
            if missing := [file.name for file in files if file is not None and not file.is_file()]:
                raise InputError("tls", tr("{name} doesn't exist.", name=missing[0]))
            ca, cert, key = map(str, files)
            security = Security(tls_ca_file=ca, tls_client_cert=cert, tls_client_key=key, require_encryption=True)
        try:
            # A client of an address without a port would go on for 20 s after it has failed, and end with a traceback.
            get_address_host_port(self.address)
            return Client(self.address, timeout=_ANSWER_S, set_as_default=False, security=security)
        except (OSError, ValueError, RuntimeError, TypeError) as e:
            raise InputError("no_scheduler", tr("No Dask scheduler answers at “{where}”.", where=self.address)) from e


class Tasks:
    """Submits calls under numbered names.

    Args:
        client: of `Cluster.connect`.
        kind: of work, for the names.
        gpu: a worker must offer the resource ``GPU``.
        retries: on how many other workers a call is tried whose worker was lost.
    """

    def __init__(self, client: Any, kind: str, *, gpu: bool, retries: int) -> None:
        self._client, self._retries = client, retries
        self._resources = {"GPU": 1} if gpu else {}
        self._name, self._number = f"hyrisk-{kind}-{secrets.token_hex(8)}", 0

    def submit(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """The future of ``function(*arguments)`` on a worker."""
        self._number += 1
        return self._client.submit(
            function, *arguments,
            key=f"{self._name}-{self._number}", resources=self._resources, retries=self._retries, pure=False,
        )  # fmt: skip

    @staticmethod
    def answer(future: Any) -> Any:
        """What a call that is done has returned; what it raised is raised here.

        Raises:
            WorkerLost: every worker that tried it has gone. InputError: the scheduler has.
        """
        if future.status == "error" and type(future.exception()).__name__ == "KilledWorker":
            raise WorkerLost
        if future.status not in ("error", "finished"):
            raise InputError("scheduler_lost", tr("The scheduler was lost. The same command goes on where it stopped."))
        return future.result()
