"""The receiving mode: a storage SCP that takes CT images from known senders, and hears what the PACS confirms."""

from __future__ import annotations

import contextlib
import io
import ipaddress
import logging
import shutil
import socket
import ssl
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from hyrisk_desktop.errors import PacsError, safe_traceback
from hyrisk_desktop.exchange.pacs.association import application_entity, stored_object
from hyrisk_desktop.exchange.pacs.classes import CT_CLASSES, RESULT_CLASSES, TRANSFER_SYNTAXES
from hyrisk_desktop.exchange.pacs.inbox import Inbox, Kept, Refused
from hyrisk_desktop.exchange.pacs.node import Node
from hyrisk_desktop.i18n import tr
from hyrisk_desktop.imaging.headers.damage import parsing_errors

if TYPE_CHECKING:
    from pynetdicom.ae import ApplicationEntity
    from pynetdicom.events import Event

    from hyrisk_desktop.exchange.pacs.listener import Address, Limits, Listener

_log = logging.getLogger(__name__)
_Network = ipaddress.IPv4Network | ipaddress.IPv6Network
_GREETING_S = 4.0
Keep = Callable[[bytes, str, str], int]


@dataclass(frozen=True, slots=True)
class Sender:
    """Who may send: an AE title, and from where."""

    ae_title: str
    networks: tuple[_Network, ...]

    def is_at(self, address: Address) -> bool:
        """Whether ``address`` is one of the sender's."""
        return any(address.version == n.version and address in n for n in self.networks)


@dataclass(frozen=True, slots=True)
class Confirmation:
    """What a node reports about objects that were sent to it (storage commitment, PS3.4 J.3).

    Attributes:
        transaction_uid: of the request. stored: SOP instance UIDs. failed: reason codes by SOP instance UID.
    """

    transaction_uid: str
    stored: tuple[str, ...]
    failed: dict[str, int] = field(default_factory=dict)


def senders_of(nodes: Sequence[Node]) -> tuple[Sender, ...]:
    """The DIMSE nodes as senders; a host name stands for the addresses that it has now."""
    return tuple(
        Sender(n.ae_title, tuple(net for text in (n.host, *n.addresses) for net in _networks(text)))
        for n in nodes
        if not n.is_web
    )


def _networks(text: str) -> list[_Network]:
    try:
        return [ipaddress.ip_network(text, strict=False)]
    except ValueError:
        pass
    try:
        found = {str(info[4][0]).split("%")[0] for info in socket.getaddrinfo(text, None)}
    except OSError:
        return []
    return [ipaddress.ip_network(address) for address in found]


