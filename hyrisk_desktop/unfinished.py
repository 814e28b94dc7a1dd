"""What is being written just now, so that the next start can delete what a killed run left half done.

Parts and staging folders lie beside their targets, anywhere on the disk. Each process notes their places in a list
of this user's and holds a lock on it; the system releases the lock when the process dies, however it dies.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import secrets
import shutil
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from hyrisk_desktop.paths import unfinished_dir
from hyrisk_desktop.private_files import FILE_MODE, make_private, private_opener

if TYPE_CHECKING:
    from filelock import FileLock

# Nothing else is ever deleted, whatever a list says.
_NAMES = re.compile(r"\..+\.part|demonstration-\w{8}")
_FAMILY = re.compile(r"\.[0-9a-f]{16}-\*\.part")
_guard = threading.Lock()
_lists: dict[Path, tuple[int, FileLock, Path]] = {}
_families: dict[tuple[int, Path, Path], str] = {}


def note(path: Path) -> Path:
    """Remember that ``path`` is about to be made and does not outlive this process; returns it.

    Where the list can't be written nothing is remembered, and nothing is refused for that.
    """
    if _NAMES.fullmatch(path.name) is None:
        raise ValueError(f"{path.name} is no name of an unfinished file")
    _write_down(path)
    return path


def _write_down(path: Path) -> bool:
    with contextlib.suppress(OSError, NotImplementedError), _guard:
        # As JSON: a path on Linux may hold bytes that are no text, and line ends.
        line = json.dumps(str(path.absolute())).encode("ascii") + b"\n"
        with open(_own_list(), "ab", opener=private_opener) as stream:
            stream.write(line)
        return True
    return False


def part_beside(target: Path) -> Path:
    """A name for a file or folder that is still being written: in ``target``'s folder, hidden, telling nothing.

    What a killed run leaves under it is deleted at the next start. Each folder is noted once, not each name.
    """
    place = (os.getpid(), unfinished_dir(), target.parent.absolute())
    family = _families.get(place)
    if family is None:
        family = f".{secrets.token_hex(8)}-"
        if _write_down(target.with_name(f"{family}*.part")):
            _families[place] = family
    return target.with_name(f"{family}{secrets.token_hex(8)}.part")


def sweep() -> int:
    """Delete what processes left that are dead; returns how many files and folders that were."""
    from filelock import FileLock

    swept = 0
    folder = unfinished_dir()
    with contextlib.suppress(OSError, NotImplementedError), _guard:
        for lock_file in folder.glob("*.lock"):
            lock = FileLock(lock_file, mode=FILE_MODE, thread_local=False)
            try:
                lock.acquire(timeout=0)
            except TimeoutError:
                continue
            try:
                swept += _sweep_list(lock_file.with_suffix(".list"))
            finally:
                # Deleted while it is held, so that nobody else begins to sweep the same.
                if os.name == "posix":
                    lock_file.unlink(missing_ok=True)
                lock.release()
                with contextlib.suppress(OSError):
                    lock_file.unlink(missing_ok=True)
    return swept


def _sweep_list(listed: Path) -> int:
    swept = 0
    with contextlib.suppress(FileNotFoundError):
        for line in listed.read_bytes().splitlines():
            # A kill can cut the last line; what it would have named was not made yet.
            with contextlib.suppress(ValueError, TypeError, OSError):
                path = Path(json.loads(line))
                family = sorted(path.parent.glob(path.name)) if _FAMILY.fullmatch(path.name) else [path]
                swept += sum(map(_delete, family))
    listed.unlink(missing_ok=True)
    return swept


def _delete(path: Path) -> bool:
    if _NAMES.fullmatch(path.name) is None or not path.is_absolute() or not os.path.lexists(path):
        return False
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
    return True


def _own_list() -> Path:
    from filelock import FileLock

    folder = unfinished_dir()
    owner, _, listed = _lists.get(folder, (0, None, None))
    # After a fork the lock is the parent's.
    if owner != os.getpid() or listed is None:
        make_private(folder)
        token = f"{os.getpid()}-{secrets.token_hex(6)}"
        lock = FileLock(folder / f"{token}.lock", mode=FILE_MODE, thread_local=False)
        lock.acquire(timeout=0)
        listed = folder / f"{token}.list"
        _lists[folder] = (os.getpid(), lock, listed)
    return listed
