"""The training process as the window sees it: started detached, watched and asked through files alone.

A run is a folder. The process outlives the window that started it; whoever opens the folder later finds out from
the same files how it stands. Nothing here needs Qt.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from pathlib import Path
from typing import Any

from hyrisk_desktop.bounded_json import parse_json
from hyrisk_desktop.errors import InputError
from hyrisk_desktop.gui.retrain.run_files import read_tail
from hyrisk_desktop.i18n import tr
from hyrisk_desktop.paths import models_dir, training_process
from hyrisk_desktop.private_files import PRIVATE_UMASK, make_private, private_opener
from hyrisk_desktop.training_run import (
    BUNDLE,
    BUNDLES,
    CONTROL,
    LOCK,
    NOTE,
    PROCESS_LOG,
    RECORD,
    REPRODUCTION,
    TRAINING,
    VALIDATION,
    read_json,
    write_message,
)

Command = Callable[..., tuple[list[str], dict[str, str]]]
"""Called with the arguments of ``model_training``; answers with a command line and its environment."""

_COMMANDS = {TRAINING: "train", REPRODUCTION: "reproduce", VALIDATION: "validate"}
_NICENESS, _LEAST = 10, 19
_START_S = 60.0


class RunState(Enum):
    """How a run stands."""

    STARTING = "starting"
    RUNNING = "running"
    PAUSED = "paused"
    CANCELLED = "cancelled"
    FAILED = "failed"
    FINISHED = "finished"
    INTERRUPTED = "interrupted"
    """The process ended without saying so: it was killed, or the computer was switched off."""

    @property
    def alive(self) -> bool:
        """A process works on it."""
        return self in (RunState.STARTING, RunState.RUNNING, RunState.PAUSED)

    @property
    def resumable(self) -> bool:
        """Started again it goes on from its last checkpoint."""
        return self in (RunState.CANCELLED, RunState.FAILED, RunState.INTERRUPTED)


@dataclass(frozen=True, slots=True)
class Run:
    """What a run's folder says of it.

    Attributes:
        kind: `TRAINING`, `REPRODUCTION` or `VALIDATION`. message: one sentence when it failed. synthetic: trained on synthetic data only (None: not known yet).
        requested: ``"pause"`` or ``"cancel"`` while the process has not heeded it yet, else ``""``.
        installed: name of the folder that its bundle was installed as, the last of several; "" once it was removed there.
        discarded: its bundles were thrown away.
    """

    directory: Path
    name: str
    state: RunState
    kind: str = TRAINING
    message: str = ""
    synthetic: bool | None = None
    started: str = ""
    requested: str = ""
    installed: str = ""
    discarded: bool = False
    arguments: tuple[str, ...] = field(default=(), repr=False)


def lock_is_held(run: Path) -> bool:
    """Whether a process works on ``run``."""
    path = run / LOCK
    if not path.exists():
        return False
    from filelock import FileLock, Timeout

    try:
        with FileLock(path).acquire(timeout=0):
            return False
    except Timeout:
        return True
    except OSError:
        # A folder that can't be written: nobody can work on it from here either.
        return False


class _Detached(subprocess.Popen[bytes]):
    """A process that is meant to outlive its parent; Popen would complain that it does."""

    def __del__(self) -> None:
        # Collects its exit status, if it has one, and says nothing if it has none.
        with contextlib.suppress(Exception):
            self.poll()


class Launcher:
    """Starts and resumes training processes, and tells how the runs stand.

    Args:
        command: how ``model_training`` is run.
    """

    def __init__(self, command: Command = training_process) -> None:
        self.command = command
        # The process that this program started, and what run.json said before: until that changes, it is starting.
        self._started: dict[Path, tuple[_Detached, bytes]] = {}
        self._leaving: list[_Detached] = []

    def start(self, run: Path, arguments: Sequence[str], name: str, kind: str = TRAINING) -> None:
        """Make the run's folder and start the process in the background.

        Args:
            run, name: its folder and its name. arguments: what follows ``train``, without ``--out``.
            kind: what it is; `REPRODUCTION` for arguments that follow ``reproduce``, `VALIDATION` for ``validate``.

        Raises:
            InputError: the folder can't be written, or the process can't be started.
        """
        argv = [*arguments, "--name", name, "--out", str(run)]
        try:
            make_private(run)
            started = datetime.now().astimezone().isoformat(timespec="seconds")
            write_message(run / NOTE, {"name": name, "started": started, "arguments": argv, "kind": kind})
            self._launch(run, kind, argv)
        except OSError as e:
            raise InputError(
                "run_folder", tr("The training can't be started in “{name}”: choose another folder.", name=run.name)
            ) from e

    def resume(self, run: Path) -> None:
        """Start the same arguments again; the process goes on from its last checkpoint.

        Raises:
            InputError: the folder does not say how it was started, or the process can't be started.
        """
        known = self.read(run)
        if not known.arguments:
            raise InputError("run_unknown", tr("The run “{name}” does not say how it was started.", name=run.name))
        try:
            self._launch(run, known.kind, list(known.arguments))
        except OSError as e:
            raise InputError("run_folder", tr("The training can't be resumed in “{name}”.", name=run.name)) from e

    def _launch(self, run: Path, kind: str, arguments: list[str]) -> None:
        if lock_is_held(run) or self._is_starting(run):
            raise InputError("run_alive", tr("The training “{name}” runs already.", name=run.name))
        # A request of the last time must not stop the new process.
        (run / CONTROL).unlink(missing_ok=True)
        before = _bytes(run / RECORD)
        command, environment = self.command(_COMMANDS[kind], *arguments)
        mark(run, launched=time.time())
        with open(run / PROCESS_LOG, "ab", opener=private_opener) as log:
            process = _Detached(
                command,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                close_fds=True,
                # A cohort's images lie in the run's cache.
                umask=PRIVATE_UMASK,
                **_detached(),
            )
        _yield_to_the_reader(process.pid)
        # One that has let go of the run may still be leaving: it is kept until its exit status has been collected.
        self._leaving = [old for old in self._leaving if old.poll() is None]
        if run in self._started:
            self._leaving.append(self._started[run][0])
        self._started[run] = (process, before)

    def is_alive(self, run: Path) -> bool:
        """Whether a process works on ``run``, started by this program or by another."""
        process = self._started.get(run)
        # The own process is asked first: trying the lock while it starts could get in its way.
        return (process is not None and process[0].poll() is None) or lock_is_held(run)

    def read(self, run: Path) -> Run:
        """How ``run`` stands now; reads a few small files."""
        record, note = read_json(run / RECORD), read_json(run / NOTE)
        state = self._state(run, str(record.get("state", "")))
        message = ""
        if state is RunState.FAILED:
            unsaid = not record or self._ended_unheard(run)
            message = _last_words(run) if unsaid else str(record.get("message") or "")
        arguments = record.get("arguments") or note.get("arguments") or ()
        synthetic = record.get("synthetic")
        return Run(
            directory=run,
            name=str(note.get("name") or record.get("name") or run.name),
            state=state,
            message=message,
            kind=next((k for k in (record.get("kind"), note.get("kind")) if k in _COMMANDS), TRAINING),
            synthetic=synthetic if isinstance(synthetic, bool) else None,
            started=str(note.get("started") or record.get("started") or ""),
            requested=_pending(run, state),
            installed=_still_installed(str(note.get("installed") or "")),
            discarded=note.get("discarded") is True,
            arguments=tuple(a for a in arguments if isinstance(a, str)),
        )

    def _state(self, run: Path, said: str) -> RunState:
        own = self._started.get(run)
        if self._is_starting(run):
            return RunState.STARTING
        if self._ended_unheard(run):
            return RunState.FAILED
        if own is None and _launched_just_now(run):
            return RunState.STARTING
        if said in ("cancelled", "failed", "finished"):
            return RunState(said)
        if self.is_alive(run):
            return RunState(said) if said in ("running", "paused") else RunState.STARTING
        # Once more: the process may have ended properly between the first look and the lock.
        said = str(read_json(run / RECORD).get("state", ""))
        if said in ("cancelled", "failed", "finished"):
            return RunState(said)
        return RunState.INTERRUPTED if said else RunState.FAILED

    def _is_starting(self, run: Path) -> bool:
        """The process that this program started lives, and has not said anything in run.json yet."""
        own = self._started.get(run)
        return own is not None and own[0].poll() is None and _bytes(run / RECORD) == own[1]

    def _ended_unheard(self, run: Path) -> bool:
        """The process that this program started failed before it could say anything in run.json."""
        own = self._started.get(run)
        return own is not None and bool(own[0].poll()) and _bytes(run / RECORD) == own[1]


def _still_installed(name: str) -> str:
    return name if name and (models_dir() / name).is_dir() else ""


def _last_words(run: Path) -> str:
    """The sentence that a process left in its log which ended before it could write run.json."""
    lines = [line for line in read_tail(run / PROCESS_LOG, 4096).splitlines() if line.strip()]
    with contextlib.suppress(ValueError, KeyError, TypeError, IndexError):
        return str(parse_json(lines[-1])["error"]["message"])
    if lines and len(lines[-1]) < 300 and lines[-1].endswith("."):
        return lines[-1]
    return tr("The training process ended before it began; its log says why.")


def _launched_just_now(run: Path) -> bool:
    """Another window started the process within the last minute, and it has not said anything yet."""
    launched = read_json(run / NOTE).get("launched")
    if not isinstance(launched, (int, float)) or not 0 <= time.time() - launched < _START_S:
        return False
    try:
        return (run / RECORD).stat().st_mtime < launched and not lock_is_held(run)
    except OSError:
        return True


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""


def _detached() -> dict[str, Any]:
    """What makes a process live on when the window's process, its console or its session ends."""
    if sys.platform == "win32":
        flags = subprocess.CREATE_NEW_PROCESS_GROUP | subprocess.DETACHED_PROCESS
        return {"creationflags": flags | subprocess.BELOW_NORMAL_PRIORITY_CLASS}
    return {"start_new_session": True}


