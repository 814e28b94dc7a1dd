"""What the actions about the PACS do; see `gui.commands` for the others."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal
from PySide6.QtWidgets import QWidget

from hyrisk_desktop.gui.pacs.sending_reading import SendingReading
from hyrisk_desktop.gui.pacs.service import Pacs
from hyrisk_desktop.gui.session import Session
from hyrisk_desktop.settings import Settings

if TYPE_CHECKING:
    from hyrisk_desktop.gui.pacs.window import PacsWindow


class PacsCommands(QObject):
    """Shows the PACS window and sends readings.

    Signals:
        message: a line for the status bar.
        failed: an error to show.
    """

    message = Signal(str)
    failed = Signal(object)

    def __init__(
        self, pacs: Pacs, session: Session, writer: SendingReading, settings: Settings, window: QWidget
    ) -> None:
        super().__init__(window)
        self._pacs, self._session, self._writer = pacs, session, writer
        self._settings, self._window = settings, window
        self._shown: PacsWindow | None = None
        pacs.arrivals.told.connect(self.message)
        pacs.arrivals.failed.connect(self.failed)
        pacs.receiving.failed.connect(self.failed)
        pacs.sending.told.connect(self.message)
        pacs.sending.failed.connect(self.failed)

    def show_pacs(self) -> PacsWindow:
        """The PACS window, made when it is first asked for.

        Raises:
            InputError: the libraries for the PACS are not installed.
        """
        if self._shown is None:
            from hyrisk_desktop.exchange.pacs.association import require_pacs
            from hyrisk_desktop.gui.pacs.window import PacsWindow

            require_pacs()
            self._shown = PacsWindow(self._pacs, self._window)
        self._shown.show()
        self._shown.raise_()
        self._shown.activateWindow()
        return self._shown

    def send_reading(self) -> None:
        """Ask which objects of the reading on screen go to which node.

        Raises:
            InputError: the libraries for the PACS are not installed.
        """
        from hyrisk_desktop.exchange.pacs.association import require_pacs
        from hyrisk_desktop.gui.pacs.send_dialog import SendReadingDialog

        require_pacs()
        if not self._writer.running:
            SendReadingDialog(self._session, self._writer, self._pacs.nodes, self._settings, self._window).open()

    def handler(self, key: str) -> Callable[[], object] | None:
        """The method of an action's key, None where it is not one of the PACS's."""
        return {"show_pacs": self.show_pacs, "send_reading": self.send_reading}.get(key)
