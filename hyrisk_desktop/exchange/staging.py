"""Writing files so that a reader never sees half of them: staged beside the target, synchronised, put in place at once."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path

from hyrisk_desktop.errors import HyRiskError
from hyrisk_desktop.i18n import tr
from hyrisk_desktop.private_files import FILE_MODE, FOLDER_MODE, sync_folder
from hyrisk_desktop.unfinished import note

_private_exports = False


def keep_exports_private(private: bool) -> None:
    """From now on what is exported can be read by this account only; else the system's default (umask) decides.

    As the language, it is set once by whoever starts the program, from the setting ``private_exports``.
    """
    global _private_exports
    _private_exports = private


def export_opener(path: str, flags: int) -> int:
    """For ``open(..., opener=export_opener)``: an exported file, with the rights that the user wants exports to have."""
    return os.open(path, flags, FILE_MODE if _private_exports else 0o666)


@contextlib.contextmanager
def one_sentence() -> Iterator[None]:
    """What the system refuses, as one sentence."""
    try:
        yield
    except OSError as e:
        reason = os.strerror(e.errno) if e.errno else type(e).__name__
        raise HyRiskError("not_written", tr("The report can't be written: {reason}.", reason=reason)) from e


def part_beside(target: Path) -> Path:
    """A name for a file or folder that is still being written; it hides itself and tells nothing.

    What a killed run leaves under it is deleted at the next start.
    """
    return note(target.with_name(f".{secrets.token_hex(8)}.part"))


def write_synced(path: Path, data: bytes) -> None:
    """Write a new file, and wait until the disk has it."""
    with open(path, "xb", opener=export_opener) as out:
        out.write(data)
        out.flush()
        os.fsync(out.fileno())


@contextlib.contextmanager
def staged_folder(target: Path) -> Iterator[Path]:
    """A folder to fill, which becomes ``target`` at the end, and vanishes where something is raised.

    Raises:
        HyRiskError: the system refuses, or ``target`` has come to hold something meanwhile.
    """
    with one_sentence():
        stage = part_beside(target)
        stage.mkdir(mode=FOLDER_MODE if _private_exports else 0o777)
        try:
            yield stage
            if target.is_dir():
                target.rmdir()  # refused where it isn't empty
            stage.rename(target)
            sync_folder(target.parent)
        finally:
            shutil.rmtree(stage, ignore_errors=True)
