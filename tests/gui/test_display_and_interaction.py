"""Orientation, windows and drags, without a window."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hyrisk_desktop.calcium import Region, score_region
from hyrisk_desktop.gui.overlay import WEIGHT_COLOURS, lesion_overlay
from hyrisk_desktop.gui.state import Tool, ViewState
from hyrisk_desktop.gui.viewer import interaction
from hyrisk_desktop.gui.viewer.display import (
    Plane,
    PlaneGeometry,
    apply_window,
    lesion_at,
    overlay_colours,
    window_table,
)
from hyrisk_desktop.gui.viewer.overlay_text import person_name, pointer_text
from tests.helpers.volumes import HEART_CENTRE, block_volume, box

SHAPE = (10, 20, 30)
SPACING = (0.5, 0.6, 2.5)


@pytest.mark.parametrize("plane", Plane)
@given(voxel=st.tuples(st.integers(0, 29), st.integers(0, 19), st.integers(0, 9)))
def test_plane_coordinates_round_trip_and_show_the_same_voxel(plane: Plane, voxel: tuple[int, int, int]) -> None:
    geometry = PlaneGeometry(plane, SHAPE, SPACING)
    u, v, index = geometry.to_plane(voxel)
    assert geometry.to_voxel(u, v, round(index)) == voxel
    hu = np.arange(np.prod(SHAPE)).reshape(SHAPE).astype(np.int16)
    x, y, z = voxel
    assert geometry.cut(hu, round(index))[round(v), round(u)] == hu[z, y, x]


def test_radiological_orientation() -> None:
    """x grows to the patient's left, y to the back, z to the head: each must appear where a radiologist looks."""
    hu = np.zeros(SHAPE, np.int16)
    hu[9, 0, 0] = 1  # head, front, right
    axial = PlaneGeometry(Plane.AXIAL, SHAPE, SPACING).cut(hu, 9)
    coronal = PlaneGeometry(Plane.CORONAL, SHAPE, SPACING).cut(hu, 0)
    sagittal = PlaneGeometry(Plane.SAGITTAL, SHAPE, SPACING).cut(hu, 0)
    assert axial[0, 0] == coronal[0, 0] == sagittal[0, 0] == 1
    assert axial.shape == (20, 30)
    assert coronal.shape == (10, 30)
    assert sagittal.shape == (10, 20)


def test_slab_is_the_maximum_over_its_slices() -> None:
    hu = np.random.default_rng(0).integers(-1000, 1000, SHAPE).astype(np.int16)
    geometry = PlaneGeometry(Plane.AXIAL, SHAPE, SPACING)
    np.testing.assert_array_equal(geometry.cut(hu, 5, 3), hu[4:7].max(0))
    np.testing.assert_array_equal(geometry.cut(hu, 0, 5), hu[0:3].max(0))


@pytest.mark.parametrize(("level", "width"), [(40, 400), (-600, 1500), (150, 700), (350, 2000), (0, 1)])
def test_window_is_dicoms_linear_function(level: float, width: float) -> None:
    table = window_table(level, width)
    hu = np.array([[-3024, -1000, -200, 0, 39, 40, 41, 240, 500, 3071, 32767, -32768]], np.int16)
    grey = apply_window(hu, table)[0]
    for value, g in zip(hu[0].tolist(), grey.tolist(), strict=True):
        if value <= level - 0.5 - (width - 1) / 2:
            expected = 0.0
        elif value > level - 0.5 + (width - 1) / 2:
            expected = 255.0
        else:
            expected = ((value - (level - 0.5)) / (width - 1) + 0.5) * 255
        assert g == pytest.approx(expected, abs=0.51)


def test_float_volumes_are_shown_too() -> None:
    assert apply_window(np.array([[40.4, np.float32(1e6)]], np.float32), window_table(40, 400)).tolist() == [[128, 255]]


@pytest.mark.parametrize("plane", Plane)
def test_lesions_are_coloured_by_weight_in_every_plane(plane: Plane) -> None:
    cx, cy, cz = HEART_CENTRE
    volume = block_volume([(box((cx, cy, cz), (4, 4, 1)), 450)])
    scores = score_region(volume, HEART_CENTRE)
    geometry = PlaneGeometry(plane, volume.shape_zyx, volume.spacing_mm)
    index = round(geometry.to_plane((cx, cy, cz))[2])
    colours = overlay_colours(lesion_overlay(scores), geometry, index)
    assert colours is not None
    assert set(map(tuple, colours[colours[..., 3] > 0][:, :3].tolist())) == {WEIGHT_COLOURS[3]}
    assert overlay_colours(lesion_overlay(scores), geometry, index + 30) is None
    assert lesion_at(scores, (cx, cy, cz)) == 0
    assert lesion_at(scores, (cx - 1, cy, cz)) is None
    assert lesion_at(scores, (0, 0, 0)) is None


