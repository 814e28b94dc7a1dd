from __future__ import annotations

import gc
import subprocess
import sys

import pytest

from hyrisk_desktop.risk.preload import import_torch


def test_a_model_change_freezes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    import torch  # noqa: F401

    monkeypatch.setattr(gc, "freeze", lambda: pytest.fail("closed exams would never be collected"))
    import_torch()


def test_the_first_import_freezes_once() -> None:
    code = (
        "import gc; from hyrisk_desktop.risk.preload import import_torch\n"
        "calls = []; freeze = gc.freeze; gc.freeze = lambda: (calls.append(1), freeze())\n"
        "import_torch(); import_torch(); print(len(calls), gc.isenabled())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["1", "True"]
