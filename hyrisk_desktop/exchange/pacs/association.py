"""Associations with DIMSE nodes: opened with one plain sentence when they can't be, aborted when the user cancels."""

from __future__ import annotations

import contextlib
import logging
import socket
import ssl
import threading
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from hyrisk_desktop.errors import InputError, PacsError
from hyrisk_desktop.exchange.pacs.node import Node
from hyrisk_desktop.exchange.pacs.sockets import QuickTlsSocket, quick
from hyrisk_desktop.i18n import tr
from hyrisk_desktop.imaging.headers.attributes import quiet_pydicom
from hyrisk_desktop.jobs import CancelToken

if TYPE_CHECKING:
    from pynetdicom.ae import ApplicationEntity
    from pynetdicom.association import Association
    from pynetdicom.events import Event
    from pynetdicom.presentation import PresentationContext

CONNECT_S = 10.0
ANSWER_S = 60.0
_POLL_S = 0.1
_POLITE_S = 2.0
_TRIES = 3
_AT_ONCE_S = 2.0
# Not configured anywhere else: the libraries' logs quote patients' names and queries.
_QUOTING_LOGGERS = ("pynetdicom", "dicomweb_client", "urllib3", "requests")


def require_pacs() -> None:
    """Raise `InputError` where the libraries of the ``pacs`` extra are missing, and keep them quiet.

    They log and warn of values that break DICOM's rules, and quote them; whatever is used is checked here anyway.

    Raises:
        InputError: with what to install.
    """
    try:
        import dicomweb_client
        import keyring  # noqa: F401
        import pynetdicom
    except ImportError as e:
        raise InputError(
            "no_pacs_libraries",
            tr('The libraries for the PACS are not installed. Run: pip install "hyrisk-desktop[pacs]"'),
        ) from e
    del dicomweb_client
    pynetdicom._config.LOG_HANDLER_LEVEL = "none"
    for name in _QUOTING_LOGGERS:
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)
    quiet_pydicom()
    warnings.filterwarnings("ignore", category=UserWarning, module=r"pydicom\.")


def application_entity(own_ae_title: str) -> ApplicationEntity:
    """This program as a DICOM application, with its time limits."""
    require_pacs()
    from pynetdicom.ae import ApplicationEntity

    ae = ApplicationEntity(own_ae_title)
    ae.connection_timeout = CONNECT_S
    ae.acse_timeout = CONNECT_S
    ae.network_timeout = ANSWER_S
    ae.dimse_timeout = ANSWER_S
    # Larger than the library's 16 KB: fewer turns through Python for each image.
    ae.maximum_pdu_size = 262_144
    return ae


def tls_context(node: Node) -> ssl.SSLContext:
    """What a TLS connection to ``node`` trusts and shows.

    Raises:
        PacsError: a certificate or key file can't be used.
    """
    try:
        context = ssl.create_default_context(cafile=node.ca_file or None)
        context.sslsocket_class = QuickTlsSocket
        if node.certificate:
            context.load_cert_chain(node.certificate, node.key)
    except (OSError, ssl.SSLError) as e:
        raise PacsError(
            "bad_certificate",
            tr("A certificate or key file of {node} can't be used: {why}.", node=node.name, why=_why(e)),
        ) from e
    return context


def server_context(certificate: str, key: str) -> ssl.SSLContext | None:
    """What this program shows to those who connect to it encrypted; None for unencrypted, where no file is named.

    Raises:
        PacsError: a file can't be used.
    """
    if not certificate:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    try:
        context.load_cert_chain(certificate, key or None)
    except (OSError, ssl.SSLError) as e:
        raise PacsError(
            "bad_certificate", tr("This program's certificate or key file can't be used: {why}.", why=_why(e))
        ) from e
    return context


@contextlib.contextmanager
def associate(
    node: Node,
    own_ae_title: str,
    contexts: Sequence[PresentationContext],
    *,
    roles: Sequence[Any] = (),
    handlers: Sequence[Any] = (),
    cancel: CancelToken | None = None,
    give_up: Callable[[], bool] = lambda: False,
) -> Iterator[Association]:
    """An association with ``node``, released at the end, aborted where something went wrong or ``cancel`` was set.

    Args:
        own_ae_title: whom the node knows this program as. contexts, roles: what is negotiated.
        handlers: of pynetdicom's events.
        give_up: asked several times a second; the association is aborted once it says so.

    Raises:
        PacsError: it can't be opened; the sentence says why.
        Cancelled: ``cancel`` was set.
    """
    node.check()
    if cancel:
        cancel.raise_if_cancelled()
    opened: list[socket.socket] = []
    assoc = _open(node, own_ae_title, contexts, roles, handlers, opened)
    watcher = _Watcher(assoc, cancel, give_up)
    try:
        yield assoc
    except BaseException:
        if assoc.is_established:
            assoc.abort()
        raise
    else:
        if assoc.is_established:
            assoc.release()
    finally:
        watcher.stop()
        assoc.join(CONNECT_S)
        _close(opened)


