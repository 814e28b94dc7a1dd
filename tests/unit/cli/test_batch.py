"""`hyrisk batch` as its callers use it: a table, exit codes, a run that is killed and goes on."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from hyrisk_desktop.cli import main
from hyrisk_desktop.cli.batch import _stoppable
from hyrisk_desktop.errors import InputError
from hyrisk_desktop.jobs import CancelToken
from hyrisk_desktop.risk import loading
from tests.helpers.batch import CENTRE, series_uid, write_exams, write_reads
from tests.helpers.bundles import shelve, write_tiny_bundle
from tests.helpers.command_line import hyrisk
from tests.helpers.exams import write_exam
from tests.helpers.languages import LANGUAGES, speaking
from tests.helpers.patience import PATIENCE_S

COUNT = 24


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models") / "tiny"
    write_tiny_bundle(folder)
    return folder


@pytest.fixture(scope="module")
def exams(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_exams(tmp_path_factory.mktemp("exams"), COUNT)


def rows(path: Path) -> list[dict[str, str]]:
    with open(path, encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream, strict=True))


def timeless(path: Path) -> list[dict[str, str]]:
    return sorted(({**row, "seconds": ""} for row in rows(path)), key=lambda row: row["row_id"])


def start(*arguments: object) -> subprocess.Popen[bytes]:
    root = str(Path(main.__file__).parents[2])
    environment = os.environ | {"PYTHONPATH": root}
    command = [sys.executable, "-m", "hyrisk_desktop.cli", "batch", *map(str, arguments)]
    return subprocess.Popen(command, env=environment, stderr=subprocess.PIPE)


def wait_for_rows(path: Path, count: int, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not path.exists() or path.read_bytes().count(b"\n") <= count:
        assert process.poll() is None, process.communicate()[1].decode()
        assert time.monotonic() < deadline
        time.sleep(0.002)


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_table_is_the_same_whatever_the_language_of_who_made_it(
    language: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], model: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "study"
    for n in (1, 2):
        write_exam(folder / f"{n}", n)
    (folder / "2" / f"I{10 * 7919 % 10007:05d}.dcm").unlink()
    reads = write_reads(tmp_path / "reads.csv", [1, 2])
    ask = ("batch", folder, "--reads", reads, "--model", model, "--whole-heart", "--out")
    assert hyrisk(monkeypatch, capsys, *ask, tmp_path / "en.csv")[0] == 4
    with speaking(language):
        code, _, err = hyrisk(monkeypatch, capsys, *ask, tmp_path / "other.csv")
    assert code == 4
    assert "Research use only." not in err
    assert timeless(tmp_path / "other.csv") == timeless(tmp_path / "en.csv")


def test_the_same_numbers_as_hyrisk_score(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], exams: Path, model: Path, tmp_path: Path
) -> None:
    reads, out = write_reads(tmp_path / "reads.csv", [2]), tmp_path / "out.csv"
    exam = exams / "exam002"
    code, printed, err = hyrisk(monkeypatch, capsys, "batch", exam, "--reads", reads, "--out", out, "--model", model)
    assert (code, printed) == (0, "")
    assert "1 scored, 0 failed" in err
    assert "Research use only." in err
    (row,) = rows(out)
    _, printed, _ = hyrisk(
        monkeypatch, capsys, "score", exam, "--center", *CENTRE, "--grade", 2, "--model", model, "--json"
    )
    document = json.loads(printed)
    risk, calcium = document["risk"], document["calcium"]
    for column, value in {
        "risknet": risk["risknet"], "hyrisknet": risk["hyrisknet"], "interval_low": risk["interval"][0],
        "interval_high": risk["interval"][1], "percentile": risk["percentile"], "prevalence": risk["prevalence"],
        "agatston": calcium["agatston"], "volume_mm3": calcium["volume_mm3"],
        "sqrt_volume_mm1_5": calcium["sqrt_volume"], "region_z_mm": calcium["region_mm_xyz"][2],
    }.items():  # fmt: skip
        assert float(row[column]) == value
    assert (row["model"], row["bundle_sha256"]) == (risk["model"], risk["bundle_sha256"])
    assert row["findings"].split() == [
        f["code"] for f in document["findings"] if f["code"] not in ("truncated_fov", "padding")
    ]


def test_killed_and_started_again(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], exams: Path, model: Path, tmp_path: Path
) -> None:
    reads = write_reads(tmp_path / "reads.csv", range(1, COUNT + 1))
    common = ("--reads", reads, "--model", model)
    out, alone = tmp_path / "out.csv", tmp_path / "alone.csv"
    process = start(exams, *common, "--out", out, "--workers", 1)
    wait_for_rows(out, 3, process)
    process.kill()
    process.communicate()
    made = len(rows(out))
    assert 3 <= made < COUNT
    with open(out, "ab") as stream:
        stream.write(b"e123456,half a row")
    code, _, err = hyrisk(monkeypatch, capsys, "batch", exams, *common, "--out", out)
    assert code == 0
    assert f"{COUNT - made} scored, 0 failed, {made} there already" in err
    assert hyrisk(monkeypatch, capsys, "batch", exams, *common, "--out", alone)[0] == 0
    assert timeless(out) == timeless(alone)
    before = out.stat().st_mtime_ns
    code, _, err = hyrisk(monkeypatch, capsys, "batch", exams, *common, "--out", out)
    assert (code, out.stat().st_mtime_ns) == (0, before)
    assert f"0 scored, 0 failed, {COUNT} there already" in err


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no signal to send to another process")
def test_stopped_cleanly(exams: Path, model: Path, tmp_path: Path) -> None:
    reads, out = write_reads(tmp_path / "reads.csv", range(1, COUNT + 1)), tmp_path / "out.csv"
    process = start(exams, "--reads", reads, "--model", model, "--out", out, "--workers", 1)
    wait_for_rows(out, 2, process)
    process.send_signal(signal.SIGINT)
    err = process.communicate(timeout=PATIENCE_S)[1].decode()
    assert process.returncode == 130
    assert err.endswith("Stopped. The same command goes on where it stopped.\n")
    assert 2 <= len(rows(out)) < COUNT
    assert all(row["status"] == "scored" for row in rows(out))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_first_signal_asks_and_the_second_is_the_usual_one(number: int) -> None:
    token, before = CancelToken(), signal.getsignal(number)
    with _stoppable(token):
        signal.raise_signal(number)
        assert token.cancelled
        assert signal.getsignal(number) is before
    assert signal.getsignal(number) is before


def test_failures_are_rows_tried_again_and_counted(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], model: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "exams"
    for n in (1, 2, 3):
        write_exam(folder / f"{n}", n)
    lost = folder / "2" / f"I{10 * 7919 % 10007:05d}.dcm"
    content = lost.read_bytes()
    lost.unlink()
    reads, out = write_reads(tmp_path / "reads.csv", [1, 2, 3, 4]), tmp_path / "out.csv"
    arguments = ("batch", folder, "--reads", reads, "--model", model, "--out", out)
    code, _, err = hyrisk(monkeypatch, capsys, *arguments)
    assert code == 4
    assert "2 scored, 1 failed" in err
    assert "1 missing_slice" in err
    assert "1 series of the reads is not below this folder" in err
    assert [row["status"] for row in rows(out)] == ["scored", "failed", "scored"]
    assert "slice of this series is missing" in rows(out)[1]["error"]
    lost.write_bytes(content)
    code, _, err = hyrisk(monkeypatch, capsys, *arguments)
    assert code == 0
    assert "1 scored, 0 failed, 2 there already" in err
    assert sorted(row["status"] for row in rows(out)) == ["scored"] * 3


def test_another_model_scores_everything_anew(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], exams: Path, model: Path, tmp_path: Path
) -> None:
    write_tiny_bundle(tmp_path / "other", seed=3)
    out = tmp_path / "out.csv"
    shelve(model, tmp_path / "other")
    for arguments, words in ((("--model", model), "1 scored"), ((), "1 scored"), ((), "0 scored")):
        _, _, err = hyrisk(monkeypatch, capsys, "batch", exams / "exam001", "--out", out, *arguments)
        assert words in err
    assert len(rows(out)) == 1


def test_hostile_and_foreign_text(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], model: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "Über, die „Prüfung“"
    write_exam(folder / "=1+1", 1, patient='=HYPERLINK("http://x","y")')
    reads, out = tmp_path / "reads.csv", tmp_path / "out.csv"
    x, y, z = CENTRE
    reads.write_text(f"series_uid,x,y,z,grade,reader\n{series_uid(1)},{x},{y},{z},1,-Jürgen\n", encoding="utf-8")
    code, _, err = hyrisk(monkeypatch, capsys, "batch", folder, "--reads", reads, "--out", out, "--model", model)
    assert code == 0
    data = out.read_bytes()
    assert data.count(b"\r\n") == data.count(b"\n") == 2
    (row,) = rows(out)
    assert row["patient_id"].startswith("'=HYPERLINK")
    assert row["reader"] == "'-Jürgen"
    assert "„Prüfung“" in row["source"]
    assert not [value for value in row.values() if value[:1] in "=+-@" and value]
    assert "HYPERLINK" not in err


def test_parquet(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], exams: Path, model: Path, tmp_path: Path
) -> None:
    import pyarrow.parquet as pq

    out = tmp_path / "out.parquet"
    for words in ("1 scored", "1 there already"):
        code, _, err = hyrisk(monkeypatch, capsys, "batch", exams / "exam001", "--out", out, "--model", model)
        assert code == 0
        assert words in err
    (row,) = pq.read_table(out).to_pylist()
    assert isinstance(row["risknet"], float)
    assert row["demonstration"] is True
    assert row["hyrisknet"] is None


def test_the_engine_asked_for_reads(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], exams: Path, model: Path, tmp_path: Path
) -> None:
    asked = []
    load = loading.load_predictor
    monkeypatch.setattr(loading, "load_predictor", lambda *a, **k: (asked.append(k["engine"]), load(*a, **k))[1])
    ask = ("batch", exams / "exam002", "--out", tmp_path / "out.csv", "--model", model)
    assert hyrisk(monkeypatch, capsys, *ask, "--engine", "torch")[0] == 0
    _, _, err = hyrisk(monkeypatch, capsys, *ask)
    assert asked == ["torch", "auto"]
    assert "1 scored, 0 failed, 0 there already" in err, "another engine's rows are not taken for these"


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["--profile", "agatstone"], 2, "no scoring profile"),
        (["--device", "tpu"], 2, "cpu or cuda"),
        (["--engine", "tensor"], 2, "auto, torch or onnx"),
        (["--prevalence", 2], 2, "prevalence"),
        (["--workers", 1000], 2, "1 and 64"),
        (["--model", "/nowhere"], 3, ""),
        (["--out", "x.xlsx"], 2, ".csv or .parquet"),
        (["--reads", "/nowhere/reads.csv"], 2, "reads.csv can't be read"),
        (["--tls-ca", "/nowhere"], 2, "need --scheduler"),
        (["--scheduler", "tcp://127.0.0.1:1", "--workers", 2], 2, "--workers is for this machine"),
        (["--scheduler", "tls://127.0.0.1:1", "--tls-ca", "/nowhere"], 2, ""),
    ],
)
def test_wrong_arguments_are_one_sentence(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    exams: Path,
    tmp_path: Path,
    arguments: list[object],
    code: int,
    words: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    got, out, err = hyrisk(monkeypatch, capsys, "batch", exams / "exam001", *arguments)
    assert (got, out) == (code, "")
    assert words in err
    assert "Traceback" not in err
    assert not (tmp_path / "hyrisk-batch.csv").exists()


def test_folders_without_exams(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert hyrisk(monkeypatch, capsys, "batch", tmp_path / "gone", "--out", tmp_path / "o.csv")[0] == 2
    assert hyrisk(monkeypatch, capsys, "batch", tmp_path, "--out", tmp_path / "o.csv")[0] == 3
    assert not (tmp_path / "o.csv").exists()


def test_a_wrong_cell_of_the_reads_stops_before_anything_is_written(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], exams: Path, tmp_path: Path
) -> None:
    reads, out = tmp_path / "reads.csv", tmp_path / "out.csv"
    reads.write_text("series_uid,x,y,z,grade\n1.2,1,2,3,5\n")
    code, _, err = hyrisk(monkeypatch, capsys, "batch", exams, "--reads", reads, "--out", out)
    assert (code, err) == (2, "reads.csv, row 2, column grade: “5” is no grade; write a number from 0 to 3.\n")
    assert not out.exists()


def test_without_dask_a_sentence_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    from hyrisk_desktop.dask_client import Cluster

    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(InputError, match=r"\[cluster\]"):
        Cluster("tcp://127.0.0.1:1").connect()


@pytest.mark.parametrize("address", ["host", "host:port", "http://host:8786"])
def test_what_is_no_address_of_a_scheduler_makes_no_client(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from hyrisk_desktop.dask_client import Cluster

    made: list[object] = []
    monkeypatch.setattr("distributed.Client", lambda *arguments, **_: made.append(arguments))
    with pytest.raises(InputError, match=f"^No Dask scheduler answers at “{address}”\\.$"):
        Cluster(address).connect()
    assert not made
