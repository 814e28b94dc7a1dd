"""The rules of the house that a linter does not know: sizes, what docstrings say, late imports, broad excepts, one way to write."""

from __future__ import annotations

import ast
import functools
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("hyrisk_desktop", "model_training")
LONGEST_FILE, LONGEST_FUNCTION = 400, 50

LONG_FUNCTIONS = {
    "hyrisk_desktop/gui/actions.py:_table": "one table",
    "hyrisk_desktop/gui/hints.py:_table": "one table",
    "hyrisk_desktop/worklist/migrations/versions/0001_the_worklist.py:upgrade": "the tables as they were released",
    "hyrisk_desktop/cli/score.py:score": "one parameter a line, as typer wants them",
    "model_training/card.py:demonstration_card": "one text",
    "model_training/card.py:run_card": "one text",
    "model_training/validation/tripod.py:items": "one table",
}
"""Longer than `LONGEST_FUNCTION`, and why that is better than cutting them."""

LATE_LIBRARIES = {
    "PIL", "SimpleITK", "distributed", "dicomanonymizer", "dicomweb_client", "filelock", "gzip", "importlib", "keyring",
    "matplotlib", "numpy", "pyarrow", "pydicom", "pynetdicom", "requests", "resource", "rich", "safetensors", "scipy",
    "threadpoolctl", "time", "torch",
}  # fmt: skip
"""Imported where they are needed: slow to import, or only there with an extra, or only on some systems."""

LATE_ROOMS = {
    "hyrisk_desktop/cli/": "`hyrisk --version` must not wait for imaging, risk or a database",
    "hyrisk_desktop/exchange/": "a report's libraries are imported when one is made",
    "hyrisk_desktop/gui/": "the window is up before the PACS's, the store's and the model's libraries are",
    "hyrisk_desktop/risk/": "the window is up before torch is",
    "hyrisk_desktop/batch/on_cluster.py": "a worker imports torch when it first predicts",
    "model_training/__main__.py": "`--help` must not wait for torch",
    "model_training/phantom/command.py": "`--help` must not wait for the renderer",
    "model_training/reproduction/command.py": "`--help` must not wait for torch",
    "model_training/study/command.py": "`--help` must not wait for torch",
    "model_training/validation/command.py": "`--help` must not wait for torch",
}
"""Files that import their own packages late, each for start-up time and never for the sake of a circle."""

BROAD_EXCEPTS = {
    "hyrisk_desktop/batch/on_cluster.py:_rows": "whatever a worker raised means that it runs another program",
    "hyrisk_desktop/batch/on_cluster.py:score_remotely": "Dask would log the arguments of a failed task",
    "hyrisk_desktop/batch/row.py:load_exam": "one bad exam is a row",
    "hyrisk_desktop/batch/row.py:predict_row": "one bad exam is a row",
    "hyrisk_desktop/batch/run.py:_load": "one bad exam is a row",
    "hyrisk_desktop/batch/table.py:__init__": "lets go of the lock, raises again",
    "hyrisk_desktop/cli/doctor.py:examine": "one broken part is a line",
    "hyrisk_desktop/cli/failures.py:sentences": "the outermost edge of the program",
    "hyrisk_desktop/cli/failures.py:json_errors": "says it in JSON, raises again",
    "hyrisk_desktop/demonstration.py:_killed_when_cancelled": "kills the process, raises again",
    "hyrisk_desktop/exchange/pacs/association.py:associate": "aborts the association, raises again",
    "hyrisk_desktop/exchange/pacs/credentials.py:password": "keyrings raise what their systems raise",
    "hyrisk_desktop/exchange/pacs/credentials.py:set_password": "keyrings raise what their systems raise",
    "hyrisk_desktop/exchange/pacs/receiver.py:_store": "a peer's object must not end the listener",
    "hyrisk_desktop/exchange/pacs/receiver.py:_report": "a peer's report must not end the listener",
    "hyrisk_desktop/exchange/pacs/retrieve.py:fetch": "one bad object is counted",
    "hyrisk_desktop/files.py:replace_files": "puts back what was replaced, raises again",
    "hyrisk_desktop/gui/services/job_runner.py:_run": "everything unexpected becomes one report",
    "hyrisk_desktop/gui/services/store_thread.py:run": "a failed call is tried again or told",
    "hyrisk_desktop/imaging/pixels/decoder_child.py:serve": "a library's failure ends a frame and not the child",
    "hyrisk_desktop/imaging/pixels/sharing.py:guarded": "handed to the thread that waits",
    "hyrisk_desktop/imaging/sources.py:_unpack_zip": "deletes what was unpacked, raises again",
    "hyrisk_desktop/worklist/store_file.py:__init__": "closes the file, raises again",
    "hyrisk_desktop/risk/engine_choice.py:_with_onnx": "whatever ONNX Runtime raises means that torch reads",
    "model_training/run_folder.py:held_run": "the run says that it failed, and raises again",
    "model_training/train.py:fit": "lets go of the memory, raises again",
}
"""Functions that catch everything, and why."""


