"""Finding and choosing series behind folders, files, DICOMDIR, zips and image files."""

from __future__ import annotations

import os
import warnings
import zipfile
from pathlib import Path

import numpy as np
import pytest
from pydicom.dataset import Dataset, FileMetaDataset

from hyrisk_desktop.errors import Cancelled, ExamError
from hyrisk_desktop.imaging import find_series, hash_files, read_volume
from hyrisk_desktop.imaging.headers.header import BadHeader, NotDicom
from hyrisk_desktop.imaging.headers.kernels import kernel_of
from hyrisk_desktop.imaging.headers.layout import Layouts
from hyrisk_desktop.imaging.headers.tags import read_header
from hyrisk_desktop.jobs import CancelToken
from tests.helpers.dicom_series import ROOT, anatomy, enhanced, slices, write, write_one


def _series(folder: Path, number: int, **attributes: object) -> None:
    parts = slices(12, series=str(number), increment=float(attributes.pop("increment", 2.5)))  # type: ignore[arg-type]
    for part in parts:
        for keyword, value in attributes.items():
            setattr(part, keyword, value)
    write(parts, folder / str(number))


def test_the_soft_original_native_series_is_chosen_and_the_others_say_why(tmp_path: Path) -> None:
    _series(tmp_path, 1, ConvolutionKernel="B70f")
    _series(tmp_path, 2, ConvolutionKernel="B30f", increment=5)
    _series(tmp_path, 3, ConvolutionKernel="B30f", increment=2)
    _series(tmp_path, 4, ConvolutionKernel="B20f", ContrastBolusAgent="IV")
    _series(tmp_path, 5, ConvolutionKernel="B20f", ImageType=["DERIVED", "PRIMARY", "MPR"])
    _series(tmp_path, 6, ImageType=["DERIVED", "SECONDARY", "MIP"])
    _series(tmp_path, 7, ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"])
    _series(tmp_path, 8, BodyPartExamined="HEAD")
    records = find_series(tmp_path)
    assert [r.series_uid.split(".")[-2] for r in records][:6] == ["3", "2", "1", "4", "5", "8"]
    assert [r.suitable for r in records] == [True] * 6 + [False] * 2
    assert all(r.reason.endswith(".") for r in records)
    assert "sharper" in records[2].reason
    assert "contrast" in records[3].reason
    assert "every 2.0 mm" in records[0].reason
    assert records[0].attributes["PatientID"] == "T-1"


def test_one_file_stands_for_its_series(tmp_path: Path) -> None:
    write(slices(12, series="1"), tmp_path)
    write_one(slices(12, series="2")[0], tmp_path / "other.dcm")
    (record,) = find_series(tmp_path / "I00000.dcm")
    assert record.slice_count == 12
    (other,) = find_series(tmp_path / "other.dcm")
    assert (other.slice_count, other.suitable) == (1, False)
    assert read_volume(other).hu.shape == (1, 64, 64)


@pytest.mark.parametrize("kind", ["empty", "texts", "missing", "text file", "image list"])
def test_no_exam_is_one_clear_sentence(kind: str, tmp_path: Path) -> None:
    place = tmp_path / "exam"
    if kind != "missing":
        place.mkdir()
    if kind in ("texts", "text file"):
        (place / "a.txt").write_text("hello")
        (place / "b.jpg").write_bytes(b"\xff\xd8\xff" + bytes(100))
        (place / "c").write_bytes(b"")
    path = place / "a.txt" if kind == "text file" else place
    if kind == "image list":
        ds = slices(1)[0]
        ds.Modality = "MR"
        write([ds], place)
    with pytest.raises(ExamError) as caught:
        find_series(path)
    assert caught.value.message.endswith(".")
    assert caught.value.code in ("no_exam", "not_found", "not_an_exam", "no_ct")


def test_cancel_and_progress(tmp_path: Path) -> None:
    write(slices(12), tmp_path)
    seen: list[tuple[int, int]] = []
    record = find_series(tmp_path, progress=lambda done, total: seen.append((done, total)))[0]
    assert seen[-1] == (12, 12)
    token = CancelToken()
    token.cancel()
    with pytest.raises(Cancelled):
        find_series(tmp_path, cancel=token)
    with pytest.raises(Cancelled):
        read_volume(record, cancel=token)
    steps: list[int] = []
    read_volume(record, progress=lambda done, total: steps.append(done))
    assert steps[-1] == 12
    assert steps == sorted(steps)


def test_the_first_image_comes_while_the_rest_is_air(tmp_path: Path) -> None:
    write(slices(12, seed=4), tmp_path)
    wanted, seen = anatomy(12, 64, 64, 4), []

    def on_first(preview: object, index: int) -> None:
        hu = preview.hu  # type: ignore[attr-defined]
        seen.append((index, np.array_equal(hu[index], wanted[index]), bool((hu[0] == -1024).all()), hu))

    volume = read_volume(find_series(tmp_path)[0], on_first=on_first)
    assert seen[0][:3] == (6, True, True)
    assert volume.hu is seen[0][3]


def _dicomdir(folder: Path, names: list[list[str]]) -> Path:
    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = "1.2.840.10008.1.2.1"
    ds.SOPClassUID, ds.SOPInstanceUID = "1.2.840.10008.1.3.10", f"{ROOT}.5"
    records = []
    for name in names:
        record = Dataset()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            record.DirectoryRecordType, record.ReferencedFileID = "IMAGE", name
        records.append(record)
    ds.DirectoryRecordSequence = records
    return write_one(ds, folder / "DICOMDIR")


def test_a_dicomdir_with_missing_and_with_hostile_targets(tmp_path: Path) -> None:
    disc = tmp_path / "disc"
    write(slices(12), disc / "IMAGES")
    write(slices(12, series="9"), tmp_path / "SECRET")
    names = [["IMAGES", p.name.upper()] for p in (disc / "IMAGES").iterdir()]
    hostile = [["..", "SECRET", p.name.upper()] for p in (tmp_path / "SECRET").iterdir()]
    (record,) = find_series(_dicomdir(disc, [*names, ["IMAGES", "GONE.DCM"], *hostile]))
    assert record.slice_count == 12
    assert [f.code for f in record.findings] == ["dicomdir_missing"]
    assert "dicomdir_missing" in {f.code for f in read_volume(record).findings}
    with pytest.raises(ExamError, match="None of the images"):
        find_series(_dicomdir(disc, [["IMAGES", "GONE.DCM"]]))


def test_a_zip_is_read_and_its_names_are_no_paths(tmp_path: Path) -> None:
    write(slices(12, seed=3), tmp_path / "in")
    archive = tmp_path / "exam.zip"
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as out:
        for number, file in enumerate((tmp_path / "in").iterdir()):
            out.write(file, f"../../evil/{number}/../{file.name}")
        out.writestr("notes.txt", "hello")
    record = find_series(archive)[0]
    folder = record.files[0].parent
    assert np.array_equal(read_volume(record).hu, anatomy(12, 64, 64, 3))
    assert not (tmp_path.parent / "evil").exists()
    assert len(hash_files(record)) == 12
    del record
    assert not folder.exists()


def test_zip_bombs_and_damaged_zips_are_refused(tmp_path: Path) -> None:
    bomb = tmp_path / "bomb.zip"
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as out, out.open("a.dcm", "w") as member:
        for _ in range(600):
            member.write(bytes(1 << 20))
    with pytest.raises(ExamError) as caught:
        find_series(bomb)
    assert caught.value.code == "zip_too_large"
    liar = tmp_path / "liar.zip"
    data = bytearray(bomb.read_bytes())
    at = data.rfind(b"PK\x01\x02")
    data[at + 24 : at + 28] = (1000).to_bytes(4, "little")  # the directory understates the size
    liar.write_bytes(data)
    cut = tmp_path / "cut.zip"
    cut.write_bytes(bomb.read_bytes()[:2000])
    for path in (liar, cut):
        with pytest.raises(ExamError) as caught:
            find_series(path)
        assert caught.value.message.endswith(".")


def test_an_enhanced_ct_is_read_like_a_series(tmp_path: Path) -> None:
    write_one(enhanced(12), tmp_path / "enhanced.dcm")
    (record,) = find_series(tmp_path)
    assert (record.suitable, record.slice_count, record.increment_mm) == (True, 12, 2.5)
    assert record.kernel == "B30f"
    volume = read_volume(record)
    assert np.array_equal(volume.hu, anatomy(12, 32, 32))
    assert volume.spacing_mm == (0.7, 0.8, 2.5)
    assert volume.origin_mm == (-180.0, -170.0, -300.0)


def test_an_enhanced_ct_with_a_missing_or_unplaced_frame_is_refused(tmp_path: Path) -> None:
    ds = enhanced(12)
    ds.PerFrameFunctionalGroupsSequence[5].PlanePositionSequence[0].ImagePositionPatient = [-180, -170, 10]
    write_one(ds, tmp_path / "a.dcm")
    assert find_series(tmp_path)[0].problem in ("uneven_spacing", "missing_slice")
    del ds.PerFrameFunctionalGroupsSequence[5]
    write_one(ds, tmp_path / "a.dcm")
    assert find_series(tmp_path)[0].problem == "functional_groups"
    with pytest.raises(ExamError):
        read_volume(find_series(tmp_path)[0])


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="root may read everything")
def test_an_unreadable_folder_is_one_sentence(tmp_path: Path) -> None:
    write(slices(12), tmp_path / "x")
    for file in (tmp_path / "x").iterdir():
        file.chmod(0)
    with pytest.raises(ExamError):
        find_series(tmp_path)


