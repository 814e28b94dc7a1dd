"""A site's own file for its reports: department, logo, order of the page, an impression sentence, and whose patient numbers these are.

A file that is not understood refuses what needs it, in one sentence with file and line. A page in another form than the department's
would be archived before anybody saw the mistake, and an archive can't be told to forget; the other files of a reading don't need it.
"""

from __future__ import annotations

import io
import re
import string
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hyrisk_desktop.errors import InputError
from hyrisk_desktop.exchange import dicom_values as v
from hyrisk_desktop.exchange.reports.report import Report, impression_words
from hyrisk_desktop.i18n import tr
from hyrisk_desktop.regular_files import read_regular

BLOCKS = ("numbers", "impression", "change", "pictures", "findings")
"""Of the page between its head and its foot, in their usual order."""
_MOST_BYTES, _MOST_LOGO_BYTES, _MOST_LOGO_PIXELS = 1 << 16, 4 << 20, 4_000_000
_LONGEST, _LONGEST_IMPRESSION = 120, 300
_LINE = re.compile(r"\(at line (\d+)")


@dataclass(frozen=True, slots=True)
class PageTemplate:
    """What a site says of its reports.

    Attributes:
        department: stands at the head of the page. logo: a PNG or JPEG, beside it; empty for none.
        order: of `BLOCKS`. impression: a sentence with fields of `impression_words`; "" for none.
        patient_id_system: the URI of the system that patient numbers belong to, for FHIR; "" for none.
    """

    department: str = ""
    logo: bytes = b""
    order: tuple[str, ...] = BLOCKS
    impression: str = ""
    patient_id_system: str = ""

    def impression_of(self, report: Report) -> str:
        """The sentence with the numbers of ``report``; "" for none."""
        return v.plain(string.Formatter().vformat(self.impression, (), impression_words(report)))


PLAIN = PageTemplate()
"""Of a site that says nothing; and of what leaves without identity, which names no department."""
_place: list[Path] = []


def use_template(place: str) -> None:
    """From now on reports follow the file at ``place``; "" for none."""
    _place[:] = [Path(place)] if place else []


def chosen_template() -> PageTemplate:
    """The template in use, read anew.

    Raises:
        InputError: the file can't be read or understood; the sentence names file and line.
    """
    return read_template(_place[0]) if _place else PLAIN


def read_template(path: Path) -> PageTemplate:
    """Read and check the file at ``path`` (TOML).

    Raises:
        InputError: it can't be read or understood; the sentence names file and line.
    """
    try:
        text = read_regular(path, _MOST_BYTES).decode()
    except (OSError, ValueError) as e:
        raise _refusal(path, 1, tr("it can't be read as a text in UTF-8")) from e
    try:
        said = tomllib.loads(text)
    except tomllib.TOMLDecodeError as e:
        found = _LINE.search(str(e))
        line = int(found[1]) if found else text.rstrip().count("\n") + 1
        raise _refusal(path, line, tr("this is no TOML")) from e
    for key, value in said.items():
        if why := _CHECKS[key](value) if key in _CHECKS else tr("there is no “{key}”", key=v.plain(key, 40)):
            raise _refusal(path, _line_of(text, key), why)
    logo = b""
    if said.get("logo"):
        logo, why = _read_logo(path.parent / said["logo"])
        if why:
            raise _refusal(path, _line_of(text, "logo"), why)
    return PageTemplate(
        department=v.plain(said.get("department", "")),
        logo=logo,
        order=tuple(said.get("order", BLOCKS)),
        impression=said.get("impression", ""),
        patient_id_system=said.get("patient_id_system", ""),
    )


def _refusal(path: Path, line: int, why: str) -> InputError:
    message = tr(
        "The report template “{name}”, line {line}: {why}. Mend it, or choose none.", name=path.name, line=line, why=why
    )
    return InputError("bad_template", message)


def _line_of(text: str, key: str) -> int:
    """Where ``key`` is set; the first line where that can't be seen."""
    quoted = re.escape(key)
    found = re.search(rf"^[ \t]*\[*[ \t]*[\"']?{quoted}[\"']?[ \t]*[=\].]", text, re.MULTILINE)
    return 1 if found is None else text.count("\n", 0, found.start()) + 1


def _text(longest: int) -> Callable[[Any], str]:
    def check(value: Any) -> str:
        if not isinstance(value, str):
            return tr("a text in quotation marks is wanted")
        return tr("the text is longer than {n} characters", n=longest) if len(value) > longest else ""

    return check


def _order(value: Any) -> str:
    if isinstance(value, list) and all(isinstance(block, str) for block in value) and set(value) <= set(BLOCKS):
        return tr("a block is named twice") if len(set(value)) < len(value) else _kept(value)
    return tr("a list of some of {blocks} is wanted", blocks=", ".join(BLOCKS))


def _kept(order: list[str]) -> str:
    """What no report goes without: its numbers and what qualifies them."""
    missing = [block for block in ("numbers", "findings") if block not in order]
    return tr("“{block}” can't be left out", block=missing[0]) if missing else ""


def _impression(value: Any) -> str:
    if why := _text(_LONGEST_IMPRESSION)(value):
        return why
    try:
        fields = [field for field in string.Formatter().parse(value) if field[1] is not None]
    except ValueError:
        return tr("a brace has no partner; two of them ({{) stand for one")
    for _, name, form, conversion in fields:
        if name not in FIELDS or form or conversion:
            return tr(
                "there is no field {{{name}}}; fields are {fields}",
                name=v.plain(name or "", 40),
                fields=", ".join(FIELDS),
            )
    return ""


def _system(value: Any) -> str:
    if why := _text(_LONGEST)(value):
        return why
    known = re.fullmatch(r"(https?://|urn:)[!-~]+", value) is not None
    return "" if known or not value else tr("an address (https://…) or a URN (urn:oid:…) is wanted")


_CHECKS: Mapping[str, Callable[[Any], str]] = {
    "department": _text(_LONGEST),
    "logo": _text(_LONGEST),
    "order": _order,
    "impression": _impression,
    "patient_id_system": _system,
}
FIELDS = (
    "agatston", "category", "volume", "lesions", "grade", "whole_heart", "cac_drs", "vessels", "risk", "interval", "percentile", "horizon",
    "model",
)  # fmt: skip
"""What an impression may name, see `impression_words`."""


def _read_logo(path: Path) -> tuple[bytes, str]:
    """The picture, or why it can't be used."""
    from PIL import Image

    try:
        data = read_regular(path, _MOST_LOGO_BYTES)
        with Image.open(io.BytesIO(data), formats=("PNG", "JPEG")) as picture:
            if picture.width * picture.height > _MOST_LOGO_PIXELS:
                return b"", tr("the logo has more than four million pixels")
            picture.load()
    except (OSError, ValueError, SyntaxError):
        return b"", tr("the logo “{name}” can't be read as PNG or JPEG", name=v.plain(path.name, 60))
    return data, ""
