"""The table of mutants fits the code: each line is where it says, each replacement is Python, each test exists."""

from __future__ import annotations

import ast
import functools
import tomllib
from collections import Counter

import pytest

from tests.mutants.mutant import ROOT, Mutant
from tests.mutants.table import MUTANTS


@functools.cache
def source(path: str) -> str:
    return (ROOT / path).read_text(encoding="utf-8")


@pytest.mark.parametrize("file", sorted({m.file for m in MUTANTS}))
def test_every_mutant_changes_one_place_and_can_still_be_read(file: str) -> None:
    for mutant in MUTANTS:
        if mutant.file == file:
            changed = mutant.mutate(source(file))
            tomllib.loads(changed) if file.endswith(".toml") else ast.parse(changed, mutant.name)


def test_every_mutant_has_tests_and_there_are_enough_of_them() -> None:
    for mutant in MUTANTS:
        paths = [word for word in mutant.tests.partition(" -k ")[0].split() if word]
        assert paths, mutant.name
        for path, _, name in (word.partition("::") for word in paths):
            assert (ROOT / path).exists(), mutant.name
            assert not name or f"def {name}(" in source(path), mutant.name
    assert all(m.line != m.replacement for m in MUTANTS)
    assert not [name for name, count in Counter((m.file, m.line, m.replacement) for m in MUTANTS).items() if count > 1]
    assert len(MUTANTS) >= 120
    assert sum(not m.survives for m in MUTANTS) >= 0.9 * len(MUTANTS)


def test_a_line_that_is_not_there_once_is_refused() -> None:
    with pytest.raises(ValueError, match="2 times"):
        Mutant("x.py", "a", "b", "tests").mutate("a = a")
    with pytest.raises(ValueError, match="0 times"):
        Mutant("x.py", "c", "b", "tests").mutate("a = a")
