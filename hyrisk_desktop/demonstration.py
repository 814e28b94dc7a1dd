"""The demonstration exam: a synthetic chest, made once by the phantom generator and kept in the cache.

The generator runs as a process of its own, because the program never imports ``model_training``.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from hyrisk_desktop import __version__
from hyrisk_desktop.errors import ExamError
from hyrisk_desktop.i18n import tr
from hyrisk_desktop.jobs import CancelToken, Progress, no_progress
from hyrisk_desktop.paths import cache_dir

_CENTRE_FILE = "heart_centre.json"


@dataclass(frozen=True, slots=True)
class Demonstration:
    """The demonstration exam on disk, with the phantom's own heart centre (x, y, z) and grade."""

    folder: Path
    centre: tuple[int, int, int]
    grade: float


def prepare_demonstration(progress: Progress = no_progress, cancel: CancelToken | None = None) -> Demonstration:
    """The demonstration exam, made now (some 10 to 30 s) if the cache does not hold it yet.

    Raises:
        ExamError: the generator failed or its folder can't be written.
        Cancelled: ``cancel`` was set; nothing is left behind.
    """
    target = cache_dir() / f"demonstration-{__version__}"
    if not (target / _CENTRE_FILE).is_file():
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            staging = Path(tempfile.mkdtemp(prefix="demonstration-", dir=target.parent))
        except OSError as e:
            raise ExamError(
                "demonstration_unwritable",
                tr("The demonstration exam can't be written to the cache folder; free some space or set HYRISK_HOME."),
            ) from e
        try:
            _generate(staging, progress, cancel)
            shutil.rmtree(target, ignore_errors=True)
            os.replace(staging, target)
        finally:
            shutil.rmtree(staging, ignore_errors=True)
    truth = json.loads((target / _CENTRE_FILE).read_text(encoding="utf-8"))
    x, y, z = (int(v) for v in (truth["x"], truth["y"], truth["z"]))
    return Demonstration(target, (x, y, z), float(truth["grade"]))


def _generate(folder: Path, progress: Progress, cancel: CancelToken | None) -> None:
    command = [sys.executable, "-m", "model_training", "phantom", "exam", "--out", str(folder)]
    root = str(Path(__file__).resolve().parents[1])
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(p for p in (root, os.environ.get("PYTHONPATH")) if p)}
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, stdin=subprocess.DEVNULL
    ) as process:
        assert process.stderr is not None
        try:
            for line in process.stderr:
                word, *numbers = line.split()[:3] or [""]
                if word == "progress" and len(numbers) == 2:
                    progress(int(numbers[0]), int(numbers[1]))
                if cancel is not None:
                    cancel.raise_if_cancelled()
        except BaseException:
            process.kill()
            raise
    if process.returncode != 0 or not (folder / _CENTRE_FILE).is_file():
        raise ExamError(
            "demonstration_failed",
            tr("The demonstration exam could not be made; run “hyrisk doctor” to see what is missing."),
        )
