"""Uncompressed pixels: from bytes in a file to HU in a preallocated volume."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hyrisk_desktop.errors import ExamError
from hyrisk_desktop.i18n import tr
from hyrisk_desktop.imaging.headers.header import DEFLATED_LE, EXPLICIT_LE, IMPLICIT_LE, BadHeader, Header
from hyrisk_desktop.imaging.headers.tag_numbers import TAGS
from hyrisk_desktop.imaging.headers.tags import OPEN_FLAGS, inflate
from hyrisk_desktop.imaging.pixels.padding import AIR_HU, Padding, make_air, padding_in_hu
from hyrisk_desktop.imaging.slices import truncated

_SLOPE, _INTERCEPT = TAGS["RescaleSlope"], TAGS["RescaleIntercept"]


class Changed(Exception):
    """A file changed between finding and reading."""


class OutOfRange(Exception):
    """A HU value that int16 can't hold; the volume has to be float32."""


def rescale_of(header: Header) -> tuple[float, float]:
    """Slope and intercept of a slice (1 and 0 where absent)."""
    slope, intercept = header.floats("RescaleSlope"), header.floats("RescaleIntercept")
    return (slope or (1.0,))[0], (intercept or (0.0,))[0]


def all_whole(headers: Sequence[Header]) -> bool:
    """Whether the slopes and intercepts of all slices keep whole numbers whole."""
    distinct = {(h.values.get(_SLOPE), h.values.get(_INTERCEPT)): h for h in headers}
    return all(value.is_integer() for h in distinct.values() for value in rescale_of(h))


@dataclass(frozen=True, slots=True)
class Recipe:
    """How the stored values of a slice become HU; the same for most slices of a series.

    ``safe`` tells that no value within ``allowed`` can leave int16, so that the pixels needn't be looked at for it.
    ``padding`` is the rule for HU.
    """

    plain: bool
    signed: bool
    allowed: tuple[int, int] | None
    slope: float
    intercept: float
    safe: bool
    padding: Padding


_RECIPE_TAGS = tuple(
    TAGS[k]
    for k in (
        "BitsAllocated",
        "BitsStored",
        "HighBit",
        "PixelRepresentation",
        "RescaleSlope",
        "RescaleIntercept",
        "PixelPaddingValue",
        "PixelPaddingRangeLimit",
    )
)


def recipe_of(header: Header, known: dict[tuple[object, ...], Recipe]) -> Recipe:
    """The recipe of a slice, from ``known`` where a slice like it came before."""
    key = (header.syntax, *map(header.values.get, _RECIPE_TAGS))
    if (recipe := known.get(key)) is None:
        signed = header.number("PixelRepresentation") == 1
        allowed, (slope, intercept) = _allowed_range(header, signed), rescale_of(header)
        safe = allowed is not None and all(-32768 <= end * slope + intercept <= 32767 for end in allowed)
        plain = header.number("BitsAllocated") == 16 and header.syntax in (IMPLICIT_LE, EXPLICIT_LE) and slope > 0
        padding = padding_of(header, slope, intercept)
        recipe = known[key] = Recipe(plain, signed, allowed, slope, intercept, safe, padding)
    return recipe


def padding_of(header: Header, slope: float, intercept: float) -> Padding:
    """The rule for the padding of a file's pixels in HU.

    The tags are read as the pixels are, signed or not, whatever VR they were written with (both are 16 bits).
    """
    signed = header.number("PixelRepresentation") == 1
    tags: list[int] = []
    for keyword in ("PixelPaddingValue", "PixelPaddingRangeLimit"):
        raw = header.values.get(TAGS[keyword], b"")
        if len(raw) not in (2, 4):
            break
        tags.append(int.from_bytes(raw, "big" if header.big_endian else "little", signed=signed))
    bits = header.number("BitsStored") or header.number("BitsAllocated") or 16
    return padding_in_hu(tuple(tags), slope, intercept, unsigned_bits=None if signed else bits)


