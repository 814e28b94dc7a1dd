"""The segmentation: valid, and voxel for voxel at the right place for programs that know nothing of ours."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import highdicom
import numpy as np
import pytest
from pydicom.dataset import Dataset

from hyrisk_desktop.errors import ExamError
from hyrisk_desktop.exchange.reports.formats import dicom_bytes
from hyrisk_desktop.exchange.reports.report import Report
from hyrisk_desktop.exchange.reports.segmentation import COUNTED, masks, read_segmentation, segmentation
from hyrisk_desktop.exchange.reports.source_images import source_images
from tests.helpers import dicom_series, readings
from tests.unit.exchange.conftest import Judge

TILTED = (0.98480775, 0.17364818, 0, -0.17364818, 0.98480775, 0)


def write_seg(report: Report, path: Path) -> Path:
    path.write_bytes(dicom_bytes(segmentation(report, source_images(report.record, report.volume))))
    return path


def physical(report: Report, mask: np.ndarray) -> np.ndarray:
    """Positions in mm, sorted, of the voxels in a mask of the volume."""
    found = [report.volume.voxel_to_mm((x, y, z)) for z, y, x in np.argwhere(mask).tolist()]
    return _sorted(np.array(found))


def _sorted(points: np.ndarray) -> np.ndarray:
    rounded = np.round(points, 3) + 0.0
    return rounded[np.lexsort(rounded.T)]


def by_highdicom(path: Path, segment: int) -> np.ndarray:
    """The same, as highdicom reads the SEG."""
    volume = highdicom.seg.segread(path).get_volume(segment_numbers=[segment], combine_segments=True, relabel=True)
    return _sorted(volume.map_indices_to_reference(np.argwhere(volume.array)))


def by_simpleitk(path: Path, exam: Path, segment: int) -> np.ndarray:
    """The same, by SimpleITK's geometry of the source images and the SEG's references to them."""
    import pydicom
    import SimpleITK as sitk

    files = {pydicom.dcmread(f, specific_tags=["SOPInstanceUID"]).SOPInstanceUID: f for f in exam.iterdir()}
    seg = pydicom.dcmread(path)
    frames = seg.pixel_array.reshape(-1, seg.Rows, seg.Columns)
    points: list[Sequence[float]] = []
    for frame, group in zip(frames, seg.PerFrameFunctionalGroupsSequence, strict=True):
        named = group.get("SegmentIdentificationSequence")
        named = named or seg.SharedFunctionalGroupsSequence[0].SegmentIdentificationSequence
        if named[0].ReferencedSegmentNumber != segment:
            continue
        reference = group.DerivationImageSequence[0].SourceImageSequence[0].ReferencedSOPInstanceUID
        image = sitk.ReadImage(str(files[reference]))
        points += [image.TransformIndexToPhysicalPoint((column, row, 0)) for row, column in np.argwhere(frame).tolist()]
    return _sorted(np.array(points))


ORIENTATIONS = {
    "usual": (1, 0, 0, 0, 1, 0),
    "oblique": TILTED,
    "prone": (-1, 0, 0, 0, -1, 0),
    "mirrored": (-1, 0, 0, 0, 1, 0),
    "transposed": (0, 1, 0, 1, 0, 0),
    "turned": (0, 1, 0, -1, 0, 0),
}


@pytest.mark.parametrize("orientation", ORIENTATIONS.values(), ids=ORIENTATIONS)
def test_voxel_for_voxel_at_the_right_place(orientation: Sequence[float], judge: Judge, tmp_path: Path) -> None:
    exam = dicom_series.write(readings.calcified(orientation=orientation), tmp_path / "exam")
    first = readings.report_of(exam)
    # The middle of what is calcified, wherever turning put it.
    z, y, x = np.round(np.argwhere(first.volume.hu > 190).mean(0)).astype(int).tolist()
    report = readings.report_of(exam, centre=(x, y, z))
    path = write_seg(report, tmp_path / "seg.dcm")
    assert judge(path) == []
    assert list(masks(report)) == [COUNTED]
    counted = masks(report)[COUNTED]
    assert counted.sum() == 20 + 6 + 24
    assert report.measurement.scores.volume_mm3 == pytest.approx(counted.sum() * report.volume.voxel_volume_mm3)
    here = physical(report, counted)
    np.testing.assert_allclose(by_highdicom(path, 1), here, atol=2e-3)
    np.testing.assert_allclose(by_simpleitk(path, exam, 1), here, atol=2e-3)
    back = read_segmentation(path).masks(source_images(report.record, report.volume))
    assert list(back) == [COUNTED]
    np.testing.assert_array_equal(back[COUNTED], counted)


def test_of_an_enhanced_ct(judge: Judge, tmp_path: Path) -> None:
    exam = tmp_path / "exam"
    exam.mkdir()
    dicom_series.write_one(readings.calcified(enhanced=True)[0], exam / "one.dcm")
    report = readings.report_of(exam)
    path = write_seg(report, tmp_path / "seg.dcm")
    assert judge(path) == []
    counted = masks(report)[COUNTED]
    assert counted.sum() == 50
    np.testing.assert_allclose(by_highdicom(path, 1), physical(report, counted), atol=2e-3)


def test_excluded_lesions_are_not_in_it(reading: Report, tmp_path: Path) -> None:
    path = write_seg(reading, tmp_path / "seg.dcm")
    counted = read_segmentation(path).masks(source_images(reading.record, reading.volume))[COUNTED]
    assert counted.sum() == 26
    assert not counted[7].any()


def test_a_reading_without_calcium(tmp_path: Path, judge: Judge, caplog: pytest.LogCaptureFixture) -> None:
    exam = dicom_series.write(dicom_series.slices(10, 80, 80), tmp_path / "exam")
    report = readings.report_of(exam, centre=(40, 40, 5))
    assert report.measurement.scores.agatston == 0
    path = write_seg(report, tmp_path / "seg.dcm")
    assert judge(path) == []
    back = read_segmentation(path).masks(source_images(report.record, report.volume))
    assert {kind: int(mask.sum()) for kind, mask in back.items()} == {COUNTED: 0}
    assert [record.message for record in caplog.records] == [], "the terminal would show what highdicom says"


def _pixel(ds: Dataset) -> None:
    ds.PixelData = bytes([ds.PixelData[0] ^ 1]) + ds.PixelData[1:]


def _place(ds: Dataset) -> None:
    ds.PerFrameFunctionalGroupsSequence[0].PlanePositionSequence[0].ImagePositionPatient[2] += 2.5


def _label(ds: Dataset) -> None:
    ds.SegmentSequence[0].SegmentLabel = "Nothing"


def _series(ds: Dataset) -> None:
    ds.ReferencedSeriesSequence[0].SeriesInstanceUID = "1.2.3"


@pytest.mark.parametrize("edit", [_pixel, _place, _label, _series])
def test_a_changed_segmentation_is_refused(reading: Report, tmp_path: Path, edit: Callable[[Dataset], None]) -> None:
    path = write_seg(reading, tmp_path / "seg.dcm")
    with pytest.raises(ExamError) as refusal:
        read_segmentation(readings.changed(path, tmp_path / "changed.dcm", edit))
    assert refusal.value.code == "changed_object"


def test_foreign_and_damaged_ones_are_refused(reading: Report, exam: Path, tmp_path: Path) -> None:
    path = write_seg(reading, tmp_path / "seg.dcm")

    def foreign(ds: Dataset) -> None:
        ds.ManufacturerModelName = "Another program"

    (tmp_path / "cut.dcm").write_bytes(path.read_bytes()[:-100])
    for bad, code in {
        readings.changed(path, tmp_path / "foreign.dcm", foreign): "foreign_object",
        tmp_path / "cut.dcm": "damaged_object",
        next(iter(exam.iterdir())): "foreign_object",
    }.items():
        with pytest.raises(ExamError) as refusal:
            read_segmentation(bad)
        assert refusal.value.code == code


def test_another_exam_gets_no_mask(reading: Report, tmp_path: Path) -> None:
    path = write_seg(reading, tmp_path / "seg.dcm")
    other = dicom_series.write(dicom_series.slices(12, 96, 96, series="5"), tmp_path / "other")
    report = readings.report_of(other)
    with pytest.raises(ExamError) as refusal:
        read_segmentation(path).masks(source_images(report.record, report.volume))
    assert refusal.value.code == "other_exam"