def test_window_drag() -> None:
    assert interaction.drag_window(level=40, width=400, dx_px=10, dy_px=-5) == (35, 410)
    level, width = interaction.drag_window(level=40, width=2, dx_px=-500, dy_px=0)
    assert (level, width) == (40, 1)


def test_zoom_and_wheel() -> None:
    assert interaction.zoom_factor(dy_px=100) == pytest.approx(2)
    assert interaction.zoom_factor(dy_px=-100) == pytest.approx(0.5)
    assert interaction.wheel_steps(angle=120, remainder=0) == (1, 0)
    assert interaction.wheel_steps(angle=-50, remainder=-80) == (-1, -10)
    assert interaction.wheel_steps(angle=30, remainder=30) == (0, 60)


@pytest.mark.parametrize("plane", Plane)
def test_dragging_a_corner_moves_only_its_two_faces(plane: Plane) -> None:
    region = Region((5, 6, 2), (20, 15, 8))
    geometry = PlaneGeometry(plane, SHAPE, SPACING)
    rectangle = geometry.rectangle(region)
    corner = interaction.hit_corner(rectangle=rectangle, point=(rectangle[2], rectangle[1]), tolerance=(1, 1))
    assert corner == interaction.Corner(high_u=True, high_v=False)
    assert interaction.drag_corner(region=region, geometry=geometry, corner=corner, point=rectangle[2:0:-1]) == region
    moved = interaction.drag_corner(region=region, geometry=geometry, corner=corner, point=(17.4, 0.6))
    expected = {
        Plane.AXIAL: Region((5, 1, 2), (18, 15, 8)),
        Plane.CORONAL: Region((5, 6, 2), (18, 15, 9)),
        Plane.SAGITTAL: Region((5, 6, 2), (20, 18, 9)),
    }[plane]
    assert moved == expected


def test_a_box_stays_heart_sized() -> None:
    geometry = PlaneGeometry(Plane.AXIAL, (400, 512, 512), (0.7, 0.7, 1.0))
    region = Region((200, 200, 100), (300, 300, 200))
    corner = interaction.Corner(high_u=True, high_v=True)
    moved = interaction.drag_corner(region=region, geometry=geometry, corner=corner, point=(511, 511))
    assert moved.size_xyz[0] * 0.7 == pytest.approx(180, abs=0.7)


def test_a_box_never_turns_inside_out() -> None:
    region = Region((5, 6, 2), (20, 15, 8))
    geometry = PlaneGeometry(Plane.AXIAL, SHAPE, SPACING)
    moved = interaction.drag_corner(
        region=region, geometry=geometry, corner=interaction.Corner(False, False), point=(99, 99)
    )
    assert moved.size_xyz[0] == moved.size_xyz[1] == 3


def test_texts() -> None:
    assert person_name("Family^Given^Middle^Dr") == "Family, Given Middle"
    assert person_name("Family") == "Family"


def test_what_lies_under_the_pointer() -> None:
    hu = np.full((3, 30, 40), -50, np.int16)
    hu[1, 10:21, 12:25] = 100
    hu[1, 15, 18] = 400
    volume = replace(block_volume(), hu=hu, spacing_mm=(0.8, 1.0, 2.0))
    view = ViewState()
    assert pointer_text(volume, None, view) == pointer_text(volume, (40, 0, 0), view) == ""
    assert pointer_text(volume, (18, 15, 1), view) == "(18, 15, 1)  400 HU"
    assert "this voxel, not the MIP" in pointer_text(volume, (18, 15, 1), replace(view, slab_mm=5.0))
    # 6 columns and 5 rows to each side: an ellipse in voxels, a disc in mm.
    rows, columns = np.ogrid[-15:15, -18:22]
    values = hu[1][(rows / 5) ** 2 + (columns / 6) ** 2 <= 1]
    assert pointer_text(volume, (18, 15, 1), replace(view, tool=Tool.PROBE)).split("\n")[1] == (
        f"⌀ 10 mm: mean {values.mean():.0f}, SD {values.std():.0f} HU"
    )
