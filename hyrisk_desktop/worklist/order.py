"""In which order a reader sees a list: as found, or shuffled for a blinded one by the list's seed and the reader."""

from __future__ import annotations

import hashlib

from hyrisk_desktop.worklist.records import Reader, ReadingList


def reading_order(reading_list: ReadingList, reader: Reader | None, count: int) -> list[int]:
    """Positions 0 to ``count`` - 1 in this reader's order.

    Each reader of a blinded list has an order of their own, the same on every machine and every day. An exam that is
    added later takes its place among the others without changing their order.
    """
    if not reading_list.blinded or reader is None:
        return list(range(count))
    return sorted(
        range(count), key=lambda i: hashlib.sha256(f"{reading_list.seed}|{reader.name}|{i}".encode()).digest()
    )
