"""Settings as a table; stored as one JSON file that is replaced whole, never half written."""

from __future__ import annotations

import json
import logging
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_log = logging.getLogger(__name__)
_MAX_RECENT = 10


@dataclass(frozen=True, slots=True)
class Setting:
    """One row of the table; a stored value of another type than ``default`` is ignored."""

    key: str
    default: Any
    help: str


TABLE = (
    Setting("recent_exams", [], "Exams opened last, newest first."),
    Setting("window_geometry", "", "Position and size of the main window (Qt's saveGeometry, base64)."),
    Setting("window_state", "", "Panels and splitters of the main window (Qt's saveState, base64)."),
    Setting("overlay_level", 2, "Image overlays: 0 none, 1 marks only, 2 marks and texts."),
    Setting("prevalence", 0.0, "Share of non-survivors that the risk assumes, 0 to 1; 0: the model's own."),
    Setting("device", "", "cpu, cuda, or empty to choose."),
    Setting("reader", "", "Who reads; empty: the name of the account."),
    Setting("store", "", "Where the worklist is kept: empty for this user's own file, or postgresql://user@host/name."),
    Setting("read_ahead_mb", 1500, "Memory for exams that are loaded before they are asked for, in MB; 0: none."),
    Setting("worklist_state", "", "Width, columns and sorting of the worklist."),
    Setting(
        "pacs_nodes", [], "The PACS and other nodes, see `exchange.pacs.node`; passwords are in the system's keyring."
    ),
    Setting("pacs_ae_title", "HYRISK", "This program's own AE title."),
    Setting("pacs_port", 11112, "Where this program listens for images and for confirmations."),
    Setting("pacs_address", "127.0.0.1", "The network address it listens at; 127.0.0.1 is this machine only."),
    Setting("pacs_certificate", "", "PEM file of this program's own certificate: what it receives is then encrypted."),
    Setting("pacs_key", "", "PEM file of its key."),
    Setting("pacs_send_to", "", "The node that readings were sent to last."),
    Setting("pacs_send_formats", ["sr", "seg", "pdf_dicom"], "What was sent last; keys of the formats."),
    Setting("pacs_listen", False, "Receive images from now on, also after a restart."),
    Setting("per_vessel", False, "Grade LM, LAD, LCx and RCA one by one."),
    Setting("export_folder", "", "Where the reading exported last was written."),
    Setting("export_formats", ["sr", "seg", "pdf"], "What is exported of a reading, by key of `exchange.formats`."),
    Setting("language", "en", "Language of the texts."),
)
_DEFAULTS = {row.key: row.default for row in TABLE}


class Settings:
    """The user's settings.

    Args:
        path: the JSON file; a missing or damaged one means defaults. None keeps everything in memory.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._values: dict[str, Any] = dict(_DEFAULTS)
        if path is None:
            return
        try:
            stored = json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return
        except (OSError, ValueError):
            _log.warning("The settings file can't be read; defaults are used.")
            return
        if isinstance(stored, dict):
            self._values |= {k: v for k, v in stored.items() if k in _DEFAULTS and type(v) is type(_DEFAULTS[k])}

    def __getitem__(self, key: str) -> Any:
        return self._values[key]

    def __setitem__(self, key: str, value: Any) -> None:
        if type(value) is not type(_DEFAULTS[key]):
            raise TypeError(f"setting {key} takes {type(_DEFAULTS[key]).__name__}")
        if self._values[key] != value:
            self._values[key] = value
            self._save()

    def add_recent(self, path: Path) -> None:
        """Put ``path`` first among the recent exams."""
        rest = [entry for entry in self["recent_exams"] if entry != str(path)]
        self["recent_exams"] = [str(path), *rest][:_MAX_RECENT]

    def _save(self) -> None:
        if self._path is None:
            return
        temporary = self._path.with_suffix(".tmp")
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with open(temporary, "w", encoding="utf-8") as file:
                # Not fsynced: this runs on the GUI thread, and a disk may take its time. A file that a power
                # cut damages means defaults.
                json.dump(self._values, file, indent=1)
            os.replace(temporary, self._path)
        except OSError:
            # A read-only home must not stop a reading; the settings then last for this run only.
            _log.warning("The settings can't be saved (is the disk full or read-only?).")
