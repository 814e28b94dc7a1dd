"""The branching vessels of the lungs and the bronchi beside them, as tapered segments.

An artery and a bronchus enter each segment of a lobe side by side; veins run by themselves between the segments
and gather at the left atrium. Places are mm in the world; in the tables x counts from the midline to the patient's
left, except for the veins, which follow the heart.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from model_training.phantom.subject import stream

F64 = NDArray[np.float64]
Mm = tuple[float, float, float]

GENERATIONS = 6
LEAST_MM = 1.0
"""Radius of the finest vessels that branch off as the anatomy says; what is finer fills the room between them."""
TWIGS = ((60, 1.1), (200, 0.78), (700, 0.55))
"""How many finer vessels there are in a lung, and of what radius, mm."""
LAST_TWIGS, LAST_MM = 6, 0.4
"""From each of the finest of `TWIGS` so many vessels of that radius leave: what a low-dose exam just shows."""
LUNG_MM = ((62.0, 28.0, 22.0), (62.0, 94.0, 128.0))
"""Middle (x away from the midline) and half axes of the room that a lung's vessels fill; its surface cuts them off."""
LEAST_BRONCHUS_MM = 1.5
"""Radius of the artery down to which the bronchus beside it is drawn; beyond, its wall is thinner than is seen."""
LUMEN, WALL_MM = 0.72, 1.0
"""Radius of a bronchus's lumen, as a share of its artery's; thickness of its wall."""
BEYOND_MM = 132.0
"""No lung lies farther than this from the midline."""


@dataclass(frozen=True)
class _Lobe:
    """Where a lobe's artery runs and into what it splits.

    Attributes:
        trunk: middle of the artery from the hilum on, at which it's 6.5 mm wide in radius, down to 3.5 mm.
        bronchus: end of the lobe's bronchus, as `Thorax` draws it; segments start here.
        segments: directions of the segments (x away from the midline), and how far back along the trunk each leaves.
    """

    trunk: tuple[Mm, ...]
    bronchus: tuple[Mm, Mm]
    segments: tuple[tuple[Mm, float], ...]


_RIGHT = (
    _Lobe(
        ((-24, 24, 38), (-40, 22, 46), (-54, 15, 60)), ((-42, 30, 50), (-58, 20, 62)),
        (((0.2, -0.1, 1.0), 0.0), ((0.7, 0.8, 0.4), 0.0), ((0.6, -1.0, 0.2), 0.1)),
    ),
    _Lobe(
        ((-34, 28, 30), (-46, 15, 14), (-58, -1, 6)), ((-46, 22, 8), (-56, 4, 0)),
        (((1.0, -0.4, -0.2), 0.0), ((0.4, -1.0, -0.4), 0.0)),
    ),
    _Lobe(
        ((-24, 24, 38), (-42, 36, 24), (-50, 45, -6), (-55, 53, -33)), ((-40, 48, -8), (-46, 56, -34)),
        (((0.5, 1.0, 0.3), 1.0), ((0.7, -0.6, -0.9), 0.1), ((1.0, 0.2, -0.8), 0.0), ((0.3, 0.7, -1.0), 0.0),
         ((0.1, -0.3, -1.0), 0.3)),
    ),
)  # fmt: skip
_LEFT = (
    _Lobe(
        ((46, 32, 46), (58, 26, 42), (66, 13, 46)), ((60, 34, 34), (70, 20, 44)),
        (((0.1, 0.3, 1.0), 0.0), ((0.6, 0.8, 0.6), 0.2), ((0.6, -1.0, 0.3), 0.0), ((1.0, -0.6, -0.3), 0.3),
         ((0.4, -1.0, -0.6), 0.3)),
    ),
    _Lobe(
        ((46, 32, 46), (59, 44, 30), (67, 52, -4), (71, 58, -29)), ((58, 56, -6), (62, 62, -30)),
        (((0.4, 1.0, 0.3), 1.0), ((0.5, -0.5, -1.0), 0.2), ((1.0, 0.2, -0.8), 0.0), ((0.2, 0.5, -1.0), 0.0)),
    ),
)  # fmt: skip
_VEINS: dict[Mm, tuple[Mm, ...]] = {
    (-50, 15, 21): ((0.4, -0.4, 1.0), (0.9, 0.3, 0.6), (0.7, -0.9, 0.2), (1.0, -0.6, -0.3)),
    (-54, 34, 4): ((0.8, 0.8, 0.3), (1.0, 0.6, -0.4), (0.5, 0.3, -1.0), (0.7, -0.3, -0.9)),
    (54, 18, 25): ((0.3, -0.4, 1.0), (0.9, 0.2, 0.7), (0.7, -0.9, 0.2), (0.8, -0.9, -0.4)),
    (56, 41, 3): ((0.6, 0.9, 0.3), (1.0, 0.5, -0.4), (0.4, 0.3, -1.0), (0.8, -0.4, -0.8)),
}
"""Where the four pulmonary veins leave the heart's surface, and where their branches go (x away from the midline)."""


