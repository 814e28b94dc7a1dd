"""Third page of the wizard: network, strategy, folds; what it will take; the run's name and folder."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

from PySide6.QtCore import QTimer, Signal, Slot
from PySide6.QtWidgets import (
    QButtonGroup,
    QComboBox,
    QFileDialog,
    QGridLayout,
    QGroupBox,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QPushButton,
    QRadioButton,
    QSpinBox,
    QVBoxLayout,
    QWidget,
)

from hyrisk_desktop.errors import BundleError, HyRiskError
from hyrisk_desktop.gui.panels.risk_panel import Note
from hyrisk_desktop.gui.panels.wheel import only_focused_wheel
from hyrisk_desktop.gui.retrain.plan import DEFAULT_SIZE, DEPTHS, TrainingPlan, ask_process
from hyrisk_desktop.gui.retrain.progress import about, size
from hyrisk_desktop.gui.retrain.training_process import Command
from hyrisk_desktop.gui.services.job_runner import Job, JobContext, JobRunner
from hyrisk_desktop.i18n import tr
from hyrisk_desktop.risk.bundle import ModelBundle, check_model_name, read_description

_INSTALLED, _IMAGENET, _FILE = range(3)
_PAUSE_MS = 400
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
        self._runner, self._command, self._runs, self._model = runner, command, runs, model
        self._cohort = Path()
        self._bundle: ModelBundle | None = None
        self._jobs: set[Job] = set()
        self._asked: TrainingPlan | None = None
        self._strategy_chosen = False
        self._estimate_job: Job | None = None
        self._timer = QTimer(self, singleShot=True, interval=_PAUSE_MS)
        self._timer.timeout.connect(self._ask_estimate)
        layout = QVBoxLayout(self)
        layout.setSpacing(8)
        layout.addWidget(self._make_method())
        layout.addWidget(self._make_effort())
        layout.addWidget(self._make_place())
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
        self.network = _choice("network", tr("Network"), [(f"HyRiskNet-{d}", d) for d in DEPTHS])
        self.network.setCurrentIndex(DEPTHS.index(34))
        scores = [(tr("Grade (0 to 3)"), "grade"), (tr("Agatston score"), "agatston")]
        self.score = _choice("scoreInput", tr("Score that the network is given"), scores)
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
        self.initial = _choice("initialWeights", tr("Starting weights"), weights)
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

    def _make_effort(self) -> QGroupBox:
        box = QGroupBox(tr("Effort"))
        grid = QGridLayout(box)
        grid.setHorizontalSpacing(14)
        self.folds = _number("folds", tr("Folds"), 2, 20, 10)
        self.epochs = _number("epochs", tr("Epochs"), 1, 500, 20)
        self.input_size = _number("inputSize", tr("Input size in pixels (advanced)"), 32, 512, DEFAULT_SIZE)
        self.input_size.setSingleStep(32)
        self.input_size.setToolTip(tr("224 is the paper’s; smaller is quicker and sees less."))
        devices = [(tr("Choose by itself"), ""), (tr("CPU"), "cpu"), (tr("GPU (CUDA)"), "cuda")]
        self.device = _choice("device", tr("Device"), devices)
        fields = (
            (tr("Folds"), self.folds),
            (tr("Epochs"), self.epochs),
            (tr("Device"), self.device),
            (tr("Input size (advanced)"), self.input_size),
        )
        for column, (caption, widget) in enumerate(fields):
            grid.addWidget(QLabel(caption), 0, column)
            grid.addWidget(widget, 1, column)
        self._estimate = Note(2)
        self._estimate.setObjectName("estimate")
        self._estimate.setAccessibleName(tr("Estimated time and memory"))
        grid.addWidget(self._estimate, 2, 0, 1, 4)
        return box

    def _make_place(self) -> QGroupBox:
        box = QGroupBox(tr("Run"))
        grid = QGridLayout(box)
        self.name = QLineEdit()
        self.name.setObjectName("runName")
        self.name.setAccessibleName(tr("Name of the run"))
        self.name.setMaxLength(60)
        self.folder = QLineEdit(str(self._runs))
        self.folder.setObjectName("runFolder")
        self.folder.setAccessibleName(tr("Folder for the run"))
        browse = QPushButton(tr("Browse…"))
        browse.setObjectName("browseRunFolder")
        browse.clicked.connect(self._browse_folder)
        caption = QLabel(tr("The model will carry this name beside every risk. Put no patient’s name or number here."))
        caption.setObjectName("caption")
        grid.addWidget(QLabel(tr("Name")), 0, 0)
        grid.addWidget(self.name, 0, 1, 1, 2)
        grid.addWidget(QLabel(tr("Folder")), 1, 0)
        grid.addWidget(self.folder, 1, 1)
        grid.addWidget(browse, 1, 2)
        grid.addWidget(caption, 2, 1, 1, 2)
        return box

    def _connect(self) -> None:
        for box in (self.network, self.score, self.initial, self.device):
            box.currentIndexChanged.connect(self._choices_changed)
        for spin in (self.folds, self.epochs, self.input_size):
            spin.valueChanged.connect(self._choices_changed)
        self._strategies.idToggled.connect(self._choices_changed)
        for edit in (self._file, self.name, self.folder):
            edit.textChanged.connect(self._choices_changed)
        self._browse.clicked.connect(self._browse_file)

    # --- what was chosen

    def begin(self, cohort: Path, usable: int = 0) -> None:
        """Show the page for ``cohort`` of ``usable`` exams (0: not known), with the strategy that suits so many."""
        self._cohort, self._asked = cohort, None
        if not self._strategy_chosen:
            self._strategies.button(2 if 0 < usable <= FEW_EXAMS else 1).setChecked(True)
        if not self.name.text():
            self.name.setText(datetime.now().strftime("HyRiskNet, trained %Y-%m-%d %H.%M"))
        self._run(Job("reading the model's description", self._describe, self._show_installed, self._no_installed))
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
            folds=self.folds.value(),
            epochs=self.epochs.value(),
            device=self.device.currentData(),
            size=self.input_size.value(),
            compare=self._model if self._bundle is not None else None,
        )

    def run_name(self) -> str:
        """The run's name."""
        return " ".join(self.name.text().split())

    def run_parent(self) -> Path:
        """The folder that the run's own folder is made in."""
        return Path(self.folder.text().strip()).expanduser().absolute()

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
        if not self.run_name():
            return tr("Give the run a name.")
        try:
            check_model_name(self.run_name())
        except BundleError as e:
            return e.message
        return "" if self.folder.text().strip() else tr("Choose a folder for the run.")

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

    # --- the estimate

    @Slot()
    def _choices_changed(self) -> None:
        starts = self.strategy() != "scratch"
        self.initial.setEnabled(starts)
        for widget in (self._file, self._browse):
            widget.setEnabled(starts and self.initial.currentData() == _FILE)
        self._problem.setText(self.problem())
        if self._cohort != Path() and self.plan() != self._asked:
            self._timer.start()
        self.changed.emit()

    @Slot()
    def _ask_estimate(self) -> None:
        plan = self._asked = self.plan()
        if self._estimate_job is not None:
            self._estimate_job.cancel()
        self._estimate.setText(tr("Estimating time and memory…"))
        line = self._command("estimate", *plan.estimate_arguments())

        def work(context: JobContext) -> dict[str, Any]:
            return ask_process(line, context.token)

        self._estimate_job = self._run(
            Job("estimating a training", work, lambda v: self._show_estimate(plan, v), self._estimate_failed)
        )

    def _show_estimate(self, plan: TrainingPlan, answer: dict[str, Any]) -> None:
        if plan == self._asked:
            self._estimate.setText(estimate_words(answer))

    def _estimate_failed(self, error: Exception) -> None:
        reason = error.message if isinstance(error, HyRiskError) else ""
        self._estimate.setText(tr("No estimate: {reason}", reason=reason or tr("the log has the details.")))

    def _run(self, job: Job) -> Job:
        """Run ``job`` on the I/O pool; a page that has been left hears nothing of it any more."""

        def while_wanted(end: Any) -> Any:
            def tell(*values: object) -> None:
                if guarded in self._jobs:
                    self._jobs.discard(guarded)
                    end(*values)

            return tell

        guarded = Job(job.name, job.work, while_wanted(job.succeeded), while_wanted(job.failed))
        self._jobs.add(guarded)
        return self._runner.run_io(guarded)

    def cancel(self) -> None:
        """Stop what still runs for this page."""
        self._timer.stop()
        for job in self._jobs:
            job.cancel()
        self._jobs.clear()
        self._asked = None

    @Slot()
    def _browse_file(self) -> None:
        kinds = tr("Weights (*.safetensors);;All files (*)")
        name, _ = QFileDialog.getOpenFileName(self, tr("Choose a weights file"), str(Path.home()), kinds)
        if name:
            self._file.setText(name)

    @Slot()
    def _browse_folder(self) -> None:
        name = QFileDialog.getExistingDirectory(self, tr("Choose a folder for the run"), self.folder.text())
        if name:
            self.folder.setText(name)


