"""The window presets on the digit keys, each with a name, a level and a width."""

from __future__ import annotations

from typing import Any

from PySide6.QtCore import Signal, Slot
from PySide6.QtWidgets import (
    QHBoxLayout,
    QHeaderView,
    QLabel,
    QPushButton,
    QTableWidget,
    QTableWidgetItem,
    QVBoxLayout,
    QWidget,
)

from hyrisk_desktop.gui.actions import presets
from hyrisk_desktop.gui.appearance import scaled
from hyrisk_desktop.i18n import tr
from hyrisk_desktop.settings import MOST_PRESETS, allowed


class PresetsEditor(QWidget):
    """A small table; nothing of one's own means the program's presets.

    Signals:
        changed: a cell, or the number of rows.
    """

    changed = Signal()

    def __init__(self, own: list[dict[str, Any]], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.table = QTableWidget(0, 3)
        self.table.setObjectName("presetTable")
        self.table.setAccessibleName(tr("Window presets"))
        self.table.setHorizontalHeaderLabels([tr("Name"), tr("Level, HU"), tr("Width, HU")])
        self.table.horizontalHeader().setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
        self.table.verticalHeader().setDefaultSectionSize(scaled(24))
        self.table.setTabKeyNavigation(False)
        self.table.setMinimumHeight(scaled(170))
        self.table.itemChanged.connect(lambda _: self.changed.emit())
        buttons = QHBoxLayout()
        for text, act in ((tr("Add"), self._add), (tr("Remove"), self._remove), (tr("The program's own"), self._reset)):
            button = QPushButton(text)
            button.setAutoDefault(False)
            button.clicked.connect(act)
            buttons.addWidget(button)
        buttons.addStretch(1)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(QLabel(tr("Window presets; the number is the key")))
        layout.addWidget(self.table)
        layout.addLayout(buttons)
        self.set_value(own)

    @property
    def value(self) -> list[dict[str, Any]]:
        """The user's own presets; empty where they are the program's. A text that is no number stays one."""
        found = [
            {"name": self._text(row, 0), "level": _number(self._text(row, 1)), "width": _number(self._text(row, 2))}
            for row in range(self.table.rowCount())
        ]
        return [] if found == _programs() else found

    def set_value(self, own: list[dict[str, Any]]) -> None:
        """Show these, or the program's."""
        self.table.blockSignals(True)
        rows = own or _programs()
        self.table.setRowCount(len(rows))
        for number, row in enumerate(rows):
            for column, text in enumerate((row["name"], _shown(row["level"]), _shown(row["width"]))):
                self.table.setItem(number, column, QTableWidgetItem(text))
        self.table.blockSignals(False)
        self.changed.emit()

    def problem(self) -> str:
        """What can't be right, in one sentence; "" for nothing."""
        for number, row in enumerate(self.value, 1):
            if not allowed("presets", [row]):
                return tr(
                    "Preset {n}: a name, a level from −10000 to 10000 HU and a width of at least 1 HU are needed.",
                    n=number,
                )
        return ""

    def _text(self, row: int, column: int) -> str:
        item = self.table.item(row, column)
        return "" if item is None else item.text().strip()

    @Slot()
    def _add(self) -> None:
        if self.table.rowCount() < MOST_PRESETS:
            self.set_value([*self._all(), {"name": tr("New"), "level": 40, "width": 400}])
            self.table.setCurrentCell(self.table.rowCount() - 1, 0)

    @Slot()
    def _remove(self) -> None:
        rows, at = self._all(), self.table.currentRow()
        if 0 <= at < len(rows) and len(rows) > 1:
            self.set_value([*rows[:at], *rows[at + 1 :]])

    @Slot()
    def _reset(self) -> None:
        self.set_value([])

    def _all(self) -> list[dict[str, Any]]:
        return self.value or _programs()


def _shown(value: float | str) -> str:
    return value if isinstance(value, str) else f"{value:g}"


def _number(text: str) -> float | int | str:
    try:
        value = float(text.replace(",", ".").replace("−", "-"))
    except ValueError:
        return text
    return int(value) if value.is_integer() else value


def _programs() -> list[dict[str, Any]]:
    return [
        {"name": preset.name, "level": preset.level, "width": preset.width}
        for preset in presets()
        if preset.level is not None
    ]
