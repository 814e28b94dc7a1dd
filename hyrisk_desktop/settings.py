"""Settings as a table; stored as one JSON file that several windows share, key by key.

What the user has not set is as the site's own file wants it, and else as the table does. Each change takes a lock, reads the file again, changes only its own key, and replaces the file whole and for good. A file
that can't be understood is kept under another name and said to be.
"""

from __future__ import annotations

import contextlib
import json
import logging
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from hyrisk_desktop.bounded_json import read_json
from hyrisk_desktop.file_lock import locked
from hyrisk_desktop.files import move, write_private
from hyrisk_desktop.i18n import tr
from hyrisk_desktop.paths import config_dir, site_settings_path, store_path
from hyrisk_desktop.private_files import make_private, tighten

_log = logging.getLogger(__name__)
_MAX_RECENT = 10
MOST_PRESETS = 9
THEMES = ("dark", "light", "system")
ENGINES = ("auto", "torch", "onnx")
_MOST_BYTES = 4 << 20
_LOCK_WAIT_S = 2.0
_LONGEST_TEXT, _LONGEST_LIST = 4096, 1000

Check = Callable[[Any], bool]
Merge = Callable[[Any, Any, Any], Any]


def _is_text(value: str) -> bool:
    # NUL ends a path for the system and raises; a lone half of a pair is a byte of a file name that is no text.
    return len(value) <= _LONGEST_TEXT and "\0" not in value


def _is_line(longest: int) -> Check:
    return lambda value: len(value) <= longest and value.isprintable()


def _is_layout(value: str) -> bool:
    return value.isascii() and value.isprintable() and len(value) <= 1 << 16


def _is_in(low: float, high: float) -> Check:
    return lambda value: low <= value <= high  # NaN is nowhere


def _is_like(pattern: str) -> Check:
    return lambda value: re.fullmatch(pattern, value) is not None


def _is_list_of(kind: type) -> Check:
    def check(value: list[Any]) -> bool:
        if len(value) > _LONGEST_LIST or not all(type(entry) is kind for entry in value):
            return False
        return kind is not str or all(map(_is_text, value))

    return check


def _is_one_of(*values: str) -> Check:
    return lambda value: value in values


def _are_presets(value: list[Any]) -> bool:
    def is_preset(row: Any) -> bool:
        if type(row) is not dict or set(row) != {"name", "level", "width"} or type(row["name"]) is not str:
            return False
        numbers = all(type(row[key]) in (int, float) and -10_000 <= row[key] <= 10_000 for key in ("level", "width"))
        return numbers and row["width"] >= 1 and row["name"].isprintable() and 0 < len(row["name"]) <= 40

    return len(value) <= MOST_PRESETS and all(map(is_preset, value))


def _are_shortcuts(value: dict[Any, Any]) -> bool:
    return len(value) <= _LONGEST_LIST and all(
        _is_list_of(str)(keys) and len(keys) <= 4 and all(len(text) <= 40 for text in keys)
        if type(keys) is list and type(action) is str
        else False
        for action, keys in value.items()
    )


def _merge_lists(name: Callable[[Any], Any]) -> Merge:
    """What this window added, changed or removed since ``base``, done to the list that another window has stored."""

    def merge(base: list[Any], mine: list[Any], theirs: list[Any]) -> list[Any]:
        before = {name(entry): entry for entry in base}
        changed = {name(entry): entry for entry in mine if before.get(name(entry)) != entry}
        gone = before.keys() - {name(entry) for entry in mine}
        stored = {name(entry): entry for entry in theirs}
        merged = [changed.get(key, stored.get(key)) for key in map(name, mine) if key in changed or key in stored]
        here = {name(entry) for entry in merged}
        return merged + [entry for entry in theirs if name(entry) not in here | gone]

    return merge


def _merge_recent(base: list[str], mine: list[str], theirs: list[str]) -> list[str]:
    merged: list[str] = _merge_lists(str)(base, mine, theirs)
    return merged[:_MAX_RECENT]


def _node_name(row: dict[str, Any]) -> str:
    # A row without a usable name (of a newer version, or edited by hand) is only ever the same as itself.
    name = row.get("name")
    return f"name {name}" if isinstance(name, str) else json.dumps(row, sort_keys=True)


@dataclass(frozen=True, slots=True)
class Setting:
    """One row of the table.

    Attributes:
        default: a stored value of another type is ignored, as is one that ``check`` refuses.
        merge: (what this window knew, what it wants, what is stored) -> what will be stored; None: what it wants.
    """

    key: str
    default: Any
    help: str
    check: Check = lambda _: True
    merge: Merge | None = None


def _text(key: str, help: str, default: str = "", check: Check = _is_text) -> Setting:
    return Setting(key, default, help, check)


