"""Calcium: lesions along the coronary arteries, and what is mistaken for them.

A lesion is a short chain of irregular blobs on the wall of its vessel. Blobs are rows [n, 5]: x, y, z, radius
(mm, world) and HU above soft tissue. Each lesion is a `Deposit`, which says what it is.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from model_training.phantom.heart import CALCIFIED_VESSELS, Heart
from model_training.phantom.subject import Subject, stream
from model_training.phantom.thorax import Thorax

F64 = NDArray[np.float64]

SOFT_TISSUE_HU = 45.0
AGATSTON_PER_MM3 = 1.95
"""Agatston score that a cubic millimetre of drawn lesion renders to, measured on 120 whole hearts: the density
weight over 3, times what blur and partial volume add around a lesion. `bright.CHIP` keeps it there."""
TRAM_LENGTH_MM, TRAM_MM, TRAM_THIN = 9.5, 1.25, 0.92
"""Every other plaque longer than the first lies on two opposite sides of its vessel, each the second from its middle; its
blobs overlap less, so that they're smaller by the third."""

AORTA, ROOT, MITRAL, NODE = "aorta", "aortic root", "mitral ring", "lymph node"
OTHER_KINDS = (AORTA, ROOT, MITRAL, NODE)
"""What is drawn that is not coronary."""


@dataclass(frozen=True, eq=False)
class Deposit:
    """One calcification.

    Attributes:
        kind: its vessel, a name of `CALCIFIED_VESSELS`, or one of `OTHER_KINDS`.
        blobs: [n, 5].
    """

    kind: str
    blobs: F64


def _chain(rng: np.random.Generator, path: F64, at: float, volume_mm3: float, hu: float, wall_mm: float) -> F64:
    """A lesion on a vessel.

    Args:
        rng: its dice. path: of the vessel [n, 3]. at: where it starts, a fraction of the path's length.
        volume_mm3, hu: about how large and dense it is. wall_mm: from the vessel's middle to where it lies.
    """
    radius = float(np.clip((volume_mm3 / 13.0) ** (1 / 3), 0.55, 2.2))
    spacing = 0.8 * radius
    blob = 4.19 * (0.8 * radius) ** 3
    count = int(np.clip(round(volume_mm3 / (0.6 * blob)), 1, 40))
    steps = np.linalg.norm(np.diff(path, axis=0), axis=1)
    along = np.concatenate([[0.0], np.cumsum(steps)])
    where = at * along[-1] + spacing * np.arange(count)
    where = np.where(where > along[-1], 2 * along[-1] - where, where)
    centres = np.stack([np.interp(where, along, path[:, axis]) for axis in range(3)], axis=1)
    side = rng.normal(0, 1, 3)
    side *= wall_mm / (np.linalg.norm(side) + 1e-9)
    sides = np.tile(side, (count, 1))
    tram = wall_mm >= 0.6 and spacing * count > TRAM_LENGTH_MM and side[0] > 0
    if tram:
        sides *= np.where(np.arange(count) % 2, -TRAM_MM, TRAM_MM)[:, None] / wall_mm
    centres = centres + sides + rng.normal(0, 0.42 * radius, (count, 3))
    radii = radius * (TRAM_THIN if tram else 1.0) * rng.uniform(0.5, 1.1, count)
    density = (hu - SOFT_TISSUE_HU) * rng.uniform(0.55, 1.15, count)
    return np.column_stack([centres, radii, density])


