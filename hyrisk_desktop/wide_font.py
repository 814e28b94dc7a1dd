"""A font of the system's with Chinese signs, for pages and figures; DejaVu Sans, which comes along, has none, and those that do weigh 10 MB."""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Iterable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

from hyrisk_desktop.i18n import for_machines, tr

_FILES = (
    "NotoSansCJK-Regular.ttc", "NotoSansCJKsc-Regular.otf", "NotoSansSC-Regular.otf", "SourceHanSansSC-Regular.otf", "wqy-microhei.ttc",
    "wqy-zenhei.ttc", "DroidSansFallbackFull.ttf", "msyh.ttc", "Deng.ttf", "simhei.ttf", "Hiragino Sans GB.ttc", "STHeiti Light.ttc",
    "Arial Unicode.ttf",
)  # fmt: skip
"""From the one that looks best beside DejaVu Sans; of Linux, Windows and macOS."""
_FIRST_WIDE_SIGN = "\u2e80"
"""Where Unicode's East Asian blocks begin."""


def is_wide(text: str) -> bool:
    """Whether some sign of ``text`` is East Asian."""
    return max(text, default="") >= _FIRST_WIDE_SIGN


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
