"""Key images and kept measures in the window: made by a key, drawn, kept with the read, and never another exam's."""

from __future__ import annotations

from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtPrintSupport import QPrinter
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QDialogButtonBox, QPushButton

from hyrisk_desktop.gui.export import printing
from hyrisk_desktop.gui.notes.commands import KeyImageDialog
from hyrisk_desktop.gui.viewer.display import Plane
from hyrisk_desktop.gui.viewer.slice_view import SliceView
from hyrisk_desktop.worklist.notes import KeptMark, KeyImage
from tests.gui.conftest import Program
from tests.gui.test_worklist import Reading
from tests.helpers.exams import write_exam
from tests.helpers.volumes import HEART_CENTRE, block_volume


def axial(program: Program) -> SliceView:
    return program.window.desk.views[Plane.AXIAL]


def press(program: Program, key: Qt.Key, modifier: Qt.KeyboardModifier = Qt.KeyboardModifier.NoModifier) -> None:
    QTest.keyClick(axial(program), key, modifier)


def dialog_of(program: Program) -> KeyImageDialog:
    dialog = program.window.findChild(KeyImageDialog)
    assert dialog is not None
    return dialog


def note(program: Program, text: str) -> None:
    """K, the sentence, OK."""
    press(program, Qt.Key.Key_K)
    dialog = dialog_of(program)
    dialog.note.clear()
    QTest.keyClicks(dialog.note, text)
    box = dialog.findChild(QDialogButtonBox)
    assert box is not None
    QTest.mouseClick(box.button(QDialogButtonBox.StandardButton.Ok), Qt.MouseButton.LeftButton)
    program.qtbot.waitUntil(lambda: program.window.findChild(KeyImageDialog) is None)
    program.window.activateWindow()
    program.qtbot.waitUntil(program.window.isActiveWindow)


@pytest.fixture
def shown(ready: Program) -> Program:
    ready.show(block_volume())
    ready.session.set_view(position=(120, 100, 7), level=50.0, width=350.0)
    return ready


def test_a_slice_becomes_a_key_image_and_says_so(shown: Program) -> None:
    note(shown, "  LAD, proximal ")
    assert shown.session.read.notes.key_images == (KeyImage(7, "LAD, proximal", 50.0, 350.0),)
    assert axial(shown).annotations.top_left[-1] == "KEY IMAGE LAD, proximal"
    shown.session.set_view(position=(120, 100, 12), level=-600.0, width=1500.0)
    assert "KEY IMAGE" not in " ".join(axial(shown).annotations.top_left)
    note(shown, "")
    press(shown, Qt.Key.Key_K, Qt.KeyboardModifier.ControlModifier)
    view = shown.session.view
    assert (view.position, view.level, view.width) == ((120, 100, 7), 50.0, 350.0), (
        "from the last one to the first again"
    )
    press(shown, Qt.Key.Key_K)
    dialog = dialog_of(shown)
    assert dialog.note.text() == "LAD, proximal"
    remove = dialog.findChild(QPushButton, "removeKeyImage")
    assert remove is not None
    remove.click()
    assert [image.z for image in shown.session.read.notes.key_images] == [12]
    shown.session.undo()
    assert [image.z for image in shown.session.read.notes.key_images] == [7, 12]


def test_a_note_for_an_exam_that_has_left_is_nobodys(shown: Program) -> None:
    press(shown, Qt.Key.Key_K)
    dialog = dialog_of(shown)
    shown.show(block_volume(series_uid="1.2.4"))
    dialog.wanted.emit("of the other exam")
    assert shown.session.read.notes.key_images == ()


def test_notes_move_no_number(shown: Program) -> None:
    shown.session.place_centre(HEART_CENTRE)
    shown.session.set_grade(2)
    shown.wait_for_risk()
    scores, risk = shown.session.scores, shown.session.risk
    note(shown, "a plaque")
    assert shown.session.scores is scores
    assert shown.session.risk is risk


def draw_ruler(program: Program, start: tuple[int, int, int], end: tuple[int, int, int]) -> None:
    press(program, Qt.Key.Key_R)
    view = axial(program).viewport()
    QTest.mousePress(view, Qt.MouseButton.LeftButton, pos=axial(program).position_of(start).toPoint())
    QTest.mouseMove(view, axial(program).position_of(end).toPoint())
    QTest.mouseRelease(view, Qt.MouseButton.LeftButton, pos=axial(program).position_of(end).toPoint())


