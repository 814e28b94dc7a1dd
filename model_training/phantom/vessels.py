"""The branching vessels of the lungs, as tapered segments."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from model_training.phantom.subject import stream

F64 = NDArray[np.float64]

GENERATIONS = 6


def lung_tree(seed: int, midline: float) -> F64:
    """Segments [n, 8] of both lungs: start xyz, end xyz, start and end radius, in mm (world).

    Each hilum sends out stems in all directions of its lung; every segment splits in two, about as long as
    0.8 and as wide as 0.74 of its parent (areas add up, as in Murray's law with some loss).
    """
    rng = stream(seed, "lung vessels")
    parts = []
    for side, hilum in ((-1.0, (midline - 34.0, 34.0, 24.0)), (1.0, (midline + 50.0, 38.0, 26.0))):
        stems = 13
        direction = rng.normal(0, 1, (stems, 3))
        direction[:, 0] = side * (0.35 + np.abs(direction[:, 0]))
        direction[:, 2] = np.linspace(-1.7, 1.4, stems) + rng.normal(0, 0.2, stems)
        start = np.asarray(hilum) + rng.normal(0, (4, 7, 12), (stems, 3))
        radius = rng.uniform(2.8, 4.8, stems)
        length = rng.uniform(20, 32, stems)
        for _ in range(GENERATIONS):
            direction /= np.linalg.norm(direction, axis=1, keepdims=True)
            end = start + direction * length[:, None]
            parts.append(np.column_stack([start, end, radius, 0.86 * radius]))
            start = np.repeat(end, 2, axis=0)
            swing = rng.normal(0, 0.55, (len(start), 3))
            direction = np.repeat(direction, 2, axis=0) + swing
            radius = np.repeat(radius, 2) * rng.uniform(0.62, 0.86, len(start))
            length = np.repeat(length, 2) * rng.uniform(0.62, 0.95, len(start))
            keep = radius > 0.42
            start, direction, radius, length = start[keep], direction[keep], radius[keep], length[keep]
    return np.concatenate(parts)
