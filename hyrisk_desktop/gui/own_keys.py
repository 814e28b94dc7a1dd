"""Sentences that name keys name those that the reader has chosen."""

from __future__ import annotations

import re
from collections.abc import Iterable

from PySide6.QtGui import QKeySequence

from hyrisk_desktop.gui.actions import ActionSpec

_own: dict[str, str] = {}


def use_keys(program: Iterable[ActionSpec], chosen: Iterable[ActionSpec]) -> None:
    """Name ``chosen`` keys from now on where sentences name those of ``program``; an action that has lost all keeps its name."""
    _own.clear()
    known = {row.key: row.shortcuts for row in program if row.key}
    for row in chosen:
        if row.key in known and row.shortcuts:
            gone = [key for key in known[row.key] if key not in row.shortcuts]
            _own.update((native(key), native(row.shortcuts[0])) for key in gone)


def with_own_keys(text: str, keys: Iterable[str]) -> str:
    """``text``, which names ``keys`` as the actions' table writes them, with the reader's own in their place."""
    for key in map(native, keys):
        if (own := _own.get(key)) is not None:
            # As a part of a longer key, such as Ctrl+O, or of a word it is another thing.
            text = own.join(re.split(rf"(?<![\w+]){re.escape(key)}(?![\w+])", text))
    return text


def native(key: str) -> str:
    """A key as menus show it."""
    return QKeySequence(key).toString(QKeySequence.SequenceFormat.NativeText)
