"""Whether the slices' numbers (InstanceNumber) contradict their positions: one of the two was then relabelled."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np

from hyrisk_desktop.errors import ExamError
from hyrisk_desktop.findings import Finding, Severity
from hyrisk_desktop.i18n import tr
from hyrisk_desktop.imaging.headers.header import Header

_MOST_TURNS = 8


def check_instance_numbers(ordered: Sequence[Header]) -> tuple[Finding, ...]:
    """Refuse slices whose numbers run against their positions: one of the two was relabelled.

    Numbers that follow a rule of their own (sorted as texts, counted twice, in turns by several helices) are no sign of
    that: positions decide then, and it is said.
    """
    numbers = [h.number("InstanceNumber") for h in ordered]
    known = [n for n in numbers if n is not None]
    if len(known) != len(numbers) or len(set(known)) == 1:
        return ()
    steps = np.diff(known)
    if (steps > 0).all() or (steps < 0).all():
        return ()
    if not any(map(_follows_a_rule, (known, known[::-1]))):
        raise ExamError(
            "instance_order",
            tr("The slices' numbers and positions contradict each other. Export the series again."),
        )
    message = tr("The slices' numbers don't follow their positions; they were put in order by position.")
    return (Finding("instance_order", Severity.WARNING, message),)


def _follows_a_rule(numbers: Sequence[int]) -> bool:
    """Whether numbers, feet to head or the other way, are what a careless but regular writer makes."""
    if all(a <= b for a, b in itertools.pairwise(numbers)):  # each number two or more times in turn
        return True
    if list(numbers) == sorted(numbers, key=str) and len(set(numbers)) == len(numbers):  # 1, 10, 11, 2, 3
        return True
    for parts in range(2, len(numbers) // 3 + 1):
        turns = [numbers[first::parts] for first in range(parts)]  # 1, 11, 2, 12
        if parts <= _MOST_TURNS and all(_evenly(turn) for turn in turns):
            return True
        length, rest = divmod(len(numbers), parts)
        blocks = [list(numbers[i * length : (i + 1) * length]) for i in range(parts)]  # twice 1 to 10
        if not rest and _evenly(blocks[0]) and all(block == blocks[0] for block in blocks[1:]):
            return True
    return False


def _evenly(numbers: Sequence[int]) -> bool:
    """Whether numbers rise in equal steps."""
    steps = {b - a for a, b in itertools.pairwise(numbers)}
    return len(steps) == 1 and min(steps) > 0
