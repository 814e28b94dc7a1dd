"""Which files of a folder are structured reports or segmentations of ours: told by their first bytes, without a DICOM library."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path

from hyrisk_desktop.exchange.reports.report import PRODUCT
from hyrisk_desktop.jobs import Check, no_check
from hyrisk_desktop.regular_files import open_regular

SR_CLASS = "1.2.840.10008.5.1.4.1.1.88.33"
SEG_CLASS = "1.2.840.10008.5.1.4.1.1.66.4"
HEAD_BYTES = 4096
"""Holds the file meta information and the first attributes, the maker's name among them."""
_META_CLASS = b"\x02\x00\x02\x00UI"
_MOST_FILES = 20_000


def kind_of_object(path: Path) -> tuple[str, bool]:
    """The SOP class of a DICOM file, "" for none, and whether it seems to be ours; reads a few KB.

    Raises:
        OSError: it can't be read.
    """
    with open_regular(path) as stream:
        head = stream.read(HEAD_BYTES)
    at = head.find(_META_CLASS)
    if head[128:132] != b"DICM" or at < 0:
        return "", False
    length = int.from_bytes(head[at + 6 : at + 8], "little")
    name = head[at + 8 : at + 8 + length].rstrip(b"\0 ").decode("ascii", "replace")
    return name, PRODUCT.encode() in head


def is_report(path: Path) -> bool:
    """Whether ``path`` is a structured report, or a segmentation of ours: to be restored, and not to be opened as an exam."""
    try:
        found, ours = kind_of_object(path) if path.is_file() else ("", False)
    except OSError:
        return False
    return found == SR_CLASS or (found == SEG_CLASS and ours)


def reports_in(folders: Iterable[Path], known: Collection[Path], check: Check = no_check) -> list[Path]:
    """Structured reports that seem to be ours, directly in ``folders``; ``known`` files are not looked at."""
    return [path for path, sop_class in our_objects(folders, known, check) if sop_class == SR_CLASS]


def our_objects(folders: Iterable[Path], known: Collection[Path], check: Check) -> Iterator[tuple[Path, str]]:
    """Files directly in ``folders`` that seem to be ours, with their SOP class; of very many files only the first ones."""
    looked = 0
    for folder in folders:
        try:
            entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
        except OSError:
            continue
        for entry in entries:
            path = Path(entry.path)
            if path in known or looked >= _MOST_FILES:
                continue
            check()
            looked += 1
            try:
                sop_class, ours = kind_of_object(path) if entry.is_file() else ("", False)
            except OSError:
                continue
            if ours:
                yield path, sop_class
