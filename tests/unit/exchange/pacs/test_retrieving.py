"""Retrieval from a real PACS: every object once, whatever breaks on the way."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest
from pydicom import dcmread

from hyrisk_desktop.errors import Cancelled, PacsError
from hyrisk_desktop.exchange.pacs.inbox import Inbox, Kept
from hyrisk_desktop.exchange.pacs.node import Node
from hyrisk_desktop.exchange.pacs.query import SeriesMatch
from hyrisk_desktop.exchange.pacs.receiver import Receiver
from hyrisk_desktop.exchange.pacs.retrieve import Retrieved, retrieve
from hyrisk_desktop.imaging import find_series, read_volume
from hyrisk_desktop.jobs import CancelToken, Progress, no_progress
from tests.helpers.orthanc import OUR_TITLE, PASSWORD, Orthanc
from tests.unit.exchange.pacs.conftest import Held, hold, received, unclosed_by_pynetdicom

WAYS = ("C-GET", "C-MOVE", "WADO-RS")


class CountingInbox(Inbox):
    """Counts what comes over the line."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.came: list[str] = []

    def keep(self, data: bytes, **names: Any) -> Kept:
        self.came.append(names["sop_uid"])
        return super().keep(data, **names)


def fetch(
    way: str,
    pacs: Orthanc,
    series: tuple[SeriesMatch, ...],
    inbox: Inbox,
    *,
    progress: Progress = no_progress,
    cancel: CancelToken | None = None,
) -> Retrieved:
    node: Node = {"C-GET": pacs.node, "C-MOVE": pacs.mover, "WADO-RS": pacs.web_node}[way]()
    receiver = Receiver(OUR_TITLE, "127.0.0.1", pacs.own_port, inbox)
    return retrieve(
        node, OUR_TITLE, series, inbox, receiver=receiver, password=PASSWORD, progress=progress, cancel=cancel, pause_s=0.1
    )  # fmt: skip


@pytest.fixture
def counting(tmp_path: Path) -> CountingInbox:
    return CountingInbox(tmp_path / "counting")


@pytest.mark.parametrize("way", WAYS)
def test_every_object_arrives_as_it_was(way: str, pacs: Orthanc, held: Held, counting: CountingInbox) -> None:
    steps: list[tuple[int, int]] = []
    result = fetch(way, pacs, held.series, counting, progress=lambda done, total: steps.append((done, total)))
    assert (result.arrived, result.already, result.missing, result.reasons) == (24, 0, 0, ())
    assert steps[-1] == (24, 24)
    assert [done for done, _ in steps] == sorted(done for done, _ in steps)
    originals = {ds.SOPInstanceUID: ds for ds in map(dcmread, held.files)}
    files = received(counting)
    assert len(files) == 24
    for file in files:
        ds = dcmread(file)
        assert ds == originals[ds.SOPInstanceUID]
    (folder,) = result.folders
    volume = read_volume(find_series(folder)[0])
    assert (volume.hu == read_volume(find_series(held.files[0].parent)[0]).hu).all()


@pytest.mark.parametrize("way", WAYS)
def test_what_is_here_is_not_fetched_again(way: str, pacs: Orthanc, held: Held, counting: CountingInbox) -> None:
    fetch(way, pacs, held.series, counting)
    files = received(counting)
    files[3].unlink()
    files[5].write_bytes(files[5].read_bytes()[:-100])
    lost = {str(dcmread(f, stop_before_pixels=True).SOPInstanceUID) for f in files[5:6]}
    counting.came.clear()
    result = fetch(way, pacs, held.series, counting)
    assert (result.arrived, result.already, result.missing) == (2, 22, 0)
    assert len(counting.came) == 2
    assert lost <= set(counting.came)
    counting.came.clear()
    assert fetch(way, pacs, held.series, counting).already == 24
    assert counting.came == []


@unclosed_by_pynetdicom
@pytest.mark.parametrize("way", WAYS)
def test_a_pacs_that_dies_in_the_middle_costs_nothing(
    way: str, pacs: Orthanc, held: Held, counting: CountingInbox
) -> None:
    """Killed after ten objects; what arrived is kept, and the rest, and only that, comes once the PACS is back."""
    at_ten = threading.Event()

    def kill(done: int, _: int) -> None:
        if done == 10 and not at_ten.is_set():
            at_ten.set()
            pacs.kill()

    with pytest.raises(PacsError) as failure:
        fetch(way, pacs, held.series, counting, progress=kill)
    assert failure.value.code in ("connection_lost", "unreachable")
    arrived = len(received(counting))
    assert 10 <= arrived < 24
    pacs.start_again()
    counting.came.clear()
    result = fetch(way, pacs, held.series, counting)
    assert (result.already, result.arrived, result.missing) == (arrived, 24 - arrived, 0)
    assert len(counting.came) == 24 - arrived
    assert {str(dcmread(f).SOPInstanceUID) for f in received(counting)} == held.uids()


@unclosed_by_pynetdicom
def test_a_connection_that_breaks_once_is_gone_on_with_at_once(
    pacs: Orthanc, held: Held, counting: CountingInbox
) -> None:
    """The PACS is back before the next attempt: the user notices nothing."""
    killed = threading.Event()

    def kill(done: int, _: int) -> None:
        if done == 7 and not killed.is_set():
            killed.set()
            pacs.kill()
            pacs.start_again()

    result = fetch("C-GET", pacs, held.series, counting, progress=kill)
    assert (result.arrived, result.missing) == (24, 0)
    assert set(counting.came) == held.uids()
    assert len(counting.came) <= 25, "at most the one that was on its way comes again"


@pytest.mark.parametrize("way", WAYS)
def test_cancelling_keeps_what_arrived(way: str, pacs: Orthanc, held: Held, counting: CountingInbox) -> None:
    token = CancelToken()
    with pytest.raises(Cancelled):
        fetch(
            way,
            pacs,
            held.series,
            counting,
            progress=lambda done, _: token.cancel() if done >= 5 else None,
            cancel=token,
        )
    kept = len(received(counting))
    assert 5 <= kept < 24
    result = fetch(way, pacs, held.series, counting)
    assert (result.already, result.arrived) == (kept, 24 - kept)


def test_a_move_to_an_unknown_place_says_what_to_do(pacs: Orthanc, held: Held, counting: CountingInbox) -> None:
    """The PACS accepts the search, and knows no port for this AE title."""
    node = pacs.mover()
    receiver = Receiver(OUR_TITLE, "127.0.0.1", 0, counting)
    with pytest.raises(PacsError, match=r"could not send|place to send to"):
        retrieve(node, OUR_TITLE, held.series, counting, receiver=receiver, pause_s=0.1)
    assert received(counting) == []


def test_several_series_of_several_studies_land_in_a_folder_each(
    pacs: Orthanc, held: Held, counting: CountingInbox, tmp_path: Path
) -> None:
    other = hold(pacs, tmp_path / "second", 8, count=12)
    result = fetch("C-GET", pacs, (*held.series, *other.series), counting)
    assert result.arrived == 36
    assert len(result.folders) == 2


def test_nothing_in_a_path_comes_from_an_object(pacs: Orthanc, held: Held, counting: CountingInbox) -> None:
    fetch("C-GET", pacs, held.series, counting)
    for file in received(counting):
        for part in file.relative_to(counting.root).parts:
            assert len(part.removesuffix(".dcm")) == 32
            assert set(part.removesuffix(".dcm")) <= set("0123456789abcdef")
