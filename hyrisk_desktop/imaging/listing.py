"""What lies in a folder: folders, ordinary files, and what must never be opened (pipes, sockets, devices, dead links)."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from hyrisk_desktop.jobs import CancelToken

_POLL_EVERY = 256


@dataclass(frozen=True, slots=True)
class Entries:
    """Names in one folder, sorted; hidden ones are passed over.

    Attributes:
        folders: folders, and links to folders. files: ordinary files, and links to such.
        linked: those of ``folders`` that are links.
        others: pipes, sockets, devices and links to nothing: reading one could block for ever.
    """

    folders: tuple[str, ...]
    files: tuple[str, ...]
    linked: frozenset[str] = frozenset()
    others: tuple[str, ...] = ()


def entries(folder: Path, cancel: CancelToken | None = None) -> Entries:
    """List one folder without opening anything in it.

    Raises:
        OSError: it can't be read. Cancelled: ``cancel`` was set.
    """
    folders, files, linked, others = [], [], set(), []
    with os.scandir(folder) as found:
        for number, entry in enumerate(found):
            if cancel and number % _POLL_EVERY == 0:
                cancel.raise_if_cancelled()
            if entry.name.startswith("."):
                continue
            try:
                if entry.is_dir():
                    folders.append(entry.name)
                    # Windows' junctions are links by another name; Python knows them from 3.12.
                    if entry.is_symlink() or getattr(entry, "is_junction", bool)():
                        linked.add(entry.name)
                elif entry.is_file():
                    files.append(entry.name)
                else:
                    others.append(entry.name)
            except OSError:  # a link that leads in a circle
                others.append(entry.name)
    return Entries(tuple(sorted(folders)), tuple(sorted(files)), frozenset(linked), tuple(sorted(others)))


class Walk:
    """Folders below a root, each real one once; links to folders outside are followed, those within lead nowhere new."""

    def __init__(self, root: Path) -> None:
        self._root = root.resolve()
        self._seen = {self._root}

    def inner(self, folder: Path, found: Entries) -> Iterator[Path]:
        """The folders in ``folder`` that are to be walked."""
        for name in found.folders:
            place = folder / name
            try:
                real = place.resolve(strict=True)
            except (OSError, RuntimeError):
                continue
            # Below the root it is met by itself; above it, everything would be, and more than was asked for.
            within = real.is_relative_to(self._root) or self._root.is_relative_to(real)
            if real in self._seen or (name in found.linked and within):
                continue
            self._seen.add(real)
            yield place
