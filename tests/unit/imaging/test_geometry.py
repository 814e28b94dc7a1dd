"""The grid behind slice headers: each limit just under and just over, and every axis in its own place."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from hyrisk_desktop.errors import ExamError
from hyrisk_desktop.imaging.geometry import Grid, axes_of, is_axial, make_grid
from hyrisk_desktop.imaging.volume import CTVolume

USUAL = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)
START = np.array((-180.0, -170.0, -300.0))


def stack(
    count: int = 12, increment: float = 2.5, orientation: Sequence[float] = USUAL, *, start: Sequence[float] = START
) -> np.ndarray:
    """ImagePositionPatient of even slices, feet to head."""
    normal = np.cross(orientation[:3], orientation[3:])
    return np.asarray(start) + np.arange(count)[:, None] * increment * normal


def grid(
    positions: np.ndarray,
    orientation: Sequence[float] = USUAL,
    spacing: Sequence[float] = (0.8, 0.7),
    size: tuple[int, int] = (50, 64),
    thickness: float | None = 3.0,
) -> Grid:
    return make_grid(positions, orientation, spacing, size, thickness)


def code(positions: np.ndarray, orientation: Sequence[float] = USUAL, spacing: Sequence[float] = (0.8, 0.7)) -> str:
    """Why there is no grid; "" where there is one."""
    try:
        grid(positions, orientation, spacing)
    except ExamError as e:
        return e.code
    return ""


def moved(by: Sequence[float], *where: int, count: int = 12, increment: float = 2.5) -> np.ndarray:
    positions = stack(count, increment)
    positions[list(where)] += by
    return positions


def turned_about_x(degrees: float) -> tuple[float, ...]:
    a = np.deg2rad(degrees)
    return (1.0, 0.0, 0.0, 0.0, float(np.cos(a)), float(np.sin(a)))


@pytest.mark.parametrize(
    ("degrees", "axial"), [(0, True), (25, True), (26, False), (-25, True), (-26, False), (90, False)]
)
def test_slices_are_axial_up_to_25_degrees(degrees: float, axial: bool) -> None:
    orientation = turned_about_x(degrees)
    assert is_axial(orientation) is axial
    assert code(stack(orientation=orientation), orientation) == ("" if axial else "not_axial")


@pytest.mark.parametrize(
    ("orientation", "sound"),
    [
        ((1.009, 0, 0, 0, 1, 0), True),
        ((1.011, 0, 0, 0, 1, 0), False),
        ((0.991, 0, 0, 0, 1, 0), True),
        ((1, 0, 0, 0, 0.989, 0), False),
        ((1, 0, 0, 0.0009, 1, 0), True),
        ((1, 0, 0, 0.0011, 1, 0), False),
        ((1, 0, 0, 0, 1), False),
        ((1, 0, 0, 0, 1, np.nan), False),
    ],
)
def test_axes_are_of_length_one_and_at_right_angles(orientation: Sequence[float], sound: bool) -> None:
    assert is_axial(orientation) is sound
    if sound:
        assert [np.linalg.norm(axis) for axis in axes_of(orientation)] == pytest.approx([1, 1])
    else:
        with pytest.raises(ExamError) as e:
            axes_of(orientation)
        assert e.value.code == "orientation"


@pytest.mark.parametrize(
    ("spacing", "problem"),
    [
        ((0.0101, 20.0), ""), ((0.0099, 0.7), "pixel_spacing"), ((0.7, 20.1), "pixel_spacing"), ((0.7,), "pixel_spacing"),
        ((0.7, np.nan), "pixel_spacing"), ((0.7, 0.7, 0.7), "pixel_spacing"), ((-0.7, 0.7), "pixel_spacing"),
    ],
)  # fmt: skip
def test_pixel_spacing_of_use(spacing: Sequence[float], problem: str) -> None:
    assert code(stack(), spacing=spacing) == problem


def test_positions_of_use() -> None:
    assert code(stack(start=(99_990.0, 0, 0))) == ""
    assert code(stack(start=(100_010.0, 0, 0))) == "position"
    assert code(stack(start=(0, -100_010.0, 0))) == "position"
    broken = stack()
    broken[3, 1] = np.inf
    assert code(broken) == "position"


@pytest.mark.parametrize(
    ("by", "increment", "problem"),
    [
        # 2 % of the increment: a slice that moves makes one gap wider and one narrower.
        (0.0495, 2.5, ""), (0.0505, 2.5, "uneven_spacing"), (-0.0505, 2.5, "uneven_spacing"), (0.019, 1.0, ""), (0.021, 1.0, "uneven_spacing"),
        # At least 0.01 mm.
        (0.0098, 0.3, ""), (0.0102, 0.3, "uneven_spacing"),
    ],
)  # fmt: skip
def test_gaps_are_even_within_two_per_cent_or_a_hundredth_of_a_millimetre(
    by: float, increment: float, problem: str
) -> None:
    positions = stack(
        12, increment, start=(-180.03, -170.0, -300.033)
    )  # of two decimals, so that none is taken for rounded
    positions[6, 2] += by
    assert code(positions) == problem


def test_slices_at_one_place() -> None:
    """Slices less than a hundredth of a millimetre apart are one place, whatever the increment."""
    for gap, problem in ((0.0101, ""), (0.0099, "duplicate_slice")):
        assert code(stack(4, gap)) == problem
    assert code(moved((0, 0, 2.495), 5)) == "duplicate_slice"
    assert code(moved((0, 0, 2.489), 5)) == "uneven_spacing"


@pytest.mark.parametrize(("missing", "where"), [(1, (4,)), (2, (4, 5)), (2, (3, 8)), (4, (2, 3, 7, 8))])
def test_missing_slices_are_counted(missing: int, where: tuple[int, ...]) -> None:
    positions = np.delete(stack(), where, axis=0)
    with pytest.raises(ExamError) as e:
        grid(positions)
    assert e.value.code == "missing_slice"
    assert e.value.message.startswith("A slice" if missing == 1 else f"{missing} of")


def test_gaps_that_are_no_multiples_are_uneven() -> None:
    for extra, problem in ((2.5 + 0.095, "missing_slice"), (2.5 - 0.095, "missing_slice"), (2.5 + 0.105, "uneven_spacing"), (1.2, "uneven_spacing")):  # fmt: skip
        positions = stack(start=(-180.03, -170.0, -300.033))
        positions[6:, 2] += extra
        assert code(positions) == problem, extra
    # Where most gaps are double, none is missing: the usual gap is another.
    with pytest.raises(ExamError, match=r"\(2\.50 to 5\.00 mm\)"):
        grid(stack(12)[[0, 2, 4, 6, 7]])


@pytest.mark.parametrize(
    ("by", "increment", "problem"),
    [
        (0.024, 2.5, ""), (0.026, 2.5, "shifted_slice"),  # 1 % of the increment
        (0.0195, 1.0, ""), (0.0205, 1.0, "shifted_slice"),  # at least 0.02 mm
    ],
)  # fmt: skip
@pytest.mark.parametrize("axis", [0, 1])
def test_slices_stand_above_each_other(by: float, increment: float, problem: str, axis: int) -> None:
    shift = [0.0, 0.0, 0.0]
    shift[axis] = by
    assert code(moved(shift, 5, increment=increment)) == problem
    # Along both axes at once the way is as long as the hypotenuse.
    assert code(moved((by * 0.8, by * 0.6, 0), 5, increment=increment)) == problem


def test_a_steady_drift_is_a_tilt_and_a_jump_in_it_is_none() -> None:
    tilted = stack() + np.arange(12)[:, None] * np.array((0, 0.4, 0))
    assert code(tilted) == "gantry_tilt"
    nearly, odd = tilted.copy(), tilted.copy()
    nearly[5, 1] += 0.049
    odd[5, 1] += 0.051
    assert (code(nearly), code(odd)) == ("gantry_tilt", "shifted_slice")
    thick = stack(12, 5.0) + np.arange(12)[:, None] * np.array((0, 0.8, 0))
    thick[5, 0] += 0.099
    assert code(thick) == "gantry_tilt"
    thick[5, 0] += 0.002
    assert code(thick) == "shifted_slice"


def rounded(increment: float, count: int = 40, off: float = 0.0) -> np.ndarray:
    positions = stack(count, increment)
    positions[:, 2] = np.round(positions[:, 2], 1)
    positions[count // 2, 2] += off
    return positions


def test_positions_rounded_to_a_tenth_of_a_millimetre() -> None:
    assert grid(rounded(1.25)).spacing_mm[2] == pytest.approx(1.25, abs=0.002)
    assert grid(rounded(0.625)).spacing_mm[2] == pytest.approx(0.625, abs=0.002)
    assert code(rounded(0.43)) == ""
    assert code(rounded(0.37)) == "uneven_spacing"  # can't be told from a missing slice
    assert code(rounded(1.25, off=0.1)) == "uneven_spacing"  # twice the rounding
    # Not rounded: the same unevenness is a fault.
    fine = rounded(1.25)
    fine[3, 2] += 0.0002
    assert code(fine) == "uneven_spacing"
    # The farthest that a line may miss a position: 0.05 mm by rounding and 0.01 of its own.
    wave = np.where(np.arange(40) % 2, 0.05, -0.05)
    for size, problem in ((1.0, ""), (2.0, "uneven_spacing")):
        positions = stack(40, 1.0)
        positions[:, 2] += wave * size
        positions[:, 2] -= 0.05 * (size == 1.0)
        assert code(positions) == problem


def test_the_increment_is_the_mean_and_not_the_median() -> None:
    positions = stack(4, 2.5)
    positions[3, 2] += 0.03
    assert grid(positions).spacing_mm[2] == pytest.approx(2.51)
    assert grid(positions).spacing_mm[:2] == (0.7, 0.8)


@pytest.mark.parametrize(
    ("thickness", "increment"), [(3.0, 3.0), (None, 1.0), (0.0, 1.0), (99.0, 99.0), (100.0, 1.0), (-2.0, 1.0)]
)
def test_a_single_slice_is_as_thick_as_it_says(thickness: float | None, increment: float) -> None:
    assert grid(stack(1), thickness=thickness).spacing_mm[2] == increment


WAYS = {
    "usual": (1, 0, 0, 0, 1, 0), "prone": (-1, 0, 0, 0, -1, 0), "mirrored": (-1, 0, 0, 0, 1, 0), "upside down": (1, 0, 0, 0, -1, 0),
    "transposed": (0, 1, 0, 1, 0, 0), "turned": (0, 1, 0, -1, 0, 0), "turned back": (0, -1, 0, 1, 0, 0), "both": (0, -1, 0, -1, 0, 0),
    "oblique": (0.98480775, 0.17364818, 0, -0.17364818, 0.98480775, 0),
}  # fmt: skip


@pytest.mark.parametrize("orientation", WAYS.values(), ids=WAYS)
def test_every_stored_pixel_keeps_its_place(orientation: Sequence[float]) -> None:
    """Each pixel of a matrix of 3 x 5 pixels of 0.8 x 0.7 mm is where DICOM's own equation (C.7.6.2.1-1) has it."""
    positions = stack(4, 2.5, orientation)[[2, 0, 3, 1]]
    g = grid(positions, orientation, (0.8, 0.7), (3, 5))
    row, column = np.array(orientation[:3], float), np.array(orientation[3:], float)
    stored = np.arange(4 * 15).reshape(4, 3, 5)
    hu = np.stack([g.turn(stored[i]) for i in g.order])
    volume = CTVolume(hu, g.spacing_mm, g.origin_mm, g.direction, "1")
    for k, position in enumerate(positions):
        for r in range(3):
            for c in range(5):
                place = position + row * 0.7 * c + column * 0.8 * r
                ((z, y, x),) = np.argwhere(hu == stored[k, r, c]).tolist()
                assert volume.voxel_to_mm((x, y, z)) == pytest.approx(tuple(place))
                for sense in (1, -1):
                    assert volume.mm_to_voxel(tuple(place + sense * np.array((0.3, -0.3, 1.2)))) == (x, y, z)
    # To the patient's left, to the back and to the head.
    assert (np.diag(g.direction) > 0.9).all()
    assert np.linalg.det(g.direction) == pytest.approx(1)
    assert g.turned is (g.transpose or g.flip_x or g.flip_y)


def test_inside_a_volume_of_three_sizes() -> None:
    volume = CTVolume(np.zeros((3, 5, 7), np.int16), (0.5, 0.6, 2.0), (1.0, 2.0, 3.0), np.eye(3), "1")
    assert volume.contains((6, 4, 2))
    for outside in ((7, 4, 2), (6, 5, 2), (6, 4, 3), (-1, 0, 0), (0, -1, 0), (0, 0, -1)):
        assert not volume.contains(outside)
    assert volume.voxel_volume_mm3 == pytest.approx(0.6)
    assert volume.voxel_to_mm((2, 3, 1)) == pytest.approx((2.0, 3.8, 5.0))
    assert volume.mm_to_voxel((2.0, 3.8, 5.0)) == (2, 3, 1)
    quarter = np.array([[0.0, -1, 0], [1, 0, 0], [0, 0, 1]])
    askew = replace(volume, direction=quarter)
    assert askew.voxel_to_mm((2, 3, 1)) == pytest.approx((1 - 1.8, 2 + 1.0, 5.0))
    assert askew.mm_to_voxel((1 - 1.8, 2 + 1.0, 5.0)) == (2, 3, 1)
