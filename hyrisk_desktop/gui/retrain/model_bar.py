"""What may be done with the models of a finished run: below its results."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QComboBox, QHBoxLayout, QPushButton, QVBoxLayout, QWidget

from hyrisk_desktop.gui.retrain.result_table import text_label
from hyrisk_desktop.gui.retrain.training_process import Run, RunState
from hyrisk_desktop.i18n import tr


class ModelBar(QWidget):
    """Says what became of the models, and has the buttons.

    Signals:
        report_wanted, install_wanted, discard_wanted: a button was pressed.
    """

    report_wanted = Signal()
    install_wanted = Signal()
    discard_wanted = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._message = text_label("resultMessage", tr("Model of this run"))
        self._message.setMinimumHeight(36)
        self.report = _button("openReport", tr("Open full &report"), self.report_wanted)
        self.models = QComboBox()
        self.models.setObjectName("modelOfRun")
        self.models.setAccessibleName(tr("Model to install"))
        self.install = _button("installModel", tr("&Install this model"), self.install_wanted)
        self.discard = _button("discardModel", tr("&Discard…"), self.discard_wanted)
        row = QHBoxLayout()
        row.addWidget(self.report)
        row.addStretch(1)
        for widget in (self.models, self.install, self.discard):
            row.addWidget(widget)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._message)
        layout.addLayout(row)

    @property
    def bundle(self) -> Path | None:
        """The bundle that is chosen."""
        found: Path | None = self.models.currentData()
        return found

    def show_state(self, run: Run, *, busy: bool, bundles: list[Path]) -> None:
        """Say what became of the models, and which buttons make sense.

        Args:
            busy: a model is being tested or installed. bundles: that the run holds.
        """
        finished, several = run.state is RunState.FINISHED, len(bundles) > 1
        if [self.models.itemData(i) for i in range(self.models.count())] != bundles:
            self.models.clear()
            for path in bundles:
                self.models.addItem(path.name.replace("hyrisknet", "HyRiskNet"), path)
        self.models.setVisible(several)
        text = self._words(run, busy, several)
        if self._message.text() != text:
            self._message.setText(text)
        self.report.setEnabled(finished)
        # Of several another one may be installed after the first.
        may = bool(bundles) and not busy and not run.discarded and (several or not run.installed)
        self.install.setEnabled(finished and may)
        self.models.setEnabled(finished and may)
        self.discard.setEnabled(finished and not busy and not run.discarded)

    @staticmethod
    def _words(run: Run, busy: bool, several: bool) -> str:
        if busy:
            return tr("Testing the model on its known-answer exam…")
        if run.discarded:
            return tr("The model of this run was discarded; its log and results are kept.")
        if run.installed and several:
            return tr("A model of this run is installed, “{name}”; Tools > Models shows it.", name=run.installed)
        if run.installed:
            return tr("This model is installed; Tools > Models shows it and can go back to the one before.")
        if several:
            return tr("The run made a model of each network, in “{folder}”; none is installed.", folder=_shown(run))
        return tr("The model of this run is not installed.")


def _shown(run: Run) -> str:
    return f"{run.directory.name}/bundles"


def _button(name: str, text: str, signal: object) -> QPushButton:
    button = QPushButton(text)
    button.setObjectName(name)
    button.setAutoDefault(False)
    button.clicked.connect(lambda *_: signal.emit())  # type: ignore[attr-defined]
    return button
