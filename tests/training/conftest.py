"""A tiny synthetic cohort, rendered once for all training tests, and a training on it that went through."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from model_training.dataset import load_cohort
from model_training.phantom.cohort import write_cohort
from tests.helpers.once import once, shared_folder
from tests.helpers.training_runs import finish, start

FIRST_SEED, COUNT = 5_100_000, 24


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
        code, out, err = finish(start(cohort, run.with_name("patches-of-whole"), run, "--events", "--name", "Tiny"))
        assert code == 0, err
        lines = [json.loads(line) for line in out.splitlines()]
        assert (lines[-1]["event"], lines[-1]["bundle"]) == ("finished", "bundle")

    return once(shared_folder(tmp_path_factory), "whole", train)
