"""What a reader must know about a scan, a score or a risk: one type for every layer, and its form in files."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum

from hyrisk_desktop.i18n import english, kept_sentence, language_tag


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


def one_per_code(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """One finding for each code, where its first one stood: what a later one says differently follows in the same finding."""
    found: dict[str, Finding] = {}
    for finding in findings:
        known = found.setdefault(finding.code, finding)
        if finding.message not in known.message:
            found[finding.code] = replace(known, message=known.message + " " + finding.message)
    return tuple(found.values())


def finding_rows(findings: tuple[Finding, ...]) -> list[list[str]]:
    """Findings as JSON: code, severity and sentence in English, then a language and the sentence in it, where the reader's is another."""
    return [[f.code, str(f.severity), english(f.message), *_local(f.message)] for f in findings]


def _local(message: str) -> tuple[str, ...]:
    return () if str(message) == english(message) else (language_tag(), str(message))


def findings_from(rows: list[list[str]] | None) -> tuple[Finding, ...]:
    """Inverse of `finding_rows`."""
    return tuple(
        Finding(code, Severity(severity), kept_sentence(message, *local))
        for code, severity, message, *local in rows or ()
    )
