"""The demonstration exam: a synthetic chest, made once by the phantom generator and kept in the cache.

The generator runs as a process of its own, because the program never imports ``model_training``.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from hyrisk_desktop import __version__
from hyrisk_desktop.bounded_json import read_json
from hyrisk_desktop.errors import ExamError
from hyrisk_desktop.files import move
from hyrisk_desktop.i18n import tr
from hyrisk_desktop.jobs import CancelToken, Progress, no_progress
from hyrisk_desktop.paths import cache_dir, training_process
from hyrisk_desktop.private_files import PRIVATE_UMASK, make_private, private_opener, private_temporary_folder
from hyrisk_desktop.unfinished import note

_MAX_JSON_BYTES = 1 << 20
_CENTRE_FILE = "heart_centre.json"
_COMPLETE_FILE = "complete.json"
_CANCEL_POLL_S = 0.05
GENERATOR_VERSION = "1.4"
"""Of the phantoms, as `model_training` has it, which the program does not import; a test compares them."""
_MAKING = threading.Lock()


@dataclass(frozen=True, slots=True)
class Demonstration:
    """The demonstration exam on disk, with the phantom's own heart centre (x, y, z) and grade."""

    folder: Path
    centre: tuple[int, int, int]
    grade: float


def demonstration_ready() -> bool:
    """Whether the cache holds it, whole."""
    return _read(_place()) is not None


def _place() -> Path:
    # An exam that another generator drew, before an upgrade, may look unlike what the model has learned from.
    return cache_dir() / f"demonstration-{__version__}-{GENERATOR_VERSION}"


def prepare_demonstration(progress: Progress = no_progress, cancel: CancelToken | None = None) -> Demonstration:
    """The demonstration exam, made now (some 10 to 30 s) if the cache does not hold a complete one.

    Raises:
        ExamError: the generator failed or its folder can't be written.
        Cancelled: ``cancel`` was set; nothing is left behind.
    """
    target = _place()
    found = _read(target)
    if found is None:
        with _one_at_a_time(cancel):
            # Whoever was first may have made it meanwhile.
            if _read(target) is None:
                _make(target, progress, cancel)
        found = _read(target)
    if found is None:
        raise _failed()
    return found


@contextlib.contextmanager
def _one_at_a_time(cancel: CancelToken | None) -> Iterator[None]:
    """Two of them would take twice as long; who waits can be cancelled."""
    while not _MAKING.acquire(timeout=_CANCEL_POLL_S):
        if cancel is not None:
            cancel.raise_if_cancelled()
    try:
        yield
    finally:
        _MAKING.release()


def _read(folder: Path) -> Demonstration | None:
    """The exam in ``folder``, or None where it is missing, damaged or incomplete."""
    try:
        truth = read_json(folder / _CENTRE_FILE, _MAX_JSON_BYTES)
        complete = read_json(folder / _COMPLETE_FILE, _MAX_JSON_BYTES)
        if complete != _inventory(folder):
            return None
        x, y, z, grade = (int(truth["x"]), int(truth["y"]), int(truth["z"]), float(truth["grade"]))
    except (OSError, ValueError, KeyError, TypeError, OverflowError):
        return None
    return Demonstration(folder, (x, y, z), grade) if min(x, y, z) >= 0 and 0 <= grade <= 3 else None


def _inventory(folder: Path) -> dict[str, int]:
    """How much lies in ``folder``, so that a missing or cut slice shows."""
    sizes = [p.stat().st_size for p in folder.rglob("*") if p.is_file() and p.name != _COMPLETE_FILE]
    return {"files": len(sizes), "bytes": sum(sizes)}


def _make(target: Path, progress: Progress, cancel: CancelToken | None) -> None:
    try:
        staging = note(private_temporary_folder("demonstration-", make_private(target.parent)))
    except OSError as e:
        raise _unwritable() from e
    try:
        _generate(staging, progress, cancel)
        with open(staging / _COMPLETE_FILE, "x", encoding="utf-8", opener=private_opener) as file:
            file.write(json.dumps(_inventory(staging)))
        _put_in_place(staging, target)
    except OSError as e:
        raise _unwritable() from e
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def _put_in_place(staging: Path, target: Path) -> None:
    """Move the new exam to ``target``; one that another process has finished meanwhile is left alone, it may be open."""
    if _read(target) is not None:
        return
    aside = note(private_temporary_folder("demonstration-", target.parent))
    try:
        # Renamed before it is deleted: a folder half deleted under its own name could be opened.
        with contextlib.suppress(FileNotFoundError):
            move(target, aside / "damaged")
        move(staging, target)
    except OSError:
        if _read(target) is None:
            raise
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def _generate(folder: Path, progress: Progress, cancel: CancelToken | None) -> None:
    command, environment = training_process("phantom", "exam", "--out", str(folder))
    with subprocess.Popen(
        command,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
        stdin=subprocess.DEVNULL,
        # Its own group, so that its workers can be ended with it: they hold stderr open too.
        start_new_session=True,
        umask=PRIVATE_UMASK,
    ) as process:
        assert process.stderr is not None
        with _killed_when_cancelled(process, cancel):
            for line in process.stderr:
                word, *numbers = line.split()[:3] or [""]
                if word == "progress" and len(numbers) == 2 and all(n.isdecimal() for n in numbers):
                    progress(int(numbers[0]), int(numbers[1]))
    if cancel is not None:
        cancel.raise_if_cancelled()
    if process.returncode != 0 or not (folder / _CENTRE_FILE).is_file():
        raise _failed()


@contextlib.contextmanager
def _killed_when_cancelled(process: subprocess.Popen[str], cancel: CancelToken | None) -> Iterator[None]:
    """End ``process`` on cancelling, even while it writes nothing, and on any error in the block."""
    done = threading.Event()

    def watch() -> None:
        while not done.wait(_CANCEL_POLL_S):
            if cancel is not None and cancel.cancelled:
                _kill(process)
                return

    watcher = threading.Thread(target=watch, name="hyrisk-demonstration-watcher", daemon=True)
    watcher.start()
    try:
        yield
    except BaseException:
        _kill(process)
        raise
    finally:
        done.set()
        watcher.join()


def _kill(process: subprocess.Popen[str]) -> None:
    # The group only while its leader is not yet waited for: its number could otherwise be somebody else's.
    if sys.platform != "win32" and process.returncode is None:
        with contextlib.suppress(OSError):
            os.killpg(process.pid, signal.SIGKILL)
    process.kill()


def _unwritable() -> ExamError:
    return ExamError(
        "demonstration_unwritable",
        tr("The demonstration exam can't be written to the cache folder; free some space or set HYRISK_HOME."),
    )


def _failed() -> ExamError:
    return ExamError(
        "demonstration_failed",
        tr("The demonstration exam could not be made; run “hyrisk doctor” to see what is missing."),
    )
