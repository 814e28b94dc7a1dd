"""Real scans where they are at hand, and no decoding child left behind."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from hyrisk_desktop.imaging import shutdown_decoders


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real scans; the test is skipped where there is none."""
    place = os.environ.get("HYRISK_TEST_DATA", "")
    if not place or not Path(place).is_dir():
        pytest.skip("HYRISK_TEST_DATA names no folder of real scans")
    return Path(place)


@pytest.fixture(scope="session", autouse=True)
def _children_end() -> Iterator[None]:
    yield
    shutdown_decoders()
