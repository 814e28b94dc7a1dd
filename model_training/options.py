"""What the commands' options share: numbers within their bounds, and progress as lines."""

from __future__ import annotations

import argparse
import math
import sys

LARGEST_SEED = 2**31 - 1
"""What numpy and scikit-learn both take, with room for the folds' own seeds that are counted from it."""


def positive(text: str) -> int:
    """A whole number from 1 on, for ``type=``."""
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError("must be 1 or more")
    return value


def not_negative(text: str) -> int:
    """A whole number from 0 on, for ``type=``."""
    value = int(text)
    if value < 0:
        raise argparse.ArgumentTypeError("must be 0 or more")
    return value


def seed(text: str) -> int:
    """What a random choice starts from, for ``type=``."""
    value = int(text)
    if not 0 <= value <= LARGEST_SEED:
        raise argparse.ArgumentTypeError(f"must lie between 0 and {LARGEST_SEED}")
    return value


def finite(text: str) -> float:
    """A number, for ``type=``: against NaN no comparison is ever true, and what it bounds would not be bounded."""
    value = float(text)
    if not math.isfinite(value):
        raise argparse.ArgumentTypeError("must be a number")
    return value


def amount(text: str) -> float:
    """A number from 0 on, for ``type=``."""
    value = finite(text)
    if value < 0:
        raise argparse.ArgumentTypeError("must be 0 or more")
    return value


def years(text: str) -> float:
    """A time that a person may live, for ``type=``."""
    value = amount(text)
    if value > 100:
        raise argparse.ArgumentTypeError("must lie between 0 and 100")
    return value


def tell_progress(done: int, total: int) -> None:
    """A line that the window reads."""
    print(f"progress {done} {total}", file=sys.stderr, flush=True)
