"""A tiny synthetic cohort, rendered once for all training tests."""

from __future__ import annotations

from pathlib import Path

import pytest

from model_training.phantom.cohort import write_cohort

FIRST_SEED, COUNT = 5_100_000, 24


@pytest.fixture(scope="session")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cohort")
    write_cohort(folder, COUNT, FIRST_SEED, workers=1)
    return folder


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("patches")
