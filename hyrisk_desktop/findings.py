"""What a reader must know about a scan, a score or a risk: one type for every layer, and its form in files."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Severity(StrEnum):
    """How much a finding takes from the numbers beside it."""

    INFO = "info"
    WARNING = "warning"
    UNFIT = "unfit"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing a reader must know about this scan: a stable code and a plain, translated sentence."""

    code: str
    severity: Severity
    message: str


def finding_rows(findings: tuple[Finding, ...]) -> list[list[str]]:
    """Findings as JSON."""
    return [[f.code, str(f.severity), f.message] for f in findings]


def findings_from(rows: list[list[str]] | None) -> tuple[Finding, ...]:
    """Inverse of `finding_rows`."""
    return tuple(Finding(code, Severity(severity), message) for code, severity, message in rows or ())
