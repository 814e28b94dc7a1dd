"""What is cut out of an exam for one click: the patches of the reading, at the bundle's levels, and of its interval."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hyrisk_desktop.errors import InputError
from hyrisk_desktop.i18n import tr
from hyrisk_desktop.imaging.volume import CTVolume, HuArray, Voxel
from hyrisk_desktop.risk.preprocessing import Preprocessing, cut_block, cut_patch
from hyrisk_desktop.risk.uncertainty import View, interval_views, own_views


@dataclass(frozen=True, slots=True, eq=False)
class Look:
    """The block around one click, and what is looked at in it.

    Attributes:
        block: [slices, rows, columns] in HU. slices: of a patch. own: the views that the reading is the mean of. others: those
            of its interval. outside: whether the patch at the click left the volume.
    """

    block: HuArray
    slices: int
    own: tuple[View, ...]
    others: tuple[View, ...]
    outside: bool

    @property
    def key(self) -> bytes:
        """The same for the same pixels, looked at in the same way."""
        # The same pixels of another size are another crop where that is in millimetres.
        views = f"{self.block.dtype} {self.own} {self.others}"
        return hashlib.blake2b(self.block.tobytes() + views.encode(), digest_size=16).digest()

    def patches(self, views: Sequence[View]) -> NDArray[np.float32]:
        """HU [len(views), slices, rows, columns], before they are cropped."""
        # torch has no uint16 arithmetic and CT may be big-endian in memory-mapped files: float32 settles both.
        slab, first = self.block.astype(np.float32), (len(self.block) - self.slices) // 2
        return np.stack([slab[(z := first + view.slice_shift) : z + self.slices] for view in views])


def look_at(volume: CTVolume, centre: Voxel, preprocessing: Preprocessing) -> Look:
    """Cut what ``preprocessing`` looks at around ``centre`` (x, y, z); raises InputError where that lies outside the volume."""
    if not volume.contains(centre):
        raise InputError("centre_outside", tr("The heart centre lies outside the volume; place it on the image."))
    (pixel_mm, _, increment_mm), depth = volume.spacing_mm, volume.hu.shape[0]
    own = own_views(preprocessing, pixel_mm, increment_mm, (centre[2], depth - 1 - centre[2]))
    others = interval_views(preprocessing, pixel_mm)[1:]
    columns, rows, slices = preprocessing.patch_xyz
    reach = max(abs(view.slice_shift) for view in (*own, *others))
    size = columns, rows, slices + 2 * reach
    block, outside = cut_block(volume.hu, centre, size, preprocessing.hu_window[0])
    if outside:
        # The interval's outer slices may leave the volume without the patch itself doing so.
        outside = cut_patch(volume.hu, centre, preprocessing)[1]
        if not outside:
            block = _repeat_edge_slices(block, depth, centre[2])
    return Look(block, slices, own, others, outside)


def slices_seen(preprocessing: Preprocessing, centre_z: int, depth: int, increment_mm: float) -> frozenset[int]:
    """The slices of ``depth`` that `look_at` shows the network around slice ``centre_z``: all that it needs to be read.

    Args:
        preprocessing: of the bundle. increment_mm: distance of slices.
    """
    # Heights don't hang on the pixel size, only crops do.
    own = own_views(preprocessing, 1.0, increment_mm, (centre_z, depth - 1 - centre_z))
    half = preprocessing.patch_xyz[2] // 2
    middles = {centre_z + view.slice_shift for view in (*own, *interval_views(preprocessing, 1.0))}
    return frozenset(z for middle in middles for z in range(middle - half, middle + half + 1) if 0 <= z < depth)


def _repeat_edge_slices(block: HuArray, depth: int, z: int) -> HuArray:
    """Fill the interval's slices beyond the volume's ends with the nearest slice: there is no click beyond them."""
    half = block.shape[0] // 2
    block = block.copy()
    for i in range(block.shape[0]):
        inside = min(max(z - half + i, 0), depth - 1)
        block[i] = block[inside - z + half]
    return block
