"""Seeded faults of a series: each is refused in one sentence or read correctly, never silently wrong."""

from __future__ import annotations

import copy
import re
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from pydicom.dataset import Dataset

from hyrisk_desktop.errors import ExamError
from hyrisk_desktop.imaging import find_series, read_volume
from tests.helpers.dicom_series import ROOT, anatomy, slices, write

COUNT = 12
Datasets = list[Dataset]


def _set(keyword: str, value: object, *where: int) -> Callable[[Datasets], None]:
    def edit(parts: Datasets) -> None:
        for index in where:
            setattr(parts[index], keyword, value)

    return edit


def _drop(keyword: str, *where: int) -> Callable[[Datasets], None]:
    def edit(parts: Datasets) -> None:
        for index in where or range(len(parts)):
            delattr(parts[index], keyword)

    return edit


def _move(index: int, x: float = 0, y: float = 0, z: float = 0) -> Callable[[Datasets], None]:
    def edit(parts: Datasets) -> None:
        old = [float(v) for v in parts[index].ImagePositionPatient]
        parts[index].ImagePositionPatient = [old[0] + x, old[1] + y, old[2] + z]

    return edit


def _tilt(parts: Datasets) -> None:
    for z, part in enumerate(parts):
        old = [float(v) for v in part.ImagePositionPatient]
        part.ImagePositionPatient = [old[0], old[1] + 0.4 * z, old[2]]


def _gantry_tilt(parts: Datasets) -> None:
    """The usual form: turned orientation, positions that go straight along the table."""
    for part in parts:
        part.ImageOrientationPatient = [1, 0, 0, 0, float(np.cos(0.3)), float(-np.sin(0.3))]


def _uneven(parts: Datasets) -> None:
    for z, part in enumerate(parts):
        old = [float(v) for v in part.ImagePositionPatient]
        part.ImagePositionPatient = [*old[:2], old[2] + (1.3 * (z - 6) if z > 6 else 0)]


def _remove(*where: int) -> Callable[[Datasets], None]:
    def edit(parts: Datasets) -> None:
        for index in sorted(where, reverse=True):
            del parts[index]

    return edit


def _same_place(parts: Datasets) -> None:
    parts[5].ImagePositionPatient = parts[4].ImagePositionPatient


def _second_version(parts: Datasets) -> None:
    twin = copy.deepcopy(parts[5])
    twin.PixelData = bytes(len(twin.PixelData))
    parts.append(twin)


def _another_reconstruction(parts: Datasets) -> None:
    for index, part in enumerate(slices(COUNT, seed=3)):
        part.SOPInstanceUID = f"{ROOT}.1.8.{index}"
        parts.append(part)


def _swapped_pixels(parts: Datasets) -> None:
    parts[1].PixelData, parts[6].PixelData = parts[6].PixelData, parts[1].PixelData


def _swapped_positions(parts: Datasets) -> None:
    one, other = parts[2], parts[8]
    one.ImagePositionPatient, other.ImagePositionPatient = other.ImagePositionPatient, one.ImagePositionPatient


def _blank(parts: Datasets) -> None:
    parts[6].PixelData = bytes(len(parts[6].PixelData))


def _noise_slice(parts: Datasets) -> None:
    rng = np.random.default_rng(1)
    parts[6].PixelData = rng.integers(0, 3000, 64 * 64, dtype=np.uint16).tobytes()


def _cut_pixels(parts: Datasets) -> None:
    parts[6].PixelData = parts[6].PixelData[:-200]


def _long_pixels(parts: Datasets) -> None:
    parts[6].PixelData = parts[6].PixelData + bytes(200)


def _other_matrix(parts: Datasets) -> None:
    small = slices(COUNT, 32, 32)
    small[6].ImagePositionPatient, small[6].SOPInstanceUID = parts[6].ImagePositionPatient, parts[6].SOPInstanceUID
    parts[6] = small[6]


def _turned_slice(parts: Datasets) -> None:
    parts[6].ImageOrientationPatient = [-1, 0, 0, 0, -1, 0]


def _coronal(parts: Datasets) -> None:
    for part in parts:
        part.ImageOrientationPatient = [1, 0, 0, 0, 0, -1]


def _half_coronal(parts: Datasets) -> None:
    for part in parts[:6]:
        part.ImageOrientationPatient = [1, 0, 0, 0, 0, -1]


