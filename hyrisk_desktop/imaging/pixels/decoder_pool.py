"""A small pool of decoding child processes, kept from exam to exam.

Native decoders can abort or hang on one flipped bit, so they never run in this process. A child that does is killed
and replaced; the exam at hand fails with one sentence and no other is touched. Pixels come back through one small
shared memory segment per child, whatever the size of the volume.
"""

from __future__ import annotations

import atexit
import contextlib
import multiprocessing
import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from multiprocessing import spawn
from multiprocessing.connection import Connection, wait
from multiprocessing.shared_memory import SharedMemory
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hyrisk_desktop.imaging.pixels.decoder_child import Task, serve
from hyrisk_desktop.jobs import CancelToken

TASK_SECONDS = 60.0
START_SECONDS = 60.0
_MOST_CHILDREN = 6
_POLL_SECONDS = 0.1
_CHILD_NAME = "hyrisk-decoder"


class DecodeError(Exception):
    """A task failed; ``kind`` is "undecodable", "range", "memory", "crash", "timeout" or "start"."""

    def __init__(self, kind: str, index: int = 0) -> None:
        super().__init__(kind)
        self.kind = kind
        self.index = index


@dataclass(slots=True)
class _Child:
    process: Any
    connection: Connection
    segment: SharedMemory | None = None
    task: int = -1
    deadline: float = 0.0
    answered: bool = False

    def provide(self, size: int) -> str:
        """The name of a shared memory segment of at least ``size`` bytes."""
        if self.segment is None or self.segment.size < size:
            self.drop_segment()
            self.segment = SharedMemory(create=True, size=size)
        return self.segment.name

    def drop_segment(self) -> None:
        if self.segment is not None:
            self.segment.close()
            with contextlib.suppress(FileNotFoundError):
                self.segment.unlink()
            self.segment = None

    def stop(self, *, kill: bool) -> None:
        with contextlib.suppress(OSError, ValueError):
            if not kill:
                self.connection.send(None)
        self.connection.close()
        if not kill:
            self.process.join(2.0)
        if self.process.is_alive():
            self.process.kill()
            self.process.join(5.0)
        self.process.close()
        self.drop_segment()


class DecoderPool:
    """Children that are started when first needed; `close` ends them. Safe to share between threads."""

    def __init__(self, size: int | None = None) -> None:
        self._size = size or max(1, min(_MOST_CHILDREN, os.cpu_count() or 1))
        self._idle: list[_Child] = []
        self._lock = threading.Lock()
        # Children get the priority of the thread that starts them, and those who ask for frames may stand back for the
        # window: so they are started by a thread that was itself started where the pool was made.
        self._starter = ThreadPoolExecutor(1, "decoder-start")
        self._starter.submit(int).result()

    def warm(self) -> None:
        """Start the children now, so that the first compressed exam doesn't wait for them."""
        self._give_back(self._take(self._size))

    def close(self) -> None:
        """End all idle children and free their memory."""
        with self._lock:
            children, self._idle = self._idle, []
        for child in children:
            child.stop(kill=False)
        self._starter.shutdown()

    def _take(self, count: int) -> list[_Child]:
        with self._lock:
            taken = [self._idle.pop() for _ in range(min(count, len(self._idle)))]
        for child in [c for c in taken if not c.process.is_alive()]:
            taken.remove(child)
            child.stop(kill=True)
        while len(taken) < count:
            taken.append(self._starter.submit(_start).result())
        return taken

    def _give_back(self, children: Iterable[_Child]) -> None:
        for child in children:
            child.task = -1
            with self._lock:
                room = len(self._idle) < self._size
                if room:
                    self._idle.append(child)
            if not room:
                child.stop(kill=False)

    @contextlib.contextmanager
    def _borrow(self, count: int) -> Iterator[list[_Child]]:
        """Children for one piece of work; those still busy when it ends are killed, for their answers are unwanted."""
        children = self._take(count)
        try:
            yield children
        finally:
            busy = [c for c in children if c.task >= 0]
            for child in busy:
                child.stop(kill=True)
            self._give_back(c for c in children if c not in busy)

    def call(self, task: Task, *, seconds: float = TASK_SECONDS) -> Any:
        """Run one task in one child and return its value; raises DecodeError."""
        with self._borrow(1) as (child,):
            return _call(child, task, seconds, None)

    @contextlib.contextmanager
    def session(
        self, cancel: CancelToken | None = None, *, seconds: float = TASK_SECONDS
    ) -> Iterator[Callable[[Callable[[str], Task], int], Any]]:
        """One child for tasks that belong together.

        Yields a function ``ask(make_task, size)``: ``make_task`` gets the segment's name, ``size`` is its length in
        bytes; the function returns ``(value, memory)``.
        """
        with self._borrow(1) as (child,):

            def ask(make_task: Callable[[str], Task], size: int) -> Any:
                name = child.provide(max(size, 1))
                value = _call(child, make_task(name), seconds, cancel)
                return value, child.segment.buf if child.segment else None

            yield ask

    def frames(
        self,
        tasks: Iterable[Callable[[str], Task]],
        frame_bytes: int,
        receive: Callable[[int, memoryview], None],
        answered: Callable[[Any], None] = lambda _: None,
        *,
        count: int,
        cancel: CancelToken | None = None,
        seconds: float = TASK_SECONDS,
    ) -> None:
        """Decode frames in parallel.

        Args:
            tasks: one factory per frame, given the name of the segment to write to.
            frame_bytes: bytes of one decoded frame.
            receive: called in this thread with a frame's index in ``tasks`` and its bytes, in any order.
            count: number of frames.
            cancel: polled while waiting.
            seconds: the clock of each frame.
            answered: called in this thread with what the child says of each frame.

        Raises:
            DecodeError: with the index of the frame that failed.
            Cancelled: ``cancel`` was set.
        """
        queue = iter(enumerate(tasks))
        with self._borrow(min(self._size, count)) as children:
            busy = [child for child in children if _hand_next(child, queue, frame_bytes, seconds)]
            while busy:
                if cancel:
                    cancel.raise_if_cancelled()
                for child in _ready(busy):
                    index = child.task
                    answered(_answer(child, index))
                    buffer = child.segment.buf if child.segment else None
                    assert buffer is not None
                    receive(index, buffer[:frame_bytes])
                    child.task = -1
                    if not _hand_next(child, queue, frame_bytes, seconds):
                        busy.remove(child)


