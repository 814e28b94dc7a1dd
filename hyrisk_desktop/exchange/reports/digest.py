"""A hash of what an object of ours says, stored in it: a changed one is noticed.

It is no signature, and covers neither patient nor study: an archive may correct a name or a number there, and whoever
means to deceive can compute the hash anew. It finds the edited, the cut and the damaged.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from typing import Any

from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.multival import MultiValue
from pydicom.tag import Tag


def content_digest(ds: Dataset, keywords: Iterable[str]) -> str:
    """SHA-256 over these top-level attributes and all below them.

    It is the same for every transfer syntax and character set that keeps the values.
    """
    part = [_element(ds[tag]) for tag in sorted(Tag(k) for k in keywords) if tag in ds]
    return hashlib.sha256(json.dumps(part, ensure_ascii=True, separators=(",", ":")).encode()).hexdigest()


def _dataset(ds: Dataset) -> list[Any]:
    return [_element(element) for element in ds if not _empty(element)]


def _empty(element: DataElement) -> bool:
    return element.value is None or (hasattr(element.value, "__len__") and len(element.value) == 0)


def _element(element: DataElement) -> list[Any]:
    if element.VR == "SQ":
        return [int(element.tag), [_dataset(item) for item in element.value]]
    values = element.value if isinstance(element.value, MultiValue | list) else [element.value]
    return [int(element.tag), [_value(element.VR, value) for value in values]]


def _value(vr: str, value: Any) -> str:
    if isinstance(value, bytes):
        return hashlib.sha256(value).hexdigest()
    if vr in ("DS", "FD", "FL"):
        return repr(float(value))
    # Padding and the kind of line ends are not what a text says.
    return "\n".join(line.rstrip(" \0") for line in str(value).splitlines()).rstrip()
