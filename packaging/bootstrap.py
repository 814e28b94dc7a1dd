"""The two commands of the README, for a machine with nothing but Python 3.11 or newer, and one for a stick.

    python3 packaging/bootstrap.py run [--cpu | --cuda] [--wheelhouse FOLDER]
                                           set up, then start the program on the demonstration exam
    python3 packaging/bootstrap.py test    set up with the test tools, then run every check
    python3 packaging/bootstrap.py wheelhouse FOLDER [--cpu | --cuda]
                                           everything that ``run --wheelhouse FOLDER`` needs where there is no network

On Linux ``run`` takes torch without CUDA where no NVIDIA card answers, unless ``--cuda`` asks for it. Setting up means: a virtual environment in .venv, the locked dependencies, and Qt's system libraries. What is
already there is left alone, so the second time takes seconds. Standard library only, on purpose.
"""

from __future__ import annotations

import argparse
import concurrent.futures
import ctypes
import hashlib
import os
import re
import shutil
import subprocess
import sys
import threading
import time
import venv
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]
VENV = ROOT / ".venv"
CONSTRAINTS = ROOT / "packaging" / "constraints.txt"
# With training and the PACS, which are things that the program is for, and the engine that reads faster on a CPU.
EXTRAS = "train,onnx,pacs"
# An index of builds of torch without CUDA, as PyTorch's publishers have one; PyPI has none for Linux.
CPU_INDEX = os.environ.get("HYRISK_TORCH_INDEX", "")
OLDEST_TORCH = (2, 11)
SIZES = {
    "cpu": "downloads about 0.5 GB, takes 2 GB of the disk and some minutes",
    "cuda": "downloads about 3 GB (torch with CUDA), takes 7 GB of the disk and some minutes",
}

# Shared library -> Debian package, for Qt's two platforms on Linux.
OFFSCREEN_LIBRARIES = {
    "libGL.so.1": "libgl1",
    "libEGL.so.1": "libegl1",
    "libxkbcommon.so.0": "libxkbcommon0",
    "libdbus-1.so.3": "libdbus-1-3",
    "libfontconfig.so.1": "libfontconfig1",
    "libglib-2.0.so.0": "libglib2.0-0",
}
XCB_LIBRARIES = {
    "libxkbcommon-x11.so.0": "libxkbcommon-x11-0",
    "libxcb-cursor.so.0": "libxcb-cursor0",
    "libxcb-icccm.so.4": "libxcb-icccm4",
    "libxcb-keysyms.so.1": "libxcb-keysyms1",
    "libxcb-shape.so.0": "libxcb-shape0",
}
# Without any font Qt draws empty boxes.
FONTS = "fonts-dejavu-core"
FONT_FOLDERS = ("/usr/share/fonts", "/usr/local/share/fonts", "~/.fonts", "~/.local/share/fonts")
FONT_FILES = (".ttf", ".otf", ".ttc")
HEARTBEAT_S = 15.0
TEST_PROGRAMS = {
    "Xvfb": "xvfb",
    "xauth": "xauth",
    "xdotool": "xdotool",
    "initdb": "postgresql",
    "dciodvfy": "dicom3tools",
    "pdftoppm": "poppler-utils",
    "Orthanc": "orthanc",
    "libOrthancDicomWeb.so": "orthanc-dicomweb",
    "storescu": "dcmtk",
}
# Debian keeps a server's programs and plug-ins where no PATH looks.
HIDDEN_PROGRAMS = {
    "initdb": "usr/lib/postgresql/*/bin/initdb",
    "Orthanc": "usr/sbin/Orthanc",
    "libOrthancDicomWeb.so": "usr/share/orthanc/plugins/libOrthancDicomWeb.so",
}


class SetupError(Exception):
    """One sentence that says what to do."""


def say(text: str) -> None:
    print(f"[hyrisk] {text}", flush=True)


class Heartbeat:
    """Says every ``every`` seconds without other news that the work goes on; pip unpacks torch for minutes in silence."""

    def __init__(self, every: float = HEARTBEAT_S) -> None:
        self.started = self._news = time.monotonic()
        self._every = every
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Heartbeat:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()

    @property
    def seconds(self) -> float:
        return time.monotonic() - self.started

    def say(self, text: str) -> None:
        self._news = time.monotonic()
        say(f"  {self.seconds:4.0f} s  {text}")

    def due(self) -> float:
        """Seconds until it is time to say something."""
        return self._news + self._every - time.monotonic()

    def beat(self) -> None:
        """Say that the work goes on, unless there has been news."""
        if self.due() <= 0:
            self.say("still installing…")

    def _run(self) -> None:
        while not self._done.wait(max(0.01, self.due())):
            self.beat()


