"""What a model may be called."""

from __future__ import annotations

import re

from hyrisk_desktop.errors import BundleError
from hyrisk_desktop.i18n import tr

LONGEST_NAME = 500
_MARKUP = re.compile(r"<[A-Za-z/!?]|&#?\w+;")


def check_model_name(name: str) -> None:
    """Refuse a name that could not stand beside a number: too long, of several lines, or with markup.

    Raises:
        BundleError: with the sentence that says so.
    """
    # Of what can't be printed NUL alone is harmless: it shows nowhere, and no path is made of a name. Others move the
    # cursor of a terminal, break the line, or turn the direction of writing around.
    plain = name.replace("\0", "")
    if not plain.strip() or len(name) > LONGEST_NAME or not plain.isprintable() or _MARKUP.search(name):
        raise BundleError(
            "model_name",
            tr(
                "A model's name needs 1 to {n} printable characters without markup, so this one is refused.",
                n=LONGEST_NAME,
            ),
        )
