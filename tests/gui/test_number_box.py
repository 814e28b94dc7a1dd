"""A number that is typed is the number that is kept, whichever decimal mark the reader's hand knows."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from PySide6.QtCore import QLocale, Qt
from PySide6.QtTest import QTest
from pytestqt.qtbot import QtBot

from hyrisk_desktop.gui.number_box import NumberBox

GUI = Path(__file__).parents[2] / "hyrisk_desktop" / "gui"


@pytest.fixture(params=["C", "de", "zh_CN"])
def mark(request: pytest.FixtureRequest) -> Iterator[str]:
    """Of a language, which is the window's as `app` makes it so."""
    before = QLocale()
    locale = QLocale.c() if request.param == "C" else QLocale(request.param)
    locale.setNumberOptions(QLocale.NumberOption.OmitGroupSeparator)
    QLocale.setDefault(locale)
    yield locale.decimalPoint()
    QLocale.setDefault(before)


def typed(qtbot: QtBot, text: str, *, high: float = 3.0, suffix: str = "", special: str = "") -> NumberBox:
    box = NumberBox()
    box.setRange(-0.25 if special == "–" else 0.0, high)
    box.setDecimals(2)
    box.setSuffix(suffix)
    box.setSpecialValueText(special)
    qtbot.addWidget(box)
    box.show()
    box.selectAll()
    QTest.keyClicks(box, text)
    QTest.keyClick(box, Qt.Key.Key_Return)
    return box


@pytest.mark.parametrize(
    ("text", "value"), [("2.5", 2.5), ("2,5", 2.5), ("0.25", 0.25), ("0,25", 0.25), (",5", 0.5), ("3", 3.0)]
)
def test_point_and_comma_are_one_mark(mark: str, qtbot: QtBot, text: str, value: float) -> None:
    box = typed(qtbot, text, special="–")
    assert box.value() == value
    assert box.text() == f"{value:.2f}".replace(".", mark)


@pytest.mark.parametrize("text", ["2.5", "2,5"])
def test_a_share_in_percent_is_not_ten_times_as_large(mark: str, qtbot: QtBot, text: str) -> None:
    box = typed(qtbot, text, high=99.0, suffix=" %", special="the model's own, if it says so.")
    assert box.value() == 2.5
    assert box.text() == f"2{mark}50 %"


def test_a_second_mark_is_not_taken(mark: str, qtbot: QtBot) -> None:
    assert typed(qtbot, "1.2,5", high=99.0).value() == 1.25


def test_what_stands_for_no_number_stays(mark: str, qtbot: QtBot) -> None:
    box = typed(qtbot, "1,5", special="a, b.")
    box.setValue(box.minimum())
    assert box.text() == "a, b."
    box.interpretText()
    assert (box.value(), box.text()) == (box.minimum(), "a, b.")


def test_every_field_for_a_number_is_such_a_one() -> None:
    users = [path.name for path in GUI.rglob("*.py") if "QDoubleSpinBox" in path.read_text(encoding="utf-8")]
    assert users == ["number_box.py"]
