"""A small walker over raw DICOM headers: it finds a few tags and the pixel data, and nothing else.

pydicom needs milliseconds for a header, this needs some tens of microseconds, which is what lets 400 slices open in
about the time of reading their bytes. It never recurses, so a hostile nesting can't exhaust the stack, and it stops
at caps on depth, elements and header size.
"""

from __future__ import annotations

import os
import stat
import struct
import zlib
from dataclasses import dataclass, field
from pathlib import Path

from hyrisk_desktop.imaging.headers.header import (
    DEFLATED_LE,
    EXPLICIT_BE,
    EXPLICIT_LE,
    IMPLICIT_LE,
    BadHeader,
    Header,
    NotDicom,
)
from hyrisk_desktop.imaging.headers.layout import Layouts
from hyrisk_desktop.imaging.headers.tag_numbers import TAGS
from hyrisk_desktop.regular_files import open_regular

MAX_HEADER_BYTES = 32 << 20
_MAX_INFLATED_HEADER = 4 << 20
MAX_DEPTH = 24
MAX_ELEMENTS = 200_000
_READ_STEPS = (1 << 12, 1 << 14, 1 << 16, 1 << 20, MAX_HEADER_BYTES)
# Not blocking: what was a file when it was listed may be a pipe by now.
OPEN_FLAGS = os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_NONBLOCK", 0)

_WANTED = frozenset(TAGS.values())
_LONG_VRS = frozenset((b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"SV", b"UC", b"UN", b"UR", b"UT", b"UV"))
_SHORT_VRS = frozenset(
    (
        b"ST",
        b"TM",
        b"UI",
        b"UL",
        b"US",
        b"AE",
        b"AS",
        b"AT",
        b"CS",
        b"DA",
        b"DS",
        b"DT",
        b"FD",
        b"FL",
        b"IS",
        b"LO",
        b"LT",
        b"PN",
        b"SH",
        b"SL",
        b"SS",
    )
)
_MERE_TEXTS = frozenset(
    TAGS[k] for k in ("SeriesDescription", "DerivationDescription", "BodyPartExamined", "SpecificCharacterSet")
)
_MAX_DISORDER = 64
_VRS = _LONG_VRS | _SHORT_VRS
_SYNTAX = TAGS["TransferSyntaxUID"]
_PIXEL_DATA = 0x7FE00010
_ITEM, _ITEM_END, _SEQUENCE_END = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD
_ENDS = (_ITEM_END, _SEQUENCE_END)
_UNDEFINED = 0xFFFFFFFF

_UNPACK = {
    big: tuple(struct.Struct(order + layout).unpack_from for layout in ("HH2sH", "I", "HHI"))
    for big, order in ((False, "<"), (True, ">"))
}


class _NeedMore(Exception):
    """The header goes on behind the bytes at hand."""


@dataclass(slots=True)
class _Trace:
    """What a walk passed: the bytes that steered it, and where the wanted values lie (begin and end of each)."""

    steering: list[tuple[int, int]] = field(default_factory=list)
    wanted: list[tuple[int, int, int]] = field(default_factory=list)
    disorder: int = 0

    def values(self, buffer: bytes) -> dict[int, bytes]:
        """The wanted values; of those there twice the first.

        Raises:
            BadHeader: one that matters is there twice with different values.
        """
        if not self.disorder:
            return {tag: buffer[begin:end] for tag, begin, end in self.wanted}
        found: dict[int, bytes] = {}
        for tag, begin, end in self.wanted:
            value = buffer[begin:end]
            if found.setdefault(tag, value).strip(b" \0") != value.strip(b" \0") and tag not in _MERE_TEXTS:
                raise BadHeader("the header contradicts itself")
        return found


