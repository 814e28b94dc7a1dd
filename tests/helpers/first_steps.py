"""The notebook of first steps, made from the manual's page: ``python -m tests.helpers.first_steps`` writes it again."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from hyrisk_desktop.manual import manual_dir
from hyrisk_desktop.paths import resources_dir

NOTEBOOK = resources_dir() / "notebook" / "first_steps.ipynb"
_BLOCK = re.compile(r"((?:^    .*\n|^\n(?=    ))+)", re.M)


def parts() -> list[tuple[str, str]]:
    """The page as ("markdown", text) and ("code", lines), in order."""
    text = (manual_dir() / "python.md").read_text(encoding="utf-8")
    found = []
    for number, part in enumerate(_BLOCK.split(text)):
        if number % 2:
            found.append(("code", re.sub(r"^    ", "", part, flags=re.M).strip()))
        elif part.strip():
            found.append(("markdown", re.sub(r"\[([^\]]+)\]\([^)]+\)", r"\1", part).strip()))
    return found


def code() -> list[str]:
    """The page's code, cell by cell."""
    return [text for kind, text in parts() if kind == "code"]


def notebook() -> dict[str, Any]:
    """The notebook (nbformat 4.5) that the page makes, with a cell that names an exam."""
    cells = [_cell("code", 'EXAM = "path/to/exam"', "exam")]
    cells[1:1] = [_cell(kind, text, f"cell-{number}") for number, (kind, text) in enumerate(parts())]
    cells[0], cells[1] = cells[1], cells[0]
    language = {"display_name": "Python 3", "language": "python", "name": "python3"}
    return {"cells": cells, "metadata": {"kernelspec": language}, "nbformat": 4, "nbformat_minor": 5}


def _cell(kind: str, text: str, name: str) -> dict[str, Any]:
    more = {"execution_count": None, "outputs": []} if kind == "code" else {}
    return {"cell_type": kind, "id": name, "metadata": {}, "source": text.splitlines(keepends=True), **more}


def written(path: Path = NOTEBOOK) -> dict[str, Any]:
    """The notebook as it lies there."""
    stored: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return stored


if __name__ == "__main__":
    NOTEBOOK.write_text(json.dumps(notebook(), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
