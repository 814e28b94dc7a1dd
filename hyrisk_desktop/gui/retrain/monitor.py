"""The progress of a run: how far it is, its curves, and the folds' held-out AUCs as they come."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtWidgets import (
    QGridLayout,
    QHeaderView,
    QLabel,
    QProgressBar,
    QTableWidget,
    QTableWidgetItem,
    QVBoxLayout,
    QWidget,
)

from hyrisk_desktop.gui.plain_table import ItemTable
from hyrisk_desktop.gui.retrain.plots import EpochPlot, LossPlot, synthetic_title, unit_colour
from hyrisk_desktop.gui.retrain.progress import Progress, full_name, time_left
from hyrisk_desktop.gui.retrain.run_results import number
from hyrisk_desktop.gui.retrain.training_process import Run, RunState
from hyrisk_desktop.i18n import tr
from hyrisk_desktop.training_run import VALIDATION


def state_words(run: Run) -> str:
    """A run's state in one or two words."""
    if run.discarded:
        return tr("Discarded")
    if run.installed:
        return tr("Installed")
    words = {
        RunState.STARTING: tr("Starting…"),
        RunState.RUNNING: tr("Running"),
        RunState.PAUSED: tr("Paused"),
        RunState.CANCELLED: tr("Cancelled"),
        RunState.FAILED: tr("Failed"),
        RunState.FINISHED: tr("Finished"),
        RunState.INTERRUPTED: tr("Interrupted"),
    }
    asked = {"pause": tr("Pausing…"), "cancel": tr("Cancelling…"), "resume": tr("Resuming…")}
    return asked.get(run.requested) or words[run.state]


def state_sentence(run: Run, progress: Progress) -> str:
    """What is happening, or what became of the run, as one sentence."""
    if run.requested == "cancel":
        return tr("Cancelling: the process stops at its next checkpoint.")
    if run.state is RunState.RUNNING:
        return _what_runs(progress)
    sentences = {
        RunState.STARTING: tr("The training process is starting; this takes some seconds."),
        RunState.PAUSED: tr("Paused; nothing is computed until you resume."),
        RunState.CANCELLED: tr("Cancelled; Resume goes on from the last checkpoint."),
        RunState.FAILED: run.message or tr("The training failed; its log has the details."),
        RunState.FINISHED: tr("Finished; see Results."),
        RunState.INTERRUPTED: tr(
            "The training process was ended from outside; Resume goes on from its last checkpoint."
        ),
    }
    return sentences[run.state]


def _what_runs(progress: Progress) -> str:
    if progress.phase == "cutting":
        done, total = progress.cut
        return tr("Cutting the patches: {done} of {total}.", done=done, total=total)
    if progress.phase == "reading":
        done, total = progress.cut
        return tr("Reading the exams as the program reads them: {done} of {total}.", done=done, total=total)
    if progress.phase == "evaluating":
        return tr("Evaluating; the report is being written.")
    if not progress.unit:
        return tr("Preparing the cohort.")
    stage = tr("stage two, with the score") if progress.stage == 2 else tr("stage one, image only")
    return tr(
        "{unit}, {stage}: epoch {epoch} of {epochs}, step {step} of {steps}.",
        unit=full_name(progress.unit, progress.units),
        stage=stage,
        epoch=progress.epoch,
        epochs=progress.epochs_planned,
        step=progress.step,
        steps=progress.steps,
    )


