"""The "?" sheet: every shortcut, made from the action table."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtGui import QKeySequence
from PySide6.QtWidgets import (
    QDialogButtonBox,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QScrollArea,
    QVBoxLayout,
    QWidget,
)

from hyrisk_desktop.gui.actions import ActionSpec, action_table
from hyrisk_desktop.gui.letters import LetteredDialog, plain
from hyrisk_desktop.i18n import tr
from hyrisk_desktop.settings import Settings


def _keys(spec: ActionSpec) -> str:
    if not spec.key:
        return "   ".join(spec.shortcuts)
    native = QKeySequence.SequenceFormat.NativeText
    return "   ".join(QKeySequence(s).toString(native) for s in spec.shortcuts)


class ShortcutsDialog(LetteredDialog):
    """Two columns of groups, one per menu."""

    def __init__(self, settings: Settings, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("shortcutsDialog")
        self.setWindowTitle(tr("Keyboard shortcuts"))
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.resize(1120, 820)
        groups: dict[str, list[ActionSpec]] = {}
        for spec in action_table(settings):
            if spec.shortcuts:
                groups.setdefault(spec.menu, []).append(spec)
        sheet = QWidget()
        row = QHBoxLayout(sheet)
        row.setSpacing(36)
        columns = (QVBoxLayout(), QVBoxLayout())
        heights = [0, 0]
        for title, specs in groups.items():
            # Into the shorter column, so that the sheet fits one screen.
            shorter = heights.index(min(heights))
            heights[shorter] += len(specs) + 2
            columns[shorter].addWidget(self._group(title, specs))
        for column in columns:
            column.addStretch(1)
            row.addLayout(column, 1)
        scroll = QScrollArea()
        scroll.setWidgetResizable(True)
        scroll.setWidget(sheet)
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Close)
        buttons.rejected.connect(self.close)
        layout = QVBoxLayout(self)
        layout.addWidget(scroll)
        layout.addWidget(buttons)

    @staticmethod
    def _group(title: str, specs: list[ActionSpec]) -> QWidget:
        group = QWidget()
        grid = QGridLayout(group)
        grid.setContentsMargins(0, 0, 0, 8)
        heading = QLabel(plain(title))
        heading.setObjectName("heading")
        grid.addWidget(heading, 0, 0, 1, 2)
        for row, spec in enumerate(specs, start=1):
            keys = QLabel(_keys(spec))
            keys.setObjectName("keys")
            grid.addWidget(keys, row, 0)
            text = QLabel(plain(spec.text))
            text.setWordWrap(True)
            grid.addWidget(text, row, 1)
        grid.setColumnStretch(1, 1)
        return group
