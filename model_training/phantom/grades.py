"""Reference pictures of the four visual grades of coronary calcification, drawn from phantoms."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hyrisk_desktop.files import replace_file
from model_training.phantom.render import make_phantom, render

GRADE_SEEDS = (50817, 54728, 58429, 91543)
"""The phantoms shown for grades none, minimal, moderate and severe: male, average build, standard kernel."""

SIDE = 256
SLICES = 5
_CALCIUM_HU = 130
_WINDOW = (-160.0, 240.0)
"""Soft-tissue window 400/40, HU."""


def grade_picture(seed: int) -> NDArray[np.uint8]:
    """A [256, 256] picture of the heart round the click: the slice with most calcium of five, soft-tissue window."""
    phantom = make_phantom(seed)
    # Resampling nothing: the crop is 256 pixels wide whatever their size, about 180 mm.
    slab = render(phantom, phantom.grid(SIDE + 1, SIDE + 1, SLICES))[:, :SIDE, :SIDE]
    heart = slice(SIDE // 2 - 45, SIDE // 2 + 45)
    hu = slab[int(np.argmax((slab[:, heart, heart] >= _CALCIUM_HU).sum(axis=(1, 2))))]
    low, high = _WINDOW
    grey: NDArray[np.uint8] = np.rint(np.clip((hu - low) / (high - low), 0, 1) * 255).astype(np.uint8)
    return grey


def write_grades(directory: Path) -> None:
    """Write ``grade0.png`` to ``grade3.png``."""
    directory.mkdir(parents=True, exist_ok=True)
    for grade, seed in enumerate(GRADE_SEEDS):
        replace_file(directory / f"grade{grade}.png", png_bytes(grade_picture(seed)))


def png_bytes(grey: NDArray[np.uint8]) -> bytes:
    """An 8-bit grey PNG (ISO/IEC 15948) of a picture [rows, columns], with a note that it is synthetic."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows, columns = grey.shape
    header = struct.pack(">IIBBBBB", columns, rows, 8, 0, 0, 0, 0)
    lines = b"".join(b"\0" + row.tobytes() for row in grey)
    note = b"Comment\0Synthetic phantom of HyRisk Desktop; no patient."
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"tEXt", note)
        + chunk(b"IDAT", zlib.compress(lines, 9))
        + chunk(b"IEND", b"")
    )