@pytest.mark.parametrize(
    ("name", "maker", "sharp"),
    [
        ("B30f", "SIEMENS", False), ("B31s", "SIEMENS", False), ("Br36d\\3", "SIEMENS", False),
        ("B50f", "SIEMENS", True),
        ("B70f", "SIEMENS", True), ("Bl57f", "Siemens Healthineers", True), ("Qr40", "SIEMENS", False),
        ("I30f\\2", "SIEMENS", False), ("STANDARD", "GE MEDICAL SYSTEMS", False), ("SOFT", "GE MEDICAL SYSTEMS", False),
        ("LUNG", "GE MEDICAL SYSTEMS", True), ("BONEPLUS", "GE MEDICAL SYSTEMS", True), ("C", "Philips", False),
        ("B", "Philips", False), ("D", "Philips", True), ("L", "Philips", True), ("FC10", "TOSHIBA", False),
        ("FC12", "TOSHIBA", False), ("FC51", "TOSHIBA", True), ("FC30", "TOSHIBA", True), ("FC18-H", "CANON", False),
        ("", "", False), ("NEVER HEARD", "ACME", False),
    ],
)  # fmt: skip
def test_kernels(name: str, maker: str, sharp: bool) -> None:
    assert kernel_of(name, maker).sharp is sharp


