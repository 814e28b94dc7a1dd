"""Sockets for pynetdicom that are quick with small messages, count what they read, and close when they break.

pynetdicom writes and its peers write a message as two small pieces. Nagle's algorithm at one end holds the second piece
back until the first is acknowledged, and the other end takes 40 ms to acknowledge: 20 objects a second instead of 200.
"""

from __future__ import annotations

import contextlib
import errno
import socket
import ssl
from typing import Protocol

# Linux only; it is the system's choice again after a while, so it is asked for with every read.
_QUICKACK = getattr(socket, "TCP_QUICKACK", None)


class Meter(Protocol):
    """Counts bytes."""

    def count(self, length: int, /) -> None:
        """Raise OSError to end the connection."""


class QuickSocket(socket.socket):
    """An unencrypted connection."""

    meter: Meter | None = None

    def recv(self, bufsize: int, flags: int = 0, /) -> bytes:
        try:
            return _read(self, super().recv(bufsize, flags), self.meter)
        except OSError:
            # pynetdicom forgets a connection that broke, and its socket with it.
            self.close()
            raise


class QuickTlsSocket(ssl.SSLSocket):
    """An encrypted connection; name it as a context's ``sslsocket_class``."""

    meter: Meter | None = None

    def recv(self, buflen: int = 1024, flags: int = 0) -> bytes:
        try:
            return _read(self, super().recv(buflen, flags), self.meter)
        except OSError as e:
            # Wrapping a socket asks it once before it is connected, and expects these two.
            if e.errno not in (errno.ENOTCONN, errno.EINVAL):
                self.close()
            raise


def quick(raw: socket.socket) -> QuickSocket | QuickTlsSocket:
    """``raw``, which is used up by this, as such a socket; its time limit stays."""
    if isinstance(raw, QuickTlsSocket):
        made: QuickSocket | QuickTlsSocket = raw
    else:
        timeout = raw.gettimeout()
        made = QuickSocket(fileno=raw.detach())
        made.settimeout(timeout)
    with contextlib.suppress(OSError):
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return made


def _read(connection: socket.socket, data: bytes, meter: Meter | None) -> bytes:
    if _QUICKACK is not None:
        with contextlib.suppress(OSError):
            connection.setsockopt(socket.IPPROTO_TCP, _QUICKACK, 1)
    if meter is not None:
        meter.count(len(data))
    return data
