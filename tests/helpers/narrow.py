"""Networks with an eighth of the channels, here and in the processes that are started meanwhile.

What the tests of trainings cost is eleven million weights: to step, to keep and to hash. The layers, their names and
everything that is done with them stay as they are.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from hyrisk_desktop.risk import depths

NARROW = 8
"""Channels of the first stage."""
_HOOK = Path(__file__).with_name("narrow_networks")


@contextlib.contextmanager
def narrow_networks() -> Iterator[None]:
    """What is made, saved and loaded meanwhile is narrow; the bundled model can't be loaded."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(depths, "FIRST_STAGE", NARROW)
        patch.setenv("NARROW_NETWORKS", str(NARROW))
        patch.setenv("PYTHONPATH", os.pathsep.join(filter(None, (str(_HOOK), os.environ.get("PYTHONPATH")))))
        yield
