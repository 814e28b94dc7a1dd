"""`hyrisk score --whole-heart` and `hyrisk batch --whole-heart`: the same numbers, and columns only in tables that were asked for them."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest

from hyrisk_desktop.batch.row import BatchSettings, WholeHeartRow, row_from
from hyrisk_desktop.batch.run import run_batch
from hyrisk_desktop.batch.table import COLUMNS, WHOLE_HEART_COLUMNS, open_table
from hyrisk_desktop.calcium import HeartMarks
from hyrisk_desktop.cli.score import _heart_lines
from hyrisk_desktop.errors import ExamError, InputError
from hyrisk_desktop.imaging import find_series, read_volume
from hyrisk_desktop.measurement import measure
from tests.helpers import dicom_series
from tests.helpers.batch import CENTRE, exams_in, reads_of, write_exams
from tests.helpers.bundles import write_tiny_bundle
from tests.helpers.command_line import hyrisk


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models") / "tiny"
    write_tiny_bundle(folder)
    return folder


@pytest.fixture(scope="module")
def calcified(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An exam of 24 slices of 60 x 72 pixels of 3.5 x 4 mm, with plaques of one voxel at several sites of the heart."""
    made = dicom_series.slices(24, 60, 72, pixel=(3.5, 4.0))
    for z, y, x, hu in ((10, 26, 43, 320), (12, 36, 43, 520), (8, 24, 28, 450), (13, 31, 33, 600), (12, 35, 39, 400)):
        pixels = np.frombuffer(made[z].PixelData, np.uint16).reshape(60, 72).copy()
        pixels[y - 2 : y + 3, x - 2 : x + 3] = 934
        pixels[y, x] = hu + 1024
        made[z].PixelData = pixels.tobytes()
    return dicom_series.write(made, tmp_path_factory.mktemp("calcified") / "exam")


@pytest.fixture(scope="module")
def exams(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_exams(tmp_path_factory.mktemp("exams"), 3)


def rows(path: Path) -> list[dict[str, str]]:
    with open(path, encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream, strict=True))


def test_score_and_batch_print_the_same_numbers(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], calcified: Path, model: Path, tmp_path: Path
) -> None:
    exam, out = calcified, tmp_path / "out.csv"
    _, printed, _ = hyrisk(
        monkeypatch,
        capsys,
        "score",
        exam,
        "--center",
        *CENTRE,
        "--grade",
        2,
        "--model",
        model,
        "--whole-heart",
        "--json",
    )
    heart = json.loads(printed)["calcium"]["whole_heart"]
    assert heart["agatston"] > 0
    assert heart["not_counted"]
    assert heart["suggested_extent"] >= 2
    reads = tmp_path / "reads.csv"
    x, y, z = CENTRE
    uid = find_series(exam)[0].series_uid
    reads.write_text(f"series_uid,x,y,z,grade,reader\n{uid},{x},{y},{z},2,Ann\n", encoding="utf-8")
    code, _, _ = hyrisk(
        monkeypatch, capsys, "batch", exam, "--reads", reads, "--out", out, "--model", model, "--whole-heart"
    )
    assert code == 0
    (row,) = rows(out)
    assert float(row["whole_heart_agatston"]) == heart["agatston"]
    assert float(row["whole_heart_volume_mm3"]) == heart["volume_mm3"]
    assert (int(row["whole_heart_category"]), int(row["whole_heart_lesions"])) == (heart["category"], heart["lesions"])
    by_vessel = {vessel["vessel"].lower(): vessel["agatston"] for vessel in heart["vessels"]}
    assert {name: float(row[f"{name}_agatston"]) for name in by_vessel} == by_vessel
    assert int(row["suggested_extent"]) == heart["suggested_extent"]
    assert heart["cac_drs"].startswith(f"CAC-DRS A{row['whole_heart_drs']}")
    assert float(row["doubted_agatston"]) == pytest.approx(sum(plaque["agatston"] for plaque in heart["not_counted"]))
    assert (row["whole_heart_state"], row["whole_heart_reasons"].split()) == (heart["state"], heart["reasons"])
    # It needs every slice, so the findings do so as well.
    assert row["findings_checked"] == "whole"
    # And it is what the window's composition gives.
    m = measure(read_volume(find_series(exam)[0]), CENTRE, 2.0, None, heart=HeartMarks())
    assert m.whole_heart is not None
    assert m.whole_heart.agatston == heart["agatston"]


def test_the_readout_names_score_vessels_and_doubts(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], exams: Path, model: Path
) -> None:
    arguments = ("score", exams / "exam001", "--center", *CENTRE, "--model", model)
    _, plain, _ = hyrisk(monkeypatch, capsys, *arguments)
    _, printed, _ = hyrisk(monkeypatch, capsys, *arguments, "--whole-heart")
    assert "Whole-heart" not in plain
    assert "Whole-heart score" in printed
    assert [line for line in printed.splitlines() if line in plain.splitlines()] == [
        line for line in plain.splitlines() if line in printed.splitlines()
    ]


