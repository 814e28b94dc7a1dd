"""The catalogues of the program's texts, made again from the code.

    python packaging/catalogues.py

Collects what the code words into resources/locale/hyrisk.pot, brings each language's hyrisk.po up to date with it, compiles what the
program reads (hyrisk.mo), and says how much each language lacks. A new language begins as a folder with an empty
LC_MESSAGES/hyrisk.po. Needs Babel, which the test tools have.
"""

from __future__ import annotations

import ast
import io
from datetime import UTC, datetime
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po

ROOT = Path(__file__).resolve().parents[1]
LOCALE = ROOT / "resources" / "locale"
POT = LOCALE / "hyrisk.pot"
SOURCES = ("hyrisk_desktop", "model_training")
# How many of a call's arguments are texts, and whether the first of them is the context of the other.
CALLS = {"tr": 1, "trn": 2, "trc": 2}
# The same texts are to make the same files, whenever that is.
WHEN = datetime(2026, 11, 30, tzinfo=UTC)


def collected() -> Catalog:
    """All texts of the code, each with the files that say it.

    Raises:
        SystemExit: a text is put together where it is translated, so that no catalogue can hold it.
    """
    found = Catalog(fuzzy=False)
    describe(found)
    for source in SOURCES:
        for path in sorted((ROOT / source).rglob("*.py")):
            name = path.relative_to(ROOT).as_posix()
            # By the syntax tree, as Babel's own reader does not look into f-strings.
            for call in sorted(wordings(ast.parse(path.read_bytes())), key=lambda call: (call.lineno, call.col_offset)):
                function = called(call)
                texts = [a.value for a in call.args[: CALLS[function]] if isinstance(a, ast.Constant)]
                if len(texts) < CALLS[function] or not all(isinstance(text, str) for text in texts):
                    raise SystemExit(f"{name}:{call.lineno}: the text is not written out here")
                text, context = (
                    (texts[1], texts[0]) if function == "trc" else (texts[0] if len(texts) == 1 else tuple(texts), None)
                )
                found.add(text, locations=[(name, call.lineno)], context=context)
    return found


def wordings(tree: ast.AST) -> list[ast.Call]:
    """The calls that word something."""
    return [node for node in ast.walk(tree) if isinstance(node, ast.Call) and called(node) in CALLS]


def called(call: ast.Call) -> str:
    """The function's name, whatever it is taken from."""
    return call.func.id if isinstance(call.func, ast.Name) else getattr(call.func, "attr", "")


def languages() -> tuple[Path, ...]:
    """The catalogue of each language."""
    return tuple(sorted(LOCALE.glob("*/LC_MESSAGES/hyrisk.po")))


def brought_up_to_date(path: Path, texts: Catalog) -> Catalog:
    """A language's catalogue with what the code words now. Sentences that are only similar are not taken for each other."""
    with path.open("rb") as stream:
        catalog = read_po(stream, locale=path.parents[1].name, abort_invalid=True)
    catalog.update(texts, no_fuzzy_matching=True)
    catalog.fuzzy = False
    describe(catalog)
    return catalog


def describe(catalog: Catalog) -> None:
    """The head of its file, the same whoever makes it and when."""
    catalog.header_comment = (
        "# Texts of HyRisk Desktop; made by packaging/catalogues.py, under the licence of the program."
    )
    catalog.project, catalog.version = "HyRisk Desktop", "1"
    catalog.creation_date = catalog.revision_date = WHEN
    catalog.msgid_bugs_address = catalog.last_translator = catalog.language_team = ""


def as_po(catalog: Catalog) -> bytes:
    """A catalogue as translators edit it; without numbers of lines, which every edit above them would change."""
    stream = io.BytesIO()
    write_po(stream, catalog, width=120, include_lineno=False, ignore_obsolete=True)
    return stream.getvalue()


def as_mo(catalog: Catalog) -> bytes:
    """A catalogue as the program reads it."""
    stream = io.BytesIO()
    write_mo(stream, catalog)
    return stream.getvalue()


def missing(catalog: Catalog) -> list[str]:
    """What has no translation."""
    texts = (m for m in catalog if m.id)
    return [str(m.id) for m in texts if not all(m.string if isinstance(m.string, tuple | list) else (m.string,))]


def main() -> None:
    texts = collected()
    LOCALE.mkdir(exist_ok=True)
    POT.write_bytes(as_po(texts))
    print(f"{len(texts)} texts in {POT.relative_to(ROOT)}")
    for path in languages():
        catalog = brought_up_to_date(path, texts)
        path.write_bytes(as_po(catalog))
        path.with_suffix(".mo").write_bytes(as_mo(catalog))
        lacks = missing(catalog)
        print(f"{path.parents[1].name}: lacks {len(lacks)}" + "".join(f"\n  {text}" for text in lacks[:20]))


if __name__ == "__main__":
    main()
