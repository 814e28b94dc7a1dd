"""Retrieval from a node that lies: only what was asked for is kept, and every lie ends with one sentence."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
from pydicom.dataset import Dataset
from pynetdicom.events import Event

from hyrisk_desktop.errors import PacsError
from hyrisk_desktop.exchange.pacs import association, find
from hyrisk_desktop.exchange.pacs import retrieve as retrieve_module
from hyrisk_desktop.exchange.pacs.find import DimseArchive
from hyrisk_desktop.exchange.pacs.inbox import Inbox, Refused
from hyrisk_desktop.exchange.pacs.query import Query, SeriesMatch
from hyrisk_desktop.exchange.pacs.retrieve import Retrieved, retrieve
from tests.helpers import lying_node
from tests.helpers.hostile import MARK, PLAIN, Element, Hostile, RawObject
from tests.helpers.lying_node import LyingNode, Peer
from tests.helpers.orthanc import OUR_TITLE
from tests.helpers.raw_peer import send_find_answer
from tests.unit.exchange.pacs.conftest import received, unclosed_by_pynetdicom

# The library's own thread may stumble over an abort that meets an answer under way; the association ends all the same.
pytestmark = pytest.mark.filterwarnings(
    "ignore:unclosed <:ResourceWarning",
    r"ignore:Exception in thread Thread-\d+ .run_reactor.:pytest.PytestUnhandledThreadExceptionWarning",
)
ASKED = Hostile({}, {"StudyInstanceUID": b"1.2.31", "SeriesInstanceUID": b"1.2.32", "SOPInstanceUID": b"1.2.33"})
# A sequence whose item does not end: pydicom can't decode a data set with it.
_ENDLESS_ITEM = b"\x08\0\x40\x11\xff\xff\xff\xff\xfe\xff\0\xe0\xff\xff\xff\xff\x01"
OBJECTS = [ASKED.slice(z) for z in range(4)]
SERIES = SeriesMatch("1.2.31", "1.2.32", "CT", instances=4)


def other(keyword: str, value: bytes) -> RawObject:
    """One of the objects asked for, with another identifier."""
    return replace(ASKED, uids={**ASKED.uids, keyword: value}).slice(1)


@pytest.fixture(scope="module")
def listening() -> Iterator[LyingNode]:
    with lying_node.running() as node:
        yield node


@pytest.fixture
def liar(listening: LyingNode, monkeypatch: pytest.MonkeyPatch) -> Iterator[LyingNode]:
    monkeypatch.setattr(association, "ANSWER_S", 1.0)
    monkeypatch.setattr(retrieve_module, "_MOST_IDLE", 20)
    listening.begin([o.sop_uid.decode() for o in OBJECTS])
    yield listening
    listening.ends.set()


def fetch(liar: LyingNode, inbox: Inbox) -> Retrieved:
    return retrieve(liar.node, OUR_TITLE, [SERIES], inbox, pause_s=0.05)


def all_of(peer: Peer) -> int:
    for obj in OBJECTS:
        peer.store(obj)
    return 0


def test_an_honest_answer_arrives(liar: LyingNode, inbox: Inbox) -> None:
    liar.lie = all_of
    result = fetch(liar, inbox)
    assert (result.arrived, result.missing, result.reasons) == (4, 0, ())
    assert len(received(inbox)) == 4


@pytest.mark.parametrize("listing", [True, False], ids=["listed", "as a whole"])
@pytest.mark.parametrize(
    "stray",
    [
        PLAIN.slice(0),
        other("StudyInstanceUID", b"1.2.99"),
        other("SeriesInstanceUID", b"1.2.99"),
        other("SeriesInstanceUID", b"../../../../tmp/" + MARK.encode()),
        other("SOPInstanceUID", b"../../../../tmp/" + MARK.encode()),
        RawObject(b"", OBJECTS[0].data),
        RawObject(b"1.2.98", OBJECTS[0].data),
        RawObject(OBJECTS[0].sop_uid, b""),
    ],
    ids=["another patient", "another study", "another series", "path as series", "path as object", "no name", "a false name", "nothing"],
)  # fmt: skip
def test_what_was_not_asked_for_is_refused(liar: LyingNode, inbox: Inbox, stray: RawObject, listing: bool) -> None:
    def lie(peer: Peer) -> int:
        peer.store(stray)
        return all_of(peer)

    liar.lie = lie
    liar.listed = liar.listed if listing else ()
    result = fetch(liar, inbox)
    assert liar.answers[0] not in (0, None)
    assert liar.answers[1:] == [0] * 4
    assert (result.arrived, result.missing) == (4, 0)
    assert sorted(received(inbox)) == sorted(inbox.path_of("1.2.31", o.sop_uid.decode()) for o in OBJECTS)
    assert all(MARK not in reason and "\n" not in reason for reason in result.reasons)


def test_an_object_that_was_not_listed_is_refused(liar: LyingNode, inbox: Inbox) -> None:
    def lie(peer: Peer) -> int:
        peer.store(ASKED.slice(7))
        return all_of(peer)

    liar.lie = lie
    assert fetch(liar, inbox).reasons == ("An object that nobody asked for was refused.",)
    assert liar.answers == [Refused.NOT_AUTHORISED, 0, 0, 0, 0]


def test_the_same_object_twice_is_kept_once(liar: LyingNode, inbox: Inbox) -> None:
    def lie(peer: Peer) -> int:
        all_of(peer)
        return all_of(peer)

    liar.lie = lie
    result = fetch(liar, inbox)
    assert (result.arrived, result.missing) == (4, 0)
    assert len(received(inbox)) == 4


def test_another_patient_under_the_same_names_is_refused(liar: LyingNode, inbox: Inbox) -> None:
    def lie(peer: Peer) -> int:
        all_of(peer)
        peer.store(replace(ASKED, elements={"PatientID": Element(b"LO", MARK.encode())}).slice(1))
        return 0

    liar.lie = lie
    result = fetch(liar, inbox)
    assert liar.answers[-1] == Refused.DUPLICATE
    assert all(MARK not in reason for reason in result.reasons)
    assert not any(MARK.encode() in file.read_bytes() for file in received(inbox))


@pytest.mark.parametrize(
    "stray",
    [PLAIN.slice(0), OBJECTS[0], RawObject(OBJECTS[0].sop_uid, b"")],
    ids=["unasked", "the same again", "empty"],
)
def test_an_endless_stream_is_ended(liar: LyingNode, inbox: Inbox, stray: RawObject) -> None:
    def lie(peer: Peer) -> int:
        while not peer.over:
            peer.store(stray)
        return -1

    liar.lie = lie
    with pytest.raises(PacsError) as failure:
        fetch(liar, inbox)
    assert failure.value.code == "flooded"
    assert len(received(inbox)) <= 1


def test_an_endless_stream_of_a_class_that_was_not_agreed_on_is_ended(liar: LyingNode, inbox: Inbox) -> None:
    """The library refuses these by itself, and asks nobody."""

    def lie(peer: Peer) -> int:
        from tests.helpers import raw_peer

        context = next(
            c.context_id for c in peer.assoc.accepted_contexts if c.abstract_syntax != raw_peer.CTImageStorage
        )
        while not peer.over:
            raw_peer.send_store_on(peer.assoc, context, OBJECTS[0])
            peer.assoc.dimse.get_msg(block=True)
        return -1

    liar.lie = lie
    with pytest.raises(PacsError) as failure:
        fetch(liar, inbox)
    assert failure.value.code == "flooded"


def test_a_node_that_only_promises_is_given_up(liar: LyingNode, inbox: Inbox, monkeypatch: pytest.MonkeyPatch) -> None:
    def lie(peer: Peer) -> int:
        while not peer.over:
            peer.says(0xFF00)
            peer.wait(0.05)
        return -1

    liar.lie = lie
    monkeypatch.setattr(retrieve_module, "_STALL_S", 0.7)
    with pytest.raises(PacsError) as failure:
        fetch(liar, inbox)
    assert failure.value.code == "stalled"


def test_a_node_that_never_answers_is_given_up(liar: LyingNode, inbox: Inbox) -> None:
    liar.lie = lambda _: -1
    with pytest.raises(PacsError) as failure:
        fetch(liar, inbox)
    assert failure.value.code == "connection_lost"


@pytest.mark.parametrize(
    "status", [0xA701, 0xA702, 0xA801, 0xA900, 0xC000, 0xCFFF, 0x0122, 0x0124, 0xFE00, 0x1234, 0xFFFF, 0x0002]
)
def test_an_end_that_is_none_is_told(liar: LyingNode, inbox: Inbox, status: int) -> None:
    """What came before it is kept."""

    def lie(peer: Peer) -> int:
        peer.store(OBJECTS[0])
        return status

    liar.lie = lie
    with pytest.raises(PacsError) as failure:
        fetch(liar, inbox)
    assert failure.value.code == "status"
    assert failure.value.message.endswith(".")
    assert len(received(inbox)) == 1


@pytest.mark.parametrize("status", [0x0000, 0xB000, 0xB007, 0x0001, 0x0107])
def test_an_end_that_promises_more_than_came_counts_what_is_missing(liar: LyingNode, inbox: Inbox, status: int) -> None:
    def lie(peer: Peer) -> int:
        peer.store(OBJECTS[0])
        return status

    liar.lie = lie
    result = fetch(liar, inbox)
    assert (result.arrived, result.missing) == (1, 3)


def test_a_search_without_end_ends(liar: LyingNode, monkeypatch: pytest.MonkeyPatch) -> None:
    def endless(_: Event) -> Iterator[tuple[int, Dataset | None]]:
        while not liar.ends.is_set():
            answer = Dataset()
            answer.PatientName = MARK
            yield 0xFF00, answer

    liar.finds = endless
    monkeypatch.setattr(find, "LIMIT", 20)
    assert DimseArchive(liar.node, OUR_TITLE).find_studies(Query(patient_id="X")) == ()


def test_a_search_with_answers_that_are_none_ends(liar: LyingNode, monkeypatch: pytest.MonkeyPatch) -> None:
    def endless(event: Event) -> Iterator[tuple[int, Dataset | None]]:
        while event.assoc.is_established and not liar.ends.is_set():
            context, model = event.context.context_id, str(event.context.abstract_syntax)
            send_find_answer(event.assoc, context, event.request.MessageID, model, _ENDLESS_ITEM)  # type: ignore[union-attr]
            liar.ends.wait(0.01)
        yield 0x0000, None

    liar.finds = endless
    monkeypatch.setattr(find, "LIMIT", 20)
    assert DimseArchive(liar.node, OUR_TITLE).find_studies(Query(patient_id="X")) == ()


@unclosed_by_pynetdicom
def test_a_search_that_is_never_answered_ends(liar: LyingNode) -> None:
    def silent(_: Event) -> Iterator[tuple[int, Dataset | None]]:
        liar.ends.wait(20)
        yield 0x0000, None

    liar.finds = silent
    with pytest.raises(PacsError) as failure:
        DimseArchive(liar.node, OUR_TITLE).find_studies(Query(patient_id="X"))
    assert failure.value.code == "connection_lost"


def test_a_node_that_lists_no_images_is_asked_for_the_whole_series(liar: LyingNode, inbox: Inbox) -> None:
    """Not a lie, but many nodes' habit; what comes a second time is known, and not missing."""
    liar.listed, liar.lie = (), all_of
    first = fetch(liar, inbox)
    assert (first.arrived, first.already, first.missing) == (4, 0, 0)
    again = fetch(liar, inbox)
    assert (again.arrived, again.already, again.missing) == (0, 4, 0)
