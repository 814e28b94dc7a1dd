"""Replacing a folder so that a crash, or a full disk, at any moment leaves the old one or the new one."""

from __future__ import annotations

import contextlib
import os
import shutil
from pathlib import Path

from hyrisk_desktop.private_files import sync_folder as sync_folder

_ATTEMPTS = 3


def write_synced(path: Path, content: bytes) -> None:
    """Write a file and wait until the disk holds it."""
    with open(path, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def previous_of(target: Path) -> Path:
    """Where the old folder waits while the new one takes its place."""
    return target.with_name(target.name + ".previous")


def recover(target: Path, needed: str) -> None:
    """Put the old folder back where a crash fell between the two renames of `swap_in`.

    Args:
        target: the folder that should be there.
        needed: file that the old folder must hold to be worth it.
    """
    previous = previous_of(target)
    if not target.exists() and (previous / needed).is_file():
        # A read-only disk leaves it where it is; the caller then reports what is missing.
        with contextlib.suppress(OSError):
            os.replace(previous, target)


def swap_in(staging: Path, target: Path) -> None:
    """Put the finished ``staging`` folder in ``target``'s place; the old one returns if that fails.

    Raises:
        OSError: the new folder can't take its place.
    """
    previous = previous_of(target)
    for attempt in range(_ATTEMPTS):
        if target.exists():
            shutil.rmtree(previous, ignore_errors=True)
            os.replace(target, previous)
        try:
            os.replace(staging, target)
            break
        except OSError:
            # A reader that came between the two renames may just have put the old folder back: once more.
            if attempt == _ATTEMPTS - 1 or not target.exists():
                with contextlib.suppress(OSError):
                    os.replace(previous, target)
                raise
    sync_folder(target.parent)
    shutil.rmtree(previous, ignore_errors=True)
