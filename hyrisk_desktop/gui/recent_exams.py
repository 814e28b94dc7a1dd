"""The menu of the exams opened last."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import Slot
from PySide6.QtGui import QAction
from PySide6.QtWidgets import QMenu, QWidget

from hyrisk_desktop.gui.services.exam_loader import ExamLoader
from hyrisk_desktop.i18n import tr
from hyrisk_desktop.settings import Settings


class RecentExams(QMenu):
    """Filled from the settings each time it is shown."""

    def __init__(self, settings: Settings, loader: ExamLoader, parent: QWidget) -> None:
        super().__init__(tr("&Recent exams"), parent)
        self._settings, self._loader = settings, loader
        self.aboutToShow.connect(self._fill)

    @Slot()
    def _fill(self) -> None:
        self.clear()
        for name in self._settings["recent_exams"]:
            action = self.addAction(name.replace("&", "&&"))
            action.setData(name)
            action.triggered.connect(self._open)
        if self.isEmpty():
            self.addAction(tr("No exams yet")).setEnabled(False)
        else:
            self.addSeparator()
            self.addAction(tr("Forget these")).triggered.connect(self._forget)

    @Slot()
    def _open(self) -> None:
        action = self.sender()
        if isinstance(action, QAction):
            self._loader.open_path(Path(action.data()))

    @Slot()
    def _forget(self) -> None:
        self._settings["recent_exams"] = []
