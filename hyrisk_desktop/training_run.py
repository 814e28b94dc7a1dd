"""What the window and a training process say to each other through a run's folder. Neither imports the other.

``run.lock`` is held while the process lives, so that a dead run is told from a living one even after a crash. ``run.json``
says how things stand, ``events.jsonl`` grows line by line, ``control.json`` carries the window's requests.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from hyrisk_desktop.bounded_json import parse_json
from hyrisk_desktop.bounded_json import read_json as read_json_file
from hyrisk_desktop.files import replace_file
from hyrisk_desktop.private_files import private_opener

RECORD, NOTE, CONTROL, EVENTS, LOCK = "run.json", "window.json", "control.json", "events.jsonl", "run.lock"
LOG, PROCESS_LOG, RESULTS, REPORT = "log.txt", "process.log", "results.json", "report.html"
TRAINING, REPRODUCTION, VALIDATION, STUDY = "training", "reproduction", "validation", "study"
"""What a run is; ``run.json`` says so of all but a training."""
REPRODUCTION_RESULTS = "reproduction.json"
VALIDATION_RESULTS, STUDY_RESULTS = "validation.json", "study.json"
BUNDLE, BUNDLES = "bundle", "bundles"
"""Of a single network; the folder of one bundle for each of several."""
_MESSAGE_BYTES = 1 << 20
RESULT_BYTES = 64 << 20


def read_json(path: Path, most_bytes: int = _MESSAGE_BYTES) -> dict[str, Any]:
    """The object in a JSON file of a run; {} while it is missing, half written, too large or not an object."""
    try:
        data = read_json_file(path, most_bytes)
    except (OSError, ValueError):
        return {}
    return data if isinstance(data, dict) else {}


def write_json(path: Path, data: object) -> None:
    """Replace ``path`` at once and for good, so that the other side never sees half of it; raises OSError."""
    replace_file(path, (json.dumps(data, indent=1) + "\n").encode())


def write_message(path: Path, data: object) -> None:
    """`write_json` for what the window asks or notes: this user's alone, and without waiting for the disk."""
    replace_file(path, (json.dumps(data, indent=1) + "\n").encode(), private_opener, durable=False)


class EventTail:
    """Reads the lines that were appended to a run's events since the last look.

    Args:
        path: the file; it need not exist yet, its last line may be cut, and it may be written anew.
        from_now: what stands there already has been told.
    """

    def __init__(self, path: Path, *, from_now: bool = False) -> None:
        self._path = path
        self._offset = path.stat().st_size if from_now and path.is_file() else 0
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
