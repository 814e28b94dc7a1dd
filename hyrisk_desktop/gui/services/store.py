"""The worklist's store on a thread of its own: questions are answered on the GUI thread, reads are saved until they are.

A read that could not be saved (disk full, database locked, server away) stays in memory and is tried again; a newer
state of the same read takes its place in the queue. Nothing here ever blocks the GUI thread, except `close`.
"""

from __future__ import annotations

import importlib
import logging
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from PySide6.QtCore import QMetaMethod, QObject, Qt, QTimer, Signal, Slot

from hyrisk_desktop.errors import ConflictError, HyRiskError, StoreError, safe_traceback
from hyrisk_desktop.exchange.reports.document import versions
from hyrisk_desktop.gui.sentences import sentence_of
from hyrisk_desktop.i18n import tr
from hyrisk_desktop.risk.preload import lasting_imports
from hyrisk_desktop.worklist.records import Read, Reader

if TYPE_CHECKING:
    from hyrisk_desktop.worklist.store import Store

_log = logging.getLogger(__name__)
_RETRY_MS = 5000
_LOOK_MS = 15_000
T = TypeVar("T")


def _ignore(_: Any) -> None:
    """Nobody wants to know."""


class StoreService(QObject):
    """Owns the store.

    Args:
        where: file or URL, see `worklist.database.Database`.

    Signals:
        saved: a read has been saved; carries the `Read` as stored.
        trouble: one sentence while reads can't be saved, "" once they are.
        failed: a question could not be answered, and whoever asked has no answer of their own to that.
        conflict: a read was not saved, as another window has saved another state of it since it was opened here; carries
            what was to be saved, its `Reader`, and the stored `Read`. The read is let go: whoever asks the reader either
            shows the stored one, or calls `replace_newer`. Where nobody listens, `failed` says it instead.
        shared: one sentence while another window has the same worklist open, "" once none has.
    """

    saved = Signal(object)
    conflict = Signal(object, object, object)
    shared = Signal(str)
    trouble = Signal(str)
    failed = Signal(object)
    _deliver = Signal(object)

    def __init__(self, where: Path | str, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._where = where
        self._pool = ThreadPoolExecutor(1, "hyrisk-store")
        self._store: Store | None = None
        self._lock = threading.Lock()
        # An exam's blinded read and its open one are two.
        self._unsaved: dict[tuple[int, int, bool], tuple[Read, Reader]] = {}
        self._saving = False
        self._in_trouble = False
        self._told = ""
        self._closed = False
        self._retry = QTimer(self, singleShot=True, interval=_RETRY_MS)
        self._retry.timeout.connect(self._save)
        self._shared = ""
        self._look = QTimer(self, interval=_LOOK_MS)
        self._look.timeout.connect(self.look_for_others)
        self._deliver.connect(self._call, Qt.ConnectionType.QueuedConnection)

    @property
    def unsaved(self) -> int:
        """How many reads wait to be saved."""
        return len(self._unsaved)

    def open(self) -> Store:
        """The store, opened if it is not; blocks, so for worker threads only. Raises StoreError."""
        with self._lock:
            if self._store is None:
                from hyrisk_desktop.worklist.store import Store

                self._store = Store(self._where, window=True)
            return self._store

    def ask(
        self,
        work: Callable[[Store], T],
        done: Callable[[T], None] = _ignore,
        failed: Callable[[Exception], None] | None = None,
    ) -> None:
        """Do ``work`` on the store's thread and hand its answer to ``done`` on this one; asked in order, answered in order."""
        if self._closed:
            return

        def run() -> None:
            try:
                value = work(self.open())
            except HyRiskError as e:
                _log.info("The worklist's store: %s", e.code)
                self._tell(failed or self.report, e)
            except Exception as e:  # noqa: BLE001  one report, as in the job runner
                _log.error("The worklist's store failed unexpectedly:\n%s", safe_traceback(e))
                self._tell(failed or self.report, e)
            else:
                self._tell(lambda value: self._answer(done, value), value)

        self._pool.submit(run)

    def _answer(self, done: Callable[[Any], None], value: Any) -> None:
        self._told = ""
        done(value)

    def report(self, error: Exception) -> None:
        """A database that is gone fails every question; that is said once, until it answers again."""
        if isinstance(error, StoreError):
            if error.code == self._told:
                return
            self._told = error.code
        self.failed.emit(error)

    def preload(self, done: Callable[[], None]) -> None:
        """Import the database's libraries on the store's thread, and call ``done`` on this one.

        While torch's libraries are being mapped, any other import of native code waits for the dynamic loader with
        Python's global lock in its hand, and the window with it (up to 0.8 s, measured): so this goes first.
        """

        def run() -> None:
            try:
                if "sqlalchemy" not in sys.modules:
                    with lasting_imports():
                        importlib.import_module("hyrisk_desktop.worklist.store")
                        importlib.import_module("sqlalchemy.dialects.sqlite")
                # Every read that is saved names them, and the GUI thread makes the reads.
                versions()
            finally:
                # What is missing is said by whoever asks the store first.
                self._tell(lambda _: done(), None)

        self._pool.submit(run)

    def back_up(self) -> None:
        """Make today's backup if there is none; a failure is told like any other."""
        self.ask(lambda store: store.database.back_up())

    @Slot()
    def look_for_others(self) -> None:
        """Find out now, and every 15 s from now on, whether another window has this worklist open; see `shared`."""
        self._look.start()
        self.ask(lambda store: store.database.other_windows(), self._tell_others, lambda _: None)

    def _tell_others(self, count: int) -> None:
        sentence = (
            tr("Another window has this worklist open: read each exam in one of them only, or close the other.")
            if count
            else ""
        )
        if sentence != self._shared:
            self._shared = sentence
            self.shared.emit(sentence)

    def save_read(self, read: Read, reader: Reader) -> None:
        """Keep this state of a read; what waits of the same read is replaced."""
        self._unsaved[read.exam_id, reader.reader_id, read.blinded] = (read, reader)
        if not self._saving and not self._retry.isActive():
            self._save()

    def is_waiting(self, exam_id: int, reader_id: int, *, blinded: bool) -> bool:
        """Whether a state of that read is not stored yet."""
        return (exam_id, reader_id, blinded) in self._unsaved

    def withdraw(self, exam_id: int, reader_id: int, *, blinded: bool) -> None:
        """A state of that read that still waits is not wanted any more."""
        self._unsaved.pop((exam_id, reader_id, blinded), None)

    def replace_newer(self, read: Read, reader: Reader, newer: Read) -> None:
        """After `conflict`, and only because the reader wants it so: save ``read`` over the stored ``newer``."""
        self.save_read(replace(read, revision=newer.revision), reader)

    def _is_heard(self) -> bool:
        return self.isSignalConnected(QMetaMethod.fromSignal(self.conflict))

    @Slot()
    def _save(self) -> None:
        if not self._unsaved or self._saving:
            return
        batch = dict(self._unsaved)
        self._saving = True

        def work(store: Store) -> list[tuple[tuple[int, int, bool], Read | HyRiskError]]:
            return [(key, _try_to_save(store, read, reader)) for key, (read, reader) in batch.items()]

        def done(results: list[tuple[tuple[int, int, bool], Read | HyRiskError]]) -> None:
            self._saving = False
            troubles: list[str] = []
            for key, result in results:
                if isinstance(result, StoreError):
                    troubles.append(result.message)
                    continue
                if self._unsaved.get(key) == batch[key]:
                    del self._unsaved[key]
                if isinstance(result, Read):
                    self.saved.emit(result)
                elif isinstance(result, ConflictError) and self._is_heard():
                    self.conflict.emit(*batch[key], result.newer)
                else:
                    self.failed.emit(result)
            self._after(troubles)

        def failed(error: Exception) -> None:
            self._saving = False
            self._after([sentence_of(error, tr("Not saved yet; see the log."))])

        self.ask(work, done, failed)

    def _after(self, troubles: list[str]) -> None:
        if troubles:
            self._in_trouble = True
            self.trouble.emit(tr("{why} {n} reads wait in memory.", why=troubles[0], n=len(self._unsaved)))
            self._retry.start()
        elif self._unsaved:
            self._save()
        elif self._in_trouble:
            self._in_trouble = False
            self.trouble.emit("")

    def flush(self) -> list[tuple[Read, Reader]]:
        """Wait for all that was asked, try once more to save what waits, and return what still could not be."""
        self._retry.stop()
        waiting = dict(self._unsaved)

        def run() -> None:
            store = self.open()
            for key, (read, reader) in waiting.items():
                # A conflict stays as well: the window asks before it closes over what can't be saved.
                if not isinstance(_try_to_save(store, read, reader), (StoreError, ConflictError)):
                    self._unsaved.pop(key, None)

        try:
            self._pool.submit(run).result()
        except HyRiskError as e:
            _log.info("The worklist's store: %s", e.code)
        return list(self._unsaved.values())

    def close(self) -> None:
        """Save what waits and let go of the store; tells nothing more."""
        if self._closed:
            return
        self.flush()
        self._closed = True
        self._retry.stop()
        self._look.stop()
        self._pool.shutdown(wait=True)
        if self._store is not None:
            self._store.close()

    def _tell(self, callback: Callable[[Any], None], value: Any) -> None:
        self._deliver.emit(lambda: callback(value))

    @Slot(object)
    def _call(self, callback: Callable[[], None]) -> None:
        if not self._closed:
            callback()


def _try_to_save(store: Store, read: Read, reader: Reader) -> Read | HyRiskError:
    try:
        return store.save_read(read, reader)
    except HyRiskError as e:
        return e
