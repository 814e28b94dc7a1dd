"""Writing files so that nobody ever sees half of one: beside the target, on the disk, then in the target's place.

The one way for the whole program. A part hides its name, tells nothing of its target, and is noted, so that the next start
deletes what a killed run left (see `unfinished`).
"""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from io import BufferedWriter
from pathlib import Path

from hyrisk_desktop.errors import HyRiskError, InputError
from hyrisk_desktop.i18n import tr
from hyrisk_desktop.jobs import Check, no_check
from hyrisk_desktop.private_files import FILE_MODE, FOLDER_MODE, private_opener
from hyrisk_desktop.unfinished import part_beside

Opener = Callable[[str, int], int]
"""For ``open(..., opener=...)``: decides the rights of a file that it makes."""

_ATTEMPTS = 5
_FIRST_WAIT_S = 0.01

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


# --- one file


def move(source: Path, target: Path) -> None:
    """Give a file or folder another name in one step; a file that has that name is replaced.

    Raises:
        OSError: the system refuses.
    """
    for attempt in range(_ATTEMPTS):
        try:
            os.replace(source, target)
            return
        except PermissionError:
            # Windows refuses while somebody has the target open, which is for a moment only.
            if os.name != "nt" or attempt == _ATTEMPTS - 1:
                raise
            time.sleep(_FIRST_WAIT_S * 2**attempt)


def sync_folder(folder: Path) -> None:
    """Wait until the disk holds the folder's names; Windows can't, and needs it less."""
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def write_new(path: Path, content: bytes, opener: Opener | None = None) -> None:
    """Write a file that isn't there yet, and wait until the disk has it.

    Raises:
        OSError: the system refuses, or the file exists.
    """
    with open(path, "xb", opener=opener) as stream:
        stream.write(content)
        _to_disk(stream)


@contextlib.contextmanager
def replacing(path: Path, opener: Opener | None = None, *, durable: bool = True) -> Iterator[BufferedWriter]:
    """A file to write, which takes the place of ``path`` at the end; nothing is left of it where something is raised.

    Args:
        opener: decides its rights; None for the system's default.
        durable: wait until the disk has it. False for what matters only while both sides live.

    Raises:
        OSError: the system refuses; the old file is then as it was.
    """
    # What a link names is replaced, and not the link.
    path = path.resolve()
    part = _part_of(path)
    try:
        with open(part, "xb", opener=opener) as stream:
            yield stream
            if durable:
                _to_disk(stream)
        move(part, path)
        if durable:
            sync_folder(path.parent)
    finally:
        # Half a file on a full disk would take the room in which to say that it is full.
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)


def replace_file(path: Path, content: bytes, opener: Opener | None = None, *, durable: bool = True) -> None:
    """Replace a file whole; arguments and errors as `replacing`.

    Args:
        path: the file. content: all of it. opener, durable: as there.
    """
    with replacing(path, opener, durable=durable) as stream:
        stream.write(content)


def write_private(path: Path, content: bytes) -> None:
    """`replace_file` for what only this user may read."""
    replace_file(path, content, private_opener)


@contextlib.contextmanager
def staged(path: Path) -> Iterator[BufferedWriter]:
    """`replacing` for an exported file.

    Raises:
        InputError: the system refuses.
    """
    try:
        with replacing(path, export_opener) as stream:
            yield stream
    except OSError as e:
        raise unwritable(path, e) from e


def _part_of(target: Path) -> Path:
    """`part_beside` for what may be put in ``target``'s place: who may do it would make a file of /dev/null for the whole machine."""
    if target.is_dir():
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
    if target.exists() and not target.is_file():
        raise OSError(errno.EINVAL, tr("it is a device or a pipe, and no file"))
    return part_beside(target)


def _to_disk(stream: BufferedWriter) -> None:
    stream.flush()
    os.fsync(stream.fileno())


# --- several files


