"""The installed program in its own process, driven by X11 keys and clicks only; its numbers equal the command line's."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from PySide6.QtGui import QGuiApplication
from pytestqt.qtbot import QtBot

from tests.helpers.patience import PATIENCE_S


@pytest.fixture
def xdotool() -> str:
    tool = shutil.which("xdotool")
    if tool is None or not os.environ.get("DISPLAY"):
        # Windows and macOS have no X11; there the other stories drive the window.
        pytest.skip("no X11 display")
    return tool


@pytest.fixture
def running(real_data: Path) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen([sys.executable, "-m", "hyrisk_desktop.cli", str(real_data / "nlst_101287_T0")])
    yield process
    process.terminate()
    process.wait(PATIENCE_S)


def press(xdotool: str, *arguments: object) -> str:
    done = subprocess.run([xdotool, *map(str, arguments)], capture_output=True, text=True, timeout=PATIENCE_S)
    return done.stdout.strip()


@pytest.mark.real_data
def test_story(xdotool: str, running: subprocess.Popen[bytes], real_data: Path, qtbot: QtBot) -> None:
    window = ""
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline and not window:
        time.sleep(0.3)
        # The title names the series only once it shows.
        window = press(xdotool, "search", "--onlyvisible", "--name", "FC51.*HyRisk Desktop").split("\n")[0]
    assert window, "the window did not come up"
    press(xdotool, "windowfocus", "--sync", window)
    geometry = dict(re.findall(r"(X|Y|WIDTH|HEIGHT)=(\d+)", press(xdotool, "getwindowgeometry", "--shell", window)))
    x = int(geometry["X"]) + int(geometry["WIDTH"]) // 4
    y = int(geometry["Y"]) + int(geometry["HEIGHT"]) // 2
    clipboard = QGuiApplication.clipboard()

    def read() -> str:
        press(xdotool, "key", "ctrl+shift+c")
        qtbot.wait(400)
        return clipboard.text()

    for _ in range(60):
        # Keys do nothing until the exam has loaded: H, click, grade, and ask for the numbers.
        press(xdotool, "key", "h", "mousemove", x, y, "click", 1)
        press(xdotool, "key", "alt+2")
        if "Risk:" in (text := read()):
            break
        qtbot.wait(700)
    assert "Risk:" in text, text
    centre = [int(v) for v in re.search(r"\((\d+), (\d+), (\d+)\)", text).groups()]
    command = [sys.executable, "-m", "hyrisk_desktop.cli", "score", str(real_data / "nlst_101287_T0"), "--json"]
    command += ["--grade", "2", "--center", *map(str, centre)]
    document = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)
    assert f"Agatston: {document['calcium']['agatston']:.1f} " in text
    # The click is the middle of the view, and not everywhere there is the middle of a heart.
    risk = document["risk"]
    said = "withheld, " if risk["state"] == "withheld" else f"{100 * risk['hyrisknet']:.1f} %"
    assert f"Risk: {said}" in text
