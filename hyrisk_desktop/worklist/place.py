"""Where the worklist is kept: this user's own file, unless the settings or the command line say otherwise."""

from __future__ import annotations

from pathlib import Path

from hyrisk_desktop.paths import store_path
from hyrisk_desktop.settings import Settings


def store_place(settings: Settings, where: str | None = None) -> Path | str:
    """A file, or a URL such as ``postgresql://user@host/name``; ``where`` goes before the setting."""
    chosen = where or settings["store"] or store_path()
    return chosen if "://" in str(chosen) else Path(chosen)