def read_native_slices(headers: Sequence[Header], target: NDArray[Any], recipe: Recipe) -> bool:
    """Read uncompressed frames of one recipe into ``target`` [slice, row, column] (int16 or float32, contiguous) as HU.

    Returns:
        Whether there was padding; it is air now.

    Raises:
        OutOfRange: int16 can't hold a value.
        Changed: a file is another one than when its header was read.
        ExamError: a file is shorter than its header says.
        OSError: it can't be read.
    """
    if recipe.plain and target.dtype == np.int16 and sys.byteorder == "little":
        for header, frame in zip(headers, target, strict=True):
            _read_bytes(header, frame.data.cast("B"))
        # All frames at once: each pass gives up the interpreter's lock, and getting it back may mean to wait for it.
        stored = target if recipe.signed else target.view(np.uint16)
        return _plain_to_hu(headers[0], stored, target, recipe)
    padded = False
    for header, frame in zip(headers, target, strict=True):
        stored = _stored_values(header)
        outside = tagged_in_stored(stored, recipe.padding, recipe.slope, recipe.intercept)
        _clean_unused_bits(header, stored, recipe.allowed)
        padded |= apply_rescale(stored, frame, recipe.slope, recipe.intercept, recipe.padding, outside)
    return padded


def tagged_in_stored(
    stored: NDArray[Any], padding: Padding, slope: float, intercept: float
) -> NDArray[np.bool_] | None:
    """Where stored values are padding that only their unused bits may tell from tissue; call it before these are cleared.

    Args:
        stored: values [z, y, x] or [y, x]. padding: the rule in HU. slope, intercept: to HU.
    """
    return padding.in_stored(slope, intercept).tagged(stored) if slope > 0 else None


def _plain_to_hu(header: Header, stored: NDArray[Any], target: NDArray[Any], recipe: Recipe) -> bool:
    """HU in the memory of the stored values; padding is taken out of them first, so that it can't force a wider type."""
    rule = recipe.padding.in_stored(recipe.slope, recipe.intercept)
    outside = rule.tagged(stored)
    limits = np.iinfo(stored.dtype)
    harmless = min(max(round((AIR_HU - recipe.intercept) / recipe.slope), limits.min), limits.max)
    if outside is not None:
        np.copyto(stored, harmless, where=outside, casting="unsafe")
    _clean_unused_bits(header, stored, recipe.allowed)
    if (low := rule.below(stored)) is not None:
        np.copyto(stored, harmless, where=low, casting="unsafe")
        outside = low if outside is None else outside | low
    _rescale_in_place(stored, target, recipe)
    if outside is None or not outside.any():
        return False
    np.copyto(target, AIR_HU, where=outside)
    return True


def _read_bytes(header: Header, target: memoryview) -> None:
    """Fill ``target`` from the file's pixel data; refuse a file that changed since its header was read."""
    descriptor = os.open(header.path, OPEN_FLAGS)
    try:
        status = os.fstat(descriptor)
        if (status.st_size, status.st_mtime_ns) != (header.size, header.mtime_ns):
            raise Changed
        if hasattr(os, "preadv"):
            count = os.preadv(descriptor, [target], header.pixel_offset)
        else:
            with open(os.dup(descriptor), "rb", buffering=0) as stream:
                stream.seek(header.pixel_offset)
                count = stream.readinto(target)
        if count != len(target):
            raise truncated(header)
    finally:
        os.close(descriptor)


def _stored_values(header: Header) -> NDArray[Any]:
    """Stored values of the frame(s) as a writable flat-to-2D array of their own type."""
    rows, columns, bits = (header.number(k) or 0 for k in ("Rows", "Columns", "BitsAllocated"))
    kind = "i" if header.number("PixelRepresentation") == 1 else "u"
    dtype = np.dtype(f"{'>' if header.big_endian else '<'}{kind}{bits // 8}")
    frames = max(header.number("NumberOfFrames") or 1, 1)
    raw = bytearray(rows * columns * frames * dtype.itemsize)
    if header.syntax == DEFLATED_LE:
        try:
            data = inflate(header, header.pixel_offset + len(raw))
        except BadHeader:
            raise truncated(header) from None
        if len(data) < header.pixel_offset + len(raw):
            raise truncated(header)
        raw[:] = data[header.pixel_offset :]
    else:
        _read_bytes(header, memoryview(raw))
    values = np.frombuffer(raw, dtype).reshape((rows, columns) if frames == 1 else (frames, rows, columns))
    return values.astype(dtype.newbyteorder("="), copy=False)


