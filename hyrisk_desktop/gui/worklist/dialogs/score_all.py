"""Tools > Score all: the list in one go, with rows as they come."""

from __future__ import annotations

import math
from pathlib import Path

from PySide6.QtCore import Slot
from PySide6.QtGui import QCloseEvent, QColor
from PySide6.QtWidgets import (
    QCheckBox,
    QFileDialog,
    QHBoxLayout,
    QHeaderView,
    QLabel,
    QLineEdit,
    QProgressBar,
    QPushButton,
    QTableView,
    QVBoxLayout,
    QWidget,
)

from hyrisk_desktop.batch.pace import BatchProgress
from hyrisk_desktop.batch.row import FAILED, FROM_READS, PROPOSED, UNSURE, BatchRow
from hyrisk_desktop.exchange.reports.report import percent
from hyrisk_desktop.gui.appearance import colour
from hyrisk_desktop.gui.letters import LetteredDialog
from hyrisk_desktop.gui.plain_table import RowsModel
from hyrisk_desktop.gui.sentences import sentence_of
from hyrisk_desktop.gui.worklist.controller import Worklist
from hyrisk_desktop.gui.worklist.scoring import Scoring, Wanted
from hyrisk_desktop.i18n import decimal, listed, tr, trc
from hyrisk_desktop.standing import State


def row_colour(named: tuple[str, BatchRow], column: int) -> QColor | None:
    """What failed, what does not hold and what was only proposed is coloured."""
    _, row = named
    states = {4: row.calcium_state, 5: row.risk_state}
    if row.status == FAILED or states.get(column) == State.WITHHELD:
        return colour("bad")
    return colour("proposed") if column == 2 and row.centre_from != FROM_READS else None


def _centre_words(centre_from: str) -> str:
    words = {FROM_READS: tr("placed"), PROPOSED: tr("proposed"), UNSURE: tr("proposed, unsure")}
    return words.get(centre_from, centre_from)


def row_texts(named: tuple[str, BatchRow]) -> tuple[str, ...]:
    """The cells of a row, and of what the list calls its exam."""
    name, row = named
    if row.status == FAILED:
        return name, tr("failed"), "", "", "", "", row.error
    withheld = trc("column", "withheld")
    risk = row.hyrisknet if row.hyrisknet is not None else row.risknet
    notes = [tr("synthetic exam") if row.synthetic else "", tr("demonstration model") if row.demonstration else ""]
    return (
        name,
        tr("scored"),
        _centre_words(row.centre_from),
        "" if row.grade is None else decimal(row.grade, "g"),
        withheld
        if row.calcium_state == State.WITHHELD
        else ""
        if row.agatston is None
        else decimal(row.agatston, ".1f"),
        withheld if row.risk_state == State.WITHHELD else "" if risk is None else percent(risk, 1),
        listed(text for text in (*notes, row.centre_note, row.findings.replace(" ", ", ")) if text),
    )


