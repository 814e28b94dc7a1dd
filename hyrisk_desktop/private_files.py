"""Files and folders that only this user may read: exams, names, reads and settings are nobody else's.

On POSIX systems folders are 0700 and files 0600 from the moment they exist, whatever the umask. On Windows the profile
folder's access list already keeps other accounts out and is inherited, and POSIX modes mean nothing there.
"""

from __future__ import annotations

import os
import stat
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

POSIX = os.name == "posix"
FOLDER_MODE, FILE_MODE = 0o700, 0o600
PRIVATE_UMASK = 0o077
_OTHERS = stat.S_IRWXG | stat.S_IRWXO


def private_opener(path: str, flags: int) -> int:
    """For ``open(..., opener=private_opener)``: a file that it makes is this user's alone from the start."""
    # Python's own `open` asks for O_CLOEXEC as well; `os.open` does so by itself.
    return os.open(path, flags, FILE_MODE)


def make_private(folder: Path) -> Path:
    """Make ``folder``, and what is missing above it, for this user only; one that is there and ours loses others' rights.

    Raises:
        OSError: it can't be made.
    """
    if folder.is_dir():
        tighten(folder)
        return folder
    missing = [folder]
    while not missing[-1].parent.exists():
        missing.append(missing[-1].parent)
    for one in reversed(missing):
        one.mkdir(mode=FOLDER_MODE, exist_ok=True)
    return folder


def private_temporary_folder(prefix: str, parent: Path | None = None) -> Path:
    """A new folder for this user only, in the system's place for temporary files or in ``parent``."""
    return Path(tempfile.mkdtemp(prefix=prefix, dir=parent))  # mkdtemp itself makes it 0700


def tighten(path: Path) -> bool:
    """Take the rights of all other accounts away from a file or folder of this user's; links are left alone.

    Returns:
        Whether anything had to be taken away.
    """
    if not POSIX:
        return False
    try:
        now = path.lstat()
        # Somebody else's file is not ours to change, and what a link names may lie anywhere.
        if stat.S_ISLNK(now.st_mode) or now.st_uid != os.geteuid() or not now.st_mode & _OTHERS:
            return False
        path.chmod(stat.S_IMODE(now.st_mode) & ~_OTHERS)
    except OSError:
        return False
    return True


def repair(roots: Iterable[Path]) -> int:
    """Make everything below ``roots`` private that an older version made readable for all.

    The outermost folders come first: once they are closed nothing below can be reached any more. May walk over many
    thousand files, so it is for a worker thread.

    Returns:
        How many files and folders had been open.
    """
    there = [root for root in roots if root.is_dir() and not root.is_symlink()]
    changed = sum(tighten(root) for root in there)
    if POSIX:
        changed += sum(tighten(path) for root in there for path in _below(root))
    return changed


def _below(root: Path) -> Iterator[Path]:
    # os.walk does not follow links to folders, and passes over what it may not list.
    for folder, folders, files in os.walk(root):
        for name in (*folders, *files):
            yield Path(folder, name)
