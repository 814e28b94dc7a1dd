"""What the actions about the settings do, and what follows from a changed setting at once."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal, Slot
from PySide6.QtWidgets import QApplication, QWidget

from hyrisk_desktop.exchange.reports.template import use_template
from hyrisk_desktop.files import keep_exports_private
from hyrisk_desktop.gui.appearance import apply_theme
from hyrisk_desktop.gui.viewer.desk import Desk
from hyrisk_desktop.gui.worklist.controller import account_name
from hyrisk_desktop.i18n import listed, tr

if TYPE_CHECKING:
    from hyrisk_desktop.gui.application import Services


class SettingsCommands(QObject):
    """Shows the settings.

    Signals:
        message: a line for the status bar. applied: settings have changed; carries their keys.
    """

    message = Signal(str)
    applied = Signal(object)

    def __init__(self, services: Services, desk: Desk, window: QWidget) -> None:
        super().__init__(window)
        self._services, self._desk, self._window = services, desk, window

    def handler(self, key: str) -> Callable[[], object] | None:
        """The method of an action's key, None where it is not one of the settings'."""
        return {"show_settings": self.show_settings, "set_prevalence": self.set_prevalence}.get(key)

    def show_settings(self, first: str = "") -> None:
        """The dialog, with the page of the setting ``first``."""
        from hyrisk_desktop.gui.preferences.dialog import SettingsDialog

        dialog = SettingsDialog(self._services.settings, first, self._window)
        dialog.applied.connect(self._follow)
        dialog.open()

    def set_prevalence(self) -> None:
        """Which share of non-survivors the risk shall assume."""
        self.show_settings("prevalence")

    @Slot(object)
    def _follow(self, changed: frozenset[str]) -> None:
        from hyrisk_desktop.gui.preferences.rows import setting_rows

        settings, services = self._services.settings, self._services
        application = QApplication.instance()
        if "theme" in changed and isinstance(application, QApplication):
            apply_theme(application, settings)
        if changed & {"prevalence", "device", "engine"}:
            services.load_model()
        if "reader" in changed:
            services.worklist.set_reader(settings["reader"] or account_name())
        if "overlay_level" in changed:
            self._desk.set_overlay_level(settings["overlay_level"])
        if "private_exports" in changed:
            keep_exports_private(settings["private_exports"])
        if "report_template" in changed:
            use_template(settings["report_template"])
        self.applied.emit(changed)
        later = [row.label for row in setting_rows() if row.later and row.key in changed]
        if later:
            self.message.emit(tr("From the next start of the program on: {what}.", what=listed(later)))
        elif changed:
            self.message.emit(tr("The settings are kept."))
