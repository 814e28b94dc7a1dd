"""Every encoding gives SimpleITK's values; damaged and hostile input gives one sentence and harms nothing else."""

from __future__ import annotations

import shutil
import struct
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from numpy.typing import NDArray
from pydicom.encaps import encapsulate

from hyrisk_desktop.errors import Cancelled, ExamError
from hyrisk_desktop.imaging import find_series, read_volume
from hyrisk_desktop.imaging.headers.header import BadHeader
from hyrisk_desktop.imaging.headers.tags import read_header
from hyrisk_desktop.imaging.pixels import decoder_pool
from hyrisk_desktop.imaging.pixels.decoder_child import FaultTask
from hyrisk_desktop.imaging.pixels.image_files import image_record
from hyrisk_desktop.jobs import CancelToken
from tests.helpers.dicom_series import anatomy, enhanced, slices, write, write_one

sitk = pytest.importorskip("SimpleITK")


def _reference(path: Path) -> NDArray[Any]:
    sitk.ProcessObject.SetGlobalWarningDisplay(False)
    pixels = sitk.GetArrayFromImage(sitk.ReadImage(str(path)))
    pixels[pixels <= -1500] = -1024  # padding is air
    return pixels  # type: ignore[no-any-return]


def _read_alone(path: Path, tmp_path: Path) -> Any:
    alone = tmp_path / "alone"
    alone.mkdir(exist_ok=True)
    shutil.copy(path, alone / path.name)
    return read_volume(find_series(alone / path.name)[0])


def _outcome(read: Callable[[], Any]) -> tuple[Any, ExamError | None]:
    """The volume, or the one clear sentence; any other exception fails the test."""
    caught: ExamError | None = None
    volume = None
    try:
        volume = read()
    except ExamError as error:
        caught = error
    assert caught is None or (caught.message.endswith(".") and len(caught.message) < 200)
    return volume, caught


ENCODINGS = (
    "JPEG2000LosslessOnly JPEG2000Transfer JPEGLSLossless JPEGLSLossy JPEGProcess14SV1 JPEGProcess14T JPEGProcess1T "
    "JPEGProcess2_4 RLELossless Deflated BigEndian LittleEndianExplicit LittleEndianImplicit JPEGProcess10_12 "
    "JPEGProcess6_8 693_J2KR 693_UNCR"
)


@pytest.mark.real_data
@pytest.mark.parametrize("name", ENCODINGS.split())
def test_every_transfer_syntax_equals_simpleitk(name: str, real_data: Path, tmp_path: Path) -> None:
    (path,) = [p for p in (real_data / "dicom_oddities/transfer_syntaxes").iterdir() if name in p.name]
    try:
        wanted = _reference(path)
    except RuntimeError:  # SimpleITK itself can't
        with pytest.raises(ExamError):
            _read_alone(path, tmp_path)
        return
    got = _read_alone(path, tmp_path).hu
    assert np.array_equal(got, wanted.astype(got.dtype))
    if got.dtype == np.int16:
        assert np.array_equal(got, wanted)


@pytest.mark.real_data
def test_nema_samples_equal_simpleitk(real_data: Path, tmp_path: Path) -> None:
    for number, path in enumerate(sorted((real_data / "dicom_oddities/nema_compsamples").iterdir())):
        got = _read_alone(path, tmp_path / str(number) if (tmp_path / str(number)).mkdir() is None else tmp_path)
        assert np.array_equal(got.hu, _reference(path)), path.name


@pytest.mark.real_data
def test_every_oddity_is_read_or_refused_in_one_sentence(real_data: Path, tmp_path: Path) -> None:
    refused = {}
    for number, path in enumerate(sorted((real_data / "dicom_oddities").rglob("*"))):
        if not path.is_file():
            continue
        place = tmp_path / str(number)
        place.mkdir()
        volume, error = _outcome(lambda path=path, place=place: _read_alone(path, place))
        if error:
            refused[path.name] = error.code
        else:
            wanted = _reference(path)
            turned = volume.hu[:, ::-1] if path.name == "explicit_VR-UN.dcm" else volume.hu
            assert np.array_equal(turned, wanted.astype(volume.hu.dtype)), path.name
    for name in ("0000.dcm", "rtstruct.dcm", "seg_partial_overlaps.dcm", "no-pixel-data.dcm", "no-pixel-spacing.dcm"):
        assert refused[name] == "no_ct"
    assert refused["truncated_uncompressed_canon.dcm"] == "truncated"
    assert refused["truncated_jpegls_nlst0070.dcm"] == "undecodable"
    assert refused["eCT_Supplemental.dcm"] == refused["CT0012.fragmented_no_bot_jpeg_baseline.51.dcm"] == "derived"
    assert refused["DICOMDIR_dangling"] == "dicomdir_empty"
    assert refused["S21610_S4010_I30.dcm"] == "secondary"


