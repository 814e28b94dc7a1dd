"""Everything of the user's can be read by this account only, whatever the umask, and what was open is closed at the start."""

from __future__ import annotations

import logging
import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from hyrisk_desktop import files, private_files
from hyrisk_desktop.files import replace_files, staged, write_private
from hyrisk_desktop.gui.log import set_up_logging
from hyrisk_desktop.gui.retrain.training_process import Launcher
from hyrisk_desktop.paths import bundled_model_dir, private_roots
from hyrisk_desktop.private_files import make_private, repair, tighten
from hyrisk_desktop.risk.bundle_files import copy_bundle
from hyrisk_desktop.settings import Settings
from hyrisk_desktop.worklist.store import Store
from tests.helpers.exams import scanned
from tests.helpers.patience import PATIENCE_S

pytestmark = pytest.mark.skipif(os.name == "nt", reason="Windows has access lists instead of modes")


@pytest.fixture(autouse=True)
def open_umask() -> Iterator[None]:
    before = os.umask(0)
    yield
    os.umask(before)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.lstat().st_mode)


def open_ones(root: Path) -> list[str]:
    """What below ``root``, and itself, anybody else has a right to."""
    return [str(p.relative_to(root)) for p in (root, *root.rglob("*")) if mode(p) & 0o077]


def test_folders_and_files_are_private_from_the_start(tmp_path: Path) -> None:
    folder = make_private(tmp_path / "a" / "b")
    assert (mode(tmp_path / "a"), mode(folder)) == (0o700, 0o700)
    write_private(folder / "x", b"1")
    write_private(folder / "x", b"22")
    assert (mode(folder / "x"), (folder / "x").read_bytes()) == (0o600, b"22")
    folder.chmod(0o755)
    assert mode(make_private(folder)) == 0o700


def test_no_file_is_open_even_for_a_moment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Modes are given when files are made, not mended afterwards."""
    monkeypatch.setattr(private_files, "tighten", lambda _: False)
    monkeypatch.setattr(Path, "chmod", lambda *_: pytest.fail("a mode was mended"))
    Settings(tmp_path / "config" / "settings.json")["reader"] = "Ada"
    store = Store(tmp_path / "worklist" / "worklist.sqlite")
    store.reader("Ada")
    store.database.back_up()
    names = {p.name for p in (tmp_path / "worklist").iterdir()}
    assert {"worklist.sqlite", "worklist.sqlite-wal", "worklist.sqlite-shm", "backups"} <= names
    assert open_ones(tmp_path / "worklist") == []
    assert open_ones(tmp_path / "config") == []
    store.close()


def test_a_store_that_was_open_is_closed_when_it_is_opened(tmp_path: Path) -> None:
    path = tmp_path / "worklist.sqlite"
    store = Store(path)
    store.add_exams(None, [scanned(1)])
    for name in (path, path.with_name("worklist.sqlite-wal")):
        name.chmod(0o644)
    second = Store(path)
    assert [mode(path.with_name(f"worklist.sqlite{end}")) for end in ("", "-wal")] == [0o600, 0o600]
    second.close()
    store.close()


def test_log_model_and_run_are_private(tmp_path: Path) -> None:
    set_up_logging(tmp_path / "log")
    logging.getLogger("hyrisk_desktop").info("x")
    assert open_ones(tmp_path / "log") == []
    set_up_logging(None)
    copy_bundle(bundled_model_dir(), make_private(tmp_path / "models" / "m"))
    assert open_ones(tmp_path / "models") == []


def test_a_training_that_the_window_starts_writes_privately(tmp_path: Path) -> None:
    program = "import sys; open(sys.argv[-1] + '/results.json', 'w').write('x')"
    launcher = Launcher(lambda *arguments: ([sys.executable, "-c", program, *arguments], dict(os.environ)))
    run = tmp_path / "runs" / "one"
    launcher.start(run, [], "one")
    process, _ = launcher._started[run]
    assert process.wait(PATIENCE_S) == 0
    assert (run / "results.json").read_text() == "x"
    assert open_ones(tmp_path / "runs") == []


def test_what_an_older_version_left_open_is_closed(tmp_path: Path) -> None:
    root, outside = tmp_path / "data", tmp_path / "outside"
    (root / "inbox" / "study").mkdir(parents=True)
    outside.mkdir()
    (root / "inbox" / "study" / "x.dcm").write_bytes(b"x")
    (outside / "y").write_bytes(b"y")
    (root / "link").symlink_to(outside)
    for path in (root, root / "inbox", root / "inbox" / "study", outside):
        path.chmod(0o755)
    for path in (root / "inbox" / "study" / "x.dcm", outside / "y"):
        path.chmod(0o664)
    assert repair([root, tmp_path / "missing"]) == 4
    assert [mode(p) for p in (root, root / "inbox", root / "inbox" / "study")] == [0o700] * 3
    assert mode(root / "inbox" / "study" / "x.dcm") == 0o600
    assert (mode(outside), mode(outside / "y")) == (0o755, 0o664)
    assert repair([root]) == 0


def test_a_program_stays_executable_and_a_link_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "x").write_text("x")
    (tmp_path / "x").chmod(0o750)
    (tmp_path / "l").symlink_to(tmp_path / "x")
    assert not tighten(tmp_path / "l")
    assert mode(tmp_path / "x") == 0o750
    assert tighten(tmp_path / "x")
    assert mode(tmp_path / "x") == 0o700


def test_every_command_closes_the_outermost_folders(tmp_path: Path) -> None:
    home = tmp_path / "home"
    (home / "worklist").mkdir(parents=True)
    (home / "config").mkdir()
    command = [sys.executable, "-m", "hyrisk_desktop.cli", "--version"]
    subprocess.run(command, env=os.environ | {"HYRISK_HOME": str(home)}, check=True, capture_output=True)
    assert (mode(home / "worklist"), mode(home / "config")) == (0o700, 0o700)


def test_the_roots_hold_everything(monkeypatch: pytest.MonkeyPatch) -> None:
    from hyrisk_desktop import paths

    def places() -> list[Path]:
        kinds = ("config", "models", "cache", "log", "runs", "inbox", "outbox")
        return [getattr(paths, f"{kind}_dir")() for kind in kinds] + [paths.store_path().parent]

    for home in ("/somewhere", None):
        if home is None:
            monkeypatch.delenv("HYRISK_HOME")
        else:
            monkeypatch.setenv("HYRISK_HOME", home)
        roots = private_roots()
        assert all(any(root == place or root in place.parents for root in roots) for place in places())
        assert Path("/somewhere") not in roots


# --- exports


@pytest.mark.parametrize(("private", "umask", "wanted"), [(False, 0o022, 0o644), (False, 0, 0o666), (True, 0, 0o600)])
def test_exports_have_the_systems_rights_or_private_ones(
    tmp_path: Path, private: bool, umask: int, wanted: int
) -> None:
    os.umask(umask)
    files.keep_exports_private(private)
    try:
        replace_files({tmp_path / "a": b"1"})
        with staged(tmp_path / "b") as stream:
            stream.write(b"2")
        with files.staged_folder(tmp_path / "c") as folder:
            files.write_new(folder / "d", b"3", files.export_opener)
    finally:
        files.keep_exports_private(False)
    assert [mode(tmp_path / name) for name in ("a", "b", "c/d")] == [wanted] * 3
    assert mode(tmp_path / "c") == (0o700 if private else 0o777 & ~umask)