@dataclass(frozen=True, eq=False)
class _Stems:
    """The first branches: where they start [n, 3], their unit direction [n, 3], radius [n] and length [n], mm."""

    start: F64
    direction: F64
    radius: F64
    length: F64


def lung_tree(seed: int, midline: float) -> F64:
    """Arteries and veins of both lungs, segments [n, 8]: start xyz, end xyz, start and end radius, in mm (world)."""
    return _trees(seed, midline)[0]


def bronchi(seed: int, midline: float) -> F64:
    """Bronchi of the segments and their first branches, [m, 8] as `lung_tree`'s: the radii are those of the lumen."""
    return _trees(seed, midline)[1]


@lru_cache(maxsize=2)
def _trees(seed: int, midline: float) -> tuple[F64, F64]:
    """`lung_tree` and `bronchi`, which follow each other."""
    rng = stream(seed, "lung vessels")
    lobes = [(-1.0, lobe) for lobe in _RIGHT] + [(1.0, lobe) for lobe in _LEFT]
    trunks, parts = [], []
    for side, lobe in lobes:
        trunk = lobe.trunk + np.array([midline, 0, 0]) + rng.normal(0, 0.8, (len(lobe.trunk), 3))
        radii = np.linspace(6.5, 3.5, len(trunk)) * rng.uniform(0.85, 1.1)
        trunks.append(np.column_stack([trunk[:-1], trunk[1:], radii[:-1], radii[1:]]))
        parts.append(_segments(rng, side, lobe, midline))
    stems = _Stems(*(np.concatenate([getattr(part[0], name) for part in parts]) for name in _Stems.__annotations__))
    beside = np.concatenate([part[1] for part in parts])
    arteries, stem = _grow(rng, stems, midline)
    trunks.extend(_links(lobes, stems, midline))
    veins, _ = _grow(rng, _vein_stems(rng), midline)
    large = np.flatnonzero(arteries[:, 6] > LEAST_BRONCHUS_MM)
    airways = arteries[large]
    away = beside[stem[large]]
    airways[:, :3] += away * (airways[:, 6:7] * (1.0 + LUMEN) + WALL_MM)
    airways[:, 3:6] += away * (airways[:, 7:8] * (1.0 + LUMEN) + WALL_MM)
    airways[:, 6:] *= LUMEN
    large_rows = np.concatenate([*trunks, arteries, veins])
    return np.concatenate([large_rows, *(_twigs(rng, large_rows, side, midline) for side in (-1.0, 1.0))]), airways


def _twigs(rng: np.random.Generator, rows: F64, side: float, midline: float) -> F64:
    """The finer vessels [n, 8] of one lung: each goes from the nearest that is thicker to a place in the lung.

    Args:
        rows: the larger vessels [m, 8]. side: -1 for the right lung. midline: mm.
    """
    middle, half = np.array(LUNG_MM[0]) * (side, 1, 1), np.array(LUNG_MM[1])
    middle[0] += midline
    hilum = np.array([midline + 44.0 * side, 36.0, 24.0])
    nodes = rows[side * (rows[:, 3] - midline) > 0, 3:6]
    grown = []
    for count, radius in TWIGS:
        ends = _unit(rng.normal(0, 1, (count, 3))) * np.cbrt(rng.uniform(0, 1, (count, 1))) * half + middle
        starts = nodes[_nearer_the_hilum(nodes, ends, hilum)]
        bend = 0.5 * (starts + ends) + rng.normal(0, 0.07, (count, 3)) * np.linalg.norm(ends - starts, axis=1)[:, None]
        wide = radius * np.exp(rng.normal(0, 0.14, count))
        grown.append(np.column_stack([starts, bend, 1.15 * wide, wide]))
        grown.append(np.column_stack([bend, ends, wide, 0.8 * wide]))
        nodes = np.concatenate([nodes, ends])
    along = np.tile(ends - bend, (LAST_TWIGS, 1))
    count = len(along)
    starts = np.tile(bend, (LAST_TWIGS, 1)) + rng.uniform(0, 1, (count, 1)) * along
    way = _unit(rng.normal(0, 0.55, (count, 3)) + _unit(starts - hilum))
    radii = LAST_MM * np.exp(rng.normal(0, 0.12, (count, 1)))
    grown.append(np.hstack([starts, starts + way * rng.uniform(6, 15, (count, 1)), 1.1 * radii, 0.9 * radii]))
    return np.concatenate(grown)


def _nearer_the_hilum(nodes: F64, ends: F64, hilum: F64) -> NDArray[np.int64]:
    """For each of ``ends`` [n, 3] the index of a near one of ``nodes`` [m, 3] from which it lies away from ``hilum`` [3]."""
    from scipy.spatial import cKDTree

    distance, index = cKDTree(nodes, compact_nodes=False, balanced_tree=False).query(ends, k=3)
    way = ends[:, None] - nodes[index]
    outward = _unit(ends - hilum)[:, None]
    cosine = (way * outward).sum(axis=2) / (distance + 1e-9)
    best = (distance * (1.5 - cosine)).argmin(axis=1)
    chosen: NDArray[np.int64] = index[np.arange(len(ends)), best]
    return chosen


