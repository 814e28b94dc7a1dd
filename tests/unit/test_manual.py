"""The manual says only what is so: links, pictures, commands, options and quoted sentences are looked up."""

from __future__ import annotations

import ast
import functools
import io
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer.main

from hyrisk_desktop import paths
from hyrisk_desktop.cli.help import help_
from hyrisk_desktop.cli.main import _TRAINING, cli
from hyrisk_desktop.errors import HyRiskError, InputError
from hyrisk_desktop.manual import (
    INDEX,
    LINK,
    PICTURE,
    Page,
    find_page,
    manual_dir,
    plain_text,
    read_pages,
    search,
    topic_of,
    without_links,
)
from model_training.__main__ import _parser
from tests.helpers.patience import PATIENCE_S

ROOT = Path(__file__).resolve().parents[2]
PAGES = read_pages()
README = (ROOT / "README.md").read_text(encoding="utf-8")
TEXTS = {**{page.topic: page.text for page in PAGES}, "README": README}
LONGEST_README = 120


# --- pages and links


def test_the_index_leads_to_every_page_once() -> None:
    files = {path.stem for path in manual_dir().glob("*.md")}
    assert PAGES[0].topic == INDEX
    assert sorted(page.topic for page in PAGES) == sorted(files)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.topic)
def test_a_page_has_a_title_and_no_line_that_a_reader_can_not_set(page: Page) -> None:
    assert page.text.startswith(f"# {page.title}\n")
    assert page.text.count("\n# ") == 0
    for line in page.text.splitlines():
        # What is bold, a link or a code over two lines is not found by the plain text, and tests would not look at it.
        assert line.count("**") % 2 == 0, line
        assert line.count("`") % 2 == 0, line
        assert len(re.findall(r"\[[^\]]*$", line)) == 0, line
    assert not re.search(r"<[a-zA-Z/!]", re.sub(r"`[^`]*`", "", page.text)), "HTML is not shown"


@pytest.mark.parametrize("name", TEXTS)
def test_every_link_leads_somewhere(name: str) -> None:
    folder = ROOT if name == "README" else manual_dir()
    topics = {page.topic for page in PAGES}
    for _, target in LINK.findall(TEXTS[name]):
        if target.startswith("https://"):
            continue
        if name == "README":
            assert (folder / target).is_file(), target
        else:
            assert topic_of(target) in topics, target


def test_readme_is_short_and_shows_the_window() -> None:
    assert len(README.splitlines()) <= LONGEST_README
    assert "resources/help/pictures/reading.png" in README
    assert "Research use only" in README
    assert "resources/help/index.md" in README


# --- pictures (that stories take them: tests/gui/test_manual.py)


def test_every_picture_is_named_and_every_named_one_is_there() -> None:
    named = {target for page in PAGES for _, target in PICTURE.findall(page.text)}
    there = {f"pictures/{path.name}" for path in (manual_dir() / "pictures").iterdir()}
    assert named == there
    assert all(what.strip() for page in PAGES for what, _ in PICTURE.findall(page.text)), "each says what it shows"


# --- commands


def codes(text: str) -> Iterator[str]:
    """What stands in code: each line of a block (continued ones joined), and each inline piece."""
    block = "\n".join(line for line in text.splitlines() if line.startswith("    "))
    yield from (line.strip() for line in block.replace("\\\n", " ").splitlines())
    rest = "\n".join(line for line in text.splitlines() if not line.startswith("    "))
    yield from re.findall(r"`([^`]+)`", rest)


def options_of_training(words: list[str]) -> set[str]:
    """Options of a command that runs in the training process; fails where there is no such command."""
    parser = _parser()
    for word in words:
        nested = [
            action for action in parser._actions if hasattr(action, "choices") and isinstance(action.choices, dict)
        ]
        if not nested or word not in nested[0].choices:
            break
        parser = nested[0].choices[word]
    else:
        word = ""
    assert not any(isinstance(action.choices, dict) for action in parser._actions), f"{words}: no command {word}"
    return {option for action in parser._actions for option in action.option_strings}


# To make the command and its parts takes as long as to look a whole page up.
command_line = functools.cache(lambda: typer.main.get_command(cli))


