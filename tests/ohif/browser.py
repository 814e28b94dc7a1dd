"""Debian's Chromium without a display, asked through its WebDriver: no package for it is needed."""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.helpers.orthanc import free_port

_ELEMENT = "element-6066-11e4-a52e-4f735466cecf"  # the standard's name for a reference to one
_ARGUMENTS = [
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--use-gl=angle",
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
    "--window-size=1600,1000",
]


class Browser:
    """One window of a browser, at the address of its WebDriver session."""

    def __init__(self, session: str) -> None:
        self._session = session

    def open(self, url: str) -> None:
        _asked(f"{self._session}/url", {"url": url})

    def script(self, body: str, *arguments: Any) -> Any:
        """What ``body`` returns in the page; a promise is waited for."""
        return _asked(f"{self._session}/execute/sync", {"script": body, "args": list(arguments)})

    def picture(self, path: Path) -> None:
        path.write_bytes(base64.b64decode(_asked(f"{self._session}/screenshot")))

    def messages(self) -> list[str]:
        """What the page has written to the console since it was asked last."""
        return [str(row["message"]) for row in _asked(f"{self._session}/se/log", {"type": "browser"})]

    def double_click(self, script: str, *arguments: Any) -> None:
        """With the mouse, in the middle of the element that ``script`` returns."""
        self._click(script, arguments, 2)

    def click(self, script: str, *arguments: Any) -> None:
        self._click(script, arguments, 1)

    def _click(self, script: str, arguments: tuple[Any, ...], times: int) -> None:
        element = self.script(script, *arguments)
        assert isinstance(element, dict), f"nothing to click on: {script}"
        self.script("arguments[0].scrollIntoView({block: 'center'})", element)
        down, up = {"type": "pointerDown", "button": 0}, {"type": "pointerUp", "button": 0}
        move = {"type": "pointerMove", "origin": {_ELEMENT: element[_ELEMENT]}, "x": 0, "y": 0}
        mouse = {"type": "pointer", "id": "mouse", "actions": [move, *[down, up] * times]}
        _asked(f"{self._session}/actions", {"actions": [mouse]})

    def wait(self, script: str, *arguments: Any, seconds: float = 120) -> Any:
        """What ``script`` returns once that is neither null, false, 0 nor empty."""
        deadline = time.monotonic() + seconds
        while not (found := self.script(script, *arguments)):
            assert time.monotonic() < deadline, f"waited {seconds:.0f} s for: {script}"
            time.sleep(0.5)
        return found


@contextmanager
def running(folder: Path) -> Iterator[Browser]:
    """A browser with a profile of its own below ``folder``; gone at the end."""
    driver, chromium = _program("chromedriver", "chromium-driver"), _program("chromium", "chromium")
    port = free_port()
    with open(folder / "chromedriver.log", "wb") as log:
        process = subprocess.Popen([driver, f"--port={port}"], stdout=log, stderr=log)
    address = f"http://127.0.0.1:{port}"
    try:
        _wait_for(address, process)
        options = {"binary": chromium, "args": [*_ARGUMENTS, f"--user-data-dir={folder / 'profile'}"]}
        wanted = {"goog:chromeOptions": options, "goog:loggingPrefs": {"browser": "ALL"}}
        session = _asked(f"{address}/session", {"capabilities": {"alwaysMatch": wanted}})["sessionId"]
        try:
            yield Browser(f"{address}/session/{session}")
        finally:
            _asked(f"{address}/session/{session}", method="DELETE")
    finally:
        process.terminate()
        process.wait(30)


def _program(name: str, package: str) -> str:
    found = shutil.which(name)
    assert found, f"{name} is missing; it is in Debian's package {package}"
    return found


def _wait_for(address: str, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline and process.poll() is None:
        try:
            if _asked(f"{address}/status")["ready"]:
                return
        except OSError:
            time.sleep(0.1)
    raise AssertionError("chromedriver did not start")


def _asked(url: str, body: Any = None, method: str = "") -> Any:
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"Content-Type": "application/json"}, method=method or None)
    try:
        with urllib.request.urlopen(request, timeout=300) as answer:
            return json.load(answer)["value"]
    except urllib.error.HTTPError as e:
        raise AssertionError(json.load(e)["value"]["message"]) from None
