"""The outline of a lesion along the edges of its pixels, holes too: for image regions of a report, and for its pictures."""

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
        the end. Where two pixels touch at a corner only, the outline passes it twice. For holes see `outlines`.

    Raises:
        ValueError: ``mask`` is empty.
    """
    return _traced(mask, through_corners=True)


def outlines(mask: NDArray[np.bool_]) -> tuple[NDArray[np.float64], ...]:
    """The outer outline of the one 8-connected component in ``mask`` [y, x], and one counterclockwise for each hole in it.

    Each is closed, [n, 2] corners as of `outline`.

    Raises:
        ValueError: ``mask`` is empty.
    """
    from scipy import ndimage

    # What touches the component at a corner only is a hole of its own, as the component holds together at corners.
    outside = np.pad(~mask, 1, constant_values=True)
    parts, count = ndimage.label(outside)
    around = parts[0, 0]
    holes = (parts[1:-1, 1:-1] == part for part in range(1, count + 1) if part != around)
    return outline(mask), *(_traced(hole, through_corners=False)[::-1] for hole in holes)


def one_outline(mask: NDArray[np.bool_]) -> NDArray[np.float64]:
    """The component in ``mask`` [y, x] as a single closed polygon without its holes: a cut leads to each of them and back.

    Its area, and what lies in it by counting crossings, are the component's pixels and no others.

    Returns:
        [n, 2] corners (x, y) as of `outline`; where there are cuts, they run along rows of pixel edges.

    Raises:
        ValueError: ``mask`` is empty.
    """
    merged, *holes = outlines(mask)
    # From left to right: what a cut meets on its way left is in one piece with the outer outline by then.
    for hole in sorted(holes, key=lambda points: tuple(points.min(axis=0))):
        merged = _cut(merged, hole)
    return merged


def _cut(merged: NDArray[np.float64], hole: NDArray[np.float64]) -> NDArray[np.float64]:
    """``merged`` [n, 2] with a way from its nearest edge left of the hole [m, 2] around that and back."""
    corner = min(range(len(hole) - 1), key=lambda n: tuple(hole[n]))
    ring = np.vstack((hole[corner:-1], hole[: corner + 1]))
    (x, y), start, stop = ring[0], merged[:-1], merged[1:]
    low, high = np.minimum(start[:, 1], stop[:, 1]), np.maximum(start[:, 1], stop[:, 1])
    met = np.flatnonzero((start[:, 0] == stop[:, 0]) & (start[:, 0] < x) & (low <= y) & (y <= high))
    edge = met[start[met, 0].argmax()]
    entry = np.array([[start[edge, 0], y]])
    way = np.vstack((merged[: edge + 1], entry, ring, entry, merged[edge + 1 :]))
    moved: NDArray[np.bool_] = (np.diff(way, axis=0) != 0).any(axis=1)
    kept: NDArray[np.float64] = way[np.append(True, moved)]
    return kept


def _traced(mask: NDArray[np.bool_], *, through_corners: bool) -> NDArray[np.float64]:
    """The outer outline of ``mask`` [y, x], which holds together also where pixels touch at corners only, or not."""
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
        turn = _turn(padded, at, heading, through_corners=through_corners)
        if turn:
            corners.append(at)
        heading = (heading + turn) % 4
        if at == start and heading == 0:
            break
    # Undo the padding, and count from the middle of a pixel.
    points = np.asarray(corners, np.float64) - 1.5
    return points if corners[-1] == start else np.vstack((points, points[:1]))


def _turn(padded: NDArray[np.bool_], at: _Point, heading: int, *, through_corners: bool) -> int:
    """-1 left, 0 straight on, 1 right, so that the component stays on the right-hand side."""
    ahead_left, ahead_right = _ahead(padded, at, heading)
    if ahead_left and (through_corners or ahead_right):
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
