"""What the frozen program holds beside the modules that PyInstaller finds by itself, each with its reason.

Standard library only: the spec reads it where PyInstaller is, a test where it is not.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
ENTRY = ROOT / "hyrisk_desktop" / "cli" / "__main__.py"
ICON = ROOT / "resources" / "icon" / "hyrisk-desktop.svg"
ICON_SIZES = (16, 22, 24, 32, 48, 64, 128, 256, 512)
NAME = "hyrisk"

DATA = {
    "resources": "hyrisk_desktop/resources",  # where `paths.resources_dir` looks in an installed program
    "hyrisk_desktop/worklist/migrations": "hyrisk_desktop/worklist/migrations",  # alembic reads them as files
    "LICENSE": ".",
    "CHANGELOG.md": ".",
}
"""Files and folders of ours, from the top of the source, with the folder of the frozen program that they go to."""

DATA_OF = ("highdicom", "fpdf", "matplotlib", "pydicom", "dicomanonymizer", "distributed", "dask", "pyqtgraph")
"""Packages whose own files go along: code tables, fonts, dictionaries, settings."""

METADATA_OF = (
    "hyrisk-desktop", "numpy", "scipy", "pydicom", "SimpleITK", "torch", "PySide6-Essentials", "pyqtgraph", "pynetdicom",
    "keyring", "highdicom", "fpdf2", "dask", "distributed",
)  # fmt: skip
"""Distributions whose version About or `hyrisk doctor` names, or whose entry points are looked up while the program runs."""

MODULES_OF = (
    "hyrisk_desktop",
    "model_training",
    "fpdf",
    "keyring.backends",
    "distributed",
    "psycopg",
    "psycopg_binary",
    "alembic",
)
"""Packages of which every module goes along: they import by name, or are run by one."""

HIDDEN = (
    "logging.config",  # the migrations' environment
    "matplotlib.backends.backend_pdf",  # the last step of a training
    "matplotlib.backends.backend_agg",
    "matplotlib.backends.backend_svg",
    "pydicom.pixels.decoders.pyjpegls",
    "sqlalchemy.dialects.postgresql.psycopg",
)  # fmt: skip
"""Modules that are imported by a name that PyInstaller can't see."""

EXCLUDED = (
    "tkinter", "_tkinter", "IPython", "pytest", "_pytest", "hypothesis", "mypy", "ruff", "pip", "setuptools", "torchvision",
    "pyarrow", "pandas", "tensorboard", "bokeh",
)  # fmt: skip
"""What libraries would use where it is there, and the program does not need."""

BUILDERS = ("pip", "setuptools", "pkg_resources", "pyinstaller", "_pyinstaller", "altgraph")
"""Packages, by the beginning of their folder, that freeze the program and are no part of it."""

UNNEEDED = (
    # Only compilers and torch's own tests use these.
    "torch/include/", "torch/share/", "torch/test/", "torch/lib/libtorchbind_test",
    # The builder's own C++ library is too old for the graphics drivers of a newer system; every desktop has one.
    "libstdc++.so", "libgcc_s.so",
    # GTK's dialogs, with half of GTK: beside the system's GTK they would load two GLibs. Qt's own are drawn instead.
    "PySide6/Qt/plugins/platformthemes/libqgtk3", "libgtk-", "libgdk", "libatk", "libatspi", "libpango", "libcairo",
    "libpixman", "libthai", "libdatrie", "libfribidi", "libgraphite2", "libharfbuzz.so", "libgio-", "libgmodule-",
    "libmount", "libblkid",
    # For programs in C: Python's module holds ONNX Runtime itself, and opens only the small library beside it.
    "onnxruntime/capi/libonnxruntime.so",
)  # fmt: skip
"""Files, by the beginning of their path in the frozen program, that are left out."""

NEEDED = (
    "torch/bin/torch_shm_manager",
    "onnxruntime/capi/onnxruntime_pybind11_state.*",
    "hyrisk_desktop/resources/models/hyrisknet-34-demo/weights.safetensors",
    "hyrisk_desktop/resources/locale/de/LC_MESSAGES/hyrisk.mo",
    "hyrisk_desktop/resources/locale/zh_CN/LC_MESSAGES/hyrisk.mo",
)
"""What must lie in the finished folder, by patterns that are looked up before anything is packed."""


def version() -> str:
    """The program's version, read and not imported."""
    text = (ROOT / "hyrisk_desktop" / "__init__.py").read_text(encoding="utf-8")
    return re.search(r'^__version__ = "(.+)"$', text, re.MULTILINE)[1]


def licences(packages: Path) -> list[tuple[str, str]]:
    """The libraries' licence texts, and what else their descriptions say of them.

    Args:
        packages: the folder of installed packages that is frozen.

    Returns:
        Files, each with its folder of the frozen program: the same as in ``packages``.
    """
    texts = re.compile(
        r"(licen[cs]e|copying|notice|third.?party.?notices)(?!.*\.(py|pyc|pyi|h|so|dll)$)", re.IGNORECASE
    )
    found = []
    for path in sorted(packages.rglob("*")):
        place = path.relative_to(packages).parent.as_posix()
        described = path.name == "METADATA" and place.endswith(".dist-info")
        if path.is_file() and (described or texts.match(path.name)) and not place.lower().startswith(BUILDERS):
            found.append((str(path), place))
    return found


def is_needed(destination: str) -> bool:
    """Whether a file, by its path in the frozen program, is worth its bytes."""
    place = destination.replace(os.sep, "/")
    if place.startswith("torch/bin/"):
        # Beside torch's tests its manager of shared memory lies there, without which torch ends.
        return place == "torch/bin/torch_shm_manager"
    of_compilers = place.startswith("torch/") and place.endswith((".a", ".h", ".cmake", ".pyi"))
    return not place.startswith(UNNEEDED) and not of_compilers and "__pycache__" not in place
