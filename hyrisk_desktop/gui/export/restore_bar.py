"""A bar over the lower part of the images: offers a reading that lies beside the exam, or says what became of it.

It floats, so that nothing moves when it comes, and it never takes the keyboard from the images.
"""

from __future__ import annotations

from PySide6.QtCore import QEvent, QObject, Qt, Signal, Slot
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QPushButton, QWidget

from hyrisk_desktop.i18n import tr

_WIDTH, _MARGIN = 760, 14
_ABOVE_TEXTS = 80  # the lower corners of an image say slice, window and technique


class RestoreBar(QFrame):
    """A text, a button that restores, and one that closes the bar.

    Signals:
        accepted: the reading on offer shall be restored.
    """

    accepted = Signal()

    def __init__(self, over: QWidget) -> None:
        super().__init__(over)
        self.setObjectName("restoreBar")
        self.setAccessibleName(tr("A stored reading of this exam"))
        self._text = QLabel()
        self._text.setObjectName("restoreText")
        self._text.setWordWrap(True)
        self._restore = QPushButton(tr("Restore"))
        self._restore.setObjectName("restoreOffered")
        self._restore.setAccessibleName(tr("Restore this reading"))
        self._close = QPushButton()
        self._close.setObjectName("closeRestoreBar")
        self._over = over
        self._row = row = QHBoxLayout(self)
        row.setContentsMargins(14, 8, 10, 8)
        row.setSpacing(10)
        row.addWidget(self._text, 1)
        for button in (self._restore, self._close):
            button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
            row.addWidget(button, 0, Qt.AlignmentFlag.AlignVCenter)
        self._restore.clicked.connect(self._accept)
        self._close.clicked.connect(self.hide)
        over.installEventFilter(self)
        self.hide()

    def offer(self, text: str) -> None:
        """Show ``text`` with the button that restores."""
        self._show(text, offer=True)

    def tell(self, text: str) -> None:
        """Show ``text`` until it is closed."""
        self._show(text, offer=False)

    def _show(self, text: str, *, offer: bool) -> None:
        self._text.setText(text)
        self.setAccessibleDescription(text)
        self._restore.setVisible(offer)
        self._close.setText(tr("Not now") if offer else tr("Close"))
        self.show()
        # Only what is shown has its final font.
        self._place()
        self.raise_()

    @Slot()
    def _accept(self) -> None:
        self.hide()
        self.accepted.emit()

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Stay in place when the window is resized."""
        if event.type() == QEvent.Type.Resize:
            self._place()
        return super().eventFilter(watched, event)

    def _place(self) -> None:
        width = min(_WIDTH, self._over.width() - 2 * _MARGIN)
        self._row.activate()
        height = max(self._row.heightForWidth(width), self._row.minimumSize().height())
        self.setGeometry((self._over.width() - width) // 2, self._over.height() - height - _ABOVE_TEXTS, width, height)
