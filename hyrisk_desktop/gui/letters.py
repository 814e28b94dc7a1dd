"""Alt letters for every button and field of a dialog, so that nobody needs a mouse: one rule instead of a letter in each text."""

from __future__ import annotations

import re
from itertools import pairwise
from string import ascii_lowercase

from PySide6.QtCore import QSize
from PySide6.QtGui import QShowEvent
from PySide6.QtWidgets import (
    QAbstractButton,
    QAbstractSpinBox,
    QComboBox,
    QDialog,
    QLabel,
    QLineEdit,
    QStackedWidget,
    QToolButton,
    QWidget,
)

_FIELDS = (QLineEdit, QComboBox, QAbstractSpinBox)
_LONGEST = 40
"""Characters of a caption; longer labels are sentences."""
_ADDED = re.compile(r"\(&\w\)")
_ENDS = "…:： "
_FRAME_PX = 40
"""Of a title bar, with room to spare."""


class LetteredDialog(QDialog):
    """A dialog whose buttons and fields have Alt letters by the time it is seen, and that fits on the screen."""

    def showEvent(self, event: QShowEvent) -> None:
        """Give the letters; texts may have changed since the dialog was made. Its last button is in reach on a notebook."""
        give_letters(self)
        self.resize(self.size().boundedTo(self.screen().availableSize() - QSize(0, _FRAME_PX)))
        super().showEvent(event)


def give_letters(window: QWidget) -> None:
    """Give each button, and each label beside a field, a letter of its own within ``window`` where it has none.

    Pages of which one is on show at a time share the letters that stand outside of them, and none with each other.
    """
    for label, field in _captions(window):
        if label.buddy() is None:
            label.setBuddy(field)
    labelled = [label for label in window.findChildren(QLabel) if label.buddy() is not None]
    buttons = [b for b in window.findChildren(QAbstractButton) if b.text() and not isinstance(b, QToolButton)]
    by_page: dict[QWidget | None, list[QAbstractButton | QLabel]] = {None: []}
    texts: list[QAbstractButton | QLabel] = [*buttons, *labelled]
    for widget in texts:
        by_page.setdefault(_page_of(widget, window), []).append(widget)
    common = _give(by_page.pop(None), set())
    for widgets in by_page.values():
        _give(widgets, common)


def _give(widgets: list[QAbstractButton | QLabel], taken: set[str]) -> set[str]:
    """Mark a letter in each text; returns all letters that are in use now."""
    used = taken | {letter for widget in widgets if (letter := letter_of(widget.text()))}
    # Buttons first: fields can be reached with Tab where letters run out. Short words have the fewest to choose from.
    for widget in sorted(widgets, key=lambda widget: (isinstance(widget, QLabel), len(widget.text()))):
        text = widget.text()
        if letter_of(text) or not any(sign.isalnum() for sign in text):
            continue
        place = _place_of_letter(text, used)
        if place is not None:
            used.add(text[place].casefold())
            widget.setText(f"{text[:place]}&{text[place:]}")
        elif not any(map(_has_key, text)) and (letter := next((x for x in ascii_lowercase if x not in used), "")):
            # As programs do where words are written without letters.
            used.add(letter)
            words = text.rstrip(_ENDS)
            widget.setText(f"{words}(&{letter.upper()}){text[len(words) :]}")
    return used


def plain(text: str) -> str:
    """A button's or menu's text without its letter."""
    return _ADDED.sub("", text).replace("&", "")


def _has_key(sign: str) -> bool:
    """Every keyboard has these letters, and no others."""
    return sign.isascii() and sign.isalnum()


def _page_of(widget: QWidget, window: QWidget) -> QWidget | None:
    """The outermost page of a stack (tabs, steps of a wizard) that holds ``widget``; None for what is always there."""
    page, at = None, widget
    while (parent := at.parentWidget()) is not None and at is not window:
        if isinstance(parent, QStackedWidget):
            page = at
        at = parent
    return page


def letter_of(text: str) -> str:
    """The letter that ``&`` marks in a text, "" for none."""
    rest = text.replace("&&", "")
    at = rest.find("&")
    return rest[at + 1 : at + 2].casefold() if at >= 0 else ""


def _place_of_letter(text: str, used: set[str]) -> int | None:
    """Where the letter goes: at the beginning of a word if one is free there, else anywhere."""
    starts = [i for i, sign in enumerate(text) if _has_key(sign) and (i == 0 or text[i - 1] == " ")]
    others = [i for i, sign in enumerate(text) if _has_key(sign)]
    return next((i for i in (*starts, *others) if text[i].casefold() not in used), None)


def _captions(window: QWidget) -> list[tuple[QLabel, QWidget]]:
    """Short labels with the field that comes next to each: layouts hand their widgets over in reading order.

    The layouts themselves are not asked: PySide 6.11 crashes over the items that they hand out.
    """
    found: list[tuple[QLabel, QWidget]] = []
    for parent in (window, *window.findChildren(QWidget)):
        children = [child for child in parent.children() if isinstance(child, QWidget)]
        for label, field in pairwise(children):
            short = isinstance(label, QLabel) and 0 < len(label.text()) <= _LONGEST and not label.wordWrap()
            if short and isinstance(label, QLabel) and isinstance(field, _FIELDS):
                found.append((label, field))
    return found