@dataclass(frozen=True)
class Function:
    """A function as it stands in a file."""

    path: str
    name: str
    node: ast.FunctionDef | ast.AsyncFunctionDef
    public: bool

    @property
    def place(self) -> str:
        return f"{self.path}:{self.name}"

    @property
    def lines(self) -> int:
        assert self.node.end_lineno is not None
        return self.node.end_lineno - self.node.lineno + 1

    @property
    def arguments(self) -> list[ast.arg]:
        a = self.node.args
        return [x for x in (*a.posonlyargs, *a.args, *a.kwonlyargs) if x.arg not in ("self", "cls")]

    @property
    def doc(self) -> str:
        return ast.get_docstring(self.node) or ""


def files() -> list[Path]:
    return [path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))]


def shown(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@functools.cache
def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def functions() -> Iterator[Function]:
    for path in files():
        yield from _functions(shown(path), parsed(path), public=True, inside=False)


def _functions(path: str, node: ast.AST, *, public: bool, inside: bool) -> Iterator[Function]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
            yield Function(path, child.name, child, public and not inside and not child.name.startswith("_"))
            yield from _functions(path, child, public=False, inside=True)
        elif isinstance(child, ast.ClassDef):
            yield from _functions(path, child, public=public and not child.name.startswith("_"), inside=inside)
        else:
            yield from _functions(path, child, public=public, inside=inside)


@functools.cache
def every() -> list[Function]:
    return list(functions())


ARRAYS = re.compile(r"\b(NDArray|HuArray|Tensor|F32|F64|Points|Mask)\b")
SHAPE = re.compile(r"\[[^\]\n]*\]|\bscalar\b|\bany shape\b|\b\d+ x \d+\b", re.IGNORECASE)


def test_no_file_is_too_long() -> None:
    long = {shown(p): n for p in files() if (n := len(p.read_text(encoding="utf-8").splitlines())) > LONGEST_FILE}
    assert not long


def test_no_function_is_too_long() -> None:
    long = {f.place for f in every() if f.lines > LONGEST_FUNCTION}
    assert long == set(LONG_FUNCTIONS), "name a reason, or cut it; and take names off the list that need none any more"


def test_functions_of_arrays_say_their_shapes() -> None:
    def mute(f: Function) -> bool:
        arrays = [a for a in f.arguments if a.annotation is not None and ARRAYS.search(ast.unparse(a.annotation))]
        return bool(arrays) and not SHAPE.search(f.doc)

    assert not sorted(f.place for f in every() if f.public and mute(f))


def test_functions_of_many_arguments_say_what_these_are() -> None:
    unsaid = {}
    for f in every():
        missing = [a.arg for a in f.arguments if not (re.search(rf"\b{re.escape(a.arg)}\b", f.doc) or _has_help(a))]
        if f.public and len(f.arguments) >= 4 and missing and not _is_override(f):
            unsaid[f.place] = missing
    assert not unsaid


def _has_help(argument: ast.arg) -> bool:
    """An option of the command line is described where `--help` finds it."""
    if isinstance(argument.annotation, ast.Name):
        return argument.annotation.id in _shared_options()
    return argument.annotation is not None and "help=" in ast.unparse(argument.annotation)


@functools.cache
def _shared_options() -> frozenset[str]:
    """Options of several commands; each has its help where they stand together."""
    assigned = [node for node in parsed(ROOT / "hyrisk_desktop/cli/options.py").body if isinstance(node, ast.Assign)]
    return frozenset(ast.unparse(node.targets[0]) for node in assigned if "help=" in ast.unparse(node.value))


def _is_override(f: Function) -> bool:
    """Qt names the arguments of its own methods."""
    return bool(re.match(r"[a-z]+[A-Z]", f.name))


def _within(node: ast.AST, name: str = "") -> Iterator[tuple[str, ast.AST]]:
    for child in ast.iter_child_nodes(node):
        inside = child.name if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef) else name
        yield inside, child
        yield from _within(child, inside)


