"""A Debian of nothing but the .deb and what it depends on, for `try_deb.py`."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

SUITE = "bookworm"


class Ended(NamedTuple):
    """What a command of the program printed, how long it took, and its most memory at any moment."""

    printed: str
    seconds: float
    megabytes: float


def say(*words: object) -> None:
    print(*words, flush=True)


class Bare:
    """A Debian of nothing but the package and what it depends on, in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def make(self) -> None:
        if not (self.folder / "usr/bin/dpkg").exists():
            subprocess.run(["debootstrap", "--variant=minbase", SUITE, self.folder], check=True, capture_output=True)
            self.root("useradd", "--create-home", "--uid", "1000", "reader")
        for name in ("sources.list.d", "trusted.gpg.d", "apt.conf.d"):
            for path in Path("/etc/apt", name).glob("*debian*" if name != "apt.conf.d" else "99*"):
                shutil.copy(path, self.folder / "etc/apt" / name)

    def command(self, *words: object, user: str = "1000:1000", **variables: str) -> list[str]:
        mounts = f'mount --bind /proc "{self.folder}/proc" && mount --rbind /dev "{self.folder}/dev"'
        home = "/home/reader" if user.startswith("1000") else "/root"
        known = {"HOME": home, "PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8", **variables}
        inside = ["chroot", f"--userspec={user}", str(self.folder), "/usr/bin/env", "-i"]
        inside += [
            *(f"{k}={v}" for k, v in known.items()),
            "sh",
            "-c",
            'cd "$HOME" && exec "$@"',
            "sh",
            *map(str, words),
        ]
        return ["unshare", "--mount", "sh", "-c", f'{mounts} && exec "$@"', "sh", *inside]

    def root(self, *words: object) -> str:
        return done(self.command(*words, user="0:0", DEBIAN_FRONTEND="noninteractive"))

    def user(self, *words: object, **variables: str) -> str:
        return done(self.command(*words, **variables))


def done(command: list[object], environment: dict[str, str] | None = None, *, check: bool = True) -> str:
    ended = subprocess.run([str(c) for c in command], capture_output=True, text=True, env=environment, errors="replace")
    if check and ended.returncode:
        raise SystemExit(
            f"{command[-6:]} ended with {ended.returncode}:\n{ended.stdout[-2000:]}\n{ended.stderr[-3000:]}"
        )
    return ended.stdout


def measured(command: list[object], environment: dict[str, str] | None = None) -> Ended:
    """Like `done`, with time and memory; what starts it in the bare root becomes it, so the memory is its own."""
    with tempfile.TemporaryFile("w+", errors="replace") as out:
        began = time.perf_counter()
        process = subprocess.Popen([str(c) for c in command], stdout=out, stderr=subprocess.DEVNULL, env=environment)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        seconds = time.perf_counter() - began
        if process.returncode:
            raise SystemExit(f"{command[-6:]} ended with {process.returncode}")
        out.seek(0)
        return Ended(out.read(), seconds, usage.ru_maxrss / 1024)
