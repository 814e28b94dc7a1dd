"""The reading desk in the real window: clicks, keys and wheels at the real widget positions."""

from __future__ import annotations

from pathlib import Path

import pytest
from PySide6.QtCore import QPoint, QPointF, Qt
from PySide6.QtGui import QGuiApplication, QWheelEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import (
    QAbstractButton,
    QApplication,
    QComboBox,
    QDoubleSpinBox,
    QLabel,
    QListWidget,
    QProgressBar,
    QTableView,
    QWidget,
)

from hyrisk_desktop.gui.actions import action_table
from hyrisk_desktop.gui.dialogs.message import ErrorDialog
from hyrisk_desktop.gui.dialogs.shortcuts import ShortcutsDialog
from hyrisk_desktop.gui.state import RiskStatus, Tool
from hyrisk_desktop.gui.viewer.display import Plane
from hyrisk_desktop.gui.viewer.slice_view import SliceView
from hyrisk_desktop.risk.model_store import ActiveModel
from tests.gui.conftest import Program
from tests.helpers.volumes import HEART_CENTRE, block_volume, box

CX, CY, CZ = HEART_CENTRE
LEFT, RIGHT, MIDDLE = Qt.MouseButton.LeftButton, Qt.MouseButton.RightButton, Qt.MouseButton.MiddleButton
Key = Qt.Key


def lesion_volume() -> object:
    return block_volume([(box((CX, CY, CZ), (6, 6, 1)), 350), (box((CX + 15, CY, CZ), (6, 6, 1)), 450)])


def axial(program: Program) -> SliceView:
    return program.window.desk.views[Plane.AXIAL]


def at(view: SliceView, voxel: tuple[int, int, int]) -> QPoint:
    return view.position_of(voxel).toPoint()


def click(view: SliceView, voxel: tuple[int, int, int]) -> None:
    QTest.mouseClick(view.viewport(), LEFT, Qt.KeyboardModifier.NoModifier, at(view, voxel))


def double_click(view: SliceView, voxel: tuple[int, int, int]) -> None:
    """Press, release, double click: as a hand does it (QTest alone sends only the last)."""
    click(view, voxel)
    QTest.mouseDClick(view.viewport(), LEFT, Qt.KeyboardModifier.NoModifier, at(view, voxel))


def drag(view: SliceView, button: Qt.MouseButton, start: QPoint, end: QPoint) -> None:
    QTest.mousePress(view.viewport(), button, Qt.KeyboardModifier.NoModifier, start)
    for i in range(1, 6):
        # QTest.mouseMove carries no button; the views keep track of the drag themselves.
        QTest.mouseMove(view.viewport(), start + (end - start) * i / 5)
    QTest.mouseRelease(view.viewport(), button, Qt.KeyboardModifier.NoModifier, end)


def wheel(view: SliceView, notches: int, modifiers: Qt.KeyboardModifier = Qt.KeyboardModifier.NoModifier) -> None:
    position = QPointF(view.viewport().rect().center())
    event = QWheelEvent(
        position,
        view.viewport().mapToGlobal(position),
        QPoint(),
        QPoint(0, 120 * notches),
        Qt.MouseButton.NoButton,
        modifiers,
        Qt.ScrollPhase.NoScrollPhase,
        False,
    )
    QApplication.sendEvent(view.viewport(), event)


def place(program: Program) -> None:
    program.show(lesion_volume())
    view = axial(program)
    program.session.set_view(position=(CX, CY, CZ))
    QTest.keyClick(view, Key.Key_H)
    assert program.window.desk.tool is Tool.PLACE_CENTRE
    click(view, HEART_CENTRE)


def test_a_click_that_began_on_another_exam_does_nothing_to_this_one(ready: Program) -> None:
    """The next exam may come on screen between the press and the release of a hasty reader."""
    ready.show(lesion_volume())
    view = axial(ready)
    ready.window.desk.set_tool(Tool.PLACE_CENTRE)
    at = view.position_of((CX, CY, CZ)).toPoint()
    QTest.mousePress(view.viewport(), LEFT, Qt.KeyboardModifier.NoModifier, at)
    ready.show(block_volume(series_uid="4.5.6", patient="Other^Patient"))
    ready.window.desk.set_tool(Tool.PLACE_CENTRE)
    before = ready.session.view
    QTest.mouseRelease(view.viewport(), LEFT, Qt.KeyboardModifier.NoModifier, at)
    assert ready.session.read.centre is None
    assert ready.session.view == before
    click(view, HEART_CENTRE)
    assert ready.session.read.centre == HEART_CENTRE


