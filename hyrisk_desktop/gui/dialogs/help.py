"""What the Help menu and the log do; see `gui.commands` for the other actions."""

from __future__ import annotations

from PySide6.QtCore import QObject
from PySide6.QtWidgets import QWidget

from hyrisk_desktop.gui.dialogs.about import about_text
from hyrisk_desktop.gui.dialogs.manual import ManualWindow
from hyrisk_desktop.gui.dialogs.message import TextDialog
from hyrisk_desktop.gui.dialogs.shortcuts import ShortcutsDialog
from hyrisk_desktop.gui.log import MemoryLog
from hyrisk_desktop.gui.services.job_runner import JobRunner
from hyrisk_desktop.gui.services.risk import RiskService
from hyrisk_desktop.gui.worklist.controller import Worklist
from hyrisk_desktop.i18n import tr
from hyrisk_desktop.manual import INDEX
from hyrisk_desktop.paths import bundled_model_dir
from hyrisk_desktop.risk.bundle_files import read_card
from hyrisk_desktop.settings import Settings


class HelpCommands(QObject):
    """One method for each action's key; takes the parts of `Services` that these need."""

    def __init__(
        self,
        runner: JobRunner,
        log: MemoryLog,
        risk: RiskService,
        worklist: Worklist,
        settings: Settings,
        window: QWidget,
    ) -> None:
        super().__init__(window)
        self._runner, self._log, self._risk = runner, log, risk
        self._worklist, self._settings, self._window = worklist, settings, window
        self._manual: ManualWindow | None = None

    def show_manual(self) -> None:
        """The manual, on the page about what is on screen."""
        if self._manual is None:
            self._manual = ManualWindow(self._runner, self._window)
        self._manual.show_topic(self._topic())

    def _topic(self) -> str:
        if (reading_list := self._worklist.reading_list) is not None:
            return "readers" if reading_list.blinded else "worklist"
        return INDEX if self._worklist.session.exam is None else "reading"

    def show_log(self) -> None:
        """Show what the program has noted; it holds no patient data."""
        TextDialog(tr("Log"), "\n".join(self._log.lines), self._window).open()

    def show_shortcuts(self) -> None:
        """The "?" sheet."""
        ShortcutsDialog(self._settings, self._window).open()

    def show_model_card(self) -> None:
        """The model's own account of its data, results and limits."""
        card = read_card(self._risk.model_dir or bundled_model_dir())
        TextDialog(tr("Model card"), card, self._window, markdown=True).open()

    def show_about(self) -> None:
        """What this is, and what it is not for."""
        TextDialog(tr("About HyRisk Desktop"), about_text(), self._window, size=(620, 380)).open()
