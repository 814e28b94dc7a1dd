"""The outline of a lesion: a closed polygon along the edges of its pixels, for image regions of a report."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_Point = tuple[int, int]
# Right, down, left, up in image coordinates (x, y), in the order in which they follow each other clockwise.
_STEPS: tuple[_Point, ...] = ((1, 0), (0, 1), (-1, 0), (0, -1))


def outline(mask: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Outer outline of the one 8-connected component in ``mask`` [y, x].

    Returns:
        [n, 2] corners (x, y) of pixels, pixel centres being whole numbers; clockwise on screen, the first corner again at
        the end. Where two pixels touch at a corner only, the outline passes it twice. Holes are not outlined.

    Raises:
        ValueError: ``mask`` is empty.
    """
    padded = np.pad(mask, 1)
    ys, xs = np.nonzero(padded)
    if ys.size == 0:
        raise ValueError("an empty mask has no outline")
    # The top left corner of the first pixel in raster order is on the outer outline, whose first step there goes right.
    start = (int(xs[0]), int(ys[0]))
    at, heading = start, 0
    corners: list[_Point] = [start]
    for _ in range(4 * int(padded.size)):
        at = (at[0] + _STEPS[heading][0], at[1] + _STEPS[heading][1])
        turn = _turn(padded, at, heading)
        if turn:
            corners.append(at)
        heading = (heading + turn) % 4
        if at == start and heading == 0:
            break
    # Undo the padding, and count from the middle of a pixel.
    points = np.asarray(corners, np.float64) - 1.5
    return points if corners[-1] == start else np.vstack((points, points[:1]))


def _turn(padded: NDArray[np.bool_], at: _Point, heading: int) -> int:
    """-1 left, 0 straight on, 1 right, so that the component stays on the right-hand side."""
    ahead_left, ahead_right = _ahead(padded, at, heading)
    if ahead_left:
        # Also where only this diagonal neighbour goes on: 8-connected pixels make one outline.
        return -1
    return 0 if ahead_right else 1


def _ahead(padded: NDArray[np.bool_], at: _Point, heading: int) -> tuple[bool, bool]:
    """Whether the pixels ahead of a corner, left and right of the way, belong to the component."""
    x, y = at
    # Corner (x, y) is the top left one of pixel (x, y).
    around = {
        0: ((x, y - 1), (x, y)),
        1: ((x, y), (x - 1, y)),
        2: ((x - 1, y), (x - 1, y - 1)),
        3: ((x - 1, y - 1), (x, y - 1)),
    }
    left, right = around[heading]
    return bool(padded[left[1], left[0]]), bool(padded[right[1], right[0]])