def estimate_words(answer: dict[str, Any]) -> str:
    """The answer of ``estimate`` as a sentence."""
    parts = []
    if isinstance(seconds := answer.get("seconds"), (int, float)):
        where = {"cuda": tr(" on the GPU"), "cpu": tr(" on the CPU")}.get(str(answer.get("device")), "")
        parts.append(tr("{time}{where}", time=about(seconds), where=where))
    if isinstance(memory := answer.get("memory_bytes"), (int, float)):
        parts.append(tr("{size} of memory", size=size(memory)))
    if isinstance(disk := answer.get("disk_bytes"), (int, float)):
        parts.append(tr("{size} of disk space", size=size(disk)))
    return tr("Estimate: {parts}.", parts=", ".join(parts)) if parts else tr("There is no estimate for this.")


def _choice(name: str, accessible: str, items: list[tuple[str, Any]]) -> QComboBox:
    box = QComboBox()
    box.setObjectName(name)
    box.setAccessibleName(accessible)
    for text, data in items:
        box.addItem(text, data)
    only_focused_wheel(box)
    return box


def _number(name: str, accessible: str, low: int, high: int, value: int) -> QSpinBox:
    box = QSpinBox(minimum=low, maximum=high, value=value)
    box.setMinimumHeight(26)
    box.setObjectName(name)
    box.setAccessibleName(accessible)
    only_focused_wheel(box)
    return box
