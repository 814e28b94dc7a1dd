"""Help > Manual: the window, and that its pages name only menus, keys and pictures that there are."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from PIL import Image
from PySide6.QtCore import Qt, QUrl
from PySide6.QtGui import QDesktopServices, QTextImageFormat
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QDialog, QLineEdit, QListWidget, QPushButton, QWidget

from hyrisk_desktop.gui.actions import action_table
from hyrisk_desktop.gui.dialogs.manual import ManualWindow
from hyrisk_desktop.gui.dialogs.manual_page import load_pictures
from hyrisk_desktop.manual import PICTURE, manual_dir, read_pages
from tests.gui.conftest import Program
from tests.helpers.pictures import MOST_BYTES, taken
from tests.helpers.shortcuts_page import shortcuts_page
from tests.helpers.volumes import block_volume

ROOT = Path(__file__).resolve().parents[2]
PAGES = read_pages()
TEXTS = {**{page.topic: page.text for page in PAGES}, "README": (ROOT / "README.md").read_text(encoding="utf-8")}
KEY = re.compile(r"(?:(?:Ctrl|Alt|Shift)\+)*(?:[A-Z0-9?.]|F\d+|Enter|Esc|Tab|PgUp|PgDn|Home|End|Backspace|[←↑→↓])")
MENU = re.compile(r"\b(File|Read|Worklist|View|Tools|Help) > ([^*\n.,;:()]+)")
LEFT = Qt.MouseButton.LeftButton


def plain(text: str) -> str:
    return text.replace("&", "").rstrip("…")


def keys_of_the_table() -> set[str]:
    rows = {key.replace("Return", "Enter") for spec in action_table() for key in spec.shortcuts}
    return rows | {part for row in rows for part in re.split(r" / | ", row)}


# --- what the pages name


def test_the_page_of_keys_is_the_actions_table() -> None:
    written = (manual_dir() / "shortcuts.md").read_text(encoding="utf-8")
    assert written == shortcuts_page(), "write it again: python -m tests.helpers.shortcuts_page"


@pytest.mark.parametrize("name", TEXTS)
def test_every_menu_path_exists(name: str) -> None:
    for menu, item in MENU.findall(TEXTS[name]):
        found = [plain(s.text) for s in action_table() if s.key and plain(s.menu) == menu]
        assert any(text.startswith(item.strip()) for text in found), f"{menu} > {item}"


def test_menu_paths_are_looked_at() -> None:
    assert sum(len(MENU.findall(text)) for text in TEXTS.values()) > 40
    assert MENU.findall("**Tools > Models** shows") == [("Tools", "Models")]


@pytest.mark.parametrize("name", [name for name in TEXTS if name != "shortcuts"])
def test_every_key_exists(name: str) -> None:
    known = keys_of_the_table()
    for bold in re.findall(r"\*\*([^*]+)\*\*", TEXTS[name]):
        if KEY.fullmatch(bold):
            assert bold in known, bold


@pytest.mark.parametrize("name", TEXTS)
def test_a_key_beside_a_menu_path_is_its_own(name: str) -> None:
    for menu, item, key in re.findall(r"\*\*?(\w+) > ([^*]+)\*\*?\s+\(\*\*([^*]+)\*\*\)", TEXTS[name]):
        (spec,) = (s for s in action_table() if plain(s.menu) == menu and plain(s.text).startswith(item))
        assert key in spec.shortcuts, f"{menu} > {item}"


def test_every_picture_is_taken_by_a_story_and_small() -> None:
    named = {Path(target).stem for page in PAGES for _, target in PICTURE.findall(page.text)}
    assert {name for names in taken().values() for name in names} == named
    assert 8 <= len(named) <= 20
    for path in (manual_dir() / "pictures").iterdir():
        assert path.stat().st_size <= MOST_BYTES, path.name
        with Image.open(path) as image:
            assert image.width <= 1400, path.name
            assert not image.info, f"{path.name} tells nothing but what it shows"


def test_every_picture_says_that_it_is_synthetic() -> None:
    assert [what for page in PAGES for what, _ in PICTURE.findall(page.text) if "synthetic" not in what] == []


# --- the window


@pytest.mark.parametrize("key", ["show_pacs", "retrain", ""])
def test_f1_works_in_every_window(program: Program, key: str) -> None:
    if key:
        program.window.actions_by_key[key].trigger()
    other = program.window.findChild(QDialog) if key else program.window
    assert other is not None
    other.activateWindow()
    program.wait(other.isActiveWindow)
    QTest.keyClick(other, Qt.Key.Key_F1)
    assert program.window.findChild(ManualWindow) is not None


@pytest.fixture
def manual(program: Program) -> ManualWindow:
    program.window.commands.run("show_manual")
    window = program.window.findChild(ManualWindow)
    assert window is not None
    program.qtbot.waitExposed(window)
    program.wait(lambda: window.topic == "index")
    return window


def pages_of(manual: ManualWindow) -> list[str]:
    return [manual.list.item(i).data(Qt.ItemDataRole.UserRole) for i in range(manual.list.count())]


def click(manual: QWidget, name: str) -> None:
    button = manual.findChild(QPushButton, name)
    assert button is not None
    QTest.mouseClick(button, LEFT)


def widths_of_pictures(manual: ManualWindow) -> list[float]:
    formats = [fragment.charFormat().toImageFormat() for fragment in manual.view._fragments()]
    return [QTextImageFormat(f).width() for f in formats if f.isValid() and f.width() > 0]


def test_it_lists_every_page_and_shows_each(program: Program, manual: ManualWindow) -> None:
    assert pages_of(manual) == [page.topic for page in PAGES]
    assert not manual.isModal()
    for row, page in enumerate(PAGES):
        manual.list.setCurrentRow(row)
        assert manual.topic == page.topic
        shown = manual.view.toPlainText()
        assert shown.startswith(page.title)
        assert "**" not in shown
        assert "](" not in shown


def test_links_lead_to_pages_and_back_leads_back(manual: ManualWindow) -> None:
    back, forward = manual.findChild(QPushButton, "manualBack"), manual.findChild(QPushButton, "manualForward")
    assert not back.isEnabled()
    manual.view.anchorClicked.emit(QUrl("tutorial.md"))
    manual.view.anchorClicked.emit(QUrl("reading.md"))
    assert manual.topic == "reading"
    click(manual, "manualBack")
    assert manual.topic == "tutorial"
    assert manual.list.currentItem().data(Qt.ItemDataRole.UserRole) == "tutorial"
    assert forward.isEnabled()
    click(manual, "manualForward")
    assert manual.topic == "reading"
    click(manual, "manualBack")
    # Another way from here: what was ahead is gone.
    manual.view.anchorClicked.emit(QUrl("pacs.md"))
    assert not forward.isEnabled()
    click(manual, "manualBack")
    click(manual, "manualBack")
    assert manual.topic == "index"
    assert not back.isEnabled()


def test_a_link_out_opens_the_browser_and_others_nothing(manual: ManualWindow, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[str] = []
    monkeypatch.setattr(QDesktopServices, "openUrl", lambda url: opened.append(url.toString()))
    for target in (
        "https://jobqueue.dask.org",
        "file:///etc/passwd",
        "http://x.org",
        "../../LICENSE",
        "pictures/reading.png",
    ):
        manual.view.anchorClicked.emit(QUrl(target))
    assert opened == ["https://jobqueue.dask.org"]
    assert manual.topic == "index"


def test_search_finds_marks_and_says_when_there_is_nothing(program: Program, manual: ManualWindow) -> None:
    search, pages = manual.findChild(QLineEdit, "manualSearch"), manual.findChild(QListWidget, "manualPages")
    nothing = manual.findChild(QWidget, "manualNothing")
    QTest.keyClicks(search, "wheelhouse")
    program.wait(lambda: pages_of(manual) == ["hospital-it"])
    assert "wheelhouse" in pages.item(0).text()
    QTest.keyClick(search, Qt.Key.Key_Return)
    assert manual.topic == "hospital-it"
    marks = manual.view.extraSelections()
    assert len(marks) == manual.view.toPlainText().count("wheelhouse") >= 2
    assert manual.view.verticalScrollBar().value() > 0, "the first place is in sight"
    search.setText("qqqq")
    program.wait(nothing.isVisible)
    assert pages.count() == 0
    assert manual.topic == "hospital-it", "the page on show stays"
    search.clear()
    program.wait(lambda: pages.count() == len(PAGES))
    assert not nothing.isVisible()
    assert not manual.view.extraSelections()


def test_pictures_are_as_wide_as_the_page_allows(program: Program, manual: ManualWindow) -> None:
    manual.show_topic("tutorial")
    names = manual.view.pictures
    program.wait(lambda: len(widths_of_pictures(manual)) == len(names))
    limit = manual.view.viewport().width()
    before = widths_of_pictures(manual)
    assert all(0 < width <= limit for width in before)
    assert max(before) > 0.9 * limit
    manual.resize(760, 700)
    program.wait(lambda: max(widths_of_pictures(manual)) <= manual.view.viewport().width() < limit)


def test_only_pictures_of_the_manual_are_read(tmp_path: Path) -> None:
    Image.new("RGB", (8, 8)).save(tmp_path / "other.png")
    assert load_pictures((str(tmp_path / "other.png"), "../grades/grade0.png", "pictures/none.png"), 100) == {}
    found = load_pictures(("pictures/reading.png",), 640)
    assert found["pictures/reading.png"].width() == 640


def test_it_opens_on_the_page_that_fits_and_comes_back(program: Program, manual: ManualWindow) -> None:
    click(manual, "manualBack")
    manual.close()
    assert not manual.isVisible()
    program.show(block_volume())
    program.window.commands.run("show_manual")
    assert manual.isVisible()
    assert manual.topic == "reading"
    assert len(program.window.findChildren(ManualWindow)) == 1


def test_f1_is_the_manual_and_the_question_mark_the_sheet(program: Program) -> None:
    actions = program.window.actions_by_key
    assert [s.toString() for s in actions["show_manual"].shortcuts()] == ["F1"]
    assert [s.toString() for s in actions["show_shortcuts"].shortcuts()] == ["?"]


def test_a_manual_that_is_not_there_is_one_sentence(
    program: Program, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("hyrisk_desktop.manual.resources_dir", lambda: tmp_path)
    program.window.commands.run("show_manual")
    manual = program.window.findChild(ManualWindow)
    assert isinstance(manual, QDialog)
    program.wait(lambda: "install the program again" in manual.view.toPlainText())
    assert manual.topic == ""
