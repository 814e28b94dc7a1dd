"""An oblique plane: what lies where, in volumes of which every value is known."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from hyrisk_desktop.imaging import CTVolume
from hyrisk_desktop.imaging.oblique import (
    ObliquePlane,
    cut_oblique,
    extent_px,
    line_in_sagittal,
    place_on,
    tilt_of,
    turn_of,
)
from tests.helpers.volumes import block_volume

SPACING = (0.8, 1.1, 2.5)
MIDDLE = (31, 18, 9)


@pytest.fixture
def sloping() -> CTVolume:
    """HU that rise by 3 a voxel in x, by 5 in y and by 20 in z: between voxels they are known as well."""
    z, y, x = np.mgrid[:20, :40, :60]
    return replace(block_volume(), hu=(3 * x + 5 * y + 20 * z).astype(np.float32), spacing_mm=SPACING)


def expected(place: tuple[float, float, float]) -> float:
    return 3 * place[0] + 5 * place[1] + 20 * place[2]


@pytest.mark.parametrize(("turn", "tilt"), [(0, 0), (35, 0), (0, -25), (-40, 20), (90, 10)])
def test_every_pixel_is_what_lies_there(sloping: CTVolume, turn: float, tilt: float) -> None:
    plane = ObliquePlane(MIDDLE, turn, tilt)
    columns, rows, pixel = extent_px(sloping)
    cut = cut_oblique(sloping, plane)
    assert cut.shape == (rows, columns)
    assert cut[rows // 2, columns // 2] == pytest.approx(expected(MIDDLE), abs=1e-3)
    for du, dv in ((7, 0), (0, -4), (-5, 3)):
        place = place_on(sloping, plane, du * pixel, dv * pixel)
        assert cut[rows // 2 + dv, columns // 2 + du] == pytest.approx(expected(place), abs=1e-2)


def test_without_angles_it_is_the_coronal_image(sloping: CTVolume) -> None:
    plane = ObliquePlane(MIDDLE)
    assert place_on(sloping, plane, 8.0, 0.0) == pytest.approx((41, 18, 9))
    assert place_on(sloping, plane, 0.0, 5.0) == pytest.approx((31, 18, 7)), "down is towards the feet"
    np.testing.assert_allclose(plane.normal, (0, 1, 0), atol=1e-12)


def test_outside_is_air_and_the_whole_volume_fits_in(sloping: CTVolume) -> None:
    cut = cut_oblique(sloping, ObliquePlane(MIDDLE, 30, 10))
    assert cut[0, 0] == -1024
    columns, rows, pixel = extent_px(sloping)
    assert columns % 2 == rows % 2 == 1
    assert columns * pixel >= math.hypot(60 * 0.8, 40 * 1.1) - 2 * pixel
    assert pixel == 0.8
    large = replace(sloping, hu=np.zeros((2, 900, 900), np.int16), spacing_mm=(0.5, 0.5, 1.0))
    assert max(extent_px(large)[:2]) <= 641


@pytest.mark.parametrize(("turn", "tilt"), [(0, 0), (35, 0), (0, -25), (-40, 20), (70, 50)])
def test_lines_and_angles_are_each_others_inverse(turn: float, tilt: float) -> None:
    plane = ObliquePlane(MIDDLE, turn, tilt)
    axes = np.stack((plane.right, plane.down, plane.normal))
    np.testing.assert_allclose(axes @ axes.T, np.eye(3), atol=1e-12)
    assert turn_of(*plane.right[:2]) == pytest.approx(turn)
    back, feet = line_in_sagittal(plane)
    assert tilt_of(turn, back, feet) == pytest.approx(tilt)
    # The line lies in the plane.
    assert np.dot(plane.normal, (0.0, back, -feet)) == pytest.approx(0.0, abs=1e-12)


def test_a_line_has_no_head() -> None:
    assert turn_of(-1.0, -1.0) == pytest.approx(turn_of(1.0, 1.0)) == pytest.approx(45)
    assert turn_of(-1.0, 0.0) == pytest.approx(0)
    assert turn_of(0.0, 1.0) == pytest.approx(-90)
    assert tilt_of(0.0, -0.5, -0.5) == pytest.approx(45)
    assert tilt_of(60.0, 1.0, 1.0) == pytest.approx(math.degrees(math.atan(0.5)))