class ScoreAllDialog(LetteredDialog):
    """Where to, start, pause, stop; closing it lets a run go on, and opening it again shows it."""

    def __init__(self, worklist: Worklist, scoring: Scoring, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("scoreAllDialog")
        self.setWindowTitle(tr("Score all exams of the list – research use only"))
        self.resize(1000, 560)
        self._worklist, self._scoring = worklist, scoring
        self._out = QLineEdit(str(Path.home() / "hyrisk-scores.csv"))
        self._out.setObjectName("scoresOut")
        self._out.setAccessibleName(tr("Table to write"))
        browse = QPushButton(tr("Browse…"))
        browse.clicked.connect(self._browse)
        self._proposed = QCheckBox(tr("Score exams without a heart centre at the proposed one"))
        self._proposed.setObjectName("scoreProposed")
        self._whole_heart = QCheckBox(tr("Score the whole heart as well (reads every slice of each exam)"))
        self._whole_heart.setObjectName("scoreWholeHeart")
        self._keep = QCheckBox(
            tr("Keep the results in my reads, where these have none; no grade, centre or mark is touched")
        )
        self._keep.setObjectName("keepResults")
        self._start, self._pause, self._stop = (
            QPushButton(tr("Start")),
            QPushButton(tr("Pause")),
            QPushButton(tr("Stop")),
        )
        for button, name in ((self._start, "startScoring"), (self._pause, "pauseScoring"), (self._stop, "stopScoring")):
            button.setObjectName(name)
        self._start.clicked.connect(self._begin)
        self._pause.clicked.connect(self._toggle_pause)
        self._stop.clicked.connect(scoring.cancel)
        self._bar = QProgressBar()
        self._bar.setObjectName("scoringProgress")
        self._bar.setAccessibleName(tr("Progress of the scoring"))
        self._message = QLabel(tr("Every exam becomes one row; a run that was stopped goes on with the same table."))
        self._message.setObjectName("scoringMessage")
        self._message.setWordWrap(True)
        titles = (
            tr("Exam"), tr("Status"), tr("Heart centre"), tr("Grade"), tr("Region Agatston"), tr("Risk"), tr("What to know"),
        )  # fmt: skip
        self._model = RowsModel(titles, row_texts, row_colour, self)
        self._table = self._make_table()
        self._lay_out(browse)
        scoring.kept.connect(worklist.show_changed)
        scoring.row.connect(self._add)
        scoring.progressed.connect(self._show_progress)
        scoring.ended.connect(self._end)
        scoring.failed.connect(self._fail)
        self._show_states()

    def _lay_out(self, browse: QPushButton) -> None:
        where = QHBoxLayout()
        where.addWidget(QLabel(tr("Write to")))
        where.addWidget(self._out, 1)
        where.addWidget(browse)
        buttons = QHBoxLayout()
        boxes = QVBoxLayout()
        for box in self._boxes:
            boxes.addWidget(box)
        buttons.addLayout(boxes, 1)
        for button in (self._start, self._pause, self._stop):
            buttons.addWidget(button)
        layout = QVBoxLayout(self)
        for item in (where, buttons):
            layout.addLayout(item)
        for widget in (self._bar, self._message, self._table):
            layout.addWidget(widget)

    @property
    def _boxes(self) -> tuple[QCheckBox, QCheckBox, QCheckBox]:
        return self._proposed, self._whole_heart, self._keep

    def _make_table(self) -> QTableView:
        table = QTableView()
        table.setObjectName("scoredRows")
        table.setAccessibleName(tr("Rows made"))
        table.setModel(self._model)
        table.setSelectionBehavior(QTableView.SelectionBehavior.SelectRows)
        table.verticalHeader().hide()
        table.verticalHeader().setSectionResizeMode(QHeaderView.ResizeMode.Fixed)
        table.verticalHeader().setDefaultSectionSize(24)
        for column, width in enumerate((170, 70, 160, 60, 120, 80)):
            table.setColumnWidth(column, width)
        table.horizontalHeader().setStretchLastSection(True)
        return table

    # --- acting

    @Slot()
    def _browse(self) -> None:
        kinds = tr("CSV (*.csv);;Parquet (*.parquet)")
        no_question = QFileDialog.Option.DontConfirmOverwrite
        name, _ = QFileDialog.getSaveFileName(self, tr("Table to write"), self._out.text(), kinds, options=no_question)
        if name:
            self._out.setText(name)

    @Slot()
    def _begin(self) -> None:
        worklist = self._worklist
        if worklist.reading_list is None or worklist.reader is None or not self._out.text().strip():
            return
        self._model.show(())
        self._bar.setRange(0, 0)
        self._message.setText(tr("Starting…"))
        out = Path(self._out.text().strip()).expanduser()
        self._scoring.start(
            worklist.reading_list, worklist.reader, out, Wanted(*(box.isChecked() for box in self._boxes))
        )
        self._show_states()

    @Slot()
    def _toggle_pause(self) -> None:
        if self._scoring.paused:
            self._scoring.resume()
        else:
            self._scoring.pause()
            self._message.setText(tr("Paused after the exam under way."))
        self._show_states()

    # --- showing

    @Slot(object)
    def _add(self, row: BatchRow) -> None:
        follow = self._table.verticalScrollBar().value() == self._table.verticalScrollBar().maximum()
        entry = next((e for e in self._worklist.model.entries if e.series_uid == row.series_uid), None)
        name = self._worklist.model.name_of(entry.exam_id) if entry else Path(row.source).name
        self._model.add((name, row))
        if follow:
            self._table.scrollToBottom()

    @Slot(object)
    def _show_progress(self, at: BatchProgress) -> None:
        self._bar.setRange(0, max(at.total, 1))
        self._bar.setValue(at.done)
        if not self._scoring.paused:
            self._message.setText(progress_text(at))

    @Slot(str)
    def _end(self, sentence: str) -> None:
        self._message.setText(sentence)
        if self._bar.maximum() == 0:
            self._bar.setRange(0, 1)
        self._show_states()

    @Slot(object)
    def _fail(self, error: Exception) -> None:
        unexpected = tr("The scoring broke off; what was written is kept. See the log.")
        self._end(sentence_of(error, unexpected))

    def _show_states(self) -> None:
        running = self._scoring.running
        self._start.setEnabled(not running)
        self._out.setEnabled(not running)
        for box in self._boxes:
            box.setEnabled(not running)
        self._pause.setEnabled(running)
        self._stop.setEnabled(running)
        self._pause.setText(tr("Go on") if self._scoring.paused else tr("Pause"))

    def closeEvent(self, event: QCloseEvent) -> None:
        """Hide: a run goes on."""
        event.accept()


def progress_text(at: BatchProgress) -> str:
    """Where the run stands, how fast it is and how long it will take."""
    text = tr("{done} of {total}", done=at.done, total=at.total)
    if at.failed:
        text += tr(", {n} failed", n=at.failed)
    if at.per_minute is not None and at.seconds_left is not None:
        left = math.ceil(at.seconds_left)
        minutes = tr("{m} min {s} s left", m=left // 60, s=left % 60)
        text += tr("; {rate:.0f} a minute, {left}", rate=at.per_minute, left=minutes)
    return text
