"""What the commands' options share: numbers within their bounds, and progress as lines."""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T", int, float)
LARGEST_SEED = 2**31 - 1
"""What numpy and scikit-learn both take, with room for the folds' own seeds that are counted from it."""


def _bounded(kind: type[T], lowest: T, highest: float = math.inf) -> Callable[[str], T]:
    """A reader of texts, for ``type=``, that takes finite numbers of one kind within bounds and says these otherwise."""

    def read(text: str) -> T:
        value = kind(text)
        # Against NaN no comparison is ever true, and what it bounds would not be bounded.
        if not lowest <= value <= highest or value == math.inf:
            bounds = f"be {lowest} or more" if math.isinf(highest) else f"lie between {lowest} and {highest}"
            raise argparse.ArgumentTypeError(f"must {bounds}")
        return value

    # What argparse calls a text that is no number at all.
    read.__name__ = kind.__name__
    return read


positive = _bounded(int, 1)
not_negative = _bounded(int, 0)
seed = _bounded(int, 0, LARGEST_SEED)
"""What a random choice starts from."""
amount = _bounded(float, 0)
years = _bounded(float, 0, 100)
"""A time that a person may live."""


def tell_progress(done: int, total: int) -> None:
    """A line that the window reads."""
    print(f"progress {done} {total}", file=sys.stderr, flush=True)
