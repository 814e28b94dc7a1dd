"""Both themes can be read, texts grow, and a notebook's screen holds what a reading needs."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from PySide6.QtCore import QPoint
from PySide6.QtGui import QColor, QPalette
from PySide6.QtWidgets import QApplication, QLabel, QTabWidget, QToolButton, QWidget

from hyrisk_desktop.gui.appearance import (
    DARK,
    LIGHT,
    THEMES,
    apply_appearance,
    colour,
    contrast,
    legible,
    scaled,
    style_sheet,
)
from hyrisk_desktop.gui.overlay import EXCLUDED_COLOUR, VESSEL_COLOURS, WEIGHT_COLOURS
from hyrisk_desktop.gui.panels.grade_panel import GradePanel
from hyrisk_desktop.gui.panels.reading_panel import PANEL_WIDTH
from hyrisk_desktop.gui.retrain.plots import LOOKS, look_of, roc_plot, unit_colour
from hyrisk_desktop.gui.worklist.dialogs.agreement_parts import BlandAltmanPlot
from hyrisk_desktop.paths import resources_dir
from hyrisk_desktop.settings import Settings
from tests.gui.conftest import Program
from tests.helpers.volumes import HEART_CENTRE, block_volume

AA, AA_LARGE, AA_PARTS = 4.5, 3.0, 3.0
GROUNDS = ("window", "panel", "box", "field", "button", "button_hover", "off")
TEXTS = ("text", "strong", "quiet", "link", "warning", "withheld", "bad", "good", "begun", "beyond", "proposed")


@pytest.fixture
def appearance(qapp: QApplication) -> Iterator[QApplication]:
    """The application, which looks as before afterwards."""
    yield qapp
    apply_appearance(qapp, Settings(None))


def test_contrast_is_that_of_wcag() -> None:
    assert contrast(QColor("#000000"), QColor("#ffffff")) == pytest.approx(21.0)
    assert contrast(QColor("#777777"), QColor("#ffffff")) == pytest.approx(4.48, abs=0.005)
    assert contrast(QColor("#ffffff"), QColor("#767676")) == pytest.approx(4.54, abs=0.005)


@pytest.mark.parametrize("name", THEMES)
def test_every_text_stands_out_from_every_ground(name: str) -> None:
    colours = {key: QColor(value) for key, value in THEMES[name].items()}
    pairs = [(text, ground) for text in TEXTS for ground in GROUNDS]
    pairs += [
        ("on_selection", "selection"),
        ("on_selection", "alarm"),
        ("strong", "chosen"),
        ("text", "progress"),
        ("text", "code"),
        ("text", "found"),
    ]
    poor = [
        (a, b, round(contrast(colours[a], colours[b]), 2)) for a, b in pairs if contrast(colours[a], colours[b]) < AA
    ]
    assert poor == []
    # What has to be seen and not read: the edge of a check box, the frame of what has the keyboard, a bar on its track.
    parts = (("field_edge", "field"), ("accent", "field"), ("accent", "box"), ("focus", "box"), ("accent", "track"))
    dim = [
        (a, b, round(contrast(colours[a], colours[b]), 2))
        for a, b in parts
        if contrast(colours[a], colours[b]) < AA_PARTS
    ]
    assert dim == []


def test_both_themes_have_the_same_colours_and_the_sheet_names_no_other() -> None:
    assert DARK.keys() == LIGHT.keys()
    sheet = (resources_dir() / "style" / "window.qss").read_text(encoding="utf-8")
    assert set(re.findall(r"@(\w+)", sheet)) <= DARK.keys()
    assert not re.findall(r":[^;{}]*#[0-9a-fA-F]{3,8}\b", sheet), "a colour that no theme knows"


def test_a_style_sheet_takes_its_colours_and_grows() -> None:
    template = "A { color: @text; font-size: 13px; min-height: 50px; border: 1px solid @line; padding: 4px }"
    assert style_sheet(template, {"text": "#111", "line": "#222"}, 1.5) == (
        "A { color: #111; font-size: 20px; min-height: 75px; border: 1px solid #222; padding: 4px }"
    )
    with pytest.raises(KeyError):
        style_sheet("A { color: @nothing }", {}, 1.0)


def test_the_settings_choose_theme_and_size(appearance: QApplication) -> None:
    settings = Settings(None)
    for theme, ground in (("light", LIGHT["panel"]), ("dark", DARK["panel"])):
        settings["theme"] = theme
        apply_appearance(appearance, settings)
        assert appearance.palette().color(QPalette.ColorRole.Window) == QColor(ground)
        assert colour("panel") == QColor(ground)
    assert (scaled(13), scaled(460)) == (13, 460)
    settings["text_size"] = 150
    apply_appearance(appearance, settings)
    assert (scaled(13), scaled(460)) == (20, 690)
    assert "font-size: 20px" in appearance.styleSheet()


def test_a_larger_text_of_the_system_is_followed_and_a_smaller_one_is_not(appearance: QApplication) -> None:
    own = appearance.property("systemTextPx")
    try:
        for px, expected in ((9, 100), (13, 100), (26, 200)):
            appearance.setProperty("systemTextPx", px)
            apply_appearance(appearance, Settings(None))
            assert scaled(100) == expected
    finally:
        appearance.setProperty("systemTextPx", own)


@pytest.mark.parametrize("theme", THEMES)
def test_colours_of_the_images_can_be_read_in_tables(appearance: QApplication, theme: str) -> None:
    settings = Settings(None)
    settings["theme"] = theme
    apply_appearance(appearance, settings)
    for wanted in (*WEIGHT_COLOURS, *VESSEL_COLOURS.values(), EXCLUDED_COLOUR):
        found = legible(wanted)
        assert contrast(found, colour("field")) >= AA
        assert abs(found.hue() - QColor(*wanted).hue()) <= 3, "it is still the same colour"


@pytest.mark.parametrize("theme", THEMES)
def test_curves_can_be_told_from_the_ground_of_their_plot(appearance: QApplication, theme: str) -> None:
    settings = Settings(None)
    settings["theme"] = theme
    apply_appearance(appearance, settings)
    roc, units = roc_plot(), tuple(f"fold-{n}" for n in range(10))
    altman = BlandAltmanPlot()
    for plot in (roc, altman):
        assert plot.backgroundBrush().color() == colour("field")
        for side in ("left", "bottom"):
            axis = plot.getPlotItem().getAxis(side)
            assert contrast(axis.textPen().color(), colour("field")) >= AA
    hues = [look_of(key).colour for key in (*LOOKS, "another")] + [unit_colour(unit, units) for unit in units]
    assert all(contrast(hue, colour("field")) >= AA for hue in hues)
    for plot in (roc, altman):
        plot.close()


def test_large_texts_leave_the_grades_words_whole(appearance: QApplication, ready: Program) -> None:
    settings = Settings(None)
    settings["text_size"] = 150
    apply_appearance(appearance, settings)
    panel = GradePanel(ready.session)
    ready.qtbot.addWidget(panel)
    panel.set_compact(True)
    # What 1280 pixels of a window leave it.
    panel.resize(562, 60)
    panel.show()
    ready.qtbot.waitExposed(panel)
    for button in panel.findChildren(QToolButton):
        if button.objectName().startswith("grade") and button.isVisible():
            words = button.fontMetrics().horizontalAdvance(button.text())
            assert button.width() >= words + 6, button.text()


def inside(window: QWidget, name: str) -> bool:
    """Whether a label is in sight, whole."""
    label = window.findChild(QLabel, name)
    assert label is not None, name
    panel = window.findChild(QWidget, "readingScroll")
    assert panel is not None
    corner = label.mapTo(panel, label.rect().topLeft())
    return label.isVisible() and corner.y() >= 0 and corner.y() + label.height() <= panel.height()


NUMBERS = (
    "riskValue", "riskInterval", "riskPercentile", "risknetValue", "agatstonValue", "agatstonCategory", "volumeValue", "sqrtVolumeValue",
)  # fmt: skip


def test_a_notebook_holds_all_numbers_without_scrolling(ready: Program) -> None:
    ready.window.resize(1280, 720)
    ready.show(block_volume())
    ready.session.place_centre(HEART_CENTRE)
    ready.session.set_grade(2)
    ready.wait_for_risk()
    panel = ready.window.reading_panel
    ready.wait(lambda: panel.compact)
    for per_vessel in (False, True):
        ready.window.grade_panel.vessels.setVisible(per_vessel)
        ready.wait(lambda: all(inside(ready.window, name) for name in NUMBERS))
        ready.wait(lambda: panel.verticalScrollBar().maximum() == 0)
    findings = ready.window.findChild(QWidget, "findingsList")
    assert findings is not None
    assert findings.isVisible()
    images = ready.window.desk.width() * ready.window.desk.height()
    assert images >= 0.5 * ready.window.width() * ready.window.height()


def test_the_whole_heart_comes_to_the_front_and_goes_again(ready: Program) -> None:
    ready.window.resize(1280, 720)
    ready.show(block_volume())
    panel, tabs = ready.window.reading_panel, ready.window.findChild(QTabWidget, "readingTabs")
    assert tabs is not None
    ready.wait(lambda: panel.compact)
    titles = [tabs.tabText(i) for i in range(tabs.count()) if tabs.isTabVisible(i)]
    assert titles == ["Findings", "Lesions"]
    ready.session.place_centre(HEART_CENTRE)
    ready.session.edit(whole_heart=True)
    ready.wait(lambda: tabs.tabText(tabs.currentIndex()) == "Whole heart" and inside(ready.window, "wholeHeartValue"))
    ready.session.edit(whole_heart=False)
    ready.wait(lambda: tabs.tabText(tabs.currentIndex()) == "Findings")


def test_a_tall_window_shows_everything_one_below_the_other(ready: Program) -> None:
    ready.window.resize(1500, 1100)
    ready.show(block_volume())
    panel, table = ready.window.reading_panel, ready.window.findChild(QWidget, "lesionTable")
    assert table is not None
    ready.wait(lambda: not panel.compact)
    assert table.isVisible()
    assert not panel.tabs.isVisible()
    ready.window.resize(1500, 720)
    ready.wait(lambda: panel.compact)
    assert not table.isVisible()
    ready.window.resize(1500, 1100)
    ready.wait(lambda: not panel.compact and table.isVisible())
    findings = ready.window.findChild(QWidget, "findingsList")
    grade, risk = ready.window.grade_panel, ready.window.findChild(QLabel, "riskValue")
    assert findings is not None
    assert risk is not None
    order = [widget.mapTo(ready.window, QPoint()).y() for widget in (grade, risk, findings, table)]
    assert order == sorted(order), "each is back in its place"
    assert panel.width() == PANEL_WIDTH
