"""The whole heart in the window: outlined off the GUI thread, given to vessels by keys, table and lasso, and kept with the read."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QMenu, QTableView, QWidget

from hyrisk_desktop.calcium import HeartRegion, Plaque, WholeHeartScores, Zone
from hyrisk_desktop.gui.overlay import VESSEL_COLOURS
from hyrisk_desktop.gui.state import HeartAnswer
from hyrisk_desktop.gui.viewer.display import Plane
from hyrisk_desktop.gui.viewer.lesion_hand import toggle_at
from hyrisk_desktop.gui.viewer.slice_view import SliceView
from hyrisk_desktop.imaging import CTVolume, Voxel
from tests.gui.conftest import Program
from tests.gui.test_worklist import Reading
from tests.helpers.exams import write_exam
from tests.helpers.hearts import CENTRE, heart_of
from tests.unit.calcium.test_whole_heart import three_vessels


@pytest.fixture
def volume(monkeypatch: pytest.MonkeyPatch) -> CTVolume:
    """Three plaques in fat; the outline is made by hand, as there is no chest around them."""
    made = replace(three_vessels(), attributes={"PatientID": "TEST", "PatientName": "Synthetic^Test", "Modality": "CT"})
    for module in ("hyrisk_desktop.gui.heart.service", "hyrisk_desktop.measurement"):
        monkeypatch.setattr(f"{module}.propose_heart", by_hand)
    return made


def by_hand(volume: CTVolume, centre: Voxel) -> HeartRegion:
    """Everything but the outermost pixels of each slice."""
    zones = np.full(volume.hu.shape, Zone.OUTSIDE, np.uint8)
    zones[:, 2:-2, 2:-2] = Zone.HEART
    return heart_of(volume, centre=centre, zones=zones)


@pytest.fixture
def scored(ready: Program, volume: CTVolume) -> Program:
    """The whole heart of an exam is on screen."""
    ready.show(volume)
    ready.session.place_centre(CENTRE)
    ready.session.set_grade(2)
    press(ready, Qt.Key.Key_A)
    ready.wait(lambda: ready.session.whole_heart is not None)
    # Fat and plaques are no chest.
    assert ready.text("wholeHeartValue") == "Withheld"
    ready.session.show_anyway()
    return ready


def press(program: Program, *keys: Qt.Key) -> None:
    for key in keys:
        QTest.keyClick(axial(program), key)


def axial(program: Program) -> SliceView:
    return program.window.desk.views[Plane.AXIAL]


def heart(program: Program) -> WholeHeartScores:
    found = program.session.settled_heart
    assert found is not None
    return found


def counted(program: Program) -> list[Plaque]:
    return sorted(heart(program).counted, key=lambda plaque: -plaque.agatston)


def point_at(program: Program, plaque: Plaque) -> None:
    program.session.set_view(position=plaque.id)
    axial(program).hovered.emit(plaque.id)


def test_the_numbers_are_those_of_the_command_line(scored: Program, volume: CTVolume) -> None:
    from hyrisk_desktop.calcium import NO_MARKS
    from hyrisk_desktop.measurement import measure

    expected = measure(volume, CENTRE, 2, None, heart=NO_MARKS).whole_heart
    assert expected is not None
    assert expected.agatston > 0
    assert heart(scored).agatston == expected.agatston
    assert scored.text("wholeHeartValue") == f"{expected.agatston:.1f}"
    assert scored.text("cacDrs") == expected.cac_drs
    m = scored.session.measurement
    assert m is not None
    assert m.whole_heart is heart(scored)


def test_a_key_and_a_digit_give_the_plaque_under_the_pointer_to_a_vessel(scored: Program) -> None:
    plaque, total = counted(scored)[0], heart(scored).agatston
    point_at(scored, plaque)
    press(scored, Qt.Key.Key_T, Qt.Key.Key_4)
    assert scored.session.read.heart.taken == ((plaque.id, "RCA"),)
    assert heart(scored).at(plaque.id).vessel == "RCA"
    assert heart(scored).agatston == total
    assert scored.session.view.level == 40
    press(scored, Qt.Key.Key_T, Qt.Key.Key_5)
    assert heart(scored).agatston == pytest.approx(total - plaque.agatston)
    press(scored, Qt.Key.Key_T, Qt.Key.Key_0)
    assert scored.session.read.heart.taken == ()
    assert heart(scored).agatston == total
    press(scored, Qt.Key.Key_T, Qt.Key.Key_T)
    assert heart(scored).at(plaque.id).vessel == plaque.suggested
    scored.session.undo()
    assert heart(scored).at(plaque.id).vessel is None


def test_all_suggestions_are_taken_in_one_step(scored: Program) -> None:
    assert heart(scored).extent is None
    press(scored, Qt.Key.Key_T, Qt.Key.Key_A)
    assert all(plaque.vessel == plaque.suggested for plaque in heart(scored).counted)
    assert heart(scored).extent == heart(scored).suggested_extent
    scored.session.undo()
    assert heart(scored).extent is None
    other = next(plaque for plaque in counted(scored) if plaque.suggested != "RCA")
    scored.session.mark_plaques([other.id], "RCA")
    press(scored, Qt.Key.Key_T, Qt.Key.Key_A)
    assert heart(scored).at(other.id).vessel == "RCA", "what a reader has said is no suggestion"


def test_a_plaque_is_left_out_and_counted_again(scored: Program) -> None:
    plaque, total = counted(scored)[0], heart(scored).agatston
    point_at(scored, plaque)
    press(scored, Qt.Key.Key_X)
    assert heart(scored).agatston == pytest.approx(total - plaque.agatston)
    press(scored, Qt.Key.Key_X)
    assert heart(scored).agatston == total
    point_at(scored, plaque)
    axial(scored).hovered.emit((2, 2, 2))
    told: list[str] = []
    scored.session.told.connect(told.append)
    press(scored, Qt.Key.Key_X)
    assert told == ["There is no lesion under the pointer."]


def test_digits_in_the_table_mean_vessels_and_elsewhere_windows(scored: Program) -> None:
    table = scored.window.findChild(QTableView, "plaqueTable")
    assert table is not None
    table.setFocus()
    table.selectAll()
    level = scored.session.view.level
    QTest.keyClick(table, Qt.Key.Key_2)
    assert {plaque.vessel for plaque in counted(scored)} == {"LAD"}
    assert scored.session.view.level == level
    press(scored, Qt.Key.Key_1)
    assert len(scored.session.read.heart.taken) == len(heart(scored).groups) or scored.session.view.level != level


def menu_at(program: Program, place: QPoint, widget: QWidget) -> QMenu:
    """The menu that a click with the right button opens."""
    QTest.mouseClick(widget, Qt.MouseButton.RightButton, pos=place)
    menu = program.window.findChild(QMenu, "plaqueMenu")
    assert menu is not None
    return menu


def test_a_right_click_on_a_plaque_offers_what_the_keys_do(scored: Program) -> None:
    first, second = counted(scored)[:2]
    scored.session.set_view(position=first.id)
    view = axial(scored).viewport()
    place = axial(scored).position_of(first.id).toPoint()
    scored.window.heart_panel.table.choose({second.id})
    menu = menu_at(scored, place, view)
    texts = [action.text() for action in menu.actions() if not action.isSeparator()]
    assert texts[0] == f"Plaque, {first.suggested.replace('LCX', 'LCx')} ?, Agatston {first.agatston:.1f}"
    assert texts[1:6] == [f"Plaque to {v}" for v in ("LM", "LAD", "LCx", "RCA", "none of them: not counted")]
    assert texts[-1] == "Leave it out"
    next(action for action in menu.actions() if action.text() == "Plaque to RCA").trigger()
    menu.close()
    assert scored.session.read.heart.taken == ((first.id, "RCA"),), "the one that was selected before is not meant"
    QTest.mousePress(view, Qt.MouseButton.RightButton, pos=place)
    QTest.mouseMove(view, place + QPoint(0, 40))
    QTest.mouseRelease(view, Qt.MouseButton.RightButton, pos=place + QPoint(0, 40))
    assert not [m for m in scored.window.findChildren(QMenu, "plaqueMenu") if m.isVisible()], "a drag zooms"


def test_the_menu_of_a_plaque_whose_score_is_withheld_tells_none(scored: Program) -> None:
    first = counted(scored)[0]
    scored.session.undo()
    assert scored.text("wholeHeartValue") == "Withheld"
    scored.session.set_view(position=first.id)
    menu = menu_at(scored, axial(scored).position_of(first.id).toPoint(), axial(scored).viewport())
    assert menu.actions()[0].text() == f"Plaque, {first.suggested.replace('LCX', 'LCx')} ?"
    menu.close()


def test_the_menu_of_the_table_is_of_all_that_are_selected(scored: Program) -> None:
    table = scored.window.heart_panel.table
    wanted = counted(scored)[:2]
    table.choose({plaque.id for plaque in wanted})
    table.view.customContextMenuRequested.emit(QPoint(5, 5))
    menu = scored.window.findChild(QMenu, "plaqueMenu")
    assert menu is not None
    assert menu.actions()[0].text() == "2 plaques"
    menu.actions()[-1].trigger()
    menu.close()
    assert not {plaque.id for plaque in wanted} & {plaque.id for plaque in heart(scored).counted}
    scored.session.undo()
    assert {plaque.id for plaque in wanted} <= {plaque.id for plaque in heart(scored).counted}


def test_a_lasso_chooses_the_plaques_of_the_slice(scored: Program) -> None:
    plaque = counted(scored)[0]
    point_at(scored, plaque)
    press(scored, Qt.Key.Key_L)
    lasso = scored.window.commands.heart.lasso
    assert lasso.isVisible()
    middle = axial(scored).position_of(plaque.id).toPoint()
    around = [middle + QPoint(dx, dy) for dx, dy in ((-30, -30), (30, -30), (30, 30), (-30, 30))]
    QTest.mousePress(lasso, Qt.MouseButton.LeftButton, pos=around[0])
    for at in around[1:]:
        QTest.mouseMove(lasso, at)
    QTest.mouseRelease(lasso, Qt.MouseButton.LeftButton, pos=around[-1])
    assert not lasso.isVisible()
    assert plaque.id in scored.window.heart_panel.table.chosen
    axial(scored).hovered.emit((2, 2, 2))
    press(scored, Qt.Key.Key_T, Qt.Key.Key_1)
    assert heart(scored).at(plaque.id).vessel == "LM"
    press(scored, Qt.Key.Key_L)
    press(scored, Qt.Key.Key_Escape)
    assert not lasso.isVisible()


def test_suggested_vessels_are_drawn_paler_than_taken_ones(scored: Program) -> None:
    plaque = counted(scored)[0]
    index = heart(scored).groups.index(plaque) + 1
    answer = scored.session.heart
    assert answer is not None
    pale = answer.overlay.colours[index]
    assert tuple(pale[:3]) == VESSEL_COLOURS[plaque.suggested]
    scored.session.mark_plaques([plaque.id], plaque.suggested)
    assert scored.session.heart is not None
    assert scored.session.heart.overlay.colours[index][3] > pale[3]
    assert (scored.session.heart.overlay.labels == len(heart(scored).groups) + 1).any()
    toggle_at(scored.session, plaque.id)
    assert tuple(scored.session.heart.overlay.colours[index][:3]) not in VESSEL_COLOURS.values()


def test_another_place_has_another_heart_and_a_stale_one_is_dropped(scored: Program) -> None:
    session, before = scored.session, scored.session.heart
    assert before is not None
    session.nudge_centre(1, 0, 0)
    assert session.whole_heart is None
    assert scored.text("wholeHeartValue") == "–"
    assert not session.apply_heart(before)
    assert not session.apply_heart(HeartAnswer(before.request, before.outline, before.scores, before.overlay))
    scored.wait(lambda: session.whole_heart is not None)
    press(scored, Qt.Key.Key_A)
    assert session.whole_heart is None
    assert not scored.window.heart_panel.isVisible()


def test_nothing_of_the_heart_outlives_the_exam(scored: Program, volume: CTVolume) -> None:
    seen: list[object] = []
    scored.session.exam_changed.connect(lambda: seen.append(scored.session.whole_heart))
    other = CTVolume(
        np.zeros_like(volume.hu), volume.spacing_mm, volume.origin_mm, volume.direction, "9.9", {"PatientID": "x"}
    )
    scored.show(other)
    assert seen == [None]
    assert not scored.window.heart_panel.isVisible()


def test_keys_say_what_they_need(ready: Program, volume: CTVolume) -> None:
    ready.show(volume)
    said: list[str] = []
    ready.window.commands.message.connect(said.append)
    press(ready, Qt.Key.Key_T, Qt.Key.Key_1)
    assert said[-1].startswith("Plaques show with the whole heart")
    press(ready, Qt.Key.Key_L)
    assert said[-1].startswith("Plaques show with the whole heart")
    press(ready, Qt.Key.Key_A)
    assert "once the heart centre is placed" in said[-1]
    assert "needs the heart centre" in ready.text("heartNote")


@pytest.fixture
def two_days(ready: Program, tmp_path: Path) -> Reading:
    exams = tmp_path / "exams"
    for n in range(2):
        write_exam(exams / f"{n}", n)
    reading = Reading(ready)
    reading.open_list(exams, 2)
    return reading


def test_the_read_keeps_the_whole_heart_and_the_list_says_which_number_it_is(two_days: Reading) -> None:
    reading, session = two_days, two_days.session
    reading.read_one(1)
    press(reading.program, Qt.Key.Key_A)
    reading.program.wait(lambda: session.settled_heart is not None)
    kept = session.settled_heart
    assert kept is not None
    reading.program.wait(lambda: any(read.results.get("whole_heart") for read in reading.saved()))
    (read,) = reading.saved()
    assert read.whole_heart
    assert read.results["whole_heart"]["agatston"] == kept.agatston
    assert "plaques" not in read.results["whole_heart"]
    shown = session.stored_id
    reading.program.wait(lambda: bool((e := reading.worklist.entry(shown)) and e.read and e.read.outlined))
    reading.go(Qt.Key.Key_N)
    assert not session.read.whole_heart
    revision = reading.saved()[0].revision
    reading.go(Qt.Key.Key_P)
    reading.program.wait(lambda: session.settled_heart is not None)
    assert session.settled_heart.agatston == kept.agatston
    reading.program.wait(lambda: session.risk is not None)
    assert reading.saved()[0].revision == revision
