"""Translation for every layer, Qt or not: one gettext catalogue serves CLI, findings and windows.

Qt's own ``tr`` reaches only QObjects, while findings and errors are worded in packages that may not
import Qt; gettext is in the standard library and does for both.
"""

from __future__ import annotations

import gettext
from pathlib import Path

_DOMAIN = "hyrisk"
_translation: gettext.NullTranslations = gettext.NullTranslations()


def install_language(locale_dir: Path, language: str) -> None:
    """Use the catalogue ``locale_dir/<language>/LC_MESSAGES/hyrisk.mo``, or English when there is none.

    Only the names of the folders there are languages: anything else, such as a path, could lead to a catalogue that says
    the opposite of what the program means.
    """
    global _translation
    if language not in languages_of(locale_dir):
        _translation = gettext.NullTranslations()
        return
    _translation = gettext.translation(_DOMAIN, locale_dir, languages=[language], fallback=True)


def languages_of(locale_dir: Path) -> tuple[str, ...]:
    """The languages that ship with the program beside English."""
    found = sorted(path.parents[1].name for path in locale_dir.glob(f"*/LC_MESSAGES/{_DOMAIN}.mo") if path.is_file())
    return tuple(found)


def tr(text: str, /, **values: object) -> str:
    """Translate ``text``, then fill its ``{named}`` fields with ``values``."""
    translated = _translation.gettext(text)
    return translated.format(**values) if values else translated