def replace_files(
    contents: Mapping[Path, bytes], *, replace: Collection[Path] | None = None, check: Check = no_check
) -> None:
    """Write every file beside its target, then put all in place: all of them, or none.

    Args:
        replace: the targets that may exist already; None for all.
        check: called before each file; what it raises stops everything with nothing changed.

    Raises:
        HyRiskError: the system refuses. InputError: a target exists that may not be replaced.
    """
    parts: list[tuple[Path, Path]] = []
    kept: dict[Path, Path | None] = {}
    with one_sentence():
        try:
            for target, data in contents.items():
                check()
                # What a link names is replaced, and not the link.
                place = target.resolve()
                parts.append((_part_of(place), place))
                write_new(parts[-1][0], data, export_opener)
            check()
            for (part, place), target in zip(parts, contents, strict=True):
                if place.exists() and replace is not None and target not in replace:
                    raise InputError("exists", tr("{name} exists already.", name=place.name))
                kept[place] = _keep(place)
                move(part, place)
            for folder in {place.parent for _, place in parts}:
                sync_folder(folder)
        except BaseException:
            _put_back(kept)
            raise
        finally:
            for leftover in (*(part for part, _ in parts), *(old for old in kept.values() if old is not None)):
                with contextlib.suppress(OSError):
                    leftover.unlink(missing_ok=True)


def _keep(place: Path) -> Path | None:
    """A second name for the file that is about to be replaced, so that there is no moment without it."""
    if not place.exists():
        return None
    old = part_beside(place)
    try:
        os.link(place, old)
    except OSError:
        # A file system without hard links.
        shutil.copy2(place, old)
    return old


def _put_back(kept: Mapping[Path, Path | None]) -> None:
    for place, old in kept.items():
        with contextlib.suppress(OSError):
            if old is None:
                place.unlink(missing_ok=True)
            else:
                move(old, place)


# --- a folder


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
            # Not `move`: on POSIX that would replace an empty folder made by somebody else meanwhile.
            stage.rename(target)
            sync_folder(target.parent)
        finally:
            shutil.rmtree(stage, ignore_errors=True)


def previous_of(target: Path) -> Path:
    """Where the old folder waits while `replace_folder` puts the new one in its place."""
    return target.with_name(target.name + ".previous")


def recover_folder(target: Path, needed: str) -> None:
    """Put the old folder back where a crash fell between the two renames of `replace_folder`.

    Args:
        target: the folder that should be there.
        needed: file that the old folder must hold to be worth it.
    """
    # Where one stands in the folder it is “.”, which has no name and is there.
    if not target.exists() and (previous_of(target) / needed).is_file():
        # A read-only disk leaves it where it is; the caller then reports what is missing.
        with contextlib.suppress(OSError):
            move(previous_of(target), target)


def replace_folder(staging: Path, target: Path) -> None:
    """Put the finished ``staging`` folder in ``target``'s place; a crash, or a full disk, leaves the old one or the new one.

    Raises:
        OSError: the new folder can't take its place; the old one is back then.
    """
    previous = previous_of(target)
    for attempt in range(_ATTEMPTS):
        if target.exists():
            shutil.rmtree(previous, ignore_errors=True)
            move(target, previous)
        try:
            move(staging, target)
            break
        except OSError:
            # A reader that came between the two renames may just have put the old folder back: once more.
            if attempt == _ATTEMPTS - 1 or not target.exists():
                with contextlib.suppress(OSError):
                    move(previous, target)
                raise
    sync_folder(target.parent)
    shutil.rmtree(previous, ignore_errors=True)


# --- what the system says


@contextlib.contextmanager
def one_sentence() -> Iterator[None]:
    """What the system refuses, as one sentence about a report."""
    try:
        yield
    except OSError as e:
        reason = e.strerror or type(e).__name__
        raise HyRiskError("not_written", tr("The report can't be written: {reason}.", reason=reason)) from e


def unwritable(path: Path, error: OSError) -> InputError:
    """The sentence for a file that the system refuses to write."""
    return InputError(
        "unwritable",
        tr("{name} can't be written: {why}.", name=path.name, why=error.strerror or type(error).__name__),
    )
