"""The patch cache: the program's own pixels and scores, cut once, gone on with after a kill, never a wrong one."""

from __future__ import annotations

import csv
import os
import shutil
import stat
from pathlib import Path

import numpy as np
import pytest

from hyrisk_desktop.calcium import score_region
from hyrisk_desktop.errors import Cancelled, InputError
from hyrisk_desktop.imaging import find_series, read_volume, shutdown_decoders
from hyrisk_desktop.jobs import CancelToken
from model_training.cohort_table import read_table
from model_training.dataset import load_cohort
from model_training.patches import cut_patches
from tests.helpers.dicom_series import slices, write


@pytest.fixture
def own(cohort: Path, tmp_path: Path) -> Path:
    """A copy of the cohort that a test may damage."""
    return Path(shutil.copytree(cohort, tmp_path / "own"))


def edit(folder: Path, row: int, **cells: object) -> None:
    path = folder / "cohort.csv"
    with open(path, newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    rows[row] |= cells
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def test_patches_are_the_voxels_around_the_centre(cohort: Path, cache: Path) -> None:
    data = load_cohort(cohort, cache)
    try:
        volume = read_volume(find_series(read_table(cohort).cases[3].exam)[0])
    finally:
        shutdown_decoders()
    assert data.patches.dtype == np.int16
    assert np.array_equal(data.patches[3], volume.hu[1:4])
    assert data.region_agatston[3] == pytest.approx(score_region(volume, (80, 80, 2)).agatston, abs=1e-3)
    assert data.synthetic
    assert data.has_expected_risk
    # The generator's own scores of the slab, before it went to disk and back.
    assert data.region_agatston == pytest.approx(data.agatston, abs=2e-3)


def test_a_centre_elsewhere_cuts_elsewhere(own: Path, tmp_path: Path) -> None:
    edit(own, 0, x=70, y=85)
    data = load_cohort(own, tmp_path / "cache")
    original = load_cohort(own.parent / "own", tmp_path / "cache")
    assert original.key == data.key
    patch = data.patches[0]
    assert (patch[:, :, :10] == -1024).all()
    assert (patch[:, -5:] == -1024).all()


def test_the_second_time_nothing_is_cut(own: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = load_cohort(own, tmp_path)

    def refuse(*_: object) -> None:
        raise AssertionError("read again")

    monkeypatch.setattr("model_training.patches.read_volume", refuse)
    again = load_cohort(own, tmp_path)
    assert again.sha256 == first.sha256
    assert np.array_equal(again.patches, first.patches)


def test_changed_pixels_are_cut_anew(own: Path, tmp_path: Path) -> None:
    first = load_cohort(own, tmp_path)
    slab = read_table(own).cases[0].exam
    content = bytearray(slab.read_bytes())
    middle = len(content) - 161 * 161 * 5
    content[middle : middle + 500] = bytes(500)
    slab.write_bytes(content)
    again = load_cohort(own, tmp_path)
    assert again.key != first.key
    assert not np.array_equal(again.patches[0], first.patches[0])
    assert np.array_equal(again.patches[1:], first.patches[1:])


def test_a_cancelled_cut_goes_on_where_it_stopped(own: Path, tmp_path: Path) -> None:
    token, calls = CancelToken(), []

    def progress(done: int, total: int) -> None:
        calls.append(done)
        if done == 10:
            token.cancel()

    with pytest.raises(Cancelled):
        cut_patches(read_table(own), tmp_path, progress, token)
    calls.clear()
    cut = cut_patches(read_table(own), tmp_path, lambda done, _: calls.append(done))
    assert 11 in calls
    assert 9 not in [done for done in calls if done > 3]
    assert np.array_equal(cut.patches, cut_patches(read_table(own), tmp_path / "other").patches)


def test_damaged_exams_and_centres_outside_are_named(own: Path, tmp_path: Path) -> None:
    edit(own, 1, z=77)
    with pytest.raises(InputError, match=r"Row 3, column x: .*161 × 161 × 5"):
        load_cohort(own, tmp_path)
    read_table(own).cases[4].exam.write_bytes(b"no image")
    with pytest.raises(InputError, match="Row 6, column exam"):
        load_cohort(own, tmp_path)


def test_dicom_exams_and_a_series_by_its_uid(tmp_path: Path) -> None:
    rows = ["exam,series_uid,x,y,z,outcome,patient_id"]
    uids = []
    for i in range(4):
        write(slices(seed=i, series=str(i + 1)), tmp_path / f"exam{i}")
        uids.append(find_series(tmp_path / f"exam{i}")[0].series_uid)
        rows.append(f"exam{i},{uids[i] if i < 3 else '1.2.3'},10,10,2,{i % 2},p{i}")
    (tmp_path / "cohort.csv").write_text("\n".join(rows), encoding="utf-8")
    with pytest.raises(InputError, match="Row 5, column exam: the series named"):
        load_cohort(tmp_path, tmp_path / "cache")
    (tmp_path / "cohort.csv").write_text("\n".join(rows).replace("1.2.3", uids[3]), encoding="utf-8")
    data = load_cohort(tmp_path, tmp_path / "cache")
    assert not data.synthetic
    assert data.scores().keys() == {"agatston", "category", "volume", "sqrt_volume"}


@pytest.mark.skipif(os.name == "nt", reason="Windows has access lists instead of modes")
def test_the_cache_is_this_accounts_alone(own: Path, tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        load_cohort(own, tmp_path / "cache")
    finally:
        os.umask(before)
    made = [tmp_path / "cache", *(tmp_path / "cache").rglob("*")]
    assert {"patches.npy", "facts.jsonl"} <= {p.name for p in made}
    assert [p.name for p in made if stat.S_IMODE(p.stat().st_mode) & 0o077] == []
