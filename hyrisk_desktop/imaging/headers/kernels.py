"""How sharp a reconstruction kernel is, from the names that manufacturers give them.

Sharp kernels raise noise and blooming: they turn noise into counted calcium. The tables follow the names in the
manufacturers' DICOM conformance statements and the kernels that NLST called soft (B30f, STANDARD, C, FC10) and
sharp (B50f and above, BONE, LUNG, D, FC51).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_SHARP_ABOVE = 0.55
_UNKNOWN = 0.5

_WORDS: tuple[tuple[str, float], ...] = (
    ("BONEPLUS", 0.95),
    ("BONE", 0.85),
    ("ULTRA", 0.95),
    ("EDGE", 0.95),
    ("VSHARP", 0.95),
    ("LUNG", 0.8),
    ("SHARP", 0.75),
    ("HRES", 0.85),
    ("HIGH", 0.8),
    ("CHST", 0.6),
    ("CHEST", 0.6),
    ("DETAIL", 0.5),
    ("STANDARD", 0.3),
    ("STND", 0.3),
    ("CARDIAC", 0.3),
    ("BODY", 0.3),
    ("SMOOTH", 0.15),
    ("SOFT", 0.2),
)
_PHILIPS = {
    "A": 0.15,
    "B": 0.25,
    "C": 0.35,
    "D": 0.7,
    "E": 0.85,
    "F": 0.85,
    "L": 0.8,
    "YA": 0.7,
    "YB": 0.75,
    "YC": 0.85,
}
_PHILIPS |= {"YD": 0.9, "CA": 0.2, "CB": 0.3, "CC": 0.4, "CD": 0.6, "XCA": 0.2, "XCB": 0.3, "XCC": 0.4, "XCD": 0.6}
_PHILIPS |= {"UA": 0.15, "UB": 0.25, "UC": 0.35, "SA": 0.2, "SB": 0.3, "SC": 0.4}
_SIEMENS = re.compile(r"^(?:B|BR|BF|BL|BV|BP|D|H|HR|HC|HF|I|J|Q|QR|S|SA|T|U|V|UR)(\d{2})[A-Z]*\d?$")
_TOSHIBA = re.compile(r"^FC(\d{2})")


@dataclass(frozen=True, slots=True)
class Kernel:
    """A kernel's sharpness: 0 softest to 1 sharpest, and ``known`` tells whether the name was recognised."""

    sharpness: float
    known: bool

    @property
    def sharp(self) -> bool:
        """Whether noise and blooming of this kernel distort calcium scores."""
        return self.known and self.sharpness > _SHARP_ABOVE


def kernel_of(name: str, manufacturer: str = "") -> Kernel:
    """Judge a ConvolutionKernel; of several values the first counts (Siemens adds a second for iterations)."""
    word = name.split("\\")[0].strip().upper().replace(" ", "_")
    maker = manufacturer.upper()
    if match := _TOSHIBA.match(word):
        return Kernel(_toshiba(int(match[1])), True)
    if word in _PHILIPS and ("PHILIPS" in maker or not maker):
        return Kernel(_PHILIPS[word], True)
    for part, sharpness in _WORDS:
        if part in word:
            return Kernel(sharpness, True)
    if (match := _SIEMENS.match(word)) and "PHILIPS" not in maker:
        # The number grows with the 50 % point of the transfer function: 30 soft, 40 medium, 50 and above sharp.
        return Kernel(min(max((int(match[1]) - 10) / 70, 0.0), 1.0) if int(match[1]) < 50 else 0.8, True)
    return Kernel(_UNKNOWN, False)


def _toshiba(number: int) -> float:
    if number < 20:
        return 0.25 + 0.01 * (number % 10)
    if number < 30:
        return 0.3  # head kernels
    if number < 40:
        return 0.8  # inner ear and bone
    if number < 50:
        return 0.35  # cardiac
    if number < 60:
        return 0.8  # lung; NLST's sharp FC51
    return 0.85 if number >= 80 else 0.5
