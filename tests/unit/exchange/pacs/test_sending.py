"""Sending to a real PACS: each object once, confirmed where the PACS confirms, and nothing lost on the way."""

from __future__ import annotations

import io
import sqlite3
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from pydicom import Dataset, dcmread
from pynetdicom import AE, evt
from pynetdicom.association import Association
from pynetdicom.dimse_messages import N_ACTION_RSP  # type: ignore[attr-defined]
from pynetdicom.events import Event
from pynetdicom.sop_class import (  # type: ignore[attr-defined]
    StorageCommitmentPushModel,
    StorageCommitmentPushModelInstance,
)

from hyrisk_desktop.errors import Cancelled, PacsError
from hyrisk_desktop.exchange.pacs import outbox as outbox_module
from hyrisk_desktop.exchange.pacs.inbox import Inbox
from hyrisk_desktop.exchange.pacs.node import Node
from hyrisk_desktop.exchange.pacs.outbox import Item, Outbox, State
from hyrisk_desktop.exchange.pacs.receiver import Confirmation, Receiver
from hyrisk_desktop.exchange.pacs.sending import send
from hyrisk_desktop.jobs import CancelToken
from tests.helpers.exams import write_exam
from tests.helpers.orthanc import OUR_TITLE, PASSWORD, Orthanc
from tests.helpers.patience import PATIENCE_S
from tests.unit.exchange.pacs.conftest import unclosed_by_pynetdicom


@pytest.fixture
def outbox(tmp_path: Path) -> Outbox:
    return Outbox(tmp_path / "outbox")


@pytest.fixture
def objects(tmp_path: Path) -> list[bytes]:
    return [f.read_bytes() for f in sorted(write_exam(tmp_path / "exam", 5, count=8).rglob("*.dcm"))]


@pytest.fixture
def receiver(pacs: Orthanc, inbox: Inbox, outbox: Outbox) -> Receiver:
    return Receiver(OUR_TITLE, "127.0.0.1", pacs.own_port, inbox, on_confirmed=outbox.report)


def states(outbox: Outbox) -> list[str]:
    return [str(i.state) for i in outbox.items()]


def test_sent_and_confirmed(pacs: Orthanc, outbox: Outbox, objects: list[bytes], receiver: Receiver) -> None:
    outbox.add("PACS", objects)
    assert states(outbox) == ["waiting"] * 8
    steps: list[tuple[int, int]] = []
    send(outbox, pacs.node(), OUR_TITLE, receiver=receiver, progress=lambda a, b: steps.append((a, b)))
    assert states(outbox) == ["confirmed"] * 8
    assert pacs.instances == 8
    assert steps[-1] == (8, 8)
    assert not list(outbox._root.glob("*.dcm")), "what is confirmed need not be kept"
    stored = {ds.SOPInstanceUID: ds for ds in (dcmread(io.BytesIO(data)) for data in objects)}
    for instance in pacs.get("/instances"):
        ds = dcmread(io.BytesIO(pacs.ask("GET", f"/instances/{instance}/file")))
        assert ds == stored[ds.SOPInstanceUID]


def test_sent_by_dicomweb(pacs: Orthanc, outbox: Outbox, objects: list[bytes]) -> None:
    outbox.add("PACS web", objects)
    send(outbox, pacs.web_node(), OUR_TITLE, password=PASSWORD)
    assert states(outbox) == ["confirmed"] * 8
    assert pacs.instances == 8


def test_without_a_place_to_hear_it_sent_is_as_far_as_it_goes(
    pacs: Orthanc, outbox: Outbox, objects: list[bytes], receiver: Receiver
) -> None:
    outbox.add("PACS", objects[:2])
    send(outbox, pacs.node(), OUR_TITLE, wait_s=0.2)
    assert states(outbox) == ["sent"] * 2
    # Asked again the next time, and heard then.
    send(outbox, pacs.node(), OUR_TITLE, receiver=receiver)
    assert states(outbox) == ["confirmed"] * 2
    assert pacs.instances == 2


