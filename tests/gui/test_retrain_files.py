"""The training process and its files, without a window."""

from __future__ import annotations

import json
import math
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from hyrisk_desktop.errors import Cancelled, InputError
from hyrisk_desktop.gui.retrain.plan import TrainingPlan, ask_process
from hyrisk_desktop.gui.retrain.progress import Progress, Thinned, duration
from hyrisk_desktop.gui.retrain.run_files import find_runs, remember_run, run_folder
from hyrisk_desktop.gui.retrain.run_results import load_results, p_value, signed
from hyrisk_desktop.gui.retrain.training_process import (
    Launcher,
    RunState,
    discard,
    lock_is_held,
    request,
)
from hyrisk_desktop.jobs import CancelToken
from hyrisk_desktop.paths import runs_dir
from hyrisk_desktop.training_run import EventTail, write_json
from tests.helpers.patience import PATIENCE_S
from tests.helpers.training import fake_command, stop_all, tiny_table

PLAN = ["--network", "hyrisknet-18", "--folds", "2", "--epochs", "1"]


@pytest.fixture
def launcher() -> Iterator[Launcher]:
    launcher = Launcher(fake_command(step_s=0.02))
    yield launcher
    stop_all(launcher)


def until(condition: Callable[[], bool], seconds: float = PATIENCE_S) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def start(launcher: Launcher, tmp_path: Path, name: str = "first") -> Path:
    run = run_folder(runs_dir(), name)
    launcher.start(run, [str(tiny_table(tmp_path)), *PLAN], name)
    return run


def test_a_run_from_start_to_finish(launcher: Launcher, tmp_path: Path) -> None:
    run = start(launcher, tmp_path)
    assert launcher.read(run).state is RunState.STARTING
    until(lambda: launcher.read(run).state is RunState.RUNNING)
    assert lock_is_held(run)
    # Another window, which did not start it, sees the same.
    assert Launcher().read(run).state is RunState.RUNNING
    until(lambda: launcher.read(run).state is RunState.FINISHED)
    tail, progress = EventTail(run / "events.jsonl"), Progress()
    more = True
    while more:
        events, more = tail.read(1000)
        for event in events:
            progress.apply(event)
    assert progress.units[-1] == "hyrisknet-18/final"
    assert list(progress.held_out) == list(progress.units[:-1])
    assert progress.done == 1.0
    assert load_results(run / "results.json").aucs[0][:3] == ("HyRiskNet", "0.712", "0.631 to 0.789")


def test_the_process_has_its_own_session_and_writes_to_its_own_log(launcher: Launcher, tmp_path: Path) -> None:
    run = start(launcher, tmp_path)
    until(lambda: launcher.read(run).state is RunState.RUNNING)
    if sys.platform != "win32":
        pid = json.loads((run / "run.json").read_text())["pid"]
        assert os.getsid(pid) != os.getsid(0)
        assert os.getpriority(os.PRIO_PROCESS, pid) > os.getpriority(os.PRIO_PROCESS, 0)
    assert (run / "process.log").is_file()


def test_pause_resume_cancel_and_resume_again(launcher: Launcher, tmp_path: Path) -> None:
    run = start(launcher, tmp_path)
    until(lambda: launcher.read(run).state is RunState.RUNNING)
    request(run, "pause")
    until(lambda: launcher.read(run).state is RunState.PAUSED)
    request(run, "resume")
    until(lambda: launcher.read(run).state is RunState.RUNNING)
    with pytest.raises(InputError, match="runs already"):
        launcher.resume(run)
    request(run, "cancel")
    until(lambda: launcher.read(run).state is RunState.CANCELLED)
    until(lambda: not lock_is_held(run))
    launcher.resume(run)
    until(lambda: launcher.read(run).state is RunState.FINISHED)


def test_a_killed_process_is_told_from_a_running_one_and_resumes(launcher: Launcher, tmp_path: Path) -> None:
    run = start(launcher, tmp_path)
    until(lambda: launcher.read(run).state is RunState.RUNNING)
    os.kill(json.loads((run / "run.json").read_text())["pid"], signal.SIGTERM if os.name == "nt" else signal.SIGKILL)
    until(lambda: launcher.read(run).state is RunState.INTERRUPTED)
    # And by a window that was opened after the computer came up again.
    note = json.loads((run / "window.json").read_text())
    write_json(run / "window.json", note | {"launched": time.time() - 3600})
    later = Launcher(fake_command())
    assert later.read(run).state is RunState.INTERRUPTED
    later.resume(run)
    until(lambda: later.read(run).state is RunState.FINISHED)


def test_a_process_that_never_began_says_why(tmp_path: Path) -> None:
    launcher = Launcher(
        lambda *_: ([sys.executable, "-c", "raise SystemExit('The cohort is gone.')"], dict(os.environ))
    )
    run = start(launcher, tmp_path)
    until(lambda: launcher.read(run).state is RunState.FAILED)
    assert launcher.read(run).message == "The cohort is gone."
    launcher.command = lambda *_: ([str(tmp_path / "no such program")], {})
    with pytest.raises(InputError, match="can't be resumed"):
        launcher.resume(run)


