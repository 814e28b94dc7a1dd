"""A widget that lies over another one, and is as large as it."""

from __future__ import annotations

from PySide6.QtCore import QEvent, QObject
from PySide6.QtWidgets import QWidget


class Cover(QObject):
    """Keeps ``image`` as large as the view that it covers."""

    def __init__(self, image: QWidget, covered: QWidget) -> None:
        super().__init__(image)
        self._image, self._covered = image, covered
        covered.installEventFilter(self)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """The covered view has another size."""
        if watched is self._covered and event.type() == QEvent.Type.Resize:
            self._image.setGeometry(self._covered.rect())
        return False
