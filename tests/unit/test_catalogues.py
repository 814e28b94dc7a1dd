"""Every text of the program is in every language, with its fields."""

from __future__ import annotations

import ast
import gettext
import importlib
import io
import sys
from collections.abc import Iterator
from pathlib import Path
from string import Formatter
from types import ModuleType

import pytest
from babel.messages.catalog import Catalog, Message

from model_training.__main__ import _parser
from tests.helpers.languages import speaking

PACKAGING = Path(__file__).resolve().parents[2] / "packaging"
LANGUAGES = ("de", "zh_CN")


@pytest.fixture(scope="module")
def catalogues() -> Iterator[ModuleType]:
    """`packaging/catalogues.py`."""
    sys.path.insert(0, str(PACKAGING))
    yield importlib.import_module("catalogues")
    sys.path.remove(str(PACKAGING))


@pytest.fixture(scope="module")
def texts(catalogues: ModuleType) -> Catalog:
    return catalogues.collected()


@pytest.fixture(scope="module", params=LANGUAGES)
def catalogue(request: pytest.FixtureRequest, catalogues: ModuleType) -> Path:
    return catalogues.LOCALE / request.param / "LC_MESSAGES" / "hyrisk.po"


@pytest.fixture(scope="module")
def language(catalogue: Path, catalogues: ModuleType, texts: Catalog) -> Catalog:
    return catalogues.brought_up_to_date(catalogue, texts)


def fields(text: str) -> list[tuple[str, str | None, str | None]]:
    """The fields of a text, each with how it is written; in any order, as each language has its own."""
    return sorted((name, spec, how) for _, name, spec, how in Formatter().parse(text) if name is not None)


def sides(message: Message) -> Iterator[tuple[str, str]]:
    """Each text with its translation; plural forms with the form that says how many."""
    if isinstance(message.id, str):
        yield message.id, str(message.string)
    else:
        yield from ((message.id[-1], form) for form in message.string)


def test_the_help_of_every_option_is_a_text_of_the_catalogues() -> None:
    root = PACKAGING.parent
    files = [*(root / "hyrisk_desktop" / "cli").glob("*.py"), *(root / "model_training").rglob("*.py")]
    plain = [
        f"{path.relative_to(root)}:{keyword.value.lineno}"
        for path in files
        for call in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(call, ast.Call)
        for keyword in call.keywords
        if keyword.arg == "help" and isinstance(keyword.value, ast.Constant | ast.JoinedStr)
    ]
    assert not plain, "put these through tr()"


def test_the_training_commands_explain_themselves_in_the_readers_language(capsys: pytest.CaptureFixture[str]) -> None:
    with speaking("de"), pytest.raises(SystemExit):
        _parser().parse_args(["train", "--help"])
    said = capsys.readouterr().out
    assert "Eingabegröße in Pixeln" in said
    # argparse fills in its own fields.
    assert "(Standard: 20)" in said


def test_all_languages_are_there(catalogues: ModuleType) -> None:
    assert tuple(path.parents[1].name for path in catalogues.languages()) == LANGUAGES


def test_the_template_is_what_the_code_says(catalogues: ModuleType, texts: Catalog) -> None:
    assert catalogues.POT.read_bytes() == catalogues.as_po(texts), "run: python packaging/catalogues.py"


def test_the_catalogue_is_up_to_date(catalogue: Path, catalogues: ModuleType, language: Catalog) -> None:
    assert catalogue.read_bytes() == catalogues.as_po(language), "run: python packaging/catalogues.py"


def test_what_the_program_reads_is_what_translators_wrote(
    catalogue: Path, catalogues: ModuleType, language: Catalog
) -> None:
    with catalogue.with_suffix(".mo").open("rb") as stream:
        read = gettext.GNUTranslations(stream)
    assert read._catalog == gettext.GNUTranslations(io.BytesIO(catalogues.as_mo(language)))._catalog  # type: ignore[attr-defined]


def test_nothing_is_missing(catalogues: ModuleType, language: Catalog) -> None:
    assert catalogues.missing(language) == []
    assert not [m.id for m in language if m.id and m.fuzzy]


def test_translations_have_the_fields_of_their_text(language: Catalog) -> None:
    wrong = [(text, said) for m in language if m.id for text, said in sides(m) if fields(text) != fields(said)]
    assert wrong == []


def test_translations_end_and_begin_lines_where_their_text_does(language: Catalog) -> None:
    wrong = [(text, said) for m in language if m.id for text, said in sides(m) if text.count("\n") != said.count("\n")]
    assert wrong == []


def test_numbers_and_days_are_written_as_people_do(catalogue: Path, language: Catalog) -> None:
    found = {
        context: language.get(text, context).string for context, text in (("decimal mark", "."), ("date", "%Y-%m-%d"))
    }
    wanted = {"de": {"decimal mark": ",", "date": "%d.%m.%Y"}, "zh_CN": {"decimal mark": ".", "date": "%Y-%m-%d"}}
    assert found == wanted[catalogue.parents[1].name]


def test_a_sentence_that_is_only_similar_is_not_taken(catalogues: ModuleType, tmp_path: Path) -> None:
    texts, path = Catalog(), tmp_path / "de" / "LC_MESSAGES" / "hyrisk.po"
    texts.add("The exam can't be sent; try again.")
    path.parent.mkdir(parents=True)
    path.write_text('msgid "The exam can\'t be read; try again."\nmsgstr "Nicht lesbar."\n')
    assert catalogues.missing(catalogues.brought_up_to_date(path, texts)) == ["The exam can't be sent; try again."]


# --- the collector itself


@pytest.mark.parametrize(
    ("code", "found"),
    [
        ("tr('a')", ["a"]),
        ("tr('a' 'b')", ["ab"]),
        ("f'{tr(\"inside\")} x'", ["inside"]),
        ("trn('{n} exam', '{n} exams', 3)", [("{n} exam", "{n} exams")]),
        ("trc('date', '%Y')", ["%Y"]),
        ("str('a')", []),
    ],
)
def test_what_is_collected(
    code: str, found: list[object], catalogues: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "room").mkdir()
    (tmp_path / "room" / "a.py").write_text(code)
    monkeypatch.setattr(catalogues, "ROOT", tmp_path)
    monkeypatch.setattr(catalogues, "SOURCES", ("room",))
    assert [m.id for m in catalogues.collected() if m.id] == found


@pytest.mark.parametrize("code", ["tr(text)", "tr(f'{x}')", "tr('a' + b)", "trn('one', many, 3)", "tr()", "tr(3)"])
def test_texts_that_no_catalogue_can_hold_are_refused(
    code: str, catalogues: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ast.parse(code)
    (tmp_path / "room").mkdir()
    (tmp_path / "room" / "a.py").write_text(code)
    monkeypatch.setattr(catalogues, "ROOT", tmp_path)
    monkeypatch.setattr(catalogues, "SOURCES", ("room",))
    with pytest.raises(SystemExit, match=r"room/a.py:1"):
        catalogues.collected()
