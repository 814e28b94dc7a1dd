"""Findings as lines of the terminal, in the reader's language."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from hyrisk_desktop.findings import Finding, Severity
from hyrisk_desktop.i18n import trc


def as_read(document: dict[str, Any], findings: Iterable[Finding]) -> dict[str, Any]:
    """``document``, which is English, with its findings as people read them."""
    return document | {"findings": [{"code": f.code, "severity": f.severity, "message": f.message} for f in findings]}


def lines_of(document: dict[str, Any]) -> list[str]:
    """The findings of a document, a line each."""
    return [line_of(Severity(row["severity"]), row["message"]) for row in document["findings"]]


def line_of(severity: Severity, message: str) -> str:
    """``[warning] sentence``."""
    words = {
        Severity.INFO: trc("severity", "info"),
        Severity.WARNING: trc("severity", "warning"),
        Severity.UNFIT: trc("severity", "unfit"),
    }
    return f"[{words[severity]}] {message}"
