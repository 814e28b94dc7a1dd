"""A font of the system's with Chinese signs, for pages and figures; DejaVu Sans, which comes along, has none, and those that do weigh 10 MB."""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext
from itertools import pairwise
from pathlib import Path

from hyrisk_desktop.i18n import for_machines, tr

_FILES = (
    "NotoSansCJK-Regular.ttc", "NotoSansCJKsc-Regular.otf", "NotoSansSC-Regular.otf", "SourceHanSansSC-Regular.otf", "wqy-microhei.ttc",
    "wqy-zenhei.ttc", "DroidSansFallbackFull.ttf", "msyh.ttc", "Deng.ttf", "simhei.ttf", "Hiragino Sans GB.ttc", "STHeiti Light.ttc",
    "Arial Unicode.ttf",
)  # fmt: skip
"""From the one that looks best beside DejaVu Sans; of Linux, Windows and macOS."""
_NOT_FIRST, _NOT_LAST = " ，。；：、！？）》”’…%,.;:)", "（《“‘("
"""Punctuation that does not begin a line, or end it."""
_FIRST_WIDE_SIGN = "\u2e80"
"""Where Unicode's East Asian blocks begin."""


def is_wide(text: str) -> bool:
    """Whether some sign of ``text`` is East Asian."""
    return max(text, default="") >= _FIRST_WIDE_SIGN


def columns_of(text: str) -> int:
    """How many columns of a terminal ``text`` takes: East Asian signs take two."""
    return len(text) + sum(sign >= _FIRST_WIDE_SIGN for sign in text)


def broken(text: str, fits: Callable[[str], bool]) -> list[str]:
    """``text`` as lines, broken between East Asian signs, too, as these are written without spaces.

    Args:
        text: one paragraph. fits: whether a line has room.
    """
    lines = [""]
    for piece in _pieces(text):
        # What fills more than a line is broken anywhere.
        for part in [piece] if fits(piece.rstrip()) else piece:
            if lines[-1] and not fits((lines[-1] + part).rstrip()):
                lines.append("")
            lines[-1] += part
    return [line.rstrip() for line in lines]


def _pieces(text: str) -> Iterator[str]:
    """What must not be broken: words, and signs with the punctuation that belongs to them."""
    start = 0
    for at, (before, after) in enumerate(pairwise(text), 1):
        wide = (is_wide(before) or is_wide(after)) and after not in _NOT_FIRST and before not in _NOT_LAST
        if before == " " or wide:
            yield text[start:at]
            start = at
    yield text[start:]


def legible() -> AbstractContextManager[None]:
    """Around the making of a page or figure: English where the reader's language has signs that no font here has."""
    return for_machines() if is_wide(tr("Research use only")) and wide_font() is None else nullcontext()


@functools.cache
def wide_font() -> Path | None:
    """The font's file; None where the system has none of those that are known."""
    return first_of(_font_folders())


def first_of(folders: Iterable[Path]) -> Path | None:
    """The best of the fonts that lie in or below ``folders``.

    Args:
        folders: to look through; missing ones are passed over.
    """
    found = {path.name: path for folder in folders for path in folder.rglob("*") if path.name in _FILES}
    return next((found[name] for name in _FILES if name in found), None)


def _font_folders() -> tuple[Path, ...]:
    home = Path.home()
    if sys.platform == "win32":
        local = os.environ.get("LOCALAPPDATA", str(home / "AppData" / "Local"))
        return Path(os.environ.get("WINDIR", r"C:\Windows"), "Fonts"), Path(local, "Microsoft", "Windows", "Fonts")
    if sys.platform == "darwin":
        return Path("/System/Library/Fonts"), Path("/Library/Fonts"), home / "Library" / "Fonts"
    return (
        Path("/usr/share/fonts"),
        Path("/usr/local/share/fonts"),
        home / ".local" / "share" / "fonts",
        home / ".fonts",
    )
