"""A training run on disk: who holds it, how far it is, what the window asked of it.

The run outlives whoever started it. ``run.lock`` is held while the process lives, so that a dead run is told from a
living one even after a crash; ``events.jsonl`` grows line by line; ``control.json`` carries requests the other way.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TextIO

from filelock import FileLock, Timeout

from hyrisk_desktop.errors import Cancelled, HyRiskError, InputError, safe_traceback
from hyrisk_desktop.i18n import tr
from hyrisk_desktop.training_run import CONTROL, EVENTS, LOCK, LOG, RECORD, read_json, write_json
from hyrisk_desktop.unfinished import sweep

SCHEMA_VERSION = 1
EXIT_CANCELLED = 130
_STEP_INTERVAL_S = 0.5
_FREQUENT = ("step", "cutting", "reading")
_POLL_S = 0.3

Emit = Callable[..., None]
"""``emit("epoch", unit=..., ...)``: one event."""


@dataclass(slots=True)
class EventLog:
    """Appends events to a file, and copies them to ``echo``; steps come at most twice a second."""

    path: Path
    echo: TextIO | None = None
    _last_step: float = 0.0

    def emit(self, event: str, **values: Any) -> None:
        """Write one line; a step too soon after the last one is left out."""
        now = time.time()
        if event in _FREQUENT:
            if now - self._last_step < _STEP_INTERVAL_S and values.get("done") != values.get("total"):
                return
            self._last_step = now
        line = json.dumps({"event": event, "time": round(now, 3), **values})
        with open(self.path, "a", encoding="utf-8") as file:
            file.write(line + "\n")
        if event not in _FREQUENT:
            self.note(" ".join([event, *(f"{key}={value}" for key, value in values.items())]))
        if self.echo is not None:
            try:
                print(line, file=self.echo, flush=True)
            except OSError:
                # Whoever listened has gone; the file goes on.
                self.echo = None

    def note(self, text: str) -> None:
        """A line for people, in the log beside the events."""
        stamp = datetime.now(UTC).isoformat(timespec="seconds")
        with open(self.path.with_name(LOG), "a", encoding="utf-8") as file:
            file.write(f"{stamp} {text}\n")


@dataclass(slots=True)
class Control:
    """What the window asked for: polled between steps, a few times a second at most."""

    path: Path
    emit: Emit
    on_state: Callable[[str], None] = field(default=lambda _: None)
    _next: float = 0.0

    def check(self) -> None:
        """Wait while paused; raise `Cancelled` once cancelling was asked for."""
        now = time.monotonic()
        if now < self._next:
            return
        self._next = now + _POLL_S
        request = self._request()
        if request == "pause":
            self.on_state("paused")
            self.emit("paused")
            while (request := self._request()) == "pause":
                time.sleep(_POLL_S)
            if request != "cancel":
                self.on_state("running")
                self.emit("resumed")
        if request == "cancel":
            raise Cancelled

    def _request(self) -> str:
        return str(read_json(self.path).get("request", ""))


class RunFolder:
    """The folder of one run, held by this process.

    Args:
        path: made if missing.
        arguments: what the run was started with; a resumed run must have been started with the same.
        echo: also gets every event.

    Raises:
        InputError: it can't be made, or another process works in it.
    """

    def __init__(self, path: Path, arguments: list[str], facts: dict[str, Any], echo: TextIO | None = None) -> None:
        # A killed training leaves half a checkpoint, which may be a hundred megabytes.
        sweep()
        try:
            path.mkdir(parents=True, exist_ok=True)
        except OSError as e:
            message = tr(
                "“{name}” can't be the folder of a run: {reason}. Name another one.",
                name=path.name,
                reason=e.strerror or type(e).__name__,
            )
            raise InputError("run_folder", message) from e
        self.path = path
        self._lock = FileLock(path / LOCK)
        try:
            self._lock.acquire(timeout=0)
        except Timeout as e:
            raise InputError("run_busy", tr("A training already runs in “{name}”.", name=path.name)) from e
        self._facts = {
            "schema_version": SCHEMA_VERSION,
            "state": "running",
            "arguments": arguments,
            "started": _now(),
            "pid": os.getpid(),
            "message": "",
            **facts,
        }
        if earlier := read_json(path / RECORD):
            self._facts["started"] = earlier.get("started", self._facts["started"])
        # A request meant for the process before this one.
        (path / CONTROL).unlink(missing_ok=True)
        self.log = EventLog(path / EVENTS, echo)
        self._mend_events()
        self.control = Control(path / CONTROL, self.log.emit, self.set_state)
        self.set_state("running")

    def _mend_events(self) -> None:
        """End the line that a kill has cut, or the next event would be lost in it."""
        events = self.path / EVENTS
        if events.is_file() and (size := events.stat().st_size):
            with open(events, "r+b") as file:
                file.seek(size - 1)
                if file.read(1) != b"\n":
                    file.write(b"\n")

    def set_state(self, state: str, message: str = "", **facts: Any) -> None:
        """Say in ``run.json`` how things stand."""
        self._facts |= {"state": state, "message": message, "updated": _now(), **facts}
        write_json(self.path / RECORD, self._facts)

    def fail(self, code: str, message: str) -> None:
        """Say that the run failed and why, as far as the disk lets it be said."""
        with contextlib.suppress(OSError):
            self.set_state("failed", message)
        with contextlib.suppress(OSError):
            self.log.emit("failed", code=code, message=message)

    def finish(self, **made: Any) -> None:
        """Say that the run has finished, and what it ``made``, by name."""
        self.log.emit("finished", **made)
        self.set_state("finished")

    def close(self) -> None:
        """Let go of the folder."""
        self._lock.release()


@contextlib.contextmanager
def held_run(path: Path, arguments: list[str], facts: dict[str, Any], *, events: bool) -> Iterator[RunFolder]:
    """Hold the folder of a run, and say there how the run ends, whatever ends it but its own `RunFolder.finish`.

    Args:
        path, arguments, facts: of `RunFolder`. events: copy events to standard output.

    Raises:
        SystemExit: the run was cancelled. HyRiskError: what can't be done, or that the disk refuses.
    """
    folder = RunFolder(path, arguments, facts, sys.stdout if events else None)
    try:
        yield folder
    except (Cancelled, KeyboardInterrupt):
        folder.log.emit("cancelled")
        folder.set_state("cancelled")
        raise SystemExit(EXIT_CANCELLED) from None
    except HyRiskError as e:
        folder.fail(e.code, e.message)
        raise
    except OSError as e:
        reason = os.strerror(e.errno) if e.errno else type(e).__name__
        message = tr(
            "The training stopped, as the disk refuses: {reason}. Make room, then start it again; it goes on from its last "
            "checkpoint.",
            reason=reason,
        )
        folder.fail("disk", message)
        raise HyRiskError("disk", message) from e
    except Exception as e:
        message = tr("The training ended with an unexpected error ({kind}); its log says where.", kind=type(e).__name__)
        with contextlib.suppress(OSError):
            folder.log.note(safe_traceback(e))
        folder.fail("unexpected", message)
        raise
    finally:
        folder.close()


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