def test_a_ruler_is_kept_on_its_slice_and_let_go_of_again(shown: Program) -> None:
    draw_ruler(shown, (100, 90, 7), (160, 130, 7))
    press(shown, Qt.Key.Key_K, Qt.KeyboardModifier.ShiftModifier)
    (mark,) = shown.session.read.notes.marks
    assert mark.z == 7
    assert mark.start == pytest.approx((100, 90), abs=0.3)
    assert mark.end == pytest.approx((160, 130), abs=0.3)
    assert axial(shown).ruler_mm is None
    (kept,) = axial(shown)._marks.kept
    assert kept[1] == mark.text(block_volume())
    shown.session.set_view(position=(120, 100, 8))
    assert axial(shown)._marks.kept == ()
    assert shown.window.desk.views[Plane.CORONAL]._marks.kept == ()
    shown.session.set_view(position=(120, 100, 7))
    axial(shown).hovered.emit((130, 110, 7))
    press(shown, Qt.Key.Key_K, Qt.KeyboardModifier.ShiftModifier)
    assert shown.session.read.notes.marks == ()
    told: list[str] = []
    shown.window.commands.message.connect(told.append)
    press(shown, Qt.Key.Key_R)
    press(shown, Qt.Key.Key_K, Qt.KeyboardModifier.ShiftModifier)
    assert "Draw a ruler (R)" in told[-1]


def test_a_ruler_of_another_slice_is_not_kept_here(shown: Program) -> None:
    draw_ruler(shown, (100, 90, 7), (160, 130, 7))
    shown.session.set_view(position=(120, 100, 9))
    press(shown, Qt.Key.Key_K, Qt.KeyboardModifier.ShiftModifier)
    assert shown.session.read.notes.marks == ()


def test_a_probe_is_kept_where_it_points(shown: Program) -> None:
    press(shown, Qt.Key.Key_V)
    axial(shown).hovered.emit((141, 99, 7))
    before = axial(shown).grab().toImage()
    press(shown, Qt.Key.Key_K, Qt.KeyboardModifier.ShiftModifier)
    assert shown.session.read.notes.marks == (KeptMark(7, (141.0, 99.0), (141.0, 99.0)),)
    assert axial(shown).grab().toImage() != before


def test_notes_come_back_with_the_read(ready: Program, tmp_path: Path) -> None:
    for number in (1, 2):
        write_exam(tmp_path / "list" / f"e{number}", number)
    reading = Reading(ready)
    reading.open_list(tmp_path / "list", 2)
    ready.session.place_centre((30, 30, 10))
    ready.session.set_view(position=(20, 20, 5))
    note(ready, "seen")
    reading.go(Qt.Key.Key_N)
    assert ready.session.read.notes.key_images == ()
    ready.wait(lambda: not ready.services.store.unsaved)
    ready.session._reads.clear()
    reading.go(Qt.Key.Key_P)
    ready.wait(lambda: [image.note for image in ready.session.read.notes.key_images] == ["seen"])


# --- paper


@pytest.mark.qt_log_ignore(r"QPainter::begin\(\): Returned false", extend=True)
def test_the_reading_is_printed_with_its_key_images(
    shown: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []
    shown.window.commands.message.connect(told.append)
    shown.window.commands.run("print_reading")
    assert "no heart centre yet" in told[-1]
    shown.session.place_centre(HEART_CENTRE)
    shown.session.set_grade(2)
    shown.wait_for_risk()
    shown.session.set_view(position=(120, 100, 7))
    note(shown, "LAD & more <b>")
    out = tmp_path / "page.pdf"

    class Dialog:
        """Says yes, and prints into a file."""

        def __init__(self, printer: QPrinter, _: object) -> None:
            printer.setOutputFormat(QPrinter.OutputFormat.PdfFormat)
            printer.setOutputFileName(str(out))

        def setObjectName(self, _: str) -> None:
            pass

        def exec(self) -> int:
            return 1

    monkeypatch.setattr(printing, "QPrintDialog", Dialog)
    pages: list[str] = []
    make = printing.page_of
    monkeypatch.setattr(printing, "page_of", lambda report: pages.append(make(report).toPlainText()) or make(report))
    shown.window.commands.run("print_reading")
    shown.wait(lambda: any("went to the printer" in text for text in told))
    assert out.read_bytes()[:5] == b"%PDF-"
    # Qt says of itself that it could not, which the window's user does not see.
    out = tmp_path / "gone" / "page.pdf"
    shown.window.commands.run("print_reading")
    shown.wait(lambda: any("is not printed" in text for text in told))
    assert sum("went to the printer" in text for text in told) == 1
    text = " ".join(pages[0].split())
    for wanted in (
        "Research use only",
        "Slice 7 · LAD & more <b>",
        shown.text("agatstonValue"),
        "2 (moderate)",
        "DEMONSTRATION MODEL",
    ):
        assert wanted in text
    assert shown.session.risk is not None
