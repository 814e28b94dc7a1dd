"""`hyrisk pacs` as an IT person types it, against a real PACS."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from pydicom import dcmread

from hyrisk_desktop.paths import config_dir, inbox_dir
from hyrisk_desktop.settings import Settings
from tests.helpers import command_line, orthanc
from tests.helpers.exams import write_exam
from tests.helpers.orthanc import Orthanc
from tests.helpers.patience import PATIENCE_S

Command = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def hyrisk(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """One command of `hyrisk pacs`."""

    def run(*arguments: object) -> subprocess.CompletedProcess[str]:
        return subprocess.CompletedProcess(arguments, *command_line.hyrisk(monkeypatch, capsys, "pacs", *arguments))

    return run


@pytest.fixture
def pacs(tmp_path: Path, isolated_home: Path) -> Iterator[Orthanc]:
    with orthanc.running(tmp_path / "orthanc", orthanc.free_port()) as server:
        Settings(config_dir() / "settings.json")["pacs_port"] = server.own_port
        yield server


def test_a_day_of_an_it_person(pacs: Orthanc, hyrisk: Command, tmp_path: Path) -> None:
    """Add, test, find, get, go on, send: each as one command."""
    files = sorted(write_exam(tmp_path / "exam", 1, count=6).rglob("*.dcm"))
    pacs.put_files(files)
    assert hyrisk("test").returncode == 2, "no node yet"
    added = hyrisk("add", "Main", "--ae-title", "ORTHANC", "--host", "127.0.0.1", "--port", pacs.port, "--move")
    assert added.returncode == 0, added.stderr
    assert f"ORTHANC 127.0.0.1:{pacs.port}" in hyrisk("nodes").stdout
    assert hyrisk("test").stdout.startswith("ok")
    found = hyrisk("find", "Main", "--patient-id", "P001", "--date-from", "2020-01-01")
    (study,) = map(json.loads, found.stdout.splitlines())
    assert study["instances"] == 6
    got = hyrisk("get", "Main", study["study_uid"])
    assert got.returncode == 0, got.stderr
    folder = Path(got.stdout.strip())
    assert folder.parent == inbox_dir()
    assert {dcmread(f).SOPInstanceUID for f in folder.iterdir()} == {dcmread(f).SOPInstanceUID for f in files}
    assert "0 objects arrived; here before: 6" in hyrisk("get", "Main", study["study_uid"]).stderr
    more = sorted(write_exam(tmp_path / "more", 2, count=2).rglob("*.dcm"))
    sent = hyrisk("send", "Main", *more)
    assert [line.split("\t")[0] for line in sent.stdout.splitlines()] == ["confirmed"] * 2, sent.stderr
    assert pacs.instances == 8


def test_what_fails_says_why_and_has_an_exit_code(pacs: Orthanc, hyrisk: Command, tmp_path: Path) -> None:
    hyrisk("add", "Wrong", "--ae-title", "WRONG", "--host", "127.0.0.1", "--port", pacs.port)
    tested = hyrisk("test", "Wrong")
    assert tested.returncode == 4
    assert "does not know the AE title" in tested.stdout
    assert hyrisk("find", "Wrong").returncode == 2, "a search for everything"
    assert hyrisk("find", "Nobody", "--name", "X").returncode == 2
    assert hyrisk("add", "Bad", "--ae-title", "A\\B", "--host", "h", "--port", 104).returncode == 2
    (file,) = sorted(write_exam(tmp_path / "exam", 1, count=1).rglob("*.dcm"))
    sent = hyrisk("send", "Wrong", file)
    assert sent.returncode == 3
    assert sent.stdout.startswith("waiting")


def test_receiving_prints_what_comes(pacs: Orthanc, hyrisk: Command, tmp_path: Path) -> None:
    hyrisk("add", "Main", "--ae-title", "ORTHANC", "--host", "127.0.0.1", "--port", pacs.port)
    pacs.put_files(sorted(write_exam(tmp_path / "exam", 1, count=3).rglob("*.dcm")))
    line = [sys.executable, "-m", "hyrisk_desktop.cli", "pacs", "receive", "--seconds", "6"]
    with subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        assert "Listening" in process.stderr.readline()
        pacs.ask("POST", "/modalities/us/store", pacs.get("/studies")[0].encode())
        out, _ = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 0
    assert len(out.splitlines()) == 3
    assert all(Path(path).is_file() for path in out.splitlines())