@pytest.mark.real_data
@pytest.mark.parametrize(("name", "code"), [("tilted_ct", "gantry_tilt"), ("tilted_nonuniform_ct", "uneven_spacing")])
def test_tilted_series_are_refused(name: str, code: str, real_data: Path) -> None:
    record = find_series(real_data / "dicom_oddities" / name)[0]
    assert (record.suitable, record.problem) == (False, code)


@pytest.mark.real_data
def test_the_nlst_exam_equals_simpleitk(real_data: Path) -> None:
    seen: list[int] = []
    record = find_series(real_data / "nlst_101287_T0")[0]
    volume = read_volume(record, on_first=lambda preview, index: seen.append(index))
    assert len(seen) == 1
    assert volume.hu.dtype == np.int16
    assert volume.shape_zyx == (143, 512, 512)
    assert volume.spacing_mm == (0.54, 0.54, 2.0)
    assert volume.attributes["ConvolutionKernel"] == "FC51"
    for z in (0, 71, 74, 142):
        (path,) = [h.path for h in record.headers if h.floats("ImagePositionPatient")[2] == 928.0 + 2 * z]
        assert np.array_equal(volume.hu[z], _reference(path)[0])
    assert int(volume.hu[74, 224, 258]) > 130


@pytest.mark.real_data
def test_dicom_and_nrrd_of_one_scan_agree(real_data: Path) -> None:
    one = read_volume(find_series(real_data / "cip_ct64/dicom")[0])
    other = read_volume(find_series(real_data / "cip_ct64/ct-64.nrrd")[0])
    assert np.array_equal(one.hu, other.hu)
    assert one.spacing_mm == pytest.approx(other.spacing_mm, abs=1e-4)
    assert one.origin_mm == pytest.approx(other.origin_mm, abs=0.01)
    assert np.allclose(other.direction, np.eye(3))
    assert other.series_uid.startswith("sha256:")
    with pytest.raises(ExamError) as caught:
        read_volume(find_series(real_data / "cip_ct64/wholeLung-64.nrrd")[0])
    assert caught.value.code == "not_ct"


@pytest.mark.real_data
def test_phantom_and_contrast_scan_load(real_data: Path) -> None:
    assert read_volume(find_series(real_data / "qrm_cci_phantom_canon")[0]).shape_zyx == (47, 512, 512)
    assert read_volume(find_series(real_data / "lidc_idri_0001")[0]).shape_zyx == (133, 512, 512)


@pytest.mark.parametrize("syntax", [f"1.2.840.10008.1.2{end}" for end in ("", ".1", ".1.99", ".2")])
def test_uncompressed_series_in_every_form(syntax: str, tmp_path: Path) -> None:
    write(slices(12, seed=8), tmp_path, syntax)
    record = find_series(tmp_path)[0]
    assert record.attributes["PatientID"] == "T-1"
    volume = read_volume(record)
    assert np.array_equal(volume.hu, anatomy(12, 64, 64, 8))
    assert volume.hu.dtype == np.int16


def _rle(folder: Path, *, broken: int = -1) -> Path:
    parts = slices(12, seed=8)
    for index, part in enumerate(parts):
        part.compress(pydicom.uid.RLELossless, generate_instance_uid=False)
        if index == broken:
            part.PixelData = encapsulate([struct.pack("<16I", 2, 64, 9999999, *[0] * 13) + bytes(40)])
            part["PixelData"].is_undefined_length = True
    return write(parts, folder)


def test_a_compressed_series_is_read_in_children_and_one_bad_frame_refuses_it(tmp_path: Path) -> None:
    assert np.array_equal(read_volume(find_series(_rle(tmp_path / "good"))[0]).hu, anatomy(12, 64, 64, 8))
    with pytest.raises(ExamError) as caught:
        read_volume(find_series(_rle(tmp_path / "bad", broken=5))[0])
    assert caught.value.code == "undecodable"
    assert np.array_equal(read_volume(find_series(tmp_path / "good")[0]).hu, anatomy(12, 64, 64, 8))