def test_a_node_without_commitment_is_not_asked(pacs: Orthanc, outbox: Outbox, objects: list[bytes]) -> None:
    outbox.add("PACS", objects[:2])
    send(outbox, pacs.node(commitment=False), OUR_TITLE)
    assert states(outbox) == ["sent"] * 2


def test_a_wrong_title_leaves_everything_waiting_with_the_reason(
    pacs: Orthanc, outbox: Outbox, objects: list[bytes], receiver: Receiver
) -> None:
    outbox.add("PACS", objects)
    with pytest.raises(PacsError, match="does not know the AE title"):
        send(outbox, pacs.node(ae_title="WRONG"), OUR_TITLE)
    assert states(outbox) == ["waiting"] * 8
    assert all("AE title" in i.reason for i in outbox.items())
    send(outbox, pacs.node(), OUR_TITLE, receiver=receiver)
    assert states(outbox) == ["confirmed"] * 8


@unclosed_by_pynetdicom
@pytest.mark.parametrize("web", [False, True], ids=["C-STORE", "STOW-RS"])
def test_a_pacs_that_dies_in_the_middle_gets_the_rest_later(
    pacs: Orthanc, outbox: Outbox, objects: list[bytes], receiver: Receiver, web: bool
) -> None:
    node, secret = (pacs.web_node(), PASSWORD) if web else (pacs.node(), None)
    outbox.add(node.name, objects)

    def kill(done: int, _: int) -> None:
        if done == 3:
            pacs.kill()

    with pytest.raises(PacsError):
        send(outbox, node, OUR_TITLE, password=secret, receiver=receiver, progress=kill)
    assert states(outbox).count("waiting") == 5
    assert all(i.reason for i in outbox.items(State.WAITING))
    pacs.start_again()
    # As after a restart of the program.
    again = Outbox(outbox._root)
    send(again, node, OUR_TITLE, password=secret, receiver=receiver)
    assert states(again) == ["confirmed"] * 8
    assert pacs.instances == 8


def test_cancelling_keeps_the_rest_waiting(
    pacs: Orthanc, outbox: Outbox, objects: list[bytes], receiver: Receiver
) -> None:
    outbox.add("PACS", objects)
    token = CancelToken()
    with pytest.raises(Cancelled):
        send(
            outbox, pacs.node(), OUR_TITLE, progress=lambda done, _: token.cancel() if done == 4 else None, cancel=token
        )
    assert states(outbox).count("waiting") == 3
    send(outbox, pacs.node(), OUR_TITLE, receiver=receiver)
    assert states(outbox) == ["confirmed"] * 8
    assert pacs.instances == 8


def test_a_lost_confirmation_is_a_failure_that_can_be_tried_again(
    pacs: Orthanc, outbox: Outbox, objects: list[bytes], receiver: Receiver
) -> None:
    """Somebody deletes an object between sending and asking."""
    outbox.add("PACS", objects[:2])
    send(outbox, pacs.node(commitment=False), OUR_TITLE)
    pacs.ask("DELETE", f"/instances/{pacs.get('/instances')[0]}")
    send(outbox, pacs.node(), OUR_TITLE, receiver=receiver)
    assert sorted(states(outbox)) == ["confirmed", "failed"]
    (failed,) = outbox.items(State.FAILED)
    assert "did not keep it" in failed.reason
    outbox.retry(failed.id)
    send(outbox, pacs.node(), OUR_TITLE, receiver=receiver)
    assert states(outbox) == ["confirmed"] * 2


def test_one_object_is_queued_once_for_a_node(outbox: Outbox, objects: list[bytes]) -> None:
    first = outbox.add("PACS", objects[:1])
    assert outbox.add("PACS", objects[:1]) == first
    assert len(outbox.add("Other", objects[:1])) == 1
    assert len(outbox.items()) == 2


def test_what_is_no_object_is_not_queued(outbox: Outbox, objects: list[bytes]) -> None:
    with pytest.raises(PacsError, match="no complete DICOM object"):
        outbox.add("PACS", [objects[0], b"not DICOM"])
    assert outbox.items() == ()
    assert not list(outbox._root.glob("*.dcm"))


