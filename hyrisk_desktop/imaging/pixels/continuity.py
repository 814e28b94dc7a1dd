"""Do the pixels of neighbouring slices belong together? What the headers can't tell of a misfiled slice."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hyrisk_desktop.errors import ExamError
from hyrisk_desktop.i18n import tr

_SAMPLES = 24
_LOW, _HIGH = -1000, 500  # jumps are judged by tissue and air, not by padding or metal
_JUMP_FACTOR, _JUMP_FLOOR_HU = 8.0, 100.0
_STRANGER_FACTOR, _STRANGER_FLOOR_HU = 3.0, 60.0


class Contents:
    """Small thumbnails of the slices, taken while each lies in the cache."""

    def __init__(self, count: int, rows: int, columns: int) -> None:
        self._steps = max(1, rows // _SAMPLES), max(1, columns // _SAMPLES)
        shape = hu_thumb_shape(rows, columns, self._steps)
        self._thumbs = np.zeros((count, *shape), np.float32)

    def note(self, which: int | slice, hu: NDArray[Any]) -> None:
        """Remember one slice [y, x], or a run of them [z, y, x]; safe from several threads for different slices."""
        step_y, step_x = self._steps
        self._thumbs[which] = hu[..., step_y // 2 :: step_y, step_x // 2 :: step_x]

    def check(self) -> None:
        """Refuse a blank slice among others, a slice unlike both its neighbours, or a jump in the series.

        Raises:
            ExamError: one was found.
        """
        count = len(self._thumbs)
        flat = self._thumbs.reshape(count, -1)
        blank = flat.min(axis=1) == flat.max(axis=1)
        if blank.any() and (~blank).sum() > count // 2:
            number = int(np.flatnonzero(blank)[0]) + 1
            raise ExamError(
                "blank_slice",
                tr("Slice {number} of this series is blank. Export the complete series again.", number=number),
            )
        if count < 6:
            return
        np.clip(flat, _LOW, _HIGH, out=flat)
        jumps, across = _differences(flat, 1), _differences(flat, 2)
        both = np.minimum(jumps[:-1], jumps[1:])
        strange = (both > _STRANGER_FACTOR * across) & (both > _STRANGER_FLOOR_HU)
        wild = jumps > max(_JUMP_FACTOR * float(np.median(jumps)), _JUMP_FLOOR_HU)
        if not (strange.any() or wild.any()):
            return
        number = int(np.flatnonzero(strange)[0]) + 2 if strange.any() else int(np.flatnonzero(wild)[0]) + 2
        raise ExamError(
            "slice_jump",
            tr(
                "Slice {number} doesn't continue its neighbours: slices may be mixed up. Export it again.",
                number=number,
            ),
        )

    def doubtful(self, slices: Sequence[int]) -> bool:
        """Whether anything about these slices, the only ones noted, could make `check` refuse the whole series.

        What a jump is follows from all slices, so every one that could be large enough counts here; whoever asks then
        reads the whole series and lets `check` decide.
        """
        flat = self._thumbs.reshape(len(self._thumbs), -1)[list(slices)]
        if bool((flat.min(axis=1) == flat.max(axis=1)).any()):
            return True
        np.clip(flat, _LOW, _HIGH, out=flat)
        neighbours = np.diff(slices) == 1
        jumps = _differences(flat, 1)
        large = neighbours & (jumps > _JUMP_FLOOR_HU)
        if len(flat) < 3:
            return bool(large.any())
        both = np.minimum(jumps[:-1], jumps[1:])
        strange = (both > _STRANGER_FACTOR * _differences(flat, 2)) & (both > _STRANGER_FLOOR_HU)
        return bool(large.any() or (strange & neighbours[:-1] & neighbours[1:]).any())


def hu_thumb_shape(rows: int, columns: int, steps: tuple[int, int]) -> tuple[int, int]:
    """Shape of ``slice[s // 2 :: s]`` in both axes."""
    return tuple(len(range(s // 2, n, s)) for n, s in zip((rows, columns), steps, strict=True))  # type: ignore[return-value]


def _differences(thumbs: NDArray[np.float32], apart: int) -> NDArray[np.float64]:
    """Mean absolute difference in HU of slices [slice, pixel] that many apart."""
    differences = thumbs[apart:] - thumbs[:-apart]
    return np.asarray(np.abs(differences, out=differences).mean(axis=1), np.float64)
