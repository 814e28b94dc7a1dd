"""Make and read reports on a background thread without freezing the window.

A report of many lesions is some hundred thousand objects, and a full collection over them stops every thread: for up to
3 s with 1,900 lesions (measured).
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import sys
from collections.abc import Iterator

from hyrisk_desktop.risk.preload import lasting_imports


def import_makers(*also: str) -> None:
    """Import the libraries for DICOM objects and PDF, once; the objects they make are exempt from later collections.

    Args:
        also: further modules of `exchange`.
    """
    wanted = [
        f"hyrisk_desktop.exchange.{name}"
        for name in (
            *(f"reports.{r}" for r in ("structured_report", "encapsulated_pdf", "pdf", "fhir")),
            "restoring",
            *also,
        )
    ]
    if sys.modules.keys() >= set(wanted):
        return
    # Cheap, as torch's objects are exempt already; or what closed exams left behind would be kept with the libraries.
    gc.collect()
    with lasting_imports():
        for name in wanted:
            importlib.import_module(name)


@contextlib.contextmanager
def collections_paused() -> Iterator[None]:
    """No collection while objects are made that go again by themselves."""
    collecting = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collecting:
            gc.enable()
