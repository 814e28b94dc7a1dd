"""The manual's pages among the program's resources: found, read, searched and made plain, for window and command line.

A page is a Markdown file in ``resources/help``; its topic is the file's name. ``index.md`` links every page, in order.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from hyrisk_desktop.errors import HyRiskError, InputError
from hyrisk_desktop.i18n import listed, tr
from hyrisk_desktop.paths import resources_dir

INDEX = "index"
PICTURE = re.compile(r"!\[([^\]]*)\]\(([^)\s]+)\)")
LINK = re.compile(r"(?<!!)\[([^\]]*)\]\(([^)\s]+)\)")
_EXCERPT = 120


@dataclass(frozen=True, slots=True)
class Page:
    """One page: ``topic`` names it, ``title`` is its heading, ``text`` its Markdown."""

    topic: str
    title: str
    text: str


@dataclass(frozen=True, slots=True)
class Hit:
    """A page that holds the words searched for, and the first line that does."""

    page: Page
    excerpt: str


def manual_dir() -> Path:
    """The folder of the pages; pictures lie in ``pictures`` below it."""
    return resources_dir() / "help"


def read_pages() -> tuple[Page, ...]:
    """All pages, the index first and the others as it links them.

    Raises:
        HyRiskError: a page is missing or can't be read.
    """
    index = _read(INDEX)
    topics = dict.fromkeys(t for _, target in LINK.findall(index.text) if (t := topic_of(target)))
    return index, *(_read(topic) for topic in topics)


def _read(topic: str) -> Page:
    try:
        text = (manual_dir() / f"{topic}.md").read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as e:
        message = tr("The page “{topic}” of the manual can't be read; install the program again.", topic=topic)
        raise HyRiskError("manual", message) from e
    return Page(topic, text.partition("\n")[0].lstrip("# "), text)


def topic_of(target: str) -> str:
    """The topic that a link's target names, "" for a link that leads elsewhere."""
    name = target.partition("#")[0]
    return name.removesuffix(".md") if name.endswith(".md") and "/" not in name else ""


def find_page(pages: Sequence[Page], topic: str) -> Page:
    """The page called ``topic``, however it is spelt (capitals, dashes, underscores).

    Raises:
        InputError: there is none; the sentence names the nearest.
    """
    by_name = {_plain_name(page.topic): page for page in pages}
    name = _plain_name(topic)
    if name in by_name:
        return by_name[name]
    near = [by_name[n].topic for n in difflib.get_close_matches(name, by_name, n=3, cutoff=0.5)]
    near = near or [page.topic for page in pages if name and name in _plain_name(page.title)][:3]
    if not near:
        raise InputError("no_topic", tr("The manual has no page “{topic}”; “hyrisk help” lists all.", topic=topic))
    message = tr("The manual has no page “{topic}”; the nearest: {names}.", topic=topic, names=listed(near))
    raise InputError("no_topic", message)


def _plain_name(text: str) -> str:
    return re.sub(r"[\s_-]+", "-", text.strip()).casefold()


def search(pages: Sequence[Page], words: str) -> tuple[Hit, ...]:
    """The pages that hold every one of ``words``, those with a word in their title first."""
    wanted = words.casefold().split()
    found: list[tuple[bool, int, Hit]] = []
    for number, page in enumerate(pages):
        text = plain_text(page.text)
        if wanted and all(word in text.casefold() for word in wanted):
            line = next((line for line in text.splitlines() if wanted[0] in line.casefold()), "")
            titled = any(word in page.title.casefold() for word in wanted)
            found.append((not titled, number, Hit(page, _around(" ".join(line.split()), wanted[0]))))
    return tuple(hit for *_, hit in sorted(found, key=lambda one: one[:2]))


def _around(line: str, word: str) -> str:
    """At most `_EXCERPT` characters of ``line`` with ``word`` among them."""
    if len(line) <= _EXCERPT:
        return line
    first = max(0, min(line.casefold().find(word) - _EXCERPT // 3, len(line) - _EXCERPT))
    first = line.find(" ", first) + 1 if first else 0
    return (
        f"{'…' if first else ''}{line[first : first + _EXCERPT].strip()}{'…' if first + _EXCERPT < len(line) else ''}"
    )


def without_links(markdown: str) -> str:
    """The same Markdown for a terminal: a picture becomes a line about it, a link to a page the command that prints it."""
    text = PICTURE.sub(lambda m: tr("*Picture: {what}*", what=m[1]), markdown)
    return LINK.sub(_in_words, text)


def _in_words(link: re.Match[str]) -> str:
    text, target = link[1], link[2]
    topic = topic_of(target)
    return f"{text} (`hyrisk help {topic}`)" if topic else f"{text} ({target})"


def plain_text(markdown: str) -> str:
    """A page without Markdown's signs, for pipes and for the search: headings underlined, tables with bars."""
    lines: list[str] = []
    for line in without_links(markdown).splitlines():
        if re.fullmatch(r"[|\s:-]+", line) and "|" in line:
            continue  # the rule below a table's head
        heading = re.fullmatch(r"(#+) +(.*)", line)
        code = line.startswith("    ") and not line.lstrip().startswith(("- ", "* "))
        text = line if code else _unmarked(heading[2] if heading else line)
        lines.append(text)
        if heading:
            lines.append(("=" if len(heading[1]) == 1 else "-") * len(text))
    return "\n".join(lines)


def _unmarked(text: str) -> str:
    parts = re.split(r"(`[^`]*`)", text.strip("| ") if text.startswith("|") else text)
    # Emphasis is not looked for in code, where the same signs mean themselves.
    return "".join(
        part.strip("`") if part.startswith("`") else re.sub(r"(\*\*|\*)(\S(?:.*?\S)??)\1", r"\2", part)
        for part in parts
    ).rstrip()
