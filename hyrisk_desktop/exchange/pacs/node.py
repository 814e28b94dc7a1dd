"""A node: a PACS or another system on the hospital's network, as the user describes it. Never with a password."""

from __future__ import annotations

import dataclasses
import ipaddress
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any
from urllib.parse import urlsplit

from hyrisk_desktop.errors import InputError
from hyrisk_desktop.i18n import tr

# PS3.5 6.2, AE: 16 characters of the default repertoire without backslash and control characters; spaces around don't count.
_AE_TITLE = re.compile(r"[!-\[\]-~](?:[ -\[\]-~]{0,14}[!-\[\]-~])?")
_HOST = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?")


class Retrieval(StrEnum):
    """How a DIMSE node hands out images."""

    GET = "get"
    MOVE = "move"


@dataclass(frozen=True, slots=True)
class Node:
    """One row of the settings.

    Attributes:
        name: what the user calls it; unique among the nodes.
        ae_title, host, port: for DIMSE. own_ae_title: what this program calls itself there; "" for the usual one.
        url: root of a DICOMweb service; then the attributes above are not used.
        retrieval: C-GET or C-MOVE.
        tls: encrypt. ca_file: certificates to trust, "" for the system's. certificate, key: this program's own, PEM files.
        user: for DICOMweb; the password, or a token where there is no user, is in the system's keyring.
        commitment: ask whether what was sent has been stored for good.
        addresses: where it may send from, beside ``host``; names, addresses or networks such as ``10.1.2.0/24``.
    """

    name: str
    ae_title: str = ""
    host: str = ""
    port: int = 104
    own_ae_title: str = ""
    url: str = ""
    retrieval: Retrieval = Retrieval.GET
    tls: bool = False
    ca_file: str = ""
    certificate: str = ""
    key: str = ""
    user: str = ""
    commitment: bool = True
    addresses: tuple[str, ...] = field(default=())

    @property
    def is_web(self) -> bool:
        """Whether it is asked by DICOMweb."""
        return bool(self.url)

    def check(self) -> None:
        """Refuse what could never work, with one sentence.

        Raises:
            InputError: a value is missing or out of range.
        """
        if not self.name.strip():
            raise _bad(tr("Give the node a name."))
        if self.is_web:
            self._check_url()
        else:
            check_ae_title(self.ae_title)
            check_host(self.host)
            check_port(self.port)
            if self.own_ae_title:
                check_ae_title(self.own_ae_title)
        if bool(self.certificate) != bool(self.key):
            raise _bad(tr("A certificate needs its key file, and a key its certificate."))
        for address in self.addresses:
            check_address(address)

    def _check_url(self) -> None:
        try:
            parts = urlsplit(self.url)
            known = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0
        except ValueError:
            known = False
        if not known:
            raise _bad(tr("The DICOMweb address must begin with https:// or http:// and name a host."))
        if parts.username or parts.password:
            raise _bad(tr("Leave user and password out of the address: they have fields of their own."))


def check_ae_title(title: str) -> None:
    """Raise `InputError` unless ``title`` can be an AE title."""
    if not _AE_TITLE.fullmatch(title):
        raise _bad(tr("An AE title has 1 to 16 letters, digits and signs, without backslash."))


def check_host(host: str) -> None:
    """Raise `InputError` unless ``host`` is a name or an address."""
    if not _HOST.fullmatch(host) and not _is_address(host):
        raise _bad(tr("Give the host as a name or an address, without http:// and without the port."))


def check_port(port: int) -> None:
    """Raise `InputError` unless ``port`` is a TCP port."""
    if not 1 <= port <= 65535:
        raise _bad(tr("A port is a number from 1 to 65535."))


def check_address(text: str) -> None:
    """Raise `InputError` unless ``text`` is a host name, an address or a network."""
    try:
        ipaddress.ip_network(text, strict=False)
    except ValueError:
        check_host(text)


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _bad(sentence: str) -> InputError:
    return InputError("bad_node", sentence)


def nodes_of(stored: Sequence[Any]) -> tuple[Node, ...]:
    """The nodes of the settings; rows that can't be one (edited by hand, or of a newer version) are left out."""
    found: dict[str, Node] = {}
    for row in stored:
        try:
            node = Node(
                **{
                    **row,
                    "retrieval": Retrieval(row.get("retrieval", "get")),
                    "addresses": tuple(row.get("addresses", ())),
                }
            )
            node.check()
        except (TypeError, ValueError, AttributeError, InputError):
            continue
        found.setdefault(node.name, node)
    return tuple(found.values())


def stored_nodes(nodes: Sequence[Node]) -> list[dict[str, Any]]:
    """What the settings keep of ``nodes``."""
    return [{**dataclasses.asdict(node), "addresses": list(node.addresses)} for node in nodes]


def with_node(stored: Sequence[Any], node: Node, before: str | None = None) -> list[Any]:
    """What the settings keep once ``node`` is added, or is what the node ``before`` became; all other rows stay as they are."""
    row = stored_nodes([node])[0]
    place = next(
        (i for i, other in enumerate(stored) if _name_of(other) in (before or node.name, node.name)), len(stored)
    )
    rest = [None if _name_of(other) in {before, node.name} - {None} else other for other in stored]
    changed = [*rest[:place], row, *rest[place:]]
    return [other for other in changed if other is not None]


def without_node(stored: Sequence[Any], name: str) -> list[Any]:
    """What the settings keep once the node ``name`` is removed; all other rows stay, also those that can't be used here."""
    return [other for other in stored if _name_of(other) != name]


def _name_of(row: Any) -> Any:
    return row.get("name") if isinstance(row, dict) else None
