"""Image headers that name other files: only regular files in their own folder are read, and all of them are hashed."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from hyrisk_desktop.errors import ExamError
from hyrisk_desktop.imaging import content_sha256, find_series, read_volume
from hyrisk_desktop.imaging.pixels.detached import data_files
from tests.helpers.dicom_series import anatomy

COUNT = 12
NRRD = (
    "NRRD0004\ntype: short\ndimension: 3\nspace: left-posterior-superior\nsizes: 64 64 12\nencoding: raw\nendian: little\n"
    "space directions: (0.7,0,0) (0,0.7,0) (0,0,2.5)\nspace origin: (0,0,0)\n"
)
META = (
    "ObjectType = Image\nNDims = 3\nBinaryData = True\nBinaryDataByteOrderMSB = False\nCompressedData = False\n"
    "ElementSpacing = 0.7 0.7 2.5\nDimSize = 64 64 12\nElementType = MET_SHORT\n"
)


def pixels() -> np.ndarray:
    return anatomy(COUNT, 64, 64, 3)


def raw(folder: Path, form: str) -> str:
    """Write the voxels in one of the forms; returns what the header says of them."""
    (folder / "sub").mkdir(parents=True, exist_ok=True)
    if form in ("one", "sub"):
        name = "a.raw" if form == "one" else "sub/a.raw"
        (folder / name).write_bytes(pixels().tobytes())
        return name
    names = [f"{'sub/' if 'sub' in form else ''}s{z:03d}.raw" for z in range(1, COUNT + 1)]
    for name, frame in zip(names, pixels(), strict=True):
        (folder / name).write_bytes(frame.tobytes())
    if "pattern" in form:
        return f"{'sub/' if 'sub' in form else ''}s%03d.raw 1 12 1"
    return "LIST\n" + "\n".join(names)


def header(folder: Path, suffix: str, said: str) -> Path:
    path = folder / f"scan{suffix}"
    if suffix in (".nrrd", ".nhdr"):
        path.write_text(NRRD + f"data file: {said}\n")
    else:
        path.write_text(META + f"ElementDataFile = {said}\n")
    return path


@pytest.mark.parametrize("form", ["one", "sub", "list", "list in sub", "pattern", "pattern in sub"])
@pytest.mark.parametrize("suffix", [".nhdr", ".nrrd", ".mhd"])
def test_data_in_the_own_folder_are_read_and_every_byte_is_hashed(suffix: str, form: str, tmp_path: Path) -> None:
    path = header(tmp_path, suffix, raw(tmp_path, form))
    record = find_series(path)[0]
    assert np.array_equal(read_volume(record).hu, pixels())
    before = content_sha256(record)
    assert content_sha256(find_series(path)[0]) == before
    for number, file in enumerate(sorted(p for p in tmp_path.rglob("*") if p.is_file())):
        old = file.read_bytes()
        file.write_bytes(old[:-2] + (b"\n\n" if number == 0 and file == path else b"\x01\x00"))
        again = find_series(path)[0] if file != path else record
        assert content_sha256(again) != before
        assert again.series_uid != record.series_uid or file == path
        file.write_bytes(old)
    assert content_sha256(find_series(path)[0]) == before


@pytest.mark.parametrize("suffix", [".nhdr", ".mhd"])
def test_data_files_that_change_places_are_noticed(suffix: str, tmp_path: Path) -> None:
    path = header(tmp_path, suffix, raw(tmp_path, "list"))
    record = find_series(path)[0]
    one, other = tmp_path / "s002.raw", tmp_path / "s009.raw"
    first, second = one.read_bytes(), other.read_bytes()
    one.write_bytes(second), other.write_bytes(first)
    assert content_sha256(find_series(path)[0]) != content_sha256(record) or find_series(path)[0] != record
    assert content_sha256(record) != ""
    assert find_series(path)[0].series_uid != record.series_uid


@pytest.mark.parametrize("suffix", [".nhdr", ".nrrd", ".mhd", ".mha"])
@pytest.mark.parametrize(
    "said",
    ["/etc/passwd", "/dev/zero", "../outside.raw", "sub/../../outside.raw", "link.raw", "linked/outside.raw", "pipe", "sub",
     "LIST\n../outside.raw", "LIST\na.raw\n\n../outside.raw", "../outside%d.raw 1 2 1", "C:\\outside.raw", "\\\\server\\a.raw",
     "a%s.raw 1 2 1", "a%d.raw 1 2 0", "a%d.raw 1 99999999 1", "gone.raw", "", "-", "a.raw\x00b"],
)  # fmt: skip
def test_nothing_else_is_opened(suffix: str, said: str, tmp_path: Path) -> None:
    folder = tmp_path / "exam"
    (folder / "sub").mkdir(parents=True)
    voxels = pixels().tobytes()
    for name in ("outside.raw", "outside1.raw", "outside2.raw"):
        (tmp_path / name).write_bytes(voxels)
    (folder / "a.raw").write_bytes(voxels)
    if hasattr(os, "mkfifo"):
        os.mkfifo(folder / "pipe")
    (folder / "link.raw").symlink_to(tmp_path / "outside.raw")
    (folder / "linked").symlink_to(tmp_path)
    with pytest.raises(ExamError) as caught:
        read_volume(find_series(header(folder, suffix, said))[0])
    assert caught.value.code in ("outside_data", "missing_data", "undecodable")
    assert caught.value.message.endswith(".")


@pytest.mark.parametrize(
    "text",
    [
        META + "elementdatafile = a.raw\nElementDataFile = LOCAL\n", META + "Comment = x\rElementDataFile = LOCAL\nElementDataFile = a.raw\n",
        META + "x" * 2000 + "\nElementDataFile = LOCAL\n", META, META + "ElementDataFile : a.raw\n",
    ],
)  # fmt: skip
def test_headers_that_two_readers_could_understand_differently_are_refused(text: str, tmp_path: Path) -> None:
    (tmp_path / "a.raw").write_bytes(pixels().tobytes())
    path = tmp_path / "scan.mhd"
    path.write_bytes(text.encode())
    with pytest.raises(ExamError):
        find_series(path)
    path = tmp_path / "scan.nhdr"
    path.write_text(NRRD + "data  file: a.raw\ndata file: a.raw\n")
    with pytest.raises(ExamError):
        find_series(path)


def test_a_line_of_a_header_has_at_most_a_thousand_bytes(tmp_path: Path) -> None:
    path = tmp_path / "scan.mhd"
    for more, read in ((0, True), (1, False)):
        path.write_text(META + "Comment = " + "x" * (989 + more) + "\nElementDataFile = LOCAL\n")
        if read:
            assert data_files(path) == ()
        else:
            with pytest.raises(ExamError):
                data_files(path)


def test_a_mha_that_names_a_file_is_refused_and_one_with_its_voxels_is_read(tmp_path: Path) -> None:
    (tmp_path / "a.raw").write_bytes(pixels().tobytes())
    with pytest.raises(ExamError) as caught:
        find_series(header(tmp_path, ".mha", "a.raw"))
    assert caught.value.code == "outside_data"
    (tmp_path / "whole.mha").write_bytes(META.encode() + b"ElementDataFile = LOCAL\n" + pixels().tobytes())
    record = find_series(tmp_path / "whole.mha")[0]
    assert record.files == (tmp_path / "whole.mha",)
    assert np.array_equal(read_volume(record).hu[:, ::-1, ::-1][:, ::-1, ::-1], read_volume(record).hu)
    (tmp_path / "whole.nrrd").write_bytes(NRRD.encode() + b"\n" + pixels().tobytes())
    assert np.array_equal(read_volume(find_series(tmp_path / "whole.nrrd")[0]).hu, pixels())


def test_a_nifti_whose_voxels_lie_in_another_file_is_refused(tmp_path: Path) -> None:
    sitk = pytest.importorskip("SimpleITK")
    path = tmp_path / "scan.nii"
    sitk.WriteImage(sitk.GetImageFromArray(pixels()), str(path))
    data = bytearray(path.read_bytes())
    (tmp_path / "scan.img").write_bytes(data[352:])
    data[344:348] = b"ni1\0"
    path.write_bytes(data)
    with pytest.raises(ExamError) as caught:
        find_series(path)
    assert caught.value.code == "outside_data"


def test_data_that_move_out_between_finding_and_reading_are_refused(tmp_path: Path) -> None:
    folder = tmp_path / "exam"
    path = header(folder, ".mhd", raw(folder, "one"))
    record = find_series(path)[0]
    (folder / "a.raw").rename(tmp_path / "a.raw")
    (folder / "a.raw").symlink_to(tmp_path / "a.raw")
    with pytest.raises(ExamError) as caught:
        read_volume(record)
    assert caught.value.code == "outside_data"


def test_a_few_packed_bytes_that_say_they_are_a_large_image_are_refused_unopened(tmp_path: Path) -> None:
    """512 x 512 x 513 voxels of 2 bytes are just over 256 MB; a hundredth of that is 2,689,597 bytes."""
    import gzip

    head = NRRD.replace("64 64 12", "512 512 513").replace("raw", "gzip") + "data file: a.raw.gz\n"
    path = tmp_path / "scan.nhdr"
    path.write_text(head)
    wanted = 512 * 512 * 513 * 2 // 100 - len(head)
    (tmp_path / "a.raw.gz").write_bytes(gzip.compress(b"")[:wanted] + bytes(wanted - len(gzip.compress(b""))))
    with pytest.raises(ExamError) as caught:
        find_series(path)
    assert caught.value.code == "too_large"
    with open(tmp_path / "a.raw.gz", "ab") as stream:
        stream.write(bytes(3))
    assert find_series(path)[0].slice_count == 513
    path.write_text(head.replace("513", "512"))
    (tmp_path / "a.raw.gz").write_bytes(gzip.compress(b""))
    assert find_series(path)[0].slice_count == 512
