"""Objects of hostile peers through the receiving mode and the outbox: kept or refused, named by hashes, never repeated."""

from __future__ import annotations

import dataclasses
import itertools
import logging
import re
import threading
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from hyrisk_desktop.errors import PacsError
from hyrisk_desktop.exchange.pacs.association import require_pacs
from hyrisk_desktop.exchange.pacs.inbox import Inbox, Refused
from hyrisk_desktop.exchange.pacs.outbox import Outbox, State
from hyrisk_desktop.exchange.pacs.query import is_uid
from hyrisk_desktop.exchange.pacs.sending import send
from hyrisk_desktop.imaging import find_series
from hyrisk_desktop.paths import unfinished_dir
from tests.helpers import hostile
from tests.helpers.hostile import MARK, PLAIN, UID_MARK, Element, Hostile, RawObject, check_sentence
from tests.helpers.orthanc import OUR_TITLE, PASSWORD, Orthanc
from tests.helpers.patience import PATIENCE_S
from tests.helpers.raw_peer import store
from tests.unit.exchange.pacs.conftest import received, unclosed_by_pynetdicom
from tests.unit.exchange.pacs.test_receiving import SCANNER, Heard

_KEPT = re.compile(r"[0-9a-f]{32}/[0-9a-f]{32}\.dcm")


def everything(folder: Path, but: Path) -> dict[str, tuple[int, int]]:
    """Size and time of all that lies in ``folder``, except in ``but`` and in the program's own list of what it writes."""
    own = unfinished_dir()
    lists = {own.parent, own, *own.glob("*.lock"), *own.glob("*.list")}
    places = [p for p in folder.rglob("*") if not p.is_relative_to(but) and p not in lists]
    return {str(p): (p.stat().st_size if p.is_file() else -1, p.stat().st_mtime_ns) for p in places}


def shown_safely(text: str) -> bool:
    """Whether ``text`` is one line without control and bidirectional signs."""
    return text.isprintable() and not re.search("[\u200e\u200f\u202a-\u202e\u2066-\u2069]", text)


