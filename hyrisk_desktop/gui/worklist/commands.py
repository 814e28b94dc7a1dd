"""What the actions of the worklist do; see `gui.commands` for the others."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Qt, QTimer, Signal, Slot
from PySide6.QtWidgets import QDialog, QFileDialog, QInputDialog, QLineEdit, QMessageBox, QWidget

from hyrisk_desktop.gui.letters import give_letters
from hyrisk_desktop.gui.session import Session
from hyrisk_desktop.gui.state import Tool
from hyrisk_desktop.gui.viewer.desk import Desk
from hyrisk_desktop.gui.worklist.controller import Worklist
from hyrisk_desktop.gui.worklist.dialogs.conflict import conflict_question
from hyrisk_desktop.gui.worklist.read_keeper import state_of
from hyrisk_desktop.gui.worklist.scoring import Scoring
from hyrisk_desktop.i18n import tr, trn
from hyrisk_desktop.settings import Settings
from hyrisk_desktop.worklist.records import Read, Reader, ReadingList

if TYPE_CHECKING:
    from hyrisk_desktop.gui.worklist.dialogs.score_all import ScoreAllDialog


class WorklistCommands(QObject):
    """Goes through the list and changes how it is read.

    Signals:
        message: a line for the status bar.
        shown_changed: the panel shall be shown or hidden.
        per_vessel_changed: the grading sheet shall be shown or hidden.
        search_wanted: the search field shall have the keyboard.
        retrain_wanted: a cohort was exported and shall be trained on; carries its path.
    """

    message = Signal(str)
    shown_changed = Signal(bool)
    per_vessel_changed = Signal(bool)
    search_wanted = Signal()
    retrain_wanted = Signal(object)

    def __init__(
        self, worklist: Worklist, scoring: Scoring, session: Session, settings: Settings, desk: Desk, window: QWidget
    ) -> None:
        super().__init__(window)
        self._scoring = scoring
        self._score_all: ScoreAllDialog | None = None
        self._worklist, self._session, self._settings = worklist, session, settings
        self._desk, self._window = desk, window
        self.shown = False
        self._conflicts: dict[tuple[int, int, bool, int], tuple[Read, Reader, Read]] = {}
        self._settled: dict[tuple[int, int, bool, int], Read | None] = {}
        """Conflicts that were answered: what was here and is given up, None where it has replaced what was saved elsewhere."""
        worklist.list_changed.connect(self._begin)
        worklist.told.connect(self.message)
        worklist.ready.connect(self._offer_last)
        worklist.begun.connect(self._ask_for_centre)
        worklist.store.trouble.connect(self._tell_trouble)
        worklist.store.conflict.connect(self._ask_which_read)

    # --- lists

    def open_exams(self) -> None:
        """Ask for a folder and list all exams below it."""
        name = QFileDialog.getExistingDirectory(self._window, tr("Open folder of exams"), self._start_folder())
        if name:
            self._worklist.open_folder(Path(name))

    def _start_folder(self) -> str:
        now = self._worklist.reading_list
        return str(now.root.parent) if now else str(Path.home())

    def open_list(self) -> None:
        """Choose one of the lists made before."""

        def done(lists: list[ReadingList]) -> None:
            from hyrisk_desktop.gui.worklist.dialogs.choose_list import ChooseListDialog

            dialog = ChooseListDialog(lists, self._worklist.reading_list, self._window)
            dialog.chosen.connect(self._worklist.open_list)
            dialog.open()

        self._worklist.store.ask(lambda store: store.lists(), done)

    @Slot()
    def _offer_last(self) -> None:
        """After the start: the list read last comes back, with nothing opened."""
        worklist = self._worklist
        idle = self._session.exam is None and not worklist.busy
        if worklist.last_list is not None and worklist.reading_list is None and idle:
            worklist.open_list(worklist.last_list)

    @Slot()
    def _begin(self) -> None:
        self._put_away()
        if not self.shown:
            self.show_worklist()

    def _put_away(self) -> None:
        """What dialogs still show is of the list, or the reader, before: a blinded reader would see it all the same."""
        for dialog in self._window.findChildren(QDialog, "agreementDialog"):
            dialog.close()
        if self._score_all is not None and self._left_to_read():
            self._score_all.hide()

    def _left_to_read(self) -> int:
        """How many exams of a blinded list are left to be read before anything of others, or any number, shows."""
        now = self._worklist.reading_list
        return len(self._worklist.unfinished()) if now is not None and now.blinded else 0

    def show_worklist(self) -> None:
        """Show the list beside the images, or hide it."""
        self.shown = not self.shown
        self.shown_changed.emit(self.shown)

    def search_worklist(self) -> None:
        """Go to the search field."""
        if not self.shown:
            self.show_worklist()
        self.search_wanted.emit()

    # --- going through it

    def next_exam(self) -> None:
        """Open the next exam of the list as it is sorted and filtered."""
        self._step(1, tr("This is the last exam of the list."))

    def previous_exam(self) -> None:
        """Open the previous exam."""
        self._step(-1, tr("This is the first exam of the list."))

    def _step(self, by: int, at_the_end: str) -> None:
        if self._worklist.reading_list is None:
            self.message.emit(tr("Open a folder of exams first (Ctrl+E)."))
        elif not self._worklist.step(by):
            self.message.emit(at_the_end)

    @Slot()
    def confirm(self) -> None:
        """Enter: lock the grade of a blinded read; else go to the next exam, once this one has centre and grade."""
        session, worklist = self._session, self._worklist
        if session.exam is None:
            self._open_waiting()
        elif not session.can_measure or worklist.keeper.asking:
            return
        elif session.read.centre is None:
            self.message.emit(self._missing(tr("No heart centre yet: press H and click it")))
        elif session.read.grade is None:
            self.message.emit(self._missing(tr("No grade yet: press Alt+0 to Alt+3")))
        elif session.hides_results:
            self.lock_grade()
        elif worklist.reading_list is not None:
            self.next_exam()

    def _open_waiting(self) -> None:
        worklist = self._worklist
        if worklist.reading_list is not None and worklist.current is not None:
            worklist.open_exam(worklist.current)
        elif worklist.reading_list is not None:
            self.next_exam()

    def _missing(self, what: str) -> str:
        if self._worklist.on_screen is None:
            return tr("{what}.", what=what)
        return tr("{what}, or N to go on without it.", what=what)

    def lock_grade(self) -> None:
        """Make the grade final: at once in a blinded list, whose numbers show then; elsewhere after a question."""
        session = self._session
        if session.read.grade is None:
            self.message.emit(tr("No grade yet: press Alt+0 to Alt+3."))
        elif session.read.locked:
            self.message.emit(session.locked_sentence())
        elif session.blinded:
            self._lock()
        else:
            box = QMessageBox(self._window)
            box.setObjectName("lockQuestion")
            box.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
            box.setWindowTitle(tr("Lock the grade"))
            box.setText(tr("Lock grade {grade:g} of this exam?", grade=session.read.grade))
            box.setInformativeText(
                tr("A locked grade can't be changed, cleared or undone before Read > Unlock the grade; both are noted in the audit trail.")
            )  # fmt: skip
            lock = box.addButton(tr("&Lock"), QMessageBox.ButtonRole.AcceptRole)
            box.addButton(tr("&Cancel"), QMessageBox.ButtonRole.RejectRole)
            exam, read = session.exam, session.read
            # The answer is about the exam and the read that were asked about.
            lock.clicked.connect(lambda: self._lock() if (session.exam, session.read) == (exam, read) else None)
            give_letters(box)
            box.open()

    def _lock(self) -> None:
        self._session.lock_grade()
        self.message.emit(tr("The grade is locked."))

    def unlock_grade(self) -> None:
        """Let the grade of an open read be changed again; the audit trail says so."""
        if not self._session.read.locked:
            self.message.emit(tr("The grade is not locked."))
        else:
            self._worklist.keeper.unlock()

    @Slot()
    def _ask_for_centre(self) -> None:
        """An exam without a centre: the next click, or Enter at the proposed centre, places it, wherever it came from."""
        if self._session.can_measure and self._session.read.centre is None:
            self._desk.set_tool(Tool.PLACE_CENTRE)
        if not isinstance(self._window.focusWidget(), QLineEdit):
            self._desk.focus_image()

    @Slot(object, object, object)
    def _ask_which_read(self, mine: Read, reader: Reader, newer: Read) -> None:
        """Another window has saved another state of this read: nothing is thrown away before the reader says so."""
        worklist = self._worklist
        about = (newer.exam_id, newer.reader_id, newer.blinded, newer.revision)
        if about in self._settled:
            # A save that was on its way while the reader answered; what was done since is asked about anew.
            given_up = self._settled[about]
            if given_up is None:
                worklist.store.replace_newer(mine, reader, newer)
                return
            if state_of(mine) == state_of(given_up):
                worklist.store.withdraw(mine.exam_id, reader.reader_id, blinded=mine.blinded)
                return
        # The newest state of each read; its risk may come in while the question stands. One question at a time.
        asking = bool(self._conflicts)
        self._conflicts[about] = (mine, reader, newer)
        if not asking:
            self._ask_next()

    def _ask_next(self) -> None:
        if not self._conflicts:
            return
        worklist = self._worklist
        about, (mine, _, newer) = next(iter(self._conflicts.items()))
        name = worklist.model.name_of(mine.exam_id) or tr("this exam")
        box, replace = conflict_question(name, mine, newer, self._window)

        def answered(button: object) -> None:
            latest = self._conflicts.pop(about)
            self._settled[about] = None if button is replace else latest[0]
            if button is replace:
                worklist.store.replace_newer(*latest)
            else:
                worklist.store.take_newer(latest[2], latest[1])
                worklist.keeper.take(latest[2])
            QTimer.singleShot(0, self, self._ask_next)

        box.buttonClicked.connect(answered)
        give_letters(box)
        box.open()

    # --- how it is read

    def set_reader(self) -> None:
        """Ask who reads."""
        dialog = QInputDialog(self._window)
        dialog.setObjectName("readerDialog")
        dialog.setWindowTitle(tr("Reader"))
        dialog.setLabelText(tr("Who reads? Reads are kept by reader; another reader's are not shown."))
        dialog.setTextValue(self._worklist.reader.name if self._worklist.reader else "")
        dialog.textValueSelected.connect(self._worklist.set_reader)
        dialog.open()
        give_letters(dialog)

    def read_blinded(self) -> None:
        """Read the same exams blinded, or openly again."""
        now = self._worklist.reading_list
        if now is None:
            self.message.emit(tr("Open a folder of exams first (Ctrl+E)."))
        else:
            self._worklist.read_blinded(not now.blinded)

    def per_vessel_grades(self) -> None:
        """Show or hide the grading sheet of the four vessels."""
        self._settings["per_vessel"] = not self._settings["per_vessel"]
        self.per_vessel_changed.emit(self._settings["per_vessel"])

    # --- what becomes of the reads

    def show_agreement(self) -> None:
        """Compare two readers of this list; not before a blinded reader has finished it."""
        worklist = self._worklist
        if worklist.reading_list is None:
            self.message.emit(tr("Open a folder of exams first (Ctrl+E)."))
            return
        if left := self._left_to_read():
            self.message.emit(
                trn(
                    "Others' reads show once the {n} exam left is graded and locked.",
                    "Others' reads show once all {n} exams left are graded and locked.",
                    left,
                )
            )
            return
        from hyrisk_desktop.gui.worklist.dialogs.agreement import AgreementDialog

        dialog = AgreementDialog(worklist, self._window)
        dialog.exam_wanted.connect(worklist.open_exam)
        dialog.failed.connect(worklist.failed)
        dialog.show()

    def score_all(self) -> None:
        """The whole list in one go; shown again while a run goes on."""
        worklist = self._worklist
        if worklist.reading_list is None:
            self.message.emit(tr("Open a folder of exams first (Ctrl+E)."))
            return
        if left := self._left_to_read():
            self.message.emit(
                trn(
                    "Numbers show once the {n} exam left is graded and locked.",
                    "Numbers show once all {n} exams left are graded and locked.",
                    left,
                )
            )
            return
        if self._score_all is None:
            from hyrisk_desktop.gui.worklist.dialogs.score_all import ScoreAllDialog

            self._score_all = ScoreAllDialog(worklist, self._scoring, self._window)
        self._score_all.show()
        self._score_all.raise_()

    def export_cohort(self) -> None:
        """Join this reader's reads with a table of outcomes and write what Retrain opens."""
        reading_list, reader = self._worklist.reading_list, self._worklist.reader
        if reading_list is None or reader is None:
            self.message.emit(tr("Open a folder of exams first (Ctrl+E)."))
            return
        from hyrisk_desktop.gui.worklist.dialogs.export_cohort import ExportCohortDialog

        dialog = ExportCohortDialog(self._worklist, reading_list, reader, self._window)
        dialog.retrain_wanted.connect(self.retrain_wanted)
        dialog.open()

    @Slot(str)
    def _tell_trouble(self, sentence: str) -> None:
        self.message.emit(sentence or tr("All reads are saved."))

    def handler(self, key: str) -> Callable[[], None] | None:
        """The method of an action's key, None where it is not one of the worklist's."""
        found = getattr(self, key, None)
        return found if callable(found) else None
