"""The worklist's store on a thread of its own: questions are answered on the GUI thread, reads are saved until they are.

A read that could not be saved (disk full, database locked, server away) is tried again; a newer state of the same read takes
its place in the queue. Until then it lies on this computer's disk too, from where the next start takes it up. Nothing here
ever blocks the GUI thread, except `close`.
"""

from __future__ import annotations

import contextlib
import logging
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QMetaMethod, QObject, QTimer, Signal, Slot

from hyrisk_desktop.errors import ConflictError, HyRiskError, InputError, StoreError
from hyrisk_desktop.gui.sentences import sentence_of
from hyrisk_desktop.gui.services.desks import Desks
from hyrisk_desktop.gui.services.store_thread import StoreThread
from hyrisk_desktop.i18n import tr, trn
from hyrisk_desktop.paths import unsaved_dir
from hyrisk_desktop.worklist.records import Read, Reader

if TYPE_CHECKING:
    from hyrisk_desktop.worklist.store import Store
    from hyrisk_desktop.worklist.unsaved import UnsavedReads, Waiting

_log = logging.getLogger(__name__)
_RETRY_MS = 5000
_Key = tuple[int, int, bool]
_Results = list[tuple[_Key, Read | HyRiskError]]


class StoreService(StoreThread):
    """Owns the store.

    Args:
        where: file or URL, see `worklist.database.Database`.

    Signals:
        saved: a read has been saved; carries the `Read` as stored.
        trouble: one sentence while reads can't be saved, "" once they are.
        conflict: a read was not saved, as another window has saved another state of it since it was opened here; carries
            what was to be saved, its `Reader`, and the stored `Read`. The read is let go: whoever asks the reader calls
            `take_newer` or `replace_newer`. Where nobody listens, `failed` says it instead.
        shared: one sentence while the same reader has the same exam open at another desk, "" otherwise.
    """

    saved = Signal(object)
    conflict = Signal(object, object, object)
    shared = Signal(str)
    trouble = Signal(str)

    def __init__(self, where: Path | str, parent: QObject | None = None) -> None:
        super().__init__(where, parent)
        # An exam's blinded read and its open one are two.
        self._unsaved: dict[_Key, tuple[Read, Reader]] = {}
        self._left: dict[_Key, Waiting] = {}
        """Reads of an earlier run, until the store has seen whether they are its own; for the store's thread."""
        self._on_disk: UnsavedReads | None = None
        self._saving = False
        self._in_trouble = False
        self._shared = ""
        self._retry = QTimer(self, singleShot=True, interval=_RETRY_MS)
        self._retry.timeout.connect(self._save)
        self.desks = Desks(self)
        self.desks.heard.connect(self._try_again)

    @property
    def unsaved(self) -> int:
        """How many reads wait to be saved."""
        return len(self._unsaved)

    def back_up(self) -> None:
        """Make today's backup if there is none; a failure is told like any other."""
        self.ask(lambda store: store.database.back_up())

    def look_for_others(self) -> None:
        """From now on hear what other desks do (see `desks`), and take up what an earlier run could not save."""
        self._later(self._take_over)
        self.desks.start()

    def tell_shared(self, sentence: str) -> None:
        """Say, or with "" no longer, that the exam on screen is open at another desk of the same reader; see `shared`."""
        if sentence != self._shared:
            self._shared = sentence
            self.shared.emit(sentence)

    def _take_over(self) -> None:
        """On the store's thread."""
        found = self._disk().take_over()
        if found:
            self._tell(self._queue_left, found)

    def _queue_left(self, found: list[Waiting]) -> None:
        for waiting in found:
            key = (waiting.read.exam_id, waiting.reader.reader_id, waiting.read.blinded)
            # The store's revisions decide, not what the reader's desk numbered.
            self._left[key] = waiting
            self._unsaved.setdefault(key, (replace(waiting.read, revision=0), waiting.reader))
        self._save()

    def _disk(self) -> UnsavedReads:
        if self._on_disk is None:
            from hyrisk_desktop.worklist.unsaved import UnsavedReads, mark_of

            self._on_disk = UnsavedReads(unsaved_dir(), mark_of(self._where))
        return self._on_disk

    def save_read(self, read: Read, reader: Reader) -> None:
        """Keep this state of a read; what waits of the same read is replaced."""
        self._unsaved[read.exam_id, reader.reader_id, read.blinded] = (read, reader)
        if self._retry.isActive():
            # It will be a while: the program may end before.
            self._later(self._write_down, read, reader)
        elif not self._saving:
            self._save()

    def waiting(self, exam_id: int, reader_id: int, *, blinded: bool) -> Read | None:
        """The state of that read that is not stored yet, None where there is none."""
        found = self._unsaved.get((exam_id, reader_id, blinded))
        return found[0] if found else None

    def withdraw(self, exam_id: int, reader_id: int, *, blinded: bool) -> None:
        """A state of that read that still waits is not wanted any more."""
        key = (exam_id, reader_id, blinded)
        self._unsaved.pop(key, None)
        self._later(lambda: self._disk().drop(key))

    def replace_newer(self, read: Read, reader: Reader, newer: Read) -> None:
        """After `conflict`, and only because the reader wants it so: save ``read`` over the stored ``newer``."""
        self._settle(newer, reader, "refused")
        self.save_read(replace(read, revision=newer.revision), reader)

    def take_newer(self, newer: Read, reader: Reader) -> None:
        """After `conflict`, and only because the reader wants it so: the stored ``newer`` stays."""
        self.withdraw(newer.exam_id, reader.reader_id, blinded=newer.blinded)
        self._settle(newer, reader, "stored")

    def _settle(self, newer: Read, reader: Reader, kept: str) -> None:
        about, detail = f"read:{newer.read_id}", {"kept": kept, "revision": newer.revision}
        self.ask(lambda store: store.note(reader.name, "conflict_settled", about, detail), failed=lambda _: None)

    def _is_heard(self) -> bool:
        return self.isSignalConnected(QMetaMethod.fromSignal(self.conflict))

    @Slot()
    def _save(self) -> None:
        if not self._unsaved or self._saving:
            return
        batch = dict(self._unsaved)
        self._saving = True

        def work(store: Store) -> _Results:
            return [(key, self._try_to_save(store, read, reader)) for key, (read, reader) in batch.items()]

        def done(results: _Results) -> None:
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

        self.ask(work, done, failed, insist=True)

    def _try_to_save(self, store: Store, read: Read, reader: Reader) -> Read | HyRiskError:
        """On the store's thread: save a read, or keep it on this computer's disk."""
        key = (read.exam_id, reader.reader_id, read.blinded)
        if (waiting := self._left.get(key)) is not None:
            try:
                if (error := _foreign(store, waiting)) is not None:
                    del self._left[key]
                    return error
                store.base_on(read, reader, waiting.based_on)
                del self._left[key]
            except StoreError as e:
                return e
        if not isinstance(self._where, Path):
            # A server may go away in the middle, and this program with it.
            self._write_down(read, reader)
        try:
            saved = store.save_read(read, reader)
        except ConflictError as e:
            # Until the reader has answered.
            self._write_down(read, reader)
            return e
        except StoreError as e:
            self._write_down(read, reader)
            return e
        except HyRiskError as e:
            self._disk().drop(key)
            return e
        self._disk().drop(key)
        return saved

    def _write_down(self, read: Read, reader: Reader) -> None:
        """On the store's thread; where the disk refuses, too, the read is in memory only, which `trouble` says."""
        from hyrisk_desktop.worklist.unsaved import Waiting

        known = None if self._store is None else self._store.based_on(read, reader)
        key = (read.exam_id, reader.reader_id, read.blinded)
        if (left := self._left.get(key)) is not None:
            known = left.based_on
        try:
            self._disk().keep(Waiting(read, reader, -1 if known is None else known))
        except OSError as e:
            _log.warning("A read that waits can't be kept on the disk: %s", type(e).__name__)

    @property
    def kept_on_disk(self) -> bool:
        """Whether all reads that wait to be saved lie on this computer's disk as well."""
        return self._on_disk is not None and all(self._on_disk.holds(key) for key in list(self._unsaved))

    def _after(self, troubles: list[str]) -> None:
        if troubles:
            self._in_trouble = True
            n, why = len(self._unsaved), troubles[0]
            self.trouble.emit(
                trn(
                    "{why} {n} read waits on this computer, and is saved as soon as that is over.",
                    "{why} {n} reads wait on this computer, and are saved as soon as that is over.",
                    n,
                    why=why,
                )
                if self.kept_on_disk
                else trn(
                    "{why} {n} read waits in memory: leave the program open.",
                    "{why} {n} reads wait in memory: leave the program open.",
                    n,
                    why=why,
                )
            )
            self._retry.start()
            for read, reader in self._unsaved.values():
                # What came while the others were tried.
                self._later(self._write_down, read, reader)
        elif self._unsaved:
            self._save()
        elif self._in_trouble:
            self._in_trouble = False
            self.trouble.emit("")

    @Slot()
    def _try_again(self) -> None:
        """The server is back: what waits need not wait for the next turn."""
        self._away = None
        if self._retry.isActive():
            self._retry.stop()
            self._save()

    def flush(self) -> list[tuple[Read, Reader]]:
        """Wait for all that was asked, try once more to save what waits, and return what still could not be."""
        self._retry.stop()
        waiting = dict(self._unsaved)

        def run() -> None:
            store = self.open()
            for key, (read, reader) in waiting.items():
                # A conflict stays as well: the window asks before it closes over what can't be saved.
                if not isinstance(self._try_to_save(store, read, reader), (StoreError, ConflictError)):
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
        self.desks.close()
        self.flush()
        self._closed = True
        self._retry.stop()
        self._pool.submit(self._leave)
        self._pool.shutdown(wait=True)
        if self._store is not None:
            self._store.close()

    def _leave(self) -> None:
        """On the store's thread: the other desks need not wait until this one has been silent for long enough."""
        if self._on_disk is not None:
            self._on_disk.close()
        if self._store is not None and self.desks.is_known:
            from hyrisk_desktop.worklist.desks import leave

            with contextlib.suppress(StoreError):
                self._spare_the_wait()
                leave(self._store.database)


def _foreign(store: Store, waiting: Waiting) -> InputError | None:
    """Why a read of an earlier run is none of this worklist; its file stays. Raises StoreError."""
    from hyrisk_desktop.worklist.unsaved import belongs

    if belongs(store, waiting):
        return None
    return InputError(
        "unsaved_read",
        tr("A read that could not be saved earlier is of an exam that the worklist no longer holds; it is kept in {folder}.",
           folder=unsaved_dir()),
    )  # fmt: skip
