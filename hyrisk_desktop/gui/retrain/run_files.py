"""The files of a run, read and written so that neither side ever sees half of one. No Qt here."""

from __future__ import annotations

import contextlib
import json
import os
import re
import time
from datetime import datetime
from pathlib import Path
from typing import Any

from hyrisk_desktop.bounded_json import parse_json
from hyrisk_desktop.bounded_json import read_json as read_json_file
from hyrisk_desktop.private_files import make_private, private_opener

RECORD, NOTE, CONTROL, EVENTS, LOCK = "run.json", "window.json", "control.json", "events.jsonl", "run.lock"
LOG, PROCESS_LOG, RESULTS, REPORT, BUNDLE = "log.txt", "process.log", "results.json", "report.html", "bundle"
_ELSEWHERE = "elsewhere.json"
_MAX_JSON_BYTES = 1 << 20
_RESERVED = {"con", "prn", "aux", "nul", *(f"{kind}{n}" for kind in ("com", "lpt") for n in range(1, 10))}


def run_folder(parent: Path, name: str) -> Path:
    """A folder for a run called ``name`` that no other run has: ASCII letters, digits, dots and dashes only."""
    plain = re.sub(r"[^A-Za-z0-9.-]+", "-", name).strip(".-")[:60].rstrip(".-") or "run"
    if plain.lower().split(".")[0] in _RESERVED:
        plain = f"run-{plain}"
    folder, number = parent / plain, 2
    while folder.exists():
        folder, number = parent / f"{plain}-{number}", number + 1
    return folder


def find_runs(directory: Path) -> list[Path]:
    """Folders of all runs in ``directory`` and of those that were put elsewhere, newest first."""
    try:
        folders = [path for path in directory.iterdir() if path.is_dir()]
    except OSError:
        folders = []
    folders += [Path(name) for name in _elsewhere(directory)]
    runs = [path for path in dict.fromkeys(folders) if (path / RECORD).is_file() or (path / NOTE).is_file()]
    return sorted(runs, key=_began, reverse=True)


def remember_run(directory: Path, run: Path) -> None:
    """Note a run that does not lie in ``directory``, so that `find_runs` finds it again."""
    if run.parent != directory and str(run) not in (known := _elsewhere(directory)):
        make_private(directory)
        write_json(directory / _ELSEWHERE, {"runs": [*known, str(run)]})


def _elsewhere(directory: Path) -> list[str]:
    names = read_json(directory / _ELSEWHERE).get("runs")
    return [name for name in names if isinstance(name, str)] if isinstance(names, list) else []


def _began(run: Path) -> float:
    for name in (NOTE, RECORD):
        with contextlib.suppress(KeyError, ValueError, TypeError):
            return datetime.fromisoformat(read_json(run / name)["started"]).timestamp()
        with contextlib.suppress(OSError):
            return (run / name).stat().st_mtime
    return 0.0


def read_json(path: Path) -> dict[str, Any]:
    """The object in a small JSON file; {} while it is missing, half written or not an object."""
    try:
        data = read_json_file(path, _MAX_JSON_BYTES)
    except (OSError, ValueError):
        return {}
    return data if isinstance(data, dict) else {}


def write_json(path: Path, data: dict[str, Any]) -> None:
    """Replace ``path`` at once, so that no reader sees half of it."""
    staged = path.with_name(f"{path.name}.{os.getpid()}.staged")
    with open(staged, "w", encoding="utf-8", opener=private_opener) as file:
        file.write(json.dumps(data, indent=1))
    for attempt in range(5):
        try:
            os.replace(staged, path)
            return
        except PermissionError:
            # Windows refuses while the other side has the file open, which is for a moment only.
            if attempt == 4:
                staged.unlink(missing_ok=True)
                raise
            time.sleep(0.01)


class EventTail:
    """Reads the lines that were appended to a run's events since the last look.

    Args:
        path: the file; it need not exist yet, its last line may be cut, and it may be written anew.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._offset = 0
        self._rest = b""

    def read(self, limit: int = 64 << 10) -> tuple[list[dict[str, Any]], bool]:
        """Events in up to ``limit`` new bytes, and whether there is more to read."""
        try:
            with open(self._path, "rb") as file:
                size = file.seek(0, os.SEEK_END)
                if size < self._offset:
                    self._offset, self._rest = 0, b""
                file.seek(self._offset)
                new = file.read(limit)
        except OSError:
            return [], False
        self._offset += len(new)
        *lines, self._rest = (self._rest + new).split(b"\n")
        return [event for line in lines if (event := _event(line)) is not None], self._offset < size


def _event(line: bytes) -> dict[str, Any] | None:
    """The event on a line; None for a line that a kill has cut."""
    # The process that resumes may have written on behind the cut: what is whole is then the last object.
    for start in (0, line.rfind(b'{"event"')):
        try:
            event = parse_json(line[max(0, start) :])
        except ValueError:
            continue
        return event if isinstance(event, dict) else None
    return None


def read_tail(path: Path, limit: int = 64 << 10) -> str:
    """The last lines of a text file, up to ``limit`` bytes; "" when there is none."""
    try:
        with open(path, "rb") as file:
            start = max(0, file.seek(0, os.SEEK_END) - limit)
            file.seek(start)
            text = file.read(limit).decode("utf-8", "replace")
    except OSError:
        return ""
    return text.split("\n", 1)[-1] if start else text