def test_a_compressed_enhanced_ct(tmp_path: Path) -> None:
    ds = enhanced(12)
    ds.compress(pydicom.uid.RLELossless, generate_instance_uid=False)
    write_one(ds, tmp_path / "e.dcm")
    assert np.array_equal(read_volume(find_series(tmp_path)[0]).hu, anatomy(12, 32, 32))


@pytest.fixture
def pool() -> Iterator[decoder_pool.DecoderPool]:
    made = decoder_pool.DecoderPool(1)
    yield made
    made.close()


@pytest.mark.parametrize("kind", ["crash", "hang", "memory"])
def test_a_child_that_dies_hangs_or_eats_memory_is_replaced(
    kind: str, pool: decoder_pool.DecoderPool, monkeypatch: Any
) -> None:
    pool.warm()
    monkeypatch.setattr(decoder_pool, "START_SECONDS", 0.5)
    with pytest.raises(decoder_pool.DecodeError) as caught:
        pool.call(FaultTask(kind), seconds=0.5 if kind == "hang" else 30.0)
    assert caught.value.kind == {"crash": "crash", "hang": "timeout", "memory": "memory"}[kind]
    monkeypatch.setattr(decoder_pool, "START_SECONDS", 60.0)
    with pytest.raises(decoder_pool.DecodeError) as caught:
        pool.call(FaultTask("crash"))
    assert caught.value.kind == "crash"


@pytest.mark.parametrize("kind", ["crash", "hang"])
def test_a_dying_decoder_is_one_sentence_and_the_next_exam_opens(kind: str, tmp_path: Path, monkeypatch: Any) -> None:
    from hyrisk_desktop.imaging.pixels import single_frame

    record = find_series(_rle(tmp_path))[0]
    monkeypatch.setattr(single_frame, "FrameTask", lambda *a: FaultTask(kind))
    monkeypatch.setattr(decoder_pool, "START_SECONDS", 0.0)
    monkeypatch.setattr(decoder_pool.DecoderPool.frames, "__kwdefaults__", {"cancel": None, "seconds": 2.0})
    with pytest.raises(ExamError) as caught:
        read_volume(record)
    assert caught.value.code in ("undecodable", "decode_timeout")
    monkeypatch.undo()
    assert np.array_equal(read_volume(record).hu, anatomy(12, 64, 64, 8))


def test_cancelling_does_not_wait_for_a_child_that_hangs(tmp_path: Path, monkeypatch: Any) -> None:
    from hyrisk_desktop.imaging.pixels import single_frame

    record = find_series(_rle(tmp_path))[0]
    monkeypatch.setattr(single_frame, "FrameTask", lambda *a: FaultTask("hang"))
    token = CancelToken()
    token.cancel()
    with pytest.raises(Cancelled):
        read_volume(record, cancel=token)


def test_a_deflate_bomb_is_refused_without_inflating_it(tmp_path: Path) -> None:
    write(slices(12), tmp_path, "1.2.840.10008.1.2.1.99")
    victim = sorted(tmp_path.iterdir())[3]
    data = victim.read_bytes()
    header = read_header(victim)
    assert header.syntax.endswith(".99")
    start = data.rfind(b"1.2.840.10008.1.2.1.99") + 22
    while True:
        try:
            body = zlib.decompressobj(-15).decompress(data[start:])
            break
        except zlib.error:
            start += 1
    packer = zlib.compressobj(1, zlib.DEFLATED, -15)
    bomb = packer.compress(body[: header.pixel_offset])
    for _ in range(300):
        bomb += packer.compress(bytes(1 << 20))
    victim.write_bytes(data[:start] + bomb + packer.flush())
    volume, error = _outcome(lambda: read_volume(find_series(tmp_path)[0]))
    assert error or volume.hu.shape == (12, 64, 64)


def _nested(depth: int) -> bytes:
    """A private sequence in a sequence, ``depth`` times, explicit little endian, undefined lengths."""
    begin = b"\x09\x00\x10\x10SQ\0\0\xff\xff\xff\xff" + b"\xfe\xff\x00\xe0\xff\xff\xff\xff"
    end = b"\xfe\xff\x0d\xe0\0\0\0\0" + b"\xfe\xff\xdd\xe0\0\0\0\0"
    return begin * depth + end * depth


