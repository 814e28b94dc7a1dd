"""The slices that a known centre needs give what the whole series gives, and nothing else decides."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from pydicom.dataset import Dataset
from pydicom.uid import RLELossless

from hyrisk_desktop.errors import Cancelled, ExamError, InputError
from hyrisk_desktop.imaging import SeriesRecord, Slab, Voxel, find_series, read_slab, read_volume, thin
from hyrisk_desktop.jobs import CancelToken
from hyrisk_desktop.measurement import Survey, survey
from tests.helpers import dicom_series

WHOLE_ONLY = {"truncated_fov", "padding"}
CENTRES = [(44, 40, 15), (44, 40, 1), (44, 40, 0), (44, 40, 28), (44, 40, 29), (3, 2, 15)]


def record(folder: Path, datasets: list[Dataset]) -> SeriesRecord:
    return find_series(dicom_series.write(datasets, folder))[0]


def chest(**changes: object) -> list[Dataset]:
    # A small calcification in the slices around 15, so that there is something to score.
    datasets = dicom_series.slices(30, 80, 80, increment=1.25, pixel=(2.0, 2.0), **changes)  # type: ignore[arg-type]
    for ds in datasets[13:17]:
        stored = (
            np.frombuffer(ds.PixelData, np.uint16 if ds.PixelRepresentation == 0 else np.int16).reshape(80, 80).copy()
        )
        stored[38:41, 42:46] = (400 - ds.RescaleIntercept) / ds.RescaleSlope
        dicom_series.set_pixels(ds, stored)
    return datasets


def seen(s: Survey) -> tuple[object, ...]:
    around = (s.around, s.scores.findings, tuple(f for f in s.scan if f.code not in WHOLE_ONLY))
    scores = (s.scores.agatston, s.scores.volume_mm3, s.scores.lesions, s.scores.region_mm, s.region_agatston)
    return (*scores, *around, s.scores.labels.tobytes())


def patch(slab: Slab, centre: Voxel) -> bytes:
    from hyrisk_desktop.risk.preprocessing import cut_block

    return cut_block(thin(slab.volume, centre[2]).hu, centre, (161, 161, 5), -200)[0].tobytes()


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"slope": 0.5},
        {"orientation": (-1, 0, 0, 0, -1, 0)},
        {"orientation": (0, 1, 0, 1, 0, 0)},
        {"intercept": -2000},
    ],
    ids=["plain", "float", "turned", "transposed", "intercept"],
)
def test_the_same_as_the_whole_series(tmp_path: Path, changes: dict[str, object]) -> None:
    series = record(tmp_path, chest(**changes))
    volume = read_volume(series)
    whole = Slab(volume, tuple(range(30)), True)
    for centre in CENTRES:
        slab = read_slab(series, centre[2])
        assert not slab.whole
        assert len(slab.slices) < 30
        assert slab.volume.hu.dtype == volume.hu.dtype
        unread = np.setdiff1d(np.arange(30), slab.slices)
        assert not slab.volume.hu[unread].any()
        expected = seen(survey(volume, centre, 0.0))
        assert seen(survey(slab.volume, centre, 0.0, whole=False)) == expected
        # What is not read decides nothing.
        slab.volume.hu[unread] = 3000
        assert seen(survey(slab.volume, centre, 0.0, whole=False)) == expected
        assert patch(slab, centre) == patch(whole, centre)
    assert survey(volume, CENTRES[0], 0.0).scores.agatston > 0


def test_compressed_slices(tmp_path: Path) -> None:
    datasets = chest()
    for ds in datasets:
        ds.compress(RLELossless, generate_instance_uid=False)
    series = record(tmp_path, datasets)
    slab, volume = read_slab(series, 15), read_volume(series)
    assert not slab.whole
    assert np.array_equal(slab.volume.hu[list(slab.slices)], volume.hu[list(slab.slices)])


def test_values_beyond_int16_become_float(tmp_path: Path) -> None:
    datasets = chest()
    stored = np.frombuffer(datasets[14].PixelData, np.uint16).reshape(80, 80).copy()
    stored[0, 40] = 65000
    dicom_series.set_pixels(datasets[14], stored)
    series = record(tmp_path, datasets)
    slab = read_slab(series, 15)
    assert slab.volume.hu.dtype == read_volume(series).hu.dtype == np.float32
    assert seen(survey(slab.volume, CENTRES[0], 1.0, whole=slab.whole)) == seen(
        survey(read_volume(series), CENTRES[0], 1.0)
    )


def test_a_slice_of_elsewhere_at_the_centre_is_refused_as_with_the_whole_series(tmp_path: Path) -> None:
    datasets = chest()
    datasets[16].PixelData = np.ascontiguousarray(np.full((80, 80), 2024, np.uint16)).tobytes()
    stranger = record(tmp_path / "blank", datasets)
    with pytest.raises(ExamError) as whole:
        read_volume(stranger)
    with pytest.raises(ExamError) as slab:
        read_slab(stranger, 15)
    assert slab.value.code == whole.value.code == "blank_slice"

    datasets = chest()
    turned = np.frombuffer(datasets[17].PixelData, np.uint16).reshape(80, 80)
    datasets[17].PixelData = np.ascontiguousarray(np.roll(turned, 30, axis=1)).tobytes()
    shifted = record(tmp_path / "jump", datasets)
    with pytest.raises(ExamError, match="continue its neighbours"):
        read_slab(shifted, 15)


def test_where_slices_look_doubtful_the_whole_series_decides(tmp_path: Path) -> None:
    """Slices 25 mm apart differ more than misfiled thin ones; the whole series tells that all of them do."""
    rng = np.random.default_rng(1)
    datasets = dicom_series.slices(12, 64, 64, increment=5.0)
    for ds in datasets:
        dicom_series.set_pixels(ds, rng.integers(0, 1400, (64, 64)).astype(np.uint16))
    series = record(tmp_path, datasets)
    slab = read_slab(series, 6)
    assert slab.whole
    assert slab.slices == tuple(range(12))
    assert np.array_equal(slab.volume.hu, read_volume(series).hu)


def test_faults_that_headers_show_are_found_anywhere(tmp_path: Path) -> None:
    datasets = chest()
    del datasets[2]
    assert find_series(dicom_series.write(datasets, tmp_path / "missing"))[0].problem == "missing_slice"
    series = record(tmp_path / "cut", chest())
    cut = series.files[0]
    cut.write_bytes(cut.read_bytes()[:-500])
    with pytest.raises(ExamError):
        read_slab(series, 25)


def test_an_image_file_is_read_whole(tmp_path: Path) -> None:
    import SimpleITK as sitk

    image = sitk.GetImageFromArray(dicom_series.anatomy(20, 64, 64))
    sitk.WriteImage(image, str(tmp_path / "chest.nrrd"))
    slab = read_slab(find_series(tmp_path / "chest.nrrd")[0], 10)
    assert slab.whole
    assert slab.slices == tuple(range(20))


def test_a_centre_outside_is_said_when_it_is_measured(tmp_path: Path) -> None:
    slab = read_slab(record(tmp_path, chest()), 500)
    assert slab.slices == ()
    with pytest.raises(InputError, match="outside"):
        survey(slab.volume, (40, 40, 500), 1.0, whole=False)


def test_cancelled(tmp_path: Path) -> None:
    token = CancelToken()
    token.cancel()
    with pytest.raises(Cancelled):
        read_slab(record(tmp_path, chest()), 15, cancel=token)


@pytest.mark.real_data
@pytest.mark.parametrize("centre", [(258, 224, 74), (258, 224, 1), (300, 250, 140)])
def test_a_real_exam(real_data: Path, centre: Voxel) -> None:
    series = find_series(real_data / "nlst_101287_T0")[0]
    slab, volume = read_slab(series, centre[2]), read_volume(series)
    assert not slab.whole
    assert len(slab.slices) < 20
    assert seen(survey(slab.volume, centre, 1.0, whole=False)) == seen(survey(volume, centre, 1.0))
    assert patch(slab, centre) == patch(Slab(volume, (), True), centre)