def test_click_grade_risk(ready: Program) -> None:
    place(ready)
    assert ready.session.read.centre == HEART_CENTRE
    assert ready.window.desk.tool is Tool.WINDOW
    assert ready.text("agatstonValue") == f"{ready.session.scores.agatston:.1f}"
    assert "A" in ready.text("agatstonCategory")
    assert "mm³" in ready.text("volumeValue")
    ready.wait_for_risk()
    assert "image-only" in ready.text("riskNote")
    QTest.keyClick(axial(ready), Key.Key_2, Qt.KeyboardModifier.AltModifier)
    assert ready.session.read.grade == 2
    ready.wait_for_risk()
    reading = ready.session.risk
    assert ready.text("riskValue") == f"{100 * reading.risk:.0f} %"
    assert ready.text("riskInterval") != "–"
    assert ready.text("riskPercentile").startswith(f"{reading.percentile:.0f} of 100")
    badge = ready.window.findChild(QLabel, "demonstrationBadge")
    assert badge.isVisible()
    assert "synthetic" in badge.text()


def test_arrows_nudge_and_undo_takes_back(ready: Program) -> None:
    place(ready)
    view = axial(ready)
    QTest.keyClick(view, Key.Key_Right)
    QTest.keyClick(view, Key.Key_Down, Qt.KeyboardModifier.ShiftModifier)
    QTest.keyClick(view, Key.Key_Up, Qt.KeyboardModifier.ControlModifier)
    assert ready.session.read.centre == (CX + 1, CY + 5, CZ + 1)
    for _ in range(3):
        QTest.keyClick(view, Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    assert ready.session.read.centre == HEART_CENTRE
    QTest.keyClick(view, Key.Key_Escape)
    QTest.keyClick(view, Key.Key_Up)
    assert ready.session.read.centre == HEART_CENTRE
    assert ready.session.view.position[2] == CZ + 1


def test_scrolling_keys_and_wheel(program: Program) -> None:
    program.show(block_volume())
    view = axial(program)
    QTest.keyClick(view, Key.Key_Home)
    assert program.session.view.position[2] == 24
    QTest.keyClick(view, Key.Key_End)
    assert program.session.view.position[2] == 0
    QTest.keyClick(view, Key.Key_PageUp)
    wheel(view, 3)
    assert program.session.view.position[2] == 4
    QTest.keyClick(view, Key.Key_Down)
    assert program.session.view.position[2] == 3
    zoom = view.zoom
    wheel(view, 2, Qt.KeyboardModifier.ControlModifier)
    assert view.zoom > zoom
    assert program.session.view.position[2] == 3
    text = view.annotations.bottom_right
    assert f"Zoom {view.zoom:.0%}" in text
    QTest.keyClick(view, Key.Key_R)
    QTest.keyClick(view, Key.Key_Escape)
    assert view.zoom > zoom
    QTest.keyClick(view, Key.Key_Escape)
    assert view.zoom == pytest.approx(zoom, rel=0.01)


def test_mouse_buttons(program: Program) -> None:
    program.show(block_volume())
    view = axial(program)
    middle = view.viewport().rect().center()
    before = (program.session.view.level, program.session.view.width)
    drag(view, LEFT, middle, middle + QPoint(60, 30))
    assert program.session.view.width > before[1]
    assert program.session.view.level > before[0]
    zoom = view.zoom
    drag(view, RIGHT, middle, middle + QPoint(0, -60))
    assert view.zoom > zoom
    place_before = at(view, HEART_CENTRE)
    drag(view, MIDDLE, middle, middle + QPoint(40, 25))
    moved = at(view, HEART_CENTRE) - place_before
    assert abs(moved.x() - 40) <= 2
    assert abs(moved.y() - 25) <= 2


def test_presets_and_bare_digits_in_the_grade_box(ready: Program) -> None:
    place(ready)
    view = axial(ready)
    QTest.keyClick(view, Key.Key_2)
    assert (ready.session.view.width, ready.session.view.level) == (1500, -600)
    QTest.keyClick(view, Key.Key_0)
    assert (ready.session.view.width, ready.session.view.level) == (360, 45)
    button = ready.window.findChild(QWidget, "grade0")
    button.setFocus()
    QTest.keyClick(button, Key.Key_3)
    assert ready.session.read.grade == 3
    assert (ready.session.view.width, ready.session.view.level) == (360, 45)
    assert ready.window.findChild(QAbstractButton, "grade3").isChecked()


def test_grade_buttons_and_fractions(ready: Program) -> None:
    place(ready)
    for grade in range(4):
        QTest.mouseClick(ready.window.findChild(QWidget, f"grade{grade}"), LEFT)
        assert ready.session.read.grade == grade
    value = ready.window.findChild(QDoubleSpinBox, "gradeValue")
    value.setFocus()
    value.selectAll()
    QTest.keyClicks(value.lineEdit(), "1.50")
    QTest.keyClick(value, Key.Key_Return)
    assert ready.session.read.grade == 1.5
    assert not any(ready.window.findChild(QAbstractButton, f"grade{g}").isChecked() for g in range(4))
    ready.wait_for_risk()
    low, high = ready.session.risk.by_grade[1], ready.session.risk.by_grade[2]
    assert low < ready.session.risk.risk < high


def test_excluding_a_lesion_by_double_click_and_by_check_box(ready: Program) -> None:
    place(ready)
    view = axial(ready)
    whole = ready.text("agatstonValue")
    double_click(view, (CX + 17, CY + 3, CZ))
    assert ready.text("agatstonValue") != whole
    table = ready.window.findChild(QTableView, "lesionTable")
    model = table.model()
    rows = [model.data(model.index(r, 0), Qt.ItemDataRole.CheckStateRole) for r in range(model.rowCount())]
    assert rows == [Qt.CheckState.Checked, Qt.CheckState.Unchecked]
    assert model.setData(model.index(1, 0), 2, Qt.ItemDataRole.CheckStateRole)
    assert ready.text("agatstonValue") == whole
    click(view, (CX + 17, CY + 3, CZ))
    QTest.keyClick(view, Key.Key_X)
    assert ready.text("agatstonValue") != whole


def test_lesion_table_leads_to_the_lesion(ready: Program) -> None:
    place(ready)
    ready.session.set_view(position=(0, 0, 0))
    ready.window.findChild(QTableView, "lesionTable").selectRow(1)
    assert ready.session.view.position == ready.session.scores.lesions[1].peak


def test_whole_heart_box_is_dragged_by_its_corner(ready: Program) -> None:
    place(ready)
    view = axial(ready)
    QTest.keyClick(view, Key.Key_B)
    before = ready.session.read.box
    assert before is not None
    assert (
        "Whole-heart" in ready.window.calcium_panel.title().title()
        or "whole-heart" in ready.window.calcium_panel.title()
    )
    x, y, _ = before.start
    corner = at(view, (x, y, CZ))
    drag(view, LEFT, corner, at(view, (x + 20, y + 12, CZ)))
    after = ready.session.read.box
    assert abs(after.start[0] - (x + 20)) <= 1
    assert abs(after.start[1] - (y + 12)) <= 1
    assert after.stop == before.stop
    QTest.keyClick(view, Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    assert ready.session.read.box == before
    QTest.keyClick(view, Key.Key_B)
    assert ready.session.read.box is None


def test_profile_choice(ready: Program) -> None:
    place(ready)
    choice = ready.window.findChild(QComboBox, "profileChoice")
    choice.setCurrentText("no_spacing_correction")
    choice.textActivated.emit("no_spacing_correction")
    assert ready.session.scores.profile == "no_spacing_correction"


def test_slab_overlays_ruler_and_probe(ready: Program) -> None:
    place(ready)
    view = axial(ready)
    QTest.keyClick(view, Key.Key_M)
    assert ready.session.view.slab_mm == 5
    QTest.keyClick(view, Key.Key_I)
    assert ready.services.settings["overlay_level"] == 1
    QTest.keyClick(view, Key.Key_I)
    assert ready.services.settings["overlay_level"] == 0
    QTest.keyClick(view, Key.Key_I)
    assert ready.services.settings["overlay_level"] == 2
    QTest.keyClick(view, Key.Key_R)
    assert ready.window.desk.tool is Tool.RULER
    drag(view, LEFT, at(view, (100, 100, CZ)), at(view, (150, 100, CZ)))
    a, b = view.ruler_mm
    assert abs(b[0] - a[0]) == pytest.approx(50 * 0.7, abs=0.6)
    QTest.keyClick(view, Key.Key_Escape)
    assert view.ruler_mm is None
    QTest.keyClick(view, Key.Key_V)
    QTest.mouseMove(view.viewport(), at(view, (CX, CY, CZ)))
    assert ready.window.desk.tool is Tool.PROBE


def test_losing_the_model_leaves_the_scores(program: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Whichever load is the last, the window's own at its start or this one, it finds no model.
    monkeypatch.setattr(program.services.models, "active", lambda: ActiveModel(tmp_path))
    program.services.load_model()
    program.show(lesion_volume())
    program.session.place_centre(HEART_CENTRE)
    program.wait(lambda: program.session.risk_status is RiskStatus.NO_MODEL)
    assert program.text("riskValue") == "–"
    assert "no model" in program.text("riskNote")
    assert "Calcium scoring goes on" in program.text("riskNote")
    assert float(program.text("agatstonValue")) > 0


def test_a_prediction_under_way_is_dropped_when_the_exam_changes(ready: Program) -> None:
    place(ready)
    assert ready.session.risk is None
    other = block_volume(series_uid="9.8.7", patient="Other^Patient", seed=2)
    ready.show(other)
    ready.session.place_centre(HEART_CENTRE)
    ready.wait_for_risk()
    assert ready.session.risk.series_uid == "9.8.7"
    ready.wait(lambda: not ready.services.runner.busy)
    ready.qtbot.wait(1)
    assert ready.session.risk.series_uid == "9.8.7"


def test_dropping_the_centre_with_a_double_click_excludes_nothing(ready: Program) -> None:
    ready.show(lesion_volume())
    view = axial(ready)
    ready.session.set_view(position=(CX, CY, CZ))
    QTest.keyClick(view, Key.Key_H)
    double_click(view, (CX + 2, CY + 2, CZ))
    assert ready.session.read.centre == (CX + 2, CY + 2, CZ)
    assert not ready.session.read.excluded


def test_an_excluded_lesion_stays_excluded_when_the_border_cuts_it(ready: Program) -> None:
    ready.show(block_volume([(box((CX + 25, CY, CZ), (16, 6, 1)), 350)]))
    ready.session.place_centre(HEART_CENTRE)
    assert ready.session.scores.lesions[0].cut_by_border
    ready.session.toggle_lesion(0)
    for step in (-5, 12, 3):
        ready.session.nudge_centre(step, 0, 0)
        assert ready.session.scores.agatston == 0
    ready.session.toggle_lesion(0)
    assert ready.session.read.excluded == frozenset()
    assert ready.session.scores.agatston > 0


def test_the_wheel_changes_no_reading_by_accident(ready: Program) -> None:
    place(ready)
    ready.session.set_grade(2)
    axial(ready).setFocus()
    for name in ("gradeValue", "profileChoice"):
        field = ready.window.findChild(QWidget, name)
        middle = QPointF(field.rect().center())
        event = QWheelEvent(
            middle,
            field.mapToGlobal(middle),
            QPoint(),
            QPoint(0, -120),
            Qt.MouseButton.NoButton,
            Qt.KeyboardModifier.NoModifier,
            Qt.ScrollPhase.NoScrollPhase,
            False,
        )
        QApplication.sendEvent(field, event)
    assert ready.session.read.grade == 2
    assert ready.session.read.profile == "standard"


def test_placing_without_a_mouse(ready: Program) -> None:
    ready.show(lesion_volume())
    view = axial(ready)
    ready.session.set_view(position=(CX, CY, CZ))
    QTest.keyClick(view, Key.Key_H)
    QTest.keyClick(view, Key.Key_Right, Qt.KeyboardModifier.ShiftModifier)
    QTest.keyClick(view, Key.Key_Up)
    QTest.keyClick(view, Key.Key_Return)
    assert ready.session.read.centre == (CX + 5, CY - 1, CZ)
    coronal = ready.window.desk.views[Plane.CORONAL]
    QTest.keyClick(coronal, Key.Key_Up)
    assert ready.session.read.centre == (CX + 5, CY - 1, CZ + 1)


def test_letters_and_undo_work_while_the_grade_field_has_the_focus(ready: Program) -> None:
    place(ready)
    ready.session.set_grade(1)
    field = ready.window.findChild(QDoubleSpinBox, "gradeValue")
    field.setFocus()
    QTest.keyClick(field, Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    assert ready.session.read.grade is None
    QTest.keyClick(field, Key.Key_H)
    assert ready.window.desk.tool is Tool.PLACE_CENTRE


def test_a_click_on_a_corner_of_the_box_moves_nothing(ready: Program) -> None:
    place(ready)
    view = axial(ready)
    QTest.keyClick(view, Key.Key_B)
    before = ready.session.read.box
    x, y, _ = before.stop
    click(view, (x, y, CZ))
    assert ready.session.read.box == before


def test_a_damaged_model_does_not_cost_the_one_in_use(ready: Program, tmp_path: Path) -> None:
    place(ready)
    ready.wait_for_risk()
    used = ready.session.model
    ready.services.load_model(tmp_path)
    ready.wait(lambda: ready.window.findChild(ErrorDialog) is not None)
    ready.window.findChild(ErrorDialog).accept()
    assert ready.session.model == used is not None
    ready.session.set_grade(1)
    ready.wait_for_risk()


def test_coming_back_to_an_exam_brings_its_read_back(ready: Program) -> None:
    place(ready)
    ready.session.set_grade(2)
    read = ready.session.read
    ready.show(block_volume(series_uid="5.5.5"))
    assert ready.session.read.centre is None
    ready.show(lesion_volume())
    assert ready.session.read == read
    assert "earlier read" in ready.window.findChild(QLabel, "statusMessage").toolTip()


def test_screen_readers_hear_the_numbers(ready: Program) -> None:
    place(ready)
    ready.wait_for_risk()
    for name in ("riskValue", "riskInterval", "agatstonValue", "volumeValue"):
        label = ready.window.findChild(QLabel, name)
        assert label.accessibleDescription() == label.text()


def test_names_that_tests_and_screen_readers_rely_on(program: Program) -> None:
    for name in [
        "axialView",
        "grade0",
        "grade1",
        "grade2",
        "grade3",
        "riskValue",
        "riskInterval",
        "riskPercentile",
        "agatstonValue",
        "agatstonCategory",
        "volumeValue",
        "sqrtVolumeValue",
        "findingsList",
        "statusMessage",
        "jobProgress",
    ]:
        widget = program.window.findChild(QWidget, name)
        assert widget is not None, name
        assert widget.accessibleName(), name
    assert isinstance(program.window.findChild(QWidget, "findingsList"), QListWidget)
    assert isinstance(program.window.findChild(QWidget, "jobProgress"), QProgressBar)


def test_every_action_has_a_command_and_no_shortcut_is_taken_twice(program: Program) -> None:
    seen: dict[str, str] = {}
    for spec in action_table():
        if not spec.key:
            continue
        if not spec.key.startswith(("preset_", "grade_")):
            assert callable(program.window.commands.handler(spec.key)), spec.key
        for shortcut in spec.shortcuts:
            assert shortcut not in seen, (shortcut, spec.key, seen.get(shortcut))
            seen[shortcut] = spec.key


def test_the_shortcut_sheet_lists_the_table(program: Program) -> None:
    QTest.keyClick(axial(program), "?")
    sheet = program.window.findChild(ShortcutsDialog)
    assert sheet is not None
    labels = {label.text() for label in sheet.findChildren(QLabel)}
    for spec in action_table():
        if spec.shortcuts:
            assert spec.text.replace("&", "") in labels
    sheet.close()


def test_copied_numbers_hold_no_patient(ready: Program) -> None:
    ready.show(block_volume([(box((CX, CY, CZ), (6, 6, 1)), 350)], patient="Secret^Name"))
    ready.session.place_centre(HEART_CENTRE)
    ready.session.set_grade(1)
    ready.wait_for_risk()
    ready.window.commands.run("copy_results")
    text = QGuiApplication.clipboard().text()
    assert "Agatston" in text
    assert "research use only" in text
    assert "demonstration model" in text
    assert "Secret" not in text


def test_layout_is_restored(program: Program) -> None:
    settings = program.services.settings
    program.window.close()
    assert settings["window_geometry"]
    assert "|" in settings["window_state"]


def test_nothing_can_be_done_without_an_exam(program: Program) -> None:
    for key in ("place_centre", "undo", "toggle_lesion", "copy_results", "whole_heart_box"):
        assert not program.window.actions_by_key[key].isEnabled()
    assert not program.window.grade_panel.isEnabled()
    assert "Open an exam" in program.text("statusMessage")
