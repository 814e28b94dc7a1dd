"""What a stored read knows is not lost to a state of it that knows less: numbers stay for as long as what they are of stays.

A window saves a read before its model has loaded, before the whole heart has been scored again, or without either. What it
does not have is then not there yet, and no reason to take it away.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from typing import Any

from hyrisk_desktop.findings import Finding
from hyrisk_desktop.standing import OF_THE_HEART, OF_THE_RISK, OF_THE_SCORES, SHOWN_ANYWAY
from hyrisk_desktop.worklist.records import Read


def with_lasting_results(before: Read | None, read: Read) -> Read:
    """``read``, and what it lacks of the results of ``before`` and was measured at the same place with the same marks.

    Findings come with the numbers that they qualify, so that what was withheld stays withheld.
    """
    if before is None or before.series_uid != read.series_uid:
        return read
    kept: dict[str, Any] = {}
    codes: set[str] = set()
    if _lacks(before, read, "risk") and _same(before, read, ("centre", "grade", "excluded")):
        kept["risk"] = before.results["risk"]
        codes |= OF_THE_RISK | {SHOWN_ANYWAY}
        read = replace(read, model=before.model, bundle_sha256=before.bundle_sha256, prevalence=before.prevalence)
    if _lacks(before, read, "calcium") and _same(before, read, ("centre", "box", "profile", "excluded")):
        kept["calcium"] = before.results["calcium"]
        codes |= OF_THE_SCORES | {SHOWN_ANYWAY}
    marks = ("centre", "profile", "excluded", "whole_heart", "heart")
    if _lacks(before, read, "whole_heart") and _same(before, read, marks):
        kept["whole_heart"] = before.results["whole_heart"]
        codes |= OF_THE_HEART
    if read.content_sha256 in ("", before.content_sha256):
        # Whether the files are those that were read first is found out some seconds after the exam has opened.
        codes.add("files_changed")
    return replace(read, results={**read.results, **kept}, findings=_with_findings(read, before.findings, codes))


def _lacks(before: Read, read: Read, part: str) -> bool:
    return bool(before.results.get(part)) and not read.results.get(part)


def _same(before: Read, read: Read, names: tuple[str, ...]) -> bool:
    return all(getattr(before, name) == getattr(read, name) for name in names)


def _with_findings(read: Read, before: tuple[Finding, ...], codes: Collection[str]) -> tuple[Finding, ...]:
    here = {f.code for f in read.findings}
    return (*read.findings, *(f for f in before if f.code in codes and f.code not in here))
