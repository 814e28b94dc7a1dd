"""A field for a number: point and comma are one decimal mark in it, whichever the language writes."""

from __future__ import annotations

from PySide6.QtGui import QValidator
from PySide6.QtWidgets import QDoubleSpinBox

_MARKS = ".,"


class NumberBox(QDoubleSpinBox):
    """A field for a number with decimals.

    Qt takes the mark that the language does not use for one between thousands, and passes over it: "2.5" was read as 25
    in a German window, "0,25" as 2 in an English one where no more than 3 fits, and nothing said so. No number that is
    typed here has marks between thousands.
    """

    def validate(self, text: str, position: int) -> tuple[QValidator.State, str, int]:
        """As Qt's own, of the text with this language's decimal mark; two of them are no number."""
        if text != self.specialValueText():
            text = self._with_own_mark(text)
        return super().validate(text, position)

    def _with_own_mark(self, text: str) -> str:
        before, after = self.prefix(), self.suffix()
        start = len(before) if text.startswith(before) else 0
        stop = len(text) - len(after) if after and text.endswith(after) else len(text)
        number, mark = text[start:stop], self.locale().decimalPoint()
        for other in _MARKS:
            number = number.replace(other, mark)
        return text[:start] + number + text[stop:]
