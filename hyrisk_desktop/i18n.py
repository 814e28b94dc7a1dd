"""Translation for every layer, Qt or not: one gettext catalogue serves CLI, findings and windows.

Qt's own ``tr`` reaches only QObjects, while findings and errors are worded in packages that may not
import Qt; gettext is in the standard library and does for both.

People read their own language, with its decimal mark and its dates. What machines read (DICOM, FHIR, JSON, CSV) is English
whatever the language, so that no archive holds two of them: `for_machines` goes around the making of a file, and `english`
around a sentence that was made before.
"""

from __future__ import annotations

import gettext
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import datetime
from numbers import Rational, Real
from pathlib import Path
from string import Formatter
from typing import cast

_DOMAIN = "hyrisk"
_English = gettext.NullTranslations
_translation: gettext.NullTranslations = _English()
_language = "en"
_for_machines: ContextVar[bool] = ContextVar("hyrisk_for_machines", default=False)


def install_language(locale_dir: Path, language: str) -> None:
    """Use the catalogue ``locale_dir/<language>/LC_MESSAGES/hyrisk.mo``, or English when there is none.

    Only the names of the folders there are languages: anything else, such as a path, could lead to a catalogue that says
    the opposite of what the program means.
    """
    global _translation, _language
    if language not in languages_of(locale_dir):
        _translation, _language = _English(), "en"
        return
    _language = language
    _translation = gettext.translation(_DOMAIN, locale_dir, languages=[language], fallback=True)


def languages_of(locale_dir: Path) -> tuple[str, ...]:
    """The languages that ship with the program beside English."""
    found = sorted(path.parents[1].name for path in locale_dir.glob(f"*/LC_MESSAGES/{_DOMAIN}.mo") if path.is_file())
    return tuple(found)


def tr(text: str, /, **values: object) -> str:
    """Translate ``text``, then fill its ``{named}`` fields with ``values``."""
    return _filled(text, lambda: _translation.gettext(text), values)


def trc(context: str, text: str, /, **values: object) -> str:
    """`tr` of a text that is another one elsewhere: short in a ``context`` without room, or of another gender."""
    return _filled(text, lambda: _translation.pgettext(context, text), values)


def trn(one: str, other: str, n: int, /, **values: object) -> str:
    """`tr` of a sentence about ``n`` things, which is field ``{n}``: ``one`` of them, ``other`` for more, or what the language has instead."""
    values = {"n": n, **values}
    return _filled(one if n == 1 else other, lambda: _translation.ngettext(one, other, n), values)


@contextmanager
def for_machines() -> Iterator[None]:
    """What is worded in here is English, with points in its numbers."""
    token = _for_machines.set(True)
    try:
        yield
    finally:
        _for_machines.reset(token)


def english(text: str) -> str:
    """What ``text`` says in English, if `tr` made it; any other text as it is."""
    return getattr(text, "english", text)


def said(text: str) -> str:
    """A sentence that was made before, in the language of what is made now."""
    return english(text) if _for_machines.get() else text


def kept_sentence(in_english: str, language: str = "en", text: str = "") -> str:
    """A sentence that was kept with what it says in another ``language`` (as `language_tag`): in that where it is the reader's."""
    return in_english if is_english() or language != language_tag() else _Sentence(text, in_english)


# --- numbers and dates


def decimal(value: float, spec: str) -> str:
    """``value`` as people write it, by a format such as ``".1f"``; `english` knows it with a point."""
    return _with_decimal_mark(format(value, spec))


def typeset(value: float, spec: str) -> str:
    """`decimal` with a minus sign as wide as a plus, for figures in sentences and tables."""
    return _with_decimal_mark(format(value, spec).replace("-", "−"))


def _with_decimal_mark(text: str) -> str:
    return text if is_english() else _Sentence(text.replace(".", trc("decimal mark", ".")), text)


def day_text(digits: str) -> str:
    """A day as DICOM writes it, ``20010131``, as people write it; anything else as it is."""
    if len(digits) != 8 or not (digits.isascii() and digits.isdecimal()):
        return digits
    return day_pattern().replace("%Y", digits[:4]).replace("%m", digits[4:6]).replace("%d", digits[6:])


def moment_text(moment: datetime) -> str:
    """Day, hours and minutes as people write them."""
    return moment.strftime(f"{day_pattern()} %H:%M")


def day_pattern() -> str:
    """How people write a day, as `datetime.strftime` wants it."""
    return trc("date", "%Y-%m-%d")


def listed(texts: Iterable[str]) -> str:
    """Things in a row, told apart as the language does."""
    parts = tuple(texts)
    in_english = ", ".join(english(part) for part in parts)
    return in_english if is_english() else _Sentence(trc("between things in a row", ", ").join(parts), in_english)


def language_tag() -> str:
    """What is worded now, as documents name it (BCP 47): "en", "de", "zh-CN"."""
    return "en" if is_english() else _language.replace("_", "-")


def is_english() -> bool:
    """Whether what is worded now is English."""
    return type(_translation) is _English or _for_machines.get()


# --- sentences that are known in two languages


class _Sentence(str):
    """A translated sentence, with what it says in English; also after another text was put before or behind it."""

    __slots__ = ("english",)

    english: str

    def __new__(cls, text: str, in_english: str) -> _Sentence:
        made = super().__new__(cls, text)
        made.english = in_english
        return made

    def __reduce__(self) -> tuple[type[_Sentence], tuple[str, str]]:
        return _Sentence, (str(self), self.english)

    def __add__(self, other: str) -> _Sentence:
        return _Sentence(str(self) + other, self.english + english(other))

    def __radd__(self, other: str) -> _Sentence:
        return _Sentence(other + str(self), other + self.english)


class _Local(Formatter):
    """Fills fields as `str.format` does, with numbers as people write them."""

    def format_field(self, value: object, format_spec: str) -> str:
        # Also what numpy calculates with, which is no float of Python's.
        fractional = isinstance(value, Real) and not isinstance(value, Rational)
        return decimal(cast("float", value), format_spec) if fractional else format(value, format_spec)


def _filled(text: str, translated: Callable[[], str], values: dict[str, object]) -> str:
    """``text`` with its values, and what it is in the reader's language."""
    said = {name: english(value) if isinstance(value, str) else value for name, value in values.items()}
    in_english = text.format(**said) if values else text
    if is_english():
        return in_english
    words = translated()
    return _Sentence(_Local().vformat(words, (), values) if values else words, in_english)