def coronary_calcium(subject: Subject, heart: Heart) -> list[Deposit]:
    """The coronary lesions and faint spots."""
    rng = stream(subject.seed, "calcium")
    names = list(CALCIFIED_VESSELS)
    share = np.array(list(CALCIFIED_VESSELS.values()))
    found = []
    if subject.lesions:
        volume = subject.agatston_target / AGATSTON_PER_MM3
        portions = np.exp(rng.normal(0, 1.1, subject.lesions))
        for portion in portions / portions.sum():
            vessel = names[rng.choice(len(names), p=share)]
            path = heart.coronaries[vessel]
            hu = math.exp(math.log(520.0) + 0.30 * rng.standard_normal() + 0.22 * subject.traits["dens"])
            # Plaque is commonest in the proximal thirds of the vessels.
            place = float(rng.beta(1.0, 5.2))
            size = max(portion * volume, 1.5)
            found.append(Deposit(vessel, _chain(rng, path, place, size, float(np.clip(hu, 340, 1300)), 0.8)))
    for _ in range(subject.faint):
        vessel = names[rng.choice(len(names), p=share)]
        place, size, hu = float(rng.beta(1.0, 5.2)), rng.uniform(1.0, 4.0), rng.uniform(180, 260)
        found.append(Deposit(vessel, _chain(rng, heart.coronaries[vessel], place, size, hu, 0.6)))
    return found


def other_calcium(subject: Subject, heart: Heart, thorax: Thorax) -> list[Deposit]:
    """What is not coronary: aortic wall and root, mitral annulus, hilar and mediastinal nodes."""
    rng = stream(subject.seed, "distractors")
    trait = subject.traits["aocalc"]
    found = []
    for _ in range(rng.poisson(math.exp(0.35 + 0.8 * trait))):
        # Plaques hug the wall of the descending aorta and the arch.
        at = rng.uniform(0.0, len(thorax.descending) - 2.01)
        i = int(at)
        centre = thorax.descending[i] + (at - i) * (thorax.descending[i + 1] - thorax.descending[i])
        found.append(Deposit(AORTA, _arc(rng, centre, thorax.aorta_mm, rng.uniform(380, 1000))))
    if rng.random() < 1 / (1 + math.exp(2.6 - 0.9 * trait)):
        for _ in range(1 + rng.poisson(0.8)):
            height = rng.uniform(0, 30)
            angle = rng.uniform(0, 2 * math.pi)
            wall = np.array([heart.root_wall(angle + 0.12 * step, height) for step in range(rng.integers(1, 6))])
            path = np.vstack([wall, wall[-1:] + 0.1])
            found.append(Deposit(ROOT, _chain(rng, path, 0.0, rng.uniform(4, 40), rng.uniform(400, 1000), 0.2)))
    if rng.random() < 1 / (1 + math.exp(2.6 - 0.8 * trait)):
        ring = np.linspace(rng.uniform(0.2, 1.0), rng.uniform(1.4, 2.8), 14)
        local = np.stack([20 + 17 * np.cos(ring), 21 + 0 * ring, -6 + 15 * np.sin(ring)], axis=1)
        ring_path = heart.to_world(local)
        found.append(Deposit(MITRAL, _chain(rng, ring_path, 0.0, rng.uniform(20, 160), rng.uniform(400, 900), 0.3)))
    for _ in range(rng.poisson(0.35)):
        node = np.array([rng.choice([-40.0, 38.0, -8.0]), 38.0, 40.0]) + rng.normal(0, 7, 3)
        path = np.array([node, node + rng.normal(0, 3, 3)])
        found.append(Deposit(NODE, _chain(rng, path, 0.0, rng.uniform(8, 90), rng.uniform(300, 900), 0.5)))
    return found


def _arc(rng: np.random.Generator, centre: F64, radius: float, hu: float) -> F64:
    """A thin plaque on a vessel wall around ``centre`` [3], in the axial plane."""
    start, count = rng.uniform(0, 2 * math.pi), int(rng.integers(2, 11))
    angle = start + np.arange(count) * 1.4 / radius
    wall = radius + rng.normal(0, 0.4, count)
    z = centre[2] + rng.normal(0, 0.8, count)
    return np.column_stack([
        centre[0] + wall * np.cos(angle), centre[1] + wall * np.sin(angle), z,
        rng.uniform(0.7, 1.5, count), (hu - SOFT_TISSUE_HU) * rng.uniform(0.7, 1.1, count),
    ])  # fmt: skip
