"""What may stand where a file is to be written."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from hyrisk_desktop.errors import HyRiskError
from hyrisk_desktop.files import replace_files, staged


def write_one(path: Path) -> None:
    with staged(path) as stream:
        stream.write(b"new")


def write_several(path: Path) -> None:
    replace_files({path.with_name("first"): b"new", path: b"new"})


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no named pipes")
@pytest.mark.parametrize("write", [write_one, write_several])
def test_a_device_or_pipe_is_not_replaced_by_a_file(tmp_path: Path, write: Callable[[Path], None]) -> None:
    pipe = tmp_path / "null"
    os.mkfifo(pipe)
    with pytest.raises(HyRiskError, match="it is a device or a pipe, and no file"):
        write(pipe)
    assert stat.S_ISFIFO(pipe.stat().st_mode)
    assert [path.name for path in tmp_path.iterdir()] == ["null"]


@pytest.mark.skipif(os.name == "nt", reason="links need a right of their own")
@pytest.mark.parametrize("write", [write_one, write_several])
def test_what_a_link_names_is_replaced_and_not_the_link(tmp_path: Path, write: Callable[[Path], None]) -> None:
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept" / "real").write_bytes(b"old")
    (tmp_path / "link").symlink_to(tmp_path / "kept" / "real")
    write(tmp_path / "link")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "kept" / "real").read_bytes() == b"new"


@pytest.mark.parametrize("name", [".", "", "folder"])
def test_a_folder_is_not_written(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "folder").mkdir()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(HyRiskError, match="Is a directory"):
        write_one(Path(name))
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]
