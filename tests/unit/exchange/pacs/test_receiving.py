"""The receiving mode: known senders, CT only, whole objects, and no harm from anything else."""

from __future__ import annotations

import errno
import os
import random
import shutil
import socket
import ssl
import struct
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil
import pytest
from pydicom import Dataset, dcmread
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, MRImageStorage
from pynetdicom import AE
from pynetdicom.association import Association

from hyrisk_desktop.errors import PacsError
from hyrisk_desktop.exchange.pacs import inbox as inbox_module
from hyrisk_desktop.exchange.pacs import listener as listener_module
from hyrisk_desktop.exchange.pacs.inbox import Inbox, Kept, Refused
from hyrisk_desktop.exchange.pacs.listener import Limits
from hyrisk_desktop.exchange.pacs.node import Node
from hyrisk_desktop.exchange.pacs.receiver import Receiver, senders_of
from tests.helpers.exams import write_exam
from tests.helpers.orthanc import OUR_TITLE, Orthanc, make_certificates
from tests.helpers.patience import PATIENCE_S
from tests.unit.exchange.pacs.conftest import Held, received, unclosed_by_pynetdicom

SCANNER = Node("Scanner", "SCANNER", "127.0.0.1")


class Heard:
    """A receiver and all that it told."""

    def __init__(self, inbox: Inbox, nodes: list[Node], **settings: Any) -> None:
        self.kept: list[Kept] = []
        self.refused: list[str] = []
        self.inbox = inbox
        self.receiver = Receiver(
            OUR_TITLE, "127.0.0.1", settings.pop("port", 0), inbox, senders_of(nodes),
            on_kept=self.kept.append, on_refused=self.refused.append, **settings,
        )  # fmt: skip

    @contextmanager
    def listening(self) -> Iterator[Heard]:
        self.receiver.start()
        try:
            yield self
        finally:
            self.receiver.stop()

    def association(self, title: str = "SCANNER", called: str = OUR_TITLE, **tls: Any) -> Association:
        ae = AE(title)
        ae.acse_timeout = ae.dimse_timeout = ae.network_timeout = 20
        ae.add_requested_context(CTImageStorage, ExplicitVRLittleEndian)
        ae.add_requested_context(MRImageStorage, ExplicitVRLittleEndian)
        return ae.associate("127.0.0.1", self.receiver.port, ae_title=called, **tls)

    def store(self, ds: Dataset, title: str = "SCANNER") -> int:
        assoc = self.association(title)
        assert assoc.is_established
        try:
            return int(assoc.send_c_store(ds).Status)
        finally:
            assoc.release()
            assoc.join(PATIENCE_S)


@pytest.fixture
def heard(inbox: Inbox) -> Iterator[Heard]:
    with Heard(inbox, [SCANNER]).listening() as running:
        yield running


@pytest.fixture
def images(tmp_path: Path) -> list[Dataset]:
    return [dcmread(f) for f in sorted(write_exam(tmp_path / "exam", 3, count=6).rglob("*.dcm"))]


def test_the_pacs_pushes_an_exam(pacs: Orthanc, held: Held, inbox: Inbox) -> None:
    with Heard(inbox, [pacs.node()], port=pacs.own_port).listening() as heard:
        pacs.ask("POST", "/modalities/us/store", pacs.get("/studies")[0].encode())
        assert len(heard.kept) == 24
        pacs.ask("POST", "/modalities/us/store", pacs.get("/studies")[0].encode())
        assert len(heard.kept) == 24, "nothing twice"
    assert {str(dcmread(f).SOPInstanceUID) for f in received(inbox)} == held.uids()
    assert heard.refused == []


def test_an_object_is_kept_as_it_came(heard: Heard, images: list[Dataset]) -> None:
    assert heard.store(images[0]) == 0x0000
    (kept,) = heard.kept
    assert dcmread(kept.path) == images[0]
    assert kept.path.is_relative_to(kept.study)
    if os.name == "posix":
        assert kept.study.stat().st_mode & 0o077 == 0


def test_what_was_received_is_known_as_not_listed_until_it_is(heard: Heard, images: list[Dataset]) -> None:
    """The scanner may have deleted its copy: the program may end before a worklist shows this one."""
    assert heard.store(images[0]) == 0x0000
    (kept,) = heard.kept
    again = Inbox(heard.inbox.root)
    assert again.unlisted() == (kept.study,)
    again.unmark([kept.study])
    assert heard.inbox.unlisted() == ()
    assert heard.store(images[0]) == 0x0000
    assert heard.inbox.unlisted() == (), "nothing new"


