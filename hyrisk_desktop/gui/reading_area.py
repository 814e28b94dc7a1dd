"""Where worklist and images share the window: the list yields, and the axial image keeps half of the window's width."""

from __future__ import annotations

from PySide6.QtCore import QEvent, QObject, Qt
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QHBoxLayout, QSplitter, QWidget

from hyrisk_desktop.gui.appearance import NO_LIMIT
from hyrisk_desktop.gui.viewer.desk import Desk

WIDTH_OF_LIST = 470
"""Of a list that nobody has dragged, where there is room."""
_HANDLE = 4
_LEAST_LIST, _LEAST_SIDE = 176, 200


class ReadingArea(QWidget):
    """List on the left, images on the right; where both reformatted planes and the list do not fit beside the axial image,
    the planes go below the list.

    Args:
        worklist: the list, which its owner shows and hides. desk: the images. width_of_list: what it was dragged to, in
            pixels; 0 for never.
    """

    def __init__(self, worklist: QWidget, desk: Desk, width_of_list: int, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._worklist, self._desk = worklist, desk
        self._wanted = width_of_list or WIDTH_OF_LIST
        self._split = QSplitter(Qt.Orientation.Horizontal, self)
        self._left = QSplitter(Qt.Orientation.Vertical, self._split)
        self._left.addWidget(worklist)
        self._split.addWidget(desk)
        self._split.setStretchFactor(1, 1)
        for splitter in (self._left, self._split):
            splitter.setHandleWidth(_HANDLE)
            splitter.setChildrenCollapsible(False)
        self._split.splitterMoved.connect(self._note_drag)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._split)
        worklist.installEventFilter(self)
        self._arrange()

    @property
    def width_of_list(self) -> int:
        """What the list was dragged to, in pixels, for the settings."""
        return self._wanted

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Another window size is another share."""
        super().resizeEvent(event)
        self._arrange()

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """The list appears or goes."""
        if event.type() in (QEvent.Type.ShowToParent, QEvent.Type.HideToParent):
            self._arrange()
        return False

    def _note_drag(self) -> None:
        self._wanted = max(_LEAST_LIST, self._split.sizes()[0])
        self._arrange()

    def _arrange(self) -> None:
        listed = not self._worklist.isHidden()
        rest = self.width() - self.window().width() // 2 - 2 * _HANDLE
        self._left.setVisible(listed)
        below = listed and rest < _LEAST_LIST + _LEAST_SIDE
        if below and self._left.count() == 1:
            self._left.addWidget(self._desk.planes.lend())
            self._left.setSizes([600, 400])
        if below:
            self._desk.side.setMaximumWidth(NO_LIMIT)
        else:
            self._desk.planes.put_back()
        if not listed:
            self._desk.side.setMaximumWidth(max(_LEAST_SIDE, rest))
            return
        most = max(_LEAST_LIST, rest if below else rest - _LEAST_SIDE)
        width = min(most, self._wanted)
        self._left.setMaximumWidth(most)
        self._split.setSizes([width, max(1, self.width() - width - _HANDLE)])
        if not below:
            self._desk.side.setMaximumWidth(max(_LEAST_SIDE, rest - width))