def _segments(rng: np.random.Generator, side: float, lobe: _Lobe, midline: float) -> tuple[_Stems, F64]:
    """Arteries of a lobe's segments, and from each of them the direction [n, 3] in which its bronchus lies.

    Args:
        side: -1 for the right lung. lobe, midline: see `_Lobe`; mm.
    """
    first, last = (place + np.array([midline, 0, 0]) for place in lobe.bronchus)
    directions = np.array([direction for direction, _ in lobe.segments])
    back = np.array([share for _, share in lobe.segments])
    directions = _unit(directions * (side, 1, 1) + rng.normal(0, 0.16, directions.shape))
    mouths = last + back[:, None] * (first - last)
    radius = rng.uniform(2.1, 2.9, len(back))
    # The bronchus lies towards the hilum of its artery, where the lobe's own bronchus is.
    inward = mouths - (lobe.trunk[-1] + np.array([midline, 0, 0])) + rng.normal(0, 2.0, directions.shape)
    inward = _unit(inward - (inward * directions).sum(axis=1, keepdims=True) * directions)
    start = mouths - inward * (radius * (1.0 + LUMEN) + WALL_MM)[:, None]
    return _Stems(start, directions, radius, rng.uniform(15, 22, len(back))), inward


def _links(lobes: list[tuple[float, _Lobe]], stems: _Stems, midline: float) -> list[F64]:
    """The short pieces [n, 8] from each lobe's trunk to its segments' arteries.

    Args:
        lobes, stems: in the same order. midline: mm.
    """
    rows, at = [], 0
    for _, lobe in lobes:
        count = len(lobe.segments)
        trunk = lobe.trunk + np.array([midline, 0, 0])
        to = stems.start[at : at + count]
        back = np.array([share for _, share in lobe.segments])[:, None]
        leaves = trunk[-1] + back * (trunk[-2] - trunk[-1])
        radius = stems.radius[at : at + count]
        rows.append(np.column_stack([leaves, to, 1.15 * radius, radius]))
        at += count
    return rows


def _vein_stems(rng: np.random.Generator) -> _Stems:
    """The branches of the four pulmonary veins."""
    start = np.array([mouth for mouth, branches in _VEINS.items() for _ in branches], np.float64)
    toward = np.array([branch for branches in _VEINS.values() for branch in branches], np.float64)
    toward[:, 0] *= np.sign(start[:, 0])
    count = len(start)
    direction = _unit(toward + rng.normal(0, 0.18, toward.shape))
    return _Stems(start, direction, rng.uniform(2.3, 3.3, count), rng.uniform(18, 28, count))


def _unit(vectors: F64) -> F64:
    """``vectors`` [n, 3] of length one."""
    units: F64 = vectors / (np.linalg.norm(vectors, axis=1, keepdims=True) + 1e-9)
    return units


def _grow(rng: np.random.Generator, stems: _Stems, midline: float) -> tuple[F64, NDArray[np.int64]]:
    """Let ``stems`` branch down to `LEAST_MM`; returns segments [n, 8] and the stem each belongs to [n].

    A vessel splits into one that nearly keeps its way and a thinner one that leaves it, as lungs' vessels do; the
    areas of both add up to a little more than their parent's (Murray).
    """
    start, direction, radius, length = stems.start, stems.direction, stems.radius, stems.length
    stem = np.arange(len(start))
    rows, owners = [], []
    for _ in range(GENERATIONS):
        # A bend in the middle, or long vessels would be as straight as wires.
        middle = start + direction * (0.5 * length)[:, None] + rng.normal(0, 1, start.shape) * (0.06 * length)[:, None]
        end = start + direction * length[:, None]
        taper = 0.94 * radius
        rows.append(np.column_stack([start, middle, radius, taper]))
        rows.append(np.column_stack([middle, end, taper, 0.88 * radius]))
        owners.extend([stem, stem])
        aside = rng.normal(0, 1, start.shape)
        aside = _unit(aside - (aside * direction).sum(axis=1, keepdims=True) * direction)
        count = len(start)
        onward = direction + aside * rng.uniform(0.15, 0.45, (count, 1))
        leaving = 0.8 * direction - aside * rng.uniform(0.5, 1.1, (count, 1))
        direction = _unit(np.concatenate([onward, leaving]))
        radius = np.concatenate([radius * rng.uniform(0.76, 0.9, count), radius * rng.uniform(0.55, 0.75, count)])
        length = np.concatenate([length * rng.uniform(0.75, 0.98, count), length * rng.uniform(0.6, 0.9, count)])
        start, stem = np.concatenate([end, end]), np.concatenate([stem, stem])
        keep = (radius > LEAST_MM) & (np.abs(start[:, 0] - midline) < BEYOND_MM)
        start, direction, radius, length = start[keep], direction[keep], radius[keep], length[keep]
        stem = stem[keep]
    return np.concatenate(rows), np.concatenate(owners)
