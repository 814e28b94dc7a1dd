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


@contextlib.contextmanager
def one_sentence() -> Iterator[None]:
    """What the system refuses, as one sentence."""
    try:
        yield
    except OSError as e:
        reason = os.strerror(e.errno) if e.errno else type(e).__name__
        raise HyRiskError("not_written", tr("The report can't be written: {reason}.", reason=reason)) from e


def part_beside(target: Path) -> Path:
    """A name for a file or folder that is still being written; it hides itself and tells nothing."""
    return target.with_name(f".{secrets.token_hex(8)}.part")


def write_synced(path: Path, data: bytes) -> None:
    """Write a new file, and wait until the disk has it."""
    with open(path, "xb") as out:
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
        stage.mkdir()
        try:
            yield stage
            if target.is_dir():
                target.rmdir()  # refused where it isn't empty
            stage.rename(target)
            _sync_folder(target.parent)
        finally:
            shutil.rmtree(stage, ignore_errors=True)


def _sync_folder(folder: Path) -> None:
    # Not every system lets a folder be opened; the files themselves are safe by now.
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