class Monitor(QWidget):
    """Shows a `Progress`; keeps no state of its own."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.bar = QProgressBar()
        self.bar.setObjectName("trainingProgress")
        self.bar.setAccessibleName(tr("Share of the run done"))
        self.bar.setRange(0, 1000)
        self._left = QLabel(" ")
        self._left.setObjectName("timeLeft")
        self._left.setAccessibleName(tr("Time left"))
        self._left.setMinimumWidth(150)
        self._left.setAlignment(Qt.AlignmentFlag.AlignRight)
        self._now = QLabel(" ")
        self._now.setObjectName("trainingNow")
        self._now.setAccessibleName(tr("What is being done"))
        self._now.setWordWrap(True)
        self._now.setMinimumHeight(34)
        self._now.setAlignment(Qt.AlignmentFlag.AlignTop)
        self.loss = LossPlot()
        inner = tr("Validation loss (inner split)"), tr("Validation AUC (inner split)")
        self.validation = EpochPlot("validationLossPlot", inner[0], "loss", tr("Loss"))
        self.auc = EpochPlot("validationAucPlot", inner[1], "auc", tr("AUC"))
        self._heading = QLabel()
        self._heading.setObjectName("heading")
        self.table = self._make_table()
        self._training = QWidget()
        grid = QGridLayout(self._training)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setSpacing(8)
        folds = QVBoxLayout()
        folds.setSpacing(4)
        folds.addWidget(self._heading)
        folds.addWidget(self.table)
        grid.addWidget(self.loss, 0, 0)
        grid.addLayout(folds, 0, 1)
        grid.addWidget(self.validation, 1, 0)
        grid.addWidget(self.auc, 1, 1)
        for i in range(2):
            grid.setColumnStretch(i, 1)
            grid.setRowStretch(i, 1)
        top = QGridLayout()
        top.addWidget(self.bar, 0, 0)
        top.addWidget(self._left, 0, 1)
        top.setColumnStretch(0, 1)
        layout = QVBoxLayout(self)
        layout.addLayout(top)
        layout.addWidget(self._now)
        layout.addWidget(self._training, 1)
        layout.addStretch(0)

    @staticmethod
    def _make_table() -> QTableWidget:
        headers = (tr("Fold"), tr("State"), tr("RiskNet AUC"), tr("HyRiskNet AUC"))
        table = ItemTable("foldTable", tr("Folds and their held-out AUCs"), headers)
        table.verticalHeader().setDefaultSectionSize(22)
        table.horizontalHeader().setSectionResizeMode(QHeaderView.ResizeMode.Stretch)
        table.horizontalHeader().setSectionResizeMode(0, QHeaderView.ResizeMode.Fixed)
        table.setColumnWidth(0, 200)
        return table

    def begin(self) -> None:
        """Another run is shown from now on."""
        for plot in (self.validation, self.auc):
            plot.clear_lines()
        self.table.setRowCount(0)

    def show_progress(self, run: Run, progress: Progress) -> None:
        """Show how the run stands."""
        finished = run.state is RunState.FINISHED
        self.bar.setValue(1000 if finished else round(1000 * progress.done))
        self.bar.setFormat(tr("{p:.1f} %", p=100.0 if finished else 100 * progress.done))
        left = progress.seconds_left if run.state is RunState.RUNNING else None
        self._left.setText(time_left(left) if left is not None else " ")
        self._now.setText(state_sentence(run, progress))
        # A validation trains nothing.
        self._training.setVisible(run.kind != VALIDATION)
        synthetic = run.synthetic if run.synthetic is not None else progress.synthetic
        for plot in (self.loss, self.validation, self.auc):
            plot.set_synthetic(synthetic)
            plot.show_progress(progress)
        self._heading.setText(synthetic_title(tr("Held-out AUC of each fold"), synthetic))
        self._fill(run, progress)

    def _fill(self, run: Run, progress: Progress) -> None:
        table = self.table
        if table.rowCount() != len(progress.units):
            table.setRowCount(len(progress.units))
        for row, unit in enumerate(progress.units):
            aucs = progress.held_out.get(unit, (None, None))
            if progress.is_done(unit) or run.state is RunState.FINISHED:
                state = tr("done")
            else:
                state = tr("in training") if unit in progress.begun else tr("waiting")
            texts = (full_name(unit, progress.units), state, *(number(a) for a in aucs))
            for column, text in enumerate(texts):
                item = table.item(row, column)
                if item is None:
                    item = QTableWidgetItem(text)
                    if column == 0:
                        item.setForeground(unit_colour(unit, progress.units))
                    table.setItem(row, column, item)
                elif item.text() != text:
                    item.setText(text)
