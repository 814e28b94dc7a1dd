"""What a killed run leaves in the temporary folder goes at the next start; what a living one uses stays."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from hyrisk_desktop.imaging import find_series, sweep
from hyrisk_desktop.imaging.temporary import TemporaryFolder
from hyrisk_desktop.regular_files import open_regular


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


def test_a_killed_run_is_swept_and_a_living_one_is_not(place: Path) -> None:
    code = (
        "import os, sys, tempfile; tempfile.tempdir = sys.argv[1]\n"
        "from hyrisk_desktop.imaging.temporary import TemporaryFolder\n"
        "folder = TemporaryFolder(); (folder.path / 'a.dcm').write_bytes(b'patient'); print(folder.path, flush=True)\n"
        "sys.stdin.read(); os._exit(9)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(place)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        theirs = Path(process.stdout.readline().strip())
        mine = TemporaryFolder()
        assert sweep() == 0
        assert (theirs / "a.dcm").exists()
        assert mine.path.exists()
        process.communicate()
    assert theirs.exists()
    assert sweep() == 1
    assert not theirs.exists()
    assert mine.path.exists()
    mine.remove()
    assert list(place.iterdir()) == []


@pytest.mark.parametrize(("age", "gone"), [(3590, 0), (3610, 1)])
def test_folders_without_a_lock_are_swept_after_an_hour(age: float, gone: int, place: Path) -> None:
    for name in ("hyrisk-frame-abcdef12", "somebody-abcdef12", "hyrisk-frame-notes"):
        (place / name).mkdir()
    (place / "hyrisk-abcdef12").write_text("a file")
    assert sweep(now=time.time() + age) == gone
    assert len(list(place.iterdir())) == 4 - gone


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes here")
def test_pipes_are_never_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OSError, match="ordinary"):
        open_regular(tmp_path / "pipe")
    (tmp_path / "file").write_bytes(b"x")
    with open_regular(tmp_path / "file") as stream:
        assert stream.read() == b"x"
    from hyrisk_desktop.errors import ExamError

    for suffix in (".nii", ".nii.gz", ".mha", ".nrrd", ".zip"):
        os.mkfifo(tmp_path / f"a{suffix}")
        with pytest.raises(ExamError) as caught:
            find_series(tmp_path / f"a{suffix}")
        assert caught.value.code == "not_a_file"