def _yield_to_the_reader(pid: int) -> None:
    """Reading goes on beside the training, and comes first."""
    if sys.platform != "win32":
        with contextlib.suppress(OSError):
            # On top of the window's own: where that yields already, ten alone would put the training first.
            os.setpriority(os.PRIO_PROCESS, pid, min(_LEAST, os.getpriority(os.PRIO_PROCESS, 0) + _NICENESS))


def request(run: Path, what: str) -> None:
    """Ask the process to ``pause``, ``resume`` or ``cancel``; it heeds that between two steps."""
    write_message(run / CONTROL, {"request": what})


def _pending(run: Path, state: RunState) -> str:
    asked = read_json(run / CONTROL).get("request") if state.alive else None
    if asked == "cancel" or (asked == "pause" and state is not RunState.PAUSED):
        return asked
    return "resume" if asked == "resume" and state is RunState.PAUSED else ""


def mark(run: Path, **facts: object) -> None:
    """Note what the window did with a run (``installed``, ``discarded``)."""
    write_message(run / NOTE, {"name": run.name, **read_json(run / NOTE), **facts})


def discard(run: Path) -> None:
    """Delete the run's bundles and mark the run; its log, results and report stay.

    Raises:
        InputError: the bundle can't be deleted.
    """
    try:
        for name in (BUNDLE, BUNDLES):
            if (run / name).is_dir():
                shutil.rmtree(run / name)
        mark(run, discarded=True)
    except OSError as e:
        raise InputError("run_discard", tr("The model of “{name}” can't be deleted.", name=run.name)) from e
