"""DIMSE messages byte by byte over a pynetdicom association: a hostile peer's library checks nothing."""

from __future__ import annotations

import queue
import struct
import time
from collections.abc import Mapping
from contextlib import suppress

from pydicom.uid import CTImageStorage
from pynetdicom.association import Association
from pynetdicom.pdu_primitives import P_DATA

from tests.helpers.hostile import RawObject

C_STORE_RQ, C_GET_RSP, C_FIND_RSP = 0x0001, 0x8010, 0x8020
_CLASS, _COMMAND, _ID, _ANSWERED, _PRIORITY, _HAS_DATA, _STATUS, _INSTANCE = (
    0x0002, 0x0100, 0x0110, 0x0120, 0x0700, 0x0800, 0x0900, 0x1000,
)  # fmt: skip
_NO_DATA = 0x0101
_PATIENCE_S = 20.0


def send(assoc: Association, context: int, command: Mapping[int, int | bytes], data: bytes | None = None) -> None:
    """Send one message: a command set by element number of group 0000, and perhaps a data set."""
    body = b""
    for number, value in sorted(({_HAS_DATA: _NO_DATA if data is None else 1} | dict(command)).items()):
        raw = struct.pack("<H", value) if isinstance(value, int) else value + b"\0" * (len(value) % 2)
        body += struct.pack("<HHI", 0, number, len(raw)) + raw
    body = struct.pack("<HHII", 0, 0, 4, len(body)) + body
    for last_of, part in ((b"\x03", body), (b"\x02", data)):
        if part is not None:
            pdu = P_DATA()
            pdu.presentation_data_value_list = [[context, last_of + part]]
            assoc.dul.send_pdu(pdu)


def send_store(assoc: Association, obj: RawObject, number: int = 1, sop_class: str = CTImageStorage) -> None:
    """A C-STORE request, whatever its identifiers are."""
    context = next(c.context_id for c in assoc.accepted_contexts if c.abstract_syntax == sop_class)
    assert context is not None
    send_store_on(assoc, context, obj, number, sop_class)


def send_store_on(
    assoc: Association, context: int, obj: RawObject, number: int = 1, sop_class: str = CTImageStorage
) -> None:
    """As `send_store`, on any presentation context."""
    names = {_CLASS: sop_class.encode(), _INSTANCE: obj.sop_uid}
    send(assoc, context, {_COMMAND: C_STORE_RQ, _ID: number, _PRIORITY: 0} | names, obj.data)


def send_get_status(assoc: Association, context: int, status: int, model: str) -> None:
    """An answer to the first C-GET of an association."""
    send(assoc, context, {_COMMAND: C_GET_RSP, _ANSWERED: 1, _CLASS: model.encode(), _STATUS: status})


def send_find_answer(assoc: Association, context: int, answered: int, model: str, data: bytes) -> None:
    """A match (Pending) to a C-FIND."""
    send(assoc, context, {_COMMAND: C_FIND_RSP, _ANSWERED: answered, _CLASS: model.encode(), _STATUS: 0xFF00}, data)


def store(assoc: Association, obj: RawObject) -> int | None:
    """Store an object as the association's requestor; the status answered, None where the connection ended."""
    # As `send_c_store` does: the association's own thread must not take the answer.
    assoc._reactor_checkpoint.clear()
    while not assoc._is_paused:
        time.sleep(0.0001)
    send_store(assoc, obj)
    answer = None
    deadline = time.monotonic() + _PATIENCE_S
    while answer is None and time.monotonic() < deadline and not assoc.acse.is_aborted():
        with suppress(queue.Empty):
            _, answer = assoc.dimse.msg_queue.get(timeout=0.05)
    assert answer is not None or assoc.acse.is_aborted(), "no answer, and no end"
    assoc._reactor_checkpoint.set()
    return None if answer is None else int(answer.Status)  # type: ignore[union-attr, arg-type]
