"""The line at the window's lower edge: what is being done, else what was just done, else what to do next.

Every sentence has an end. Progress ends with its job; news ends with the reader's next act or another exam; what to do next is looked up for the state on screen (`gui.hints`).
"""

from __future__ import annotations

from dataclasses import replace

from PySide6.QtCore import Qt, Signal, Slot
from PySide6.QtGui import QFontMetrics, QResizeEvent
from PySide6.QtWidgets import QLabel, QProgressBar, QSizePolicy, QStatusBar, QWidget

from hyrisk_desktop.gui.hints import Place, Situation, hint_text, situation
from hyrisk_desktop.gui.session import Session
from hyrisk_desktop.gui.worklist.controller import Worklist
from hyrisk_desktop.i18n import tr


class StatusLine(QLabel):
    """Re-reads session and worklist.

    Signals:
        text_changed: another sentence stands there; carries it whole.
    """

    text_changed = Signal(str)

    def __init__(self, session: Session, worklist: Worklist, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("statusMessage")
        self.setAccessibleName(tr("Status"))
        self.setTextFormat(Qt.TextFormat.PlainText)
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        self._session, self._worklist = session, worklist
        self._progress = self._news = self._remark = self._whole = ""
        self._about: int | None = None
        session.exam_changed.connect(self._exam_changed)
        session.acted.connect(self._end_news)
        session.told.connect(self.say)
        for signal in (
            session.read_changed,
            session.risk_changed,
            session.view_changed,
            session.tool_changed,
            worklist.list_changed,
            worklist.rows_changed,
            worklist.current_changed,
        ):
            signal.connect(self._show)
        self._show()

    @Slot(str)
    def say(self, text: str) -> None:
        """What was just done, or why something was not."""
        self._news = text
        self._show()

    def remark(self, text: str) -> None:
        """What there is to know of the exam that has just been opened; stands behind what to do next."""
        self._remark = text
        self._show()

    def show_progress(self, text: str) -> None:
        """What is being done; "" once it is done."""
        self._progress = text
        self._show()

    def situation(self) -> Situation:
        """The state that the sentences depend on, with the worklist's part of it."""
        s, worklist = situation(self._session), self._worklist
        if worklist.reading_list is None:
            return s
        model, on_screen = worklist.model, worklist.on_screen
        waiting = worklist.entry()
        opens = waiting is not None and not waiting.problem and not s.exam and not s.loading
        return replace(
            s,
            # Only where Enter finds one that can be opened, as the table stands.
            listed=len(model.entries) if model.neighbour(None, 1) is not None or opens else 0,
            to_open=(model.place_of(waiting.exam_id) or 0) + 1 if waiting is not None and opens else 0,
            in_list=on_screen is not None,
            has_next=on_screen is not None and model.neighbour(on_screen, 1) is not None,
        )

    @Slot()
    def _exam_changed(self) -> None:
        exam = self._session.exam
        about = None if exam is None else exam.exam_id
        if about != self._about:
            self._about, self._news, self._remark = about, "", ""
        self._show()

    @Slot()
    def _end_news(self) -> None:
        self._news = self._remark = ""
        self._show()

    @Slot()
    def _show(self) -> None:
        text = self._progress or self._news
        if not text:
            text = "   ".join(t for t in (hint_text(Place.STATUS, self.situation()), self._remark) if t)
        if text != self._whole:
            self._whole = text
            self._fit()
            self.text_changed.emit(text)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Show as much as there is room for; the tooltip has it whole."""
        super().resizeEvent(event)
        self._fit()

    def _fit(self) -> None:
        room = max(200, self.width() - 8)
        self.setText(QFontMetrics(self.font()).elidedText(self._whole, Qt.TextElideMode.ElideRight, room))
        self.setToolTip(self._whole)


class StatusBar(QStatusBar):
    """The line, what is not saved, who else is here, and how far loading is; always with the notice of research use."""

    def __init__(self, session: Session, worklist: Worklist, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.line = StatusLine(session, worklist)
        self._trouble, self._shared = QLabel(), QLabel(tr("Open in two windows"))
        self._trouble.setObjectName("storeTrouble")
        self._trouble.setAccessibleName(tr("Reads that are not saved yet"))
        self._shared.setObjectName("storeShared")
        self._progress = QProgressBar()
        self._progress.setObjectName("jobProgress")
        self._progress.setAccessibleName(tr("Progress"))
        self._progress.setFixedWidth(220)
        notice = QLabel(tr("Research use only"))
        notice.setObjectName("researchNotice")
        self.addWidget(self.line, 1)
        for part in (self._trouble, self._shared, self._progress, notice):
            self.addPermanentWidget(part)
            part.setVisible(part is notice)
        self.setSizeGripEnabled(False)

    @Slot(str)
    def show_trouble(self, sentence: str) -> None:
        """A read that is not saved yet is said for as long as it is so."""
        self._trouble.setText(tr("NOT SAVED") if sentence else "")
        self._trouble.setToolTip(sentence)
        self._trouble.setVisible(bool(sentence))

    @Slot(str)
    def show_shared(self, sentence: str) -> None:
        """That another window has the worklist open is said for as long as it is so."""
        self._shared.setToolTip(sentence)
        self._shared.setAccessibleName(sentence)
        self._shared.setVisible(bool(sentence))
        if sentence:
            self.line.say(sentence)

    @Slot(str, int, int)
    def show_progress(self, what: str, done: int, total: int) -> None:
        """What is being loaded, and how far it is; ``total`` 0 for not known."""
        self._progress.setVisible(True)
        self._progress.setRange(0, total)
        self._progress.setValue(done)
        text = tr("{what}… {done} of {total}", what=what, done=done, total=total) if total else f"{what}…"
        self.line.show_progress(text)

    @Slot()
    def hide_progress(self) -> None:
        """Nothing is being loaded any more."""
        self._progress.setVisible(False)
        self.line.show_progress("")
