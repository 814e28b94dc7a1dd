"""What the commands' options share: whole numbers above zero, and progress as lines."""

from __future__ import annotations

import argparse
import sys


def positive(text: str) -> int:
    """A whole number from 1 on, for ``type=``."""
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError("must be 1 or more")
    return value


def tell_progress(done: int, total: int) -> None:
    """A line that the window reads."""
    print(f"progress {done} {total}", file=sys.stderr, flush=True)
