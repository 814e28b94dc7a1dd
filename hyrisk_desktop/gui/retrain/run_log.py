"""The log of a run, as the window shows it."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtWidgets import QPlainTextEdit, QWidget

from hyrisk_desktop.gui.retrain.run_files import read_tail
from hyrisk_desktop.i18n import tr
from hyrisk_desktop.training_run import LOG, PROCESS_LOG


class RunLog(QPlainTextEdit):
    """The last lines of what the run and its process have logged; follows them while it stands at the end."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("trainingLog")
        self.setAccessibleName(tr("Log of the run"))
        self.setReadOnly(True)
        self._shown = ""

    def show_run(self, run: Path) -> None:
        """Show the log of ``run`` as it is now."""
        parts = [read_tail(run / name).rstrip() for name in (LOG, PROCESS_LOG)]
        text = "\n\n".join(part for part in parts if part) or tr("Nothing has been logged yet.")
        if text != self._shown:
            self._shown = text
            bar = self.verticalScrollBar()
            at_end, where = bar.value() == bar.maximum(), bar.value()
            self.setPlainText(text)
            bar.setValue(bar.maximum() if at_end else where)