def options_of(words: list[str]) -> set[str]:
    """Options of ``hyrisk WORDS…``; fails where a word should be a command and is none."""
    command = command_line()
    for number, word in enumerate(words):
        known = getattr(command, "commands", None)
        if known is None or word.startswith("-"):
            break
        if word in _TRAINING:
            return options_of_training(words[number:])
        if word not in known:
            # The first word may be a path; here those have a slash, brackets or capitals.
            is_path = number == 0 and re.search(r"/|\[|^[A-Z]+$", word) is not None
            assert is_path, f"hyrisk {' '.join(words)}: no command {word}"
            return set()
        command = known[word]
    return {option for parameter in command.params for option in parameter.opts} | {"--help"}


@pytest.mark.parametrize("name", TEXTS)
def test_every_command_exists_with_its_options(name: str) -> None:
    for code in codes(TEXTS[name]):
        words = shlex.split(code) if code.startswith(("hyrisk ", "hyrisk/bin/hyrisk ")) else []
        if words:
            known = options_of(words[1:])
            used = {word.partition("=")[0] for word in words if re.match(r"--?[a-z]", word)}
            assert used <= known, f"{code}: {used - known}"


@functools.cache
def all_options() -> set[str]:
    commands = (*command_line().commands, "models import", "pacs add", "phantom cohort", "pacs find")  # type: ignore[attr-defined]
    return set().union(*(options_of(c.split()) for c in commands if c != "phantom"))


@pytest.mark.parametrize("name", TEXTS)
def test_an_option_named_alone_is_one_of_some_command(name: str) -> None:
    known = all_options()
    for code in codes(TEXTS[name]):
        if code.startswith("--"):
            assert code.split()[0] in known, code


def test_commands_that_do_not_exist_are_found() -> None:
    for words in (["scor", "exam"], ["models", "activat", "x"], ["phantom", "exams"]):
        with pytest.raises(AssertionError, match="no command"):
            options_of(words)
    assert "--frobnicate" not in options_of(["train", "COHORT"])
    assert {"--init", "--folds"} <= options_of(["train", "COHORT"])


def test_every_command_of_the_program_is_in_the_manual() -> None:
    said = " ".join(code for page in PAGES for code in codes(page.text))
    for name in command_line().commands:  # type: ignore[attr-defined]
        assert name == "gui" or f"hyrisk {name}" in said, name


# --- quoted sentences


def sentences_of_the_program() -> list[str]:
    """Every text in the sources, with … for what is put in."""
    found = []
    for package in ("hyrisk_desktop", "model_training"):
        for path in (ROOT / package).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Constant) and isinstance(node.value, str):
                    found.append(re.sub(r"\{[^}]*\}", "…", node.value))
    return found


def test_every_quoted_sentence_is_one_of_the_program() -> None:
    program = sentences_of_the_program()
    quotes = re.findall(r'"([^"`]{8,})"', " ".join(find_page(PAGES, "troubleshooting").text.split()))
    assert len(quotes) > 50
    for quote in quotes:
        parts = [re.escape(part.strip(" .")) for part in quote.split("…") if part.strip(" .")]
        pattern = re.compile(".*".join(parts), re.DOTALL)
        assert any(pattern.search(text) for text in program), quote


# --- reading and searching


def test_a_topic_is_found_however_it_is_spelt() -> None:
    for spelt in ("hospital-it", "Hospital IT", "hospital_it", " HOSPITAL-IT "):
        assert find_page(PAGES, spelt).topic == "hospital-it"
    assert find_page(PAGES, "coding-scheme").topic == "coding_scheme"


@pytest.mark.parametrize(
    ("wrong", "near"),
    [("worklst", "worklist"), ("tutorials", "tutorial"), ("agreement", "readers"), ("identity", "deidentify")],
)
def test_an_unknown_topic_names_the_nearest(wrong: str, near: str) -> None:
    with pytest.raises(InputError) as caught:
        find_page(PAGES, wrong)
    assert wrong in caught.value.message
    assert near in caught.value.message.partition("nearest")[2]


