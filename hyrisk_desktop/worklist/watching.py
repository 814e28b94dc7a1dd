"""A thread that hears what other desks do, for as long as a window is open; it outlives a server that goes away."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable

from hyrisk_desktop.errors import StoreError
from hyrisk_desktop.worklist.database import Database
from hyrisk_desktop.worklist.feeds import News, feed_of

_RETRY_S = 3.0


class Watcher:
    """Hears until `stop`.

    Args:
        database: gives the open database, on the watcher's thread; may raise StoreError, and is asked again then.
        tell: called on that thread with `News`; everything may have changed whenever the watcher begins to hear.
        lost: called on that thread with the error, each time that nothing can be heard.
    """

    def __init__(
        self, database: Callable[[], Database], tell: Callable[[News], None], lost: Callable[[StoreError], None]
    ) -> None:
        self._database, self._tell, self._lost = database, tell, lost
        self._stopped = threading.Event()
        self._wake, self._waked = socket.socketpair()
        self._thread = threading.Thread(target=self._run, name="hyrisk-desks")
        self._thread.start()

    def stop(self) -> None:
        """Hear no more; returns when the thread has ended."""
        self._stopped.set()
        with contextlib.suppress(OSError):
            self._wake.send(b"!")
        self._thread.join()
        for end in (self._wake, self._waked):
            end.close()

    def _run(self) -> None:
        while not self._stopped.is_set():
            try:
                self._hear()
            except StoreError as e:
                self._lost(e)
                self._stopped.wait(_RETRY_S)

    def _hear(self) -> None:
        feed = feed_of(self._database())
        try:
            self._tell(News(desks=True, everything=True))
            while not self._stopped.is_set():
                if news := feed.wait(self._waked):
                    self._tell(news)
        finally:
            feed.close()
