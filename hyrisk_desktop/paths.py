"""Where things lie: the program's resources, and the user's settings, logs, models and cache."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import platformdirs

_APP = "HyRisk Desktop"
DEMONSTRATION_MODEL = "hyrisknet-34-demo"
# First words of processes that the program starts for itself; `hyrisk --help` does not list them.
TRAINING_COMMAND, PROBE_COMMAND = "model-training", "qt-probe"


def resources_dir() -> Path:
    """The program's own files: inside the package when installed, at the top of a checkout otherwise."""
    package = Path(__file__).resolve().parent
    installed = package / "resources"
    return installed if installed.is_dir() else package.parent / "resources"


def bundled_model_dir() -> Path:
    """The demonstration model that ships with the program."""
    return resources_dir() / "models" / DEMONSTRATION_MODEL


def is_frozen() -> bool:
    """Whether this is the program of an installer, which is its own ``sys.executable`` and knows no ``-m``."""
    return bool(getattr(sys, "frozen", False))


def training_process(*arguments: str) -> tuple[list[str], dict[str, str]]:
    """Command and environment that run ``model_training`` as a process of its own: the program never imports it."""
    if is_frozen():
        return [sys.executable, TRAINING_COMMAND, *arguments], dict(os.environ)
    # -P: a folder of that name where the program happens to be started is not it.
    command = [sys.executable, "-P", "-m", "hyrisk_desktop.cli", TRAINING_COMMAND, *arguments]
    root = str(Path(__file__).resolve().parents[1])
    found = os.pathsep.join(path for path in (root, os.environ.get("PYTHONPATH")) if path)
    return command, os.environ | {"PYTHONPATH": found}


def restore_library_path() -> None:
    """Give the user's own library path back to the programs that this one starts.

    The frozen program runs with a path to its own libraries; a browser or viewer that inherits it loads ours and dies.
    """
    for name in ("LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH") if is_frozen() else ():
        before = os.environ.pop(f"{name}_ORIG", None)
        if before:
            os.environ[name] = before
        else:
            os.environ.pop(name, None)


def private_roots() -> tuple[Path, ...]:
    """The folders of everything that is this user's and nobody else's; none lies within another."""
    if os.environ.get("HYRISK_HOME"):
        # The folder itself may be a share or a stick that others use as well; what is below is ours.
        return (
            config_dir(),
            cache_dir(),
            log_dir(),
            models_dir(),
            runs_dir(),
            store_path().parent,
            inbox_dir(),
            unfinished_dir(),
            outbox_dir(),
        )
    data = Path(platformdirs.user_data_dir(_APP, appauthor=False))
    found = dict.fromkeys((data, config_dir(), cache_dir(), log_dir()))
    return tuple(root for root in found if not any(other in root.parents for other in found))


def _user(kind: str, default: str) -> Path:
    # One variable moves everything, for tests and for portable installations on a stick or a share.
    home = os.environ.get("HYRISK_HOME")
    return Path(home) / kind if home else Path(default)


def config_dir() -> Path:
    """Settings."""
    return _user("config", platformdirs.user_config_dir(_APP, appauthor=False))


def site_settings_path() -> Path:
    """What an administrator sets for all users of this machine; nobody but him writes it."""
    return _user("site", platformdirs.site_config_dir(_APP, appauthor=False)) / "settings.json"


def models_dir() -> Path:
    """Installed model bundles."""
    return _user("models", str(Path(platformdirs.user_data_dir(_APP, appauthor=False)) / "models"))


def views_path() -> Path:
    """How each exam was looked at last."""
    return config_dir() / "views.json"


def cache_dir() -> Path:
    """Files that can be made again, such as the demonstration exam."""
    return _user("cache", platformdirs.user_cache_dir(_APP, appauthor=False))


def log_dir() -> Path:
    """Log files; they hold no patient data."""
    return _user("log", platformdirs.user_log_dir(_APP, appauthor=False))


def runs_dir() -> Path:
    """One folder per training run that the window started."""
    return _user("runs", str(Path(platformdirs.user_data_dir(_APP, appauthor=False)) / "runs"))


def store_path() -> Path:
    """The worklist's database, with its backups beside it."""
    return (
        _user("worklist", str(Path(platformdirs.user_data_dir(_APP, appauthor=False)) / "worklist")) / "worklist.sqlite"
    )


def unsaved_dir() -> Path:
    """Reads that a worklist could not take yet, whichever worklist that is."""
    return store_path().parent / "unsaved"


def inbox_dir() -> Path:
    """Exams that came from a PACS. They are patients' images; nothing else in the program copies any."""
    # Its name is the name of its worklist.
    return _user("PACS inbox", str(Path(platformdirs.user_data_dir(_APP, appauthor=False)) / "PACS inbox"))


def unfinished_dir() -> Path:
    """Lists of what is being written just now; see `unfinished`."""
    return _user("unfinished", str(Path(platformdirs.user_data_dir(_APP, appauthor=False)) / "unfinished"))


def outbox_dir() -> Path:
    """Results that wait to be sent to a PACS, and what became of those sent."""
    return _user("outbox", str(Path(platformdirs.user_data_dir(_APP, appauthor=False)) / "outbox"))
