"""A tiny synthetic cohort, rendered once for all training tests, and a training on it that went through."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path

import pytest

from model_training.dataset import load_cohort
from model_training.phantom.cohort import write_cohort
from tests.helpers.narrow import narrow_networks
from tests.helpers.once import once, shared_folder
from tests.helpers.training_runs import finish, start

FIRST_SEED, COUNT = 5_100_000, 24
REAL_WIDTH = ("test_bundled_model", "test_fits", "test_full_disk", "test_looks", "test_spread", "test_study")
"""Tests of the model that ships with the program, of what is fitted to features, and of how much a checkpoint holds."""


@pytest.fixture(scope="module", autouse=True)
def narrow(request: pytest.FixtureRequest) -> Iterator[None]:
    """Networks are narrow but for `REAL_WIDTH`."""
    with nullcontext() if request.path.stem in REAL_WIDTH else narrow_networks():
        yield


@pytest.fixture(scope="session")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return once(
        shared_folder(tmp_path_factory), "cohort", lambda folder: write_cohort(folder, COUNT, FIRST_SEED, workers=1)
    )


@pytest.fixture(scope="session")
def cache(cohort: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Its patches, cut already: runs beside each other would cut into one file."""
    return once(shared_folder(tmp_path_factory), "patches", lambda folder: load_cohort(cohort, folder))


@pytest.fixture(scope="session")
def finished(cohort: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A training that went through without a break, from exams whose patches nobody had cut."""

    def train(run: Path) -> None:
        # Made before any module's own fixtures.
        with narrow_networks():
            code, out, err = finish(start(cohort, run.with_name("patches-of-whole"), run, "--events", "--name", "Tiny"))
        assert code == 0, err
        lines = [json.loads(line) for line in out.splitlines()]
        assert (lines[-1]["event"], lines[-1]["bundle"]) == ("finished", "bundle")

    return once(shared_folder(tmp_path_factory), "whole", train)
