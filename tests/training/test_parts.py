"""Parts are drawn in several processes, and what is there is not drawn again."""

from __future__ import annotations

import os
import pickle
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

import pytest

from model_training.parts import Task, in_parts


def draw(task: Task) -> None:
    """Which process drew which seeds, for which bundle."""
    directory, path, first, stop = task
    Path(path).write_text(f"{os.getpid()} {Path(directory).name} {first} {stop}")


def said(paths: list[Path]) -> list[list[str]]:
    return [path.read_text().split() for path in paths]


@pytest.mark.parametrize("workers", [1, 2])
def test_each_part_is_drawn_once_by_processes_of_their_own_where_there_are_several(
    tmp_path: Path, workers: int
) -> None:
    told: list[tuple[float, float]] = []

    def parts(count: int) -> list[Path]:
        seeds = range(70, 70 + count)
        return in_parts(draw, tmp_path / "bundle", tmp_path / "work", seeds, 2, workers, lambda *n: told.append(n))

    found = said(parts(5))
    assert [row[1:] for row in found] == [["bundle", "70", "72"], ["bundle", "72", "74"], ["bundle", "74", "75"]]
    assert (str(os.getpid()) in {row[0] for row in found}) is (workers == 1)
    assert told == [(2, 5), (4, 5), (5, 5)]
    # One more is missing: this process draws it, as another one would start for longer than it takes.
    (tmp_path / "work" / "72.npz").unlink()
    again = said(parts(5))
    assert again[1] == [str(os.getpid()), "bundle", "72", "74"]
    assert (again[0], again[2]) == (found[0], found[2])


@pytest.mark.parametrize(
    "name", ["placement._draw", "stability._draw", "study.gather._see", "study.gather._intervene", "twins._draw"]
)
def test_what_draws_reaches_another_process(name: str) -> None:
    module, _, function = name.rpartition(".")
    found: Callable[[Task], None] = getattr(import_module(f"model_training.{module}"), function)
    assert pickle.loads(pickle.dumps(found)) is found
