"""The listening socket: known addresses only, so many connections, so many bytes for one object and in one second.

pynetdicom reads whatever length a peer announces and waits for ever for what does not come; the limits therefore lie
in the sockets themselves.
"""

from __future__ import annotations

import contextlib
import ipaddress
import socket
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pynetdicom.transport import ThreadedAssociationServer

from hyrisk_desktop.exchange.pacs.sockets import QuickTlsSocket, quick

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


@dataclass(frozen=True, slots=True)
class Limits:
    """What a sender may use.

    Attributes:
        object_bytes: of one object; a longer one ends the connection.
        bytes_per_second: of all connections together.
        connections: at a time. connections_per_minute: refused beyond.
        silence_s: how long a connection may say nothing in the middle of a message.
        free_bytes: what must stay free on the disk.
    """

    object_bytes: int = 1 << 30
    bytes_per_second: float = 250e6
    connections: int = 8
    connections_per_minute: int = 300
    silence_s: float = 30.0
    free_bytes: int = 1 << 30


class _Rate:
    """A budget of bytes that refills with time, shared by all connections."""

    def __init__(self, per_second: float) -> None:
        self._per_second, self._left, self._at = per_second, per_second, time.monotonic()
        self._lock = threading.Lock()

    def spend(self, count: int) -> None:
        """Wait as long as ``count`` bytes take."""
        with self._lock:
            now = time.monotonic()
            self._left = min(self._per_second, self._left + (now - self._at) * self._per_second) - count
            self._at = now
            wait = -self._left / self._per_second
        if wait > 0:
            time.sleep(wait)


class Meter:
    """Counts the bytes of one connection since its last whole message."""

    def __init__(self, limit: int, rate: _Rate) -> None:
        self._limit, self._rate, self._count = limit, rate, 0
        self.exceeded = False

    def count(self, length: int) -> None:
        """Raise OSError, which ends the connection, once a message is longer than any that is taken."""
        self._count += length
        if self._count > self._limit:
            self.exceeded = True
            raise OSError("message too long")
        self._rate.spend(length)

    def message_ended(self) -> None:
        """Begin to count anew."""
        self._count = 0


class Listener(ThreadedAssociationServer):
    """pynetdicom's server with limits.

    Args:
        limits: see `Limits`.
        known: whether an address may connect at all.
        turned_away: called for one that may not, or that comes too often.
    """

    daemon_threads = True

    def __init__(
        self,
        *args: Any,
        limits: Limits,
        known: Callable[[Address], bool],
        turned_away: Callable[[], None],
        **kwargs: Any,
    ) -> None:
        self._limits, self._known, self._turned_away = limits, known, turned_away
        self._rate = _Rate(limits.bytes_per_second)
        self._lately: deque[float] = deque()
        self._sockets: weakref.WeakSet[socket.socket] = weakref.WeakSet()
        super().__init__(*args, **kwargs)
        if self.ssl_context is not None:
            self.ssl_context.sslsocket_class = QuickTlsSocket

    def get_request(self) -> tuple[socket.socket, tuple[str, int]]:
        """Accept a connection; TLS is agreed upon when its own thread reads, so that nobody can hold up the others."""
        assert self.socket is not None
        raw, address = self.socket.accept()
        if self.ssl_context is not None:
            raw = self.ssl_context.wrap_socket(raw, server_side=True, do_handshake_on_connect=False)
        made = quick(raw)
        made.settimeout(self._limits.silence_s)
        made.meter = Meter(self._limits.object_bytes, self._rate)
        self._sockets.add(made)
        return made, address

    def verify_request(self, request: Any, client_address: Any) -> bool:  # noqa: ARG002  socketserver's signature
        """Whether to talk to whoever connected."""
        now = time.monotonic()
        while self._lately and now - self._lately[0] > 60.0:
            self._lately.popleft()
        self._lately.append(now)
        busy = len(self.active_associations) >= self._limits.connections
        if (
            busy
            or len(self._lately) > self._limits.connections_per_minute
            or not self._known(plain_address(client_address[0]))
        ):
            self._turned_away()
            return False
        return True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A connection that fails is closed by the base class; the others go on, and nothing is printed."""

    def cut_connections(self) -> None:
        """End all connections at once, also those whose peer says nothing."""
        for made in list(self._sockets):
            with contextlib.suppress(OSError):
                made.shutdown(socket.SHUT_RDWR)

    def close_connections(self) -> None:
        """Give back what is left of them, once their threads have ended."""
        for made in list(self._sockets):
            made.close()


def meter_of(association: Any) -> Meter | None:
    """The meter of an association's connection."""
    return getattr(getattr(association.dul.socket, "socket", None), "meter", None)


def plain_address(text: str) -> Address:
    """An address as it is written; IPv4 also where the system maps it into IPv6."""
    address = ipaddress.ip_address(text.split("%")[0])
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address
