from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from PySide6.QtCore import QObject, QThread, Signal, Slot
from pytestqt.qtbot import QtBot

from hyrisk_desktop.errors import Cancelled, ExamError
from hyrisk_desktop.gui.services import job_runner
from hyrisk_desktop.gui.services.job_runner import Job, JobContext, JobRunner, Operation
from tests.helpers.patience import PATIENCE_S


@pytest.fixture
def runner(qtbot: QtBot) -> Iterator[JobRunner]:
    runner = JobRunner()
    yield runner
    runner.close()


class Ends:
    """Notes which end a job told, and on which thread."""

    def __init__(self) -> None:
        self.told: list[tuple[str, Any]] = []

    def job(self, work: Any) -> Job:
        def note(name: str) -> Any:
            def end(*values: object) -> None:
                assert threading.current_thread() is threading.main_thread()
                self.told.append((name, values[0] if values else None))

            return end

        return Job("test", work, note("succeeded"), note("failed"), note("cancelled"), partial=note("partial"))


def boom(_: JobContext) -> None:
    raise ZeroDivisionError


def refuse(_: JobContext) -> None:
    raise ExamError("code", "A sentence.")


def give_up(_: JobContext) -> None:
    raise Cancelled


@pytest.mark.parametrize(
    ("work", "end"), [(lambda _: 7, "succeeded"), (boom, "failed"), (refuse, "failed"), (give_up, "cancelled")]
)
def test_exactly_one_end_on_the_gui_thread(qtbot: QtBot, runner: JobRunner, work: Any, end: str) -> None:
    for submit in (runner.run_io, runner.run_model):
        ends = Ends()
        submit(ends.job(work))
        qtbot.waitUntil(lambda told=ends.told: bool(told))
        qtbot.waitUntil(lambda: not runner.busy)
        qtbot.wait(1)
        assert [name for name, _ in ends.told] == [end]
    assert not runner.busy


def test_cancelling_is_no_error(qtbot: QtBot, runner: JobRunner) -> None:
    ends, begun = Ends(), threading.Event()

    def work(context: JobContext) -> None:
        begun.set()
        while True:
            context.token.raise_if_cancelled()
            time.sleep(0.001)

    job = runner.run_io(ends.job(work))
    qtbot.waitUntil(begun.is_set)
    job.cancel()
    qtbot.waitUntil(lambda: bool(ends.told))
    assert ends.told == [("cancelled", None)]


def test_early_results_come_before_the_end(qtbot: QtBot, runner: JobRunner) -> None:
    ends = Ends()

    def work(context: JobContext) -> str:
        context.partial("first")
        return "whole"

    runner.run_io(ends.job(work))
    qtbot.waitUntil(lambda: len(ends.told) == 2)
    assert ends.told == [("partial", "first"), ("succeeded", "whole")]


def test_closing_waits_and_tells_nothing(qtbot: QtBot) -> None:
    runner, ends, begun = JobRunner(), Ends(), threading.Event()

    def work(context: JobContext) -> None:
        begun.set()
        while not context.token.cancelled:
            time.sleep(0.001)

    runner.run_model(ends.job(work))
    qtbot.waitUntil(begun.is_set)
    runner.close()
    qtbot.wait(1)
    assert ends.told == []
    assert not [t for t in threading.enumerate() if t.name.startswith("hyrisk-")]


class Emitter(QObject):
    fired = Signal(bool, object)

    def __init__(self) -> None:
        super().__init__()
        self.count = 0
        self.fired.connect(self.receive)

    @Slot(bool, object)
    def receive(self, flag: bool, nothing: object) -> None:
        self.count += flag is True and nothing is None


def test_twenty_thousand_signals_keep_true_and_none_alive(qtbot: QtBot) -> None:
    """PySide6 6.12.0 on CPython 3.11 loses a reference to True or None on most calls, and aborts the process."""
    emitter = Emitter()
    for _ in range(20_000):
        emitter.fired.emit(True, None)
    assert emitter.count == 20_000
    assert QThread.currentThread() is not None


