"""The oblique plane in the window: turned and tilted by its lines, never measured on, and gone with the exam."""

from __future__ import annotations

import numpy as np
import pytest
from PySide6.QtCore import QPoint, QPointF, Qt
from PySide6.QtGui import QWheelEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QWidget

from hyrisk_desktop.gui.viewer.display import Plane
from hyrisk_desktop.gui.viewer.oblique import Oblique, PlaneLine
from hyrisk_desktop.gui.viewer.picture import Picture
from hyrisk_desktop.imaging.oblique import ObliquePlane, cut_oblique
from tests.gui.conftest import Program
from tests.helpers.volumes import HEART_CENTRE, block_volume


@pytest.fixture
def oblique(ready: Program) -> Oblique:
    """On, with a picture, through a place that is in the middle of no axis."""
    ready.show(block_volume())
    ready.session.set_view(position=(140, 100, 13))
    QTest.keyClick(ready.window.desk.views[Plane.AXIAL], Qt.Key.Key_O)
    found = ready.window.commands.oblique_plane
    ready.wait(lambda: found.image.shown)
    return found


def drag(line: PlaneLine, to: QPoint) -> None:
    """The second handle, from where it is."""
    start = line.ends[1].toPoint()
    QTest.mousePress(line, Qt.MouseButton.LeftButton, pos=start)
    QTest.mouseMove(line, to)
    QTest.mouseRelease(line, Qt.MouseButton.LeftButton, pos=to)


def middle(line: PlaneLine) -> QPoint:
    first, last = line.ends
    return ((first + last) / 2).toPoint()


def test_dragging_the_lines_turns_and_tilts_the_plane(ready: Program, oblique: Oblique) -> None:
    volume = ready.session.volume
    assert volume is not None
    assert oblique.plane == ObliquePlane((140, 100, 13))
    axial, sagittal = oblique.lines
    drag(axial, middle(axial) + QPoint(80, 80))
    assert (oblique.turn_deg, oblique.tilt_deg) == (45, 0)
    drag(sagittal, middle(sagittal) + QPoint(-30, 60))
    assert oblique.turn_deg == 45
    assert oblique.tilt_deg == pytest.approx(-19, abs=2), (
        "half as far aside as down, and the plane is turned by 45 degrees"
    )
    wanted = cut_oblique(volume, oblique.plane)
    ready.wait(lambda: oblique.image._hu is not None and np.array_equal(oblique.image._hu, wanted))
    assert "turned 45°" in oblique.image._words
    fresh = Picture()
    fresh.show_slice(wanted, ready.window.desk.window_table()[1])
    np.testing.assert_array_equal(oblique.image._picture._buffer, fresh._buffer)


def test_beside_the_line_the_mouse_reaches_the_image(ready: Program, oblique: Oblique) -> None:
    axial, line = ready.window.desk.views[Plane.AXIAL], oblique.lines[0]
    for end in line.ends:
        assert line.mask().contains(end.toPoint())
    assert not line.mask().contains(middle(line) + QPoint(40, 60))
    before = ready.session.view.position
    place = axial.position_of((100, 60, 13)).toPoint()
    assert axial.childAt(place) is not line
    QTest.mouseClick(axial.viewport(), Qt.MouseButton.LeftButton, pos=place)
    assert ready.session.view.position != before
    assert middle(line) == axial.position_of(ready.session.view.position).toPoint()


def test_a_click_and_a_wheel_move_the_linked_cursor(ready: Program, oblique: Oblique) -> None:
    image = oblique.image
    QTest.mouseClick(image, Qt.MouseButton.LeftButton, pos=QPoint(image.width() // 2 + 20, image.height() // 2))
    x, y, z = ready.session.view.position
    assert x > 140
    assert (y, z) == (100, 13)
    oblique._turn(1.0, 1.0)
    before = ready.session.view.position
    event = QWheelEvent(
        QPointF(5, 5), QPointF(5, 5), QPoint(), QPoint(0, 120), Qt.MouseButton.NoButton,
        Qt.KeyboardModifier.NoModifier, Qt.ScrollPhase.NoScrollPhase, False,
    )  # fmt: skip
    QApplication.sendEvent(image, event)
    after = ready.session.view.position
    assert after[0] < before[0]
    assert after[1] > before[1]
    assert after[2] == before[2]


def test_another_window_colours_it_and_another_exam_ends_it(ready: Program, oblique: Oblique) -> None:
    image = oblique.image
    before = image.grab().toImage()
    ready.session.set_view(level=-600.0, width=1500.0)
    assert image.grab().toImage() != before
    assert ready.window.actions_by_key["oblique"].isChecked()
    ready.show(block_volume(series_uid="1.2.4"))
    assert not oblique.on
    assert not image.isVisible()
    assert not image.shown, "nothing of the exam before is left to be seen"
    assert not ready.window.actions_by_key["oblique"].isChecked()


def test_scores_and_risk_do_not_know_of_it(ready: Program, oblique: Oblique) -> None:
    ready.session.place_centre(HEART_CENTRE)
    ready.session.set_grade(1)
    ready.wait_for_risk()
    scores, risk = ready.session.scores, ready.session.risk
    drag(oblique.lines[0], middle(oblique.lines[0]) + QPoint(50, 90))
    assert ready.session.scores is scores
    assert ready.session.risk is risk
    shown = [w for w in ready.window.desk.findChildren(QWidget, "obliqueView") if w.isVisible()]
    assert len(shown) == 1
    QTest.keyClick(ready.window.desk.views[Plane.AXIAL], Qt.Key.Key_O)
    assert not oblique.image.isVisible()
    assert all(not line.isVisible() for line in oblique.lines)
