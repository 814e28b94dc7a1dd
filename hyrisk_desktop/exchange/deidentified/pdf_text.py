"""What our own PDF says: its texts, and its streams as they are without compression. No reader of other programs' files."""

from __future__ import annotations

import re
import zlib

_STREAM = re.compile(rb"(?<!end)stream\r?\n")
_CHARACTER = re.compile(rb"<([0-9A-Fa-f]{4})>\s+<([0-9A-Fa-f]{4,16})>")
_RANGE = re.compile(rb"<([0-9A-Fa-f]{4})>\s+<([0-9A-Fa-f]{4})>\s+<([0-9A-Fa-f]{4,16})>")
_SHOWN = re.compile(rb"/F([0-9]+) [0-9.]+ Tf|\(((?:[^()\\]|\\.)*)\)\s*Tj", re.DOTALL)
_ESCAPED = re.compile(rb"\\(.)", re.DOTALL)
_ESCAPES = {b"n": b"\n", b"r": b"\r", b"t": b"\t", b"b": b"\b", b"f": b"\f"}
_IMAGE = b"/Subtype /Image"


def streams_of(pdf: bytes) -> list[bytes]:
    """All streams but those of pictures, inflated where they were deflated."""
    found = []
    for start in _STREAM.finditer(pdf):
        end = pdf.find(b"endstream", start.end())
        described = pdf[pdf.rfind(b" obj", 0, start.start()) : start.start()]
        if end < 0 or _IMAGE in described:
            continue
        data = pdf[start.end() : end]
        try:
            found.append(zlib.decompressobj().decompress(data))
        except zlib.error:
            found.append(data)
    return found


def text_of_pdf(pdf: bytes) -> str:
    """Every shown text, a line each."""
    streams = streams_of(pdf)
    # The fonts F1, F2 ... come in this order, and so do their tables.
    tables = [_table(stream) for stream in streams if b"begincmap" in stream]
    lines = []
    for stream in streams:
        table: dict[int, str] = {}
        for found in _SHOWN.finditer(stream):
            if found[1]:
                number = int(found[1]) - 1
                table = tables[number] if number < len(tables) else {}
                continue
            codes = _ESCAPED.sub(lambda e: _ESCAPES.get(e[1], e[1]), found[2])
            pairs = (int.from_bytes(codes[i : i + 2], "big") for i in range(0, len(codes) - 1, 2))
            lines.append("".join(table.get(code, "") for code in pairs))
    return "\n".join(lines)


def _table(cmap: bytes) -> dict[int, str]:
    """Glyph code -> text, of a ToUnicode stream."""
    table = {}
    for block in re.findall(rb"beginbfchar(.*?)endbfchar", cmap, re.DOTALL):
        for code, text in _CHARACTER.findall(block):
            table[int(code, 16)] = bytes.fromhex(text.decode()).decode("utf-16-be", "replace")
    for block in re.findall(rb"beginbfrange(.*?)endbfrange", cmap, re.DOTALL):
        for first, last, text in _RANGE.findall(block):
            for step in range(int(last, 16) - int(first, 16) + 1):
                table[int(first, 16) + step] = chr(int(text, 16) + step)
    return table