def python() -> Path:
    return VENV / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def check_python() -> None:
    if sys.version_info < (3, 11):
        version = ".".join(map(str, sys.version_info[:2]))
        raise SetupError(
            f"HyRisk Desktop needs Python 3.11 or newer, and this is {version}: run this file with a newer one."
        )


def make_environment() -> None:
    if python().exists() and subprocess.run([python(), "-c", "import pip"], capture_output=True).returncode == 0:
        return
    say("Making the virtual environment .venv")
    try:
        venv.create(VENV, with_pip=True, clear=True)
    except (OSError, subprocess.CalledProcessError) as e:
        raise SetupError(
            f"The virtual environment can't be made in {VENV} ({e}); on Debian or Ubuntu install python3-venv, "
            "and check that the folder can be written."
        ) from e


def fingerprint(extra: str) -> str:
    content = (ROOT / "pyproject.toml").read_bytes() + CONSTRAINTS.read_bytes() + Path(__file__).read_bytes()
    return hashlib.sha256(content + f"{sys.version}{extra}{ROOT}".encode()).hexdigest()


class Wish(NamedTuple):
    """What `run` was asked for: a ``build`` of torch ("cpu", "cuda", or "" for what suits), and a folder of wheels."""

    build: str = ""
    wheelhouse: Path | None = None


def pip(*arguments: object) -> list[object]:
    return [python(), "-m", "pip", *arguments, "--disable-pip-version-check"]


def install(extra: str, wish: Wish | None = None) -> None:
    """Install the program (editable) with ``extra`` unless exactly this was installed before.

    Without a ``wish``, as for the tests, torch is the pair of the locked versions.
    """
    stamp = VENV / f"installed-{extra or 'program'}"
    wanted = fingerprint(extra)
    before = installed_build()
    # What was chosen once stays until somebody asks for the other.
    build = (wish.build or before or suitable_build()) if wish else "cuda"
    if stamp.is_file() and stamp.read_text() == wanted and build == (before or build):
        return
    if before not in ("", build):
        remove_torch()
    torch = None
    if wish and wish.wheelhouse is not None:
        torch = torch_in(wish.wheelhouse)
    elif build == "cpu":
        torch = cpu_torch()
        if torch is None:
            say("No torch without CUDA can be had here: taking the one with it, which runs on a CPU too")
            build = "cuda"
    say(f"Installing the locked dependencies; the first time {SIZES[build]}")
    command = pip("install", "--progress-bar", "off", "--constraint", constraints(torch), "--editable", target(extra))
    if extra == "test":
        # Most of what is installed is never imported by a test, and compiling all of it takes a minute.
        command.append("--no-compile")
    if extra == "test" and not before and sys.platform.startswith("linux"):
        install_ahead()
    steps = [command]
    if wish and wish.wheelhouse is not None:
        command += ["--no-index", "--find-links", wish.wheelhouse]
    elif torch is not None and torch.index:
        # Only torch comes from there, and its dependencies from where pip looks.
        steps.insert(0, pip("install", "--no-deps", "--index-url", torch.index, f"torch=={torch.version}"))
    run_pip(steps)
    stamp.write_text(wanted)


def install_ahead() -> None:
    """Lay the locked versions into an empty environment by two of pip at once: most of its time goes into unpacking, on one core.

    What fails here is tried again, and told, by the installation itself.
    """
    locked = re.findall(r"^[^#\s]+==\S+$", CONSTRAINTS.read_text(), re.MULTILINE)
    # Half of all bytes.
    nvidias = [name for name in locked if name.startswith(("nvidia-", "cuda-"))]
    shares = (nvidias, [name for name in locked if name not in nvidias])
    say("Unpacking the locked versions, by two of pip side by side")
    with Heartbeat(), concurrent.futures.ThreadPoolExecutor(len(shares)) as pool:
        commands = [pip("install", "--no-deps", "--no-compile", *share) for share in shares]
        list(pool.map(call_quietly, commands, [None, None]))


def target(extra: str) -> str:
    return f".[{extra}]" if extra else "."


