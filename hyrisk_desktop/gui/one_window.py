"""One window for each user: a second start hands its path to the first and ends.

A window with other settings (another ``HYRISK_HOME``) is another window. They meet at a local socket in the folder of the
settings, which is this account's alone; Windows has no such files, and a pipe that only this account may open.
"""

from __future__ import annotations

import hashlib
import logging
import sys
from pathlib import Path

from PySide6.QtCore import QObject, Signal, Slot
from PySide6.QtNetwork import QLocalServer, QLocalSocket

from hyrisk_desktop.paths import config_dir
from hyrisk_desktop.private_files import make_private

_log = logging.getLogger(__name__)
_WAIT_MS = 2000
_ANSWER_MS = 15_000
"""A window that is just being built answers once it is there: who clicks twice gets one."""
_MOST_BYTES = 1 << 16
_LONGEST = 100
"""Bytes of a socket's path; systems end at 104 to 108."""
_TAKEN = b"taken\n"


def socket_name() -> str:
    """Where the window of these settings listens."""
    place = config_dir().resolve() / "window.socket"
    if sys.platform != "win32" and len(str(place).encode()) <= _LONGEST:
        return str(place)
    return f"hyrisk-desktop-{hashlib.sha256(str(place).encode('utf-8', 'surrogateescape')).hexdigest()[:24]}"


def hand_over(path: Path | None, name: str | None = None) -> bool:
    """Give ``path`` to the window that is open already; False where there is none, or none that answers.

    Args:
        path: what to open; None only brings that window to the front. name: of the socket; None for `socket_name`.
    """
    socket = QLocalSocket()
    socket.connectToServer(name or socket_name())
    if not socket.waitForConnected(_WAIT_MS):
        return False
    # The other window may have been started elsewhere.
    text = "" if path is None else str(path.absolute())
    socket.write(text.encode("utf-8", "surrogateescape") + b"\n")
    socket.flush()
    answered = socket.waitForReadyRead(_ANSWER_MS) and bytes(socket.readAll().data()) == _TAKEN
    socket.disconnectFromServer()
    return answered


class OneWindow(QObject):
    """Listens for later starts.

    Signals:
        wanted: a `Path` to open, or None where the window is only to be seen.
    """

    wanted = Signal(object)

    def __init__(self, parent: QObject | None = None, name: str | None = None) -> None:
        super().__init__(parent)
        self._server = QLocalServer(self)
        self._server.setSocketOptions(QLocalServer.SocketOption.UserAccessOption)
        self._server.newConnection.connect(self._greet)
        name = name or socket_name()
        try:
            make_private(config_dir())
        except OSError:
            _log.info("Later starts can't be heard: the folder of the settings can't be made.")
            return
        # Nobody has answered under this name: what lies there is what a killed run has left.
        QLocalServer.removeServer(name)
        if not self._server.listen(name):
            _log.info("Later starts can't be heard: %s", self._server.errorString())

    def close(self) -> None:
        """Hear no more."""
        self._server.close()

    @Slot()
    def _greet(self) -> None:
        while (socket := self._server.nextPendingConnection()) is not None:
            socket.readyRead.connect(self._hear)
            socket.disconnected.connect(socket.deleteLater)

    @Slot()
    def _hear(self) -> None:
        socket = self.sender()
        if not isinstance(socket, QLocalSocket):
            return
        if socket.bytesAvailable() > _MOST_BYTES:
            socket.abort()
            return
        if not socket.canReadLine():
            return
        text = bytes(socket.readLine().data()).rstrip(b"\n").decode("utf-8", "surrogateescape")
        socket.write(_TAKEN)
        socket.flush()
        self.wanted.emit(Path(text) if text else None)