def _meta_uid(parts: Datasets) -> None:
    parts[6].file_meta.MediaStorageSOPInstanceUID = f"{ROOT}.66"


REFUSED: dict[str, tuple[Callable[[Datasets], None], str]] = {
    "a slice missing": (_remove(6), "missing_slice"),
    "two slices missing": (_remove(5, 6), "missing_slice"),
    "two single slices missing": (_remove(3, 8), "missing_slice"),
    "slice moved along z": (_move(6, z=0.8), "uneven_spacing"),
    "slice moved a little along z": (_move(6, z=0.08), "uneven_spacing"),
    "slice moved sideways": (_move(6, x=5), "shifted_slice"),
    "slice moved a little sideways": (_move(6, y=0.5), "shifted_slice"),
    "shear": (_tilt, "gantry_tilt"),
    "gantry tilt": (_gantry_tilt, ""),
    "spacing changes": (_uneven, "uneven_spacing"),
    "two slices at one place": (_same_place, "duplicate_slice"),
    "two versions of a slice": (_second_version, "duplicate_slice"),
    "two reconstructions": (_another_reconstruction, "duplicate_slice"),
    "positions relabelled": (_swapped_positions, "instance_order"),
    "instance numbers relabelled": (_set("InstanceNumber", 30, 3), "instance_order"),
    "pixels misfiled": (_swapped_pixels, "slice_jump"),
    "blank slice": (_blank, "blank_slice"),
    "slice of noise": (_noise_slice, "slice_jump"),
    "pixels cut short": (_cut_pixels, "truncated"),
    "other matrix": (_other_matrix, "mixed_matrix"),
    "other pixel spacing": (_set("PixelSpacing", [0.8, 0.8], 6), "mixed_matrix"),
    "one slice turned": (_turned_slice, "mixed_orientation"),
    "coronal": (_coronal, "not_axial"),
    "half coronal": (_half_coronal, "mixed_orientation"),
    "second patient id": (_set("PatientID", "T-2", 6), "mixed_patients"),
    "second patient name": (_set("PatientName", "Other^Person", 6, 7), "mixed_patients"),
    "second birth date": (_set("PatientBirthDate", "19600101", 6), "mixed_patients"),
    "second study": (_set("StudyInstanceUID", f"{ROOT}.77", 6), "mixed_studies"),
    "second frame of reference": (_set("FrameOfReferenceUID", f"{ROOT}.78", 6), "mixed_studies"),
    "second kernel": (_set("ConvolutionKernel", "B70f", 6), "mixed_acquisitions"),
    "second voltage": (_set("KVP", "80", 6), "mixed_acquisitions"),
    "second thickness": (_set("SliceThickness", 5, 6), "mixed_acquisitions"),
    "contrast in half": (_set("ContrastBolusAgent", "IV", 0, 1, 2), ""),
    "no position": (_drop("ImagePositionPatient", 6), "missing_tag"),
    "no position at all": (_drop("ImagePositionPatient"), "missing_tag"),
    "no orientation": (_drop("ImageOrientationPatient", 6), "missing_tag"),
    "no pixel spacing": (_drop("PixelSpacing"), "missing_tag"),
    "zero pixel spacing": (_set("PixelSpacing", [0, 0], *range(COUNT)), "pixel_spacing"),
    "no intercept": (_drop("RescaleIntercept", 6), "missing_tag"),
    "zero slope": (_set("RescaleSlope", 0, 6), "rescale"),
    "not HU": (_set("RescaleType", "MGML", *range(COUNT)), "not_hu"),
    "no pixels": (_drop("PixelData", 6), "no_pixels"),
    "colour": (_set("PhotometricInterpretation", "RGB", 6), "not_grey"),
    "meta and data set disagree": (_meta_uid, "uid_mismatch"),
    "orientation of zeros": (_set("ImageOrientationPatient", [0, 0, 0, 0, 0, 0], *range(COUNT)), ""),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_fault_is_refused_in_one_sentence(name: str, tmp_path: Path) -> None:
    edit, code = REFUSED[name]
    parts = slices(COUNT, seed=5)
    if name == "contrast in half":
        for part in parts[3:]:
            part.ContrastBolusAgent = "ORAL"
    edit(parts)
    write(parts, tmp_path)
    records = find_series(tmp_path)
    assert not records[0].suitable or code in ("slice_jump", "blank_slice")
    with pytest.raises(ExamError) as caught:
        read_volume(records[0])
    error = caught.value
    assert not code or error.code == code
    assert error.message[0].isupper() or error.message[0].isdigit()
    assert error.message.endswith(".")
    assert not re.search(r"T-1|T-2|Person|1\.2\.826", error.message)
    assert error.code == (records[0].problem or error.code)


def _slopes(parts: Datasets) -> None:
    """Each slice with a scale of its own, as PET and some CT writers do."""
    for index, part in enumerate(parts):
        stored = np.frombuffer(part.PixelData, np.uint16).astype(int)
        part.RescaleIntercept = -1024 - 10 * index
        part.PixelData = (stored + 10 * index).astype(np.uint16).tobytes()


def _signed(parts: Datasets) -> None:
    for part in parts:
        stored = np.frombuffer(part.PixelData, np.uint16).astype(np.int16) - 1024
        part.RescaleIntercept, part.PixelRepresentation, part.PixelData = 0, 1, stored.tobytes()


def _twelve_bits(parts: Datasets) -> None:
    for part in parts:
        part.BitsStored, part.HighBit = 12, 11
        stored = np.frombuffer(part.PixelData, np.uint16) & 0x0FFF
        part.PixelData = (stored | 0xF000 * (np.arange(stored.size) % 5 == 0)).astype(np.uint16).tobytes()


def _double_slope(parts: Datasets) -> None:
    for part in parts:
        stored = np.frombuffer(part.PixelData, np.uint16) // 2 * 2
        part.RescaleSlope, part.PixelData = 2, (stored // 2).tobytes()


def _copies(parts: Datasets) -> None:
    parts.append(copy.deepcopy(parts[4]))


def _localizer(parts: Datasets) -> None:
    scout = slices(1, 64, 48, orientation=(0, 1, 0, 0, 0, -1))[0]
    scout.SOPInstanceUID, scout.ImageType = f"{ROOT}.1.9", ["ORIGINAL", "PRIMARY", "LOCALIZER"]
    parts.append(scout)


def _unlabelled_localizer(parts: Datasets) -> None:
    _localizer(parts)
    parts[-1].ImageType = ["ORIGINAL", "PRIMARY"]


def _long_texts(parts: Datasets) -> None:
    for part in parts:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            part.SeriesDescription, part.StationName = "x" * 300, "y" * 100


def _odd_values(parts: Datasets) -> None:
    for index, part in enumerate(parts):
        part.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL", "CT_SOM5 SPI", "EXTRA", "WORDS"]
        part.Exposure, part.XRayTubeCurrent = 20 + index, 100 + 3 * index
        part.AcquisitionTime = f"1011{index:02d}"


def _numbers_from(first: int) -> Callable[[Datasets], None]:
    def edit(parts: Datasets) -> None:
        for index, part in enumerate(parts):
            part.InstanceNumber = first + index

    return edit


def _jitter(parts: Datasets) -> None:
    rng = np.random.default_rng(0)
    for part in parts:
        part.ImagePositionPatient = [round(float(v) + rng.uniform(-1e-3, 1e-3), 4) for v in part.ImagePositionPatient]


VALID: dict[str, Callable[[Datasets], None]] = {
    "plain": lambda parts: None,
    "signed": _signed,
    "scale per slice": _slopes,
    "twelve bits with overlay bits": _twelve_bits,
    "slope two": _double_slope,
    "exact copies": _copies,
    "localizer": _localizer,
    "unlabelled localizer": _unlabelled_localizer,
    "overlong texts": _long_texts,
    "odd but normal values": _odd_values,
    "numbers from 500": _numbers_from(500),
    "numbers missing": _drop("InstanceNumber"),
    "numbers all 1": _set("InstanceNumber", 1, *range(COUNT)),
    "jitter": _jitter,
    "pixels too long": _long_pixels,
    "no preamble of identity": _drop("PatientBirthDate"),
    "one slice without patient name": _drop("PatientName", 3),
}


@pytest.mark.parametrize("name", VALID)
@pytest.mark.parametrize("syntax", ["1.2.840.10008.1.2", "1.2.840.10008.1.2.1"])
def test_a_valid_variant_loads(name: str, syntax: str, tmp_path: Path) -> None:
    parts = slices(COUNT, seed=5)
    VALID[name](parts)
    write(parts, tmp_path, syntax)
    (record,) = find_series(tmp_path)
    assert record.suitable, record.reason
    volume = read_volume(record)
    wanted = anatomy(COUNT, 64, 64, 5)
    assert volume.hu.dtype == np.int16
    if name == "slope two":
        wanted = (wanted + 1024) // 2 * 2 - 1024
    assert np.array_equal(volume.hu, wanted)
    assert volume.spacing_mm == pytest.approx((0.7, 0.8, 2.5), abs=1e-3)
    codes = {f.code for f in volume.findings}
    assert ("localizer_set_aside" in codes) == ("localizer" in name)
    assert ("copies_left_out" in codes) == (name == "exact copies")


def test_values_beyond_int16_become_float32_exactly(tmp_path: Path) -> None:
    parts = slices(COUNT, seed=5)
    for part in parts:
        stored = np.frombuffer(part.PixelData, np.uint16).astype(np.int16) // 2
        stored[2000:2005] = 20000
        part.RescaleSlope, part.PixelRepresentation, part.PixelData = 2, 1, stored.tobytes()
    write(parts, tmp_path)
    volume = read_volume(find_series(tmp_path)[0])
    assert volume.hu.dtype == np.float32
    assert (volume.hu.reshape(12, -1)[:, 2000:2005] == 38976).all()


def test_a_fractional_slope_gives_float32(tmp_path: Path) -> None:
    write(slices(COUNT, seed=5, slope=0.5), tmp_path)
    volume = read_volume(find_series(tmp_path)[0])
    assert volume.hu.dtype == np.float32
    assert np.abs(volume.hu - anatomy(COUNT, 64, 64, 5)).max() <= 0.25


@pytest.mark.parametrize(
    ("orientation", "seen"),
    [
        ((1, 0, 0, 0, 1, 0), lambda a: a),
        ((-1, 0, 0, 0, -1, 0), lambda a: a[:, ::-1, ::-1]),
        ((1, 0, 0, 0, -1, 0), lambda a: a[::-1, ::-1, :]),
        ((-1, 0, 0, 0, 1, 0), lambda a: a[::-1, :, ::-1]),
        ((0, 1, 0, 1, 0, 0), lambda a: a[::-1].transpose(0, 2, 1)),
    ],
)
def test_every_way_of_lying_is_turned_to_the_usual_view(orientation, seen, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    write(slices(COUNT, 48, 64, orientation=orientation, seed=2), tmp_path)
    volume = read_volume(find_series(tmp_path)[0])
    assert np.array_equal(volume.hu, seen(anatomy(COUNT, 48, 64, 2)))
    # 0.8 mm between stored rows, 0.7 between stored columns, wherever turning puts them.
    assert volume.spacing_mm == pytest.approx((0.7, 0.8, 2.5) if orientation[0] else (0.8, 0.7, 2.5))
    assert np.allclose(volume.direction, np.eye(3))
    corner = {tuple(np.round(volume.voxel_to_mm((x, y, z)), 3)) for x in (0, volume.hu.shape[2] - 1)
              for y in (0, volume.hu.shape[1] - 1) for z in (0, volume.hu.shape[0] - 1)}  # fmt: skip
    assert (-180.0, -170.0, -300.0) in corner
    # The mark of each stored slice's first pixel, where the file says that this pixel lies.
    row, column = np.array(orientation[:3], float), np.array(orientation[3:], float)
    for z in (0, 5):
        place = np.array((-180.0, -170.0, -300.0)) + np.cross(row, column) * z * 2.5
        x, y, k = volume.mm_to_voxel(tuple(place))
        assert volume.hu[k, y, x] == -1024 + z % 7
        assert volume.voxel_to_mm((x, y, k)) == pytest.approx(tuple(place))


def test_a_file_changed_after_finding_is_read_anew(tmp_path: Path) -> None:
    write(slices(COUNT, seed=5), tmp_path)
    record = find_series(tmp_path)[0]
    parts = slices(COUNT, seed=5)
    for part in parts:
        part.SeriesDescription = "Another length of text altogether"
    write(parts, tmp_path)
    assert np.array_equal(read_volume(record).hu, anatomy(COUNT, 64, 64, 5))
