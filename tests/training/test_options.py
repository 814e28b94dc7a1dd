"""Numbers, names and places that no command can use: one sentence each, before anything is read for minutes."""

from __future__ import annotations

from pathlib import Path

import pytest

from model_training.cohort_table import read_table
from tests.helpers.training_runs import run_here

SETTINGS = ["--seed -1", "--seed 4294967296", "--epochs nan", "--epochs inf", "--epochs -1", "--epochs 0", "--size 10", "--patience -1", "--threads -1",
            "--permutation-folds -1", "--checkpoint-seconds nan", "--checkpoint-seconds -1"]  # fmt: skip
OTHERS = [
    "reproduce COHORT --estimate --seed -1", "reproduce COHORT --estimate --patience -1", "reproduce COHORT --estimate --threads -1",
    "study OUT --out OUT --seed -1", "study OUT --out OUT --workers -1", "phantom cohort -n 1 --seed -1 --out OUT",
    "phantom exam --seed -1 --out OUT", "phantom pair --years nan --out OUT", "phantom pair --years -1 --out OUT",
    "phantom pair --years 1e9 --out OUT", "phantom pair --growth -1 --out OUT", "phantom pair --growth inf --out OUT",
    "nlst A B --seed -1 --out OUT",
]  # fmt: skip


def said_of(command: str, cohort: Path, out: Path) -> tuple[int, str]:
    """Exit code, and the last line of what a command says."""
    places = {"COHORT": str(cohort), "OUT": str(out)}
    code, _, err = run_here(*(places.get(word, word) for word in command.split()))
    assert "Traceback" not in err
    return code, err.strip().splitlines()[-1]


@pytest.mark.parametrize("command", [*(f"estimate COHORT {option}" for option in SETTINGS), *OTHERS])
def test_a_number_that_nothing_can_be_done_with_is_one_sentence(command: str, cohort: Path, tmp_path: Path) -> None:
    code, said = said_of(command, cohort, tmp_path / "out")
    option = next(word for word in reversed(command.split()) if word.startswith("--") and word not in ("--out",))
    assert (code, option in said) == (2, True), said
    assert not (tmp_path / "out").exists()


def test_training_refuses_the_number_before_it_reads_an_exam(cohort: Path, tmp_path: Path) -> None:
    code, said = said_of("train COHORT --epochs nan --out OUT", cohort, tmp_path / "out")
    assert (code, said) == (2, "--epochs must lie between 1 and 10000.")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("command", ["train COHORT", "validate COHORT", "reproduce COHORT --networks 18"])
def test_a_folder_that_can_not_be_made_is_one_sentence(command: str, cohort: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for out in (tmp_path / "file", tmp_path / "file" / "below"):
        code, said = said_of(f"{command} --out OUT", cohort, out)
        assert code == 2
        assert said.startswith(f"“{out.name}” can't be the folder of a run: ")


def test_what_the_disk_refuses_is_one_sentence(cohort: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    code, said = said_of("phantom cohort -n 1 --seed 1 --out OUT", cohort, tmp_path / "file")
    assert (code, said) == (3, "“file” can't be read or written: File exists.")


def test_a_path_that_no_disk_takes_names_row_and_column(tmp_path: Path) -> None:
    path = tmp_path / "cohort.csv"
    path.write_text(f"exam,x,y,z,grade,outcome,patient_id\n{'a' * 5000},1,1,1,1,0,p\n", encoding="utf-8")
    problem = next(p for p in read_table(path).problems if p.column == "exam")
    assert (problem.row, problem.severity) == (2, "error")
