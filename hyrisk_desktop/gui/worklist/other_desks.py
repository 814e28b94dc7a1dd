"""What other desks do, in the open list: their reads and new exams come into its rows, and a row says who reads it now."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, QTimer, Signal, Slot

from hyrisk_desktop.errors import StoreError
from hyrisk_desktop.gui.services.store import StoreService
from hyrisk_desktop.gui.session import Session
from hyrisk_desktop.gui.worklist.read_keeper import ReadKeeper
from hyrisk_desktop.gui.worklist.table_model import WorklistModel
from hyrisk_desktop.i18n import listed, tr, trn
from hyrisk_desktop.worklist.records import ExamEntry, Reader, ReadingList

if TYPE_CHECKING:
    from hyrisk_desktop.worklist.desks import Desk
    from hyrisk_desktop.worklist.store import Store

_SETTLE_MS = 150
# More rows than this are read faster with the whole list.
_MANY = 2000


class OtherDesks(QObject):
    """Tells the others what is on screen here, and shows what they tell.

    Args:
        session, store: the window's. model: rows of the open list. keeper: of the read on screen.

    Signals:
        came: rows were changed elsewhere, or are new to the list; carries them.
        told: one sentence.
    """

    came = Signal(object)
    told = Signal(str)

    def __init__(
        self, session: Session, store: StoreService, model: WorklistModel, keeper: ReadKeeper, parent: QObject
    ) -> None:
        super().__init__(parent)
        self._session, self._store, self._model, self._keeper = session, store, model, keeper
        self._reader: Reader | None = None
        self._list: ReadingList | None = None
        self._desks: tuple[Desk, ...] = ()
        self._said: tuple[object, ...] = ()
        # A reader who leafs through the list sits nowhere in between.
        self._settle = QTimer(self, singleShot=True, interval=_SETTLE_MS)
        self._settle.timeout.connect(self._sit)
        desks = store.desks
        desks.changed.connect(self.renew)
        desks.seated.connect(self._seat)
        desks.lost.connect(self._lose)
        session.exam_changed.connect(self._settle.start)
        keeper.begun.connect(self._settle.start)

    def begin(self, reader: Reader | None, reading_list: ReadingList | None) -> None:
        """``reader`` reads now, in that list (None: in none)."""
        self._reader, self._list = reader, reading_list
        self._settle.start()
        self._show()

    @Slot()
    def _sit(self) -> None:
        if self._reader is not None:
            self._store.desks.sit(self._reader, self._session.stored_id, blinded=self._session.blinded)
        self._show()

    # --- who sits where

    @Slot(object)
    def _seat(self, desks: tuple[Desk, ...]) -> None:
        self._desks = desks
        self._show()

    def _show(self) -> None:
        """Rows name the readers of open lists; a blinded list names nobody, and no blinded reader is named anywhere."""
        busy: dict[int, tuple[str, ...]] = {}
        if self._list is not None and not self._list.blinded:
            for desk in self._desks:
                if desk.exam_id is not None and not desk.blinded:
                    busy[desk.exam_id] = tuple(dict.fromkeys((*busy.get(desk.exam_id, ()), desk.reader.name)))
        self._model.set_busy(busy)
        self._warn()

    def _warn(self) -> None:
        session, exam_id = self._session, self._session.stored_id
        here = [d for d in self._desks if exam_id is not None and (d.exam_id, d.blinded) == (exam_id, session.blinded)]
        self._store.tell_shared(
            tr("You have this exam open at another desk, too: change it at one of them only, or you will be asked which read stays.")
            if any(d.reader == self._reader for d in here)
            else ""
        )  # fmt: skip
        names = tuple(dict.fromkeys(d.reader.name for d in here if d.reader != self._reader and not d.blinded))
        said = (exam_id, names)
        if names and said != self._said:
            self.told.emit(
                trn(
                    "{names} has this exam open now, too.",
                    "{names} have this exam open now, too.",
                    len(names),
                    names=listed(names),
                )
            )
        self._said = said

    @Slot(object)
    def _lose(self, error: StoreError) -> None:
        if error.code == "store_unreachable":
            self.told.emit(
                tr("The worklist's server does not answer. Go on reading: what can't be saved is kept on this computer until it does.")
            )  # fmt: skip

    # --- what they change

    @Slot(object)
    def renew(self, exam_ids: frozenset[int] | None) -> None:
        """Rows in their place: nothing is sorted, selected or scrolled anew."""
        on_screen = self._session.stored_id
        if on_screen is not None and (exam_ids is None or on_screen in exam_ids):
            self._keeper.follow()
        reader, reading_list = self._reader, self._list
        if reading_list is None:
            return

        def work(store: Store) -> list[ExamEntry]:
            if exam_ids is None or len(exam_ids) > _MANY:
                return store.entries(reading_list, reader)
            return store.entries_of(exam_ids, reader, blinded=reading_list.blinded, list_id=reading_list.list_id)

        def done(entries: list[ExamEntry]) -> None:
            if entries and (self._reader, self._list) == (reader, reading_list):
                self.came.emit(entries)

        self._store.ask(work, done, lambda _: None)