def test_loopback_only_unless_told_otherwise(heard: Heard) -> None:
    connections = psutil.Process().net_connections("tcp")
    listening = [
        c.laddr.ip for c in connections if c.status == psutil.CONN_LISTEN and c.laddr.port == heard.receiver.port
    ]
    assert listening == ["127.0.0.1"]


def test_a_wrong_name_for_us_is_rejected(heard: Heard) -> None:
    assoc = heard.association(called="SOMEONE")
    assert assoc.is_rejected


def test_an_unknown_title_gets_nothing_in(heard: Heard, images: list[Dataset]) -> None:
    assert heard.store(images[0], title="STRANGER") == Refused.NOT_AUTHORISED
    assert received(heard.inbox) == []
    assert heard.refused


@unclosed_by_pynetdicom
def test_a_known_title_from_another_address_is_turned_away(inbox: Inbox) -> None:
    with Heard(inbox, [Node("Scanner", "SCANNER", "10.1.2.3")]).listening() as heard:
        assoc = heard.association()
        assert not assoc.is_established
        assert heard.refused


def test_title_and_address_must_be_of_the_same_sender(inbox: Inbox, images: list[Dataset]) -> None:
    nodes = [Node("Scanner", "SCANNER", "10.1.2.3"), Node("PACS", "ARCHIVE", "127.0.0.1")]
    with Heard(inbox, nodes).listening() as heard:
        assert heard.store(images[0], title="SCANNER") == Refused.NOT_AUTHORISED
        assert heard.store(images[0], title="ARCHIVE") == 0x0000


def test_nobody_may_send_before_somebody_is_named(inbox: Inbox) -> None:
    with pytest.raises(PacsError, match="Nobody may send"):
        Heard(inbox, [Node("Web", url="https://h/x")]).receiver.start()


def test_a_port_in_use_is_told(inbox: Inbox) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(PacsError, match="can't listen"):
            Heard(inbox, [SCANNER], port=taken.getsockname()[1]).receiver.start()


def test_what_is_not_ct_is_refused(heard: Heard, images: list[Dataset]) -> None:
    assoc = heard.association()
    accepted = {c.abstract_syntax for c in assoc.accepted_contexts}
    assoc.release()
    assoc.join(PATIENCE_S)
    assert accepted == {CTImageStorage}


@pytest.mark.parametrize(
    ("keyword", "value", "status"),
    [
        ("StudyInstanceUID", "../../../tmp/evil", Refused.NOT_THE_CLASS),
        ("StudyInstanceUID", "", Refused.NOT_THE_CLASS),
        ("SeriesInstanceUID", "/etc/passwd", Refused.NOT_THE_CLASS),
        ("SeriesInstanceUID", "1." * 40 + "1", Refused.NOT_THE_CLASS),
        ("PixelData", None, Refused.CANNOT_UNDERSTAND),
    ],
)
@pytest.mark.filterwarnings("ignore:Invalid value for VR UI", "ignore:The value length")
def test_objects_that_are_not_in_order_are_refused(
    heard: Heard, images: list[Dataset], keyword: str, value: str | None, status: int
) -> None:
    if value is None:
        del images[0][keyword]
    else:
        setattr(images[0], keyword, value)
    assert heard.store(images[0]) == status
    assert received(heard.inbox) == []
    assert heard.store(images[1]) == 0x0000, "the next one is taken"


def test_another_image_under_the_same_uid_is_refused(heard: Heard, images: list[Dataset]) -> None:
    assert heard.store(images[0]) == 0x0000
    images[0].PatientID = "SOMEBODY-ELSE"
    assert heard.store(images[0]) == Refused.DUPLICATE
    (file,) = received(heard.inbox)
    assert dcmread(file).PatientID == "P003"


def test_a_corrected_name_is_no_other_image(heard: Heard, images: list[Dataset]) -> None:
    assert heard.store(images[0]) == 0x0000
    images[0].PatientName = "Corrected^Name"
    assert heard.store(images[0]) == 0x0000
    assert len(heard.kept) == 1


