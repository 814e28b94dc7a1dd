from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
from PySide6.QtCore import QObject, QThread, Signal, Slot
from pytestqt.qtbot import QtBot

from hyrisk_desktop.errors import Cancelled, ExamError
from hyrisk_desktop.gui.services.job_runner import Job, JobContext, JobRunner


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
        qtbot.wait(20)
        assert [name for name, _ in ends.told] == [end]
    assert not runner.busy


def test_cancelling_is_quick_and_no_error(qtbot: QtBot, runner: JobRunner) -> None:
    ends = Ends()

    def work(context: JobContext) -> None:
        while True:
            context.token.raise_if_cancelled()
            time.sleep(0.001)

    job = runner.run_io(ends.job(work))
    qtbot.wait(20)
    job.cancel()
    qtbot.waitUntil(lambda: bool(ends.told), timeout=1000)
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
    runner, ends = JobRunner(), Ends()

    def work(context: JobContext) -> None:
        while not context.token.cancelled:
            time.sleep(0.001)

    runner.run_model(ends.job(work))
    qtbot.wait(10)
    runner.close()
    qtbot.wait(30)
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
