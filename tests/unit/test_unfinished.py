"""What a killed run left half written is deleted at the next start, and nothing of a run that lives."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from hyrisk_desktop import unfinished
from hyrisk_desktop.paths import unfinished_dir
from hyrisk_desktop.risk.model_store import ModelStore

ROOT = Path(__file__).parents[2]
PROGRAM = """
import sys
from pathlib import Path
from hyrisk_desktop import files
from hyrisk_desktop.exchange.pacs import inbox as inbox_module
from hyrisk_desktop.risk.model_store import ModelStore
target = Path(sys.argv[1])

def stop(*_):
    print("ready", flush=True)
    sys.stdin.read()

kind = sys.argv[2]
if kind == "folder":
    with files.staged_folder(target / "copy") as stage:
        (stage / "x.dcm").write_bytes(b"x")
        stop()
elif kind == "inbox":
    inbox_module._sync = stop
    box = inbox_module.Inbox(target / "inbox")
    box.prepare()
    box.keep(b"x", sop_class="1.2", sop_uid="1.3", allowed=["1.2"])
elif kind == "files":
    files.os.replace = stop
    files.replace_files({target / "a.pdf": b"new", target / "b.pdf": b"new"})
else:
    with ModelStore(target / "models", target)._staging() as stage:
        (stage / "weights.safetensors").write_bytes(b"x")
        stop()
"""


def start(folder: Path, kind: str) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(folder), kind],
        cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


def contents(folder: Path) -> list[str]:
    return sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file())


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="there is no kill -9")
@pytest.mark.parametrize(("kind", "count"), [("folder", 1), ("files", 3), ("model", 0), ("inbox", 1)])
def test_parts_of_a_killed_run_are_swept_and_those_of_a_living_one_are_not(
    tmp_path: Path, kind: str, count: int
) -> None:
    folder = tmp_path / "there"
    folder.mkdir()
    (folder / "a.pdf").write_bytes(b"old")
    with start(folder, kind) as process:
        assert len(contents(folder)) > 1
        assert unfinished.sweep() == 0
        ModelStore(folder / "models", folder).sweep()
        assert len(contents(folder)) > 1
        process.kill()
        process.wait()
    assert unfinished.sweep() == count
    ModelStore(folder / "models", folder).sweep()
    assert contents(folder) == ["a.pdf"]
    assert (folder / "a.pdf").read_bytes() == b"old"
    assert unfinished.sweep() == 0


def test_only_names_of_unfinished_files_are_ever_deleted(tmp_path: Path) -> None:
    lists = unfinished_dir()
    lists.mkdir(parents=True)
    keep = [tmp_path / "precious", tmp_path / ".part", tmp_path / "x.part", tmp_path / "demonstration-1.2.3"]
    for path in keep:
        path.write_bytes(b"1")
    link, gone = tmp_path / ".aa.part", tmp_path / ".bb.part"
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "y").write_bytes(b"1")
    gone.write_bytes(b"1")
    lines = [*(str(p) for p in (*keep, gone)), "relative/.cc.part", 7, [], str(tmp_path / ".part" / "..")]
    if os.name == "posix":
        link.symlink_to(tmp_path / "folder")
        lines.append(str(link))
    (lists / "1-x.list").write_text("\n".join(map(json.dumps, lines)) + '\n"/tmp/cut')
    (lists / "1-x.lock").touch()
    assert unfinished.sweep() == (2 if os.name == "posix" else 1)
    assert all(path.exists() for path in keep)
    assert (tmp_path / "folder" / "y").exists()
    assert list(lists.iterdir()) == []


def test_other_names_cannot_be_noted(tmp_path: Path) -> None:
    for name in ("x", "x.part", ".part", ".staging-1"):
        with pytest.raises(ValueError):
            unfinished.note(tmp_path / name)


def test_a_list_that_cannot_be_written_is_no_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_bytes(b"")
    monkeypatch.setenv("HYRISK_HOME", str(tmp_path / "file"))
    assert unfinished.note(tmp_path / ".aa.part") == tmp_path / ".aa.part"
    assert unfinished.sweep() == 0
