"""The few errors this program raises on purpose.

Each carries a stable ``code`` for programs (JSON, tests, logs) and one plain sentence for people
that says what happened and what to do. The sentence may name a file but never a patient.
"""

from __future__ import annotations


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


class Cancelled(Exception):
    """The user cancelled; not an error, and never shown as one."""
