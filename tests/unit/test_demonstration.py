"""The demonstration exam survives damage, cancelling and a second process; the generator is a stand-in of a few lines."""

from __future__ import annotations

import json
import os
import shutil
import sys
import threading
from pathlib import Path

import pytest

from hyrisk_desktop import demonstration, paths
from hyrisk_desktop.demonstration import prepare_demonstration
from hyrisk_desktop.errors import Cancelled, ExamError
from hyrisk_desktop.jobs import CancelToken
from hyrisk_desktop.paths import cache_dir

TRUTH = {"x": 250, "y": 240, "z": 60, "grade": 2}
GENERATOR = f"""
import json, pathlib, sys
out = pathlib.Path(sys.argv[sys.argv.index("--out") + 1])
log = out.parent / "runs.txt"
log.write_text((log.read_text() if log.exists() else "") + "x")
for i in range(3):
    (out / f"{{i}}.dcm").write_bytes(b"slice")
    print("progress", i + 1, 3, file=sys.stderr, flush=True)
(out / "heart_centre.json").write_text({json.dumps(json.dumps(TRUTH))})
"""
# Silent, and with a worker that holds stderr open as the real one's do.
SILENT = """
import subprocess, sys, time
subprocess.Popen([sys.executable, "-c", "import time; time.sleep(3600)"])
time.sleep(3600)
"""


def use_generator(monkeypatch: pytest.MonkeyPatch, folder: Path, code: str) -> None:
    package = folder / "generator" / "model_training"
    package.mkdir(parents=True, exist_ok=True)
    (package / "__init__.py").touch()
    (package / "__main__.py").write_text(code)
    # The child looks for model_training beside the program.
    monkeypatch.setattr(paths, "__file__", str(package.parent / "hyrisk_desktop" / "paths.py"))


@pytest.fixture(autouse=True)
def generator(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    use_generator(monkeypatch, tmp_path, GENERATOR)


def runs() -> int:
    return len((cache_dir() / "runs.txt").read_text())


def leftovers(folder: Path) -> list[str]:
    return sorted(p.name for p in cache_dir().iterdir() if p != folder and p.name != "runs.txt")


def test_made_once() -> None:
    seen: list[tuple[int, int]] = []
    exam = prepare_demonstration(lambda done, total: seen.append((done, total)))
    assert (exam.centre, exam.grade) == ((250, 240, 60), 2.0)
    assert seen == [(1, 3), (2, 3), (3, 3)]
    assert prepare_demonstration() == exam
    assert runs() == 1
    assert leftovers(exam.folder) == []


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("heart_centre.json", b"{}"),
        ("heart_centre.json", b"{"),
        ("heart_centre.json", b"[]"),
        ("heart_centre.json", b'{"x": 1e999, "y": 1, "z": 1, "grade": 1}'),
        ("heart_centre.json", None),
        ("complete.json", None),
        ("complete.json", b"7"),
        ("1.dcm", None),
        ("1.dcm", b"cut"),
    ],
)
def test_a_damaged_exam_is_made_again_once(name: str, content: bytes | None) -> None:
    exam = prepare_demonstration()
    (exam.folder / name).unlink()
    if content is not None:
        (exam.folder / name).write_bytes(content)
    assert prepare_demonstration() == exam
    assert runs() == 2
    assert (exam.folder / "1.dcm").read_bytes() == b"slice"
    assert leftovers(exam.folder) == []


def test_what_an_older_generator_drew_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as earlier:
        earlier.setattr(demonstration, "GENERATOR_VERSION", "0.9")
        older = prepare_demonstration().folder
    assert prepare_demonstration().folder != older
    assert runs() == 2


@pytest.mark.parametrize("code", ["raise SystemExit('no')", GENERATOR.replace("250", "-250"), "pass"])
def test_a_generator_that_fails_is_one_sentence(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, code: str) -> None:
    use_generator(monkeypatch, tmp_path, code)
    with pytest.raises(ExamError) as e:
        prepare_demonstration()
    assert e.value.code == "demonstration_failed"


def test_cancelled_while_the_generator_is_silent(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    use_generator(monkeypatch, tmp_path, SILENT)
    token = CancelToken()
    threading.Timer(0.5, token.cancel).start()
    with pytest.raises(Cancelled):
        prepare_demonstration(cancel=token)
    assert leftovers(cache_dir()) == []


def test_an_error_in_progress_ends_the_generator(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def fail(done: int, total: int) -> None:
        raise KeyboardInterrupt

    use_generator(monkeypatch, tmp_path, 'import sys\nprint("progress 1 2", file=sys.stderr, flush=True)\n' + SILENT)
    with pytest.raises(KeyboardInterrupt):
        prepare_demonstration(fail)


def test_an_exam_finished_meanwhile_by_another_process_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    exam = prepare_demonstration()
    kept = exam.folder / "0.dcm"
    before = kept.stat().st_ino
    shutil.move(exam.folder, exam.folder.with_name("elsewhere"))
    generate = demonstration._generate

    def race(*arguments: object) -> None:
        generate(*arguments)  # type: ignore[arg-type]
        shutil.move(exam.folder.with_name("elsewhere"), exam.folder)

    monkeypatch.setattr(demonstration, "_generate", race)
    assert prepare_demonstration() == exam
    assert kept.stat().st_ino == before
    assert leftovers(exam.folder) == []


@pytest.mark.parametrize("rescued", [True, False])
def test_a_refused_rename(monkeypatch: pytest.MonkeyPatch, rescued: bool) -> None:
    """As on Windows, or when another process was quicker between the check and the rename."""
    replace = os.replace

    def refuse(source: Path, target: Path) -> None:
        if rescued:
            replace(source, target)
        raise PermissionError(13, "in use")

    monkeypatch.setattr(demonstration, "move", refuse)
    if rescued:
        assert prepare_demonstration().grade == 2
        return
    with pytest.raises(ExamError) as e:
        prepare_demonstration()
    assert e.value.code == "demonstration_unwritable"
    assert leftovers(cache_dir()) == []


@pytest.mark.skipif(
    sys.platform == "win32" or getattr(os, "geteuid", lambda: 1)() == 0, reason="root may write anywhere"
)
def test_a_read_only_cache_is_one_sentence() -> None:
    cache_dir().mkdir(parents=True)
    cache_dir().chmod(0o500)
    with pytest.raises(ExamError, match="cache folder"):
        prepare_demonstration()


def test_a_file_where_the_cache_should_be_is_one_sentence(isolated_home: Path) -> None:
    isolated_home.mkdir(parents=True, exist_ok=True)
    cache_dir().write_text("")
    with pytest.raises(ExamError, match="cache folder"):
        prepare_demonstration()