TABLE = (
    Setting("recent_exams", [], "Exams opened last, newest first.", _is_list_of(str), _merge_recent),
    _text("window_geometry", "Position and size of the main window (Qt's saveGeometry, base64).", check=_is_layout),
    _text("window_state", "Panels and splitters of the main window (Qt's saveState, base64).", check=_is_layout),
    Setting("overlay_level", 2, "Image overlays: 0 none, 1 marks only, 2 marks and texts.", _is_in(0, 2)),
    Setting("prevalence", 0.0, "Share of non-survivors that the risk assumes, 0 to 1; 0: the model's own.", _is_in(0, 1)),
    _text("device", "cpu, cuda, or empty to choose.", check=_is_line(40)),
    _text("engine", "auto, torch or onnx (ONNX Runtime): what runs the network on a CPU.", "auto", _is_one_of(*ENGINES)),
    _text("reader", "Who reads; empty: the name of the account.", check=_is_line(80)),
    _text("store", "Where the worklist is kept: empty for this user's own file, or postgresql://user@host/name."),
    Setting(
        "read_ahead_mb", 1500, "Memory for exams that are loaded before they are asked for, in MB; 0: none.", _is_in(0, 1e6)
    ),
    _text("theme", "dark, light, or system for the system's own.", "dark", _is_one_of(*THEMES)),
    Setting("text_size", 100, "Size of all texts in percent of the system's own.", _is_in(75, 200)),
    Setting("presets", [], "Window presets on the keys 1 to 9, each with name, level and width in HU; empty: the program's own.", _are_presets),
    Setting("shortcuts", {}, "Keys by action, where they are not the program's own.", _are_shortcuts),
    _text("worklist_state", "Width, columns and sorting of the worklist.", check=_is_layout),
    Setting(
        "pacs_nodes", [], "The PACS and other nodes, see `exchange.pacs.node`; passwords are in the system's keyring.",
        _is_list_of(dict), _merge_lists(_node_name),
    ),
    _text("pacs_ae_title", "This program's own AE title.", "HYRISK", _is_line(16)),
    Setting("pacs_port", 11112, "Where this program listens for images and for confirmations.", _is_in(1, 65535)),
    _text(
        "pacs_address", "The network address it listens at; 127.0.0.1 is this machine only.", "127.0.0.1", _is_line(253)
    ),
    _text("pacs_certificate", "PEM file of this program's own certificate: what it receives is then encrypted."),
    _text("pacs_key", "PEM file of its key."),
    _text("pacs_send_to", "The node that readings were sent to last."),
    Setting("pacs_send_formats", ["sr", "seg", "pdf_dicom"], "What was sent last; keys of the formats.", _is_list_of(str)),
    Setting("pacs_listen", False, "Receive images from now on, also after a restart."),
    Setting("pacs_find_priors", True, "Ask the PACS for earlier exams of the patient on screen, by patient ID."),
    Setting("per_vessel", False, "Grade LM, LAD, LCx and RCA one by one."),
    _text("export_folder", "Where the reading exported last was written."),
    Setting(
        "export_formats", ["sr", "seg", "pdf"], "What is exported of a reading, by key of `exchange.formats`.",
        _is_list_of(str),
    ),
    Setting("private_exports", False, "Exported files can be read by this account only, whatever the system's default."),
    _text("report_template", "TOML file with the department's name, logo and impression for its reports; empty for none."),
    _text("deidentified_parent", "The folder in which the last de-identified copy was made."),
    _text("language", "Language of the texts; only those that ship with the program.", "en", _is_like(r"[A-Za-z]{2,3}([_-]\w{2,8})*")),
)  # fmt: skip
_ROWS = {row.key: row for row in TABLE}


