"""A read as one JSON document, whole: for the audit trail where two states of it met, and for a disk while the store is away."""

from __future__ import annotations

import json
from dataclasses import fields, replace
from typing import Any

from hyrisk_desktop.findings import finding_rows, findings_from
from hyrisk_desktop.imaging import Voxel
from hyrisk_desktop.worklist.notes import notes_from, notes_values
from hyrisk_desktop.worklist.records import Read
from hyrisk_desktop.worklist.row_values import marks_from, marks_values


def read_document(read: Read) -> dict[str, Any]:
    """``read`` as values that JSON has."""
    values = {f.name: getattr(read, f.name) for f in fields(Read)}
    values |= {
        "excluded": sorted(read.excluded), "heart": marks_values(read.heart), "findings": finding_rows(read.findings),
        "notes": notes_values(read.notes),
    }  # fmt: skip
    whole: dict[str, Any] = json.loads(json.dumps(values))
    return whole


def read_from(document: dict[str, Any]) -> Read:
    """Inverse of `read_document`; what it does not know is passed over.

    Raises:
        ValueError, KeyError, TypeError, AttributeError: it is no such document.
    """
    known = {f.name for f in fields(Read)}
    values = {name: value for name, value in document.items() if name in known}
    box = values["box"]
    return replace(
        Read(**values),
        centre=None if values["centre"] is None else _voxel(values["centre"]),
        excluded=frozenset(map(_voxel, values["excluded"])),
        box=None if box is None else (_voxel(box[0]), _voxel(box[1])),
        heart=marks_from(values["heart"]),
        notes=notes_from(values.get("notes")),
        findings=findings_from(values["findings"]),
    )


def _voxel(values: Any) -> Voxel:
    x, y, z = map(int, values)
    return x, y, z
