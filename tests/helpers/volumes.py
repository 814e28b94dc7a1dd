"""Small synthetic volumes whose scores can be worked out by hand."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from hyrisk_desktop.imaging.volume import CTVolume

HEART_CENTRE = (130, 120, 12)


def block_volume(
    lesions: Sequence[tuple[tuple[slice, slice, slice], int]] = (),
    *,
    shape: tuple[int, int, int] = (25, 240, 260),
    spacing: tuple[float, float, float] = (0.7, 0.8, 3.0),
    series_uid: str = "1.2.3",
    patient: str = "Synthetic^Test",
    seed: int = 0,
) -> CTVolume:
    """A heart-sized ellipsoid of 40 HU in lung, in a body, with boxes of given HU put into it."""
    hu = _chest(shape, seed).copy()
    for where, value in lesions:
        hu[where] = value
    return CTVolume(
        hu,
        spacing,
        (-100.0, -90.0, -40.0),
        np.eye(3),
        series_uid,
        {
            "PatientName": patient,
            "PatientID": "TEST",
            "Modality": "CT",
            "KVP": "120",
            "WindowCenter": "45",
            "WindowWidth": "360",
        },
    )


@lru_cache(maxsize=8)
def _chest(shape: tuple[int, int, int], seed: int) -> NDArray[np.int16]:
    """Its HU without the boxes, drawn once and never changed: many tests begin with the same noise."""
    rng = np.random.default_rng(seed)
    z, y, x = np.ogrid[: shape[0], : shape[1], : shape[2]]
    cx, cy, cz = HEART_CENTRE
    hu = np.full(shape, -850, np.int16)
    body = ((x - shape[2] / 2) / (shape[2] / 2.1)) ** 2 + ((y - shape[1] / 2) / (shape[1] / 2.2)) ** 2
    hu[np.broadcast_to((body > 0.8) & (body < 1.0), shape)] = 50
    hu[np.broadcast_to(body >= 1.0, shape)] = -1000
    heart = ((x - cx) / 65) ** 2 + ((y - cy) / 60) ** 2 + ((z - cz) / 20) ** 2
    hu[heart < 1] = 40
    hu += rng.normal(0, 8, shape).astype(np.int16)
    hu.flags.writeable = False
    return hu


def box(centre: tuple[int, int, int], size: tuple[int, int, int]) -> tuple[slice, slice, slice]:
    """Index [z, y, x] of a box of ``size`` (x, y, z) that starts at ``centre``."""
    (x, y, z), (w, h, d) = centre, size
    return slice(z, z + d), slice(y, y + h), slice(x, x + w)
