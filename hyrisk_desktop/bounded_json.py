"""JSON files that anybody may have written: regular files only, of bounded size and depth, and every failure an ordinary error."""

from __future__ import annotations

import errno
import json
import os
import stat
from pathlib import Path
from typing import Any, BinaryIO

MOST_DEEP = 64
# A named pipe without a writer would otherwise keep whoever opens it waiting for ever.
_FLAGS = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0)


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


def open_regular(path: Path) -> BinaryIO:
    """A regular file, or one that a link names, open to be read; raises OSError for anything else, and never waits."""
    # Looked at before it is opened as well: opening a device can do something.
    _require_regular(path.stat(), path)
    descriptor = os.open(path, _FLAGS)
    try:
        _require_regular(os.fstat(descriptor), path)
    except OSError:
        os.close(descriptor)
        raise
    return open(descriptor, "rb")


def _require_regular(found: os.stat_result, path: Path) -> None:
    if not stat.S_ISREG(found.st_mode):
        raise OSError(errno.EINVAL, "not a regular file", str(path))


def parse_json(data: bytes | str, *, deepest: int = MOST_DEEP) -> Any:
    """The value in ``data`` (UTF-8).

    Raises:
        ValueError: it is no JSON, or nested deeper than ``deepest``.
    """
    try:
        value = json.loads(data.decode("utf-8-sig") if isinstance(data, bytes) else data)
    except RecursionError as e:
        raise ValueError("nested too deeply") from e
    if _is_deeper(value, deepest):
        raise ValueError("nested too deeply")
    return value


def read_json(path: Path, most_bytes: int, *, deepest: int = MOST_DEEP) -> Any:
    """The value in a JSON file; raises OSError and ValueError as `read_regular` and `parse_json` do."""
    return parse_json(read_regular(path, most_bytes), deepest=deepest)


def _is_deeper(value: Any, deepest: int) -> bool:
    # Level by level and not by recursion: that is what a deep one would break.
    level = [value]
    for _ in range(deepest):
        level = [child for one in level for child in _children(one)]
        if not level:
            return False
    return any(isinstance(one, dict | list) for one in level)


def _children(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return list(value.values())
    return value if isinstance(value, list) else []