def run_pip(steps: list[list[object]]) -> None:
    """Run pip's commands one after the other, telling what they do.

    Raises:
        SetupError: one failed; its last lines have been shown.
    """
    recent: list[str] = []
    pipe = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True, "errors": "replace"}
    with Heartbeat() as heartbeat:
        for command in steps:
            with subprocess.Popen(command, cwd=ROOT, **pipe) as process:
                for line in process.stdout:
                    recent = [*recent[-15:], line.rstrip()]
                    if news := pip_news(line):
                        heartbeat.say(news)
            if process.returncode:
                print("\n".join(recent), file=sys.stderr)
                raise SetupError(
                    "The dependencies could not be installed: see pip's lines above; check the network and free disk space (8 GB), then run this again."
                )
    say(f"  done in {heartbeat.seconds:.0f} s")


# --- which torch


class Torch(NamedTuple):
    """A version of torch, such as 2.15.0+cpu, and the index that has it where pip's own have not."""

    version: str
    index: str = ""


def locked_torch() -> str:
    return re.search(r"^torch==(\S+)$", CONSTRAINTS.read_text(), re.MULTILINE)[1]


def constraints(torch: Torch | None) -> Path:
    """The file of locked versions, with ``torch`` in the place of its own if given."""
    if torch is None:
        return CONSTRAINTS
    path = VENV / "constraints.txt"
    path.write_text(re.sub(r"^torch==\S+$", f"torch=={torch.version}", CONSTRAINTS.read_text(), flags=re.MULTILINE))
    return path


def has_nvidia() -> bool:
    """Whether a card of NVIDIA's answers; one without a driver is of no use to torch."""
    program = shutil.which("nvidia-smi")
    if program is None:
        return any(Path("/proc/driver/nvidia/gpus").glob("*"))
    try:
        return b"GPU" in subprocess.run([program, "-L"], capture_output=True, timeout=30).stdout
    except (OSError, subprocess.TimeoutExpired):
        return False


def suitable_build() -> str:
    # PyPI's torch for Windows and macOS has no CUDA: there is nothing to choose.
    return "cpu" if sys.platform.startswith("linux") and not has_nvidia() else "cuda"


def installed_build() -> str:
    """ "cpu" or "cuda" as torch lies in the environment, "" where it does not."""
    found = sorted(path.name for path in VENV.glob("[Ll]ib/**/torch-*.dist-info"))
    return "" if not found else "cpu" if "+cpu" in found[0] else "cuda"


def remove_torch() -> None:
    """Take torch and its libraries out, so that the other build can take its place."""
    say("Taking the other build of torch out")
    names = {path.name.partition("-")[0] for path in VENV.glob("[Ll]ib/**/*.dist-info")}
    names = sorted(n for n in names if n in ("torch", "torchvision", "triton") or n.startswith(("nvidia_", "cuda_")))
    subprocess.run(pip("uninstall", "--yes", *names), capture_output=True)
    for stamp in VENV.glob("installed-*"):
        stamp.unlink()


def numbers(version: str) -> tuple[int, ...]:
    return tuple(int(n) for n in re.findall(r"\d+", version.partition("+")[0]))


def cpu_builds(*where: str) -> list[str]:
    """Versions of torch without CUDA that pip finds, the newest first; pip itself knows which fit this Python."""
    listed = subprocess.run(pip("index", "versions", "torch", *where), capture_output=True, text=True, errors="replace")
    found = set(re.findall(r"\b\d+\.\d+[\d.]*\+cpu\b", listed.stdout))
    return sorted((v for v in found if numbers(v) >= OLDEST_TORCH), key=numbers, reverse=True)


def cpu_torch() -> Torch | None:
    """The build without CUDA that can be had: the locked version, or what somebody has laid where pip looks."""
    locked = f"{locked_torch()}+cpu"
    if found := cpu_builds():
        return Torch(locked if locked in found else found[0])
    if CPU_INDEX and locked in cpu_builds("--index-url", CPU_INDEX, "--timeout", "10", "--retries", "1"):
        return Torch(locked, CPU_INDEX)
    return None


# --- without a network


def torch_in(wheelhouse: Path) -> Torch:
    """The torch that lies in a folder of wheels.

    Raises:
        SetupError: there is none.
    """
    found = [re.match(r"torch-([^-]+)-", path.name) for path in sorted(wheelhouse.glob("torch-*.whl"))]
    if not found:
        raise SetupError(f"“{wheelhouse}” holds no wheels; make it with: bootstrap.py wheelhouse FOLDER")
    return Torch(found[-1][1].replace("%2B", "+"))


