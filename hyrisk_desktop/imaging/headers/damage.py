"""What pydicom raises on damaged or hostile input."""

from __future__ import annotations

import struct
import zlib


def parsing_errors() -> tuple[type[Exception], ...]:
    """For ``except parsing_errors():``, which asks only once something was raised, when pydicom is imported anyway.

    A parser of untrusted bytes fails wherever the bytes take it: a length that is no number, a text in no encoding, a tag
    that is not there, nesting without end; broken XML is a SyntaxError. What is not among these is our own mistake and stays visible.
    """
    from pydicom.errors import BytesLengthException, InvalidDicomError

    return (
        InvalidDicomError, BytesLengthException, ArithmeticError, AssertionError, AttributeError, EOFError, LookupError, MemoryError, OSError,
        RuntimeError, StopIteration, SyntaxError, TypeError, ValueError, Warning, struct.error, zlib.error,
    )  # fmt: skip
