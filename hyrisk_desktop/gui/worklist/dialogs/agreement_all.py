"""The page of the agreement's window that compares any number of readers at once."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from PySide6.QtCore import Qt, Signal, Slot
from PySide6.QtWidgets import (
    QCheckBox,
    QFileDialog,
    QHBoxLayout,
    QLabel,
    QListWidget,
    QListWidgetItem,
    QPushButton,
    QTableWidget,
    QTableWidgetItem,
    QVBoxLayout,
    QWidget,
)

from hyrisk_desktop.errors import InputError
from hyrisk_desktop.gui.plain_table import ItemTable
from hyrisk_desktop.gui.worklist.dialogs.agreement_parts import NOTHING, minus
from hyrisk_desktop.i18n import tr, trn
from hyrisk_desktop.tables import write_csv
from hyrisk_desktop.worklist.agreement_table import (
    COLUMNS,
    Choice,
    agreement_rows,
    graders,
    quantity_name,
    statistic_name,
)
from hyrisk_desktop.worklist.records import Read, Reader


class AllReaders(QWidget):
    """Which readers, which of their reads, and how well they agree.

    Signals:
        failed: an error. told: one sentence.
    """

    failed = Signal(object)
    told = Signal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._reads: Sequence[Read] = ()
        self._known: tuple[Reader, ...] = ()
        self._synthetic = False
        self._rows: list[dict[str, object]] = []
        self._readers = QListWidget()
        self._readers.setObjectName("agreementReaders")
        self._readers.setAccessibleName(tr("Readers to compare"))
        self._readers.setMaximumWidth(240)
        self._readers.itemChanged.connect(self._compare)
        self._blinded = QCheckBox(tr("Blinded reads"))
        self._blinded.setObjectName("allBlinded")
        self._mixed = QCheckBox(tr("Open reads where there is no blinded one"))
        self._mixed.setObjectName("allMixed")
        for box in (self._blinded, self._mixed):
            box.toggled.connect(self._compare)
        self._message = QLabel()
        self._message.setObjectName("allMessage")
        self._message.setWordWrap(True)
        self._table = self._make_table()
        self._save = QPushButton(tr("Save as table…"))
        self._save.setObjectName("saveAgreement")
        self._save.clicked.connect(self._ask_where)
        left = QVBoxLayout()
        left.addWidget(QLabel(tr("Readers")))
        left.addWidget(self._readers, 1)
        left.addWidget(self._blinded)
        left.addWidget(self._mixed)
        right = QVBoxLayout()
        right.addWidget(self._message)
        right.addWidget(self._table, 1)
        below = QHBoxLayout()
        below.addStretch(1)
        below.addWidget(self._save)
        right.addLayout(below)
        layout = QHBoxLayout(self)
        layout.addLayout(left)
        layout.addLayout(right, 1)

    def _make_table(self) -> QTableWidget:
        titles = (tr("Quantity"), tr("Statistic"), tr("Exams"), tr("Value"), tr("95 % interval"))
        return ItemTable("agreementOfAll", tr("Agreement of the chosen readers"), titles, wide=1)

    def show_reads(self, readers: Sequence[Reader], reads: Sequence[Read], *, synthetic: bool) -> None:
        """All readers who have graded exams of a list, and the reads of it; those chosen before stay chosen."""
        chosen = {reader.reader_id for reader in self._choice().readers} if self._known else None
        self._reads, self._known, self._synthetic = reads, graders(readers, reads), synthetic
        self._readers.blockSignals(True)
        self._readers.clear()
        for reader in self._known:
            item = QListWidgetItem(reader.name)
            item.setData(Qt.ItemDataRole.UserRole, reader)
            ticked = chosen is None or reader.reader_id in chosen
            item.setCheckState(Qt.CheckState.Checked if ticked else Qt.CheckState.Unchecked)
            self._readers.addItem(item)
        self._readers.blockSignals(False)
        if chosen is None:
            for box in (self._blinded, self._mixed):
                box.blockSignals(True)
            self._blinded.setChecked(bool(reads) and all(r.blinded for r in reads))
            for box in (self._blinded, self._mixed):
                box.blockSignals(False)
        self._compare()

    def _choice(self) -> Choice:
        items = [self._readers.item(row) for row in range(self._readers.count())]
        ticked = [i.data(Qt.ItemDataRole.UserRole) for i in items if i.checkState() == Qt.CheckState.Checked]
        blinded = self._blinded.isChecked()
        return Choice(tuple(ticked), blinded, mixed=blinded and self._mixed.isChecked())

    @Slot()
    def _compare(self) -> None:
        self._mixed.setEnabled(self._blinded.isChecked())
        choice = self._choice()
        found = choice.compare(self._reads)
        self._rows = agreement_rows(found, choice)
        said = [found.why_empty]
        if found.left_out:
            said.append(
                trn(
                    "{n} exam is left out of the region Agatston: from different series, by different profiles, or withheld.",
                    "{n} exams are left out of the region Agatston: from different series, by different profiles, or withheld.",
                    found.left_out,
                )
            )
        if self._synthetic:
            said.append(tr("Some of these exams are synthetic phantoms, not patients."))
        self._message.setText(" ".join(text for text in said if text))
        self._save.setEnabled(not found.why_empty)
        self._table.setRowCount(0)
        for row in self._rows if not found.why_empty else ():
            self._add(row)

    def _add(self, row: dict[str, object]) -> None:
        at = self._table.rowCount()
        self._table.insertRow(at)
        cells = (quantity_name(row), statistic_name(row), str(row["exams"]), _text(row["value"]), _interval(row))
        for column, text in enumerate(cells):
            item = QTableWidgetItem(text)
            if column > 1:
                item.setTextAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
            self._table.setItem(at, column, item)

    @Slot()
    def _ask_where(self) -> None:
        place = str(Path.home() / "hyrisk-agreement.csv")
        name, _ = QFileDialog.getSaveFileName(self, tr("Save as table"), place, tr("CSV (*.csv)"))
        if name:
            self.save(Path(name))

    def save(self, path: Path) -> None:
        """Write what is shown as a CSV table."""
        try:
            write_csv(path, COLUMNS, self._rows)
        except InputError as e:
            self.failed.emit(e)
        else:
            self.told.emit(tr("The agreement is written to {name}.", name=path.name))


def _text(value: object) -> str:
    return minus(value, 3) if isinstance(value, float) else NOTHING


def _interval(row: dict[str, object]) -> str:
    if row["low_95"] is None:
        return NOTHING
    return tr("{low} to {high}", low=_text(row["low_95"]), high=_text(row["high_95"]))
