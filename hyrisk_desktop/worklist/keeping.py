"""Keeps what a bulk scoring has measured in the reads of a list, and never over what a reader has said or seen.

An exam without a read gets one at the heart centre that the program proposed, which says so and counts as no judgement. A
reader's own read only gets the numbers that it lacks, and only where it still is what was scored.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from hyrisk_desktop.calcium import NO_MARKS
from hyrisk_desktop.findings import Finding
from hyrisk_desktop.standing import OF_NO_RISK
from hyrisk_desktop.worklist.read_rows import row_of_read, write_read
from hyrisk_desktop.worklist.records import Read, Reader
from hyrisk_desktop.worklist.row_values import changes_of, read_of_row
from hyrisk_desktop.worklist.store import Store


def keep_results(store: Store, made: Read, reader: Reader) -> bool:
    """Keep the results of ``made`` in ``reader``'s read of that exam, where it lacks them.

    Args:
        store: the worklist's. made: the read that was scored, with all its results; ``centre_proposed`` where no reader
            placed the centre. reader: whose read.

    Returns:
        Whether anything was kept. Raises StoreError.
    """
    with store.database.write() as session:
        row = row_of_read(session, made.exam_id, reader, made.blinded, to_write=True)
        before = read_of_row(row) if row else None
        read = completed(before, made)
        if read is None:
            return False
        changes = changes_of(before, read)
        if before is not None and not changes:
            return False
        write_read(session, row, before, read, reader, changes)
        return True


def completed(stored: Read | None, made: Read) -> Read | None:
    """The read that is to be stored; None where ``stored`` is to be left alone."""
    if stored is None or (stored.unconfirmed and made.centre_proposed):
        # Nobody's judgement: a newer run may take the place of an older one's.
        return made if made.centre_proposed else None
    same = ("series_uid", "centre", "grade", "excluded", "box", "profile")
    if any(getattr(stored, name) != getattr(made, name) for name in same):
        return None
    lacks = [part for part, value in made.results.items() if value and not stored.results.get(part)]
    if "whole_heart" in lacks and stored.heart != NO_MARKS:
        # Scored without what this reader said of its plaques.
        lacks.remove("whole_heart")
    if not lacks:
        return None
    results: dict[str, Any] = {**stored.results, **{part: made.results[part] for part in lacks}}
    codes = {f.code for f in stored.findings}
    more: tuple[Finding, ...] = tuple(f for f in made.findings if f.code not in codes)
    read = replace(stored, results=results, findings=(*stored.findings, *more))
    if "whole_heart" in lacks:
        read = replace(read, whole_heart=True)
    if "risk" in lacks:
        # Why there was no risk is over.
        read = replace(read, findings=tuple(f for f in read.findings if not f.code.startswith(OF_NO_RISK)))
        # What ran the network decides the last digits, by which a replay compares.
        versions = {**stored.versions, **{k: v for k, v in made.versions.items() if k == "engine"}}
        read = replace(
            read, model=made.model, bundle_sha256=made.bundle_sha256, prevalence=made.prevalence, versions=versions
        )
    return read
