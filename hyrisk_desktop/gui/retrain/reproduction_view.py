"""A finished reproduction: the paper's Table 1, Fig. 2 and Fig. 3, its own figures beside each."""

from __future__ import annotations

from PySide6.QtWidgets import QHBoxLayout, QLabel, QVBoxLayout, QWidget

from hyrisk_desktop.gui.retrain.plots import SquarePlot
from hyrisk_desktop.gui.retrain.reproduction_results import ReproductionResults
from hyrisk_desktop.gui.retrain.result_table import ResultTable, scrolled, text_label
from hyrisk_desktop.i18n import tr


class ReproductionView(QWidget):
    """Shows `ReproductionResults`."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        axes = tr("1 − specificity"), tr("Sensitivity")
        self._plots = (
            SquarePlot("fig2Plot", tr("Fig. 2, mean of the folds"), *axes, legend=None),
            SquarePlot("fig3Plot", tr("Fig. 3, mean of the folds"), *axes, legend=None),
        )
        self._head = text_label("reproductionHead", tr("Cohort"))
        self._badge = QLabel()
        self._badge.setObjectName("syntheticBadge")
        self._reading = text_label("reproductionReading", tr("How to read it"))
        head = (
            tr("Table 1"), tr("RiskNet"), tr("paper"), tr("HyRiskNet"), tr("paper"), tr("Difference (95 % CI)"),
        )  # fmt: skip
        self.table = ResultTable("paperTable", head)
        columns = (tr("AUC"), tr("paper"))
        self.figures = (
            ResultTable("fig2Table", (tr("Fig. 2"), *columns)),
            ResultTable("fig3Table", (tr("Fig. 3"), *columns)),
        )
        self.strategies = ResultTable("strategyTable", (tr("Strategy"), tr("RiskNet"), tr("HyRiskNet")))
        self._notes = text_label("strategyNotes", tr("What could not be trained"))
        layout = QHBoxLayout(self)
        plots = QVBoxLayout()
        for plot in self._plots:
            plots.addWidget(plot, 1)
        layout.addLayout(plots, 4)
        parts = (self.table, self._reading, *self.figures, self.strategies, self._notes)
        layout.addWidget(scrolled("reproductionScroll", self._head, self._badge, parts), 6)

    def show_results(self, results: ReproductionResults) -> None:
        """Show the table, the figures and their curves."""
        self._head.setText(results.head)
        self._badge.setText(tr("Synthetic data") if results.synthetic else "")
        self._reading.setText(results.reading)
        self.table.show_rows(results.table, results.synthetic)
        for plot, table, figure in zip(self._plots, self.figures, results.figures, strict=True):
            plot.set_synthetic(results.synthetic)
            plot.show_curves(figure.curves)
            keys = tuple(curve.key for curve in figure.curves)
            table.show_rows(figure.rows, results.synthetic, curves=keys, name=figure.title)
        self.strategies.show_rows(tuple(row[:3] for row in results.strategies), results.synthetic)
        notes = dict.fromkeys(row[3] for row in results.strategies if row[3])
        self._notes.setText("\n".join(notes))
        self._notes.setVisible(bool(notes))
