"""Where the coronary arteries of a usual heart run, and what calcifies beside them: a place becomes a suggestion.

Places are mm to the patient's left, to the back and up, seen from the heart centre at the level of the proximal
coronary arteries, as `HeartRegion.usual_place_mm` gives them. The courses follow textbook anatomy of a supine adult with
a right-dominant supply (the posterior descending artery is the right one's); they were drawn on plain chest scans and
not fitted. A suggestion is no measurement: it counts for nothing until a reader takes it.
"""

from __future__ import annotations

import itertools
import math
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

F64 = NDArray[np.float64]
Place = tuple[float, float, float]

VESSELS = ("LM", "LAD", "LCX", "RCA", "other")
"""Left main, left anterior descending, circumflex and right coronary artery; what is counted and none of these."""
CORONARIES = VESSELS[:4]
"""What CAC-DRS counts as vessels."""

_COURSES: tuple[tuple[str, tuple[Place, ...]], ...] = (
    ("LM", ((-6, 7, 10), (3, 6, 10), (10, 4, 9))),
    ("LAD", ((14, 4, 12), (21, -6, 9), (26, -18, 0), (32, -28, -12), (38, -36, -28), (42, -36, -48))),
    ("LAD", ((22, -12, 3), (36, -12, -8), (46, -10, -24))),  # diagonal branches
    ("LCX", ((15, 10, 5), (24, 15, 0), (31, 22, -10), (30, 31, -24), (20, 35, -36))),
    ("LCX", ((31, 20, -8), (44, 10, -24), (48, 2, -38))),  # marginal branches
    ("RCA", ((-14, -6, 5), (-24, -16, 1), (-34, -24, -10), (-40, -24, -24), (-36, -12, -40), (-20, 8, -52))),
    ("RCA", ((-20, 8, -52), (0, 4, -56), (20, -8, -58))),  # posterior descending branch
)
_FARTHEST_MM = 26.0
"""Farther from every course a plaque is ``other``."""

_ROOT_AXIS: tuple[Place, Place] = ((-10, 5, -2), (-17, 3, 40))
"""Middle of the aortic root and of the ascending aorta; the valve lies at the lower end."""
_ROOT_MM, _ROOT_WALL_MM, _VALVE_MM = 13.0, 20.0, -8.0
"""Within the first no coronary artery runs, up to the second the root's wall may lie; below the last the root has ended."""
_MITRAL_ARC: tuple[Place, ...] = (
    (0, 28, -12), (12, 28, -9), (24, 25, -10), (30, 24, -16), (26, 27, -26), (12, 28, -32),
)  # fmt: skip
"""The back of the mitral ring, where it calcifies."""
_MITRAL_MM = 16.0
_MITRAL_LEAD_MM = 6.0
"""Nearer to the circumflex artery than to the ring by more than this, a place is the artery's."""
_BEHIND_MM, _BASE_MM = (32.0, 48.0), -5.0
"""Farther back than the second, and above the height of the third farther back than the first, no coronary artery runs."""


class Site(StrEnum):
    """What beside the coronary arteries lies at a place."""

    NONE = "none"
    BEHIND = "behind"
    ROOT = "aortic_root"
    ROOT_WALL = "aortic_root_wall"
    MITRAL = "mitral_ring"


def suggest_vessel(place_mm: Place) -> str:
    """The vessel of `VESSELS` whose course passes nearest to ``place_mm``."""
    distance, vessel = min((_distance_mm(place_mm, course), name) for name, course in _COURSES)
    return vessel if distance <= _FARTHEST_MM else "other"


def site_at(place_mm: Place) -> Site:
    """What is mistaken for coronary calcium at ``place_mm``; a coronary artery may run there as well, but for `BEHIND` and `ROOT`."""
    _, back, up = place_mm
    if back > _BEHIND_MM[up <= _BASE_MM]:
        return Site.BEHIND
    from_axis = _distance_mm(place_mm, _ROOT_AXIS)
    if up > _VALVE_MM and from_axis < _ROOT_WALL_MM:
        return Site.ROOT if from_axis < _ROOT_MM else Site.ROOT_WALL
    from_ring = _distance_mm(place_mm, _MITRAL_ARC)
    if from_ring < _MITRAL_MM and from_ring < _vessel_mm(place_mm, "LCX") + _MITRAL_LEAD_MM:
        return Site.MITRAL
    return Site.NONE


def _vessel_mm(place_mm: Place, vessel: str) -> float:
    return min(_distance_mm(place_mm, course) for name, course in _COURSES if name == vessel)


def _distance_mm(place_mm: Place, course: tuple[Place, ...]) -> float:
    """From ``place_mm`` to the nearest point of a line through the points of ``course``."""
    place = np.asarray(place_mm, np.float64)
    nearest = math.inf
    for start, end in itertools.pairwise(course):
        a, along = np.asarray(start, np.float64), np.subtract(end, start, dtype=np.float64)
        share = float(np.clip((place - a) @ along / (along @ along), 0.0, 1.0))
        nearest = min(nearest, float(np.linalg.norm(place - a - share * along)))
    return nearest
