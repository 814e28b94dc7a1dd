"""Open only ordinary files: a pipe without a writer blocks for ever, and a device may never end."""

from __future__ import annotations

import errno
import os
import stat
from io import BufferedReader
from pathlib import Path


def open_regular(path: Path) -> BufferedReader:
    """``path`` for reading.

    Raises:
        OSError: it can't be opened, or is a pipe, a socket or a device.
    """
    # Looked at before it is opened, as opening a device may do something; and again, as it may have changed meanwhile.
    if not stat.S_ISREG(path.stat().st_mode):
        raise OSError(errno.EINVAL, "no ordinary file", str(path))
    flags = os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0)
    descriptor = os.open(path, flags)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "no ordinary file", str(path))
    return os.fdopen(descriptor, "rb")


def read_regular(path: Path, most_bytes: int) -> bytes:
    """The bytes of a regular file (or of one that a link names).

    Raises:
        OSError: it can't be read, or is a pipe, a device or a folder. ValueError: it holds more than ``most_bytes``.
    """
    with open_regular(path) as stream:
        data = stream.read(most_bytes + 1)
    if len(data) > most_bytes:
        raise ValueError("the file is too large")
    return data