def test_lines_cut_by_a_kill(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    tail = EventTail(path)
    assert tail.read() == ([], False)
    path.write_bytes(b'{"event": "a"}\n{"event": "b", "lo')
    assert [e["event"] for e in tail.read()[0]] == ["a"]
    # The process that resumes writes on behind the cut.
    with path.open("ab") as file:
        file.write(b'{"event": "c"}\n[1]\nnull\n\xff\xfe\n{"event": "d"}\n')
    assert [e["event"] for e in tail.read()[0]] == ["c", "d"]
    path.write_bytes(b'{"event": "e"}\n')
    assert [e["event"] for e in tail.read()[0]] == ["e"]


def test_malformed_events_are_passed_over() -> None:
    progress = Progress()
    for event in (
        {"event": "start", "units": 7, "epochs": "x"},
        {"event": "step", "loss": math.nan, "done": None},
        {"event": "step", "loss": "0.5", "done": 9},
        {"event": "epoch", "stage": None},
        {"event": "unit"},
        {"event": "apply"},
        {"event": ["step"]},
        {},
    ):
        progress.apply(event)
    assert progress.done == 1.0
    assert not np.isfinite(progress.training_losses()[1]).any()


def test_a_hundred_thousand_steps_stay_few_points_and_keep_their_course() -> None:
    series = Thinned()
    for i in range(100_000):
        series.add(i, 1.0 + (i % 2) - i / 100_000)
    x, y = series.points()
    assert 200 <= len(x) <= 401
    assert abs(float(np.diff(y[:-1]).max())) < 0.01
    assert y[0] == pytest.approx(1.5, abs=0.01)
    assert series.smoothed()[-1] == pytest.approx(0.5, abs=0.1)


def test_a_run_s_folder_is_harmless_and_new(tmp_path: Path) -> None:
    for name in ("../../etc", "Doe^John", "a/b\\c", "CON", "..", "", "ünï", "x" * 300):
        folder = run_folder(tmp_path, name)
        assert folder.parent == tmp_path
        assert folder.name.isascii()
        assert len(folder.name) <= 64
        folder.mkdir()
        assert run_folder(tmp_path, name) != folder
    assert run_folder(tmp_path, "CON").name != "CON"


def test_runs_elsewhere_are_found_again(tmp_path: Path) -> None:
    run = tmp_path / "share" / "run"
    run.mkdir(parents=True)
    write_json(run / "window.json", {"name": "n"})
    assert find_runs(runs_dir()) == []
    remember_run(runs_dir(), run)
    remember_run(runs_dir(), run)
    assert find_runs(runs_dir()) == [run]
    (runs_dir() / "elsewhere.json").write_text("{")
    assert find_runs(runs_dir()) == []


def test_discarding_keeps_everything_but_the_bundle(tmp_path: Path) -> None:
    (tmp_path / "bundle").mkdir()
    (tmp_path / "bundle" / "weights.safetensors").write_bytes(b"x")
    (tmp_path / "results.json").write_text("{}")
    write_json(tmp_path / "run.json", {"state": "finished"})
    discard(tmp_path)
    assert not (tmp_path / "bundle").exists()
    assert (tmp_path / "results.json").exists()
    assert Launcher().read(tmp_path).discarded


def test_asking_a_process(tmp_path: Path) -> None:
    def answer(code: str) -> dict[str, object]:
        return ask_process(([sys.executable, "-c", code], dict(os.environ)), CancelToken())

    assert answer("print('{\"a\": 1}')") == {"a": 1}
    with pytest.raises(InputError, match="No such table"):
        answer('print(\'{"error": {"code": "c", "message": "No such table."}}\'); raise SystemExit(2)')
    for nonsense in ("print('[1]')", "raise SystemExit('Doe^John')", "import os; os.abort()"):
        with pytest.raises(InputError, match="no answer"):
            answer(nonsense)
    token = CancelToken()
    token.cancel()
    with pytest.raises(Cancelled):
        ask_process(([sys.executable, "-c", "import time; time.sleep(3600)"], dict(os.environ)), token)


def test_damaged_results_are_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "results.json"
    for text in ("", "{}", "[]", '{"schema_version": 2}', '{"schema_version": 1, "pooled": 3}'):
        path.write_text(text)
        with pytest.raises(InputError, match="can't be read"):
            load_results(path)


def test_words() -> None:
    assert [duration(s) for s in (20, 750, 7300, 200_000)] == ["less than a minute", "12 min", "2 h 2 min", "2 d 7 h"]
    assert (p_value(0.0), p_value(0.0312), p_value(None)) == ("<0.001", "0.031", "–")
    assert signed(-0.0412) == "−0.041"
    plan = TrainingPlan(Path("/c"), strategy="scratch", initial="imagenet", size=64, device="cpu")
    assert "--init" not in plan.arguments()
    assert plan.arguments()[-4:] == ["--size", "64", "--score", "grade"]
