"""Lesions that touch from slice to slice as one plaque: the groups that a reader sees and gives a vessel to."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hyrisk_desktop.calcium.lesions import LabelledRegion, Lesion
from hyrisk_desktop.imaging.volume import Voxel


@dataclass(frozen=True, slots=True)
class LesionGroup:
    """Lesions of one or several slices that touch each other.

    Attributes:
        id: voxel (x, y, z) of the highest HU. It names the group: a group that holds the voxel is the same one, also
            after another centre or outline.
        lesions: indices into the lesions that were grouped, by slice.
        slices: first and last slice z.
        center_xyz: mean of the voxels.
        agatston, volume_mm3, max_hu: of all its lesions, whether they count or not.
    """

    id: Voxel
    lesions: tuple[int, ...]
    slices: tuple[int, int]
    center_xyz: tuple[float, float, float]
    agatston: float
    volume_mm3: float
    max_hu: float


def group_lesions(found: LabelledRegion) -> tuple[tuple[LesionGroup, ...], NDArray[np.int32]]:
    """Group the lesions of ``found``.

    Two lesions belong together if voxels of theirs touch, by a side, an edge or a corner.

    Returns:
        The groups in the order of their first lesion; and for every lesion [n] the index of its group.
    """
    from scipy import ndimage

    if not found.lesions:
        return (), np.zeros(0, np.int32)
    parts, _ = ndimage.label(found.labels > 0, np.ones((3, 3, 3), np.bool_))
    flat = np.flatnonzero(found.labels)
    part = np.zeros(len(found.lesions) + 1, np.int64)
    part[found.labels.ravel()[flat]] = parts.ravel()[flat]
    numbers, first = np.unique(part[1:], return_index=True)
    order = {int(number): index for index, number in enumerate(numbers[np.argsort(first)])}
    group_of = np.array([order[int(number)] for number in part[1:]], np.int32)
    members: list[list[int]] = [[] for _ in order]
    for index, group in enumerate(group_of.tolist()):
        members[group].append(index)
    return tuple(_group(found.lesions, indices) for indices in members), group_of


def _group(lesions: tuple[Lesion, ...], indices: list[int]) -> LesionGroup:
    own = [lesions[i] for i in indices]
    volume = math.fsum(lesion.volume_mm3 for lesion in own)
    x, y, z = (math.fsum(lesion.center_xyz[axis] * lesion.volume_mm3 for lesion in own) / volume for axis in range(3))
    return LesionGroup(
        # Of equal peaks the first, so that the name does not depend on anything else.
        id=min(own, key=lambda lesion: (-lesion.max_hu, lesion.peak[::-1])).peak,
        lesions=tuple(indices),
        slices=(min(lesion.slice for lesion in own), max(lesion.slice for lesion in own)),
        center_xyz=(x, y, z),
        agatston=math.fsum(lesion.agatston for lesion in own),
        volume_mm3=volume,
        max_hu=max(lesion.max_hu for lesion in own),
    )
