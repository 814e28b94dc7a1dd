"""Can a window open here? A cheap answer for the start-up, and a thorough one for the doctor and the demonstration.

Qt ends the whole process when its platform can't start, so the question is asked before, and the thorough answer comes
from a process of its own.
"""

from __future__ import annotations

import functools
import os
import re
import socket
import subprocess
import sys

from hyrisk_desktop.i18n import tr
from hyrisk_desktop.paths import PROBE_COMMAND, is_frozen

_PROBE_TIMEOUT_S = 30
_CONNECT_TIMEOUT_S = 1.0
# Leaves without tearing Qt down, and without a core file where Qt aborts.
_PROBE = """
import os, sys
try:
    import resource
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
except (ImportError, ValueError, OSError):
    pass
from PySide6.QtGui import QGuiApplication
application = QGuiApplication(["hyrisk-probe"])
print(application.platformName(), flush=True)
os._exit(0)
"""
_X11_NAME = re.compile(r"(?P<host>.*?):(?P<number>\d+)(?:\.\d+)?")


def has_display() -> bool:
    """Whether a display is named; it may still be a dead one."""
    if sys.platform in ("win32", "darwin") or os.environ.get("QT_QPA_PLATFORM"):
        return True
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def display_answers() -> bool:
    """Whether something listens on the named display: one connection, no Qt, a millisecond on a local display."""
    if not has_display():
        return False
    if sys.platform in ("win32", "darwin"):
        return True
    asked = [name.split(":")[0] for name in os.environ.get("QT_QPA_PLATFORM", "wayland;xcb").split(";")]
    if any(not name.startswith("wayland") and name != "xcb" for name in asked):
        # Offscreen, VNC and the like bring their own display.
        return True
    x11, wayland = os.environ.get("DISPLAY", ""), os.environ.get("WAYLAND_DISPLAY", "")
    return ("xcb" in asked and x11 != "" and _x11_answers(x11)) or (
        any(name.startswith("wayland") for name in asked) and wayland != "" and _wayland_answers(wayland)
    )


def display_name() -> str:
    """The display's name as the environment gives it."""
    return os.environ.get("WAYLAND_DISPLAY") or os.environ.get("DISPLAY") or os.environ.get("QT_QPA_PLATFORM", "")


def dead_display_message() -> str:
    """What to say where `display_answers` is false although a display is named."""
    return tr(
        "The display “{name}” does not answer or refuses; start it, or set DISPLAY to one that runs.",
        name=display_name(),
    )


def _x11_answers(display: str) -> bool:
    parts = _X11_NAME.fullmatch(display)
    if parts is None:
        # A kind of name this check does not know; Qt shall decide.
        return True
    host, number = parts["host"], int(parts["number"])
    if host not in ("", "unix"):
        return _tcp_answers(host, 6000 + number)
    path = f"/tmp/.X11-unix/X{number}"
    # Linux servers also listen on an abstract socket, and in some containers only there.
    return _unix_answers(path) or (sys.platform == "linux" and _unix_answers("\0" + path))


def _wayland_answers(display: str) -> bool:
    folder = os.environ.get("XDG_RUNTIME_DIR", "")
    return _unix_answers(display if display.startswith("/") else f"{folder}/{display}")


def _unix_answers(path: str) -> bool:
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(_CONNECT_TIMEOUT_S)
            connection.connect(path)
    except OSError:
        return False
    return True


def _tcp_answers(host: str, port: int) -> bool:
    try:
        with socket.create_connection((host, port), timeout=_CONNECT_TIMEOUT_S):
            return True
    except (OSError, OverflowError):
        return False


def display_works() -> bool:
    """Whether Qt really starts on the display named here; asked once, in a process of its own (about 0.3 s)."""
    # A dead socket would make Qt wait and abort; the cheap question comes first.
    return display_answers() and qt_problem() is None


@functools.cache
def qt_problem(platform: str | None = None) -> str | None:
    """Why Qt can't start on ``platform`` (None: the one a window would use) as one sentence; None if it can."""
    environment = dict(os.environ)
    if platform is not None:
        environment["QT_QPA_PLATFORM"] = platform
    try:
        done = subprocess.run(
            # A frozen program is its own sys.executable, and knows no -c.
            [sys.executable, PROBE_COMMAND] if is_frozen() else [sys.executable, "-c", _PROBE],
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_PROBE_TIMEOUT_S,
        )
    except subprocess.TimeoutExpired:
        return tr("Qt does not start within {seconds} s; the display hangs.", seconds=_PROBE_TIMEOUT_S)
    except OSError:
        return tr("Qt can't be tried, because no second process can be started.")
    return None if done.returncode == 0 else explain(done.stderr, done.returncode)


def probe() -> None:
    """Start Qt and leave, as `qt_problem` asks the frozen program to; never returns."""
    exec(_PROBE)


def explain(complaint: str, code: int) -> str:
    """One sentence for what Qt or the dynamic loader wrote before the process ended with ``code``."""
    if "could not connect to display" in complaint or "Failed to create wl_display" in complaint:
        return dead_display_message()
    if missing := re.search(r"(lib[\w.+-]+): cannot open shared object file", complaint):
        return _missing_library(missing[1])
    if missing := re.search(r"\b(?:or )?(libxcb[\w-]+|xcb-[\w-]+) is needed", complaint):
        return _missing_library(missing[1])
    if "No module named" in complaint:
        return tr("PySide6 is not installed completely; install the program again.")
    if (
        "no Qt platform plugin could be initialized" in complaint
        or "Could not find the Qt platform plugin" in complaint
    ):
        return tr(
            "Qt's platform plugin can't start; run “python3 packaging/bootstrap.py run”, which installs what it needs."
        )
    return tr("Qt can't start here (exit code {code}).", code=code)


def _missing_library(name: str) -> str:
    return tr(
        "Qt needs the system library {name}; install it, or run “python3 packaging/bootstrap.py run”, which does.",
        name=name,
    )
