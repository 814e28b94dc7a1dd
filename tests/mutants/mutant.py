"""One mutant, and the short form in which the tables write many."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True, slots=True)
class Mutant:
    """A fault in one line.

    Attributes:
        file: path from the repository's root.
        line: text of the line, or enough of it to occur exactly once in the file.
        replacement: what stands there instead.
        tests: arguments for pytest, separated by blanks: the nearest tests.
        survives: why no test can notice it; "" where one must.
    """

    file: str
    line: str
    replacement: str
    tests: str
    survives: str = ""

    @property
    def name(self) -> str:
        """What the runner prints and selects by."""
        return f"{self.file.removesuffix('.py')}: {self.line.strip()} -> {self.replacement.strip() or 'nothing'}"

    def mutate(self, source: str) -> str:
        """``source`` with the fault in it; raises ValueError where the line is not there exactly once."""
        if (count := source.count(self.line)) != 1:
            raise ValueError(f"{count} times in the file instead of once: {self.name}")
        return source.replace(self.line, self.replacement)


def mutants(file: str, tests: str, *rows: Iterable[str]) -> list[Mutant]:
    """Mutants of one file: rows of line, replacement and, where they differ, tests and the reason to survive."""
    made = []
    for row in rows:
        line, replacement, *rest = row
        own, survives = (*rest, "", "")[:2]
        made.append(Mutant(file, line, replacement, own or tests, survives))
    return made
