"""The few errors this program raises on purpose.

Each carries a stable ``code`` for programs (JSON, tests, logs) and one plain sentence for people
that says what happened and what to do. The sentence may name a file but never a patient.
"""

from __future__ import annotations

import traceback
from pathlib import Path
from typing import Any


class HyRiskError(Exception):
    """Base of every expected failure."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


class ExamError(HyRiskError):
    """The exam can't be read, or is unfit to be measured."""


class BundleError(HyRiskError):
    """A model bundle is missing, damaged or of another version."""


class InputError(HyRiskError):
    """An argument or a value typed by the user is out of range."""


class StoreError(HyRiskError):
    """The worklist's database can't be read or written; what is open stays in memory."""


class ConflictError(HyRiskError):
    """Somebody else has changed this since it was read; saving it now would undo that without a word.

    Attributes:
        newer: what is stored.
    """

    def __init__(self, message: str, newer: Any) -> None:
        super().__init__("conflict", message)
        self.newer = newer


class PacsError(HyRiskError):
    """A PACS or another node can't be reached, refuses, or answers what can't be used."""


class Cancelled(Exception):
    """The user cancelled; not an error, and never shown as one."""


def safe_traceback(error: BaseException) -> str:
    """Frames and exception types of ``error`` and its causes, without messages or values: those may be a patient's."""
    lines = []
    seen: BaseException | None = error
    while seen is not None:
        lines += [
            f"  {Path(frame.filename).name}:{frame.lineno} in {frame.name}"
            for frame in traceback.extract_tb(seen.__traceback__)
        ]
        lines.append(f"{type(seen).__module__}.{type(seen).__qualname__}")
        seen = seen.__cause__ or seen.__context__
    return "\n".join(lines)
