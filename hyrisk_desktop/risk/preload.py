"""Import torch from a background thread without freezing the window.

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
from collections.abc import Iterator
from pathlib import Path


def import_torch() -> None:
    """Import torch, mapping its libraries outside Python's global lock where possible."""
    if "torch" in sys.modules:
        # Only torch's own objects may be frozen: at a later call everything else, closed exams' garbage too, would be.
        return
    if sys.platform.startswith("linux"):
        with contextlib.suppress(OSError, AttributeError):
            _map_libraries()
    with lasting_imports():
        import torch  # noqa: F401


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
