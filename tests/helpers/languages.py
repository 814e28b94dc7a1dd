"""The program in another language, for one test."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from hyrisk_desktop.i18n import install_language
from hyrisk_desktop.paths import resources_dir

LANGUAGES = ("de", "zh_CN")


@contextmanager
def speaking(language: str) -> Iterator[None]:
    """What is worded within is in ``language``; then in English again."""
    install_language(resources_dir() / "locale", language)
    try:
        yield
    finally:
        install_language(resources_dir() / "locale", "en")