def test_a_word_like_no_topic_names_the_list() -> None:
    with pytest.raises(InputError, match="hyrisk help"):
        find_page(PAGES, "qqqq")


def test_search_wants_every_word_and_puts_titles_first() -> None:
    pages = (
        Page("a", "First", "# First\n\nThe **centre** and the grade.\n"),
        Page("b", "Grade", "# Grade\n\nNothing here but a\ncentre.\n"),
        Page("c", "Third", "# Third\n\nOnly a grade.\n"),
    )
    assert [hit.page.topic for hit in search(pages, "GRADE")] == ["b", "a", "c"]
    assert [hit.page.topic for hit in search(pages, "grade centre")] == ["b", "a"]
    assert search(pages, "centre")[0].excerpt == "The centre and the grade."
    assert search(pages, "volume") == ()
    assert search(pages, "  ") == ()


def test_an_excerpt_is_cut_around_the_word() -> None:
    line = "word " * 40 + "needle " + "word " * 40
    (hit,) = search((Page("a", "A", f"# A\n\n{line}\n"),), "needle")
    assert "needle" in hit.excerpt
    assert hit.excerpt.startswith("…word")
    assert hit.excerpt.endswith("…")
    assert len(hit.excerpt) <= 122


def test_plain_text_has_no_markup() -> None:
    markdown = (
        "# Title\n\n## Part\n\n![The window](pictures/reading.png)\n\nSee [pages](worklist.md), [home](https://x.org) and **bold** "
        "or *light*: `a **b** c`.\n\n    hyrisk score *.dcm\n\n| one | two |\n|---|---|\n| `x` | y |\n"
    )
    assert plain_text(markdown).splitlines() == [
        "Title", "=====", "", "Part", "----", "", "Picture: The window", "",
        "See pages (hyrisk help worklist), home (https://x.org) and bold or light: a **b** c.", "",
        "    hyrisk score *.dcm", "", "one | two", "x | y",
    ]  # fmt: skip


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.topic)
def test_no_page_leaves_markup_in_its_plain_text(page: Page) -> None:
    text = re.sub(r"^    .*$", "", plain_text(page.text), flags=re.MULTILINE)
    assert "](" not in text
    assert "**" not in text
    assert "](" not in without_links(page.text)


def test_a_page_that_is_missing_is_one_sentence(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("hyrisk_desktop.manual.resources_dir", lambda: tmp_path)
    with pytest.raises(HyRiskError, match="install the program again"):
        read_pages()


def test_an_installed_program_finds_its_pages(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A wheel has the resources within the package (pyproject's force-include), a checkout beside it."""
    package = tmp_path / "hyrisk_desktop"
    (package / "resources" / "help").mkdir(parents=True)
    (package / "resources" / "help" / "index.md").write_text("# Elsewhere\n")
    monkeypatch.setattr(paths, "__file__", str(package / "paths.py"))
    assert [page.title for page in read_pages()] == ["Elsewhere"]
    assert 'resources = "hyrisk_desktop/resources"' in (ROOT / "pyproject.toml").read_text(encoding="utf-8")


# --- hyrisk help


def run(*words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "hyrisk_desktop.cli", "help", *words]
    return subprocess.run(command, capture_output=True, text=True, encoding="utf-8", timeout=PATIENCE_S)


def test_help_lists_prints_and_refuses() -> None:
    listed = run()
    assert listed.returncode == 0
    assert [line.split()[0] for line in listed.stdout.splitlines()] == [page.topic for page in PAGES]
    printed = run("tutorial")
    assert printed.returncode == 0
    assert printed.stdout.rstrip() == plain_text(find_page(PAGES, "tutorial").text).rstrip()
    wrong = run("worklst")
    assert (wrong.returncode, wrong.stdout) == (2, "")
    assert wrong.stderr.strip() == "The manual has no page “worklst”; the nearest: worklist."


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_on_a_terminal_the_page_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = Terminal()
    monkeypatch.setattr(sys, "stdout", screen)
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.delenv("NO_COLOR", raising=False)
    help_("batch")
    text = screen.getvalue()
    assert "\x1b[" in text, "set with rich"
    assert "Scoring a whole folder" in text
    assert "**" not in text
    assert "](" not in text