@unclosed_by_pynetdicom
def test_what_a_peer_writes_is_kept_or_refused(
    inbox: Inbox, tmp_path: Path, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    cwd = tmp_path / "a" / "b"
    cwd.mkdir(parents=True)
    monkeypatch.chdir(cwd)
    before = everything(tmp_path, inbox.root)
    statuses: list[int] = []
    running = threading.enumerate()
    caplog.set_level(logging.DEBUG)
    with Heard(inbox, [SCANNER]).listening() as heard:
        assoc = heard.association()

        @settings(max_examples=80, deadline=None, derandomize=True, database=None, phases=[Phase.generate])
        @given(hostile.exams())
        def check(exam: Hostile) -> None:
            nonlocal assoc
            for obj in (exam.slice(5), PLAIN.slice(6)):
                files, kept = len(received(inbox)), len(heard.kept)
                status = store(assoc, obj)
                if status is None:
                    # Only the bytes of the command itself can end a connection; the next one is taken.
                    assert len(obj.sop_uid) > 64
                    assoc = heard.association()
                    assert assoc.is_established
                    continue
                statuses.append(status)
                assert len(received(inbox)) - files == len(heard.kept) - kept <= (status == 0)
                if obj.sop_uid.startswith(PLAIN.slice(6).sop_uid):
                    assert status == 0
            assert everything(tmp_path, inbox.root) == before
            for file in received(inbox):
                assert _KEPT.fullmatch(file.relative_to(inbox.root).as_posix())

        check()
        assoc.release()
        assoc.join(PATIENCE_S)
    assert not [t for t in threading.enumerate() if "Acceptor" in t.name and t not in running]
    assert 0 < statuses.count(0) < len(statuses)
    assert heard.refused
    for study in {kept.study for kept in heard.kept}:
        # What was kept is an exam on disk like any other, and no title or name of it is a path.
        assert [file.parent for record in find_series(study) for file in record.files] == [study] * len(
            list(study.iterdir())
        )
    said = caplog.text + "".join(heard.refused) + "".join(capfd.readouterr())
    assert MARK not in said
    assert UID_MARK not in said
    assert not list(Path("/tmp").glob(f"*{MARK}*"))


@pytest.mark.parametrize("name", [b"", b" ", b"\0\0"])
def test_an_object_without_a_name_is_answered(inbox: Inbox, name: bytes) -> None:
    with Heard(inbox, [SCANNER]).listening() as heard:
        assoc = heard.association()
        assert store(assoc, RawObject(name, PLAIN.slice(0).data)) == Refused.NOT_THE_CLASS
        assert store(assoc, PLAIN.slice(0)) == 0x0000
        assoc.release()
        assoc.join(PATIENCE_S)
    assert len(heard.refused) == len(heard.kept) == 1


def with_meta(data: bytes, change: str) -> bytes:
    """A file whose meta group says something else about its encoding, or nothing."""
    if change == "absent":
        return data.replace(b"\x02\0\x10\0UI", b"\x02\0\x13\0UI", 1)
    syntax = b"1.2.840.10008.1.2.1\0"
    changed = {"": syntax, "implicit": b"1.2.840.10008.1.2\0\0\0", "nonsense": MARK.encode().ljust(20, b"\0")}
    return data.replace(syntax, changed[change], 1)


@pytest.fixture
def parcels(tmp_path: Path) -> tuple[Outbox, list[bytes]]:
    """An outbox with all that it took of many hostile objects, and those that it refused."""
    box, refused = Outbox(tmp_path / "outbox"), list[bytes]()
    numbers = itertools.count()
    require_pacs()  # as the program does at its start; pydicom's warnings are errors else
    before = everything(tmp_path, tmp_path / "outbox")

    @settings(max_examples=80, deadline=None, derandomize=True, database=None, phases=[Phase.generate])
    @given(hostile.exams(), st.sampled_from(["", "", "", "implicit", "absent", "nonsense"]))
    def check(exam: Hostile, change: str) -> None:
        data = with_meta(exam.slice(next(numbers)).file(), change)
        try:
            (item,) = box.add("Node", [data])
        except PacsError as e:
            check_sentence(e)
            refused.append(data)
            return
        assert shown_safely(item.patient)
        assert shown_safely(item.kind)
        assert all(map(is_uid, (item.sop_uid, item.sop_class, item.study_uid, item.series_uid)))
        assert box.path_of(item).read_bytes() == data

    check()
    assert everything(tmp_path, tmp_path / "outbox") == before
    return box, refused


def test_the_outbox_takes_what_has_identifiers(parcels: tuple[Outbox, list[bytes]]) -> None:
    box, refused = parcels
    items = box.items()
    assert len(items) > 5
    assert len(refused) > 2
    assert {p.name for p in box.path_of(items[0]).parent.iterdir()} == {
        "outbox.sqlite",
        *(f"{i.id}.dcm" for i in items),
    }
    assert any(MARK in i.patient for i in items), "what a peer wrote is shown, only neutral"


@unclosed_by_pynetdicom
@pytest.mark.parametrize("web", [False, True], ids=["C-STORE", "STOW-RS"])
def test_hostile_objects_are_sent_or_say_why_not(
    web: bool, pacs: Orthanc, parcels: tuple[Outbox, list[bytes]], caplog: pytest.LogCaptureFixture
) -> None:
    box, _ = parcels
    node = dataclasses.replace(pacs.web_node() if web else pacs.node(), name="Node", commitment=False)
    count = len(box.items())
    with caplog.at_level(logging.DEBUG):
        for _ in range(count):
            # Orthanc breaks off at objects that it can't parse; the others must get through nevertheless.
            try:
                send(box, node, OUR_TITLE, password=PASSWORD)
                break
            except PacsError as e:
                check_sentence(e)
    states = Counter(item.state for item in box.items())
    for item in box.items():
        assert (item.state in (State.FAILED, State.WAITING)) == bool(item.reason)
        assert shown_safely(item.reason)
        assert MARK not in item.reason
    arrived = states[State.SENT] + states[State.CONFIRMED]
    assert arrived > 0
    assert len(pacs.get("/instances")) == arrived
    assert MARK not in caplog.text


def test_an_object_at_which_the_node_breaks_off_holds_up_no_other(pacs: Orthanc, tmp_path: Path) -> None:
    """Orthanc ends the connection at a sequence that it can't parse."""
    require_pacs()
    box = Outbox(tmp_path / "outbox")
    poison = dataclasses.replace(PLAIN, elements={"StationName": Element(b"SQ", b"no items here")})
    objects = [poison.slice(0), poison.slice(1), *(PLAIN.slice(z) for z in range(2, 6))]
    items = [box.add("Node", [obj.file()])[0] for obj in objects]
    node = dataclasses.replace(pacs.node(), name="Node", commitment=False)
    for _ in range(3):
        with pytest.raises(PacsError) as failure:
            send(box, node, OUR_TITLE)
        assert failure.value.code == "connection_lost"
    waiting = {item.sop_uid for item in box.items(State.WAITING)}
    assert waiting == {item.sop_uid for item in items[:2]}
    assert len(pacs.get("/instances")) == 4


def test_a_file_that_names_no_encoding_fails_alone(pacs: Orthanc, tmp_path: Path) -> None:
    require_pacs()
    box = Outbox(tmp_path / "outbox")
    for z, change in enumerate(("absent", "")):
        box.add("Node", [with_meta(PLAIN.slice(z).file(), change)])
    send(box, dataclasses.replace(pacs.node(), name="Node", commitment=False), OUR_TITLE)
    assert [item.state for item in box.items()] == [State.FAILED, State.SENT]
