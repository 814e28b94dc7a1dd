"""Every series found, the chosen one first, with why; the reader may pick another."""

from __future__ import annotations

from PySide6.QtCore import Qt, Signal, Slot
from PySide6.QtGui import QShowEvent
from PySide6.QtWidgets import (
    QDialogButtonBox,
    QHeaderView,
    QLabel,
    QTableWidget,
    QTableWidgetItem,
    QVBoxLayout,
    QWidget,
)

from hyrisk_desktop.gui.letters import LetteredDialog
from hyrisk_desktop.gui.plain_table import ItemTable
from hyrisk_desktop.i18n import tr
from hyrisk_desktop.imaging import Kind, SeriesRecord


def _kind_words() -> dict[Kind, str]:
    return {
        Kind.AXIAL: tr("axial"), Kind.REFORMAT: tr("reformat"), Kind.LOCALIZER: tr("localizer"), Kind.SECONDARY: tr("secondary"),
        Kind.DERIVED: tr("derived"), Kind.ENHANCED: tr("enhanced"), Kind.IMAGE_FILE: tr("image file"),
    }  # fmt: skip


class SeriesDialog(LetteredDialog):
    """Signals ``chosen`` with the SeriesRecord chosen and all that were on offer."""

    chosen = Signal(object, object)

    def __init__(self, records: tuple[SeriesRecord, ...], current: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("seriesDialog")
        self.setWindowTitle(tr("Series of this exam"))
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.resize(900, 360)
        self._records, self._current = records, current
        headers = (tr("Series"), tr("Kind"), tr("Slices"), tr("Increment"), tr("Kernel"), tr("Why"))
        one = QTableWidget.SelectionMode.SingleSelection
        self.table = ItemTable("seriesTable", tr("Series found"), headers, selection=one)
        self.table.setRowCount(len(records))
        self.table.setWordWrap(True)
        for row, record in enumerate(records):
            self._fill(row, record)
        self.table.resizeColumnsToContents()
        self.table.horizontalHeader().setSectionResizeMode(len(headers) - 1, QHeaderView.ResizeMode.Stretch)
        self.table.selectRow(next((i for i, r in enumerate(records) if r.series_uid == current), 0))
        self.table.doubleClicked.connect(self._choose)
        open_and_close = QDialogButtonBox.StandardButton.Open | QDialogButtonBox.StandardButton.Cancel
        buttons = QDialogButtonBox(open_and_close)
        buttons.accepted.connect(self._choose)
        buttons.rejected.connect(self.close)
        layout = QVBoxLayout(self)
        layout.addWidget(QLabel(tr("The series ranked best is first. Grey ones can't be scored.")))
        layout.addWidget(self.table)
        layout.addWidget(buttons)

    def showEvent(self, event: QShowEvent) -> None:
        """Rows fit their wrapped reasons only once the last column has its width."""
        super().showEvent(event)
        self.table.resizeRowsToContents()

    def _fill(self, row: int, record: SeriesRecord) -> None:
        increment = "" if record.increment_mm is None else tr("{mm:.2f} mm", mm=record.increment_mm)
        texts = (
            record.description or tr("(no name)"),
            _kind_words()[record.kind],
            str(record.slice_count),
            increment,
            record.kernel,
            record.reason,
        )
        for column, text in enumerate(texts):
            item = QTableWidgetItem(text)
            if not record.suitable:
                item.setFlags(item.flags() & ~Qt.ItemFlag.ItemIsEnabled)
            self.table.setItem(row, column, item)

    @Slot()
    def _choose(self) -> None:
        row = self.table.currentRow()
        if 0 <= row < len(self._records) and self._records[row].suitable:
            if self._records[row].series_uid != self._current:
                self.chosen.emit(self._records[row], self._records)
            self.close()
