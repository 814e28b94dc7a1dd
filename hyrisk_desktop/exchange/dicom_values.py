"""Header values and typed names made fit for DICOM: an export never repeats what merely happens to stand in a file.

DICOM's value representations (PS3.5, 6.2) say how long a value may be and what it may hold. Values of real exams break
these rules, and hostile ones mean to; each function here gives a value that keeps them, or "".
"""

from __future__ import annotations

import datetime
import re
import unicodedata
import uuid

_UID = re.compile(r"[0-9]+(\.[0-9]+)+")
_TIME = re.compile(r"([01][0-9]|2[0-3])([0-5][0-9]([0-5][0-9](\.[0-9]{1,6})?)?)?")
_AGE = re.compile(r"[0-9]{3}[DWMY]")
_MAX_UID = 64
_MAX_NAME_GROUP = 64


def plain(value: str, limit: int = 1024) -> str:
    """One line of printable text of at most ``limit`` characters, without the sign that separates DICOM values.

    Signs that turn the direction of writing go too: they make a text read as another one.
    """
    kept = "".join(c if _harmless(c) else " " for c in value[: 4 * limit])
    return " ".join(kept.replace("\\", "/").split())[:limit].rstrip()


def _harmless(character: str) -> bool:
    # Control, format (bidirectional among them), surrogate, private and unassigned code points have no place in a report.
    return unicodedata.category(character) not in ("Cc", "Cf", "Cs", "Co", "Cn")


def long_text(value: str) -> str:
    """LO: at most 64 characters."""
    return _in_bytes(plain(value, 64), 64)


def short_text(value: str) -> str:
    """SH: at most 16 characters."""
    return _in_bytes(plain(value, 16), 16)


def _in_bytes(value: str, limit: int) -> str:
    """Cut to ``limit`` bytes of UTF-8 too: the standard counts characters, but not all that read it do."""
    return value.encode()[:limit].decode(errors="ignore").rstrip()


def person_name(value: str) -> str:
    """PN: at most three groups (``=``) of five components (``^``), 64 characters each group, and bytes too."""
    return "=".join(_in_bytes(group, _MAX_NAME_GROUP).rstrip(" ^") for group in _groups(value)).rstrip("=")


def _groups(value: str) -> list[str]:
    """The groups of a PN, of 64 characters each."""
    groups = []
    for group in plain(value, 4 * _MAX_NAME_GROUP).split("=")[:3]:
        parts = [part.strip() for part in group.split("^")]
        kept = "^".join([*parts[:4], " ".join(parts[4:])] if len(parts) > 5 else parts)
        groups.append(kept[:_MAX_NAME_GROUP])
    return groups


def typed_name(value: str) -> str:
    """PN of a name as a person typed it: the caret says that it is not known which part is the family name."""
    first, *others = person_name(value).split("=")
    if first and "^" not in first:
        first = f"{_in_bytes(first, _MAX_NAME_GROUP - 1)}^"
    return "=".join((first, *others))


def readable_name(value: str) -> str:
    """A person's name for people: ``Last^First`` becomes ``Last, First``; the first group that says something.

    Nobody who reads it counts bytes, as of `person_name`: half of a patronymic is another one.
    """
    for group in _groups(value):
        last, *others = [part.strip() for part in group.split("^")]
        rest = " ".join(part for part in others if part)
        if last or rest:
            return ", ".join(part for part in (last, rest) if part)
    return ""


def uid(value: str) -> str:
    """UI: digits and dots, at most 64; "" for anything else, as nothing may be referred to by a made-up name."""
    value = value.strip(" \0")
    return value if len(value) <= _MAX_UID and _UID.fullmatch(value) else ""


def new_uid() -> str:
    """A UID for a new object, of a random UUID (PS3.5, B.2): nobody needs to register a root for it."""
    return f"2.25.{uuid.uuid4().int}"


def date(value: str) -> str:
    """DA: a day that exists, as YYYYMMDD; the old form with dots is understood."""
    digits = (
        value.strip().replace(".", "") if re.fullmatch(r"\s*[0-9]{4}\.[0-9]{2}\.[0-9]{2}\s*", value) else value.strip()
    )
    if not re.fullmatch(r"[0-9]{8}", digits):
        return ""
    try:
        datetime.date(int(digits[:4]), int(digits[4:6]), int(digits[6:]))
    except ValueError:
        return ""
    return digits


def time(value: str) -> str:
    """TM: HHMMSS with up to six decimals."""
    value = value.strip()
    return value if _TIME.fullmatch(value) else ""


def sex(value: str) -> str:
    """PatientSex: M, F or O."""
    value = value.strip().upper()
    return value if value in ("M", "F", "O") else ""


def age(value: str) -> str:
    """AS, such as 063Y."""
    value = value.strip().upper()
    return value if _AGE.fullmatch(value) else ""