def test_of_an_operation_only_the_newest_tells(qtbot: QtBot, runner: JobRunner) -> None:
    told: list[str] = []
    gate = threading.Event()
    operation = Operation(runner.run_io)

    def slow(context: JobContext) -> str:
        context.partial("old news")
        gate.wait(PATIENCE_S)
        return "old"

    def start(work: Any) -> None:
        operation.start("test", work, told.append, lambda e: told.append(str(e)), partial=told.append,
                        cancelled=lambda: told.append("cancelled"))  # fmt: skip

    start(slow)
    qtbot.waitUntil(lambda: told == ["old news"])
    start(lambda _: "new")
    qtbot.waitUntil(lambda: "new" in told)
    assert not operation.running
    gate.set()
    qtbot.waitUntil(lambda: not runner.busy)
    assert told == ["old news", "new"]


def test_an_operation_has_ended_before_its_end_is_told(qtbot: QtBot, runner: JobRunner) -> None:
    operation = Operation(runner.run_io)
    seen: list[tuple[str, bool]] = []

    def note(name: str) -> Any:
        return lambda *_: seen.append((name, operation.running))

    for work in (lambda _: 1, boom, give_up):
        operation.start("test", work, note("then"), note("failed"), cancelled=note("cancelled"))
        assert operation.running
        qtbot.waitUntil(lambda: not operation.running)
    assert seen == [("then", False), ("failed", False), ("cancelled", False)]


def test_a_dropped_operation_says_nothing_and_a_cancelled_one_does(qtbot: QtBot, runner: JobRunner) -> None:
    told: list[str] = []
    operation = Operation(runner.run_io)

    def wait(context: JobContext) -> None:
        while True:
            context.token.raise_if_cancelled()
            time.sleep(0.001)

    for stop, end in ((operation.drop, []), (operation.cancel, ["cancelled"])):
        operation.start("test", wait, told.append, told.append, cancelled=lambda: told.append("cancelled"))
        stop()
        qtbot.waitUntil(lambda: not runner.busy)
        assert told == end
        assert not operation.running


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere a thread's priority can't be asked for in this way")
def test_work_stands_back_for_the_window(qtbot: QtBot, runner: JobRunner) -> None:
    """With the threads that it starts, such as a network's; the window's own thread keeps its priority."""
    found: list[tuple[int, int]] = []

    def priority() -> int:
        return os.getpriority(os.PRIO_PROCESS, threading.get_native_id())

    def work(_: JobContext) -> tuple[int, int]:
        with ThreadPoolExecutor(1) as pool:
            return priority(), pool.submit(priority).result()

    own = priority()
    for submit in (runner.run_model, runner.run_io, runner.run_background, runner.run_batch):
        submit(Job("test", work, found.append, found.append))
    qtbot.waitUntil(lambda: len(found) == 4)
    assert all(own < mine == started for mine, started in found)
    assert priority() == own


def test_of_reports_that_the_window_has_not_come_to_only_the_newest_is_told(
    qtbot: QtBot, runner: JobRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(job_runner, "_PROGRESS_INTERVAL_S", 0.0)
    told: list[Any] = []
    reported = threading.Event()

    def work(context: JobContext) -> None:
        for n in range(1, 51):
            context.progress(n, 50)
        reported.set()

    runner.run_io(Job("test", work, told.append, told.append, progressed=lambda *at: told.append(at)))
    assert reported.wait(PATIENCE_S)
    qtbot.waitUntil(lambda: None in told)
    assert told == [(50, 50), None]


@pytest.mark.parametrize(("total", "kept"), [(3, [(1, 3), (3, 3)]), (0, [(1, 0)])])
def test_reports_that_come_too_fast_are_left_out_but_the_last_of_a_known_number(
    qtbot: QtBot, runner: JobRunner, monkeypatch: pytest.MonkeyPatch, total: int, kept: list[tuple[int, int]]
) -> None:
    monkeypatch.setattr(job_runner, "_PROGRESS_INTERVAL_S", 3600.0)
    told: list[Any] = []
    first = threading.Event()

    def progressed(*at: int) -> None:
        told.append(at)
        first.set()

    def work(context: JobContext) -> None:
        context.progress(1, total)
        first.wait(PATIENCE_S)
        context.progress(2, total)
        context.progress(3, total)

    runner.run_io(Job("test", work, told.append, told.append, progressed=progressed))
    qtbot.waitUntil(lambda: None in told)
    assert told == [*kept, None]
