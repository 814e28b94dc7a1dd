"""Pixels outside the reconstructed field: whatever constant stands there, it is air and never calcium.

Writers fill the corners of a round field with -2000, -3024, -32768 or the like, with or without saying so in
PixelPaddingValue, and some declare these negative numbers unsigned: -2000 is then read as 63536. What a tag or a tissue
could also mean is only taken for padding where it reaches the image's border, so that metal in the body stays metal.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

AIR_HU = -1024
PADDING_HU = -1500.0
"""At or below, nothing was measured: air is -1000 HU, and the noise of sharp kernels reaches some hundreds further."""
_AIR_END_HU = -1000.0  # a tag that names a value down here can mean no tissue
_METAL_END_HU = (
    32767.0  # no scanner stores more (extended scales end at 31743): above lie negative numbers read as unsigned
)
_ALL_BITS = 16
_BRIGHT_CORNER_HU = 1000.0  # brighter than any tissue but bone's cortex, which is in no image the same in two corners

Range = tuple[float, float, bool]
"""Lowest and highest value, and whether it is padding wherever it stands or only where it reaches the border."""


@dataclass(frozen=True, slots=True)
class Padding:
    """What counts as padding, in the units of the pixels that are looked at (stored values or HU).

    Attributes:
        low: at or below is padding. bright: a corner at or above, if another is the same, is padding.
        beyond: above is no CT value, and one corner is enough.
        ranges: what PixelPaddingValue and PixelPaddingRangeLimit name.
    """

    low: float
    bright: float
    beyond: float
    ranges: tuple[Range, ...] = ()

    def in_stored(self, slope: float, intercept: float) -> Padding:
        """The same rule, given in HU, for stored values; ``slope`` above 0."""

        def stored(hu: float) -> float:
            return (hu - intercept) / slope

        return Padding(
            stored(self.low),
            stored(self.bright),
            stored(self.beyond),
            tuple((stored(a), stored(b), sure) for a, b, sure in self.ranges),
        )

    def tagged(self, values: NDArray[Any]) -> NDArray[np.bool_] | None:
        """Where pixels [..., row, column] hold what a tag names or what fills the corners; None for nowhere."""
        mask: NDArray[np.bool_] | None = None
        for low, high, sure in self.ranges:
            hit = (
                values == round(low)
                if low == high and values.dtype.kind in "iu"
                else (values >= low) & (values <= high)
            )
            if not hit.any():
                continue
            if not sure:
                hit = _from_border(hit)
            mask = hit if mask is None else mask | hit
        for index in np.ndindex(values.shape[:-2]):
            frame = values[index]
            corners = [frame[y, x].item() for y in (0, -1) for x in (0, -1)]
            for value in {c for c in corners if c > self.beyond or (c >= self.bright and corners.count(c) > 1)}:
                mask = np.zeros(values.shape, bool) if mask is None else mask
                mask[index] |= _from_border(frame == value)
        return mask

    def below(self, values: NDArray[Any]) -> NDArray[np.bool_] | None:
        """Where pixels, of any shape, lie below all air; None for nowhere. Costs a pass only where their type reaches so low."""
        if values.dtype.kind in "iu" and self.low < np.iinfo(values.dtype).min:
            return None
        return values <= self.low if values.size and values.min() <= self.low else None


def padding_in_hu(
    tags: tuple[int, ...], slope: float, intercept: float, *, unsigned_bits: int | None = None
) -> Padding:
    """The rule for pixels in HU.

    Args:
        slope, intercept: from stored values to HU.
        tags: PixelPaddingValue and, if given, PixelPaddingRangeLimit as stored values, read as the pixels are.
        unsigned_bits: BitsStored of unsigned pixels that may have lost their unused bits before they are looked at.
    """
    named = [tags] if tags else []
    if tags and unsigned_bits is not None and max(tags) >> unsigned_bits:
        named.append(tuple(tag & (1 << unsigned_bits) - 1 for tag in tags))
    ranges = []
    for number, values in enumerate(named):
        ends = [value * slope + intercept for value in values]
        low, high = min(ends), max(ends)
        # A value that lost bits may be any tissue's.
        ranges.append((low, high, number == 0 and (high <= _AIR_END_HU or low > _METAL_END_HU)))
    # Where some bits aren't the image's, an old overlay in them makes any value large.
    beyond = _METAL_END_HU if unsigned_bits is None or unsigned_bits >= _ALL_BITS else float("inf")
    return Padding(PADDING_HU, _BRIGHT_CORNER_HU, beyond, tuple(ranges))


def _from_border(hit: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The parts of ``hit`` [..., row, column] that are connected with the border of their image."""
    from scipy import ndimage

    kept = np.zeros_like(hit)
    for index in np.ndindex(hit.shape[:-2]):
        labels, _ = ndimage.label(hit[index], np.ones((3, 3)))
        border = np.unique(np.concatenate((labels[0], labels[-1], labels[:, 0], labels[:, -1])))
        kept[index] = np.isin(labels, border[border > 0])
    return kept


def make_air(hu: NDArray[Any], rule: Padding) -> bool:
    """Set padding in ``hu`` [..., row, column] to air, in place; returns whether there was any. NaN is air as well."""
    found = False
    if hu.dtype.kind == "f" and not np.isfinite(hu).all():
        np.copyto(hu, AIR_HU, where=~np.isfinite(hu))
        found = True
    for mask in (rule.tagged(hu), rule.below(hu)):
        if mask is not None and mask.any():
            np.copyto(hu, AIR_HU, where=mask, casting="unsafe")
            found = True
    return found
