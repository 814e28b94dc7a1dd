"""Image regions of a structured report. Viewers show a group of measurements only where it has one at its top level."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from highdicom.sr import GraphicTypeValues, ImageRegion, SourceImageForRegion
from numpy.typing import NDArray

from hyrisk_desktop.calcium import Region
from hyrisk_desktop.exchange.reports.source_images import SourceImages


def image_region(source: SourceImages, z: int, xy: NDArray[np.float64]) -> ImageRegion:
    """A closed polygon on the image of slice ``z``.

    Args:
        source: the images. z: slice of the volume. xy: volume positions [n, 2], pixel centres being whole numbers.
    """
    place = source.slices[z]
    frames = None if place.frame is None else [place.frame]
    # In SCOORD the top left corner of the top left pixel is (0, 0), its middle (0.5, 0.5).
    return ImageRegion(
        GraphicTypeValues.POLYLINE,
        _no_rectangle(source.column_row(xy) + 0.5).astype(np.float32),
        SourceImageForRegion(place.sop_class_uid, place.sop_instance_uid, frames),
    )


def box_region(source: SourceImages, z: int, box: Region) -> ImageRegion:
    """The edge of ``box`` on the image of slice ``z``; the box lies within the volume."""
    return image_region(source, z, box_outline(box))


def box_outline(box: Region) -> NDArray[np.float64]:
    """The edge of ``box`` in its slices as its corners [5, 2] (x, y), the first one again."""
    (x0, y0, _), (x1, y1, _) = box.start, box.stop
    return np.array([(x0, y0), (x1, y0), (x1, y1), (x0, y1), (x0, y0)], np.float64) - 0.5


def _no_rectangle(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """A rectangle of corners [5, 2] (column, row) with points between them [n, 2]; any other polygon as it is.

    Polygons of four or five points are taken for a tool of their own by OHIF, which then offers to track them and keeps nothing.
    """
    if len(points) != 5:
        return points
    found = []
    for start, stop in pairwise(points):
        # Between pixels, too: a corner on the middle of a row is where programs that fill polygons differ.
        half = np.trunc((stop - start) / 2)
        if not half.any() and start[1] == stop[1]:
            half = (stop - start) / 2
        found += [start, start + half] if half.any() else [start]
    return np.array([*found, points[-1]])
