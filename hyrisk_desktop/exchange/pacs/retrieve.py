"""Fetching series: each object once, kept as it arrives, gone on with after the connection broke."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hyrisk_desktop.errors import Cancelled, PacsError
from hyrisk_desktop.exchange.pacs.archive import open_archive
from hyrisk_desktop.exchange.pacs.association import (
    associate,
    lost,
    refused_context,
    require_pacs,
    status_text,
    stored_object,
)
from hyrisk_desktop.exchange.pacs.classes import CT_CLASSES, RESULT_CLASSES, TRANSFER_SYNTAXES
from hyrisk_desktop.exchange.pacs.inbox import Inbox, Kept, Refused
from hyrisk_desktop.exchange.pacs.node import Node, Retrieval
from hyrisk_desktop.exchange.pacs.query import SeriesMatch
from hyrisk_desktop.i18n import tr
from hyrisk_desktop.jobs import CancelToken, Progress, no_progress

if TYPE_CHECKING:
    from pynetdicom.association import Association
    from pynetdicom.events import Event

    from hyrisk_desktop.exchange.pacs.receiver import Receiver

_ATTEMPTS = 3
_PAUSE_S = 1.0
# A UID of 64 characters and a separator each; well below what DICOM's longest value holds, and progress if one fails.
_UIDS_AT_ONCE = 200
_REQUESTS_AT_ONCE = 4
# Objects in a row that bring nothing new, beside twice the number of objects that were asked for.
_MOST_IDLE = 1000
# A node that answers again and again that it is at work, such as one that fetches tapes, is believed for so long.
_STALL_S = 900.0
_MOST_UNLISTED = 100_000
ALLOWED = frozenset(CT_CLASSES) | frozenset(RESULT_CLASSES)


@dataclass(frozen=True, slots=True)
class Retrieved:
    """What became of a retrieval.

    Attributes:
        folders: of the studies, each like any other exam on disk.
        arrived, already: objects that came now, and that were here before.
        missing: objects that the node listed and did not send, or that were refused. reasons: why, each sentence once.
    """

    folders: tuple[Path, ...]
    arrived: int = 0
    already: int = 0
    missing: int = 0
    reasons: tuple[str, ...] = ()


@dataclass(slots=True)
class _Run:
    """What a retrieval keeps track of; objects may arrive on other threads.

    Attributes:
        asked: objects by study and series; none for a series that is asked for as a whole.
        arrived, known: objects that came and were new, or were here before.
        idle: objects that came since the last that was new. since: when that was.
    """

    inbox: Inbox
    progress: Progress
    cancel: CancelToken | None
    asked: dict[tuple[str, str], frozenset[str]] = field(default_factory=dict)
    total: int = 0
    already: int = 0
    arrived: set[str] = field(default_factory=set)
    known: set[str] = field(default_factory=set)
    reasons: dict[str, None] = field(default_factory=dict)
    idle: int = 0
    since: float = field(default_factory=time.monotonic)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def keep(self, data: bytes, sop_class: str, sop_uid: str) -> int:
        """Keep an object; the DIMSE status to answer with."""
        if self.given_up or (self.cancel and self.cancel.cancelled):
            return Refused.OUT_OF_RESOURCES
        try:
            kept = self.inbox.keep(
                data, sop_class=sop_class, sop_uid=sop_uid, allowed=ALLOWED, wanted=self._is_asked_for
            )
        except Refused as e:
            with self._lock:
                self.reasons[e.reason] = None
            return e.status
        self.note(kept)
        return 0x0000

    def _is_asked_for(self, study_uid: str, series_uid: str, sop_uid: str) -> bool:
        listed = self.asked.get((study_uid, series_uid))
        if listed is None:
            return False
        # Those of a list that are here already may come again: some nodes send a series as a whole, whatever is asked.
        return sop_uid in listed if listed else sop_uid in self.arrived or len(self.arrived) < _MOST_UNLISTED

    def note(self, kept: Kept) -> None:
        """One more is here."""
        with self._lock:
            if kept.new:
                self.arrived.add(kept.sop_uid)
                self.idle, self.since = 0, time.monotonic()
            elif kept.sop_uid not in self.arrived:
                self.known.add(kept.sop_uid)
            done = self.already + len(self.arrived)
        self.progress(done, max(self.total, done))

    def begin(self) -> None:
        """A question is about to be asked."""
        self.idle, self.since = 0, time.monotonic()

    def came(self) -> None:
        """An object has come, whatever it is."""
        with self._lock:
            self.idle += 1

    @property
    def given_up(self) -> bool:
        """Whether the node sends without end what nobody asked for, or only goes on saying that something will come."""
        return self._flooded or time.monotonic() - self.since > _STALL_S

    @property
    def _flooded(self) -> bool:
        return self.idle > _MOST_IDLE + 2 * self.total

    def broken(self, node: Node) -> PacsError:
        """The sentence for a connection that broke off, or that this program ended."""
        if self._flooded:
            return PacsError(
                "flooded",
                tr("{node} goes on sending what nobody asked for; the connection was ended.", node=node.name),
            )
        if self.given_up:
            return PacsError(
                "stalled", tr("{node} says that images will come, but none do; try again later.", node=node.name)
            )
        return lost(node)


Fetch = Callable[[SeriesMatch, Sequence[str], _Run], None]


def retrieve(
    node: Node,
    own_ae_title: str,
    series: Sequence[SeriesMatch],
    inbox: Inbox,
    *,
    receiver: Receiver | None = None,
    password: str | None = None,
    progress: Progress = no_progress,
    cancel: CancelToken | None = None,
    pause_s: float = _PAUSE_S,
) -> Retrieved:
    """Fetch series into the inbox by C-GET, C-MOVE or WADO-RS, as the node is set up.

    Args:
        node: where from. own_ae_title: whom it knows this program as. series: what. inbox: where to.
        receiver: who listens for what a C-MOVE sends; needed for nodes of that kind.
        password: of a DICOMweb node.
        progress: called as ``progress(objects here, objects in all)``.
        pause_s: between two attempts after a broken connection.

    Raises:
        PacsError: the node can't be reached or refuses, or the connection broke again and again. What arrived is kept,
            and the next call goes on behind it.
        Cancelled: ``cancel`` was set; what arrived is kept.
    """
    require_pacs()
    inbox.prepare()
    run = _Run(inbox, progress, cancel)
    # All are listed first, so that none is fetched twice and none forgotten.
    with open_archive(node, own_ae_title, password, cancel) as archive:
        listed = archive.find_images(series)
    run.asked = {(s.study_uid, s.series_uid): frozenset(listed[s.series_uid]) for s in series}
    run.total = sum(len(uids) for uids in listed.values())
    fetch = _fetcher(node, own_ae_title, receiver, password)
    absent = 0
    for one in series:
        absent += _fetch_series(one, listed[one.series_uid], fetch, run, pause_s)
    folders = dict.fromkeys(inbox.study_folder(s.study_uid) for s in series)
    kept = tuple(f for f in folders if f.is_dir())
    return Retrieved(kept, len(run.arrived), run.already, absent, tuple(run.reasons))


def _fetcher(node: Node, own_ae_title: str, receiver: Receiver | None, password: str | None) -> Fetch:
    if node.is_web:
        return lambda series, uids, run: _web(node, password, series, uids, run)
    if node.retrieval is Retrieval.MOVE:
        if receiver is None:
            raise PacsError(
                "no_receiver", tr("A node that sends by C-MOVE needs this program's receiving to be set up.")
            )
        listener = receiver
        return lambda series, uids, run: _move(node, own_ae_title, series, uids, run, listener)
    return lambda series, uids, run: _get(node, own_ae_title, series, uids, run)


def _fetch_series(series: SeriesMatch, uids: Sequence[str], fetch: Fetch, run: _Run, pause_s: float) -> int:
    """Fetch what is not here yet, several times if the connection breaks; how many are missing at the end.

    A node that lists no single objects is asked for the series as a whole.
    """
    whole = not uids
    missing: Sequence[str] = uids if whole else run.inbox.missing(series.study_uid, uids)
    run.already += len(uids) - len(missing)
    run.progress(run.already + len(run.arrived), run.total)
    for attempt in range(_ATTEMPTS):
        if not missing and not whole:
            return 0
        before = len(run.arrived)
        try:
            fetch(series, missing, run)
        except PacsError as e:
            # One that got nowhere will get nowhere again; one that got on may get to the end.
            if (
                e.code not in ("connection_lost", "unreachable")
                or attempt == _ATTEMPTS - 1
                or len(run.arrived) == before
            ):
                raise
            _wait(pause_s, run.cancel)
        else:
            if run.cancel:
                run.cancel.raise_if_cancelled()
            if whole:
                known, run.known = len(run.known), set()
                run.already += known
                return max(0, (series.instances or 0) - known - (len(run.arrived) - before))
            missing = run.inbox.missing(series.study_uid, missing)
            return len(missing)
        if not whole:
            missing = run.inbox.missing(series.study_uid, missing)
    return len(missing)


def _wait(seconds: float, cancel: CancelToken | None) -> None:
    if cancel is None:
        threading.Event().wait(seconds)
        return
    until = threading.Event()
    for _ in range(max(1, round(seconds / 0.05))):
        cancel.raise_if_cancelled()
        until.wait(0.05)


def _questions(series: SeriesMatch, uids: Sequence[str]) -> Iterator[Any]:
    """C-GET or C-MOVE identifiers: the whole series, or the objects of it that are missing."""
    from pydicom.dataset import Dataset

    for at in range(0, max(len(uids), 1), _UIDS_AT_ONCE):
        ds = Dataset()
        ds.QueryRetrieveLevel = "IMAGE" if uids else "SERIES"
        ds.StudyInstanceUID = series.study_uid
        ds.SeriesInstanceUID = series.series_uid
        if uids:
            ds.SOPInstanceUID = list(uids[at : at + _UIDS_AT_ONCE])
        yield ds


def _web(node: Node, password: str | None, series: SeriesMatch, uids: Sequence[str], run: _Run) -> None:
    """WADO-RS, several objects at a time: most of the time of a request is waiting."""
    from hyrisk_desktop.exchange.pacs.web import Web

    failed = threading.Event()
    run.begin()

    def fetch(mine: Sequence[str]) -> None:
        with Web(node, password, run.cancel) as web:
            for uid in mine:
                if failed.is_set():
                    return
                try:
                    sop_class, data = web.object(series, uid)
                except BaseException:
                    failed.set()
                    raise
                run.keep(data, sop_class, uid)

    with ThreadPoolExecutor(_REQUESTS_AT_ONCE, "hyrisk-wado") as pool:
        parts = [uids[at::_REQUESTS_AT_ONCE] for at in range(_REQUESTS_AT_ONCE)]
        for done in as_completed([pool.submit(fetch, part) for part in parts]):
            done.result()


def _get(node: Node, own_ae_title: str, series: SeriesMatch, uids: Sequence[str], run: _Run) -> None:
    from pynetdicom import evt
    from pynetdicom.presentation import build_context, build_role
    from pynetdicom.sop_class import StudyRootQueryRetrieveInformationModelGet as Get  # type: ignore[attr-defined]

    def stored(event: Event) -> int:
        return run.keep(*stored_object(event))

    def came(event: Event) -> None:
        # Of every object, also of those that the library itself refuses.
        if type(event.message).__name__ == "C_STORE_RQ":
            run.came()

    contexts = [build_context(Get)]
    # One context for each encoding, so that the node can send every object as it has it.
    contexts += [build_context(c, syntax) for c in CT_CLASSES for syntax in TRANSFER_SYNTAXES]
    contexts += [build_context(c, list(TRANSFER_SYNTAXES[:2])) for c in RESULT_CLASSES]
    # Both roles: with the SCP's alone the library's own C-STORE handling on this association fails later.
    roles = [build_role(c, scu_role=True, scp_role=True) for c in ALLOWED]
    handlers = [(evt.EVT_C_STORE, stored), (evt.EVT_DIMSE_RECV, came)]
    run.begin()
    with associate(
        node, own_ae_title, contexts, roles=roles, handlers=handlers, cancel=run.cancel, give_up=lambda: run.given_up
    ) as assoc:
        if not any(c.abstract_syntax == Get for c in assoc.accepted_contexts):
            raise refused_context(node, tr("retrieval by C-GET (try C-MOVE)"))
        for question in _questions(series, uids):
            run.begin()
            _follow(node, assoc, assoc.send_c_get(question, Get), Get, run)


def _move(
    node: Node, own_ae_title: str, series: SeriesMatch, uids: Sequence[str], run: _Run, receiver: Receiver
) -> None:
    from pynetdicom.presentation import build_context
    from pynetdicom.sop_class import StudyRootQueryRetrieveInformationModelMove as Move  # type: ignore[attr-defined]

    def keep(data: bytes, sop_class: str, sop_uid: str) -> int:
        run.came()
        return run.keep(data, sop_class, sop_uid)

    run.begin()
    with (
        receiver.expecting(node, keep, frozenset({series.series_uid})),
        associate(node, own_ae_title, [build_context(Move)], cancel=run.cancel, give_up=lambda: run.given_up) as assoc,
    ):
        if not assoc.accepted_contexts:
            raise refused_context(node, tr("retrieval by C-MOVE (try C-GET)"))
        title = node.own_ae_title or own_ae_title
        for question in _questions(series, uids):
            run.begin()
            _follow(node, assoc, assoc.send_c_move(question, title, Move), Move, run)


def _follow(node: Node, assoc: Association, answers: Iterator[tuple[Any, Any]], model: Any, run: _Run) -> None:
    """Wait for the end of one C-GET or C-MOVE."""
    from pynetdicom.status import code_to_category

    told = False
    for status, _ in answers:
        code = getattr(status, "Status", None)
        if code is None:
            if run.cancel and run.cancel.cancelled:
                raise Cancelled
            raise run.broken(node)
        if run.cancel and run.cancel.cancelled and not told:
            # The node is asked to stop and the rest is listened to; the watcher aborts if that takes too long.
            told = True
            assoc.send_c_cancel(1, query_model=model)
        if code_to_category(code) in ("Failure", "Cancel", "Unknown") and not (run.cancel and run.cancel.cancelled):
            raise PacsError("status", _why_not(node, code, status))
    if run.cancel:
        run.cancel.raise_if_cancelled()


def _why_not(node: Node, code: int, status: Any) -> str:
    if code == 0xA801:
        return tr(
            "{node} does not know this program as a place to send to; have its AE title and port added there.",
            node=node.name,
        )
    return tr("{node} could not send the images ({status}).", node=node.name, status=status_text(status))
