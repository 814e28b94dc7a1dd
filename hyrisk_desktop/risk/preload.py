"""Import torch from a background thread without freezing the window.

`import torch` maps more than a gigabyte of shared libraries while it holds Python's global lock, and the GUI
thread can't draw meanwhile. Calling the dynamic loader through ctypes first releases the lock for that long part;
the import then finds the libraries mapped. It is only a head start: where it does not apply, nothing is lost.
"""

from __future__ import annotations

import contextlib
import ctypes
import importlib.util
import os
import sys
from pathlib import Path


def import_torch() -> None:
    """Import torch and torchvision, mapping their libraries outside Python's global lock where possible."""
    if "torch" not in sys.modules and sys.platform.startswith("linux"):
        with contextlib.suppress(OSError, AttributeError):
            _map_libraries()
    import torch  # noqa: F401
    import torchvision  # noqa: F401


def _map_libraries() -> None:
    spec = importlib.util.find_spec("torch")
    if spec is None or spec.origin is None:
        return
    folder = Path(spec.origin).parent
    # A call through CDLL releases the global lock, ctypes.CDLL(path) itself would keep it.
    dlopen = ctypes.CDLL(None).dlopen
    dlopen.restype = ctypes.c_void_p
    dlopen.argtypes = (ctypes.c_char_p, ctypes.c_int)
    for name in ("libtorch_global_deps.so", "libtorch.so", "libtorch_python.so"):
        library = folder / "lib" / name
        if library.is_file():
            # As torch itself does, so that every dependency resolves the same way.
            mode = ctypes.RTLD_GLOBAL if name == "libtorch_global_deps.so" else ctypes.RTLD_LOCAL
            dlopen(os.fsencode(library), mode | os.RTLD_LAZY)
