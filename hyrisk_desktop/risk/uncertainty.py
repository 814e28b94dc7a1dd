"""Which views a reading is made of, and which other clicks and crops a reader could as well have made: those behind its interval."""

from __future__ import annotations

from dataclasses import dataclass

from hyrisk_desktop.risk.preprocessing import Crop, Preprocessing, centred_crop

CLICK_SHIFT_PX = 3
CLICK_SHIFT_SLICES = 1


@dataclass(frozen=True, slots=True)
class View:
    """One look at the heart: a shift of the click in slices, and the crop of the patch there."""

    slice_shift: int
    crop: Crop


def own_views(
    preprocessing: Preprocessing, pixel_mm: float | None, increment_mm: float, room: tuple[int, int]
) -> tuple[View, ...]:
    """What the reading itself is made of: the reader's own view, at each of the bundle's levels.

    A level whose patch would leave the volume moves to the last slice where it does not; the click's own stays where it is.

    Args:
        preprocessing: of the bundle. pixel_mm: as of `centred_crop`. increment_mm: of the exam.
        room: slices of the volume below and above the click.
    """
    half = preprocessing.patch_xyz[2] // 2
    lowest, highest = min(0, half - room[0]), max(0, room[1] - half)
    crop = centred_crop(preprocessing, pixel_mm=pixel_mm)
    return tuple(View(min(max(dz, lowest), highest), crop) for dz in preprocessing.level_slices(increment_mm))


def interval_views(preprocessing: Preprocessing, pixel_mm: float | None = None) -> tuple[View, ...]:
    """The reader's own view first, then the corners of what clicks and crops may differ by.

    Clicks move +-3 pixels along x and y in the slice, and along both diagonals in the slices +-1; crops take
    the smallest and largest side of training. A shifted click moves the patch, and with it the crop: cutting
    the crop at a shifted place of the same patch is the same pixels, since the inference crop leaves a margin.

    Args:
        preprocessing: of the bundle. pixel_mm: as of `centred_crop`.
    """
    s = CLICK_SHIFT_PX
    crop = centred_crop(preprocessing, pixel_mm=pixel_mm)
    in_slice = [
        View(0, centred_crop(preprocessing, shift=shift, pixel_mm=pixel_mm))
        for shift in ((s, 0), (-s, 0), (0, s), (0, -s))
    ]
    across = [
        View(dz, centred_crop(preprocessing, shift=shift, pixel_mm=pixel_mm))
        for dz, shift in ((-CLICK_SHIFT_SLICES, (0, 0)), (CLICK_SHIFT_SLICES, (0, 0)))
    ]
    diagonal = [
        View(-CLICK_SHIFT_SLICES, centred_crop(preprocessing, shift=(s, s), pixel_mm=pixel_mm)),
        View(CLICK_SHIFT_SLICES, centred_crop(preprocessing, shift=(-s, -s), pixel_mm=pixel_mm)),
    ]
    crops = [View(0, centred_crop(preprocessing, ratio, pixel_mm=pixel_mm)) for ratio in preprocessing.training_crop]
    return (View(0, crop), *in_slice, *across, *diagonal, *crops)
