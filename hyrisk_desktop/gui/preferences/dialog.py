"""All settings, each with what it does; what can't be is said at once, and nothing is kept before OK."""

from __future__ import annotations

from typing import Any

from PySide6.QtCore import Qt, Signal, Slot
from PySide6.QtWidgets import (
    QDialogButtonBox,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QListWidget,
    QScrollArea,
    QStackedWidget,
    QVBoxLayout,
    QWidget,
)

from hyrisk_desktop.gui.actions import action_table
from hyrisk_desktop.gui.appearance import scaled
from hyrisk_desktop.gui.letters import LetteredDialog
from hyrisk_desktop.gui.preferences.editors import Editor
from hyrisk_desktop.gui.preferences.keys import KeysPage
from hyrisk_desktop.gui.preferences.presets import PresetsEditor
from hyrisk_desktop.gui.preferences.rows import Row, page_titles, setting_rows
from hyrisk_desktop.i18n import tr
from hyrisk_desktop.settings import Settings


class SettingsDialog(LetteredDialog):
    """Pages on the left, their settings on the right.

    Args:
        settings: what is shown and, on OK, changed. first: key of the setting that is shown first.

    Signals:
        applied: settings have been changed; carries their keys.
    """

    applied = Signal(object)

    def __init__(self, settings: Settings, first: str = "", parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("settingsDialog")
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setWindowTitle(tr("Settings"))
        self.resize(scaled(880), scaled(600))
        self._settings, self._rows = settings, setting_rows()
        self.editors = {row.key: Editor(row, settings[row.key]) for row in self._rows}
        self.keys = KeysPage(action_table(), settings["shortcuts"])
        self.presets = PresetsEditor(settings["presets"])
        self.pages = QListWidget()
        self.pages.setObjectName("settingPages")
        self.pages.setAccessibleName(tr("Pages of the settings"))
        self.pages.setFixedWidth(scaled(180))
        self._stack = QStackedWidget()
        for title in page_titles():
            self.pages.addItem(title)
            self._stack.addWidget(self._page(title))
        self.pages.currentRowChanged.connect(self._stack.setCurrentIndex)
        self._problem = QLabel()
        self._problem.setObjectName("settingProblem")
        self._problem.setWordWrap(True)
        self._problem.setMinimumHeight(scaled(34))
        self._buttons = self._make_buttons()
        upper = QHBoxLayout()
        upper.addWidget(self.pages)
        upper.addWidget(self._stack, 1)
        layout = QVBoxLayout(self)
        layout.addLayout(upper, 1)
        layout.addWidget(self._problem)
        layout.addWidget(self._buttons)
        for editor in self.editors.values():
            editor.changed.connect(self._check)
        self.keys.changed.connect(self._check)
        self.presets.changed.connect(self._check)
        self._show_first(first)
        self._check()

    def _make_buttons(self) -> QDialogButtonBox:
        standard = QDialogButtonBox.StandardButton
        buttons = QDialogButtonBox(standard.Ok | standard.Cancel | standard.RestoreDefaults)
        buttons.accepted.connect(self._apply)
        buttons.rejected.connect(self.reject)
        buttons.button(standard.RestoreDefaults).clicked.connect(self._restore_defaults)
        return buttons

    def _page(self, title: str) -> QWidget:
        if title == page_titles()[2]:
            return self._keys_page()
        page = QWidget()
        grid = QGridLayout(page)
        grid.setColumnStretch(1, 1)
        grid.setVerticalSpacing(2)
        line = 0
        for row in self._rows:
            if row.page == title:
                # A check box bears its own label.
                boxed = isinstance(self._settings[row.key], bool)
                if not boxed:
                    grid.addWidget(QLabel(row.label), line, 0)
                grid.addWidget(self.editors[row.key], line, 1)
                grid.addWidget(_caption(row), line + 1, 1)
                line += 2
        if title == page_titles()[1]:
            grid.addWidget(self.presets, line, 0, 1, 2)
        grid.setRowStretch(line + 1, 1)
        scroll = QScrollArea()
        scroll.setObjectName("settingScroll")
        scroll.setWidgetResizable(True)
        scroll.setFrameShape(QScrollArea.Shape.NoFrame)
        scroll.setWidget(page)
        return scroll

    def _keys_page(self) -> QWidget:
        page = QWidget()
        layout = QVBoxLayout(page)
        layout.setContentsMargins(0, 0, 0, 0)
        note = QLabel(
            tr(
                "Choose an action, then press its keys in a field below. Hints name the keys that you choose, and the manual names the program's own."
            )
        )
        note.setObjectName("caption")
        note.setWordWrap(True)
        layout.addWidget(note)
        layout.addWidget(self.keys, 1)
        return page

    def _show_first(self, key: str) -> None:
        row = next((row for row in self._rows if row.key == key), None)
        self.pages.setCurrentRow(0 if row is None else page_titles().index(row.page))
        if row is not None:
            self.editors[key].field.setFocus()

    # --- what is wanted

    def _wanted(self) -> dict[str, Any]:
        values = {key: editor.value for key, editor in self.editors.items()}
        return values | {"shortcuts": self.keys.value, "presets": self.presets.value}

    def problem(self) -> str:
        """The first thing that can't be kept, in one sentence; "" for nothing."""
        found = (row.problem(self.editors[row.key].value) for row in self._rows)
        return next(filter(None, (*found, self.presets.problem(), self.keys.problem())), "")

    @Slot()
    def _check(self) -> None:
        problem = self.problem()
        self._problem.setText(problem)
        self._buttons.button(QDialogButtonBox.StandardButton.Ok).setEnabled(not problem)

    @Slot()
    def _restore_defaults(self) -> None:
        """What the site wants, and else the program; kept on OK like anything else."""
        defaults = self._settings.defaults
        for key, editor in self.editors.items():
            editor.set_value(defaults[key])
        self.keys.set_value(defaults["shortcuts"])
        self.presets.set_value(defaults["presets"])
        self._check()

    @Slot()
    def _apply(self) -> None:
        if self.problem():
            return
        changed = {key: value for key, value in self._wanted().items() if self._settings[key] != value}
        for key, value in changed.items():
            self._settings[key] = value
        self.accept()
        self.applied.emit(frozenset(changed))


def _caption(row: Row) -> QLabel:
    label = QLabel(tr("{help} From the next start on.", help=row.help) if row.later else row.help)
    label.setObjectName("caption")
    label.setWordWrap(True)
    label.setContentsMargins(0, 0, 0, 8)
    return label
