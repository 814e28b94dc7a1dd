"""Which ResNets there are, for both engines: how many blocks each stage has, and in how many features they end."""

from __future__ import annotations

BLOCKS = {18: (2, 2, 2, 2), 34: (3, 4, 6, 3), 50: (3, 4, 6, 3), 101: (3, 4, 23, 3), 152: (3, 8, 36, 3)}
"""Blocks in each of the four stages, by depth."""
FIRST_STAGE = 64
"""Channels of the first stage. A bundle's weights have these; only tests of trainings make narrower networks of them all."""


def stage_width(stage: int) -> int:
    """Channels of the convolutions of ``stage``, 0 to 3: twice those of the stage before."""
    return FIRST_STAGE << stage


def feature_width(depth: int) -> int:
    """Number of trunk features F: 512 for ResNet-18 and -34, 2048 for the deeper ones."""
    return stage_width(3) * (1 if depth in (18, 34) else 4)
