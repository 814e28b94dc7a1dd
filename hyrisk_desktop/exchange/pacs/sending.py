"""Sends what waits in the outbox by C-STORE or STOW-RS, and asks whether it has been stored for good."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from hyrisk_desktop.errors import PacsError
from hyrisk_desktop.exchange.pacs.association import associate, lost, require_pacs, status_text
from hyrisk_desktop.exchange.pacs.classes import PLAIN_SYNTAXES
from hyrisk_desktop.exchange.pacs.inbox import Refused
from hyrisk_desktop.exchange.pacs.node import Node
from hyrisk_desktop.exchange.pacs.outbox import MOST_ASKED, Item, Outbox, State
from hyrisk_desktop.exchange.pacs.receiver import Receiver, confirmation_of
from hyrisk_desktop.i18n import tr
from hyrisk_desktop.imaging.headers.damage import parsing_errors
from hyrisk_desktop.jobs import CancelToken, Progress, no_progress

if TYPE_CHECKING:
    from pydicom.dataset import Dataset
    from pynetdicom.association import Association
    from pynetdicom.events import Event

    from hyrisk_desktop.exchange.pacs.web import Web

_WAIT_S = 10.0
_POLL_S = 0.1
# One association proposes at most 128 presentation contexts; a class with its own encoding needs two.
_CLASSES_AT_ONCE = 60


def send(
    outbox: Outbox,
    node: Node,
    own_ae_title: str,
    *,
    password: str | None = None,
    receiver: Receiver | None = None,
    progress: Progress = no_progress,
    cancel: CancelToken | None = None,
    wait_s: float = _WAIT_S,
) -> None:
    """Send all that waits for ``node``; what became of each object stands in the outbox.

    Args:
        own_ae_title: whom the node knows this program as. password: of a DICOMweb node.
        receiver: who hears the node's confirmations; without one they are heard only on the association that asks.
        progress: called as ``progress(objects tried, objects in all)``.
        wait_s: how long to wait for confirmations; those that come later are heard while the receiver listens.

    Raises:
        PacsError: the node can't be reached, or the connection broke off; what was not sent still waits.
        Cancelled: ``cancel`` was set; the same.
    """
    require_pacs()
    # What failed most often goes last: an object at which the node breaks off must not hold up the others for ever.
    waiting = sorted(outbox.items(State.WAITING, node=node.name), key=lambda item: item.attempts)
    try:
        if waiting and node.is_web:
            _send_web(outbox, node, waiting, password, progress, cancel)
        elif waiting:
            _send_dimse(outbox, node, own_ae_title, waiting, progress, cancel)
    except PacsError as e:
        for item in outbox.items(State.WAITING, node=node.name):
            outbox.waits(item, e.message)
        raise
    if not node.is_web and node.commitment:
        _ask_for_confirmation(outbox, node, own_ae_title, receiver, cancel, wait_s)


def _send_web(
    outbox: Outbox,
    node: Node,
    items: Sequence[Item],
    password: str | None,
    progress: Progress,
    cancel: CancelToken | None,
) -> None:
    from hyrisk_desktop.exchange.pacs.web import Web

    with Web(node, password, cancel) as web:
        for done, item in enumerate(items):
            progress(done, len(items))
            if (ds := _read(outbox, item)) is not None:
                _store_web(outbox, web, item, ds)
    progress(len(items), len(items))


def _store_web(outbox: Outbox, web: Web, item: Item, ds: Dataset) -> None:
    try:
        web.store(ds)
    except PacsError as e:
        if e.code not in ("refused", "bad_answer"):
            raise
        outbox.failed(item, e.message)
        return
    outbox.sent(item)
    # DICOMweb has no storage commitment; that the archive lists the object is the nearest to it.
    if web.has(item.study_uid, item.series_uid, item.sop_uid):
        outbox.confirmed(item)


def _send_dimse(
    outbox: Outbox,
    node: Node,
    own_ae_title: str,
    items: Sequence[Item],
    progress: Progress,
    cancel: CancelToken | None,
) -> None:
    from pynetdicom.presentation import build_context

    classes = list(dict.fromkeys(item.sop_class for item in items))
    done = 0
    for at in range(0, len(classes), _CLASSES_AT_ONCE):
        now = classes[at : at + _CLASSES_AT_ONCE]
        mine = [item for item in items if item.sop_class in now]
        encodings = {
            c: {s for i in mine if i.sop_class == c and (s := _syntax(outbox, i))} - set(PLAIN_SYNTAXES) for c in now
        }
        contexts = [build_context(c, list(PLAIN_SYNTAXES)) for c in now]
        contexts += [build_context(c, s) for c, syntaxes in encodings.items() for s in sorted(syntaxes)]
        with associate(node, own_ae_title, contexts, cancel=cancel) as assoc:
            for item in mine:
                if cancel:
                    cancel.raise_if_cancelled()
                progress(done, len(items))
                if (ds := _read(outbox, item)) is not None:
                    _store(outbox, node, assoc, item, ds)
                done += 1
    progress(len(items), len(items))


def _store(outbox: Outbox, node: Node, assoc: Association, item: Item, ds: Dataset) -> None:
    from pynetdicom.status import code_to_category

    try:
        status = assoc.send_c_store(ds)
    except ValueError:
        outbox.failed(item, tr("The node does not take objects of this kind ({kind}).", kind=item.kind))
        return
    except AttributeError:
        # The library's word for a file that does not say how it is encoded, or says it wrongly.
        outbox.failed(item, _damaged())
        return
    except (RuntimeError, OSError) as e:
        raise _lost_at(outbox, node, item) from e
    code = getattr(status, "Status", None)
    if code is None:
        raise _lost_at(outbox, node, item)
    category = code_to_category(code)
    if category in ("Success", "Warning"):
        outbox.sent(item)
    elif code & 0xFF00 == Refused.OUT_OF_RESOURCES:
        outbox.waits(item, tr("The node is out of space or too busy; this is tried again."))
    else:
        outbox.failed(item, tr("The node refused it ({status}).", status=status_text(status)))


def _lost_at(outbox: Outbox, node: Node, item: Item) -> PacsError:
    """The sentence for a connection that broke off; counts against ``item`` once more than against those behind it."""
    error = lost(node)
    outbox.waits(item, error.message)
    return error


def _damaged() -> str:
    return tr("Its file is gone or damaged; make it again.")


def _read(outbox: Outbox, item: Item) -> Dataset | None:
    """The object; None, and failed, where its file is gone or damaged."""
    import pydicom

    try:
        return pydicom.dcmread(outbox.path_of(item))
    except parsing_errors():
        outbox.failed(item, _damaged())
        return None


def _syntax(outbox: Outbox, item: Item) -> str:
    import pydicom.filereader

    try:
        return str(pydicom.filereader.read_file_meta_info(outbox.path_of(item)).TransferSyntaxUID)
    except parsing_errors():  # `_read` tells of it
        return ""


def _ask_for_confirmation(
    outbox: Outbox,
    node: Node,
    own_ae_title: str,
    receiver: Receiver | None,
    cancel: CancelToken | None,
    wait_s: float,
) -> None:
    """Storage commitment (PS3.4 J.3) for what was sent and is not confirmed yet."""
    from pynetdicom import evt
    from pynetdicom.presentation import build_context
    from pynetdicom.sop_class import StorageCommitmentPushModel, StorageCommitmentPushModelInstance  # type: ignore[attr-defined]

    items = [i for i in outbox.items(State.SENT, node=node.name) if i.asked < MOST_ASKED]
    if not items:
        return
    request = _request(items)

    def reported(event: Event) -> tuple[int, None]:
        outbox.report(confirmation_of(event.event_information))
        return 0x0000, None

    hearing = receiver.hearing(node) if receiver is not None else contextlib.nullcontext()
    # The answer may be quicker than the note of the question.
    outbox.asked(items, str(request.TransactionUID))
    handlers = [(evt.EVT_N_EVENT_REPORT, reported)]
    with hearing:
        with associate(
            node, own_ae_title, [build_context(StorageCommitmentPushModel)], handlers=handlers, cancel=cancel
        ) as assoc:
            if not assoc.accepted_contexts:
                outbox.unconfirmable(items)
                return
            status, _ = assoc.send_n_action(request, 1, StorageCommitmentPushModel, StorageCommitmentPushModelInstance)
            if getattr(status, "Status", None) != 0x0000:
                return
            if receiver is None:
                _wait(outbox, items, wait_s, cancel)
        if receiver is not None:
            _wait(outbox, items, wait_s, cancel)


def _request(items: Sequence[Item]) -> Any:
    from pydicom.dataset import Dataset
    from pydicom.uid import generate_uid

    request = Dataset()
    request.TransactionUID = generate_uid()
    request.ReferencedSOPSequence = []
    for item in items:
        reference = Dataset()
        reference.ReferencedSOPClassUID = item.sop_class
        reference.ReferencedSOPInstanceUID = item.sop_uid
        request.ReferencedSOPSequence.append(reference)
    return request


def _wait(outbox: Outbox, items: Sequence[Item], seconds: float, cancel: CancelToken | None) -> None:
    """Until all are reported on, or for so long; without the report they stay sent, and that is no error."""
    ids = {item.id for item in items}
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and any(i.id in ids for i in outbox.items(State.SENT)):
        if cancel:
            cancel.raise_if_cancelled()
        time.sleep(_POLL_S)