def test_a_damaged_file_fails_and_the_others_go(
    pacs: Orthanc, outbox: Outbox, objects: list[bytes], receiver: Receiver
) -> None:
    items = outbox.add("PACS", objects[:3])
    outbox.path_of(items[1]).write_bytes(b"")
    send(outbox, pacs.node(), OUR_TITLE, receiver=receiver)
    assert states(outbox) == ["confirmed", "failed", "confirmed"]


def test_a_confirmation_where_it_was_asked_for_is_waited_for(
    outbox: Outbox, objects: list[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Some archives report on the association that they were asked on, and call nobody back."""
    (item,) = outbox.add("Archive", objects[:1])
    outbox.sent(item)
    listed, looked, ends = outbox.items, threading.Event(), list[threading.Thread]()

    def items(*states: State, node: str | None = None) -> tuple[Item, ...]:
        if ends:
            looked.set()
        return listed(*states, node=node)

    def report(assoc: Association, asked: Dataset) -> None:
        looked.wait(PATIENCE_S)
        assoc.send_n_event_report(asked, 1, StorageCommitmentPushModel, StorageCommitmentPushModelInstance)

    def committed(event: Event) -> tuple[int, None]:
        ends.append(threading.Thread(target=report, args=(event.assoc, event.action_information)))
        return 0x0000, None

    def answered(event: Event) -> None:
        if isinstance(event.message, N_ACTION_RSP):
            ends[0].start()

    ae = AE("ARCHIVE")
    ae.add_supported_context(StorageCommitmentPushModel)
    handlers = [(evt.EVT_N_ACTION, committed), (evt.EVT_DIMSE_SENT, answered)]
    server = ae.start_server(("127.0.0.1", 0), block=False, evt_handlers=handlers)  # type: ignore[arg-type]
    assert server is not None
    monkeypatch.setattr(outbox, "items", items)
    try:
        send(outbox, Node("Archive", "ARCHIVE", "127.0.0.1", server.server_address[1]), OUR_TITLE)
    finally:
        looked.set()
        for thread in ends:
            thread.join()
        ae.shutdown()
    assert states(outbox) == ["confirmed"]


def test_reports_about_something_else_change_nothing(outbox: Outbox, objects: list[bytes]) -> None:
    (item,) = outbox.add("PACS", objects[:1])
    outbox.sent(item)
    outbox.asked([item], "1.2.3")
    outbox.report(Confirmation("1.2.4", (item.sop_uid,)))
    assert states(outbox) == ["sent"]
    outbox.report(Confirmation("1.2.3", (item.sop_uid,)))
    assert states(outbox) == ["confirmed"]


def test_done_rows_are_forgotten_after_a_week(
    outbox: Outbox, objects: list[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    old, new, waiting = outbox.add("PACS", objects[:3])
    long_ago = (datetime.now(UTC) - timedelta(days=8)).isoformat()
    with monkeypatch.context() as past:
        past.setattr(outbox_module, "_now", lambda: long_ago)
        outbox.sent(old)
        outbox.waits(waiting, "")
    outbox.sent(new)
    outbox.tidy()
    assert [i.id for i in outbox.items()] == [new.id, waiting.id]
    assert outbox.path_of(waiting).exists()
    assert not outbox.path_of(old).exists()


def test_a_damaged_table_is_one_sentence(outbox: Outbox, objects: list[bytes]) -> None:
    outbox.add("PACS", objects[:1])
    (outbox._root / "outbox.sqlite").write_bytes(b"no database at all, but long enough to look like one" * 30)
    with pytest.raises(PacsError, match="can't be read or written"):
        outbox.items()


def test_a_crash_between_row_and_file_leaves_neither(
    outbox: Outbox, objects: list[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path, data: bytes) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(outbox_module, "_write", full)
    with pytest.raises(PacsError):
        outbox.add("PACS", objects[:2])
    monkeypatch.undo()
    assert outbox.items() == ()
    with sqlite3.connect(outbox._root / "outbox.sqlite") as table:
        assert table.execute("SELECT count(*) FROM objects").fetchone() == (0,)
    table.close()
