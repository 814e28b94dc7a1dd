"""Coloured voxels over the image: lesions of the region, or the plaques of the whole heart with the line of its outline."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hyrisk_desktop.calcium import CalciumScores, HeartRegion, Plaque, Region, WholeHeartScores, Zone
from hyrisk_desktop.imaging import Voxel

WEIGHT_COLOURS = ((255, 214, 10), (255, 149, 0), (255, 59, 48), (255, 64, 230))
"""RGB of Agatston weights 1 to 4."""
EXCLUDED_COLOUR = (130, 140, 150)
_OVERLAY_ALPHA = 150
VESSEL_COLOURS = {
    "LM": (255, 214, 10), "LAD": (255, 90, 80), "LCX": (60, 200, 255), "RCA": (80, 230, 120), "other": (200, 160, 255),
}  # fmt: skip
_TAKEN_ALPHA, _SUGGESTED_ALPHA, _GREY_ALPHA = 210, 110, 130
OUTLINE = (80, 230, 140, 150)


@dataclass(frozen=True, slots=True, eq=False)
class Overlay:
    """Coloured voxels over the image.

    Attributes:
        labels: [z, y, x] indices of ``colours``, 0 for nothing. start: voxel (x, y, z) of ``labels[0, 0, 0]``.
        colours: [n, 4] RGBA; the first one is transparent.
    """

    labels: NDArray[np.int32]
    start: Voxel
    colours: NDArray[np.uint8]

    @property
    def region(self) -> Region:
        """The box that ``labels`` covers."""
        (x, y, z), (d, r, c) = self.start, self.labels.shape
        return Region((x, y, z), (x + c, y + r, z + d))


def lesion_overlay(scores: CalciumScores) -> Overlay:
    """The lesions of a region, coloured by their Agatston weight; what does not count is grey."""
    table = np.zeros((len(scores.lesions) + 1, 4), np.uint8)
    for i, lesion in enumerate(scores.lesions):
        colour = EXCLUDED_COLOUR if lesion.excluded else WEIGHT_COLOURS[lesion.weight - 1]
        table[i + 1] = (*colour, _OVERLAY_ALPHA)
    return Overlay(scores.labels, scores.label_start, table)


def heart_overlay(outline: HeartRegion, scores: WholeHeartScores) -> Overlay:
    """Plaques of ``scores`` and the border of ``outline``, which it was scored in; a suggested vessel is paler than a taken one."""
    labels = np.where(
        (scores.labels == 0) & _border(np.asarray(outline.zones == Zone.HEART)), len(scores.groups) + 1, scores.labels
    )
    return Overlay(labels.astype(np.int32), scores.label_start, _plaque_table(scores))


def recoloured(overlay: Overlay, scores: WholeHeartScores) -> Overlay:
    """An overlay of `heart_overlay` for the same plaques with other marks."""
    return Overlay(overlay.labels, overlay.start, _plaque_table(scores))


def _plaque_table(scores: WholeHeartScores) -> NDArray[np.uint8]:
    table = np.zeros((len(scores.groups) + 2, 4), np.uint8)
    for i, plaque in enumerate(scores.groups):
        table[i + 1] = plaque_colour(plaque)
    table[-1] = OUTLINE
    return table


def plaque_colour(plaque: Plaque) -> tuple[int, int, int, int]:
    """RGBA of a plaque."""
    if not plaque.counted:
        return (*EXCLUDED_COLOUR, _GREY_ALPHA)
    alpha = _SUGGESTED_ALPHA if plaque.vessel is None else _TAKEN_ALPHA
    return (*VESSEL_COLOURS[plaque.vessel or plaque.suggested], alpha)


def _border(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The outer voxels of ``mask`` [z, y, x] in each slice."""
    inner = mask.copy()
    inner[:, 1:] &= mask[:, :-1]
    inner[:, :-1] &= mask[:, 1:]
    inner[:, :, 1:] &= mask[:, :, :-1]
    inner[:, :, :-1] &= mask[:, :, 1:]
    return mask & ~inner
