"""A newcomer follows the manual's tutorial, and sees what it says."""

from __future__ import annotations

from pathlib import Path

import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QDialog, QLabel, QLineEdit, QListWidget, QPushButton, QWidget

from hyrisk_desktop.gui.viewer.display import Plane
from hyrisk_desktop.manual import find_page, plain_text, read_pages
from tests.gui.conftest import Program
from tests.helpers.pictures import picture

NONE, ALT, CTRL = (
    Qt.KeyboardModifier.NoModifier,
    Qt.KeyboardModifier.AltModifier,
    Qt.KeyboardModifier.ControlModifier,
)


class Tutorial:
    """What the page says, in one line."""

    def __init__(self) -> None:
        self.text = " ".join(plain_text(find_page(read_pages(), "tutorial").text).split())

    def says(self, words: str) -> bool:
        return " ".join(words.split()) in self.text


@pytest.fixture
def tutorial() -> Tutorial:
    return Tutorial()


def press(program: Program, key: Qt.Key, modifier: Qt.KeyboardModifier = NONE) -> None:
    QTest.keyClick(program.window.desk.views[Plane.AXIAL], key, modifier)


def status(program: Program) -> str:
    label = program.window.findChild(QLabel, "statusMessage")
    assert label is not None
    return label.toolTip() or label.text()


def test_story(program: Program, tutorial: Tutorial, tmp_path: Path) -> None:
    session, window = program.session, program.window
    axial = window.desk.views[Plane.AXIAL]

    # 1 and 2: open it, look around.
    window.actions_by_key["open_demonstration"].trigger()
    program.wait(lambda: session.can_measure and session.proposal is not None)
    program.wait(lambda: session.model is not None)
    assert tutorial.says("Enter takes the proposed heart centre; or click the centre of the heart.")
    program.wait(lambda: "Enter takes the proposed heart centre" in status(program))
    picture(window, "proposed")
    level = session.view.level
    press(program, Qt.Key.Key_2)
    assert session.view.level != level
    press(program, Qt.Key.Key_1)
    press(program, Qt.Key.Key_PageUp)
    press(program, Qt.Key.Key_PageDown)

    # 3: the proposed centre is a little off, and a finding says so.
    press(program, Qt.Key.Key_Return)
    program.wait_for_risk()
    assert tutorial.says(f"Region Agatston {program.text('agatstonValue')}")
    assert tutorial.says(f"category {program.text('agatstonCategory')}".replace("  ", " "))
    assert "No grade yet: image-only risk" in program.text("riskNote")
    (nearby,) = (f for f in session.findings if f.code == "calcium_nearby")
    assert tutorial.says(nearby.message)
    for key in (Qt.Key.Key_Right, Qt.Key.Key_Up):
        for _ in range(4):
            press(program, key)
    program.wait_for_risk()
    assert not [f for f in session.findings if f.code == "calcium_nearby"]
    assert tutorial.says(f"the region Agatston is now {program.text('agatstonValue')}")

    # 4: the grade changes the risk, not RiskNet's.
    image_only = program.text("risknetValue")
    press(program, Qt.Key.Key_2, ALT)
    program.wait_for_risk()
    assert tutorial.says(f"about {program.text('riskValue')}")
    program.wait(lambda: "The read is complete: Ctrl+S exports it." in status(program))
    graded = program.text("riskValue")
    program.wait(lambda: " to " in program.text("riskInterval"))
    picture(window, "reading")
    press(program, Qt.Key.Key_0, ALT)
    program.wait_for_risk()
    assert program.text("riskValue") != graded
    press(program, Qt.Key.Key_2, ALT)
    program.wait_for_risk()
    assert (program.text("riskValue"), program.text("risknetValue")) == (graded, image_only)

    # 5: a lesion out, and in again; the risk stays.
    score = program.text("agatstonValue")
    lesion = max(
        (one for one in session.scores.lesions if one.slice == session.view.position[2]), key=lambda o: o.agatston
    )
    QTest.mouseDClick(axial.viewport(), Qt.MouseButton.LeftButton, NONE, axial.position_of(lesion.peak).toPoint())
    assert float(program.text("agatstonValue")) < float(score)
    picture(window.calcium_panel, "lesion")
    program.wait_for_risk()
    assert program.text("riskValue") == graded
    press(program, Qt.Key.Key_Z, CTRL)
    assert program.text("agatstonValue") == score
    program.wait_for_risk()

    # 6: why, and the whole heart.
    press(program, Qt.Key.Key_G)
    program.wait(lambda: axial.heat.shown)
    program.wait(lambda: " to " in program.text("riskInterval"))
    picture(window, "explain")
    press(program, Qt.Key.Key_G)
    press(program, Qt.Key.Key_B)
    assert "whole-heart box" in window.calcium_panel.title()
    picture(window.desk, "box")
    press(program, Qt.Key.Key_B)
    assert program.text("agatstonValue") == score

    # 7: export.
    press(program, Qt.Key.Key_S, CTRL)
    program.wait(lambda: window.findChild(QDialog, "exportReadingDialog") is not None)
    dialog = window.findChild(QDialog, "exportReadingDialog")
    program.qtbot.waitExposed(dialog)
    folder = dialog.findChild(QLineEdit, "exportFolder")
    folder.setText(str(tmp_path))
    # Only with the risk's interval is the reading whole; the dialog says so as long as it is not.
    program.wait(dialog.findChild(QPushButton, "startExport").isEnabled)
    picture(dialog, "export", {"exportFolder": "~/reports", "exportReader": "Ada Mueller"})
    QTest.keyClick(dialog, Qt.Key.Key_Return)
    program.wait(lambda: len(list(tmp_path.iterdir())) == 3)
    program.wait(lambda: status(program).startswith("3 files written to "))


def test_the_manual_is_at_hand(program: Program) -> None:
    """F1, a search, a page, its link, and back."""
    window = program.window
    press(program, Qt.Key.Key_F1)
    program.wait(lambda: window.findChild(QDialog, "manualWindow") is not None)
    manual = window.findChild(QDialog, "manualWindow")
    program.qtbot.waitExposed(manual)
    program.wait(lambda: manual.topic == "index")
    search, pages = manual.findChild(QLineEdit, "manualSearch"), manual.findChild(QListWidget, "manualPages")
    QTest.keyClicks(search, "wheelhouse")
    program.wait(lambda: pages.count() == 1)
    QTest.keyClick(search, Qt.Key.Key_Return)
    assert manual.topic == "hospital-it"
    QTest.mouseClick(manual.findChild(QWidget, "manualBack"), Qt.MouseButton.LeftButton, NONE, QPoint(5, 5))
    assert manual.topic == "index"
    manual.close()