def read_native_frames(
    header: Header, padding: Padding, rescale: Sequence[tuple[float, float]]
) -> tuple[NDArray[Any], list[NDArray[np.bool_] | None]]:
    """Stored values [frame, row, column] of an uncompressed multi-frame file, and where each frame holds padding.

    Args:
        rescale: slope and intercept of each frame, in the file's order.
    """
    values = _stored_values(header)
    values = values.reshape((-1, *values.shape[-2:]))
    outside = [tagged_in_stored(frame, padding, *scale) for frame, scale in zip(values, rescale, strict=True)]
    _clean_unused_bits(header, values, _allowed_range(header, values.dtype.kind == "i"))
    return values, outside


def _allowed_range(header: Header, signed: bool) -> tuple[int, int] | None:
    """Least and greatest value of BitsStored bits; None where all bits are in use."""
    allocated = header.number("BitsAllocated") or 16
    bits = header.number("BitsStored") or allocated
    if bits >= allocated:
        return None
    return (-(1 << bits - 1), (1 << bits - 1) - 1) if signed else (0, (1 << bits) - 1)


def _clean_unused_bits(header: Header, stored: NDArray[Any], allowed: tuple[int, int] | None) -> None:
    """Clear what lies outside BitsStored (old overlays), as GDCM does; sign-extend signed values."""
    if allowed is None:
        return
    above_low = stored.dtype.kind == "u" or int(stored.min()) >= allowed[0]
    if above_low and int(stored.max()) <= allowed[1]:
        return
    allocated = header.number("BitsAllocated") or 16
    bits = header.number("BitsStored") or allocated
    shift = allocated - bits
    if (header.number("HighBit") or bits - 1) != bits - 1:
        raise ExamError(
            "bad_matrix", tr("The file {name} describes its image wrongly. Export it again.", name=header.path.name)
        )
    np.left_shift(stored, shift, out=stored)
    np.right_shift(stored, shift, out=stored)


def _rescale_in_place(stored: NDArray[Any], target: NDArray[Any], recipe: Recipe) -> None:
    """HU in the memory of the stored values themselves: no second array, one pass in the cache."""
    slope, intercept = recipe.slope, recipe.intercept
    if stored is target and slope == 1 and intercept == 0:
        return
    if not recipe.safe:
        _check_range(stored, slope, intercept)
    # Modulo 2**16 the steps may wrap on the way; the result can't, as its ends were checked.
    if slope != 1:
        np.multiply(target, np.int16(_wrapped(slope)), out=target)
    if intercept:
        np.add(target, np.int16(_wrapped(intercept)), out=target)


def _check_range(stored: NDArray[Any], slope: float, intercept: float) -> None:
    """Raise OutOfRange where int16 can't hold the HU of these stored values."""
    # One pass over the pixels instead of two where the other end can't leave the range anyway.
    unsigned = stored.dtype.kind == "u"
    low = 0 if unsigned and abs(intercept) <= 32768 else int(stored.min())
    high = 32767 if not unsigned and slope == 1 and -65535 < intercept <= 0 else int(stored.max())
    ends = (low * slope + intercept, high * slope + intercept)
    if min(ends) < -32768 or max(ends) > 32767:
        raise OutOfRange


def _wrapped(value: float) -> int:
    return (int(value) + 32768) % 65536 - 32768


def apply_rescale(
    stored: NDArray[Any],
    target: NDArray[Any],
    slope: float,
    intercept: float,
    padding: Padding,
    outside: NDArray[np.bool_] | None = None,
) -> bool:
    """Write ``stored * slope + intercept`` to ``target``, padding as air.

    Args:
        stored, target: of the same shape, [y, x] or [z, y, x]. slope, intercept: to HU. padding: the rule.
        outside: where padding was seen already.

    Returns:
        Whether there was padding.

    Raises:
        OutOfRange: int16 can't hold a value.
    """
    values = stored.astype(np.float64) * slope + intercept
    if outside is not None:
        values[outside] = AIR_HU
    padded = make_air(values, padding) or outside is not None
    if target.dtype == np.int16 and (values.min() < -32768 or values.max() > 32767):
        raise OutOfRange
    np.copyto(target, values, casting="unsafe")
    return padded
