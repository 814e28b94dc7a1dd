"""Where every form of `hyrisk` begins: the installed command, `python -m hyrisk_desktop.cli`, and the frozen program."""

from __future__ import annotations

import multiprocessing
import runpy
import sys


def main() -> None:
    """Run what the first word names: the program itself, or one of the processes that it starts for itself."""
    # First of all: a child of the frozen program is the frozen program with other words, and must get no further.
    multiprocessing.freeze_support()
    # The children of an environment import this module again, so what costs time is imported where it is needed.
    from hyrisk_desktop.i18n import install_language
    from hyrisk_desktop.paths import PROBE_COMMAND, TRAINING_COMMAND, resources_dir, restore_library_path
    from hyrisk_desktop.settings import chosen_language

    restore_library_path()
    # Some texts are worded as soon as their module is imported.
    install_language(resources_dir() / "locale", chosen_language())
    command = sys.argv[1:2]
    if command == [TRAINING_COMMAND]:
        _train(sys.argv[2:])
    elif command == [PROBE_COMMAND]:
        from hyrisk_desktop.cli.display import probe

        probe()
    else:
        from hyrisk_desktop.cli.main import main as hyrisk

        hyrisk()


def _train(arguments: list[str]) -> None:
    # By its name, as nothing of the program imports it: this process is no part of the program any more.
    sys.argv[1:] = arguments
    runpy.run_module("model_training.__main__", run_name="__main__")


if __name__ == "__main__":
    main()
