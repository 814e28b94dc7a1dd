"""Import what makes and reads reports from a background thread without freezing the window."""

from __future__ import annotations

import gc
import importlib
import sys

from hyrisk_desktop.risk.preload import lasting_imports


def import_makers() -> None:
    """Import the libraries for DICOM objects and PDF, once; the objects they make are exempt from later collections."""
    if "hyrisk_desktop.exchange.restoring" in sys.modules:
        return
    # Cheap, as torch's objects are exempt already; or what closed exams left behind would be kept with the libraries.
    gc.collect()
    with lasting_imports():
        for name in ("structured_report", "encapsulated_pdf", "pdf", "fhir", "restoring"):
            importlib.import_module(f"hyrisk_desktop.exchange.{name}")
