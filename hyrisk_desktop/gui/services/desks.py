"""The other desks at this worklist, on the GUI thread: what they change, and who sits where; says that this one is there."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Qt, QTimer, Signal, Slot

from hyrisk_desktop.errors import StoreError
from hyrisk_desktop.worklist.records import Reader

if TYPE_CHECKING:
    from hyrisk_desktop.gui.services.store_thread import StoreThread
    from hyrisk_desktop.worklist.desks import Desk
    from hyrisk_desktop.worklist.feeds import News
    from hyrisk_desktop.worklist.store import Store
    from hyrisk_desktop.worklist.watching import Watcher

_log = logging.getLogger(__name__)
_EVERY_MS = 15_000


class Desks(QObject):
    """Hears and tells.

    Args:
        store: the worklist's.

    Signals:
        changed: exams were changed elsewhere; carries a frozenset of their numbers, or None where any may have been.
        seated: the other desks that live, as a tuple of `worklist.desks.Desk`.
        heard: the worklist can be heard, from now on or again.
        lost: nothing is heard any more; carries the error. Once, until it is heard again.
    """

    changed = Signal(object)
    seated = Signal(object)
    heard = Signal()
    lost = Signal(object)
    _news = Signal(object)
    _silence = Signal(object)

    def __init__(self, store: StoreThread) -> None:
        super().__init__(store)
        self._store = store
        self._watcher: Watcher | None = None
        self._closed = self._is_lost = False
        self._here: tuple[Reader, int | None, bool] | None = None
        self._seated: tuple[Desk, ...] = ()
        self._again = QTimer(self, interval=_EVERY_MS)
        self._again.timeout.connect(self._announce)
        self._news.connect(self._hear, Qt.ConnectionType.QueuedConnection)
        self._silence.connect(self._miss, Qt.ConnectionType.QueuedConnection)

    def start(self) -> None:
        """Hear from now on, once the store is open or has been tried."""
        self._store.ask(lambda _: None, lambda _: self._begin(), lambda _: self._begin())

    def _begin(self) -> None:
        if self._watcher is None and not self._closed:
            from hyrisk_desktop.worklist.watching import Watcher

            store = self._store
            self._watcher = Watcher(lambda: store.open().database, self._news.emit, self._silence.emit)

    def sit(self, reader: Reader, exam_id: int | None, *, blinded: bool) -> None:
        """``reader`` sits here, with that exam on screen."""
        here = (reader, exam_id, blinded)
        if here != self._here:
            self._here = here
            self._announce()
        self._again.start()

    @Slot()
    def _announce(self) -> None:
        if self._here is None:
            return
        reader, exam_id, blinded = self._here

        def work(store: Store) -> tuple[Desk, ...]:
            from hyrisk_desktop.worklist.desks import announce

            return announce(store.database, reader, exam_id, blinded=blinded)

        # Nobody waits for that; the reads themselves tell of a store that can't be written.
        self._store.ask(work, self._seat, lambda _: None)

    @Slot(object)
    def _hear(self, news: News) -> None:
        if self._closed:
            return
        if news.everything:
            self._is_lost = False
            self.heard.emit()
            self._announce()
            self.changed.emit(None)
        elif news.exam_ids:
            self.changed.emit(news.exam_ids)
        if news.desks and not news.everything:

            def work(store: Store) -> tuple[Desk, ...]:
                from hyrisk_desktop.worklist.desks import others

                return others(store.database)

            self._store.ask(work, self._seat, lambda _: None)

    def _seat(self, desks: tuple[Desk, ...]) -> None:
        if desks != self._seated:
            self._seated = desks
            self.seated.emit(desks)

    @Slot(object)
    def _miss(self, error: StoreError) -> None:
        if self._closed or self._is_lost:
            return
        self._is_lost = True
        _log.info("What other desks do can't be heard: %s", error.code)
        # Who sits where is not known now.
        self._seat(())
        self.lost.emit(error)

    def close(self) -> None:
        """Hear and tell nothing more; blocks until the thread has ended."""
        self._closed = True
        self._again.stop()
        if self._watcher is not None:
            self._watcher.stop()

    @property
    def is_known(self) -> bool:
        """Whether the others have been told that this desk is there."""
        return self._here is not None
