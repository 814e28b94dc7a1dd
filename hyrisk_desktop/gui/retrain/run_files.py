"""The folders of runs: a new one's name, and where all of them lie. No Qt here."""

from __future__ import annotations

import contextlib
import os
import re
from datetime import datetime
from pathlib import Path

from hyrisk_desktop.private_files import make_private
from hyrisk_desktop.training_run import BUNDLE, BUNDLES, NOTE, RECORD, read_json, write_message

_ELSEWHERE = "elsewhere.json"
_BUNDLE_NAME = re.compile(r"hyrisknet-[0-9]{2,3}")
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
        write_message(directory / _ELSEWHERE, {"runs": [*known, str(run)]})


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


def bundles_of(run: Path) -> list[Path]:
    """The model bundles of a run: the one of a single network, or one for each of several, the shallowest first."""
    if (run / BUNDLE).is_dir():
        return [run / BUNDLE]
    try:
        found = [path for path in (run / BUNDLES).iterdir() if path.is_dir() and _BUNDLE_NAME.fullmatch(path.name)]
    except OSError:
        return []
    return sorted(found, key=lambda path: int(path.name.rpartition("-")[2]))


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