def test_a_full_disk_keeps_what_is_there_and_leaves_no_halves(
    heard: Heard, images: list[Dataset], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk fills in the middle of the third object; with room again, the rest comes."""
    room = 2.5 * images[0].Rows * images[0].Columns * 2

    class FullDisk:
        def __init__(self, path: Path) -> None:
            self._stream = open(path, "xb")  # noqa: SIM115

        def __enter__(self) -> FullDisk:
            return self

        def __exit__(self, *_: object) -> None:
            self._stream.close()

        def write(self, data: bytes) -> int:
            nonlocal room
            self._stream.write(data[: max(0, int(room))])
            room -= len(data)
            if room < 0:
                raise OSError(errno.ENOSPC, "No space left on device")
            return len(data)

    real_open = open
    monkeypatch.setattr(
        inbox_module,
        "open",
        lambda path, mode: FullDisk(path) if mode == "xb" else real_open(path, mode),
        raising=False,
    )
    statuses = [heard.store(ds) for ds in images]
    assert statuses[:2] == [0, 0]
    assert set(statuses[2:]) == {Refused.OUT_OF_RESOURCES}
    assert len(received(heard.inbox)) == 2
    assert any("full" in reason for reason in heard.refused)
    monkeypatch.undo()
    assert [heard.store(ds) for ds in images] == [0] * 6
    assert len(received(heard.inbox)) == 6
    assert len(heard.kept) == 6


def test_nothing_is_acknowledged_before_the_disk_has_it(
    heard: Heard, images: list[Dataset], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The bytes, then the name, then the answer; a new study's folder as well, and what is sent again once more."""
    sync, waited = inbox_module._sync, []

    def note(path: Path) -> None:
        whole = path.is_dir() or path.stat().st_size > 2 * images[0].Rows * images[0].Columns
        there = len(list(heard.inbox.root.rglob("*.dcm")))
        waited.append((path.relative_to(heard.inbox.root).parts, whole, there, len(heard.kept)))
        sync(path)

    monkeypatch.setattr(inbox_module, "_sync", note)
    for ds in (images[0], images[1], images[0]):
        assert heard.store(ds) == 0
    first, second = heard.kept
    study = (first.study.name,)
    parts = [names[0] for names, *_ in waited if names and names[0].endswith(".part")]
    assert len(set(parts)) == 3
    assert waited == [
        ((parts[0],), True, 0, 0),
        ((), True, 0, 0),
        (study, True, 1, 0),
        ((parts[1],), True, 1, 1),
        (study, True, 2, 1),
        ((parts[2],), True, 2, 2),
        ((*study, first.path.name), True, 2, 2),
        (study, True, 2, 2),
    ]
    assert second.path.parent == first.study


@pytest.mark.parametrize("number", [1, 2, 3])
def test_a_disk_that_fails_to_keep_is_no_success(
    heard: Heard, images: list[Dataset], monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    calls = 0
    sync = os.fsync

    def fail(descriptor: int) -> None:
        nonlocal calls
        calls += 1
        if calls == number:
            raise OSError(errno.EIO, "Input/output error")
        sync(descriptor)

    monkeypatch.setattr(inbox_module.os, "fsync", fail)
    assert heard.store(images[0]) == Refused.OUT_OF_RESOURCES
    assert heard.kept == []
    assert not list(heard.inbox.root.glob("*.part"))
    assert received(heard.inbox) == []
    assert heard.store(images[0]) == 0
    assert len(heard.kept) == len(received(heard.inbox)) == 1


def test_only_what_was_left_behind_is_cleared_away(inbox: Inbox) -> None:
    """A retrieval that begins must not take the file away that is being received."""
    old, new = inbox.root / ".old.part", inbox.root / ".new.part"
    for part in (old, new):
        part.write_bytes(b"half")
    os.utime(old, (0, 0))
    inbox.prepare()
    assert not old.exists()
    assert new.exists()


def test_room_on_the_disk_is_left_to_the_reader(inbox: Inbox, images: list[Dataset]) -> None:
    with Heard(inbox, [SCANNER], limits=Limits(free_bytes=1 << 60)).listening() as heard:
        assert heard.store(images[0]) == Refused.OUT_OF_RESOURCES
    assert received(inbox) == []


# --- hostile peers


@unclosed_by_pynetdicom
def test_an_object_too_large_ends_the_connection_and_only_that(inbox: Inbox, images: list[Dataset]) -> None:
    big = images[0]
    big.Rows = big.Columns = 1024
    big.PixelData = bytes(2 * 1024 * 1024)
    with Heard(inbox, [SCANNER], limits=Limits(object_bytes=500_000)).listening() as heard:
        assoc = heard.association()
        assert getattr(assoc.send_c_store(big), "Status", None) is None
        assoc.join(PATIENCE_S)
        assert heard.store(images[1]) == 0x0000
        assert any("larger" in reason for reason in heard.refused)
    assert len(received(inbox)) == 1


def test_a_pdu_that_announces_four_gigabytes_is_not_waited_for(inbox: Inbox) -> None:
    before = psutil.Process().memory_info().rss
    with Heard(inbox, [SCANNER], limits=Limits(object_bytes=1_000_000)).listening() as heard:
        with socket.create_connection(("127.0.0.1", heard.receiver.port)) as peer, suppress(OSError):
            peer.sendall(struct.pack(">BBL", 4, 0, 0xFFFFFFFF))
            for _ in range(100):
                peer.sendall(bytes(1_000_000))
        assert psutil.Process().memory_info().rss - before < 50e6


@pytest.mark.parametrize("seed", range(4))
def test_noise_harms_nobody(inbox: Inbox, images: list[Dataset], seed: int) -> None:
    rng = random.Random(seed)
    with Heard(inbox, [SCANNER], limits=Limits(connections=16, silence_s=2)).listening() as heard:
        make_noise(heard, rng)
        assert heard.store(images[0]) == 0x0000
    assert len(received(inbox)) == 1


def make_noise(heard: Heard, rng: random.Random) -> None:
    for kind in (1, 2, 3, 4, 5, 6, 7, 0, 200):
        with socket.create_connection(("127.0.0.1", heard.receiver.port)) as peer, suppress(OSError):
            body = rng.randbytes(rng.randrange(2000))
            peer.sendall(struct.pack(">BBL", kind, 0, len(body)) + body)
            peer.shutdown(socket.SHUT_WR)
            peer.settimeout(0.2)
            peer.recv(100)


def test_half_an_object_leaves_nothing(heard: Heard, images: list[Dataset]) -> None:
    """The sender dies in the middle of the pixels."""
    assoc = heard.association()
    sent = 0

    def send_half(data: bytes) -> int:
        nonlocal sent
        sent += len(data)
        if sent > 4000:
            raise OSError("the cable was pulled")
        return original(data)

    raw = assoc.dul.socket.socket
    original = raw.send

    class Cut:
        def __getattr__(self, name: str) -> Any:
            return send_half if name == "send" else getattr(raw, name)

    assoc.dul.socket.socket = Cut()
    with suppress(Exception):
        assoc.send_c_store(images[0])
    raw.close()
    assoc.join(PATIENCE_S)
    assert heard.store(images[1]) == 0x0000
    assert len(received(heard.inbox)) == 1


def test_silence_in_the_middle_ends_by_itself(inbox: Inbox) -> None:
    with (
        Heard(inbox, [SCANNER], limits=Limits(silence_s=0.3)).listening() as heard,
        socket.create_connection(("127.0.0.1", heard.receiver.port)) as peer,
    ):
        peer.sendall(b"\x01\x00")
        peer.settimeout(PATIENCE_S)
        with suppress(ConnectionError):
            assert peer.recv(100) == b""


def test_silent_connections_do_not_hold_up_stopping(inbox: Inbox) -> None:
    with Heard(inbox, [SCANNER], limits=Limits(silence_s=3600)).listening() as heard:
        peers = [socket.create_connection(("127.0.0.1", heard.receiver.port)) for _ in range(4)]
        for peer in peers:
            peer.sendall(b"\x01\x00\x00")
        wait_for_connections(heard, 4)
        heard.receiver.stop()
        for peer in peers:
            peer.close()


def wait_for_connections(heard: Heard, count: int) -> None:
    """Until the listener talks with that many peers."""
    listener = heard.receiver._server
    deadline = time.monotonic() + PATIENCE_S
    while len(listener.active_associations) != count:
        assert time.monotonic() < deadline
        time.sleep(0.01)


@unclosed_by_pynetdicom
def test_no_more_connections_than_allowed(inbox: Inbox, images: list[Dataset]) -> None:
    with Heard(inbox, [SCANNER], limits=Limits(connections=2)).listening() as heard:
        idle = [socket.create_connection(("127.0.0.1", heard.receiver.port)) for _ in range(2)]
        wait_for_connections(heard, 2)
        with socket.create_connection(("127.0.0.1", heard.receiver.port)) as third:
            third.settimeout(PATIENCE_S)
            with suppress(ConnectionError):
                assert third.recv(10) == b""
        for peer in idle:
            peer.close()
        wait_for_connections(heard, 0)
        assoc = heard.association()
        assert assoc.is_established
        assoc.release()
        assoc.join(PATIENCE_S)


def test_the_rate_is_limited(inbox: Inbox, images: list[Dataset], monkeypatch: pytest.MonkeyPatch) -> None:
    """On a clock that only the limit moves: all that is beyond the first second's budget has been waited for."""
    limit, clock = 20_000.0, Clock()
    monkeypatch.setattr(listener_module, "time", clock)
    with Heard(inbox, [SCANNER], limits=Limits(bytes_per_second=limit)).listening() as heard:
        assoc = heard.association()
        for ds in images:
            assert assoc.send_c_store(ds).Status == 0
        assoc.release()
        assoc.join(PATIENCE_S)
    total = sum(f.stat().st_size for f in received(inbox))
    assert total > 2 * limit
    assert (total - limit) / limit * 0.9 < clock.now < 3 * total / limit


class Clock:
    """Stands in for the module `time`: it stands still but for those who sleep."""

    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def test_receiving_with_tls(inbox: Inbox, images: list[Dataset], tmp_path: Path) -> None:
    certificate, key, authority = make_certificates(tmp_path / "tls")
    own = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    own.load_cert_chain(certificate, key)
    theirs = ssl.create_default_context(cafile=str(authority))
    with (
        Heard(inbox, [SCANNER], tls=own).listening() as heard,
        # A peer that connects and says nothing holds up no other.
        socket.create_connection(("127.0.0.1", heard.receiver.port)),
    ):
        assoc = heard.association(tls_args=(theirs, "127.0.0.1"))
        assert assoc.is_established
        assert assoc.send_c_store(images[0]).Status == 0
        assoc.release()
        assoc.join(PATIENCE_S)
    assert len(received(inbox)) == 1


def test_no_thread_outlives_the_receiver(heard: Heard, images: list[Dataset]) -> None:
    heard.store(images[0])
    heard.receiver.stop()
    left = [t.name for t in threading.enumerate() if "Acceptor" in t.name or t.name.startswith("hyrisk-pacs")]
    assert left == []


def dcmtk(program: str) -> str:
    """DCMTK's: an environment that is activated puts pynetdicom's programs of the same names, which are scripts, before it."""
    places = (shutil.which(program, path=folder) for folder in os.get_exec_path())
    return next(place for place in places if place is not None and not Path(place).read_bytes().startswith(b"#!"))


def test_thousands_of_objects_in_a_row_with_flat_memory(inbox: Inbox, tmp_path: Path) -> None:
    """2,000 objects from DCMTK's storescu on one association: nothing lost, nothing twice, no growth after the first 500."""
    count = 2000
    folder = tmp_path / "many"
    template = dcmread(sorted(write_exam(tmp_path / "exam", 4, count=2).rglob("*.dcm"))[0])
    template.Rows = template.Columns = 16
    template.PixelData = template.PixelData[:512]
    folder.mkdir()
    for n in range(count):
        template.SOPInstanceUID = template.file_meta.MediaStorageSOPInstanceUID = f"1.2.826.0.1.3680043.10.9999.77.{n}"
        template.InstanceNumber = n
        template.save_as(folder / f"{n}.dcm")
    sizes: dict[int, int] = {}
    process = psutil.Process()
    with Heard(inbox, [SCANNER]).listening() as heard:

        def note(kept: Kept) -> None:
            heard.kept.append(kept)
            if len(heard.kept) % 500 == 0:
                sizes[len(heard.kept)] = process.memory_info().rss

        heard.receiver._on_kept = note
        subprocess.run(
            [dcmtk("storescu"), "-aet", "SCANNER", "-aec", OUR_TITLE, "+sd", "127.0.0.1", str(heard.receiver.port), str(folder)],
            check=True, capture_output=True, timeout=PATIENCE_S, env=os.environ | {"TCP_NODELAY": "1"},
        )  # fmt: skip
    assert len(heard.kept) == len({k.sop_uid for k in heard.kept}) == len(received(inbox)) == count
    assert max(sizes.values()) - sizes[500] < 20e6, sizes
