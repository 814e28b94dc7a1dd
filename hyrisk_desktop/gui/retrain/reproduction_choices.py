"""Third page of the wizard where the paper shall be reproduced: which networks, how long, and where it goes."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import Signal, Slot
from PySide6.QtWidgets import QCheckBox, QGroupBox, QHBoxLayout, QLabel, QVBoxLayout, QWidget

from hyrisk_desktop.gui.panels.caption import Note
from hyrisk_desktop.gui.retrain.plan import DEPTHS, ReproductionPlan
from hyrisk_desktop.gui.retrain.run_choices import Effort, Estimate, RunPlace
from hyrisk_desktop.gui.retrain.training_process import Command
from hyrisk_desktop.gui.services.job_runner import JobRunner
from hyrisk_desktop.i18n import tr

_SHARED = frozenset(("folds", "epochs", "inputSize", "device", "estimate", "runName", "runFolder", "browseRunFolder"))


class ReproductionPage(QWidget):
    """The choices of ``hyrisk reproduce``, its estimate, and where it goes."""

    changed = Signal()

    def __init__(self, runner: JobRunner, command: Command, runs: Path, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._cohort = Path()
        self._estimate = Estimate(runner, command)
        self.effort, self.place = Effort(self._estimate), RunPlace(runs, tr("The paper,"))
        layout = QVBoxLayout(self)
        layout.setSpacing(8)
        layout.addWidget(self._make_networks())
        layout.addWidget(self.effort)
        layout.addWidget(self.place)
        layout.addStretch(1)
        self._problem = Note(1)
        self._problem.setObjectName("reproductionProblem")
        self._problem.setAccessibleName(tr("What is missing"))
        layout.addWidget(self._problem)
        for part in (self.effort, self.place):
            part.changed.connect(self._choices_changed)
        # The training's page beside it has the same fields: no two widgets of a window answer to one name.
        for widget in self.findChildren(QWidget):
            if widget.objectName() in _SHARED:
                widget.setObjectName(f"paper_{widget.objectName()}")

    def _make_networks(self) -> QGroupBox:
        box = QGroupBox(tr("The paper’s Table 1, Fig. 2 and Fig. 3"))
        column = QVBoxLayout(box)
        text = QLabel(
            tr(
                "RiskNet and HyRiskNet of each network, from scratch, on every fold; the paper’s own figures stand beside "
                "yours. The network of the figures is the 34 where it is chosen."
            )
        )
        text.setObjectName("caption")
        text.setWordWrap(True)
        row = QHBoxLayout()
        self.networks: dict[int, QCheckBox] = {}
        for depth in DEPTHS:
            check = self.networks[depth] = QCheckBox(f"HyRiskNet-{depth}")
            check.setObjectName(f"network_{depth}")
            check.setChecked(True)
            check.toggled.connect(self._choices_changed)
            row.addWidget(check)
        row.addStretch(1)
        self.imagenet = QCheckBox(tr("Also frozen and fine-tuned from ImageNet, where its weights can be had"))
        self.imagenet.setObjectName("imagenetStrategies")
        self.imagenet.setChecked(True)
        self.imagenet.toggled.connect(self._choices_changed)
        column.addWidget(text)
        column.addLayout(row)
        column.addWidget(self.imagenet)
        return box

    def begin(self, cohort: Path, usable: int = 0) -> None:
        """Show the page for ``cohort``."""
        self._cohort = cohort
        self.place.begin()
        self._choices_changed()

    def plan(self) -> ReproductionPlan:
        """The reproduction as chosen."""
        return ReproductionPlan(
            cohort=self._cohort,
            depths=tuple(depth for depth, check in self.networks.items() if check.isChecked()),
            imagenet=self.imagenet.isChecked(),
            folds=self.effort.folds.value(),
            epochs=self.effort.epochs.value(),
            device=self.effort.device.currentData(),
            size=self.effort.input_size.value(),
        )

    def problem(self) -> str:
        """Why it can't start, as a sentence; "" where it can."""
        if not self.plan().depths:
            return tr("Choose a network.")
        return self.place.problem()

    @Slot()
    def _choices_changed(self) -> None:
        self._problem.setText(self.problem())
        if self._cohort != Path() and self.plan().depths:
            self._estimate.want(("reproduce", *self.plan().estimate_arguments()))
        self.changed.emit()

    def cancel(self) -> None:
        """Stop what still runs for this page."""
        self._estimate.drop()
