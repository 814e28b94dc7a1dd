"""What both ways of training ask for on the wizard's last page: effort, how long it will take, a name and a folder."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

from PySide6.QtCore import QTimer, Signal, Slot
from PySide6.QtWidgets import (
    QComboBox,
    QFileDialog,
    QGridLayout,
    QGroupBox,
    QLabel,
    QLineEdit,
    QPushButton,
    QSpinBox,
    QWidget,
)

from hyrisk_desktop.errors import BundleError, HyRiskError
from hyrisk_desktop.gui.panels.caption import Note
from hyrisk_desktop.gui.panels.wheel import only_focused_wheel
from hyrisk_desktop.gui.retrain.plan import DEFAULT_SIZE, ask_process
from hyrisk_desktop.gui.retrain.progress import about, size
from hyrisk_desktop.gui.retrain.training_process import Command
from hyrisk_desktop.gui.services.job_runner import JobContext, JobRunner, Operation
from hyrisk_desktop.i18n import listed, tr
from hyrisk_desktop.risk.bundle import check_model_name

_PAUSE_MS = 400


class Estimate(Note):
    """Asks the training program for an estimate of time and memory once the choices have stood still, and shows it."""

    def __init__(self, runner: JobRunner, command: Command) -> None:
        super().__init__(2)
        self.setObjectName("estimate")
        self.setAccessibleName(tr("Estimated time and memory"))
        self._command = command
        self._wanted: tuple[str, ...] = ()
        self._asked: tuple[str, ...] = ()
        self._operation = Operation(runner.run_io)
        self._timer = QTimer(self, singleShot=True, interval=_PAUSE_MS)
        self._timer.timeout.connect(self._ask)

    def want(self, words: tuple[str, ...]) -> None:
        """``words`` are the command line that answers with the estimate for what is chosen now."""
        self._wanted = words
        if words != self._asked:
            self._timer.start()

    def drop(self) -> None:
        """Stop what still runs, and forget what was asked."""
        self._timer.stop()
        self._operation.drop()
        self._asked = ()

    @Slot()
    def _ask(self) -> None:
        self._asked = self._wanted
        self.setText(tr("Estimating time and memory…"))
        line = self._command(*self._asked)

        def work(context: JobContext) -> dict[str, Any]:
            return ask_process(line, context.token)

        self._operation.start("estimating a training", work, self._show, self._failed)

    def _show(self, answer: dict[str, Any]) -> None:
        self.setText(estimate_words(answer))

    def _failed(self, error: Exception) -> None:
        reason = error.message if isinstance(error, HyRiskError) else ""
        self.setText(tr("No estimate: {reason}", reason=reason or tr("the log has the details.")))


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
    return tr("Estimate: {parts}.", parts=listed(parts)) if parts else tr("There is no estimate for this.")


class Effort(QGroupBox):
    """Folds, epochs, device and input size, and below them the estimate."""

    changed = Signal()

    def __init__(self, estimate: Estimate) -> None:
        super().__init__(tr("Effort"))
        grid = QGridLayout(self)
        grid.setHorizontalSpacing(14)
        self.folds = number("folds", tr("Folds"), 2, 20, 10)
        self.epochs = number("epochs", tr("Epochs"), 1, 500, 20)
        self.input_size = number("inputSize", tr("Input size in pixels (advanced)"), 32, 512, DEFAULT_SIZE)
        self.input_size.setSingleStep(32)
        self.input_size.setToolTip(tr("224 is the paper’s; smaller is quicker and sees less."))
        devices = [(tr("Choose by itself"), ""), (tr("CPU"), "cpu"), (tr("GPU (CUDA)"), "cuda")]
        self.device = choice("device", tr("Device"), devices)
        fields = (
            (tr("Folds"), self.folds),
            (tr("Epochs"), self.epochs),
            (tr("Device"), self.device),
            (tr("Input size (advanced)"), self.input_size),
        )
        for column, (caption, widget) in enumerate(fields):
            grid.addWidget(QLabel(caption), 0, column)
            grid.addWidget(widget, 1, column)
        grid.addWidget(estimate, 2, 0, 1, 4)
        self.device.currentIndexChanged.connect(self.changed)
        for spin in (self.folds, self.epochs, self.input_size):
            spin.valueChanged.connect(self.changed)


class RunPlace(QGroupBox):
    """The name and the folder of the run.

    Args:
        runs: folder of the runs. word: what the name begins with.
    """

    changed = Signal()

    def __init__(self, runs: Path, word: str, parent: QWidget | None = None) -> None:
        super().__init__(tr("Run"), parent)
        self._word = word
        grid = QGridLayout(self)
        self.name = QLineEdit()
        self.name.setObjectName("runName")
        self.name.setAccessibleName(tr("Name of the run"))
        self.name.setMaxLength(60)
        self.folder = QLineEdit(str(runs))
        self.folder.setObjectName("runFolder")
        self.folder.setAccessibleName(tr("Folder for the run"))
        browse = QPushButton(tr("Browse…"))
        browse.setObjectName("browseRunFolder")
        browse.clicked.connect(self._browse)
        caption = QLabel(tr("The model will carry this name beside every risk. Put no patient’s name or number here."))
        caption.setObjectName("caption")
        grid.addWidget(QLabel(tr("Name")), 0, 0)
        grid.addWidget(self.name, 0, 1, 1, 2)
        grid.addWidget(QLabel(tr("Folder")), 1, 0)
        grid.addWidget(self.folder, 1, 1)
        grid.addWidget(browse, 1, 2)
        grid.addWidget(caption, 2, 1, 1, 2)
        for edit in (self.name, self.folder):
            edit.textChanged.connect(self.changed)

    def begin(self) -> None:
        """Propose a name, unless one stands there."""
        if not self.name.text():
            self.name.setText(datetime.now().strftime(f"{self._word} %Y-%m-%d %H.%M"))

    def run_name(self) -> str:
        """The run's name."""
        return " ".join(self.name.text().split())

    def run_parent(self) -> Path:
        """The folder that the run's own folder is made in."""
        return Path(self.folder.text().strip()).expanduser().absolute()

    def problem(self) -> str:
        """Why no run can be made so, as a sentence; "" where one can."""
        if not self.run_name():
            return tr("Give the run a name.")
        try:
            check_model_name(self.run_name())
        except BundleError as e:
            return e.message
        return "" if self.folder.text().strip() else tr("Choose a folder for the run.")

    @Slot()
    def _browse(self) -> None:
        name = QFileDialog.getExistingDirectory(self, tr("Choose a folder for the run"), self.folder.text())
        if name:
            self.folder.setText(name)


def choice(name: str, accessible: str, items: list[tuple[str, Any]]) -> QComboBox:
    """A box of ``items`` (text, data) with its objectName."""
    box = QComboBox()
    box.setObjectName(name)
    box.setAccessibleName(accessible)
    for text, data in items:
        box.addItem(text, data)
    only_focused_wheel(box)
    return box


def number(name: str, accessible: str, low: int, high: int, value: int) -> QSpinBox:
    """A field for a whole number.

    Args:
        name, accessible: objectName and accessible name. low, high, value: limits and first value.
    """
    box = QSpinBox(minimum=low, maximum=high, value=value)
    box.setMinimumHeight(26)
    box.setObjectName(name)
    box.setAccessibleName(accessible)
    only_focused_wheel(box)
    return box
