"""Third page of the wizard: network, strategy, folds; what it will take; the run's name and folder."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import Signal, Slot
from PySide6.QtWidgets import (
    QButtonGroup,
    QFileDialog,
    QGridLayout,
    QGroupBox,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QPushButton,
    QRadioButton,
    QVBoxLayout,
    QWidget,
)

from hyrisk_desktop.gui.panels.caption import Note
from hyrisk_desktop.gui.retrain.plan import DEPTHS, TrainingPlan
from hyrisk_desktop.gui.retrain.run_choices import Effort, Estimate, RunPlace, choice
from hyrisk_desktop.gui.retrain.training_process import Command
from hyrisk_desktop.gui.services.job_runner import JobContext, JobRunner, Operation
from hyrisk_desktop.i18n import tr
from hyrisk_desktop.risk.bundle import ModelBundle, read_description

_INSTALLED, _IMAGENET, _FILE = range(3)
FEW_EXAMS = 400
"""Up to here the last layers alone are trained unless the reader says otherwise: "a few hundred exams or fewer"."""


def strategies() -> tuple[tuple[str, str, str], ...]:
    """Key, name, and one sentence each."""
    return (
        ("finetune", tr("Fine-tune"), tr("All layers start from trained weights and learn slowly; for most cohorts.")),
        ("frozen", tr("Frozen trunk"), tr("Only the last layers learn: quick, and for a few hundred exams or fewer.")),
        ("scratch", tr("From scratch"), tr("Starts from random weights: slow, and needs thousands of exams.")),
    )


class TrainingPage(QWidget):
    """The choices of a training, its estimate, and where it goes."""

    changed = Signal()

    def __init__(
        self, runner: JobRunner, command: Command, runs: Path, model: Path, parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self._model = model
        self._cohort = Path()
        self._bundle: ModelBundle | None = None
        self._strategy_chosen = False
        self._description = Operation(runner.run_io)
        self._estimate = Estimate(runner, command)
        self.effort, self.place = Effort(self._estimate), RunPlace(runs, tr("HyRiskNet, trained"))
        layout = QVBoxLayout(self)
        layout.setSpacing(8)
        layout.addWidget(self._make_method())
        layout.addWidget(self.effort)
        layout.addWidget(self.place)
        layout.addStretch(1)
        self._problem = Note(1)
        self._problem.setObjectName("trainingProblem")
        self._problem.setAccessibleName(tr("What is missing"))
        layout.addWidget(self._problem)
        self._connect()

    # --- parts

    def _make_method(self) -> QGroupBox:
        box = QGroupBox(tr("Network"))
        grid = QGridLayout(box)
        grid.setHorizontalSpacing(14)
        self.network = choice("network", tr("Network"), [(f"HyRiskNet-{d}", d) for d in DEPTHS])
        self.network.setCurrentIndex(DEPTHS.index(34))
        scores = [(tr("Grade (0 to 3)"), "grade"), (tr("Agatston score"), "agatston")]
        self.score = choice("scoreInput", tr("Score that the network is given"), scores)
        grid.addWidget(QLabel(tr("Network")), 0, 0)
        grid.addWidget(self.network, 0, 1)
        grid.addWidget(QLabel(tr("Score input")), 0, 2)
        grid.addWidget(self.score, 0, 3)
        self._strategies = QButtonGroup(self)
        for row, (key, name, sentence) in enumerate(strategies(), start=1):
            button = QRadioButton(name)
            button.setObjectName(f"strategy_{key}")
            button.setAccessibleDescription(sentence)
            self._strategies.addButton(button, row)
            caption = QLabel(sentence)
            caption.setObjectName("caption")
            grid.addWidget(button, row, 0)
            grid.addWidget(caption, row, 1, 1, 3)
        self._strategies.button(1).setChecked(True)
        self._strategies.buttonClicked.connect(self._choose_strategy)
        weights = [
            (tr("Installed model"), _INSTALLED),
            (tr("ImageNet (downloaded once if not there)"), _IMAGENET),
            (tr("A weights file…"), _FILE),
        ]
        self.initial = choice("initialWeights", tr("Starting weights"), weights)
        self._file = QLineEdit()
        self._file.setObjectName("weightsFile")
        self._file.setAccessibleName(tr("Weights file"))
        self._file.setPlaceholderText(tr("weights.safetensors or a model bundle"))
        self._browse = QPushButton(tr("Browse…"))
        self._browse.setObjectName("browseWeights")
        row_layout = QHBoxLayout()
        row_layout.addWidget(self._file, 1)
        row_layout.addWidget(self._browse)
        grid.addWidget(QLabel(tr("Starting weights")), 4, 0)
        grid.addWidget(self.initial, 4, 1, 1, 3)
        grid.addWidget(QLabel(tr("Weights file")), 5, 0)
        grid.addLayout(row_layout, 5, 1, 1, 3)
        grid.setColumnStretch(1, 1)
        grid.setColumnStretch(3, 1)
        return box

    def _connect(self) -> None:
        for box in (self.network, self.score, self.initial):
            box.currentIndexChanged.connect(self._choices_changed)
        for part in (self.effort, self.place):
            part.changed.connect(self._choices_changed)
        self._strategies.idToggled.connect(self._choices_changed)
        self._file.textChanged.connect(self._choices_changed)
        self._browse.clicked.connect(self._browse_file)

    # --- what was chosen

    def begin(self, cohort: Path, usable: int = 0) -> None:
        """Show the page for ``cohort`` of ``usable`` exams (0: not known), with the strategy that suits so many."""
        self._cohort = cohort
        if not self._strategy_chosen:
            self._strategies.button(2 if 0 < usable <= FEW_EXAMS else 1).setChecked(True)
        self.place.begin()
        self._description.start(
            "reading the model's description", self._describe, self._show_installed, self._no_installed
        )
        self._choices_changed()

    @Slot()
    def _choose_strategy(self) -> None:
        """What the reader has chosen stays chosen."""
        self._strategy_chosen = True

    def strategy(self) -> str:
        """``"finetune"``, ``"frozen"`` or ``"scratch"``."""
        return strategies()[self._strategies.checkedId() - 1][0]

    def plan(self) -> TrainingPlan:
        """The training as chosen."""
        initial = {
            _INSTALLED: str(self._model),
            _IMAGENET: "imagenet",
            _FILE: str(Path(self._file.text().strip()).expanduser().absolute()),
        }[self.initial.currentData()]
        return TrainingPlan(
            cohort=self._cohort,
            depth=self.network.currentData(),
            strategy=self.strategy(),
            initial="" if self.strategy() == "scratch" else initial,
            score=self.score.currentData(),
            folds=self.effort.folds.value(),
            epochs=self.effort.epochs.value(),
            device=self.effort.device.currentData(),
            size=self.effort.input_size.value(),
            compare=self._model if self._bundle is not None else None,
        )

    def problem(self) -> str:
        """Why the training can't start, as a sentence; "" where it can."""
        starts = self.strategy() != "scratch"
        kind = self.initial.currentData()
        if starts and kind == _INSTALLED:
            if self._bundle is None:
                return tr("The installed model can’t be used; choose other starting weights.")
            if self._bundle.depth != self.network.currentData():
                return tr("The installed model is a {n}: choose this network, or other weights.", n=self._network())
        if starts and kind == _FILE and not Path(self._file.text().strip()).expanduser().exists():
            return tr("Choose a weights file.")
        return self.place.problem()

    def _network(self) -> str:
        return f"HyRiskNet-{self._bundle.depth}" if self._bundle else ""

    # --- the installed model

    def _describe(self, _: JobContext) -> ModelBundle:
        return read_description(self._model)

    def _show_installed(self, bundle: ModelBundle) -> None:
        self._bundle = bundle
        self.initial.setItemText(_INSTALLED, tr("Installed model ({name})", name=bundle.name))
        self._choices_changed()

    def _no_installed(self, _: Exception) -> None:
        self._bundle = None
        self._choices_changed()

    @Slot()
    def _choices_changed(self) -> None:
        starts = self.strategy() != "scratch"
        self.initial.setEnabled(starts)
        for widget in (self._file, self._browse):
            widget.setEnabled(starts and self.initial.currentData() == _FILE)
        self._problem.setText(self.problem())
        if self._cohort != Path():
            self._estimate.want(("estimate", *self.plan().estimate_arguments()))
        self.changed.emit()

    def cancel(self) -> None:
        """Stop what still runs for this page."""
        self._description.drop()
        self._estimate.drop()

    @Slot()
    def _browse_file(self) -> None:
        kinds = tr("Weights (*.safetensors);;All files (*)")
        name, _ = QFileDialog.getOpenFileName(self, tr("Choose a weights file"), str(Path.home()), kinds)
        if name:
            self._file.setText(name)