def _spare_main() -> None:
    """Let our children start without running the program's main module again.

    Spawning imports it in each child: slow for a program with a window, and an endless loop for a script without
    an ``if __name__`` guard. The children need nothing of it. Other children of the program are left as they are.
    """
    original = getattr(spawn, "get_preparation_data", None)
    if original is None or getattr(original, "spares_main", False):
        return

    def prepare(name: str) -> dict[str, Any]:
        data: dict[str, Any] = original(name)
        if name == _CHILD_NAME:
            for key in ("init_main_from_name", "init_main_from_path"):
                data.pop(key, None)
        return data

    prepare.spares_main = True  # type: ignore[attr-defined]
    spawn.get_preparation_data = prepare


def _start() -> _Child:
    _spare_main()
    # Always spawn: the parent has threads (Qt's among them), and a forked copy of their locks deadlocks.
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=serve, args=(theirs,), name=_CHILD_NAME, daemon=True)
    process.start()
    theirs.close()
    return _Child(process, ours)


def _hand_next(
    child: _Child, queue: Iterator[tuple[int, Callable[[str], Task]]], frame_bytes: int, seconds: float
) -> bool:
    """Give the child the next task; False where none is left."""
    for index, make_task in queue:
        _hand(child, make_task(child.provide(frame_bytes)), index, seconds)
        return True
    return False


def _hand(child: _Child, task: Task, index: int, seconds: float) -> None:
    child.task = index
    # A fresh child first imports its libraries, which a busy machine stretches.
    child.deadline = time.monotonic() + seconds + (0.0 if child.answered else START_SECONDS)
    try:
        child.connection.send(task)
    except OSError:
        raise DecodeError("crash", index) from None


def _ready(busy: list[_Child]) -> list[_Child]:
    """Children that answered or died; raises DecodeError when one's clock ran out."""
    wait([c.connection for c in busy], _POLL_SECONDS)
    for child in busy:
        if not child.answered and child.connection.poll():
            _greet(child)
    ready = [c for c in busy if c.answered and c.connection.poll()]
    now = time.monotonic()
    for child in busy:
        if child not in ready and now > child.deadline:
            raise DecodeError("timeout", child.task)
    return ready


def _greet(child: _Child) -> None:
    """Take a fresh child's sign of life; one that died before could not be started at all."""
    try:
        child.connection.recv()
    except (EOFError, OSError):
        raise DecodeError("start", child.task) from None
    child.answered = True


def _answer(child: _Child, index: int) -> Any:
    try:
        state, value = child.connection.recv()
    except (EOFError, OSError):
        raise DecodeError("crash", index) from None
    if state != "ok":
        child.task = -1
        raise DecodeError(value, index)
    return value


def _call(child: _Child, task: Task, seconds: float, cancel: CancelToken | None) -> Any:
    _hand(child, task, 0, seconds)
    while not _ready([child]):
        if cancel:
            cancel.raise_if_cancelled()
    value = _answer(child, 0)
    child.task = -1
    return value


_pool: DecoderPool | None = None
_pool_lock = threading.Lock()


def decoders() -> DecoderPool:
    """The program's pool, made on first use."""
    global _pool
    with _pool_lock:
        if _pool is None:
            _pool = DecoderPool()
            atexit.register(shutdown_decoders)
        return _pool


def prepare_decoders() -> None:
    """Make the pool, in the thread whose priority its children shall have; starts none yet."""
    decoders()


def warm_decoders() -> None:
    """Start the decoding children ahead of the first compressed exam; call it off the GUI thread."""
    decoders().warm()


def shutdown_decoders() -> None:
    """End the decoding children; the next compressed exam starts new ones."""
    global _pool
    with _pool_lock:
        pool, _pool = _pool, None
    if pool is not None:
        pool.close()


def frame_from(memory: memoryview, dtype: Any, rows: int, columns: int) -> NDArray[Any]:
    """The decoded frame [row, column] lying in a child's segment.

    Args:
        memory: the segment. dtype, rows, columns: of the frame.
    """
    return np.ndarray((rows, columns), dtype, buffer=memory)