class Settings:
    """The user's settings.

    Args:
        path: the JSON file; a missing one means defaults, a damaged one as well, and it is kept under another name. None
            keeps everything in memory.
        site: a file of the same form that an administrator owns; it is never written. None for none.

    Attributes:
        problem: one sentence where the file was damaged or can't be read, "" otherwise. tell: called with it where that shows only later.
    """

    def __init__(self, path: Path | None, site: Path | None = None) -> None:
        self._path = path
        self.problem = ""
        self.defaults: dict[str, Any] = {row.key: row.default for row in TABLE} | self._of_site(site)
        """What holds where the user has set nothing: the site's own values, and else the table's."""
        self._values = dict(self.defaults)
        # Keys whose values are not stored yet, each with the value that this window knew before.
        self._unsaved: dict[str, Any] = {}
        self.tell: Callable[[str], None] = _log.warning
        if path is None:
            return
        tighten(path)
        try:
            stored = _read(path)
        except OSError:
            self.problem = tr("The settings can't be read, so the program's own are used: {path}.", path=path)
            _log.warning("The settings file can't be read; defaults are used.")
        except ValueError:
            self._keep_damaged(path)
        else:
            self._values |= _usable(stored or {})

    def _of_site(self, site: Path | None) -> dict[str, Any]:
        try:
            stored = None if site is None else _read(site)
        except OSError:
            self.problem = tr("The site's settings can't be read; ask your administrator about {path}.", path=site)
            return {}
        except ValueError:
            self.problem = tr(
                "The site's settings are damaged and not used; ask your administrator about {path}.", path=site
            )
            return {}
        usable = _usable(stored or {})
        if refused := sorted((stored or {}).keys() - usable.keys()):
            self.problem = tr("The site's settings hold what can't be used ({keys}); ask your administrator about {path}.",
                              keys=", ".join(refused)[:200], path=site)  # fmt: skip
        return usable

    def __getitem__(self, key: str) -> Any:
        return self._values[key]

    def __setitem__(self, key: str, value: Any) -> None:
        if type(value) is not type(_ROWS[key].default):
            raise TypeError(f"setting {key} takes {type(_ROWS[key].default).__name__}")
        if self._values[key] != value:
            before, self._values[key] = self._values[key], value
            self._save(key, before)

    def add_recent(self, path: Path) -> None:
        """Put ``path`` first among the recent exams."""
        rest = [entry for entry in self["recent_exams"] if entry != str(path)]
        self["recent_exams"] = [str(path), *rest][:_MAX_RECENT]

    def _save(self, key: str, before: Any) -> None:
        if self._path is None:
            return
        self._unsaved.setdefault(key, before)
        try:
            make_private(self._path.parent)
            with locked(self._path.with_name(f".{self._path.name}.lock"), _LOCK_WAIT_S):
                stored = self._stored_again(self._path)
                for changed, known in self._unsaved.items():
                    if (merge := _ROWS[changed].merge) is not None:
                        theirs = _usable(stored).get(changed, self.defaults[changed])
                        self._values[changed] = merge(known, self._values[changed], theirs)
                    stored[changed] = self._values[changed]
                write_private(self._path, json.dumps(stored, indent=1).encode("ascii"))
            self._unsaved.clear()
        except OSError:
            # A read-only home must not stop a reading; the settings then last for this run only.
            _log.warning("The settings can't be saved (is the disk full or read-only?).")

    def _stored_again(self, path: Path) -> dict[str, Any]:
        """What is stored now, also keys that this version does not know; all that is in memory where that is gone."""
        try:
            stored = _read(path)
        except ValueError:
            self._keep_damaged(path)
            self.tell(self.problem)
            stored = None
        if stored is not None:
            return stored
        # What the site wants is not the user's own choice: it may want something else tomorrow.
        return {key: value for key, value in self._values.items() if value != self.defaults[key]}

    def _keep_damaged(self, path: Path) -> None:
        stamp = datetime.now(UTC).strftime("%Y%m%d-%H%M%S-%f")
        kept = path.with_name(f"{path.name}.damaged-{stamp}")
        try:
            move(path, kept)
        except OSError:
            self.problem = tr(
                "The settings file is damaged, so the program's own settings are used: {path}.", path=path
            )
        else:
            self.problem = tr(
                "The settings file was damaged, so the program's own settings are used; enter your PACS nodes again. The "
                "damaged file is kept as {name}.",
                name=kept.name,
            )
        _log.warning("The settings file is damaged; it is kept beside the new one.")


def user_settings() -> Settings:
    """Those of whoever runs the program, on what the site wants."""
    return Settings(config_dir() / "settings.json", site_settings_path())


def chosen_language() -> str:
    """The language of the texts, for before anything is worded; what is wrong with a file is left to `user_settings` to tell."""
    for path in (config_dir() / "settings.json", site_settings_path()):
        with contextlib.suppress(OSError, ValueError):
            if language := _usable(_read(path) or {}).get("language"):
                return str(language)
    return str(_ROWS["language"].default)


def _read(path: Path) -> dict[str, Any] | None:
    """What the file holds, None where there is none; raises ValueError for a damaged one, OSError where it can't be read."""
    try:
        stored = read_json(path, _MOST_BYTES)
    except FileNotFoundError:
        return None
    if not isinstance(stored, dict):
        raise ValueError("not an object")
    return stored


def _usable(stored: dict[str, Any]) -> dict[str, Any]:
    """Those of the stored values that are what the table wants."""
    return {key: value for key, value in stored.items() if key in _ROWS and _fits(_ROWS[key], value)}


def allowed(key: str, value: Any) -> bool:
    """Whether a setting can have that value."""
    return _fits(_ROWS[key], value)


def _fits(row: Setting, value: Any) -> bool:
    return type(value) is type(row.default) and row.check(value)


def store_place(settings: Settings, where: str | None = None) -> Path | str:
    """A file, or a URL such as ``postgresql://user@host/name``; ``where`` goes before the setting."""
    chosen = where or settings["store"] or store_path()
    return chosen if "://" in str(chosen) else Path(chosen)
