"""What the views paint: the slice where it is, black where it is not, lesions on it, and the linked views after it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray
from PySide6.QtCore import QPointF
from PySide6.QtWidgets import QApplication

from hyrisk_desktop.gui.overlay import WEIGHT_COLOURS
from hyrisk_desktop.gui.viewer.display import Plane, rgb32, window_table
from hyrisk_desktop.gui.viewer.slice_view import SliceView
from tests.gui.conftest import Program
from tests.helpers.pictures import pixels
from tests.helpers.volumes import HEART_CENTRE, block_volume, box

CX, CY, CZ = HEART_CENTRE
FLAT = {CZ: 40, CZ + 1: 100, CZ + 2: 200}
"""HU of whole slices around the heart."""


@pytest.fixture
def flat(ready: Program) -> Program:
    hu = block_volume().hu.copy()
    for z, value in FLAT.items():
        hu[z] = value
    # A mark off centre in x and y, so that a mirrored or turned picture differs.
    hu[CZ, 20:40, 30:60] = 300
    ready.show(replace(block_volume(), hu=hu))
    ready.window.desk.set_overlay_level(0)
    ready.session.set_view(position=HEART_CENTRE, level=100, width=400)
    return ready


def view_of(program: Program, plane: Plane) -> SliceView:
    return program.window.desk.views[plane]


def shown(view: SliceView) -> NDArray[np.uint8]:
    """RGB [rows, columns] without the frame of the keyboard."""
    return pixels(view.viewport())[2:-2, 2:-2, :3]


def grey_at(view: SliceView, voxel: tuple[int, int, int]) -> int:
    at = view.position_of(voxel).toPoint()
    r, g, b = (int(v) for v in pixels(view.viewport())[at.y(), at.x(), :3])
    assert r == g == b
    return r


def test_each_voxel_is_painted_at_its_place_in_the_window_s_grey(flat: Program) -> None:
    view, table = view_of(flat, Plane.AXIAL), window_table(100, 400)
    for voxel, hu in (((45, 30, CZ), 300), ((30 + 2, 20 + 2, CZ), 300), ((57, 37, CZ), 300), ((CX, CY, CZ), 40)):
        assert grey_at(view, voxel) == table[hu]
    # Across and below the mark's corners, and where a mirrored one would be.
    for voxel in ((65, 30, CZ), (45, 45, CZ), (25, 30, CZ), (260 - 45, 30, CZ), (45, 240 - 30, CZ), (30, 45, CZ)):
        assert grey_at(view, voxel) == table[40]


@pytest.mark.parametrize("plane", [Plane.CORONAL, Plane.SAGITTAL])
def test_reformatted_planes_show_head_up(flat: Program, plane: Plane) -> None:
    view, table = view_of(flat, plane), window_table(100, 400)
    QApplication.processEvents()
    greys = [grey_at(view, (CX, CY, z)) for z in FLAT]
    # A row of the screen takes a little of the next slice.
    assert greys == pytest.approx([int(table[hu]) for hu in FLAT.values()], abs=15)
    assert view.position_of((CX, CY, CZ + 2)).y() < view.position_of((CX, CY, CZ)).y()


@pytest.mark.parametrize("factor", [0.31, 1.0, 3.7])
def test_every_pixel_is_painted_black_where_no_picture_is(flat: Program, factor: float) -> None:
    view = view_of(flat, Plane.AXIAL)
    view._zoom(factor, QPointF(40, 50))
    flat.session.set_view(level=0, width=1, position=(CX, CY, CZ + 1))
    picture = shown(view)
    corner, opposite = view.position_of((0, 0, 0)), view.position_of((259, 239, 0))
    rows, columns = np.ogrid[2 : picture.shape[0] + 2, 2 : picture.shape[1] + 2]
    half, whole = view.zoom / 2, view.zoom
    inside = (columns > corner.x() - half + 2) & (columns < opposite.x() + half - 2)
    inside = inside & (rows > corner.y() - half + 2) & (rows < opposite.y() + half - 2)
    outside = (columns < corner.x() - whole - 2) | (columns > opposite.x() + whole + 2)
    outside = outside | (rows < corner.y() - whole - 2) | (rows > opposite.y() + whole + 2)
    assert inside.any()
    assert (picture[inside] == 255).all()
    assert (picture[outside] == 0).all()
    assert factor > 1 or outside.any()


def test_nothing_of_an_exam_stays_when_it_is_closed(flat: Program) -> None:
    view = view_of(flat, Plane.AXIAL)
    assert shown(view).any()
    view.set_volume(None, None)
    assert not shown(view).any()


def test_the_image_in_hand_is_painted_first_and_the_linked_ones_follow(flat: Program) -> None:
    QApplication.processEvents()
    axial, coronal = view_of(flat, Plane.AXIAL), view_of(flat, Plane.CORONAL)
    flat.session.set_view(position=(CX, CY + 9, CZ + 2))
    assert axial.index == CZ + 2
    assert grey_at(axial, (CX, CY, CZ + 2)) == window_table(100, 400)[200]
    assert coronal.index == CY
    QApplication.processEvents()
    assert coronal.index == CY + 9


def test_the_image_with_the_keyboard_is_the_one_in_hand(flat: Program) -> None:
    QApplication.processEvents()
    axial, coronal = view_of(flat, Plane.AXIAL), view_of(flat, Plane.CORONAL)
    coronal.setFocus()
    flat.session.set_view(position=(CX, CY + 4, CZ + 1), level=0, width=1)
    assert (axial.index, coronal.index) == (CZ, CY + 4)
    assert grey_at(coronal, (CX, CY, CZ)) == 255
    QApplication.processEvents()
    assert axial.index == CZ + 1
    assert grey_at(axial, (CX, CY, CZ)) == 255


def test_lesions_are_painted_over_the_slice_where_they_are(ready: Program) -> None:
    ready.show(block_volume([(box((CX - 20, CY + 8, CZ), (12, 8, 1)), 450)]))
    ready.session.set_view(position=(CX, CY, CZ))
    ready.session.place_centre(HEART_CENTRE)
    view = view_of(ready, Plane.AXIAL)
    at = view.position_of((CX - 15, CY + 11, CZ)).toPoint()
    r, g, b = (int(v) for v in pixels(view.viewport())[at.y(), at.x(), :3])
    # 150 parts of 255 of the lesion's colour, over what is white in this window.
    assert (r, g, b) == pytest.approx([(150 * c + 105 * 255) / 255 for c in WEIGHT_COLOURS[3]], abs=1)
    ready.session.set_view(position=(CX, CY, CZ + 3))
    at = view.position_of((CX - 15, CY + 11, CZ + 3)).toPoint()
    r, g, b = (int(v) for v in pixels(view.viewport())[at.y(), at.x(), :3])
    assert r == g == b


@pytest.mark.parametrize(
    ("level", "width"), [(40, 400), (-600, 1500), (0, 1), (0, 0), (40000, 10), (-40000, 10), (0, 100000), (0.3, 1.5)]
)
def test_the_window_s_table_is_dicom_s_function_for_every_hu(level: float, width: float) -> None:
    hu = np.arange(-32768, 32768)
    slope = max(max(width, 1) - 1, 1e-3)
    wanted = np.clip(np.rint(((hu - (level - 0.5)) / slope + 0.5) * 255), 0, 255)
    table = window_table(level, width)[hu.astype(np.int16).view(np.uint16)]
    assert np.abs(table.astype(int) - wanted).max() <= 1
    assert (table[wanted == 0] <= 1).all()
    assert (np.diff(table.astype(int)) >= 0).all()


def test_rgb32_is_an_opaque_grey() -> None:
    colours = rgb32(np.array([0, 1, 128, 255], np.uint8))
    assert [f"{int(c):08x}" for c in colours] == ["ff000000", "ff010101", "ff808080", "ffffffff"]
