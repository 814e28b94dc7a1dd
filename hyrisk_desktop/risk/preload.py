"""Import torch and ONNX Runtime from a background thread without freezing the window.

`import torch` maps more than a gigabyte of shared libraries while it holds Python's global lock, and the GUI
thread can't draw meanwhile. Calling the dynamic loader through ctypes first releases the lock for that long part;
the import then finds the libraries mapped. It is only a head start: where it does not apply, nothing is lost.

The other half of the freeze is the garbage collector: the import makes some hundred thousand lasting objects, and
each full collection over them stops every thread for 100 to 300 ms (measured). It pauses while torch is imported, and
what torch leaves behind is then exempt from later collections.
"""

from __future__ import annotations

import atexit
import contextlib
import ctypes
import gc
import importlib.util
import os
import sys
from collections.abc import Iterable, Iterator
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path


def import_torch() -> None:
    """Import torch, mapping its libraries outside Python's global lock where possible."""
    if "torch" in sys.modules:
        # Only torch's own objects may be frozen: at a later call everything else, closed exams' garbage too, would be.
        return
    # As torch itself does, so that every dependency resolves the same way.
    _map("torch", ("lib/libtorch_global_deps.so",), "RTLD_GLOBAL")
    _map("torch", ("lib/libtorch.so", "lib/libtorch_python.so"), "RTLD_LOCAL")
    with lasting_imports():
        import torch  # noqa: F401


def map_onnx_runtime() -> None:
    """Map ONNX Runtime's library outside Python's global lock where possible: its import then holds that half as long."""
    _map("onnxruntime", (f"capi/onnxruntime_pybind11_state{EXTENSION_SUFFIXES[0]}",), "RTLD_LOCAL")


@contextlib.contextmanager
def lasting_imports() -> Iterator[None]:
    """Import a large library: no collection over its objects, now or later, while other threads wait."""
    collecting = gc.isenabled()
    gc.disable()
    try:
        yield
        gc.freeze()
        # Thawed again at the end, or libraries count everything frozen as leaked.
        atexit.register(gc.unfreeze)
    finally:
        if collecting:
            gc.enable()


def _map(package: str, libraries: Iterable[str], mode: str) -> None:
    """Map shared libraries, where they are and the system has such a call.

    Args:
        package: that brings them. libraries: places in its folder. mode: constant of `os`.
    """
    spec = importlib.util.find_spec(package)
    if not sys.platform.startswith("linux") or spec is None or spec.origin is None:
        return
    with contextlib.suppress(OSError, AttributeError):
        # A call through CDLL releases the global lock, ctypes.CDLL(path) itself would keep it.
        dlopen = ctypes.CDLL(None).dlopen
        dlopen.restype = ctypes.c_void_p
        dlopen.argtypes = (ctypes.c_char_p, ctypes.c_int)
        for library in (Path(spec.origin).parent / name for name in libraries):
            if library.is_file():
                dlopen(os.fsencode(library), getattr(os, mode) | os.RTLD_LAZY)
