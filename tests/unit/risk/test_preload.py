from __future__ import annotations

import gc
import subprocess
import sys

import pytest

from hyrisk_desktop.risk.preload import import_torch, map_onnx_runtime


def test_a_model_change_freezes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    import torch  # noqa: F401

    monkeypatch.setattr(gc, "freeze", lambda: pytest.fail("closed exams would never be collected"))
    import_torch()


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="elsewhere nothing is mapped ahead")
def test_the_library_of_onnx_runtime_is_mapped_ahead_and_asks_nobody_anything_by_that() -> None:
    code = (
        "import sys, threading; from hyrisk_desktop.risk.preload import map_onnx_runtime\n"
        "def mapped(): return 'onnxruntime_pybind11_state' in open('/proc/self/maps').read()\n"
        "before = mapped(); map_onnx_runtime()\n"
        "import os; tasks = len(os.listdir('/proc/self/task'))\n"
        "print(before, mapped(), 'onnxruntime' in sys.modules, tasks)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "True", "False", "1"]


def test_a_library_that_is_not_there_is_left_to_the_import(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    map_onnx_runtime()


def test_the_first_import_freezes_once() -> None:
    code = (
        "import gc; from hyrisk_desktop.risk.preload import import_torch\n"
        "calls = []; freeze = gc.freeze; gc.freeze = lambda: (calls.append(1), freeze())\n"
        "import_torch(); import_torch(); print(len(calls), gc.isenabled())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["1", "True"]
