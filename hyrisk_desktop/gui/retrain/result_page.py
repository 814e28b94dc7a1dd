"""The results of a finished run: curves, tables, the comparison with the installed model, and what may be done with it."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtWidgets import QGroupBox, QHBoxLayout, QLabel, QStackedWidget, QVBoxLayout, QWidget

from hyrisk_desktop.gui.retrain.model_bar import ModelBar
from hyrisk_desktop.gui.retrain.plots import calibration_plot, roc_plot, show_results, synthetic_title
from hyrisk_desktop.gui.retrain.reproduction_results import ReproductionResults, load_reproduction
from hyrisk_desktop.gui.retrain.reproduction_view import ReproductionView
from hyrisk_desktop.gui.retrain.result_table import ResultTable, scrolled, text_label
from hyrisk_desktop.gui.retrain.run_results import RunResults, load_results
from hyrisk_desktop.gui.retrain.validation_results import ValidationResults, load_validation
from hyrisk_desktop.gui.retrain.validation_view import ValidationView
from hyrisk_desktop.i18n import tr
from hyrisk_desktop.training_run import REPRODUCTION, REPRODUCTION_RESULTS, RESULTS, VALIDATION, VALIDATION_RESULTS

AnyResults = RunResults | ReproductionResults | ValidationResults


class TrainingResults(QWidget):
    """Shows `RunResults`."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._roc, self._calibration = roc_plot(), calibration_plot()
        self._head = text_label("resultHead", tr("Cohort"))
        self._caution = text_label("resultCaution", tr("What these results must not be read without"))
        self._badge = QLabel()
        self._badge.setObjectName("syntheticBadge")
        self.aucs = ResultTable("aucTable", (tr("Score"), tr("Pooled AUC"), tr("95 % CI"), tr("Folds: mean ± SD")))
        self.differences = ResultTable(
            "differenceTable", (tr("DeLong, paired"), tr("Difference"), tr("95 % CI"), tr("p"))
        )
        self.comparison = ResultTable("comparisonTable", (tr("Model"), tr("HyRiskNet AUC"), tr("RiskNet AUC")))
        self._comparison_head = text_label("comparisonHead", tr("Comparison with the installed model"))
        self._difference = text_label("comparisonDifference", tr("Difference to the installed model"))
        self._warning = text_label("comparisonWarning", tr("Warning about the comparison"))
        self._sanity = text_label("sanityLine", tr("Checks of the evaluation"))
        layout = QHBoxLayout(self)
        plots = QVBoxLayout()
        plots.addWidget(self._roc, 5)
        plots.addWidget(self._calibration, 4)
        layout.addLayout(plots, 4)
        self._box = QGroupBox()
        box = QVBoxLayout(self._box)
        for widget in (self._comparison_head, self._warning, self.comparison, self._difference):
            box.addWidget(widget)
        parts = (self._caution, self.aucs, self.differences, self._box, self._sanity)
        layout.addWidget(scrolled("resultScroll", self._head, self._badge, parts), 5)

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


class ResultPage(QWidget):
    """The results of a run of any kind, and below them what may be done with the models."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.training, self.reproduction, self.validation = TrainingResults(), ReproductionView(), ValidationView()
        self.bar = ModelBar()
        self._stack = QStackedWidget()
        self._nothing = QWidget()
        for view in (self._nothing, self.training, self.reproduction, self.validation):
            self._stack.addWidget(view)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._stack, 1)
        layout.addWidget(self.bar)

    def begin(self) -> None:
        """Another run is shown from now on: the numbers of the one before are not its own."""
        self._stack.setCurrentWidget(self._nothing)

    def show_results(self, results: AnyResults) -> None:
        """Show a finished run's numbers and curves."""
        match results:
            case RunResults():
                self.training.show_results(results)
                self._stack.setCurrentWidget(self.training)
            case ReproductionResults():
                self.reproduction.show_results(results)
                self._stack.setCurrentWidget(self.reproduction)
            case ValidationResults():
                self.validation.show_results(results)
                self._stack.setCurrentWidget(self.validation)


def load_any(kind: str, folder: Path) -> AnyResults:
    """The results of a run of ``kind`` in ``folder``; raises InputError as `read_results`."""
    if kind == REPRODUCTION:
        return load_reproduction(folder / REPRODUCTION_RESULTS)
    if kind == VALIDATION:
        return load_validation(folder / VALIDATION_RESULTS)
    return load_results(folder / RESULTS)