def read_header(path: Path, layouts: Layouts | None = None) -> Header:
    """Walk the header of one file.

    Args:
        path: the file.
        layouts: those of the files before it, which make a file of the same layout quicker to read.

    Raises:
        NotDicom: it doesn't begin like DICOM.
        BadHeader: its header is damaged, nested too deeply or too large.
        OSError: it can't be read.
    """
    # The os functions rather than a file object: over hundreds of files the difference is felt.
    descriptor = os.open(path, OPEN_FLAGS)
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise BadHeader("no ordinary file")
        buffer = b""
        for step in _READ_STEPS:
            while len(buffer) < step and (more := os.read(descriptor, step - len(buffer))):
                buffer += more
            whole = len(buffer) >= status.st_size
            if layouts and (match := layouts.match(buffer)):
                known, values = match
                facts = known.syntax, known.explicit, values, known.pixel_offset, known.pixel_length
                return Header(path, status.st_size, status.st_mtime_ns, *facts)
            try:
                return _walk_file(path, buffer, status.st_size, status.st_mtime_ns, layouts, whole=whole)
            except _NeedMore:
                if whole:
                    raise BadHeader("the header ends before the image data") from None
            except (struct.error, IndexError) as e:
                raise BadHeader("the header is damaged") from e
    finally:
        os.close(descriptor)
    raise BadHeader("the header is too large")


def inflate(header: Header, length: int) -> bytes:
    """The first ``length`` bytes of a deflated file's data set; never more, whatever the stream holds.

    Raises:
        BadHeader: the stream is damaged.
    """
    with open_regular(header.path) as stream:
        packed = stream.read()
    start = _walk_meta(packed, _data_start(packed), _Trace())
    try:
        return zlib.decompressobj(-15).decompress(packed[start:], length)
    except zlib.error as e:
        raise BadHeader("the compressed data are damaged") from e


def _walk_file(path: Path, buffer: bytes, size: int, mtime_ns: int, layouts: Layouts | None, *, whole: bool) -> Header:
    begin = _data_start(buffer)
    trace = _Trace()
    trace.steering.append((begin - 4, begin))
    position = _walk_meta(buffer, begin, trace)
    values = trace.values(buffer)
    syntax = values.get(TAGS["TransferSyntaxUID"], b"").strip(b" \0").decode("latin-1")
    if syntax == DEFLATED_LE:
        # Only the header's part is inflated here; the pixels are, under a cap, when they are read.
        try:
            buffer = zlib.decompressobj(-15).decompress(buffer[position:], _MAX_INFLATED_HEADER)
        except zlib.error as e:
            raise BadHeader("the compressed header is damaged") from e
        trace.wanted.clear()
        position, whole = 0, whole or len(buffer) >= _MAX_INFLATED_HEADER
    if len(buffer) < position + 8:
        raise BadHeader("the file holds no data set") if whole else _NeedMore
    explicit = syntax != IMPLICIT_LE
    if syntax != EXPLICIT_BE:
        # Some writers name the wrong one of the two; the bytes themselves tell.
        explicit = buffer[position + 4 : position + 6] in _VRS
        syntax = syntax or (EXPLICIT_LE if explicit else IMPLICIT_LE)
    room = 1 << 40 if syntax == DEFLATED_LE else size
    offset, length = _walk(buffer, position, explicit, syntax == EXPLICIT_BE, trace, whole=whole, size=room)
    values |= trace.values(buffer)
    disordered = bool(trace.disorder)
    if disordered and offset < 0:
        raise BadHeader("the header's elements are out of order")
    if layouts is not None and not disordered and begin >= 4 and offset >= 0 and syntax != DEFLATED_LE:
        layouts.remember(buffer, trace.steering, trace.wanted, syntax, explicit, (offset, length))
    return Header(path, size, mtime_ns, syntax, explicit, values, offset, length, disordered)


def _data_start(buffer: bytes) -> int:
    if buffer[128:132] == b"DICM":
        return 132
    # Without the preamble: only what begins with group 0002 or 0008 and a plausible first element.
    begins = len(buffer) >= 16 and buffer[:2] in (b"\x02\0", b"\x08\0") and buffer[3] == 0
    if begins and (buffer[4:6] in _VRS or struct.unpack_from("<I", buffer, 4)[0] < 256):
        return 0
    raise NotDicom


