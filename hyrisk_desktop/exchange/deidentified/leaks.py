"""The export's last check: is any value of the input's headers in what was written?

Everything that the headers of the input say is searched, but for numbers and what the allow-list lets through. That the output
says the same by chance ("Chest CT" is a study's description, and part of our own title) shows in an output without identity.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from pydicom.dataelem import DataElement, RawDataElement
from pydicom.dataset import Dataset
from pydicom.multival import MultiValue

_ENCODINGS = ("utf-8", "latin-1", "utf-16-le", "utf-16-be")
_NUMERIC = frozenset(
    ("DS", "IS", "FD", "FL", "US", "SS", "UL", "SL", "SV", "UV", "AT", "OD", "OF", "OL", "OV", "US or SS")
)
_BINARY = frozenset(("OB", "OW", "UN", "OB or OW"))
_DEFINED_BY_DICOM = "1.2.840.10008."
_IGNORED = frozenset((0x00020000, 0x00020001, 0x00020012, 0x00020013, 0x00080005))  # of the file format itself
_SHORTEST, _SHORTEST_INSIDE, _SHORTEST_UID = 3, 6, 8
_MAX_BINARY, _MAX_DEPTH = 1 << 16, 24
_RUN = re.compile(rb"[\x20-\x7e]{6,}")
# Digits in here are random or measured: a six-digit number would be found among them by chance.
_NOISE = re.compile(r"2\.25\.[0-9]{20,39}|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|[0-9a-f]{20,}"
                    r"|(?<![\d.])\d{1,6}\.\d+(e[+-]?\d+)?(?![\d.])")  # fmt: skip


@dataclass(slots=True)
class Identifiers:
    """Values of the input that must not be in the output, with the attribute that each was found in."""

    found: dict[str, str] = field(default_factory=dict)
    raw: dict[bytes, str] = field(default_factory=dict)

    def add_header(self, header: Dataset) -> None:
        """Take the values of a data set, of its file meta group and preamble, and of all that is nested in it.

        Raises:
            ValueError: it is nested too deeply. Exception: of any kind that pydicom raises on damaged values.
        """
        if meta := getattr(header, "file_meta", None):
            self._add(meta, 0)
        self._add_binary(getattr(header, "preamble", None) or b"", "preamble")
        self._add(header, 0)

    def add_text(self, value: str, where: str) -> None:
        """Take a text that does not come from a header, such as the reader's name."""
        for part in {value, *re.split(r"[\s^,=]+", value)}:
            self._keep(part, where)

    def _add(self, ds: Dataset, depth: int) -> None:
        if depth > _MAX_DEPTH:
            raise ValueError("nested too deeply")
        for tag in list(ds.keys()):
            if int(tag) in _IGNORED:
                continue
            item = ds.get_item(tag)
            raw = item.value if isinstance(item, RawDataElement) else None
            element = ds[tag]
            name = element.keyword or str(element.tag)
            if element.VR == "SQ":
                for nested in element.value:
                    self._add(nested, depth + 1)
            elif element.VR in _BINARY:
                self._add_binary(element.value, name)
            elif element.VR not in _NUMERIC:
                if isinstance(raw, bytes) and element.VR != "UI":
                    # The very bytes too: a wrongly named character set spoils the text.
                    self.raw.update(dict.fromkeys((p.strip(b" \0") for p in raw.split(b"\\")), name))
                for value in element.value if isinstance(element.value, MultiValue | list) else [element.value]:
                    self._add_value(str(value or ""), element.VR, name)

    def _add_binary(self, value: Any, name: str) -> None:
        if isinstance(value, bytes):
            self.raw.update(dict.fromkeys((run.strip() for run in _RUN.findall(value[:_MAX_BINARY])), name))

    def _add_value(self, value: str, vr: str, name: str) -> None:
        if vr == "UI":
            if not value.startswith(_DEFINED_BY_DICOM):
                self._keep(value, name, _SHORTEST_UID)
        elif vr == "PN":
            for form in _forms_of_name(value):
                self._keep(form, name)
        elif vr in ("DA", "DT", "TM"):
            for form in _forms_of_moment(value, vr):
                self._keep(form, name, _SHORTEST_INSIDE)
        else:
            self._keep(value, name)

    def _keep(self, value: str, name: str, shortest: int = _SHORTEST) -> None:
        value = normal(value)
        # A sign of a script that we don't write in says as much as three letters.
        if len(value) >= shortest or len(value.encode()) > max(_SHORTEST, len(value)):
            self.found.setdefault(value, name)