def test_hostile_nesting_is_refused_and_the_other_exam_is_found(tmp_path: Path) -> None:
    write(slices(12), tmp_path)
    good = sorted(tmp_path.iterdir())[0].read_bytes()
    at = good.find(b"\x10\x00\x10\x00PN")
    hostile = tmp_path / "hostile.dcm"
    hostile.write_bytes(good[:at] + _nested(6900) + good[at:])
    with pytest.raises(BadHeader):
        read_header(hostile)
    with pytest.raises(ExamError) as caught:
        find_series(hostile)
    assert caught.value.code == "damaged"
    (record,) = find_series(tmp_path)
    assert [f.code for f in record.findings] == ["damaged_files"]
    assert read_volume(record).hu.shape == (12, 64, 64)
    hostile.write_bytes(good[:at] + _nested(5) + good[at:])
    assert read_header(hostile).number("Rows") == 64


def test_bit_flips_and_cuts_in_the_header_never_crash(tmp_path: Path) -> None:
    good = write_one(slices(1)[0], tmp_path / "a.dcm").read_bytes()
    rng = np.random.default_rng(0)
    place = tmp_path / "one"
    place.mkdir()
    for _ in range(300):
        data = bytearray(good)
        for _ in range(int(rng.integers(1, 4))):
            data[int(rng.integers(128, 1200))] ^= 1 << int(rng.integers(8))
        if rng.random() < 0.2:
            del data[int(rng.integers(1, len(data))) :]
        (place / "x.dcm").write_bytes(data)
        _outcome(lambda: read_volume(find_series(place)[0]))


@pytest.mark.parametrize("suffix", ["nii", "nii.gz", "nrrd", "mha"])
@pytest.mark.parametrize("axes", ["LPS", "RAS", "LAI", "PSR"])
def test_image_files_come_out_in_one_orientation(suffix: str, axes: str, tmp_path: Path) -> None:
    hu = anatomy(10, 24, 32, 1)
    image = sitk.GetImageFromArray(hu)
    image.SetSpacing((0.8, 0.7, 2.5))
    image.SetOrigin((-100.0, -120.0, 50.0))
    path = tmp_path / f"exam.{suffix}"
    sitk.WriteImage(sitk.DICOMOrient(image, axes), str(path))
    record = find_series(path)[0]
    assert record.kind == "image_file"
    volume = read_volume(record)
    assert np.array_equal(volume.hu, hu)
    assert volume.hu.dtype == np.int16
    assert volume.spacing_mm == pytest.approx((0.8, 0.7, 2.5), abs=1e-4)
    assert volume.origin_mm == pytest.approx((-100.0, -120.0, 50.0), abs=1e-3)
    assert np.allclose(volume.direction, np.eye(3), atol=1e-5)


def test_a_child_that_has_answered_is_asked_again(tmp_path: Path) -> None:
    sitk.WriteImage(sitk.GetImageFromArray(anatomy(3, 24, 32, 1)), str(tmp_path / "scan.mha"))
    shared = decoder_pool.decoders()
    shared.warm()
    before = {child.process.pid for child in shared._idle}
    image_record(tmp_path / "scan.mha")
    assert {child.process.pid for child in shared._idle} == before


def test_an_image_file_of_one_slice_keeps_its_rows(tmp_path: Path) -> None:
    hu = anatomy(3, 24, 32, 1)[1:2]
    sitk.WriteImage(sitk.GetImageFromArray(hu), str(tmp_path / "one.mha"))
    assert np.array_equal(read_volume(find_series(tmp_path / "one.mha")[0]).hu, hu)


def test_unfit_image_files_are_refused(tmp_path: Path) -> None:
    flat = tmp_path / "flat.mha"
    sitk.WriteImage(sitk.GetImageFromArray(np.zeros((20, 30), np.int16)), str(flat))
    colour = tmp_path / "colour.mha"
    sitk.WriteImage(sitk.GetImageFromArray(np.zeros((4, 20, 30, 3), np.uint8), isVector=True), str(colour))
    text = tmp_path / "text.nii"
    text.write_text("hello")
    cut = tmp_path / "cut.nrrd"
    sitk.WriteImage(sitk.GetImageFromArray(anatomy(10, 24, 32)), str(cut))
    cut.write_bytes(cut.read_bytes()[:-3000])
    for path in (flat, colour, text, cut):
        with pytest.raises(ExamError) as caught:
            read_volume(find_series(path)[0])
        assert caught.value.message.endswith(".")
    with pytest.raises(ExamError):
        image_record(text)
