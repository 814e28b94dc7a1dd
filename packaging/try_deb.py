"""Try a .deb in a bare Debian, beside the environment that it was frozen from. By hand, as root; not in CI.

    python3 packaging/try_deb.py dist/hyrisk-desktop_0.1.0_amd64.deb EXAM X Y Z [--work FOLDER] [--environment PYTHON]

EXAM is a DICOM folder and X Y Z its heart centre. Needs debootstrap, Xvfb, xdotool, ImageMagick and poppler-utils. The root
holds what the package depends on and nothing of Python. Tried there, as an ordinary user: libraries, `hyrisk doctor`, the
demonstration in a window (a screenshot), score with its reports, the exam in JPEG-LS and in plain pixels, time and memory by
ONNX Runtime and by torch, batch, a training of two folds to an installed model, a Dask worker of the environment, start-up, a
worklist on PostgreSQL, Orthanc with a password out of a keyring (see try_servers.py), and the package's removal.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import try_servers
from bare_debian import Bare, Ended, done, measured, say

ROOT = Path(__file__).resolve().parents[1]
DISPLAY = ":87"
# What differs from one export of the same reading to the next.
CHANGING = re.compile(
    r"\b\d(?:\.\d+){5,}\b|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|\d{4}-\d\d-\d\dT[\d:.+Z-]+|(?<![0-9a-f])[0-9a-f]{64}"
)
COMPARE = """
import json, sys
import pydicom
for path in sys.argv[1:]:
    ds = pydicom.dcmread(path)
    for e in list(ds.iterall()):
        if e.VR in ("UI", "DA", "TM", "DT") and "Class" not in e.keyword:
            e.value = None
    print(json.dumps(ds.to_json_dict(), sort_keys=True))
"""
TRANSCODE = """
import sys
from pathlib import Path
import pydicom
from pydicom.uid import JPEGLSLossless
for path in sorted(Path(sys.argv[1]).iterdir()):
    try:
        ds = pydicom.dcmread(path)
    except pydicom.errors.InvalidDicomError:
        continue
    if "PixelData" in ds:
        ds.decompress() if ds.file_meta.TransferSyntaxUID.is_compressed else ds.compress(JPEGLSLossless)
        ds.save_as(Path(sys.argv[2]) / path.name)
