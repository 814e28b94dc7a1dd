"""What a reader notes in an exam beside the judgement: key images with a sentence each, and measures that are kept."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from hyrisk_desktop.i18n import decimal
from hyrisk_desktop.imaging import CTVolume

Place = tuple[float, float, float]
MOST_IMAGES, MOST_MARKS, LONGEST_NOTE = 24, 60, 200
PROBE_MM = 5.0
"""Radius of a probe's disc."""


@dataclass(frozen=True, slots=True)
class KeyImage:
    """An axial slice that shows what matters.

    Attributes:
        z: the slice. note: the reader's sentence, "" for none. level, width: the window then, in HU.
    """

    z: int
    note: str = ""
    level: float = 40.0
    width: float = 400.0


@dataclass(frozen=True, slots=True)
class KeptMark:
    """A length, or a disc whose HU were measured, in an axial slice.

    Attributes:
        z: the slice. start, end: both ends (x, y) in voxels and parts of them; the same for a disc around it.
    """

    z: int
    start: tuple[float, float]
    end: tuple[float, float]

    @property
    def is_probe(self) -> bool:
        """Whether it is a disc."""
        return self.start == self.end

    def text(self, volume: CTVolume) -> str:
        """What it measures in ``volume``: ``12.3 mm``, or mean and SD of HU."""
        if not self.is_probe:
            x, y = (abs(a - b) * mm for a, b, mm in zip(self.start, self.end, volume.spacing_mm, strict=False))
            return f"{decimal(math.hypot(x, y), '.1f')} mm"
        values = disc_hu(volume, round(self.start[0]), round(self.start[1]), self.z)
        return f"{values.mean():.0f} ± {values.std():.0f} HU"


@dataclass(frozen=True, slots=True)
class Notes:
    """All of one read, key images by slice."""

    key_images: tuple[KeyImage, ...] = ()
    marks: tuple[KeptMark, ...] = ()

    def image_of(self, z: int) -> KeyImage | None:
        """The key image of a slice."""
        return next((image for image in self.key_images if image.z == z), None)

    def with_image(self, image: KeyImage) -> Notes:
        """With another key image of its slice; the same where there are too many."""
        others = [one for one in self.key_images if one.z != image.z]
        if len(others) >= MOST_IMAGES:
            return self
        return replace(self, key_images=tuple(sorted([*others, image], key=lambda one: one.z)))

    def without_image(self, z: int) -> Notes:
        """Without the key image of a slice."""
        return replace(self, key_images=tuple(one for one in self.key_images if one.z != z))

    def with_mark(self, mark: KeptMark) -> Notes:
        """With one more measure, the oldest of too many going."""
        return replace(self, marks=(*self.marks, mark)[-MOST_MARKS:])


NO_NOTES = Notes()


def disc_hu(volume: CTVolume, x: int, y: int, z: int) -> Any:
    """HU [n] of the disc of `PROBE_MM` around a voxel of its slice, as far as that lies in the volume.

    Args:
        volume: whose HU. x, y, z: the voxel.
    """
    rx, ry = (max(1, round(PROBE_MM / mm)) for mm in volume.spacing_mm[:2])
    top, left = max(0, y - ry), max(0, x - rx)
    part = volume.hu[z, top : y + ry + 1, left : x + rx + 1]
    rows, columns = np.ogrid[top : top + part.shape[0], left : left + part.shape[1]]
    return part[((rows - y) / ry) ** 2 + ((columns - x) / rx) ** 2 <= 1.0]


def notes_values(notes: Notes) -> dict[str, Any]:
    """As JSON types."""
    return {
        "key_images": [[image.z, image.note, image.level, image.width] for image in notes.key_images],
        "marks": [[mark.z, *mark.start, *mark.end] for mark in notes.marks],
    }


def notes_from(values: dict[str, Any] | None) -> Notes:
    """Inverse of `notes_values`; nothing for None."""
    if not values:
        return NO_NOTES
    images = tuple(
        KeyImage(int(z), str(note), float(level), float(width)) for z, note, level, width in values["key_images"]
    )
    marks = tuple(KeptMark(int(z), (float(a), float(b)), (float(c), float(d))) for z, a, b, c, d in values["marks"])
    return Notes(images, marks)
