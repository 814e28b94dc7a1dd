"""A tiny synthetic cohort, rendered once for all training tests."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from model_training.phantom.cohort import write_cohort
from tests.helpers.training_runs import finish, start

FIRST_SEED, COUNT = 5_100_000, 24


@pytest.fixture(scope="session")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cohort")
    write_cohort(folder, COUNT, FIRST_SEED, workers=1)
    return folder


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("patches")


@pytest.fixture(scope="session")
def finished(cohort: Path, cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A training that went through without a break."""
    run = tmp_path_factory.mktemp("runs") / "whole"
    code, out, err = finish(start(cohort, cache, run, "--events", "--name", "Tiny"))
    assert code == 0, err
    lines = [json.loads(line) for line in out.splitlines()]
    assert (lines[-1]["event"], lines[-1]["bundle"]) == ("finished", "bundle")
    return run