def fill_wheelhouse(arguments: list[str]) -> int:
    """Lay everything that an installation needs into a folder, for machines of this system and Python."""
    if not arguments:
        raise SetupError("Name the folder: bootstrap.py wheelhouse FOLDER")
    folder, (wish, rest) = Path(arguments[0]).absolute(), own_options(arguments[1:])
    if rest:
        raise SetupError(f"“{rest[0]}” is no option of wheelhouse; there are --cpu and --cuda.")
    check_python()
    make_environment()
    folder.mkdir(parents=True, exist_ok=True)
    torch = cpu_torch() if (wish.build or suitable_build()) == "cpu" else None
    wheel = pip("wheel", "--progress-bar", "off", "--wheel-dir", folder, "--find-links", folder)
    steps = [[*wheel, "--constraint", constraints(torch), target(EXTRAS), *build_requirements()]]
    if torch is not None and torch.index:
        steps.insert(0, [*wheel, "--no-deps", "--index-url", torch.index, f"torch=={torch.version}"])
    run_pip(steps)
    for old in folder.glob("hyrisk_desktop-*.whl"):
        # The program comes with its source.
        old.unlink()
    size = sum(path.stat().st_size for path in folder.iterdir()) / 1e9
    say(f"{folder} holds {size:.1f} GB. Copy it and this source; there: bootstrap.py run --wheelhouse {folder.name}")
    return 0


def build_requirements() -> list[str]:
    """What pip needs to install the source itself, editable."""
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    return [*re.findall(r'"([^"]+)"', re.search(r"^requires = \[(.*)\]$", text, re.MULTILINE)[1]), "editables"]


def own_options(arguments: list[str]) -> tuple[Wish, list[str]]:
    """The options of `run` itself, which stand first, and what is left for the program.

    Raises:
        SetupError: a folder is missing.
    """
    build, wheelhouse, rest = "", None, list(arguments)
    while rest and rest[0] in ("--cpu", "--cuda", "--wheelhouse"):
        option = rest.pop(0)
        if option != "--wheelhouse":
            build = option[2:]
        elif not rest or not Path(rest[0]).is_dir():
            raise SetupError("After --wheelhouse name the folder with the wheels.")
        else:
            wheelhouse = Path(rest.pop(0)).absolute()
    return Wish(build, wheelhouse), rest


def pip_news(line: str) -> str:
    """What a person wants to know of a line of pip's; empty for most lines."""
    words = line.split()
    if words[:1] == ["Collecting"] and len(words) > 1:
        return f"fetching {re.split('[<>=!~;( ]', words[1])[0]}"
    if line.startswith("Installing collected"):
        return f"unpacking {line.count(',') + 1} packages"
    return ""


def has_fonts(folders: Iterable[str] = FONT_FOLDERS) -> bool:
    # Unlike Path.expanduser, this never fails where the user has no home.
    roots = [Path(os.path.expanduser(folder)) for folder in folders]  # noqa: PTH111
    return any(path.suffix.lower() in FONT_FILES for root in roots for path in root.rglob("*"))


def is_there(program: str) -> bool:
    """Whether a program can be found, also where Debian hides it."""
    return shutil.which(program) is not None or any(Path("/").glob(HIDDEN_PROGRAMS.get(program, "nowhere")))


def missing_packages(libraries: dict[str, str], programs: dict[str, str]) -> list[str]:
    """Names as in Debian; asked on Linux only, the other systems bring fonts and Qt's libraries along."""
    missing = [package for program, package in programs.items() if not is_there(program)]
    for library, package in libraries.items():
        try:
            ctypes.CDLL(library)
        except OSError:
            missing.append(package)
    if not has_fonts():
        missing.append(FONTS)
    return list(dict.fromkeys(missing))


def install_system_packages(packages: list[str]) -> None:
    """Install Debian packages as root; otherwise say exactly what to run."""
    apt = shutil.which("apt-get")
    command = f"apt-get install --yes --no-install-recommends {' '.join(packages)}"
    if apt is None or not hasattr(os, "geteuid"):
        raise SetupError(
            f"Qt needs these system libraries (names as in Debian): {' '.join(packages)}. Install them and run this again."
        )
    if os.geteuid() != 0:
        raise SetupError(f"Qt needs system libraries that are not there. Run: sudo {command}")
    say(f"Installing system packages: {' '.join(packages)}")
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    for step in (["apt-get", "update"], command.split()):
        result = subprocess.run(step, env=environment, capture_output=True, text=True, stdin=subprocess.DEVNULL)
        if result.returncode:
            print(result.stderr[-2000:], file=sys.stderr)
            raise SetupError(f"“{' '.join(step)}” failed: see its lines above; run it by hand, then this again.")