def _walk_meta(buffer: bytes, position: int, trace: _Trace) -> int:
    """Read group 0002, explicit as the standard says or implicit as some writers do; return where it ends."""
    end = len(buffer)
    for _ in range(1000):
        if position + 8 > end:
            raise _NeedMore
        group, element = struct.unpack_from("<HH", buffer, position)
        if group != 2:
            return position
        vr = buffer[position + 4 : position + 6]
        if vr in _LONG_VRS:
            length, start = struct.unpack_from("<I", buffer, position + 8)[0], position + 12
        elif vr in _SHORT_VRS:
            length, start = struct.unpack_from("<H", buffer, position + 6)[0], position + 8
        else:
            length, start = struct.unpack_from("<I", buffer, position + 4)[0], position + 8
        if length > 1 << 20:
            raise BadHeader("the file's own description is damaged")
        if start + length > end:
            raise _NeedMore
        tag = group << 16 | element
        if tag in _WANTED:
            trace.wanted.append((tag, start, start + length))
        # The transfer syntax steers the walk by its value, the others by their headers alone.
        trace.steering.append((position, start + length if tag == _SYNTAX else start))
        position = start + length
    raise BadHeader("the file's own description is damaged")


def _walk(
    buffer: bytes, position: int, explicit: bool, big: bool, trace: _Trace, *, whole: bool, size: int
) -> tuple[int, int]:
    """Collect the wanted tags up to the pixel data; return the pixel data's offset and length (-1 for unknown)."""
    short, long, plain = _UNPACK[big]
    end = len(buffer)
    steer = trace.steering.append
    last = 0
    for _ in range(MAX_ELEMENTS):
        if position + 8 > end:
            if whole and position == end:
                return -1, -1
            raise _NeedMore
        if explicit:
            group, element, vr, length = short(buffer, position)
            if vr in _SHORT_VRS:
                start = position + 8
            elif vr in _LONG_VRS:
                if position + 12 > end:
                    raise _NeedMore
                (length,) = long(buffer, position + 8)
                start = position + 12
            else:
                raise BadHeader("the header is damaged")
        else:
            group, element, length = plain(buffer, position)
            vr, start = b"", position + 8
        tag = group << 16 | element
        steer((position, start))
        if tag >= _PIXEL_DATA:
            return (start, -1 if length == _UNDEFINED else length) if tag == _PIXEL_DATA else (-1, -1)
        if tag <= last:
            # A few are a careless writer's; more, or what no dictionary knows, are bytes that aren't a header at all.
            trace.disorder += 1
            if trace.disorder > _MAX_DISORDER or not _is_known(tag):
                raise BadHeader("the header's elements are out of order")
        else:
            last = tag
        if length == _UNDEFINED:
            position = _skip_sequence(buffer, start, explicit and vr != b"UN", big, trace)
            continue
        if start + length > size:
            raise BadHeader("the header is damaged")
        if tag in _WANTED:
            if start + length > end:
                raise _NeedMore
            trace.wanted.append((tag, start, start + length))
        position = start + length
    raise BadHeader("the header has too many elements")


def _is_known(tag: int) -> bool:
    """Whether the standard has this element, or it is a maker's own."""
    from pydicom.datadict import dictionary_has_tag

    return bool(tag >> 16 & 1) or tag & 0xFFFF == 0 or dictionary_has_tag(tag)


def _skip_sequence(buffer: bytes, position: int, explicit: bool, big: bool, trace: _Trace) -> int:
    """Step over a sequence of undefined length, without recursion; return the position behind it."""
    order = ">" if big else "<"
    _, _, plain = _UNPACK[big]
    end = len(buffer)
    levels = [explicit]  # one entry per open sequence or item: whether its elements carry VRs
    for _ in range(MAX_ELEMENTS):
        if position + 8 > end:
            raise _NeedMore
        group, element, length = plain(buffer, position)
        tag = group << 16 | element
        start = position + 8
        if tag in _ENDS:
            trace.steering.append((position, start))
            levels.pop()
            position = start
            if not levels:
                return position
            continue
        nested_explicit = levels[-1]
        if tag != _ITEM and levels[-1]:
            vr = buffer[position + 4 : position + 6]
            if vr in _LONG_VRS:
                if position + 12 > end:
                    raise _NeedMore
                length, start = struct.unpack_from(order + "I", buffer, position + 8)[0], position + 12
            elif vr in _SHORT_VRS:
                length = struct.unpack_from(order + "H", buffer, position + 6)[0]
            else:
                raise BadHeader("a sequence in the header is damaged")
            nested_explicit = vr != b"UN"
        trace.steering.append((position, start))
        if length == _UNDEFINED:
            if len(levels) >= MAX_DEPTH:
                raise BadHeader("the header is nested too deeply")
            levels.append(nested_explicit)
            position = start
        else:
            position = start + length
    raise BadHeader("the header has too many elements")