"""


@contextlib.contextmanager
def display() -> Iterator[None]:
    # Otherwise it begins anew when its last program ends, and turns away one that starts at that moment.
    server = subprocess.Popen(
        ["Xvfb", DISPLAY, "-screen", "0", "1600x1000x24", "-ac", "-noreset"], stderr=subprocess.DEVNULL
    )
    try:
        yield
    finally:
        server.terminate()
        server.wait()


def wait_for_window(process: subprocess.Popen[bytes]) -> None:
    x = os.environ | {"DISPLAY": DISPLAY}
    while process.poll() is None:
        if done(["xdotool", "search", "--onlyvisible", "--name", "HyRisk Desktop"], x, check=False):
            return
        time.sleep(0.02)
    raise SystemExit(f"The window's program ended with {process.returncode}.")


def end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    process.wait(60)


def install(bare: Bare, package: Path) -> None:
    bare.make()
    shutil.copy(package, bare.folder / "tmp")
    bare.root("apt-get", "update", "-qq")
    began = time.monotonic()
    bare.root("apt-get", "install", "-y", "-qq", "--no-install-recommends", f"/tmp/{package.name}")
    say(f"installed in {time.monotonic() - began:.0f} s;", bare.root("du", "-sh", "/opt/hyrisk-desktop").split()[0])
    say("python in the root:", bare.root("sh", "-c", "command -v python3 python || echo none").strip())
    # As the program itself looks for them.
    inside = "/opt/hyrisk-desktop/_internal"
    look = f"LD_LIBRARY_PATH={inside}:{inside}/PySide6/Qt/lib find {inside} -name '*.so*' -exec ldd {{}} + 2>/dev/null"
    lacking = bare.root("sh", "-c", f"{look} | grep 'not found' | sort | uniq -c")
    say("libraries that are not found:", lacking.strip() or "none")
    say("hyrisk --version:", bare.user("hyrisk", "--version").strip())
    say(bare.user("hyrisk", "doctor", QT_QPA_PLATFORM="offscreen"))


def demonstration(bare: Bare, picture: Path) -> None:
    process = subprocess.Popen(bare.command("hyrisk", "demo", DISPLAY=DISPLAY))
    wait_for_window(process)
    # The phantom is drawn by a training process of the frozen program, then read.
    folder = bare.folder / "home/reader/.cache/HyRisk Desktop"
    while not list(folder.glob("*/complete.json")) and process.poll() is None:
        time.sleep(0.5)
    time.sleep(25)
    keys = [
        "xdotool",
        "search",
        "--onlyvisible",
        "--name",
        "HyRisk Desktop",
        "windowfocus",
        "--sync",
        "key",
        "--delay",
        "500",
    ]
    done([*keys, "Return", "alt+2"], os.environ | {"DISPLAY": DISPLAY})
    time.sleep(25)
    done(["import", "-window", "root", picture], os.environ | {"DISPLAY": DISPLAY})
    end(process)
    say("screenshot:", picture)


def reports(run, exam: str, centre: list[str], folder: str) -> str:
    files = [word for kind in ("sr", "seg", "pdf", "fhir") for word in (f"--{kind}", f"{folder}/reading.{kind}")]
    return run("hyrisk", "score", exam, "--center", *centre, "--grade", "2", "--json", *files)


def compare_reports(bare: Bare, environment: Path, exam: Path, centre: list[str], work: Path) -> None:
    ours = work / "environment"
    ours.mkdir(exist_ok=True)
    shutil.copytree(exam, bare.folder / "home/reader/exam", dirs_exist_ok=True)
    # The same path, as the JSON names what was read.
    own = os.environ | {"HYRISK_HOME": str(work / "home")}
    hyrisk = lambda *words: done([environment, "-P", "-m", "hyrisk_desktop.cli", *words[1:]], own)  # noqa: E731
    here = reports(hyrisk, str(exam), centre, str(ours))
    there = reports(bare.user, "/home/reader/exam", centre, "/home/reader")
    say("score: JSON the same to the byte:", here == there)
    read = lambda name: (ours / name, bare.folder / "home/reader" / name)  # noqa: E731
    for name in ("reading.sr", "reading.seg"):
        mine, theirs = done([environment, "-c", COMPARE, *read(name)]).splitlines()
        say(f"{name}: the same but for UIDs and times:", CHANGING.sub("", mine) == CHANGING.sub("", theirs), len(mine))
    mine, theirs = (CHANGING.sub("", path.read_text()) for path in read("reading.fhir"))
    say("reading.fhir: the same but for UIDs and times:", blank(mine) == blank(theirs))
    shown = []
    for number, path in enumerate(read("reading.pdf")):
        done(["pdftoppm", "-r", "80", "-png", path, work / f"pdf{number}"])
        shown.append(done(["pdftotext", "-layout", path, "-"]))
    say(
        "reading.pdf: the same text but for times:",
        CHANGING.sub("", re.sub(r"\d\d:\d\d(:\d\d)?", "", shown[0]))
        == CHANGING.sub("", re.sub(r"\d\d:\d\d(:\d\d)?", "", shown[1])),
    )
    packed = bare.folder / "home/reader/transcoded"
    packed.mkdir(exist_ok=True)
    done([environment, "-c", TRANSCODE, exam, packed])
    bare.root("chown", "-R", "1000:1000", "/home/reader")
    other = json.loads(
        bare.user("hyrisk", "score", "/home/reader/transcoded", "--center", *centre, "--grade", "2", "--json")
    )
    plain = json.loads(there)
    say(
        "JPEG-LS by the decoder children against plain pixels: the same calcium and risk:",
        all(other[k] == plain[k] for k in ("calcium", "risk")),
    )


def engines(bare: Bare, environment: Path, centre: list[str], work: Path, times: int) -> None:
    """`hyrisk score` by either engine, frozen and from the environment in turns: its JSON, its time and its memory."""
    own = os.environ | {"HYRISK_HOME": str(work / "home")}
    own.pop("PYTHONDONTWRITEBYTECODE", None)
    for engine in ("onnx", "torch"):
        words = ["--center", *centre, "--grade", "2", "--json", "--engine", engine]
        ways = {
            "frozen": (bare.command("hyrisk", "score", "/home/reader/exam", *words), None),
            "environment": (
                [environment, "-P", "-m", "hyrisk_desktop.cli", "score", bare.folder / "home/reader/exam", *words],
                own,
            ),
        }
        ended: dict[str, list[Ended]] = {name: [] for name in ways}
        for _ in range(times + 1):
            for name, (command, variables) in ways.items():
                ended[name].append(measured(command, variables))
        here, there = (json.loads(runs[0].printed) for runs in ended.values())
        say(here["versions"]["engine"], "- JSON the same as the environment's:", here == there)
        for name, runs in ended.items():
            seconds, megabytes = statistics.median(r.seconds for r in runs[1:]), max(r.megabytes for r in runs)
            say(
                f"  {name}: median {seconds:.2f} s of {times}, first {runs[0].seconds:.2f} s, at most {megabytes:.0f} MB"
            )
    kept = [str(path) for path in (bare.folder / "home/reader").rglob("*onnx*")]
    say("kept by ONNX Runtime in the home folder:", kept or "nothing")


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def blank(text: str) -> str:
    """FHIR without the attachments, which hold UIDs and times of their own."""
    return re.sub(r'"data": "[^"]*"', "", text)


def batch(bare: Bare, environment: Path) -> None:
    """On this machine, and on workers of the environment, which see the exam under the same path."""
    options = ["hyrisk", "batch", "/home/reader/exam"]
    bare.user(*options, "--out", "/home/reader/scores.csv")
    dask = Path(environment).parent / "dask"
    folder = bare.folder / "home/reader"
    at = "tcp://127.0.0.1:18786"
    own = os.environ | {"PYTHONPATH": str(ROOT)}
    with contextlib.ExitStack() as stack:
        Path("/home/reader").symlink_to(folder)
        stack.callback(Path("/home/reader").unlink)
        for words in (["scheduler", "--host", "127.0.0.1", "--port", "18786"], ["worker", at, "--nworkers", "1"]):
            process = subprocess.Popen([dask, *words, "--no-dashboard"], env=own, stderr=subprocess.DEVNULL)
            stack.callback(end, process)
        # The bundled model lies elsewhere in the environment; both see this copy.
        model = "/home/reader/model"
        shutil.copytree(ROOT / "resources/models/hyrisknet-34-demo", folder / "model", dirs_exist_ok=True)
        bare.root("chown", "-R", "1000:1000", "/home/reader")
        bare.user(*options, "--out", "/home/reader/remote.csv", "--model", model, "--scheduler", at)
    # Without the seconds that a row took.
    here, there = (re.sub(r",[^,\n]*$", "", (folder / n).read_text(), flags=re.M) for n in ("scores.csv", "remote.csv"))
    say(
        "batch rows:", here.count("\n") - 1, "- the same from the frozen program and from a Dask worker:", here == there
    )


def training(bare: Bare) -> None:
    bare.user("hyrisk", "phantom", "cohort", "-n", "24", "--seed", "5200000", "--workers", "2", "--out", "cohort")
    began = time.monotonic()
    options = ["--network", "hyrisknet-18", "--folds", "2", "--epochs", "1", "--size", "32", "--batch", "6"]
    bare.user(
        "hyrisk", "train", "cohort/cohort.csv", *options, "--permutation-folds", "1", "--name", "bare", "--out", "run"
    )
    say(f"2 folds in {time.monotonic() - began:.0f} s:", names(bare.folder / "home/reader/run"))
    bare.user("hyrisk", "models", "import", "run/bundle", "--anyway")
    say(bare.user("hyrisk", "models", "list").strip())


def start_up(bare: Bare, environment: Path, work: Path, times: int) -> None:
    own = os.environ | {"HYRISK_HOME": str(work / "home"), "DISPLAY": DISPLAY}
    own.pop("PYTHONDONTWRITEBYTECODE", None)
    ways = {
        "environment": ([str(environment), "-P", "-m", "hyrisk_desktop.cli"], own),
        "frozen": (bare.command("hyrisk", DISPLAY=DISPLAY), None),
    }
    took: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(times + 1):
        for name, (command, variables) in ways.items():
            began = time.perf_counter()
            process = subprocess.Popen(command, env=variables, stderr=subprocess.DEVNULL)
            wait_for_window(process)
            took[name].append(time.perf_counter() - began)
            time.sleep(2)
            end(process)
    for name, seconds in took.items():
        say(
            f"start to window, {name}: median {statistics.median(seconds[1:]):.2f} s of {times}, first {seconds[0]:.2f} s"
        )


def remove(bare: Bare) -> None:
    bare.root("apt-get", "purge", "-y", "-qq", "hyrisk-desktop")
    left = [
        p
        for p in ("opt/hyrisk-desktop", "usr/bin/hyrisk")
        if (bare.folder / p).is_symlink() or (bare.folder / p).exists()
    ]
    kept = names(bare.folder / "home/reader/.local/share/HyRisk Desktop")
    say("after purge: left of the program", left, "- kept of the user", kept)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("package", type=Path)
    parser.add_argument("exam", type=Path)
    parser.add_argument("centre", nargs=3)
    parser.add_argument("--work", type=Path, default=Path("/tmp/hyrisk-bare"))
    parser.add_argument("--environment", type=Path, default=ROOT / "build/environment/bin/python")
    parser.add_argument("--times", type=int, default=5, help="starts of each form")
    parser.add_argument("--steps", nargs="*", help="only these, on the root that is there already")
    options = parser.parse_args()
    options.work.mkdir(exist_ok=True)
    bare, exam = Bare(options.work / "root"), options.exam.resolve()
    steps: dict[str, Callable[[], None]] = {
        "install": lambda: install(bare, options.package),
        "reports": lambda: compare_reports(bare, options.environment, exam, options.centre, options.work),
        "engines": lambda: engines(bare, options.environment, options.centre, options.work, options.times),
        "batch": lambda: batch(bare, options.environment),
        "training": lambda: training(bare),
        "demonstration": lambda: demonstration(bare, options.work / "demonstration.png"),
        "start": lambda: start_up(bare, options.environment, options.work, options.times),
        "postgresql": lambda: try_servers.postgresql(bare, options.work),
        # Installs a keyring, so that the root is no longer bare.
        "pacs": lambda: try_servers.pacs(bare, options.work),
        "remove": lambda: remove(bare),
    }
    with display():
        for name in options.steps or steps:
            say(f"--- {name}")
            steps[name]()


if __name__ == "__main__":
    sys.exit(main())
