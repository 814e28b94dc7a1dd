"""Texts are shown as they are: no widget takes a patient's name, a model's or an error's words for markup.

Qt's labels, message boxes and tooltips look at each text and set it as rich text where it seems to be one, so a name such
as ``<img src=...>`` would become a picture, and ``<b>0</b>`` a number in bold. The style sees each widget once, before it
is shown for the first time, and there turns the guessing off; a label that says itself that it is rich text stays so, and
may hold only the program's own words.
"""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QApplication, QLabel, QMessageBox, QProxyStyle, QWidget

_MARK = "hyriskPlainTexts"


class PlainTextStyle(QProxyStyle):
    """Another style's looks, and labels, message boxes and tooltips without markup."""

    def polish(self, what: object) -> None:
        """As the base class; called by Qt for each widget before it is first shown."""
        if isinstance(what, QLabel | QMessageBox) and what.textFormat() is Qt.TextFormat.AutoText:
            what.setTextFormat(Qt.TextFormat.PlainText)
        super().polish(what)  # type: ignore[call-overload]


def use_plain_texts(application: QApplication, style: str) -> None:
    """Give the application the looks of ``style``, with plain texts; once is enough."""
    if not application.property(_MARK):
        application.setStyle(PlainTextStyle(style))
        application.setProperty(_MARK, True)


def is_plain(widget: QWidget) -> bool:
    """Whether a widget shows any text as it is."""
    return not isinstance(widget, QLabel | QMessageBox) or widget.textFormat() is Qt.TextFormat.PlainText