def normal(text: str) -> str:
    """One form for all ways of writing a text: case, width and composition of signs, and white space."""
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def _forms_of_name(value: str) -> Iterator[str]:
    for group in value.split("="):
        parts = [part.strip() for part in group.split("^") if part.strip()]
        yield group
        yield from parts
        yield from (word for part in parts for word in part.split())
        if len(parts) > 1:
            last, first = parts[:2]
            yield from (f"{last}, {first}", f"{last} {first}", f"{first} {last}", f"{last}{first}", f"{first}{last}")


def _forms_of_moment(value: str, vr: str) -> Iterator[str]:
    yield value
    digits = value.replace(".", "").replace(":", "") if vr == "DA" else value.replace(":", "")
    if vr in ("DA", "DT") and re.match(r"\d{8}", digits):
        y, m, d = digits[:4], digits[4:6], digits[6:8]
        yield from (f"{y}{m}{d}", f"{y}-{m}-{d}", f"{y}/{m}/{d}", f"{d}.{m}.{y}", f"{d}/{m}/{y}", f"{m}/{d}/{y}")
        digits = digits[8:] if vr == "DT" else ""
    if vr in ("TM", "DT") and re.match(r"\d{6}", digits):
        yield from (digits[:6], f"{digits[:2]}:{digits[2:4]}:{digits[4:6]}")


@dataclass(frozen=True, slots=True)
class Haystack:
    """What was written: texts as they were parsed, and bytes as they lie in the files."""

    texts: tuple[str, ...] = ()
    data: tuple[bytes, ...] = ()

    def holds(self, identifiers: Identifiers) -> dict[str, str]:
        """The identifiers that are in it, as {value: attribute}; bytes as text of latin-1."""
        # NUL parts texts and files: the end of one and the beginning of the next name nobody together.
        text = "\0".join(map(normal, self.texts))
        # Latin-1 gives each byte one character, so that one search serves both.
        data = b"\0".join(self.data).decode("latin-1").lower()
        quiet_text, quiet_data = _NOISE.sub(" ", text), _NOISE.sub(" ", data)
        held = {}
        for value, name in identifiers.found.items():
            noisy = _NOISE.fullmatch(value) is not None
            if _is_in(value, text if noisy else quiet_text) or _is_in_bytes(value, data if noisy else quiet_data):
                held[value] = name
        for raw, name in identifiers.raw.items():
            value = raw.decode("latin-1").lower()
            if len(value) >= _SHORTEST_INSIDE and _inside(value, quiet_data):
                held.setdefault(value, name)
        return held


def _is_in(value: str, text: str) -> bool:
    if value not in text:
        return False
    if len(value) >= _SHORTEST_INSIDE and not value.isdigit():
        return True
    return _inside(value, text)


def _inside(value: str, text: str) -> bool:
    """Whether it is there by itself: short words are parts of others, and numbers of longer numbers."""
    sign = r"\d" if value.isdigit() else r"[^\W_]" if len(value) < _SHORTEST_INSIDE else r"(?!)"
    return (
        re.search(f"(?<!{sign}){re.escape(value)}(?!{sign})" if sign != "(?!)" else re.escape(value), text) is not None
    )


def _is_in_bytes(value: str, data: str) -> bool:
    for encoding in _ENCODINGS:
        try:
            coded = value.encode(encoding).decode("latin-1")
        except UnicodeEncodeError:
            continue
        if len(coded) >= _SHORTEST_INSIDE and coded in data and (not value.isdigit() or _inside(coded, data)):
            return True
    return False


def texts_of(ds: Dataset) -> Iterator[str]:
    """Every value of a data set as text, nested ones and the file meta group's too."""
    if meta := getattr(ds, "file_meta", None):
        yield from texts_of(meta)
    for element in ds:
        if element.VR == "SQ":
            for item in element.value:
                yield from texts_of(item)
        elif element.VR not in _BINARY:
            yield from values_of(element)


def values_of(element: DataElement) -> Iterator[str]:
    """The values of an element as texts."""
    several = element.value if isinstance(element.value, MultiValue | list) else [element.value]
    yield from (str(value) for value in several)


def strings_of(document: Any) -> Iterator[str]:
    """Every string and key of a JSON document."""
    if isinstance(document, Mapping):
        for key, value in document.items():
            yield str(key)
            yield from strings_of(value)
    elif isinstance(document, str):
        yield document
    elif isinstance(document, Iterable):
        for value in document:
            yield from strings_of(value)
    elif document is not None:
        yield str(document)
