"""First page of the wizard: which table holds the cohort."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import Qt, Signal, Slot
from PySide6.QtGui import QDragEnterEvent, QDropEvent
from PySide6.QtWidgets import (
    QFileDialog,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QPushButton,
    QRadioButton,
    QVBoxLayout,
    QWidget,
)

from hyrisk_desktop.i18n import tr
from hyrisk_desktop.training_run import REPRODUCTION, TRAINING, VALIDATION

TABLE = "cohort.csv"
_KINDS = (".csv", ".parquet")


def cohort_problem(path: Path) -> str:
    """Why ``path`` can't be a cohort, as a sentence; "" where it can."""
    if path.is_dir():
        return "" if (path / TABLE).is_file() else tr("This folder holds no {name}.", name=TABLE)
    if not path.is_file():
        return tr("There is no such file or folder.")
    return (
        "" if path.suffix.lower() in _KINDS else tr("A cohort is a CSV or Parquet file, or a folder with cohort.csv.")
    )


def columns_help() -> str:
    """The columns of a cohort, as HTML."""
    rows = (
        ("exam", tr("path of the exam’s folder or file, from the table’s own folder; or the column series_uid")),
        ("x, y, z", tr("heart centre in voxels, counted from 0; slices feet to head")),
        (
            "grade",
            tr(
                "CAC grade 0 to 3; fractions allowed (mean of several readers); may be empty where Agatston is the score"
            ),
        ),
        ("outcome", tr("0 survivor, 1 non-survivor (death of any cause)")),
        ("agatston", tr("optional: Agatston score; left out, the program scores the region around the centre")),
        ("patient_id", tr("optional: keeps a patient’s exams in the same fold; never logged")),
    )
    cells = "".join(
        f'<tr><td style="padding: 3px 18px 3px 0"><b>{name}</b></td><td style="padding: 3px 0">{text}</td></tr>'
        for name, text in rows
    )
    return f"<table>{cells}</table>"


class CohortPage(QWidget):
    """A path, typed, browsed or dropped, and what the table must hold."""

    changed = Signal()
    worklist_wanted = Signal()
    """The cohort shall be made of the worklist's reads."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAcceptDrops(True)
        self.path_edit = QLineEdit()
        self.path_edit.setObjectName("cohortPath")
        self.path_edit.setAccessibleName(tr("Cohort file or folder"))
        self.path_edit.setPlaceholderText(tr("CSV or Parquet file, or a folder with cohort.csv"))
        file = QPushButton(tr("&File…"))
        file.setObjectName("chooseCohortFile")
        folder = QPushButton(tr("F&older…"))
        folder.setObjectName("chooseCohortFolder")
        worklist = QPushButton(tr("&Worklist…"))
        worklist.setObjectName("chooseWorklist")
        worklist.setToolTip(tr("Join the reads of the open worklist with a table of outcomes"))
        worklist.clicked.connect(self.worklist_wanted)
        self._hint = QLabel(" ")
        self._hint.setObjectName("cohortHint")
        row = QHBoxLayout()
        for widget in (self.path_edit, file, folder, worklist):
            row.addWidget(widget)
        help_text = QLabel(columns_help())
        help_text.setObjectName("cohortHelp")
        help_text.setTextFormat(Qt.TextFormat.RichText)
        help_text.setWordWrap(True)
        layout = QVBoxLayout(self)
        layout.addLayout(self._make_goals())
        layout.addSpacing(8)
        layout.addWidget(_wrapped(tr("Choose the table of the cohort: one row per exam. Or drop it on this window.")))
        layout.addLayout(row)
        layout.addWidget(self._hint)
        layout.addSpacing(14)
        heading = QLabel(tr("Columns"))
        heading.setObjectName("heading")
        layout.addWidget(heading)
        layout.addWidget(help_text)
        layout.addSpacing(8)
        layout.addWidget(
            _wrapped(tr("The exams stay where they are. Nothing leaves this computer; logs hold no patient data."))
        )
        layout.addStretch(1)
        self.path_edit.textChanged.connect(self._show_hint)
        file.clicked.connect(self._browse_file)
        folder.clicked.connect(self._browse_folder)

    def _make_goals(self) -> QHBoxLayout:
        self._train = QRadioButton(tr("&Train a model"))
        self._train.setObjectName("goalTrain")
        self._train.setChecked(True)
        self.reproduce = QRadioButton(tr("&Reproduce the paper"))
        self.reproduce.setObjectName("goalReproduce")
        self.reproduce.setToolTip(
            tr("Table 1, Fig. 2 and Fig. 3 of the paper on this cohort, its own figures beside each")
        )
        self.validate = QRadioButton(tr("&Validate the model in use"))
        self.validate.setObjectName("goalValidate")
        self.validate.setToolTip(
            tr("How good it is on this cohort, unchanged; then its intercept and slope fitted anew")
        )
        for goal in (self.reproduce, self.validate):
            goal.toggled.connect(self.changed)
        row = QHBoxLayout()
        row.addWidget(QLabel(tr("On this cohort:")))
        row.addSpacing(6)
        row.addWidget(self._train)
        row.addSpacing(12)
        row.addWidget(self.reproduce)
        row.addSpacing(12)
        row.addWidget(self.validate)
        row.addStretch(1)
        return row

    @property
    def goal(self) -> str:
        """What shall be done: `TRAINING`, `REPRODUCTION` or `VALIDATION`."""
        if self.reproduce.isChecked():
            return REPRODUCTION
        return VALIDATION if self.validate.isChecked() else TRAINING

    def choose(self, goal: str) -> None:
        """Choose what shall be done."""
        {TRAINING: self._train, REPRODUCTION: self.reproduce, VALIDATION: self.validate}[goal].setChecked(True)

    def cohort(self) -> Path | None:
        """The cohort chosen, as an absolute path, or None while it can't be one."""
        text = self.path_edit.text().strip()
        path = Path(text).expanduser().absolute()
        return path if text and not cohort_problem(path) else None

    @Slot()
    def _show_hint(self) -> None:
        text = self.path_edit.text().strip()
        # A blank keeps the line's height, so that nothing below it jumps.
        self._hint.setText((cohort_problem(Path(text).expanduser()) if text else "") or " ")
        self.changed.emit()

    @Slot()
    def _browse_file(self) -> None:
        kinds = tr("Cohorts (*.csv *.parquet);;All files (*)")
        name, _ = QFileDialog.getOpenFileName(self, tr("Choose the cohort’s table"), str(Path.home()), kinds)
        if name:
            self.path_edit.setText(name)

    @Slot()
    def _browse_folder(self) -> None:
        name = QFileDialog.getExistingDirectory(self, tr("Choose the cohort’s folder"), str(Path.home()))
        if name:
            self.path_edit.setText(name)

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        """A file or folder may be dropped anywhere on the page."""
        if any(url.isLocalFile() for url in event.mimeData().urls()):
            event.acceptProposedAction()

    def dropEvent(self, event: QDropEvent) -> None:
        """Take the first file or folder dropped."""
        files = [url.toLocalFile() for url in event.mimeData().urls() if url.isLocalFile()]
        if files:
            event.acceptProposedAction()
            self.path_edit.setText(files[0])


def _wrapped(text: str) -> QLabel:
    label = QLabel(text)
    label.setWordWrap(True)
    return label
