"""JSON files that anybody may have written: regular files only, of bounded size and depth, and every failure an ordinary error."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from hyrisk_desktop.regular_files import read_regular

MOST_DEEP = 64


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
