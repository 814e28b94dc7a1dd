"""What takes long to make is made once for all of pytest's processes."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from filelock import FileLock


def shared_folder(factory: pytest.TempPathFactory) -> Path:
    """The temporary folder of this run of tests, which pytest deletes."""
    root = factory.getbasetemp()
    return root.parent if "PYTEST_XDIST_WORKER" in os.environ else root


def once(root: Path, name: str, make: Callable[[Path], object]) -> Path:
    """The folder ``name`` in ``root`` that ``make`` fills: the first process that asks makes it, the others wait for it."""
    folder, made = root / name, root / f"{name}.made"
    with FileLock(root / f"{name}.lock"):
        if not made.exists():
            make(folder)
            made.touch()
    return folder
