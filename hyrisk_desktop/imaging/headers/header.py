"""What is known of one file's header, and the two ways in which a file has none."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from hyrisk_desktop.imaging.headers.tag_numbers import TAGS

_BINARY = frozenset(
    TAGS[k]
    for k in ("SamplesPerPixel", "Rows", "Columns", "BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation")
)

IMPLICIT_LE = "1.2.840.10008.1.2"
EXPLICIT_LE = "1.2.840.10008.1.2.1"
DEFLATED_LE = "1.2.840.10008.1.2.1.99"
EXPLICIT_BE = "1.2.840.10008.1.2.2"
NATIVE_SYNTAXES = frozenset((IMPLICIT_LE, EXPLICIT_LE, DEFLATED_LE, EXPLICIT_BE))


class NotDicom(Exception):
    """The file does not begin like DICOM."""


class BadHeader(Exception):
    """The file begins like DICOM, but its header is damaged, hostile or too large."""


class Header(NamedTuple):
    """What the walker found in one file (a tuple, as those are the quickest to make by the hundred).

    Attributes:
        path: the file.
        size: its length in bytes, and ``mtime_ns`` its time, to notice a file that changed since.
        syntax: transfer syntax UID.
        explicit: whether the data set was found to carry VRs.
        values: raw bytes of each found tag of `TAGS`, by tag number.
        pixel_offset: where the pixel data's value begins (in the inflated stream for the deflated syntax), or -1.
        pixel_length: its length in bytes, or -1 where it is encapsulated.
        disordered: some elements are out of order, or there twice with the same value.
    """

    path: Path
    size: int
    mtime_ns: int
    syntax: str
    explicit: bool
    values: Mapping[int, bytes]
    pixel_offset: int
    pixel_length: int
    disordered: bool = False

    @property
    def big_endian(self) -> bool:
        """Whether numbers are big endian."""
        return self.syntax == EXPLICIT_BE

    def raw(self, keyword: str) -> bytes:
        """The value without padding, or b"" where the tag is absent or empty."""
        return self.values.get(TAGS[keyword], b"").strip(b" \0")

    def text(self, keyword: str) -> str:
        """The value as text for comparing and parsing; latin-1, so never for showing names."""
        return self.raw(keyword).decode("latin-1")

    def number(self, keyword: str) -> int | None:
        """An unsigned 16-bit value (Rows, BitsStored ...) or an integer string; None where absent or unreadable."""
        if (tag := TAGS[keyword]) in _BINARY:
            value = self.values.get(tag, b"")
            return struct.unpack(">H" if self.big_endian else "<H", value[:2])[0] if len(value) >= 2 else None
        try:
            return int(float(self.raw(keyword)))
        except (ValueError, OverflowError):
            return None

    def floats(self, keyword: str) -> tuple[float, ...]:
        """A multi-valued decimal string; () where absent or unreadable."""
        raw = self.values.get(TAGS[keyword], b"")
        try:
            return tuple(map(float, raw.rstrip(b" \0").split(b"\\"))) if raw.strip(b" \0") else ()
        except ValueError:
            return ()

    def words(self, keyword: str) -> tuple[str, ...]:
        """A multi-valued code string in capitals, such as ImageType."""
        text = self.text(keyword).upper()
        return tuple(part.strip() for part in text.split("\\")) if text else ()
