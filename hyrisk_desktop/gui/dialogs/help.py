"""What the Help menu and the log do; see `gui.commands` for the other actions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QObject
from PySide6.QtWidgets import QWidget

from hyrisk_desktop.gui.dialogs.message import TextDialog
from hyrisk_desktop.gui.log import MemoryLog
from hyrisk_desktop.gui.services.job_runner import JobRunner
from hyrisk_desktop.gui.services.risk import RiskService
from hyrisk_desktop.gui.worklist.controller import Worklist
from hyrisk_desktop.i18n import tr
from hyrisk_desktop.paths import bundled_model_dir
from hyrisk_desktop.settings import Settings

if TYPE_CHECKING:
    from hyrisk_desktop.gui.dialogs.manual import ManualWindow


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
            from hyrisk_desktop.gui.dialogs.manual import ManualWindow

            self._manual = ManualWindow(self._runner, self._window)
        self._manual.show_topic(self._topic())

    def _topic(self) -> str:
        from hyrisk_desktop.manual import INDEX

        if (reading_list := self._worklist.reading_list) is not None:
            return "readers" if reading_list.blinded else "worklist"
        return INDEX if self._worklist.session.exam is None else "reading"

    def show_log(self) -> None:
        """Show what the program has noted; it holds no patient data."""
        TextDialog(tr("Log"), "\n".join(self._log.lines), self._window).open()

    def show_shortcuts(self) -> None:
        """The "?" sheet."""
        from hyrisk_desktop.gui.dialogs.shortcuts import ShortcutsDialog

        ShortcutsDialog(self._settings, self._window).open()

    def show_model_card(self) -> None:
        """The model's own account of its data, results and limits."""
        from hyrisk_desktop.risk.bundle_files import read_card

        card = read_card(self._risk.model_dir or bundled_model_dir())
        TextDialog(tr("Model card"), card, self._window, markdown=True).open()

    def show_about(self) -> None:
        """What this is, and what it is not for."""
        from hyrisk_desktop.gui.dialogs.about import about_text

        TextDialog(tr("About HyRisk Desktop"), about_text(), self._window, size=(620, 380)).open()
