"""The window in each language: its words, numbers and dates, and room for all of them."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from string import ascii_lowercase

import pytest
from PySide6.QtWidgets import QAbstractButton, QApplication, QLabel, QListWidget, QToolButton, QWidget
from pytestqt.qtbot import QtBot

from hyrisk_desktop.gui.export.dialog import ExportReadingDialog
from hyrisk_desktop.gui.letters import letter_of
from hyrisk_desktop.gui.local_axis import local_axes
from hyrisk_desktop.gui.models.dialog import ModelsDialog
from hyrisk_desktop.gui.panels.risk_panel import RiskPanel
from hyrisk_desktop.gui.preferences.dialog import SettingsDialog
from hyrisk_desktop.gui.viewer.display import Plane
from hyrisk_desktop.settings import Settings
from tests.gui.conftest import Program
from tests.helpers.languages import LANGUAGES, speaking
from tests.helpers.volumes import HEART_CENTRE, block_volume, box

CX, CY, CZ = HEART_CENTRE
SAID = {
    "de": {
        "title": "Gesamtmortalitätsrisiko",
        "to": " bis ",
        "mark": ",",
        "day": "17.06.2018",
        "settings": "Befundung",
    },
    "zh_CN": {"title": "全因死亡风险", "to": " 至 ", "mark": ".", "day": "2018-06-17", "settings": "判读"},
}


@pytest.fixture(params=LANGUAGES, autouse=True)
def language(request: pytest.FixtureRequest) -> Iterator[str]:
    """Installed before the window is built, and English again after it is gone."""
    with speaking(request.param):
        yield request.param


def cut(window: QWidget) -> list[str]:
    """What is wider than its room, of what is in sight and does not wrap."""
    shown = [w for w in (*window.findChildren(QLabel), *window.findChildren(QAbstractButton)) if w.isVisible()]
    return [
        f"{w.objectName()}: {w.text()} ({w.sizeHint().width()} > {w.width()})"
        for w in shown
        if w.text() and not (isinstance(w, QLabel) and w.wordWrap()) and w.sizeHint().width() > w.width() + 1
    ]


def read(program: Program) -> None:
    """An exam with two lesions and a date, read."""
    lesions = [(box((CX, CY, CZ), (4, 4, 1)), 350), (box((CX + 15, CY + 6, CZ), (4, 4, 1)), 450)]
    volume = block_volume(lesions)
    program.show(dataclasses.replace(volume, attributes={**volume.attributes, "StudyDate": "20180617"}))
    program.session.place_centre(HEART_CENTRE)
    program.session.set_grade(2)
    program.wait_for_risk()


def test_a_reading_is_in_the_readers_language_and_nothing_is_cut(ready: Program, language: str) -> None:
    said, window = SAID[language], ready.window
    window.resize(1280, 720)
    read(ready)
    ready.wait(lambda: said["to"] in ready.text("riskInterval") or ready.session.risk_standing.withheld)
    assert window.findChild(RiskPanel).title().startswith(said["title"])
    number = ready.text("agatstonValue")
    assert said["mark"] in number
    assert float(number.replace(",", ".")) == pytest.approx(ready.session.scores.agatston, abs=0.05)  # type: ignore[union-attr]
    assert said["day"] in ready.window.desk.views[Plane.AXIAL].annotations.top_right
    ready.qtbot.wait(1)
    assert cut(window) == []


def test_every_menu_and_button_of_the_window_has_a_letter(ready: Program) -> None:
    menus = [action.text() for action in ready.window.menuBar().actions() if action.isVisible()]
    letters = [letter_of(text) for text in menus]
    assert all(letter in ascii_lowercase for letter in letters)
    assert len(set(letters)) == len(letters) > 5


def test_the_settings_have_room_for_their_words(qtbot: QtBot, qapp: QApplication, language: str) -> None:
    dialog = SettingsDialog(Settings(None))
    qtbot.addWidget(dialog)
    dialog.show()
    qtbot.waitExposed(dialog)
    pages = dialog.findChild(QListWidget)
    assert pages is not None
    assert pages.item(0).text() == SAID[language]["settings"]
    for page in range(pages.count()):
        pages.setCurrentRow(page)
        assert cut(dialog) == [], pages.item(page).text()


def test_every_button_of_a_dialog_has_a_latin_letter(ready: Program) -> None:
    read(ready)
    for key, kind in (("show_settings", SettingsDialog), ("show_models", ModelsDialog), ("export_reading", ExportReadingDialog)):  # fmt: skip
        ready.window.commands.run(key)
        ready.wait(lambda kind=kind: any(isinstance(d, kind) and d.isVisible() for d in QApplication.topLevelWidgets()))  # type: ignore[misc]
        dialog = next(d for d in QApplication.topLevelWidgets() if isinstance(d, kind) and d.isVisible())
        texts = [b.text() for b in dialog.findChildren(QAbstractButton) if b.text() and not isinstance(b, QToolButton)]
        assert texts
        ready.qtbot.wait(1)
        assert [t for t in texts if not letter_of(t) or letter_of(t) not in ascii_lowercase] == []
        assert cut(dialog) == []
        dialog.close()


def test_axes_of_plots_have_the_languages_decimals(qapp: QApplication, language: str) -> None:
    mark = SAID[language]["mark"]
    assert local_axes()["left"].tickStrings([0.5, 1.5], 1.0, 0.5) == [f"0{mark}5", f"1{mark}5"]
