"""The synthetic exam as DICOM: readable, complete, and saying what it is."""

from __future__ import annotations

import json

import numpy as np
import pydicom
import pytest

from hyrisk_desktop import demonstration
from model_training.phantom.exam import (
    CENTRE_FILE,
    DEMONSTRATION_SEED,
    ExamLayout,
    exam_layout,
    exam_slices,
    uid,
    write_exam,
)
from model_training.phantom.grades import GRADE_SEEDS, grade_picture, png_bytes
from model_training.phantom.render import make_phantom
from model_training.phantom.subject import GENERATOR_VERSION, make_subject

CT_IMAGE_TYPE_1 = [
    "ImageType",
    "SamplesPerPixel",
    "PhotometricInterpretation",
    "BitsAllocated",
    "BitsStored",
    "HighBit",
    "RescaleIntercept",
    "RescaleSlope",
    "KVP",
    "AcquisitionNumber",
    "SliceThickness",
    "ImagePositionPatient",
    "ImageOrientationPatient",
    "PixelSpacing",
    "FrameOfReferenceUID",
    "PositionReferenceIndicator",
    "PatientID",
    "PatientName",
    "PatientBirthDate",
    "PatientSex",
    "StudyDate",
    "StudyTime",
    "ReferringPhysicianName",
    "StudyID",
    "AccessionNumber",
    "Modality",
    "SeriesNumber",
    "InstanceNumber",
    "PatientPosition",
    "Manufacturer",
    "ConvolutionKernel",
    "BodyPartExamined",
    "SpecificCharacterSet",
]


@pytest.fixture(scope="module")
def small_exam(tmp_path_factory):
    """Three slices around the click of the demonstration exam, written as the whole exam is."""
    patch = pytest.MonkeyPatch()
    phantom = make_phantom(DEMONSTRATION_SEED)
    click = exam_layout(phantom).click
    patch.setattr("model_training.phantom.exam.exam_layout", lambda _: ExamLayout(3, (click[0], click[1], 1)))
    directory = tmp_path_factory.mktemp("exam")
    steps: list[tuple[int, int]] = []
    write_exam(directory, DEMONSTRATION_SEED, workers=1, progress=lambda done, total: steps.append((done, total)))
    patch.undo()
    return directory, click, steps


def test_headers_are_complete_and_synthetic(small_exam) -> None:
    directory, _, steps = small_exam
    files = sorted(directory.glob("*.dcm"))
    slices = sorted((pydicom.dcmread(f) for f in files), key=lambda d: d.ImagePositionPatient[2])
    assert len(slices) == 3
    assert steps[0] == (0, 3)
    assert steps[-1] == (3, 3)
    for data in slices:
        assert not [keyword for keyword in CT_IMAGE_TYPE_1 if keyword not in data]
        assert list(data.ImageType) == ["ORIGINAL", "PRIMARY", "AXIAL"]
        assert data.file_meta.TransferSyntaxUID == pydicom.uid.ExplicitVRLittleEndian
        assert data.file_meta.MediaStorageSOPInstanceUID == data.SOPInstanceUID
        assert data.SOPClassUID == pydicom.uid.CTImageStorage
        assert str(data.PatientName) == "SYNTHETIC^PHANTOM"
        assert data.PatientID == f"PHANTOM-{DEMONSTRATION_SEED}"
        assert data.SeriesInstanceUID == uid(DEMONSTRATION_SEED, "series")
        assert (data.RescaleSlope, data.RescaleIntercept, data.KVP) == (1, -1024, 120)
        assert "ContrastBolusAgent" not in data
        for name in ("SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID", "FrameOfReferenceUID"):
            value = data[name].value
            assert value.startswith("2.25.")
            assert len(value) <= 64
    assert [data.InstanceNumber for data in slices] == [3, 2, 1]
    gaps = np.diff([float(data.ImagePositionPatient[2]) for data in slices])
    assert np.allclose(gaps, slices[0].SpacingBetweenSlices, atol=1e-6)


def test_pixels_are_the_rendered_voxels(small_exam) -> None:
    directory, click, _ = small_exam
    slices = sorted((pydicom.dcmread(f) for f in directory.glob("*.dcm")), key=lambda d: d.ImagePositionPatient[2])
    middle = slices[1].pixel_array.astype(int) + int(slices[1].RescaleIntercept)
    rendered = exam_slices(make_phantom(DEMONSTRATION_SEED), click[2], click[2] + 1)[0]
    assert np.abs(middle - rendered).max() <= 1
    padding = int(slices[1].PixelPaddingValue) + int(slices[1].RescaleIntercept)
    assert middle[0, 0] == padding


def test_program_reads_it(small_exam) -> None:
    from hyrisk_desktop.imaging import find_series, read_volume

    directory, _, _ = small_exam
    series = find_series(directory)
    assert len(series) == 1
    volume = read_volume(series[0])
    phantom = make_phantom(DEMONSTRATION_SEED)
    assert volume.shape_zyx == (3, 512, 512)
    assert volume.spacing_mm == pytest.approx(
        (phantom.scanner.pixel_mm, phantom.scanner.pixel_mm, phantom.scanner.increment_mm)
    )


def test_centre_file_names_the_click(small_exam) -> None:
    directory, click, _ = small_exam
    centre = json.loads((directory / CENTRE_FILE).read_text())
    assert (centre["x"], centre["y"]) == click[:2]
    assert centre["grade"] == 2
    assert {row["kind"] for row in centre["calcium"]} >= {"LAD", "RCA"}
    assert centre["synthetic"] is True


def test_demonstration_exam_is_what_it_promises() -> None:
    phantom = make_phantom(DEMONSTRATION_SEED)
    assert phantom.subject.grade == 2
    assert phantom.scanner.kernel.name == "STANDARD"
    assert phantom.scanner.increment_mm == 2.5
    assert 100 <= exam_layout(phantom).slices <= 130
    # Kept under the version of whoever drew it.
    assert demonstration.GENERATOR_VERSION == GENERATOR_VERSION


def test_grade_pictures_come_from_phantoms_of_that_grade() -> None:
    assert [make_subject(seed).grade for seed in GRADE_SEEDS] == [0, 1, 2, 3]
    picture = grade_picture(GRADE_SEEDS[3])
    assert picture.shape == (256, 256)
    assert png_bytes(picture).startswith(b"\x89PNG")