def test_everything_is_caught_only_where_it_is_meant() -> None:
    found = set()
    for path in files():
        for name, node in _within(parsed(path)):
            if isinstance(node, ast.ExceptHandler):
                caught = ast.unparse(node.type) if node.type is not None else "BaseException"
                if re.search(r"\b(Exception|BaseException)\b", caught):
                    found.add(f"{shown(path)}:{name}")
    assert found == set(BROAD_EXCEPTS)


def test_late_imports_are_for_start_up_time() -> None:
    strange = []
    for path in files():
        where = shown(path)
        for name, node in _within(parsed(path)):
            if not name or not isinstance(node, ast.Import | ast.ImportFrom):
                continue
            modules = [node.module or ""] if isinstance(node, ast.ImportFrom) else [a.name for a in node.names]
            for module in modules:
                own = module.split(".")[0] in PACKAGES
                allowed = any(map(where.startswith, LATE_ROOMS)) if own else module.split(".")[0] in LATE_LIBRARIES
                if not allowed:
                    strange.append(f"{where}:{name}: {module}")
    assert not strange


def test_files_are_replaced_in_one_place() -> None:
    """`os.replace` and `os.rename` leave half of it undone: the rights, the disk, Windows' refusals."""

    def renames(node: ast.AST) -> bool:
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
            return False
        name, of = node.func.attr, ast.unparse(node.func.value)
        # A text's `replace` takes two arguments, a dataclass's names; a path's takes one.
        of_path = name == "replace" and of != "dataclasses" and len(node.args) == 1 and not node.keywords
        return name in ("rename", "renames") or of_path or (name in ("replace", "move") and of in ("os", "shutil"))

    found = {shown(p) for p in files() if any(map(renames, ast.walk(parsed(p))))}
    assert found == {"hyrisk_desktop/files.py"}


NEW_FILES = {
    "a file that stands nowhere": ("hyrisk_desktop/nowhere.py", "", "not listed as layers"),
    "torch on the command line": ("hyrisk_desktop/cli/added.py", "import torch\n", "Only risk and model_training"),
    "torch in the package itself": ("hyrisk_desktop/__init__.py", "\nimport torch\n", "Only risk and model_training"),
    "torch on the ground floor": ("hyrisk_desktop/errors.py", "\nimport torch\n", "Only risk and model_training"),
    "torch in the window": ("hyrisk_desktop/gui/added.py", "import torch\n", "Only risk and model_training"),
    "Qt below the window": ("hyrisk_desktop/calcium/added.py", "import PySide6\n", "Only gui and app know Qt"),
    "Qt in the training": ("model_training/added.py", "import pyqtgraph\n", "Only gui and app know Qt"),
    "upwards": ("hyrisk_desktop/imaging/added.py", "import hyrisk_desktop.calcium.scores\n", "imports go down"),
    "a new circle": ("hyrisk_desktop/imaging/headers/added.py", "import hyrisk_desktop.imaging.read\n", "No circles"),
    "the training": ("hyrisk_desktop/gui/added.py", "import model_training.train\n", "Nobody imports model_training"),
}


@pytest.fixture(scope="module")
def copied(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The packages' files, to try the law on."""
    folder = tmp_path_factory.mktemp("house")
    for path in files():
        target = folder / path.relative_to(ROOT)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(path.read_bytes())
    (folder / "pyproject.toml").write_bytes((ROOT / "pyproject.toml").read_bytes())
    return folder


@pytest.mark.parametrize("case", NEW_FILES)
def test_the_law_notices(case: str, copied: Path) -> None:
    name, added, expected = NEW_FILES[case]
    path = copied / name
    before = path.read_text(encoding="utf-8") if path.exists() else None
    path.write_text((before or '"""New."""\n') + added, encoding="utf-8")
    try:
        command = [sys.executable, "-c", "from importlinter.cli import lint_imports_command as c; c()", "--no-cache"]
        done = subprocess.run(
            command, cwd=copied, capture_output=True, text=True, timeout=240, env=_environment(copied), check=False
        )
    finally:
        path.write_text(before, encoding="utf-8") if before is not None else path.unlink()
    assert done.returncode != 0, done.stdout[-2000:]
    assert expected in done.stdout[done.stdout.index("Broken contracts") :]


def _environment(folder: Path) -> dict[str, str]:
    import os

    return {**os.environ, "PYTHONPATH": str(folder)}