def set_up(extra: str, *, programs: dict[str, str], with_display: bool, wish: Wish | None = None) -> None:
    check_python()
    packages: list[str] = []
    if sys.platform.startswith("linux"):
        packages = missing_packages(OFFSCREEN_LIBRARIES | (XCB_LIBRARIES if with_display else {}), programs)
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        # Beside pip, which mostly waits for the disk.
        system = pool.submit(install_system_packages, packages) if packages else None
        make_environment()
        install(extra, wish)
        if system is not None:
            system.result()


def has_display() -> bool:
    return not sys.platform.startswith("linux") or bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def run(arguments: list[str]) -> int:
    wish, words = own_options(arguments)
    set_up(EXTRAS, programs={}, with_display=has_display(), wish=wish)
    say("Starting HyRisk Desktop")
    return subprocess.call([python(), "-m", "hyrisk_desktop.cli", *(words or ["demo"])])


def test(arguments: list[str]) -> int:
    linux = sys.platform.startswith("linux")
    set_up("test", programs=TEST_PROGRAMS if linux else {}, with_display=True)
    tests = [python(), "-m", "pytest"]
    offscreen = test_environment() | {"QT_QPA_PLATFORM": "offscreen"}
    if arguments:
        return subprocess.call([*tests, *arguments], cwd=ROOT, env=offscreen)
    virtual_display = on_virtual_display(linux)
    quick = {
        "ruff": [python(), "-m", "ruff", "check", "."],
        "ruff format": [python(), "-m", "ruff", "format", "--check", "--quiet", "."],
    }
    failed = []
    for name, command in quick.items():
        say(f"Running {name}")
        if subprocess.call(command, cwd=ROOT, env=offscreen):
            failed.append(name)
    # The stories mostly wait, and so do many tests: side by side they use what the others leave.
    beside = {
        "the user stories in a real window" + (" under Xvfb" if linux else ""): (
            [*virtual_display, *tests, "tests/e2e"],
            window_environment() | {"HYRISK_TESTS_BESIDE": "stories"},
        ),
        "mypy": ([python(), "-m", "mypy"], offscreen),
        "import-linter": ([python(), "-c", "from importlinter.cli import lint_imports_command as c; c()"], offscreen),
    }
    with concurrent.futures.ThreadPoolExecutor(len(beside)) as pool:
        ends = {name: pool.submit(call_quietly, *how) for name, how in beside.items()}
        say(f"Running pytest, and beside it {', '.join(beside)}, which are shown afterwards")
        # What takes longest comes first, or one core would wait for the other at the end.
        command = [*tests, *side_by_side(), "tests/training", "tests/gui", "tests/test_house.py", "tests/unit"]
        if subprocess.call(command, cwd=ROOT, env=offscreen):
            failed.append("pytest")
        for name, end in ends.items():
            code, said = end.result()
            say(f"{name}:")
            print(said, flush=True)
            if code:
                failed.append(name)
    if failed:
        say(f"FAILED: {', '.join(failed)}")
        return 1
    say("Everything passed")
    return 0


def call_quietly(command: list[object], environment: dict[str, str] | None) -> tuple[int, str]:
    """A command's exit status and what it said."""
    done = subprocess.run(
        command,
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    )
    return done.returncode, done.stdout


def side_by_side() -> list[str]:
    """A process for each core and one for when others wait, four at most (each loads torch); a file's tests share servers, so
    they stay together."""
    return ["--numprocesses", str(min((os.cpu_count() or 1) + 1, 4)), "--dist", "loadfile", "--no-loadscope-reorder"]


def test_environment() -> dict[str, str]:
    """Ours, but with compiled modules kept: images of Python turn that off, and each process then compiles torch again."""
    environment = dict(os.environ)
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    return environment


def window_environment() -> dict[str, str]:
    environment = test_environment()
    environment.pop("QT_QPA_PLATFORM", None)
    environment.pop("WAYLAND_DISPLAY", None)
    return environment


def on_virtual_display(linux: bool) -> list[str]:
    if not linux:
        return []
    if shutil.which("xvfb-run") is None:
        raise SetupError("The tests need “xvfb-run”, which starts a virtual display; install it and run this again.")
    return ["xvfb-run", "--auto-servernum", "--server-args=-screen 0 1920x1080x24"]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = {"run": run, "test": test, "wheelhouse": fill_wheelhouse}
    parser.add_argument("command", choices=tuple(commands))
    parser.add_argument("arguments", nargs=argparse.REMAINDER, help="for the program, or for pytest")
    options = parser.parse_args()
    try:
        return commands[options.command](options.arguments)
    except SetupError as e:
        print(f"[hyrisk] {e}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
