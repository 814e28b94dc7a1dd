"""Alt letters for every button and field of a dialog, so that nobody needs a mouse: one rule instead of a letter in each text."""

from __future__ import annotations

from typing import Any

from PySide6.QtGui import QShowEvent
from PySide6.QtWidgets import (
    QAbstractButton,
    QAbstractSpinBox,
    QComboBox,
    QDialog,
    QGridLayout,
    QLabel,
    QLayout,
    QLineEdit,
    QToolButton,
    QWidget,
)

_FIELDS = (QLineEdit, QComboBox, QAbstractSpinBox)


class LetteredDialog(QDialog):
    """A dialog whose buttons and fields have Alt letters by the time it is seen."""

    def showEvent(self, event: QShowEvent) -> None:
        """Give the letters; texts may have changed since the dialog was made."""
        give_letters(self)
        super().showEvent(event)


def give_letters(window: QWidget) -> None:
    """Give each button, and each label beside a field, a letter of its own within ``window`` where it has none."""
    for label, field in _captions(window):
        if label.buddy() is None:
            label.setBuddy(field)
    labelled = [label for label in window.findChildren(QLabel) if label.buddy() is not None]
    buttons = [b for b in window.findChildren(QAbstractButton) if b.text() and not isinstance(b, QToolButton)]
    texts: list[QAbstractButton | QLabel] = [*buttons, *labelled]
    used = {letter for widget in texts if (letter := letter_of(widget.text()))}
    for widget in texts:
        text = widget.text()
        if letter_of(text):
            continue
        place = _place_of_letter(text, used)
        if place is not None:
            used.add(text[place].casefold())
            widget.setText(f"{text[:place]}&{text[place:]}")


def letter_of(text: str) -> str:
    """The letter that ``&`` marks in a text, "" for none."""
    rest = text.replace("&&", "")
    at = rest.find("&")
    return rest[at + 1 : at + 2].casefold() if at >= 0 else ""


def _place_of_letter(text: str, used: set[str]) -> int | None:
    """Where the letter goes: at the beginning of a word if one is free there, else anywhere."""
    starts = [i for i, sign in enumerate(text) if sign.isalnum() and (i == 0 or text[i - 1] == " ")]
    others = [i for i, sign in enumerate(text) if sign.isalnum()]
    return next((i for i in (*starts, *others) if text[i].casefold() not in used), None)


def _captions(window: QWidget) -> list[tuple[QLabel, QWidget]]:
    """Labels with the field that stands right of each in the same layout."""
    found: list[tuple[QLabel, QWidget]] = []
    for layout in window.findChildren(QLayout):
        for i in range(layout.count() - 1):
            item = layout.itemAt(i)
            label = None if item is None else item.widget()
            if isinstance(label, QLabel) and isinstance(field := _next(layout, i), _FIELDS):
                found.append((label, field))
    return found


def _next(layout: QLayout, index: int) -> QWidget | None:
    if isinstance(layout, QGridLayout):
        # PySide's stub says that this is a plain object; it is (row, column, rows, columns).
        place: Any = layout.getItemPosition(index)
        item = layout.itemAtPosition(place[0], place[1] + place[3])
    else:
        item = layout.itemAt(index + 1)
    if item is None:
        return None
    inner = item.layout()
    first = inner.itemAt(0) if inner is not None else None
    return item.widget() or (first.widget() if first is not None else None)
