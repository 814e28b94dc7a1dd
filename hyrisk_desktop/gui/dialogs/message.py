"""One sentence to the reader, with the details that help whoever supports them; never modal over a dialog."""

from __future__ import annotations

import json
from collections.abc import Callable

from PySide6.QtCore import Qt, Slot
from PySide6.QtGui import QGuiApplication, QTextDocument
from PySide6.QtWidgets import QDialogButtonBox, QLabel, QPlainTextEdit, QTextEdit, QVBoxLayout, QWidget

from hyrisk_desktop.errors import HyRiskError, safe_traceback
from hyrisk_desktop.exchange.reports.document import versions
from hyrisk_desktop.gui.letters import LetteredDialog
from hyrisk_desktop.i18n import tr


def describe(error: Exception) -> tuple[str, str]:
    """A sentence for the reader, and details without patient data: code or traceback, and versions."""
    if isinstance(error, HyRiskError):
        sentence, what = error.message, f"code: {error.code}"
    else:
        sentence = tr(
            "Something went wrong that should not have; nothing you entered is lost. The log has the details."
        )
        what = safe_traceback(error)
    return sentence, f"{what}\n{json.dumps(versions(), indent=1)}"


class TextDialog(LetteredDialog):
    """A title and a text to read, scroll and copy; ``markdown`` is shown set, and copied as it was written."""

    def __init__(
        self,
        title: str,
        text: str,
        parent: QWidget | None = None,
        *,
        size: tuple[int, int] = (760, 520),
        markdown: bool = False,
    ) -> None:
        super().__init__(parent)
        self.setWindowTitle(title)
        self.resize(*size)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self._text = text
        view: QTextEdit | QPlainTextEdit = QTextEdit() if markdown else QPlainTextEdit(text)
        if isinstance(view, QTextEdit):
            # Without HTML: a card that was imported says what it likes, but fetches and hides nothing.
            features = QTextDocument.MarkdownFeature
            view.document().setMarkdown(text, features.MarkdownDialectGitHub | features.MarkdownNoHTML)
        view.setReadOnly(True)
        view.setAccessibleName(title)
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Close)
        copy = buttons.addButton(tr("Copy"), QDialogButtonBox.ButtonRole.ActionRole)
        copy.clicked.connect(self._copy)
        buttons.rejected.connect(self.close)
        layout = QVBoxLayout(self)
        layout.addWidget(view)
        layout.addWidget(buttons)

    @Slot()
    def _copy(self) -> None:
        QGuiApplication.clipboard().setText(self._text)


class ErrorDialog(LetteredDialog):
    """What happened and what to do, with a button that copies the details."""

    def __init__(self, error: Exception, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("errorDialog")
        self.setWindowTitle(tr("HyRisk Desktop"))
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        sentence, self._details = describe(error)
        label = QLabel(sentence)
        label.setObjectName("errorSentence")
        label.setWordWrap(True)
        label.setMinimumWidth(440)
        label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Ok)
        copy = buttons.addButton(tr("Copy details"), QDialogButtonBox.ButtonRole.ActionRole)
        copy.setObjectName("copyDetails")
        copy.clicked.connect(self._copy)
        buttons.accepted.connect(self.accept)
        self._buttons = buttons
        layout = QVBoxLayout(self)
        layout.addWidget(label)
        layout.addWidget(buttons)

    def offer(self, text: str, action: Callable[[], None]) -> None:
        """Add a button that closes the dialog and then does ``action``."""
        button = self._buttons.addButton(text, QDialogButtonBox.ButtonRole.AcceptRole)
        button.setObjectName("offer")
        button.clicked.connect(action)

    @Slot()
    def _copy(self) -> None:
        QGuiApplication.clipboard().setText(self._details)