def _open(
    node: Node,
    own_ae_title: str,
    contexts: Sequence[PresentationContext],
    roles: Sequence[Any],
    handlers: Sequence[Any],
    opened: list[socket.socket],
) -> Association:
    """An association; its connection is put into ``opened``. Raises as `associate`."""
    from pynetdicom import evt

    ae = application_entity(node.own_ae_title or own_ae_title)
    tls = (tls_context(node), node.host) if node.tls else None

    def connected(event: Event) -> None:
        connection: Any = event.assoc.dul.socket
        connection.socket = quick(connection.socket)
        opened.append(connection.socket)

    for _ in range(_TRIES):
        began = time.monotonic()
        try:
            assoc = ae.associate(
                node.host, node.port, list(contexts), node.ae_title, ext_neg=list(roles), tls_args=tls,
                evt_handlers=[*handlers, (evt.EVT_CONN_OPEN, connected)],
            )  # fmt: skip
        except (OSError, RuntimeError, ValueError) as e:
            raise _unreachable(node, e) from e
        if assoc.is_established:
            return assoc
        refusal = _refusal(node, assoc)
        if opened and assoc.dul.is_alive():
            assoc.dul.join(CONNECT_S)
        _close(opened)
        # A node that hangs up at once may have said why, but the end of the connection overtook it: one time in 30.
        if refusal.code != "no_association" or time.monotonic() - began > _AT_ONCE_S:
            break
    raise refusal


def _close(opened: Sequence[socket.socket]) -> None:
    """What the library forgets: the socket of a connection that broke, or on which nothing was agreed."""
    for raw in opened:
        raw.close()


class _Watcher:
    """Aborts an association when it must end: the thread that uses it may be waiting for an answer, or drown in them."""

    def __init__(self, assoc: Association, cancel: CancelToken | None, give_up: Callable[[], bool]) -> None:
        self._assoc, self._cancel, self._give_up = assoc, cancel, give_up
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="hyrisk-pacs-watch", daemon=True)
        self._thread.start()

    def _watch(self) -> None:
        while not self._done.wait(_POLL_S):
            # Whoever uses it notices a cancel between two objects; an abort is for a node that keeps silent.
            cancelled = self._cancel is not None and self._cancel.cancelled and not self._done.wait(_POLITE_S)
            if cancelled or self._give_up():
                if self._assoc.is_established and not self._done.is_set():
                    self._assoc.abort()
                return

    def stop(self) -> None:
        self._done.set()
        self._thread.join()


def stored_object(event: Event) -> tuple[bytes, str, str]:
    """What a C-STORE request brings: the bytes of a DICOM file, and the SOP class and instance UIDs that it names."""
    request: Any = event.request
    return event.encoded_dataset(), str(request.AffectedSOPClassUID), str(request.AffectedSOPInstanceUID)


def lost(node: Node) -> PacsError:
    """The sentence for a connection that broke off."""
    return PacsError(
        "connection_lost",
        tr("The connection to {node} broke off. What has arrived is kept; try again.", node=node.name),
    )


def refused_context(node: Node, service: str) -> PacsError:
    """The sentence for a node that does not offer a service."""
    return PacsError("not_offered", tr("{node} does not offer {service}.", node=node.name, service=service))


def status_text(status: Any) -> str:
    """A DIMSE status as text: its category and code, and never the node's comment, which may quote a patient."""
    from pynetdicom.status import code_to_category

    code = getattr(status, "Status", None)
    return tr("no answer") if code is None else f"{code_to_category(code)} 0x{code:04X}"


def _refusal(node: Node, assoc: Association) -> PacsError:
    if assoc.is_rejected:
        primitive = assoc.acceptor.primitive
        # PS3.8 9.3.4: source 1 is the application; the reasons of the others are rarely about us.
        reason = (primitive.result_source, primitive.diagnostic) if primitive is not None else (0, 0)
        if reason == (1, 7):
            return PacsError(
                "called_ae_title",
                tr(
                    "{node} does not know the AE title {title}; check how it is spelt in the node's settings.",
                    node=node.name,
                    title=node.ae_title,
                ),
            )
        if reason == (1, 3):
            return PacsError(
                "calling_ae_title",
                tr("{node} does not accept this program's AE title; have it added there.", node=node.name),
            )
        why = primitive.reason_str if primitive is not None else ""
        return PacsError("rejected", tr("{node} refused the connection: {why}.", node=node.name, why=why))
    if assoc.acceptor.primitive is not None and not assoc.accepted_contexts and assoc.rejected_contexts:
        return PacsError("no_context", tr("{node} offers none of the services asked for.", node=node.name))
    return _unreachable(node, _probe(node))


def _probe(node: Node) -> Exception | None:
    """Why no connection came about: the library doesn't tell, so the bare connection is tried once more."""
    try:
        with socket.create_connection((node.host, node.port), CONNECT_S) as raw:
            if node.tls:
                with tls_context(node).wrap_socket(raw, server_hostname=node.host):
                    return None
    except (OSError, PacsError) as e:
        return e
    return None


def _unreachable(node: Node, error: Exception | None) -> PacsError:
    if isinstance(error, PacsError):
        return error
    if isinstance(error, ssl.SSLCertVerificationError):
        return PacsError(
            "untrusted",
            tr(
                "{node} shows a certificate that is not trusted ({why}); name the file of its authority in the settings.",
                node=node.name,
                why=error.verify_message,
            ),
        )
    if isinstance(error, ssl.SSLError) or (node.tls and isinstance(error, ConnectionResetError)):
        return PacsError(
            "no_tls", tr("{node} doesn't speak TLS at this port, or not with this certificate.", node=node.name)
        )
    if isinstance(error, socket.gaierror):
        return PacsError("unknown_host", tr("The host {host} is not known; check its name.", host=node.host))
    if isinstance(error, TimeoutError):
        return PacsError("timeout", tr("{host} does not answer; check address, port and firewall.", host=node.host))
    if isinstance(error, OSError):
        return PacsError(
            "unreachable",
            tr("{host}, port {port}, can't be reached: {why}.", host=node.host, port=node.port, why=_why(error)),
        )
    return PacsError(
        "no_association",
        tr("{node} answers at this port but opens no DICOM connection; check port, AE titles and TLS.", node=node.name),
    )


def _why(error: OSError) -> str:
    return error.strerror or type(error).__name__
