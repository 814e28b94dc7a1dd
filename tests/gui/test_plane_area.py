"""Which part of a plane a view shows, and where its millimetres lie: exact numbers of a widget that is wider than high."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from PySide6.QtCore import QEvent, QPointF, QRectF, Qt
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import QApplication, QVBoxLayout, QWidget
from pytestqt.qtbot import QtBot

from hyrisk_desktop.gui.viewer.plane_area import PlaneArea

Shown = Callable[[float, float, float, float], PlaneArea]


@pytest.fixture
def shown(qtbot: QtBot) -> Shown:
    """A widget of 400 x 200 pixels that shows an area in mm."""

    def show(*area: float) -> PlaneArea:
        widget = PlaneArea()
        qtbot.addWidget(widget)
        widget.resize(400, 200)
        widget.show()
        widget._show_mm(QRectF(*area))
        return widget

    return show


def test_a_high_area_lies_in_the_middle_and_more_of_the_plane_beside_it(shown: Shown) -> None:
    view = shown(10, 30, 50, 100)
    assert view.visible_mm == QRectF(-65, 30, 200, 100)
    assert view.mm_per_pixel == 0.5
    assert view._to_widget().map(QPointF(10, 30)) == QPointF(150, 0)
    assert view._to_widget().map(QPointF(60, 130)) == QPointF(250, 200)
    assert view._to_mm(QPointF(150, 200)) == QPointF(10, 130)


def test_a_wide_area_has_more_of_the_plane_above_and_below(shown: Shown) -> None:
    view = shown(-20, 5, 800, 100)
    assert view.visible_mm == QRectF(-20, -145, 800, 400)
    # Left stays left and up stays up: the first pixel is the least of both.
    assert view._to_mm(QPointF(0, 0)) == QPointF(-20, -145)
    assert view._to_mm(QPointF(100, 50)) == QPointF(180, -45)


def test_what_is_under_the_pointer_stays_there_while_it_is_enlarged(shown: Shown) -> None:
    view = shown(0, 0, 200, 100)
    place = view._to_mm(QPointF(300, 40))
    assert place == QPointF(150, 20)
    view._scale_around(place, 0.25)
    assert view.visible_mm == QRectF(112.5, 15, 50, 25)
    assert view._to_widget().map(place) == QPointF(300, 40)


@pytest.mark.parametrize("size", [(400, 0), (0, 200), (0, 0)])
def test_a_widget_without_room_still_knows_its_area(shown: Shown, size: tuple[int, int]) -> None:
    view = shown(10, 30, 50, 100)
    view.resize(*size)
    assert view.visible_mm.contains(QRectF(10, 30, 50, 100))
    assert view.mm_per_pixel > 0
    assert view.visible_mm.contains(view._to_mm(QPointF(0, 0)))
    view.resize(400, 200)
    assert view.visible_mm == QRectF(-65, 30, 200, 100)


def test_another_size_shows_the_same_area_and_not_what_was_seen_beside_it(shown: Shown) -> None:
    view = shown(10, 30, 50, 100)
    view.resize(200, 400)
    QApplication.processEvents()
    assert view.visible_mm == QRectF(10, 30, 50, 100)
    view.resize(200, 200)
    QApplication.processEvents()
    assert view.visible_mm == QRectF(-15, 30, 100, 100)
    assert (view.sizeHint().width(), view.sizeHint().height()) == (200, 200)


@pytest.mark.parametrize("factor", [0.5, 2.0])
def test_zooming_ends_before_the_numbers_do(shown: Shown, factor: float) -> None:
    view = shown(100, 200, 300, 150)
    for _ in range(2000):
        view._scale_around(QPointF(170, 210), factor)
    assert 1e-3 <= view.visible_mm.width() <= 1e6
    there_and_back = view._to_widget().map(view._to_mm(QPointF(399, 7)))
    assert (there_and_back - QPointF(399, 7)).manhattanLength() < 1e-3


@pytest.mark.parametrize("key", [Qt.Key.Key_Left, Qt.Key.Key_Down, Qt.Key.Key_PageUp, Qt.Key.Key_G])
def test_keys_go_on_to_whoever_holds_it(qtbot: QtBot, key: Qt.Key) -> None:
    heard = []

    class Holder(QWidget):
        def keyPressEvent(self, event: QKeyEvent) -> None:
            heard.append(event.key())

    holder, view = Holder(), PlaneArea()
    qtbot.addWidget(holder)
    QVBoxLayout(holder).addWidget(view)
    QApplication.sendEvent(view, QKeyEvent(QEvent.Type.KeyPress, key, Qt.KeyboardModifier.NoModifier))
    assert heard == [key]
