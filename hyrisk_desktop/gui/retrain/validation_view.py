"""A finished validation: how well the model ranks, how far its risks are right, and what recalibration would win."""

from __future__ import annotations

from PySide6.QtWidgets import QHBoxLayout, QLabel, QVBoxLayout, QWidget

from hyrisk_desktop.gui.retrain.plots import SquarePlot
from hyrisk_desktop.gui.retrain.result_table import ResultTable, scrolled, text_label
from hyrisk_desktop.gui.retrain.validation_results import ValidationResults
from hyrisk_desktop.i18n import tr


class ValidationView(QWidget):
    """Shows `ValidationResults`."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.plots = (
            SquarePlot("validationRoc", tr("ROC"), tr("1 − specificity"), tr("Sensitivity")),
            SquarePlot(
                "validationCalibration", tr("Calibration"), tr("Mean risk"), tr("Observed share"), legend=(8, 8)
            ),
        )
        self._head = text_label("validationHead", tr("Model and cohort"))
        self._caution = text_label("validationCaution", tr("What these results must not be read without"))
        self._badge = QLabel()
        self._badge.setObjectName("syntheticBadge")
        self._recalibration = text_label("recalibrationLine", tr("Recalibration"))
        self.aucs = ResultTable("validationAucs", (tr("Score"), tr("AUC"), tr("95 % CI")))
        self.differences = ResultTable(
            "validationDifferences", (tr("DeLong, paired"), tr("Difference"), tr("95 % CI"), tr("p"))
        )
        self.calibration = ResultTable(
            "validationTable",
            (tr("Risk"), tr("Mean / observed"), tr("In the large"), tr("Slope (95 % CI)"), tr("Brier")),
        )
        self.guard = ResultTable("validationGuard", (tr("Withheld, and held"), tr("Value (95 % CI)")))
        self.groups = ResultTable(
            "validationGroups",
            (tr("Subgroup"), tr("Cases"), tr("Died"), tr("Mean risk"), tr("Observed"), tr("AUC (95 % CI)")),
        )
        layout = QHBoxLayout(self)
        left = QVBoxLayout()
        for plot in self.plots:
            left.addWidget(plot, 1)
        layout.addLayout(left, 4)
        parts = (
            self._caution, self.aucs, self.calibration, self._recalibration, self.guard, self.groups, self.differences,
        )  # fmt: skip
        layout.addWidget(scrolled("validationScroll", self._head, self._badge, parts), 5)

    def show_results(self, results: ValidationResults) -> None:
        """Show the tables and the curves."""
        self._head.setText(results.head)
        self._caution.setText(results.caution)
        self._caution.setVisible(bool(results.caution))
        self._badge.setText(tr("Synthetic data") if results.synthetic else "")
        self._recalibration.setText(results.recalibration)
        for plot, curves, points in zip(self.plots, (results.roc, results.curves), (False, True), strict=True):
            plot.set_synthetic(results.synthetic)
            plot.show_curves(curves, points=points)
        for table, rows in (
            (self.aucs, results.aucs),
            (self.calibration, results.calibration),
            (self.guard, results.guard),
            (self.groups, results.groups),
            (self.differences, results.differences),
        ):
            table.show_rows(rows, results.synthetic)
