"""The results of a finished run: curves, tables, the comparison with the installed model, and what may be done with it."""

from __future__ import annotations

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import (
    QGridLayout,
    QGroupBox,
    QHBoxLayout,
    QHeaderView,
    QLabel,
    QPushButton,
    QScrollArea,
    QTableWidget,
    QTableWidgetItem,
    QVBoxLayout,
    QWidget,
)

from hyrisk_desktop.gui.retrain.plots import calibration_plot, roc_plot, show_results, synthetic_title
from hyrisk_desktop.gui.retrain.run_results import RunResults
from hyrisk_desktop.gui.retrain.training_process import Run, RunState
from hyrisk_desktop.i18n import tr

_ROW = 20


class ResultPage(QWidget):
    """Shows `RunResults`.

    Signals:
        report_wanted, install_wanted, discard_wanted: a button was pressed.
    """

    report_wanted = Signal()
    install_wanted = Signal()
    discard_wanted = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._roc, self._calibration = roc_plot(), calibration_plot()
        self._head = _text("resultHead", tr("Cohort"))
        self._caution = _text("resultCaution", tr("Why these results are not held out"))
        self._badge = QLabel()
        self._badge.setObjectName("syntheticBadge")
        self.aucs = _Table("aucTable", (tr("Score"), tr("Pooled AUC"), tr("95 % CI"), tr("Folds: mean ± SD")))
        self.differences = _Table("differenceTable", (tr("DeLong, paired"), tr("Difference"), tr("95 % CI"), tr("p")))
        self.comparison = _Table("comparisonTable", (tr("Model"), tr("HyRiskNet AUC"), tr("RiskNet AUC")))
        self._comparison_head = _text("comparisonHead", tr("Comparison with the installed model"))
        self._difference = _text("comparisonDifference", tr("Difference to the installed model"))
        self._warning = _text("comparisonWarning", tr("Warning about the comparison"))
        self._sanity = _text("sanityLine", tr("Checks of the evaluation"))
        self._message = _text("resultMessage", tr("Model of this run"))
        self._message.setMinimumHeight(36)
        layout = QHBoxLayout(self)
        plots = QVBoxLayout()
        plots.addWidget(self._roc, 5)
        plots.addWidget(self._calibration, 4)
        layout.addLayout(plots, 4)
        side = QVBoxLayout()
        side.addWidget(self._make_scroll(), 1)
        side.addWidget(self._message)
        side.addLayout(self._make_buttons())
        layout.addLayout(side, 5)

    def _make_scroll(self) -> QScrollArea:
        inside = QWidget()
        column = QVBoxLayout(inside)
        column.setContentsMargins(0, 0, 6, 0)
        top = QGridLayout()
        top.addWidget(self._head, 0, 0)
        top.addWidget(self._badge, 0, 1, Qt.AlignmentFlag.AlignRight)
        top.setColumnStretch(0, 1)
        column.addLayout(top)
        column.addWidget(self._caution)
        column.addWidget(self.aucs)
        column.addWidget(self.differences)
        self._box = QGroupBox()
        box = QVBoxLayout(self._box)
        for widget in (self._comparison_head, self._warning, self.comparison, self._difference):
            box.addWidget(widget)
        column.addWidget(self._box)
        column.addWidget(self._sanity)
        column.addStretch(1)
        scroll = QScrollArea()
        scroll.setObjectName("resultScroll")
        scroll.setWidgetResizable(True)
        scroll.setFrameShape(QScrollArea.Shape.NoFrame)
        scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        scroll.setWidget(inside)
        return scroll

    def _make_buttons(self) -> QHBoxLayout:
        self.report = _button("openReport", tr("Open full &report"), self.report_wanted)
        self.install = _button("installModel", tr("&Install this model"), self.install_wanted)
        self.discard = _button("discardModel", tr("&Discard…"), self.discard_wanted)
        row = QHBoxLayout()
        row.addWidget(self.report)
        row.addStretch(1)
        row.addWidget(self.install)
        row.addWidget(self.discard)
        return row

    def show_results(self, results: RunResults) -> None:
        """Show a finished run's numbers and curves."""
        show_results(self._roc, self._calibration, results)
        self._head.setText(results.head)
        self._caution.setText(results.caution)
        self._caution.setVisible(bool(results.caution))
        self._badge.setText(tr("Synthetic data") if results.synthetic else "")
        self.aucs.show_rows(results.aucs, results.synthetic)
        self.differences.show_rows(results.differences, results.synthetic)
        self.comparison.show_rows(results.comparison, results.synthetic)
        self._box.setTitle(synthetic_title(tr("Comparison with the installed model"), results.synthetic))
        self._comparison_head.setText(results.comparison_head)
        self.comparison.setVisible(bool(results.comparison))
        self._difference.setText(results.comparison_difference)
        self._difference.setVisible(bool(results.comparison))
        self._warning.setText(results.warning)
        self._warning.setVisible(bool(results.warning))
        self._sanity.setText(results.sanity)

    def show_state(self, run: Run, *, busy: bool, installable: bool) -> None:
        """Say what became of the model, and which buttons make sense.

        Args:
            busy: a model is being tested or installed. installable: the run holds a bundle.
        """
        finished = run.state is RunState.FINISHED
        if busy:
            text = tr("Testing the model on its known-answer exam…")
        elif run.discarded:
            text = tr("The model of this run was discarded; its log and results are kept.")
        elif run.installed:
            text = tr("This model is installed; Tools > Models shows it and can go back to the one before.")
        else:
            text = tr("The model of this run is not installed.")
        if self._message.text() != text:
            self._message.setText(text)
        self.report.setEnabled(finished)
        self.install.setEnabled(finished and installable and not busy and not run.discarded and not run.installed)
        self.discard.setEnabled(finished and not busy and not run.discarded)


class _Table(QTableWidget):
    """Rows of texts, as high as its rows."""

    def __init__(self, name: str, headers: tuple[str, ...]) -> None:
        super().__init__(0, len(headers))
        self.setObjectName(name)
        self._name = headers[0]
        self.setAccessibleName(headers[0])
        self.setHorizontalHeaderLabels(list(headers))
        self.verticalHeader().hide()
        self.verticalHeader().setDefaultSectionSize(_ROW)
        self.setEditTriggers(QTableWidget.EditTrigger.NoEditTriggers)
        self.setSelectionMode(QTableWidget.SelectionMode.NoSelection)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        header = self.horizontalHeader()
        header.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        header.setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
        header.setDefaultAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
        self.show_rows((), False)

    def show_rows(self, rows: tuple[tuple[str, ...], ...], synthetic: bool) -> None:
        """Replace the rows; the first column's title says where the data are synthetic."""
        title = synthetic_title(self._name, synthetic)
        if (item := self.horizontalHeaderItem(0)) is not None:
            item.setText(title)
        self.setAccessibleName(title)
        self.setRowCount(len(rows))
        for i, row in enumerate(rows):
            for column, text in enumerate(row):
                item = QTableWidgetItem(f"{text} " if column else text)
                item.setToolTip(text)
                self.setItem(i, column, item)
        self.setFixedHeight(_ROW * len(rows) + self.horizontalHeader().sizeHint().height() + 4)


def _text(name: str, accessible: str) -> QLabel:
    label = QLabel()
    label.setObjectName(name)
    label.setAccessibleName(accessible)
    label.setWordWrap(True)
    label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
    return label


def _button(name: str, text: str, signal: object) -> QPushButton:
    button = QPushButton(text)
    button.setObjectName(name)
    button.setAutoDefault(False)
    button.clicked.connect(lambda *_: signal.emit())  # type: ignore[attr-defined]
    return button
