"""Mutants of the installers, of the program's hidden commands, and of the choice of torch."""

from __future__ import annotations

from tests.mutants.mutant import mutants

_PACKAGING = "tests/unit/test_packaging.py"
_BOOTSTRAP = "tests/unit/test_bootstrap.py"
_LICENCES = f"{_PACKAGING}::test_licence_texts_go_along"

PACKAGING = [
    *mutants(
        "hyrisk_desktop/paths.py",
        _PACKAGING,
        (
            "return [sys.executable, TRAINING_COMMAND, *arguments], dict(os.environ)",
            "return [sys.executable, *arguments], dict(os.environ)",
        ),
        (
            '[sys.executable, "-P", "-m", "hyrisk_desktop.cli", TRAINING_COMMAND, *arguments]',
            '[sys.executable, "-m", "hyrisk_desktop.cli", TRAINING_COMMAND, *arguments]',
        ),
        ("        if before:\n", "        if False:\n"),
        ('("LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH") if is_frozen() else ()', '("LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH")'),
    ),
    *mutants(
        "hyrisk_desktop/cli/__main__.py",
        _PACKAGING,
        ("    sys.argv[1:] = arguments\n", "    pass\n"),
        ("if command == [TRAINING_COMMAND]:", "if False:"),
        ("elif command == [PROBE_COMMAND]:", "elif False:"),
    ),
    *mutants(
        "hyrisk_desktop/cli/display.py",
        _PACKAGING,
        (
            '[sys.executable, PROBE_COMMAND] if is_frozen() else [sys.executable, "-c", _PROBE]',
            '[sys.executable, "-c", _PROBE]',
        ),
    ),
    *mutants(
        "packaging/contents.py",
        _PACKAGING,
        ('place = destination.replace(os.sep, "/")', "place = destination"),
        ('place.startswith("torch/") and place.endswith', "place.endswith"),
        ('    "onnxruntime/capi/libonnxruntime.so",\n', "", f"{_PACKAGING}::test_what_is_left_out"),
        ("(described or texts.match(path.name))", "texts.match(path.name)", _LICENCES),
        ("(described or texts.match(path.name))", "described", _LICENCES),
        (r"(?!.*\.(py|pyc|pyi|h|so|dll)$)", "", _LICENCES),
        (" and not place.lower().startswith(BUILDERS)", "", _LICENCES),
        (" and not place.lower().startswith(BUILDERS)", " and not place.startswith(BUILDERS)", _LICENCES),
    ),
    *mutants(
        "pyproject.toml",
        f"{_PACKAGING}::test_an_installer_holds_what_the_source_installs",
        ("[train,onnx,cluster,postgresql,pacs]", "[train,cluster,postgresql,pacs]"),
    ),
    *mutants(
        "packaging/build.py",
        _PACKAGING,
        ("0o755 if path.is_dir() or os.access(path, os.X_OK) else 0o644", "0o755 if path.is_dir() else 0o644"),
        ('"libglib2.0-0 | libglib2.0-0t64"', '"libglib2.0-0"'),
        ("((int(a), int(b)) for a, b in found)", "((int(a), int(b[:1])) for a, b in found)"),
        (r'if file.read(4) != b"\x7fELF":', "if not file.read(4):"),
        ("if not any(inside.glob(name))", "if any(inside.glob(name))"),
        ('(version.split(".") + ["0"] * 4)[:4]', '(version.split(".") + ["0"] * 4)[:3]'),
    ),
    *mutants(
        "packaging/bootstrap.py",
        _BOOTSTRAP,
        (
            "build = (wish.build or before or suitable_build()) if wish",
            "build = (wish.build or suitable_build()) if wish",
        ),
        (
            "build = (wish.build or before or suitable_build()) if wish",
            "build = (before or wish.build or suitable_build()) if wish",
        ),
        ('    if before not in ("", build):\n', "    if False:\n"),
        ("if numbers(v) >= OLDEST_TORCH)", "if True)"),
        ("key=numbers, reverse=True)", "key=numbers)"),
        ("locked if locked in found else found[0]", "found[0]"),
        ("return Torch(locked, CPU_INDEX)", "return Torch(locked)"),
        (
            '        command += ["--no-index", "--find-links", wish.wheelhouse]',
            '        command += ["--find-links", wish.wheelhouse]',
        ),
        (
            'while rest and rest[0] in ("--cpu", "--cuda", "--wheelhouse"):',
            'while rest and rest[0] in ("--cpu", "--wheelhouse"):',
        ),
        ('for stamp in VENV.glob("installed-*"):', 'for stamp in VENV.glob("installed-train*"):'),
    ),
]
