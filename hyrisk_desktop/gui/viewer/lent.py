"""A part of a splitter that stands elsewhere while there is no room for it, and comes back to the share that it had."""

from __future__ import annotations

from PySide6.QtCore import QByteArray
from PySide6.QtWidgets import QSplitter, QWidget


class LentPart:
    """The last part of a splitter.

    Args:
        splitter: its place. part: it.
    """

    def __init__(self, splitter: QSplitter, part: QWidget) -> None:
        self._splitter, self._part = splitter, part
        self._kept: QByteArray | None = None

    def lend(self) -> QWidget:
        """The part, to be put elsewhere."""
        if self._kept is None:
            self._kept = self._splitter.saveState()
        return self._part

    def put_back(self) -> None:
        """Take it back, if it was lent."""
        if self._kept is not None:
            self._splitter.addWidget(self._part)
            self._splitter.restoreState(self._kept)
            self._kept = None

    @property
    def state(self) -> QByteArray:
        """The splitter's, with the part in its place."""
        return self._splitter.saveState() if self._kept is None else self._kept

    def restore(self, state: QByteArray) -> None:
        """Take `state`, once the part is back; anything else leaves the default."""
        if self._kept is None:
            self._splitter.restoreState(state)
        elif QSplitter().restoreState(state):
            self._kept = state