def test_softer_kernels_rank_before_sharper_ones() -> None:
    order = ["B10f", "B30f", "B40f", "B50f"]
    values = [kernel_of(k, "SIEMENS").sharpness for k in order]
    assert values == sorted(values)
    assert kernel_of("SOFT", "GE").sharpness < kernel_of("STANDARD", "GE").sharpness < kernel_of("BONE", "GE").sharpness


def test_headers_read_by_layout_equal_those_walked(tmp_path: Path) -> None:
    parts = slices(30)
    for index, part in enumerate(parts):
        part.SeriesDescription = "x" * (index % 5)
        inner = Dataset()
        inner.SeriesInstanceUID = "1.2.3" + "3" * (index % 3)
        part.ReferencedSeriesSequence = [inner]
        part["ReferencedSeriesSequence"].is_undefined_length = bool(index % 2)
    write(parts, tmp_path / "a")
    write(slices(5, series="4"), tmp_path / "b", "1.2.840.10008.1.2")
    layouts = Layouts()
    for file in sorted(tmp_path.rglob("*.dcm")):
        assert read_header(file, layouts) == read_header(file)


def test_what_follows_the_place_of_pixels_is_none(tmp_path: Path) -> None:
    """Padding (FFFC,FFFC) ends an object that has no pixels."""
    (part,) = slices(1)
    del part.PixelData
    part.DataSetTrailingPadding = b"1234"
    header = read_header(write_one(part, tmp_path / "padded.dcm"))
    assert (header.pixel_offset, header.pixel_length) == (-1, -1)


@pytest.mark.real_data
def test_real_headers_read_by_layout_equal_those_walked(real_data: Path) -> None:
    layouts = Layouts()
    for file in sorted(p for p in real_data.rglob("*") if p.is_file())[::3]:
        try:
            walked = read_header(file)
        except (NotDicom, BadHeader):
            continue
        assert read_header(file, layouts) == walked
