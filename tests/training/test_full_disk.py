"""A disk that fills while a model learns: one sentence, nothing half written, and the run goes on once there is room."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from hyrisk_desktop.files import replace_file
from model_training.phantom.cohort import write_cohort
from model_training.phantom.grades import write_grades
from model_training.run_folder import RunFolder
from tests.helpers.training_runs import train_here


@contextlib.contextmanager
def files_of_at_most(size: int) -> Iterator[None]:
    """What goes on writing beyond ``size`` bytes is refused, as by a full disk."""
    import resource  # no such thing on Windows

    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.skipif(sys.platform == "win32", reason="there are no limits of file sizes")
def test_a_checkpoint_that_does_not_fit_ends_the_run_with_a_sentence(cohort: Path, cache: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    with files_of_at_most(20_000_000):
        code, _, err = train_here(cohort, cache, run)
    assert code == 3, err
    assert err.count("\n") == 1
    assert "File too large" in err
    record = json.loads((run / "run.json").read_text())
    assert (record["state"], record["message"]) == ("failed", err.strip())
    assert not list(run.rglob("*.part"))
    assert '"code": "disk"' in (run / "events.jsonl").read_text()


def test_half_a_file_is_not_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    replace_file(tmp_path / "x", b"old")
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError):
        replace_file(tmp_path / "x", b"newer")
    assert [p.name for p in tmp_path.iterdir()] == ["x"]
    assert (tmp_path / "x").read_bytes() == b"old"


def test_a_cohort_that_found_no_room_goes_on_once_there_is_some(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("hyrisk_desktop.files._to_disk", full)
        with pytest.raises(OSError):
            write_cohort(tmp_path, 1, 900, workers=1)
        with pytest.raises(OSError):
            write_grades(tmp_path)
    assert not list(tmp_path.iterdir())
    write_cohort(tmp_path, 1, 900, workers=1)
    assert (tmp_path / "cohort.csv").is_file()


def test_failing_to_say_that_it_failed_is_no_second_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = RunFolder(tmp_path / "run", ["train"], {})

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    folder.fail("disk", "The disk is full.")
    assert "The disk is full." in (tmp_path / "run" / "events.jsonl").read_text()
    folder.close()
