"""What every test gets: a home of its own, real scans where they are, and a check that no thread is left behind."""

from __future__ import annotations

import atexit
import gc
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from filelock import FileLock

from tests.helpers.once import shared_folder
from tests.helpers.patience import PATIENCE_S

# Before anything imports Qt or torch.
os.environ.setdefault("QT_QPA_PLATFORM", "offscreen") if not os.environ.get("DISPLAY") else None
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
# A test has one core: the other belongs to the tests beside it, and threads that share a core wait for each other.
for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_name, "1")

# A shell starts background jobs with Ctrl+C ignored, and children inherit that: then no test could interrupt one.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


# In a fresh clone the first process compiles torch, the tests and what they import; those that begin beside it wait, or all would.
# pytest's own processes know that they are several; that stories run beside them says bootstrap.py.
_beside = "workers" if "PYTEST_XDIST_WORKER" in os.environ else os.environ.get("HYRISK_TESTS_BESIDE", "")
_COMPILED = Path(__file__).parent / "__pycache__" / f"compiled-for-{_beside}"
_turn = FileLock(_COMPILED.with_name("compiling.lock"))
if _beside and not sys.dont_write_bytecode and not _COMPILED.exists():
    _COMPILED.parent.mkdir(exist_ok=True)
    _turn.acquire()
    if _COMPILED.exists():
        _turn.release()


# Until all tests are collected: what is imported meanwhile stays, and is looked through for garbage again and again.
gc.disable()
_frozen_modules = 0
_searched_s = _search_began = 0.0


def _time_full_searches(phase: str, info: dict[str, int]) -> None:
    global _searched_s, _search_began
    if info["generation"] == 2:
        now = time.perf_counter()
        if phase == "start":
            _search_began = now
        else:
            _searched_s += now - _search_began


def _freeze() -> None:
    """Nothing that is there now is looked through for garbage any more."""
    global _frozen_modules, _searched_s
    _frozen_modules, _searched_s = len(sys.modules), 0.0
    gc.freeze()


def pytest_collection_finish() -> None:
    if _turn.is_locked:
        _COMPILED.touch()
        _turn.release()
    _freeze()
    gc.callbacks.append(_time_full_searches)
    gc.enable()


@pytest.hookimpl(trylast=True)
def pytest_runtest_teardown() -> None:
    """What was imported stays, and so do caches: looking through them again and again takes a tenth of all tests' time."""
    if len(sys.modules) > _frozen_modules + 300 or _searched_s > 0.5:
        gc.collect()
        _freeze()


def pytest_sessionfinish() -> None:
    # pytest looks through everything twice at the end; once is enough for what was frozen.
    gc.unfreeze()
    gc.collect()
    _freeze()
    # The interpreter's own end finds all of it again, or libraries that count what they made would call it leaked.
    atexit.register(gc.unfreeze)


@pytest.fixture(autouse=True)
def isolated_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Settings, logs and cache of this test only."""
    # Beside the test's own folder, which then holds nothing but what the test puts there.
    home = tmp_path.with_name(f"{tmp_path.name}-home")
    monkeypatch.setenv("HYRISK_HOME", str(home))
    return home


@pytest.fixture(scope="session", autouse=True)
def made_once(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """What many tests begin with: `tests/unit/test_helpers.py` says that it is what each would have made."""
    import alembic.command

    from tests.helpers import bundles, empty_worklist

    bundles.KEPT = shared_folder(tmp_path_factory)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(alembic.command, "upgrade", empty_worklist.upgrade)
        yield


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder with the real scans; skips where there are none."""
    folder = os.environ.get("HYRISK_TEST_DATA")
    if not folder or not Path(folder).is_dir():
        pytest.skip("no real scans here (HYRISK_TEST_DATA)")
    return Path(folder)


@pytest.fixture(autouse=True)
def no_leaked_threads() -> Iterator[None]:
    """A worker thread that outlives its test would outlive its window too."""
    before = set(threading.enumerate())
    yield
    deadline = time.monotonic() + PATIENCE_S
    leaked: list[threading.Thread] = []
    while time.monotonic() < deadline:
        leaked = [t for t in threading.enumerate() if t not in before and t.name.startswith("hyrisk")]
        if not leaked:
            return
        time.sleep(0.02)
    pytest.fail(f"threads left behind: {[t.name for t in leaked]}")
