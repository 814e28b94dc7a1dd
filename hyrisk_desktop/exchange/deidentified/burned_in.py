"""Hints that a CT image holds text in its pixels, which no header tells for sure.

Scanners burn nothing into axial slices. What comes with text are localizers and pages stored as CT, screenshots, and series that
another workstation made; the former are never part of an exam here, so the header's words and the pixels' corners are looked at.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
from pydicom.dataset import Dataset
from pydicom.tag import Tag

from hyrisk_desktop.findings import Finding, Severity
from hyrisk_desktop.i18n import tr
from hyrisk_desktop.imaging import CTVolume
from hyrisk_desktop.imaging.headers.attributes import text_of

_ASKED = ("BurnedInAnnotation", "RecognizableVisualFeatures", "ImageType", "ConversionType")
_BRIGHT_HU, _FEWEST_PIXELS = 1000, 12  # letters are drawn at the top of the scale; air, and a table's edge, are not
_CIRCLE = 1.02


@dataclass(slots=True)
class BurnedIn:
    """What the headers of an exam's images say about text in their pixels."""

    said: Mapping[str, set[str]] = field(default_factory=lambda: {keyword: set() for keyword in _ASKED})

    def add_header(self, header: Dataset) -> None:
        """Take the words of one image."""
        for keyword, words in self.said.items():
            words.add((text_of(header, Tag(keyword)) or "").upper())

    @property
    def certain(self) -> bool:
        """Whether an image says that there is text."""
        return "YES" in self.said["BurnedInAnnotation"]

    def findings(self, volume: CTVolume) -> Iterator[Finding]:
        """Codes: ``burned_in``, ``burned_in_unknown``, ``bright_corners``, ``recognizable``."""
        if self.certain:
            message = tr("The images say that text is burned into their pixels; it was exported with them.")
            yield Finding("burned_in", Severity.WARNING, message)
        elif "" in self.said["BurnedInAnnotation"] and self._made_elsewhere():
            message = tr("These images are not a scanner's own and don't say whether text is burned in. Look at each.")
            yield Finding("burned_in_unknown", Severity.WARNING, message)
        if bright := _bright_corners(volume):
            message = tr(
                "Bright marks in a corner may be burned-in text (images with such marks: {count}). Look at slice {n} (z {z}).",
                count=len(bright),
                n=bright[0] + 1,
                z=bright[0],
            )
            yield Finding("bright_corners", Severity.WARNING, message)
        if "YES" in self.said["RecognizableVisualFeatures"]:
            message = tr("The images say that a face could be recognised in them.")
            yield Finding("recognizable", Severity.WARNING, message)

    def _made_elsewhere(self) -> bool:
        types = [kind.split("\\") for kind in self.said["ImageType"]]
        return any(t[0] != "ORIGINAL" or t[1:2] == ["SECONDARY"] for t in types) or any(self.said["ConversionType"])


def _bright_corners(volume: CTVolume) -> list[int]:
    """Slices with bright pixels outside the circle that fits into them, where a scan holds air or padding."""
    _, rows, columns = volume.shape_zyx
    y, x = np.ogrid[0:rows, 0:columns]
    outside = np.hypot((x - (columns - 1) / 2) / columns, (y - (rows - 1) / 2) / rows) > _CIRCLE / 2
    return [z for z, hu in enumerate(volume.hu) if int((hu[outside] > _BRIGHT_HU).sum()) >= _FEWEST_PIXELS]
