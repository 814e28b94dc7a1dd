"""Pixels outside the reconstructed field become air, whatever stands there; metal in the body stays metal."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest

from hyrisk_desktop.calcium import score_region
from hyrisk_desktop.findings import Severity
from hyrisk_desktop.imaging import CTVolume, find_series, read_slab, read_volume
from tests.helpers.dicom_series import anatomy, enhanced, slices, write, write_one

COUNT, SIZE = 12, 64
Y, X = np.ogrid[:SIZE, :SIZE]
OUTSIDE = (Y - 31.5) ** 2 + (X - 31.5) ** 2 > 31**2
EXPLICIT, DEFLATED = "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.1.99"


def padded(
    stored_value: int,
    *,
    signed: bool = False,
    intercept: float = -1024,
    slope: float = 1,
    bits: int = 16,
    where: Any = OUTSIDE,
) -> list[Any]:
    """A series whose pixels at ``where`` are stored as ``stored_value``."""
    parts = slices(COUNT, SIZE, SIZE, seed=5)
    hu = anatomy(COUNT, SIZE, SIZE, 5)
    for z, part in enumerate(parts):
        stored = np.rint((hu[z] - intercept) / slope).astype(np.int64)
        stored[where] = stored_value
        part.RescaleIntercept, part.RescaleSlope = intercept, slope
        part.BitsStored, part.HighBit, part.PixelRepresentation = bits, bits - 1, int(signed)
        part.PixelData = (stored & 0xFFFF).astype("<u2").tobytes()
    return parts


def tag(parts: list[Any], value: int, vr: str = "US", limit: int | None = None) -> None:
    for part in parts:
        part.add_new("PixelPaddingValue", vr, value)
        if limit is not None:
            part.add_new("PixelPaddingRangeLimit", vr, limit)


def read(parts: list[Any], folder: Path, syntax: str | None = None) -> CTVolume:
    write(parts, folder, syntax)
    return read_volume(find_series(folder)[0])


def check_air(volume: CTVolume) -> None:
    assert volume.hu.dtype == np.int16
    assert (volume.hu[:, OUTSIDE] == -1024).all()
    assert np.array_equal(volume.hu[:, ~OUTSIDE], anatomy(COUNT, SIZE, SIZE, 5)[:, ~OUTSIDE])
    assert {f.code: f.severity for f in volume.findings} == {"padding": Severity.INFO}


@pytest.mark.parametrize("syntax", ["1.2.840.10008.1.2", EXPLICIT, DEFLATED, "1.2.840.10008.1.2.2"])
@pytest.mark.parametrize("tagged", ["US", "SS", "none"])
def test_2000_below_zero_read_as_unsigned_is_air(tagged: str, syntax: str, tmp_path: Path) -> None:
    parts = padded(63536)
    if tagged != "none":
        tag(parts, 63536 if tagged == "US" else -2000, tagged)
    volume = read(parts, tmp_path, syntax)
    check_air(volume)
    assert score_region(volume, (8, 8, 5)).agatston == 0


@pytest.mark.parametrize("value", [63536, 62512, 63488, 64512, 65535, 32768, 65000])
def test_every_negative_constant_read_as_unsigned_is_air(value: int, tmp_path: Path) -> None:
    check_air(read(padded(value), tmp_path))


def test_one_corner_of_a_shifted_field_is_enough(tmp_path: Path) -> None:
    corner = (Y < 9) & (X < 12)
    volume = read(padded(63536, where=corner), tmp_path)
    assert volume.hu.dtype == np.int16
    assert (volume.hu[:, corner] == -1024).all()
    assert np.array_equal(volume.hu[:, ~corner], anatomy(COUNT, SIZE, SIZE, 5)[:, ~corner])


@pytest.mark.parametrize("value", [-2000, -3024, -2048, -32768, -476])
def test_negative_constants_are_air(value: int, tmp_path: Path) -> None:
    check_air(read(padded(value, signed=True), tmp_path))
    check_air(
        read(padded(value - 1024, signed=True, intercept=0) if value > -31000 else padded(value, signed=True), tmp_path)
    )


@pytest.mark.parametrize(("hu", "air"), [(-1499, False), (-1500, True)])
def test_noise_in_air_is_no_padding(hu: int, air: bool, tmp_path: Path) -> None:
    volume = read(padded(hu, signed=True, intercept=0), tmp_path)
    assert (volume.hu[:, OUTSIDE] == (-1024 if air else hu)).all()
    assert [f.code for f in volume.findings] == (["padding"] if air else [])


def test_the_tag_and_its_range_limit_name_air(tmp_path: Path) -> None:
    parts = padded(-1100, signed=True, intercept=0)
    tag(parts, -1300, "SS", -1050)
    check_air(read(parts, tmp_path / "in"))
    tag(parts, -1050, "SS", -1300)
    check_air(read(parts, tmp_path / "turned"))
    tag(parts, -1300, "SS", -1101)
    volume = read(parts, tmp_path / "out")
    assert (volume.hu[:, OUTSIDE] == -1100).all()
    assert volume.findings == ()


def test_a_tagged_signed_value_written_as_unsigned_is_found(tmp_path: Path) -> None:
    parts = padded(-1200, signed=True, intercept=0)
    tag(parts, 65536 - 1200, "US")
    check_air(read(parts, tmp_path))


def test_unused_bits_do_not_turn_padding_into_calcium(tmp_path: Path) -> None:
    """63536 in twelve bits is 2096, so 1072 HU."""
    for name, tagged in (("tagged", True), ("plain", False)):
        parts = padded(63536, bits=12)
        if tagged:
            tag(parts, 63536)
        check_air(read(parts, tmp_path / name))


@pytest.mark.parametrize("vr", ["US", "none"])
@pytest.mark.parametrize("stored", [4095, 33791])
def test_metal_in_the_body_stays_metal(stored: int, vr: str, tmp_path: Path) -> None:
    """Saturated pixels of the very value that fills the corners, but inside the body."""
    metal = (Y - 30) ** 2 + (X - 33) ** 2 < 9
    parts = padded(stored, where=OUTSIDE | metal)
    if vr != "none":
        tag(parts, stored, vr)
    volume = read(parts, tmp_path)
    assert (volume.hu[:, metal] == stored - 1024).all()
    assert (volume.hu[:, OUTSIDE] == -1024).all()
    alone = read(padded(stored, where=metal), tmp_path / "alone")
    assert (alone.hu[:, metal] == stored - 1024).all()
    assert alone.findings == ()


def test_a_tag_that_names_a_tissue_makes_no_holes_in_it(tmp_path: Path) -> None:
    parts = padded(1024 + 40)
    tag(parts, 1024 + 40)
    volume = read(parts, tmp_path)
    assert (volume.hu[:, OUTSIDE] == -1024).all()
    body = anatomy(COUNT, SIZE, SIZE, 5)[:, 24:40, 24:40]
    assert np.array_equal(volume.hu[:, 24:40, 24:40], body)
    assert (body == 40).any()


@pytest.mark.parametrize(("slope", "intercept"), [(0.5, -1024.0), (-1.0, 1000.0)])
def test_other_scales(slope: float, intercept: float, tmp_path: Path) -> None:
    value = round((-2000 - intercept) / slope)
    parts = padded(value, signed=True, slope=slope, intercept=intercept)
    tag(parts, value, "SS")
    volume = read(parts, tmp_path)
    assert (volume.hu[:, OUTSIDE] == -1024).all()
    assert np.abs(volume.hu - anatomy(COUNT, SIZE, SIZE, 5))[:, ~OUTSIDE].max() <= 0.25


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("tagged", [False, True])
def test_compressed_and_enhanced_forms(packed: bool, tagged: bool, tmp_path: Path) -> None:
    parts = padded(63536)
    if tagged:
        tag(parts, 63536)
    many = enhanced(COUNT, SIZE, SIZE)
    wanted = anatomy(COUNT, SIZE, SIZE)
    stored = (wanted.astype(int) + 1024)[::-1]
    stored[:, OUTSIDE] = 63536
    many.PixelData = stored.astype("<u2").tobytes()
    if tagged:
        tag([many], 63536)
    if packed:
        from pydicom.uid import RLELossless

        for part in (*parts, many):
            part.SOPClassUID = part.SOPClassUID
            pydicom.pixels.compress(part, RLELossless, generate_instance_uid=False)
    check_air(read(parts, tmp_path / "single"))
    (tmp_path / "many").mkdir()
    volume = read_volume(find_series(write_one(many, tmp_path / "many" / "a.dcm"))[0])
    assert volume.hu.dtype == np.int16
    assert (volume.hu[:, OUTSIDE] == -1024).all()
    assert np.array_equal(volume.hu[:, ~OUTSIDE], wanted[:, ~OUTSIDE])
    assert [f.code for f in volume.findings] == ["padding"]


def test_a_slab_is_cleaned_like_the_whole(tmp_path: Path) -> None:
    write(padded(63536), tmp_path)
    record = find_series(tmp_path)[0]
    slab = read_slab(record, 6)
    for z in slab.slices:
        assert (slab.volume.hu[z][OUTSIDE] == -1024).all()
    assert slab.volume.findings == ()  # told of the whole only


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz", ".nrrd", ".mha"])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, -3024.0])
def test_what_is_no_number_in_an_image_file_is_air(suffix: str, value: float, tmp_path: Path) -> None:
    sitk = pytest.importorskip("SimpleITK")
    wanted = anatomy(COUNT, SIZE, SIZE, 5).astype(np.float32)
    pixels = wanted.copy()
    pixels[:, OUTSIDE] = value
    pixels[5, 30, 31] = value
    path = tmp_path / f"scan{suffix}"
    image = sitk.GetImageFromArray(pixels)
    image.SetDirection((1, 0, 0, 0, 1, 0, 0, 0, 1))
    sitk.WriteImage(image, str(path))
    volume = read_volume(find_series(path)[0])
    assert (volume.hu[:, OUTSIDE] == -1024).all()
    assert volume.hu[5, 30, 31] == -1024
    assert volume.hu[5, 30, 32] == wanted[5, 30, 32]
    assert "padding" in {f.code for f in volume.findings}
