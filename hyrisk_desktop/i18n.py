"""Translation for every layer, Qt or not: one gettext catalogue serves CLI, findings and windows.

Qt's own ``tr`` reaches only QObjects, while findings and errors are worded in packages that may not
import Qt; gettext is in the standard library and does for both.
"""

from __future__ import annotations

import gettext
from pathlib import Path

_translation: gettext.NullTranslations = gettext.NullTranslations()


def install_language(locale_dir: Path, language: str) -> None:
    """Use the catalogue ``locale_dir/<language>/LC_MESSAGES/hyrisk.mo``, or English when there is none."""
    global _translation
    _translation = gettext.translation("hyrisk", locale_dir, languages=[language], fallback=True)


def tr(text: str, /, **values: object) -> str:
    """Translate ``text``, then fill its ``{named}`` fields with ``values``."""
    translated = _translation.gettext(text)
    return translated.format(**values) if values else translated
