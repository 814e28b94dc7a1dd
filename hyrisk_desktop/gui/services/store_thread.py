"""One thread that owns the worklist's store: questions are asked from the GUI thread and answered there, in order."""

from __future__ import annotations

import importlib
import logging
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from PySide6.QtCore import QObject, Qt, Signal, Slot

from hyrisk_desktop.errors import HyRiskError, StoreError, safe_traceback
from hyrisk_desktop.exchange.reports.document import versions
from hyrisk_desktop.risk.preload import lasting_imports

if TYPE_CHECKING:
    from hyrisk_desktop.imaging import SeriesRecord
    from hyrisk_desktop.worklist.store import Store

_log = logging.getLogger(__name__)
# Each attempt at a server that is away takes as long as a connection may: for this long nobody else tries.
_AWAY_S = 4.0
T = TypeVar("T")


def _ignore(_: Any) -> None:
    """Nobody wants to know."""


class StoreThread(QObject):
    """The thread and its questions.

    Args:
        where: file or URL, see `worklist.database.Database`.

    Signals:
        failed: a question could not be answered, and whoever asked has no answer of their own to that.
    """

    failed = Signal(object)
    _deliver = Signal(object)

    def __init__(self, where: Path | str, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._where = where
        self._pool = ThreadPoolExecutor(1, "hyrisk-store")
        self._store: Store | None = None
        self._lock = threading.Lock()
        self._told = ""
        self._closed = False
        self._away: tuple[float, StoreError] | None = None
        self._deliver.connect(self._call, Qt.ConnectionType.QueuedConnection)

    def open(self) -> Store:
        """The store, opened if it is not; blocks, so for worker threads only. Raises StoreError."""
        with self._lock:
            if self._store is None:
                from hyrisk_desktop.worklist.store import Store

                self._store = Store(self._where)
            return self._store

    def ask(
        self,
        work: Callable[[Store], T],
        done: Callable[[T], None] = _ignore,
        failed: Callable[[Exception], None] | None = None,
        *,
        insist: bool = False,
    ) -> None:
        """Do ``work`` on the store's thread and hand its answer to ``done`` on this one; asked in order, answered in order.

        Args:
            work: gets the store. done, failed: get its answer, or the error. insist: try although the server was just away.
        """
        if self._closed:
            return

        def run() -> None:
            try:
                if not insist:
                    self._spare_the_wait()
                value = work(self.open())
                self._away = None
            except HyRiskError as e:
                _log.info("The worklist's store: %s", e.code)
                self._note_away(e)
                self._tell(failed or self.report, e)
            except Exception as e:  # noqa: BLE001  one report, as in the job runner
                _log.error("The worklist's store failed unexpectedly:\n%s", safe_traceback(e))
                self._tell(failed or self.report, e)
            else:
                self._tell(lambda value: self._answer(done, value), value)

        self._pool.submit(run)

    def records(self, exam_id: int) -> tuple[tuple[SeriesRecord, ...], Path]:
        """For worker threads: `Store.records`, at once refused while the server was just away. Raises StoreError."""
        self._spare_the_wait()
        try:
            return self.open().records(exam_id)
        except StoreError as e:
            self._note_away(e)
            raise

    def _spare_the_wait(self) -> None:
        if self._away is not None and time.monotonic() < self._away[0]:
            raise self._away[1]

    def _note_away(self, error: HyRiskError) -> None:
        if isinstance(error, StoreError) and error.code == "store_unreachable":
            until = time.monotonic() + _AWAY_S
            # What is refused without trying does not make it longer.
            self._away = self._away if self._away is not None and self._away[1] is error else (until, error)

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

    def _later(self, work: Callable[..., object], *arguments: object) -> None:
        """Do something on the store's thread that nobody waits for."""
        if not self._closed:
            self._pool.submit(work, *arguments)

    def _tell(self, callback: Callable[[Any], None], value: Any) -> None:
        self._deliver.emit(lambda: callback(value))

    @Slot(object)
    def _call(self, callback: Callable[[], None]) -> None:
        if not self._closed:
            callback()
