"""`hyrisk reproduce` on a Dask cluster, and on the table that `hyrisk nlst` writes."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from model_training.nlst import build_nlst, write_reading_list
from tests.helpers.dask_cluster import dask_cluster, free_port
from tests.helpers.dicom_series import ROOT, slices, write
from tests.helpers.training_runs import events, run_here
from tests.training.test_nlst import PEOPLE, SERIES, person, series
from tests.training.test_nlst import write as write_csv

FAST = [
    "--networks", "18", "--folds", "2", "--epochs", "1", "--size", "32", "--batch", "8", "--device", "cpu",
    "--strategies", "scratch", "--threads", "1", "--precision", "fp32",
]  # fmt: skip


def reproduce(cohort: Path, cache: Path, out: Path, *more: str) -> tuple[int, str]:
    code, _, err = run_here("reproduce", str(cohort), "--out", str(out), "--cache", str(cache), *FAST, *more)
    return code, err


def test_a_cluster_finds_what_this_machine_finds(cohort: Path, cache: Path, tmp_path: Path) -> None:
    (tmp_path / "dask").mkdir()
    with dask_cluster(tmp_path / "dask", 1, "--no-nanny") as cluster:
        code, err = reproduce(cohort, cache, tmp_path / "there", "--no-bundles", "--scheduler", cluster.address)
        logs = cluster.logs
    assert code == 0, err
    code, err = reproduce(cohort, cache, tmp_path / "here", "--no-bundles")
    assert code == 0, err
    there, here = (json.loads((tmp_path / name / "reproduction.json").read_text()) for name in ("there", "here"))
    for key in ("table1", "fig2", "fig3", "details", "strategies"):
        assert there[key] == here[key], key
    # Steps and ends are told as a run of this machine tells them.
    for name in ("there", "here"):
        told = events(tmp_path / name)
        assert [e["unit"] for e in told if e["event"] == "unit"] == [f"scratch/hyrisknet-18/fold-0{n}" for n in (1, 2)]
        assert {e["unit"] for e in told if e["event"] in ("step", "epoch")} == {"scratch/hyrisknet-18/fold-01", "scratch/hyrisknet-18/fold-02"}  # fmt: skip
        shares = [e["done"] for e in told if e["event"] in ("step", "unit")]
        assert shares == sorted(shares)
        assert (shares[-1], told[-1]["event"]) == (1.0, "finished")
        for event, row in zip((e for e in told if e["event"] == "unit"), (0, 1), strict=True):
            for head in ("risknet", "hyrisknet"):
                assert event[f"{head}_auc"] == here["table1"][0][head]["folds"][row]
    assert "hyrisk-reproduction-" in logs or "Traceback" not in logs
    assert "phantom-" not in logs


def test_no_scheduler_is_one_sentence(cohort: Path, cache: Path, tmp_path: Path) -> None:
    code, err = reproduce(cohort, cache, tmp_path / "run", "--scheduler", f"tcp://127.0.0.1:{free_port()}")
    assert code == 2
    assert err.splitlines()[-1].startswith("No Dask scheduler answers")
    assert json.loads((tmp_path / "run" / "run.json").read_text())["state"] == "failed"


@pytest.fixture
def reading_list(tmp_path: Path) -> Path:
    """The table of `hyrisk nlst` on six pairs of made-up participants, whose series lie below ``images``."""
    people, listed = [], []
    for number in range(12):
        pid, uid = 200_001 + number, f"{ROOT}.{number + 1}.2"
        people.append(person(pid, 110, died=number % 2 == 1))
        listed.append(series(pid, uid))
        made = slices(24, 170, 164, seed=number, series=str(number + 1))
        write(made, tmp_path / "images" / "NLST" / str(pid) / uid)
    cohort = build_nlst(
        write_csv(tmp_path / "people.csv", PEOPLE, people), write_csv(tmp_path / "series.csv", SERIES, listed), stages={"I": 6}
    )  # fmt: skip
    write_reading_list(tmp_path / "list.csv", cohort, tmp_path / "images")
    return tmp_path / "list.csv"


def read(path: Path) -> None:
    """What a reader adds: a heart centre and a grade in each row."""
    with open(path, newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    for number, row in enumerate(rows):
        row |= {"x": "82", "y": "85", "z": "12", "grade": str((number // 2) % 4)}
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)


def test_the_table_of_nlst_goes_through_once_it_is_read(reading_list: Path, tmp_path: Path) -> None:
    code, err = reproduce(reading_list, tmp_path / "cache", tmp_path / "unread")
    assert code == 2
    assert err.startswith("The cohort can't be used as it is:")
    assert "Row 2, column x: it is empty" in err
    assert "Traceback" not in err
    read(reading_list)
    code, err = reproduce(reading_list, tmp_path / "cache", tmp_path / "run")
    assert code == 0, err
    found = json.loads((tmp_path / "run" / "reproduction.json").read_text())
    assert (found["synthetic"], found["n"], found["patients"], found["non_survivors"]) == (False, 12, 12, 6)
    assert found["true_risk_auc"] is None
    table = (tmp_path / "run" / "table1.html").read_text(encoding="utf-8")
    assert "SYNTHETIC" not in table
    described = json.loads((tmp_path / "run/bundles/hyrisknet-18/model.json").read_text())
    assert described["demonstration"] is False
    written = "".join(
        path.read_text(errors="replace") for path in (tmp_path / "run").rglob("*") if path.suffix in (".json", ".jsonl", ".txt", ".html")
    )  # fmt: skip
    assert "200001" not in written
