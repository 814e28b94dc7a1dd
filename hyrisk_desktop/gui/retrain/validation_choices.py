"""Third page of the wizard where the model in use shall be validated: which model, on what, and where it goes."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import Signal, Slot
from PySide6.QtWidgets import QGridLayout, QGroupBox, QLabel, QVBoxLayout, QWidget

from hyrisk_desktop.errors import BundleError
from hyrisk_desktop.gui.panels.caption import Note
from hyrisk_desktop.gui.retrain.plan import ValidationPlan
from hyrisk_desktop.gui.retrain.result_table import text_label
from hyrisk_desktop.gui.retrain.run_choices import RunPlace, choice
from hyrisk_desktop.i18n import tr
from hyrisk_desktop.risk.bundle import read_description


class ValidationPage(QWidget):
    """The choices of ``hyrisk validate``.

    Args:
        runs: folder of the runs. model: folder of the model in use.
    """

    changed = Signal()

    def __init__(self, runs: Path, model: Path, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._cohort, self._model = Path(), model
        self.place = RunPlace(runs, tr("Our cohort,"))
        devices = [(tr("Choose by itself"), ""), (tr("CPU"), "cpu"), (tr("GPU (CUDA)"), "cuda")]
        self.device = choice("device", tr("Device"), devices)
        layout = QVBoxLayout(self)
        layout.setSpacing(8)
        layout.addWidget(self._make_model())
        layout.addWidget(self.place)
        layout.addStretch(1)
        self._problem = Note(1)
        self._problem.setObjectName("validationProblem")
        self._problem.setAccessibleName(tr("What is missing"))
        layout.addWidget(self._problem)
        self.place.changed.connect(self._choices_changed)
        # The pages beside it have the same fields: no two widgets of a window answer to one name.
        for widget in self.findChildren(QWidget):
            if widget.objectName() in ("device", "runName", "runFolder", "browseRunFolder"):
                widget.setObjectName(f"validation_{widget.objectName()}")

    def _make_model(self) -> QGroupBox:
        box = QGroupBox(tr("A site’s own proof"))
        grid = QGridLayout(box)
        self._name = text_label("validatedModel", tr("Model to validate"))
        text = QLabel(
            tr(
                "Every exam is read as the program reads it, with the model as it is. The report says how well it ranks and how far "
                "its risks are right, by subgroup too, what is withheld and what the interval holds. Then intercept and slope are "
                "fitted to this cohort, judged on cases they have not seen, and kept as a model beside the old one."
            )
        )
        text.setObjectName("caption")
        text.setWordWrap(True)
        grid.addWidget(QLabel(tr("Model")), 0, 0)
        grid.addWidget(self._name, 0, 1)
        grid.addWidget(QLabel(tr("Device")), 1, 0)
        grid.addWidget(self.device, 1, 1)
        grid.addWidget(text, 2, 0, 1, 2)
        grid.setColumnStretch(1, 1)
        return box

    def begin(self, cohort: Path, usable: int = 0) -> None:
        """Show the page for ``cohort``."""
        self._cohort = cohort
        try:
            self._name.setText(read_description(self._model).name)
        except BundleError as e:
            self._name.setText(e.message)
        self.place.begin()
        self._choices_changed()

    def plan(self) -> ValidationPlan:
        """The validation as chosen."""
        return ValidationPlan(self._cohort, self._model, self.device.currentData())

    def problem(self) -> str:
        """Why it can't start, as a sentence; "" where it can."""
        return self.place.problem()

    @Slot()
    def _choices_changed(self) -> None:
        self._problem.setText(self.problem())
        self.changed.emit()

    def cancel(self) -> None:
        """Nothing runs for this page."""
