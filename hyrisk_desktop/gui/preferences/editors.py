"""One field for one setting: made by what kind of value it has."""

from __future__ import annotations

from typing import Any

from PySide6.QtCore import Signal, Slot
from PySide6.QtWidgets import (
    QCheckBox,
    QComboBox,
    QFileDialog,
    QHBoxLayout,
    QLineEdit,
    QPushButton,
    QWidget,
)

from hyrisk_desktop.gui.number_box import NumberBox
from hyrisk_desktop.gui.panels.wheel import only_focused_wheel
from hyrisk_desktop.gui.preferences.rows import Row
from hyrisk_desktop.i18n import tr


class Editor(QWidget):
    """The field of ``row``, showing ``value``.

    Signals:
        changed: the field holds another value.
    """

    changed = Signal()

    def __init__(self, row: Row, value: Any, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._row, self._kind = row, type(value)
        # A field may round, or have no choice for what an administrator has set: OK alone changes neither.
        self._given = self._given_as = value
        self.field = self._make(row, value)
        self.field.setObjectName(f"setting_{row.key}")
        self.field.setAccessibleName(row.label)
        self.field.setAccessibleDescription(row.help)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.field, 1)
        if row.folder:
            browse = QPushButton(tr("Browse…"))
            browse.setAutoDefault(False)
            browse.clicked.connect(self._browse)
            layout.addWidget(browse)
        self.set_value(value)
        self._connect()

    def _make(self, row: Row, value: Any) -> QCheckBox | QComboBox | NumberBox | QLineEdit:
        if row.choices:
            combo = QComboBox()
            for stored, text in row.choices:
                combo.addItem(text, stored)
            only_focused_wheel(combo)
            return combo
        if isinstance(value, bool):
            return QCheckBox(row.label)
        if isinstance(value, (int, float)):
            spin = NumberBox()
            spin.setDecimals(row.digits)
            spin.setRange(row.low, row.high)
            spin.setSuffix(row.suffix)
            spin.setSpecialValueText(row.special)
            only_focused_wheel(spin)
            return spin
        line = QLineEdit()
        line.setMaxLength(4096)
        return line

    def _connect(self) -> None:
        field = self.field
        if isinstance(field, QComboBox):
            field.currentIndexChanged.connect(self.changed)
        elif isinstance(field, QCheckBox):
            field.toggled.connect(self.changed)
        elif isinstance(field, NumberBox):
            field.valueChanged.connect(self.changed)
        else:
            field.textChanged.connect(self.changed)

    @property
    def value(self) -> Any:
        """What the field holds, as it is stored; what was given, to the last digit, while the field shows that."""
        shown = self._shown()
        return self._given if shown == self._given_as else shown

    def _shown(self) -> Any:
        field = self.field
        if isinstance(field, QComboBox):
            return field.currentData()
        if isinstance(field, QCheckBox):
            return field.isChecked()
        if isinstance(field, NumberBox):
            stored = field.value() / self._row.factor
            return round(stored, 6) if self._kind is float else round(stored)
        return field.text().strip()

    def set_value(self, value: Any) -> None:
        """Show another value."""
        field = self.field
        if isinstance(field, QComboBox):
            field.setCurrentIndex(max(0, field.findData(value)))
        elif isinstance(field, QCheckBox):
            field.setChecked(value)
        elif isinstance(field, NumberBox):
            field.setValue(value * self._row.factor)
        else:
            field.setText(value)
        self._given, self._given_as = value, self._shown()

    @Slot()
    def _browse(self) -> None:
        if isinstance(self.field, QLineEdit):
            name = QFileDialog.getExistingDirectory(self, self._row.label, self.field.text())
            if name:
                self.field.setText(name)