class Receiver:
    """Listens while it is started, or while a C-MOVE needs it.

    Args:
        own_ae_title: what it must be called. address: where it listens, loopback unless told otherwise. port: 0 for any.
        inbox: where images go.
        senders: who may send images at any time.
        on_kept: called for each image received that was not here before; from the connection's thread.
        on_refused: called with one sentence for each object refused. on_confirmed: called with each `Confirmation`.
        tls: certificate and key, and whom to trust; None for unencrypted.
    """

    def __init__(
        self,
        own_ae_title: str,
        address: str,
        port: int,
        inbox: Inbox,
        senders: Sequence[Sender] = (),
        *,
        on_kept: Callable[[Kept], None] = lambda _: None,
        on_refused: Callable[[str], None] = lambda _: None,
        on_confirmed: Callable[[Confirmation], None] = lambda _: None,
        limits: Limits | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._title, self._address, self._port = own_ae_title, address, port
        self._inbox, self._senders, self._tls = inbox, tuple(senders), tls
        self._on_kept, self._on_refused, self._on_confirmed = on_kept, on_refused, on_confirmed
        self._limits = limits
        self._lock = threading.RLock()
        self._ae: ApplicationEntity | None = None
        self._server: Listener | None = None
        self._thread: threading.Thread | None = None
        self._open = False
        self._expected: list[_Expected] = []

    @property
    def receiving(self) -> bool:
        """Whether images are taken from the senders at any time."""
        return self._open

    @property
    def port(self) -> int:
        """Where it listens, or would."""
        return int(self._server.server_address[1]) if self._server is not None else self._port

    def start(self) -> None:
        """Take images from the senders from now on.

        Raises:
            PacsError: the port can't be listened at, or there is no sender.
        """
        if not self._senders:
            raise PacsError("no_senders", tr("Nobody may send yet: add the PACS or the scanner to the nodes first."))
        self._inbox.prepare()
        with self._lock:
            self._listen()
            self._open = True

    def stop(self) -> None:
        """Take no more, and end all connections."""
        with self._lock:
            self._open = False
            self._expected.clear()
            self._close()

    @contextlib.contextmanager
    def expecting(self, node: Node, keep: Keep, series: frozenset[str]) -> Iterator[None]:
        """Meanwhile hand what ``node`` sends of ``series`` to ``keep``, which answers with a DIMSE status.

        Raises:
            PacsError: the port can't be listened at.
        """
        (sender,) = senders_of([node])
        expected = _Expected(sender, keep, series)
        with self._lock:
            self._expected.append(expected)
            try:
                self._listen()
            except PacsError:
                self._expected.remove(expected)
                raise
        try:
            yield
        finally:
            with self._lock:
                if expected in self._expected:
                    self._expected.remove(expected)
                if not self._open and not self._expected:
                    self._close()

    @contextlib.contextmanager
    def hearing(self, node: Node) -> Iterator[None]:
        """Meanwhile hear what ``node`` confirms, and take no images from it. A port that can't be had is no error here."""
        with contextlib.ExitStack() as stack:
            with contextlib.suppress(PacsError):
                stack.enter_context(self.expecting(node, lambda *_: Refused.NOT_AUTHORISED, frozenset()))
            yield

    # --- the server

    def _listen(self) -> None:
        if self._server is not None:
            return
        from hyrisk_desktop.exchange.pacs.listener import Limits, Listener

        self._limits = self._limits or Limits()
        self._ae = ae = self._entity()
        try:
            server: Listener = ae.make_server(  # type: ignore[assignment]
                (self._address, self._port),
                ssl_context=self._tls,
                evt_handlers=self._handlers(),
                server_class=Listener,
                limits=self._limits,
                known=self._is_known,
                turned_away=self._turned_away,
            )
        except OSError as e:
            raise PacsError(
                "cannot_listen",
                tr("This program can't listen at {address}, port {port}: {why}. Choose another port.",
                   address=self._address, port=self._port, why=e.strerror or type(e).__name__),
            ) from e  # fmt: skip
        # As `start_server` does: the library keeps account of its servers.
        ae._servers.append(server)
        self._server = server
        self._thread = threading.Thread(
            target=server.serve_forever, kwargs={"poll_interval": 0.1}, name="hyrisk-pacs-listener", daemon=True
        )
        self._thread.start()

    def _entity(self) -> ApplicationEntity:
        from pynetdicom.sop_class import StorageCommitmentPushModel, Verification  # type: ignore[attr-defined]

        assert self._limits is not None
        ae = application_entity(self._title)
        ae.require_called_aet = True
        ae.maximum_associations = self._limits.connections
        ae.network_timeout = self._limits.silence_s
        # The library waits so long for a peer that connected and says nothing, whatever else happens.
        ae.acse_timeout = min(_GREETING_S, self._limits.silence_s)
        ae.add_supported_context(Verification)
        for sop_class in (*CT_CLASSES, *RESULT_CLASSES):
            ae.add_supported_context(sop_class, list(TRANSFER_SYNTAXES))
        # The node reports as the service's provider, on a connection that it opens.
        ae.add_supported_context(StorageCommitmentPushModel, scu_role=True, scp_role=True)
        return ae

    def _close(self) -> None:
        server, self._server = self._server, None
        if server is None or self._ae is None:
            return
        associations = server.active_associations
        server.shutdown()
        server.cut_connections()
        for association in associations:
            association.join(2 * _GREETING_S)
        server.close_connections()
        if self._thread is not None:
            self._thread.join()

    # --- what is let in

    def _is_known(self, address: Address) -> bool:
        return any(s.is_at(address) for s in self._allowed())

    def _allowed(self) -> tuple[Sender, ...]:
        return (*self._senders, *(e.sender for e in self._expected))

    def _handlers(self) -> list[Any]:
        from pynetdicom import evt

        from hyrisk_desktop.exchange.pacs.listener import meter_of

        def message_ended(event: Event) -> None:
            if (meter := meter_of(event.assoc)) is not None:
                meter.message_ended()
            if type(event.message).__name__ == "C_STORE_RQ":
                self._answer_nameless(event)

        def connection_ended(event: Event) -> None:
            if (meter := meter_of(event.assoc)) is not None and meter.exceeded:
                self._refuse(tr("An object larger than is taken was refused."))

        return [
            (evt.EVT_C_ECHO, self._echo),
            (evt.EVT_C_STORE, self._store),
            (evt.EVT_N_EVENT_REPORT, self._report),
            (evt.EVT_DIMSE_RECV, message_ended),
            (evt.EVT_CONN_CLOSE, connection_ended),
        ]

    def _sender(self, event: Event) -> Sender | None:
        """Who is at the other end: both its title and its address must be the same sender's."""
        from hyrisk_desktop.exchange.pacs.listener import plain_address

        requestor = event.assoc.requestor
        address = plain_address(requestor.address)
        return next((s for s in self._allowed() if s.ae_title == requestor.ae_title and s.is_at(address)), None)

    def _echo(self, event: Event) -> int:
        return 0x0000 if self._sender(event) is not None else 0x0122

    def _store(self, event: Event) -> int:
        try:
            return self._take(event)
        except Refused as e:
            self._refuse(e.reason)
            return e.status
        except Exception as e:  # noqa: BLE001  one object must not end the listening, whatever it is
            _log.error("Receiving an object failed unexpectedly:\n%s", safe_traceback(e))
            return Refused.CANNOT_UNDERSTAND

    def _take(self, event: Event) -> int:
        sender = self._sender(event)
        if sender is None:
            raise Refused(Refused.NOT_AUTHORISED, tr("A sender whose AE title and address are not known was refused."))
        assert self._limits is not None
        if shutil.disk_usage(self._inbox.root).free < self._limits.free_bytes:
            raise Refused(
                Refused.OUT_OF_RESOURCES, tr("The disk is nearly full: nothing is received until there is room.")
            )
        data, sop_class, sop_uid = stored_object(event)
        for expected in list(self._expected):
            if expected.sender == sender and _series_uid(data) in expected.series:
                return expected.keep(data, sop_class, sop_uid)
        if not self._open or sender not in self._senders:
            raise Refused(Refused.NOT_AUTHORISED, tr("An object that nobody asked for was refused."))
        kept = self._inbox.keep(data, sop_class=sop_class, sop_uid=sop_uid, allowed=CT_CLASSES)
        if kept.new:
            self._inbox.mark(kept.study)
            self._on_kept(kept)
        return 0x0000

    def _answer_nameless(self, event: Event) -> None:
        """Refuse an object without instance UID: the library ignores it, and its sender would wait for an answer."""
        from pynetdicom.dimse_primitives import C_STORE

        command: Any = event.message.command_set
        if command.get("AffectedSOPInstanceUID") or command.get("MessageID") is None:
            return
        answer = C_STORE()
        answer.MessageIDBeingRespondedTo = command.MessageID
        answer.Status = Refused.NOT_THE_CLASS
        event.assoc.dimse.send_msg(answer, event.message.context_id or 1)
        self._refuse(tr("An object that is not what its sender said was refused."))

    def _report(self, event: Event) -> tuple[int, None]:
        """N-EVENT-REPORT of the storage commitment."""
        if self._sender(event) is None:
            return 0x0124, None
        try:
            self._on_confirmed(confirmation_of(event.event_information))
        except Exception as e:  # noqa: BLE001  as in _store
            _log.error("A storage commitment report could not be read:\n%s", safe_traceback(e))
            return 0x0110, None
        return 0x0000, None

    def _turned_away(self) -> None:
        self._refuse(tr("A connection from an unknown address, or one too many, was turned away."))

    def _refuse(self, reason: str) -> None:
        _log.info("PACS: %s", reason)
        self._on_refused(reason)


@dataclass(frozen=True, slots=True, eq=False)
class _Expected:
    sender: Sender
    keep: Keep
    series: frozenset[str]


def confirmation_of(ds: Any) -> Confirmation:
    """A storage commitment report."""
    stored = tuple(str(item.ReferencedSOPInstanceUID) for item in ds.get("ReferencedSOPSequence") or ())
    failed = {
        str(item.ReferencedSOPInstanceUID): int(item.get("FailureReason") or 0)
        for item in ds.get("FailedSOPSequence") or ()
    }
    return Confirmation(str(ds.TransactionUID), stored, failed)


def _series_uid(data: bytes) -> str:
    """SeriesInstanceUID of an object in memory, "" where it can't be read; nothing is trusted to it but a comparison."""
    import pydicom

    try:
        ds = pydicom.dcmread(io.BytesIO(data), specific_tags=["SeriesInstanceUID"], stop_before_pixels=True)
        return str(ds.SeriesInstanceUID)
    except parsing_errors():
        return ""
