"""A node in this process that answers C-FIND as it should and C-GET as the test wants, byte by byte."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from pydicom.dataset import Dataset
from pynetdicom import AE, evt
from pynetdicom.association import Association
from pynetdicom.events import Event
from pynetdicom.sop_class import (  # type: ignore[attr-defined]
    CTImageStorage,
)
from pynetdicom.sop_class import (
    StudyRootQueryRetrieveInformationModelFind as Find,
)
from pynetdicom.sop_class import (
    StudyRootQueryRetrieveInformationModelGet as Get,
)

from hyrisk_desktop.exchange.pacs.node import Node
from tests.helpers.hostile import RawObject
from tests.helpers.raw_peer import send_get_status, send_store

Lie = Callable[["Peer"], int]
"""Sends what it likes and returns the last status; a negative one for none."""


@dataclass
class Peer:
    """One C-GET that the node answers.

    Attributes:
        asked: the identifier. answers: statuses with which its objects were taken.
    """

    ends: threading.Event
    assoc: Association
    context: int
    asked: Dataset
    answers: list[int | None] = field(default_factory=list)

    def store(self, obj: RawObject, sop_class: str = CTImageStorage) -> None:
        send_store(self.assoc, obj, 1 + len(self.answers), sop_class)
        _, answer = self.assoc.dimse.get_msg(block=True)
        self.answers.append(None if answer is None else int(answer.Status))  # type: ignore[union-attr, arg-type]

    def says(self, status: int) -> None:
        send_get_status(self.assoc, self.context, status, Get)

    @property
    def over(self) -> bool:
        """Whether the other side has ended the connection, or the test has."""
        return not self.assoc.is_established or self.ends.is_set()

    def wait(self, seconds: float) -> None:
        self.ends.wait(seconds)


class LyingNode:
    """Lists ``listed`` for any series."""

    def __init__(self) -> None:
        self.port = 0
        self.ends = threading.Event()
        self.begin(())

    def begin(self, listed: Sequence[str]) -> None:
        """Forget the last test; its connections end."""
        self.ends.set()
        self.listed, self.lie = listed, _nothing
        self.finds: Callable[[Event], Iterator[tuple[int, Dataset | None]]] | None = None
        self.answers: list[int | None] = []
        self.ends = threading.Event()

    @property
    def node(self) -> Node:
        return Node("Liar", "LIAR", "127.0.0.1", self.port)

    def find(self, event: Event) -> Iterator[tuple[int, Dataset | None]]:
        if self.finds is not None:
            yield from self.finds(event)
            return
        for uid in self.listed:
            answer = Dataset()
            answer.QueryRetrieveLevel, answer.SOPInstanceUID = "IMAGE", uid
            answer.SeriesInstanceUID = event.identifier.SeriesInstanceUID
            yield 0xFF00, answer

    def get(self, event: Event) -> Iterator[Any]:
        peer = Peer(self.ends, event.assoc, event.context.context_id, event.identifier, self.answers)
        status = self.lie(peer)
        if status >= 0 and not peer.over:
            peer.says(status)
        # The library must not answer as well.
        peer.wait(0.05 if status >= 0 else 20)
        event.assoc.abort()
        yield 0


def _nothing(_: Peer) -> int:
    return 0


@contextmanager
def running() -> Iterator[LyingNode]:
    """A node that listens within the block."""
    liar = LyingNode()
    ae = AE("LIAR")
    ae.acse_timeout = ae.dimse_timeout = ae.network_timeout = 20
    ae.maximum_pdu_size = 0
    ae.add_supported_context(Find)
    ae.add_supported_context(Get)
    ae.add_supported_context(CTImageStorage, "1.2.840.10008.1.2.1", scu_role=True, scp_role=True)
    handlers = [(evt.EVT_C_FIND, liar.find), (evt.EVT_C_GET, liar.get)]
    server = ae.start_server(("127.0.0.1", 0), block=False, evt_handlers=handlers)  # type: ignore[arg-type]
    assert server is not None
    liar.port = server.server_address[1]
    try:
        yield liar
    finally:
        liar.ends.set()
        ae.shutdown()
