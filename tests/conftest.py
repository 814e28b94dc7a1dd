"""What every test gets: a home of its own, real scans where they are, and a check that no thread is left behind."""

from __future__ import annotations

import gc
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

# Before anything imports Qt or torch.
os.environ.setdefault("QT_QPA_PLATFORM", "offscreen") if not os.environ.get("DISPLAY") else None
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
# A test has one core: the other belongs to the tests beside it, and threads that share a core wait for each other.
for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_name, "1")

# A shell starts background jobs with Ctrl+C ignored, and children inherit that: then no test could interrupt one.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


# Until all tests are collected: what is imported meanwhile stays, and is looked through for garbage again and again.
gc.disable()
_frozen_modules = 0


def freeze_imports() -> None:
    """What was imported stays: looking through it for garbage again and again takes a tenth of all tests' time."""
    global _frozen_modules
    if len(sys.modules) > _frozen_modules + 300:
        _frozen_modules = len(sys.modules)
        gc.collect()
        gc.freeze()


def pytest_collection_finish() -> None:
    gc.enable()
    freeze_imports()


@pytest.hookimpl(trylast=True)
def pytest_runtest_teardown() -> None:
    freeze_imports()


def pytest_sessionfinish() -> None:
    gc.unfreeze()


@pytest.fixture(autouse=True)
def isolated_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Settings, logs and cache of this test only."""
    # Beside the test's own folder, which then holds nothing but what the test puts there.
    home = tmp_path.with_name(f"{tmp_path.name}-home")
    monkeypatch.setenv("HYRISK_HOME", str(home))
    return home


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
    deadline = time.monotonic() + 30
    leaked: list[threading.Thread] = []
    while time.monotonic() < deadline:
        leaked = [t for t in threading.enumerate() if t not in before and t.name.startswith("hyrisk")]
        if not leaked:
            return
        time.sleep(0.02)
    pytest.fail(f"threads left behind: {[t.name for t in leaked]}")
