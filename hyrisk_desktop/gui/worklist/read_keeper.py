"""Saves the session's read whenever the reader changes it, and brings a stored one back when its exam opens.

To look is not to change: a read that came from the store is saved again only after an act of the reader's.
"""

from __future__ import annotations

import time
from datetime import datetime

from PySide6.QtCore import QObject, Signal, Slot

from hyrisk_desktop.calcium import Region
from hyrisk_desktop.exchange.reports.document import versions
from hyrisk_desktop.findings import Severity
from hyrisk_desktop.gui.services.store import StoreService
from hyrisk_desktop.gui.session import Session
from hyrisk_desktop.gui.state import Exam, ReadState, RiskStatus
from hyrisk_desktop.i18n import tr
from hyrisk_desktop.measurement import numbers, risk_numbers
from hyrisk_desktop.risk import RiskReading
from hyrisk_desktop.worklist.records import Read, Reader, now
from hyrisk_desktop.worklist.stored_risk import risk_of


class ReadKeeper(QObject):
    """One read at a time: that of the exam on screen by the reader who reads.

    Signals:
        begun: it is known whether the exam on screen has been read before, and if so its read is back.
        told: one sentence.
    """

    begun = Signal()
    told = Signal(str)

    def __init__(self, session: Session, store: StoreService, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._session, self._store = session, store
        self._reader: Reader | None = None
        self._exam_id: int | None = None
        self._list_id: int | None = None
        self._shown_at = 0.0
        self._started_at = self._graded_at = self._locked_at = ""
        self._seconds: float | None = None
        self._known: Read | None = None
        self._revision = -1
        """Of the stored read, as far as is known here; -1 for none."""
        self._saved_here = False
        self._unanswered = False
        self._asked = self._missed = False
        """`_missed`: another desk may have saved more since the question was asked that is not answered yet."""
        self._question = 0
        self._disputed = False
        """The reader has been asked which state stays, this one or what another desk has saved."""
        store.saved.connect(self._note_saved)
        store.conflict.connect(self._note_conflict)
        session.read_changed.connect(self._note)
        session.risk_changed.connect(self._note_result)
        session.heart_changed.connect(self._note_result)

    @property
    def reader(self) -> Reader | None:
        """Whose reads are kept; setting it ends what was being kept, for the same reader too."""
        return self._reader

    @reader.setter
    def reader(self, reader: Reader | None) -> None:
        # Nothing is saved before `begin`: what is on screen was read by another, or the other way.
        self._reader = reader
        self._exam_id, self._known, self._asked = None, None, False

    def unlock(self) -> None:
        """Unlock the grade on screen: first in the store, which notes it, and then here."""
        session, stored_id, reader = self._session, self._session.stored_id, self._reader
        exam = session.exam
        if session.blinded or stored_id is None or reader is None or exam is None:
            session.unlock_grade()
            return

        def done(read: Read | None) -> None:
            if session.exam is exam and self._reader == reader and not session.blinded:
                self._store.withdraw(stored_id, reader.reader_id, blinded=False)
                self._known, self._locked_at = read or self._known, ""
                self._revision = max(self._revision, -1 if read is None else read.revision)
                session.unlock_grade()
                if read is not None:
                    self.told.emit(tr("The grade is unlocked, which the audit trail notes."))

        self._store.ask(lambda store: store.unlock_read(stored_id, reader), done)

    def take(self, newer: Read, sentence: str = "") -> None:
        """Show what another window has stored instead of what is on screen here, where that is the same read.

        What the reader changes before it is there stays and is saved, and that tells of the conflict.

        Args:
            newer: what is stored, or was a moment ago. sentence: told once it is shown.
        """
        session, reader = self._session, self._reader
        exam, stored_id, blinded = session.exam, session.stored_id, session.blinded
        here = stored_id == newer.exam_id and reader is not None and reader.reader_id == newer.reader_id
        if exam is None or reader is None or not here or newer.blinded != blinded:
            return

        before = session.read

        def done(read: Read | None) -> None:
            if self._question == question:
                self._asked = False
            here = session.exam is exam and self._reader == reader and session.blinded == blinded
            if read is not None and here and session.read == before:
                # Only what is shown here is what the next save comes after.
                self._store.ask(lambda store: store.base_on(read, reader, read.revision), failed=lambda _: None)
                self._known, self._revision = read, read.revision
                self._saved_here = self._disputed = False
                session.take_stored(state_of(read), exam.exam_id, _risk_of(read), _time(read.updated_at))
                if sentence:
                    self.told.emit(sentence)
            # Acts before the answer wait for it.
            self._note()
            self._look_again()

        question = self._begin_to_ask()
        self._store.ask(
            lambda store: store.newest_read(newer.exam_id, reader, blinded=blinded), done, lambda _: done(None)
        )

    def _begin_to_ask(self) -> int:
        """Nothing is saved until the answer to the newest question is there; an older one's end is none of it."""
        self._asked, self._missed = True, False
        self._question += 1
        return self._question

    def _look_again(self) -> None:
        if self._missed and not self._asked:
            self._missed = False
            self.follow()

    def follow(self) -> None:
        """The stored read of the exam on screen may have been changed at another desk: show that, unless something is changed here.

        What is changed here is saved as ever, and that tells of the conflict.
        """
        session, reader = self._session, self._reader
        exam, stored_id, blinded = session.exam, session.stored_id, session.blinded
        if exam is None or stored_id is None or reader is None or exam.exam_id != self._exam_id:
            return
        if self._asked:
            # What is being answered may have been stored before; nobody tells of this change again.
            self._missed = True
            return

        def done(read: Read | None) -> None:
            if (session.exam, self._reader, session.blinded) != (exam, reader, blinded):
                return
            if self._asked:
                # What has been asked since is answered with what is newer, or fails.
                self._missed = True
                return
            waits = self._store.waiting(stored_id, reader.reader_id, blinded=blinded) is not None
            # What the reader is asked about stays on screen until that is answered.
            if waits or self._disputed:
                return
            if read is not None and read.revision > self._revision:
                sentence = tr("This read was changed elsewhere, and is shown as it was saved there.")
                self.take(read, sentence)

        self._store.ask(lambda store: store.newest_read(stored_id, reader, blinded=blinded), done, lambda _: None)

    def _is_here(self, read: Read) -> bool:
        about = (self._session.stored_id, self._reader and self._reader.reader_id, self._session.blinded)
        return about == (read.exam_id, read.reader_id, read.blinded)

    @Slot(object, object, object)
    def _note_conflict(self, mine: Read, _: Reader, __: Read) -> None:
        self._disputed |= self._is_here(mine)

    @Slot(object)
    def _note_saved(self, read: Read) -> None:
        if not self._is_here(read):
            return
        self._disputed = False
        self._revision = max(self._revision, read.revision)
        if self._known is not None and self._store.waiting(read.exam_id, read.reader_id, blinded=read.blinded) is None:
            # With what the store knew already and was not on screen.
            self._known = read

    def note_list(self, list_id: int) -> None:
        """The exam on screen is one of that list's from now on."""
        self._list_id = list_id

    @property
    def asking(self) -> bool:
        """Whether the read stored of the exam on screen is still on its way."""
        return self._asked

    def begin(self, exam: Exam, stored_id: int, list_id: int | None) -> None:
        """``exam`` has come on screen: bring its stored read back, and time the reader from now."""
        self._exam_id, self._list_id = exam.exam_id, list_id
        self._shown_at, self._started_at = time.monotonic(), now()
        self._graded_at = self._locked_at = ""
        self._seconds = None
        self._known, self._revision = None, -1
        self._saved_here = self._unanswered = self._disputed = False
        reader = self.reader
        if reader is None:
            return

        blinded = self._session.blinded

        def done(read: Read | None) -> None:
            if (self._exam_id, self.reader, self._session.blinded) == (exam.exam_id, reader, blinded):
                self._asked = False
                self._revision = -1 if read is None else read.revision
                self._bring_back(read, exam, stored_id, reader)
                self._look_again()

        def failed(error: Exception) -> None:
            # What is stored is not known, so whatever is saved must not take its place unasked.
            self._unanswered = True
            self._store.report(error)
            done(None)

        # Nothing is saved over a read that is still on its way from the store.
        self._begin_to_ask()
        if self._store.waiting(stored_id, reader.reader_id, blinded=blinded) is None:
            self._store.ask(lambda store: store.read_of(stored_id, reader, blinded=blinded), done, failed)
        else:
            # What waits comes after what it was made after, and is asked about if another desk has saved more by then.
            self._store.ask(lambda store: store.newest_read(stored_id, reader, blinded=blinded), done, failed)

    def _bring_back(self, stored: Read | None, exam: Exam, stored_id: int, reader: Reader) -> None:
        waits = self._store.waiting(stored_id, reader.reader_id, blinded=self._session.blinded)
        # What could not be saved yet, perhaps since an earlier run, is newer than what is stored.
        self._known = read = waits or stored
        sentence = ""
        if read is not None:
            self._graded_at, self._locked_at = read.graded_at, read.locked_at
            self._started_at, self._seconds = read.started_at, read.seconds_to_grade
            if read.series_uid == exam.volume.series_uid:
                at = _time(read.updated_at)
                self._session.restore(state_of(read), exam.exam_id, _risk_of(read), at, memory_first=waits is not None)
            else:
                sentence = tr("You have read another series of this exam; a read of this one takes its place.")
        elif self._unanswered:
            sentence = tr("The worklist can't tell now whether you have read this exam: look before you grade it.")
        self._note()
        self.begun.emit()
        if sentence:
            self.told.emit(sentence)

    @Slot()
    def _note_result(self) -> None:
        if self._session.risk_status in (RiskStatus.READY, RiskStatus.NO_MODEL):
            self._note()

    @Slot()
    def _note(self) -> None:
        session, exam, reader = self._session, self._session.exam, self.reader
        stored_id = session.stored_id
        if exam is None or stored_id is None or reader is None or exam.exam_id != self._exam_id:
            return
        if self._asked:
            return
        if not self._differs():
            return
        if session.read.grade is not None and not self._graded_at:
            self._graded_at = now()
            self._seconds = round(time.monotonic() - self._shown_at, 1)
        if not session.read.locked:
            self._locked_at = ""
        elif not self._locked_at:
            self._locked_at = now()
        read = self._read(exam, stored_id, reader)
        self._known, self._saved_here = read, True
        self._store.save_read(read, reader)

    def _differs(self) -> bool:
        """Whether what is on screen is more than a look at what is stored."""
        session, known = self._session, self._known
        if known is None or known.series_uid != session.volume_uid:
            return session.read != ReadState()
        if session.read != state_of(known):
            return True
        if (
            session.risk is not None
            and not session.risk_kept
            and risk_numbers(session.risk) != known.results.get("risk")
        ):
            return True
        if session.settled_heart is not None and not known.results.get("whole_heart"):
            # It takes longer than the read that asks for it takes to be saved.
            return True
        if not self._saved_here:
            return False
        # The hash of the files, and what qualifies the numbers, come later than the first save of a read that is made now.
        more = {f.code for f in session.findings if f.severity is not Severity.INFO} - set(known.finding_codes)
        return bool(more) or (not known.content_sha256 and session.content_sha256 != "")

    def _read(self, exam: Exam, stored_id: int, reader: Reader) -> Read:
        session, state = self._session, self._session.read
        risk = session.risk
        return Read(
            exam_id=stored_id,
            reader_id=reader.reader_id,
            list_id=self._list_id,
            blinded=session.blinded,
            series_uid=exam.volume.series_uid,
            content_sha256=session.content_sha256,
            centre=state.centre,
            grade=state.grade,
            vessels=dict(state.vessels) or None,
            excluded=state.excluded,
            box=None if state.box is None else (state.box.start, state.box.stop),
            whole_heart=state.whole_heart,
            heart=state.heart,
            notes=state.notes,
            profile=state.profile,
            locked=state.locked,
            model=risk.model if risk else "",
            bundle_sha256=risk.bundle_sha256 if risk else "",
            prevalence=risk.prevalence if risk else None,
            results=numbers(session.scores, risk, session.settled_heart),
            findings=session.findings,
            versions=versions(risk),
            started_at=self._started_at,
            graded_at=self._graded_at,
            locked_at=self._locked_at,
            seconds_to_grade=self._seconds,
            # Older than anything that may be stored, where that could not be asked: saving then is a question.
            revision=-1 if self._unanswered else 0,
        )


def _time(text: str) -> datetime | None:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None


def _risk_of(read: Read) -> RiskReading | None:
    return None if read.unconfirmed else risk_of(read)


def state_of(read: Read) -> ReadState:
    """A stored read as the session holds it; a centre that only the program proposed is the reader's to take or to place."""
    box = None if read.box is None else Region(*read.box)
    vessels = tuple((read.vessels or {}).items())
    if read.unconfirmed:
        return ReadState(whole_heart=read.whole_heart)
    return ReadState(
        read.centre,
        read.grade,
        read.excluded,
        box,
        read.profile,
        vessels,
        read.locked,
        shown_anyway=read.shown_anyway,
        whole_heart=read.whole_heart,
        heart=read.heart,
        notes=read.notes,
    )
