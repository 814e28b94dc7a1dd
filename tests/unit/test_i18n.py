"""What people read is in their language, with its numbers and dates; what machines read stays English."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from copy import deepcopy
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest
from babel.messages.catalog import Catalog
from babel.messages.mofile import write_mo

from hyrisk_desktop import i18n
from hyrisk_desktop.i18n import (
    day_text,
    decimal,
    english,
    for_machines,
    install_language,
    listed,
    moment_text,
    said,
    tr,
    trn,
    typeset,
)

MOMENT = datetime(2031, 2, 3, 14, 5)


@pytest.fixture
def german(tmp_path: Path) -> Iterator[None]:
    """A catalogue of a few German sentences."""
    catalog = Catalog("de")
    catalog.add("Slice increment {mm:.2f} mm, {n} slices", "{n} Schichten, Abstand {mm:.2f} mm")
    catalog.add(("{n} exam", "{n} exams"), ("{n} Untersuchung", "{n} Untersuchungen"))
    catalog.add("withheld: {why}", "zurückgehalten: {why}")
    catalog.add("no heart", "kein Herz")
    catalog.add(".", ",", context="decimal mark")
    catalog.add("%Y-%m-%d", "%d.%m.%Y", context="date")
    folder = tmp_path / "locale" / "de" / "LC_MESSAGES"
    folder.mkdir(parents=True)
    with (folder / "hyrisk.mo").open("wb") as stream:
        write_mo(stream, catalog)
    install_language(tmp_path / "locale", "de")
    yield
    install_language(tmp_path / "locale", "en")


def test_numbers_of_a_sentence_are_written_as_its_language_writes_them(german: None) -> None:
    text = tr("Slice increment {mm:.2f} mm, {n} slices", mm=2.5, n=1000)
    assert text == "1000 Schichten, Abstand 2,50 mm"
    assert english(text) == "Slice increment 2.50 mm, 1000 slices"
    assert (
        tr("Slice increment {mm:.2f} mm, {n} slices", mm=np.float32(2.5), n=np.int64(3))
        == "3 Schichten, Abstand 2,50 mm"
    )
    assert decimal(-1234.56, "+.1f") == "-1234,6"
    assert english(decimal(-1234.56, "+.1f")) == "-1234.6"
    assert typeset(-1234.56, "+.1f") == "−1234,6"
    assert english(typeset(-1234.56, "+.1f")) == "−1234.6"
    # What a value already says is not a number: versions and addresses keep their points.
    assert tr("withheld: {why}", why="1.2.840 at 10.0.0.1") == "zurückgehalten: 1.2.840 at 10.0.0.1"


def test_things_in_a_row_keep_their_english(german: None) -> None:
    row = listed([tr("no heart"), "CT"])
    assert (row, english(row)) == ("kein Herz, CT", "no heart, CT")
    with for_machines():
        assert listed([row, "x"]) == "no heart, CT, x"


def test_english_numbers_keep_their_point() -> None:
    assert decimal(2.5, ".2f") == "2.50"
    assert typeset(-2.5, ".2f") == "−2.50"
    assert tr("Slice increment {mm:.2f} mm, {n} slices", mm=2.5, n=7) == "Slice increment 2.50 mm, 7 slices"


@pytest.mark.parametrize(
    ("n", "english_text", "german_text"),
    [(0, "0 exams", "0 Untersuchungen"), (1, "1 exam", "1 Untersuchung"), (2, "2 exams", "2 Untersuchungen")],
)
def test_one_is_singular(n: int, english_text: str, german_text: str, german: None) -> None:
    assert trn("{n} exam", "{n} exams", n) == german_text
    with for_machines():
        assert trn("{n} exam", "{n} exams", n) == english_text


def test_days_and_moments(german: None) -> None:
    assert day_text("20310203") == "03.02.2031"
    assert moment_text(MOMENT) == "03.02.2031 14:05"
    with for_machines():
        assert day_text("20310203") == "2031-02-03"
        assert moment_text(MOMENT) == "2031-02-03 14:05"


@pytest.mark.parametrize("text", ["", "unknown", "2031020", "203102031", "２０３１０２０３", "2031-2-3"])
def test_what_is_no_day_stays_as_it_is(text: str) -> None:
    assert day_text(text) == text


def test_a_day_in_english() -> None:
    assert day_text("20310203") == "2031-02-03"


def test_sentences_within_sentences_are_english_for_machines(german: None) -> None:
    why = tr("no heart")
    text = tr("withheld: {why}", why=why)
    assert (text, english(text)) == ("zurückgehalten: kein Herz", "withheld: no heart")
    with for_machines():
        assert tr("withheld: {why}", why=why) == "withheld: no heart"
        assert said(text) == "withheld: no heart"
    assert said(text) == text


def test_joined_sentences_know_their_english(german: None) -> None:
    joined = "▲ " + tr("no heart") + ". " + tr("no heart")
    assert joined == "▲ kein Herz. kein Herz"
    assert english(joined) == "▲ no heart. no heart"
    assert english(tr("no heart") + "!") == "no heart!"


def test_sentences_are_copied_and_pickled_with_their_english(german: None) -> None:
    text = tr("no heart")
    for copied in (pickle.loads(pickle.dumps(text)), deepcopy(text)):
        assert (copied, english(copied)) == ("kein Herz", "no heart")


def test_english_is_for_the_block_only_and_ends_with_an_error(german: None) -> None:
    with pytest.raises(ZeroDivisionError), for_machines():
        decimal(1 / 0, ".1f")
    assert not i18n.is_english()
    assert tr("no heart") == "kein Herz"


def test_braces_of_texts_without_values_stay(german: None) -> None:
    assert tr("{n} ?") == "{n} ?"