def test_the_lines_of_a_readout() -> None:
    heart = {
        "agatston": 120.04, "category": 3, "volume_mm3": 90.0, "lesions": 3, "cac_drs": "CAC-DRS A2", "state": "shown", "reasons": [],
        "vessels": [{"vessel": "LAD", "agatston": 100.0, "volume_mm3": 70.0, "lesions": 2, "suggested": True},
                    {"vessel": "LCX", "agatston": 0.0, "volume_mm3": 0.0, "lesions": 0},
                    {"vessel": "RCA", "agatston": 20.0, "volume_mm3": 20.0, "lesions": 1}],
        "not_counted": [{"reason": "aortic_root", "agatston": 7.0}, {"reason": "aortic_root", "agatston": 5.0}],
        "noise": {"lesions": 4, "agatston": 5.0},
    }  # fmt: skip
    lines = list(_heart_lines(heart, {"findings": []}))
    assert "120.0" in lines[0]
    assert "CAC-DRS A2" in lines[0]
    assert "100 < A ≤ 400" in lines[1]
    assert [("suggested" in line, "LCX" in line) for line in lines[2:4]] == [(True, False), (False, False)]
    assert lines[4].split()[:3] == ["not", "counted", "12.0"]
    assert "2: aortic root or valve" in lines[4]
    assert "4 spots" in lines[5]
    assert len(lines) == 6
    withheld = heart | {"state": "withheld", "reasons": ["contrast"]}
    (line,) = _heart_lines(withheld, {"findings": [{"code": "contrast", "message": "Contrast agent."}]})
    assert "withheld: Contrast agent." in line
    assert "120" not in line


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_columns_stand_at_the_end_and_only_where_they_were_asked_for(exams: Path, tmp_path: Path, kind: str) -> None:
    assert WHOLE_HEART_COLUMNS[: len(COLUMNS)] == COLUMNS
    assert len(WHOLE_HEART_COLUMNS) == len(COLUMNS) + 14
    listed = exams_in(exams, reads_of([1, 2]))
    ids = [slot for exam in listed for slot, _ in exam.slots]
    plain, asked = tmp_path / f"plain.{kind}", tmp_path / f"asked.{kind}"
    for path, settings in ((plain, BatchSettings()), (asked, BatchSettings(whole_heart=True))):
        with open_table(path, ids, whole_heart=settings.whole_heart) as table:
            run_batch(listed, settings, None, on_row=table.append)
    # Resumable, each by its own settings; and neither is taken for the other.
    for path, settings in ((plain, BatchSettings()), (asked, BatchSettings(whole_heart=True))):
        with open_table(path, ids, whole_heart=settings.whole_heart) as table:
            assert len(table.done) == 3
            again: list[object] = []
            assert run_batch(listed, settings, None, on_row=again.append, done=table.done).skipped == 3
            assert again == []
            other = BatchSettings(whole_heart=not settings.whole_heart)
            assert run_batch(listed, other, None, on_row=again.append, done=table.done).skipped == 0
        with pytest.raises(InputError, match="another table"):
            open_table(path, ids, whole_heart=not settings.whole_heart)


def test_a_run_without_it_keeps_its_fingerprint() -> None:
    assert BatchSettings().fingerprint.endswith("|standard|None|None|False")
    assert BatchSettings(whole_heart=True).fingerprint != BatchSettings().fingerprint


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_a_row_that_failed_before_it_was_read_fits_as_well(exams: Path, tmp_path: Path, kind: str) -> None:
    from hyrisk_desktop.batch.run import rows_of

    (exam,) = exams_in(exams / "exam001", reads_of([1]))
    path = tmp_path / f"out.{kind}"
    (failed,) = rows_of(exam, ExamError("gone", "It is gone."))
    with open_table(path, [failed.row_id], whole_heart=True) as table:
        table.append(failed)
    with open_table(path, [failed.row_id], whole_heart=True) as table:
        assert table.done == {}


def test_rows_travel_from_a_cluster(exams: Path) -> None:
    import dataclasses

    made: list[object] = []
    for settings in (BatchSettings(), BatchSettings(whole_heart=True)):
        run_batch(exams_in(exams / "exam003"), settings, None, on_row=made.append)
    plain, whole = made
    assert isinstance(whole, WholeHeartRow)
    assert not isinstance(plain, WholeHeartRow)
    for row in made:
        assert row_from(dataclasses.asdict(row)) == row  # type: ignore[call-overload]
