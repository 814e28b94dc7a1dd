"""Reads of this list + a table of outcomes -> a training cohort, and on to Retrain."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, Signal, Slot
from PySide6.QtWidgets import (
    QComboBox,
    QDialogButtonBox,
    QFileDialog,
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from hyrisk_desktop.gui.letters import LetteredDialog
from hyrisk_desktop.gui.sentences import sentence_of
from hyrisk_desktop.gui.worklist.controller import Worklist
from hyrisk_desktop.i18n import tr
from hyrisk_desktop.tables import Column, write_csv
from hyrisk_desktop.worklist.cohort import COLUMNS, CohortExport, cohort_rows, read_outcomes
from hyrisk_desktop.worklist.records import Reader, ReadingList

if TYPE_CHECKING:
    from hyrisk_desktop.worklist.store import Store


class ExportCohortDialog(LetteredDialog):
    """Whose reads, which outcomes, where to.

    Signals:
        retrain_wanted: the reader wants to train on what was written; carries its path.
    """

    retrain_wanted = Signal(object)

    def __init__(
        self, worklist: Worklist, reading_list: ReadingList, reader: Reader, parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self.setObjectName("exportCohortDialog")
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setWindowTitle(tr("Export reads as a training cohort"))
        self.setMinimumWidth(620)
        self._worklist, self._list = worklist, reading_list
        self._written: Path | None = None
        self._reader = QComboBox()
        self._reader.setObjectName("cohortReader")
        self._reader.addItem(reader.name, reader)
        self._outcomes, outcomes = self._file_row("outcomesPath", tr("Table of outcomes"), self._browse_outcomes)
        self._out, out = self._file_row("cohortOut", tr("Cohort to write"), self._browse_out)
        self._message = QLabel(
            tr("The table of outcomes is a CSV with the columns patient_id and outcome (1 non-survivor, 0 survivor).")
        )
        self._message.setObjectName("exportMessage")
        self._message.setWordWrap(True)
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Close)
        self._export = buttons.addButton(tr("Export"), QDialogButtonBox.ButtonRole.ActionRole)
        self._export.setObjectName("exportCohort")
        self._export.setEnabled(False)
        self._retrain = buttons.addButton(tr("Retrain on it…"), QDialogButtonBox.ButtonRole.ActionRole)
        self._retrain.setObjectName("retrainOnIt")
        self._retrain.setEnabled(False)
        buttons.rejected.connect(self.reject)
        self._export.clicked.connect(self._write)
        self._retrain.clicked.connect(self._train)
        form = QFormLayout()
        form.addRow(tr("Reads of"), self._reader)
        form.addRow(tr("Outcomes"), outcomes)
        form.addRow(tr("Write to"), out)
        layout = QVBoxLayout(self)
        layout.addLayout(form)
        layout.addWidget(self._message)
        layout.addWidget(buttons)
        worklist.store.ask(lambda store: store.readers(), self._fill_readers, lambda _: None)

    def _file_row(self, name: str, accessible: str, browse: object) -> tuple[QLineEdit, QHBoxLayout]:
        edit = QLineEdit()
        edit.setObjectName(name)
        edit.setAccessibleName(accessible)
        edit.textChanged.connect(self._check)
        button = QPushButton(tr("Browse…"))
        button.clicked.connect(browse)
        row = QHBoxLayout()
        row.addWidget(edit, 1)
        row.addWidget(button)
        return edit, row

    def _fill_readers(self, readers: list[Reader]) -> None:
        for reader in readers:
            if reader.reader_id != self._reader.itemData(0).reader_id:
                self._reader.addItem(reader.name, reader)

    @Slot()
    def _check(self) -> None:
        self._export.setEnabled(bool(self._outcomes.text().strip() and self._out.text().strip()))

    @Slot()
    def _browse_outcomes(self) -> None:
        name, _ = QFileDialog.getOpenFileName(self, tr("Table of outcomes"), str(Path.home()), tr("CSV (*.csv)"))
        if name:
            self._outcomes.setText(name)

    @Slot()
    def _browse_out(self) -> None:
        start = str(Path.home() / "cohort.csv")
        name, _ = QFileDialog.getSaveFileName(self, tr("Cohort to write"), start, tr("CSV (*.csv)"))
        if name:
            self._out.setText(name)

    @Slot()
    def _write(self) -> None:
        reader, blinded = self._reader.currentData(), self._list.blinded
        reading_list = self._list
        outcomes_path, out = (Path(edit.text().strip()).expanduser() for edit in (self._outcomes, self._out))

        def work(store: Store) -> CohortExport:
            outcomes = read_outcomes(outcomes_path)
            reads = [r for r in store.reads(list_id=reading_list.list_id) if r.reader_id == reader.reader_id]
            # A consensus of blinded reads is itself no blinded read.
            mine = [r for r in reads if r.blinded == blinded] or reads
            rows, result = cohort_rows(store.entries(reading_list, None), mine, reader.name, outcomes)
            write_csv(out, [Column(name) for name in COLUMNS], rows)
            store.note(reader.name, "cohort_exported", f"list:{reading_list.list_id}", {"rows": result.rows})
            return result

        def done(result: CohortExport) -> None:
            self._written = out
            self._message.setText(result.sentence)
            self._retrain.setEnabled(True)

        def failed(error: Exception) -> None:
            unexpected = tr("The cohort was not written; see the log.")
            self._message.setText(sentence_of(error, unexpected))

        self._worklist.store.ask(work, done, failed)

    @Slot()
    def _train(self) -> None:
        if self._written is not None:
            self.retrain_wanted.emit(self._written)
            self.accept()
