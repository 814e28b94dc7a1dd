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
    ("LAD", ((13, 1, 9), (20, -8, 7), (26, -18, 0), (32, -28, -12), (38, -36, -28), (42, -36, -48))),
    ("LAD", ((22, -12, 3), (36, -12, -8), (46, -10, -24))),  # diagonal branches
    ("LCX", ((15, 9, 7), (24, 15, 0), (31, 22, -10), (30, 31, -24), (20, 35, -36))),
    ("LCX", ((31, 20, -8), (44, 10, -24), (48, 2, -38))),  # marginal branches
    ("RCA", ((-14, -6, 5), (-24, -16, 1), (-34, -24, -10), (-40, -24, -24), (-36, -12, -40), (-20, 8, -52))),
    ("RCA", ((-20, 8, -52), (0, 4, -56), (20, -8, -58))),  # posterior descending branch
)
_FARTHEST_MM = 26.0
"""Farther from every course a plaque is ``other``."""

_ROOT_AXIS: tuple[Place, Place] = ((-11, 2, -4), (-21, 0, 40))
"""Middle of the aortic root and of the ascending aorta; the valve lies at the lower end."""
_ROOT_MM = 17.0
_MITRAL_ARC: tuple[Place, ...] = ((-6, 26, -16), (3, 29, -10), (12, 29, -8), (21, 27, -10), (25, 24, -16))
"""The back of the mitral ring, where it calcifies."""
_MITRAL_MM = 10.0


class Site(StrEnum):
    """What beside the coronary arteries lies at a place."""

    NONE = "none"
    ROOT = "aortic_root"
    MITRAL = "mitral_ring"


def suggest_vessel(place_mm: Place) -> str:
    """The vessel of `VESSELS` whose course passes nearest to ``place_mm``."""
    distance, vessel = min((_distance_mm(place_mm, course), name) for name, course in _COURSES)
    return vessel if distance <= _FARTHEST_MM else "other"


def site_at(place_mm: Place) -> Site:
    """What is mistaken for coronary calcium at ``place_mm``: the aortic root with its valve, or the mitral ring."""
    if _distance_mm(place_mm, _ROOT_AXIS) < _ROOT_MM:
        return Site.ROOT
    if _distance_mm(place_mm, _MITRAL_ARC) < _MITRAL_MM:
        return Site.MITRAL
    return Site.NONE


def _distance_mm(place_mm: Place, course: tuple[Place, ...]) -> float:
    """From ``place_mm`` to the nearest point of a line through the points of ``course``."""
    place = np.asarray(place_mm, np.float64)
    nearest = math.inf
    for start, end in itertools.pairwise(course):
        a, along = np.asarray(start, np.float64), np.subtract(end, start, dtype=np.float64)
        share = float(np.clip((place - a) @ along / (along @ along), 0.0, 1.0))
        nearest = min(nearest, float(np.linalg.norm(place - a - share * along)))
    return nearest
