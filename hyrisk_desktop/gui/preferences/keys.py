"""Which keys do what: every action with its keys, and what one key would start twice."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from PySide6.QtCore import Signal, Slot
from PySide6.QtGui import QKeyEvent, QKeySequence
from PySide6.QtWidgets import (
    QHBoxLayout,
    QHeaderView,
    QKeySequenceEdit,
    QLineEdit,
    QPushButton,
    QTableWidget,
    QTableWidgetItem,
    QVBoxLayout,
    QWidget,
)

from hyrisk_desktop.gui.actions import ActionSpec, clashes
from hyrisk_desktop.gui.appearance import colour, scaled
from hyrisk_desktop.gui.letters import plain
from hyrisk_desktop.gui.plain_table import ItemTable
from hyrisk_desktop.i18n import tr

_KEYS = 2
"""How many an action can be given here."""


class KeysPage(QWidget):
    """A table of actions; the keys of the chosen one are typed below it.

    Args:
        table: the actions with the program's own keys. own: the user's, by action.

    Signals:
        changed: some action has other keys.
    """

    changed = Signal()

    def __init__(self, table: tuple[ActionSpec, ...], own: dict[str, list[str]], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._rows = [row for row in table if row.key]
        self._own = {key: list(keys) for key, keys in own.items()}
        self.search = QLineEdit()
        self.search.setObjectName("searchActions")
        self.search.setPlaceholderText(tr("Search an action or a key"))
        self.search.setAccessibleName(tr("Search"))
        self.search.textChanged.connect(self._filter)
        headers, one = (tr("Action"), tr("Menu"), tr("Keys")), QTableWidget.SelectionMode.SingleSelection
        self.list = ItemTable("actionKeys", tr("Actions and their keys"), headers, selection=one)
        self.list.setRowCount(len(self._rows))
        self.list.setTabKeyNavigation(False)
        self.list.verticalHeader().setDefaultSectionSize(scaled(24))
        self.list.horizontalHeader().setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
        for column, width in ((1, 110), (2, 150)):
            self.list.setColumnWidth(column, scaled(width))
        self.fields = tuple(QKeySequenceEdit() for _ in range(_KEYS))
        below = QHBoxLayout()
        for number, field in enumerate(self.fields, 1):
            field.setObjectName(f"keys_{number}")
            field.setAccessibleName(tr("Keys {n} of the chosen action", n=number))
            field.setClearButtonEnabled(True)
            field.editingFinished.connect(self._take)
            below.addWidget(field, 1)
        self._default = QPushButton(tr("The program's own"))
        self._default.setAutoDefault(False)
        self._default.clicked.connect(self._take_default)
        below.addWidget(self._default)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.search)
        layout.addWidget(self.list, 1)
        layout.addLayout(below)
        self.list.currentCellChanged.connect(self._choose)
        self._show()
        self.list.setCurrentCell(0, 0)

    @property
    def value(self) -> dict[str, list[str]]:
        """Keys by action, where they are not the program's own."""
        return {key: list(keys) for key, keys in self._own.items()}

    def set_value(self, own: dict[str, Any]) -> None:
        """Show other keys."""
        self._own = {key: list(keys) for key, keys in own.items()}
        self._show()
        self._choose(self.list.currentRow())

    def problem(self) -> str:
        """Which key would start two actions; "" for none."""
        if not (found := clashes(self._bound())):
            return ""
        one, other, keys = found[0]
        return tr(
            "{keys} would start both “{one}” and “{other}”: give one of them other keys.",
            keys=keys, one=_plain(one.text), other=_plain(other.text),
        )  # fmt: skip

    def _bound(self) -> list[ActionSpec]:
        return [replace(row, shortcuts=tuple(self._keys(row))) for row in self._rows]

    def _keys(self, row: ActionSpec) -> list[str]:
        return self._own.get(row.key, list(row.shortcuts))

    def _show(self) -> None:
        double = {row.key for one, other, _ in clashes(self._bound()) for row in (one, other)}
        for number, row in enumerate(self._rows):
            for column, text in enumerate((_plain(row.text), _plain(row.menu), _shown(self._keys(row)))):
                item = QTableWidgetItem(text)
                if column == 2 and (row.key in double or row.key in self._own):
                    item.setForeground(colour("bad" if row.key in double else "link"))
                self.list.setItem(number, column, item)
        self._filter(self.search.text())

    @Slot(str)
    def _filter(self, text: str) -> None:
        wanted = text.strip().casefold()
        for number in range(len(self._rows)):
            items = (self.list.item(number, column) for column in range(3))
            self.list.setRowHidden(number, not any(item and wanted in item.text().casefold() for item in items))

    @Slot(int, int, int, int)
    def _choose(self, number: int, *_: int) -> None:
        keys = self._keys(self._rows[number]) if 0 <= number < len(self._rows) else []
        for field, text in zip(self.fields, (*keys, "", ""), strict=False):
            field.setKeySequence(QKeySequence(text))

    @Slot()
    def _take(self) -> None:
        row = self._rows[self.list.currentRow()]
        portable = QKeySequence.SequenceFormat.PortableText
        keys = [text for field in self.fields if (text := field.keySequence().toString(portable))]
        same = [QKeySequence(k) for k in keys] == [QKeySequence(k) for k in row.shortcuts]
        if same:
            self._own.pop(row.key, None)
        else:
            self._own[row.key] = keys
        self._show()
        self.changed.emit()

    @Slot()
    def _take_default(self) -> None:
        self._own.pop(self._rows[self.list.currentRow()].key, None)
        self._show()
        self._choose(self.list.currentRow())
        self.changed.emit()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Enter in a field of keys is a key to be taken, and no OK."""
        event.accept()


def _plain(text: str) -> str:
    return plain(text).replace("…", "")


def _shown(keys: list[str]) -> str:
    return "   ".join(QKeySequence(k).toString(QKeySequence.SequenceFormat.NativeText) for k in keys)
