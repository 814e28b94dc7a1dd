"""A model that looks at several heights sees the same slices in a batch as in a whole exam."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from hyrisk_desktop import __version__
from hyrisk_desktop.batch.on_cluster import _Job, _predictors, _Task, score_remotely
from hyrisk_desktop.batch.reads_file import BatchRead
from hyrisk_desktop.batch.row import BatchRow, BatchSettings
from hyrisk_desktop.batch.run import run_batch
from hyrisk_desktop.imaging import CTVolume, find_series, read_volume
from hyrisk_desktop.measurement import measure
from hyrisk_desktop.risk import Predictor
from hyrisk_desktop.risk.bundle import read_description
from tests.helpers import dicom_series
from tests.helpers.batch import exams_in
from tests.helpers.bundles import edit_description, write_tiny_bundle

DEPTH, INCREMENT_MM = 48, 0.7
LEVELS_MM = (-9.0, 0.0, 6.0)
CENTRES = [(36, 30, 24), (36, 30, 1), (36, 30, DEPTH - 4)]
CPU = BatchSettings(device="cpu")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same network, looking 9 mm below and 6 mm above the click as well: further than calcium is looked for."""
    folder = tmp_path_factory.mktemp("heights") / "tiny"
    bundle = write_tiny_bundle(folder)
    edit_description(folder, preprocessing=bundle.preprocessing.to_json() | {"levels_mm": list(LEVELS_MM)})
    return folder


@pytest.fixture(scope="module")
def exam(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """No slice is like another."""
    made = dicom_series.slices(DEPTH, 60, 72, increment=INCREMENT_MM, pixel=(3.5, 4.0))
    return dicom_series.write(made, tmp_path_factory.mktemp("thin") / "exam")


@pytest.fixture(scope="module")
def volume(exam: Path) -> CTVolume:
    return read_volume(find_series(exam)[0])


def numbers(row: BatchRow) -> tuple[object, ...]:
    return row.status, row.risknet, row.hyrisknet, row.percentile, row.interval_low, row.interval_high, row.findings


@pytest.mark.parametrize("centre", CENTRES)
@pytest.mark.parametrize("whole", [False, True])
def test_a_row_is_of_the_slices_that_the_model_looks_at(
    exam: Path, volume: CTVolume, model: Path, centre: tuple[int, int, int], whole: bool
) -> None:
    predictor, rows = Predictor(model, "cpu"), list[BatchRow]()
    read = BatchRead(centre, 1.0, "Ann")
    exams = exams_in(exam, {volume.series_uid: (read,)})
    run_batch(exams, dataclasses.replace(CPU, whole=whole), predictor, on_row=rows.append)
    risk = measure(volume, centre, 1.0, Predictor(model, "cpu")).risk
    assert risk is not None
    (row,) = rows
    assert numbers(row)[:-1] == ("scored", risk.risknet, risk.hyrisknet, risk.percentile, *risk.interval)
    assert row.findings_checked == ("whole" if whole else "slab")
    worker = score_remotely(_job(model, whole), _Task(exams[0].to_plain(), None))
    assert numbers(BatchRow(**worker["rows"][0])) == pytest.approx(numbers(row), abs=1e-5)


def _job(model: Path, whole: bool) -> _Job:
    _predictors.clear()
    settings = dataclasses.asdict(dataclasses.replace(CPU, whole=whole))
    return _Job(settings, str(model), read_description(model).bundle_sha256, __version__, [])
