"""``hyrisk check`` looks at the exams too: copies, headers that the outcome goes with, and what can't be read."""

from __future__ import annotations

import csv
import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from hyrisk_desktop.imaging import SeriesRecord, find_series
from hyrisk_desktop.jobs import no_progress
from model_training import exam_check
from model_training.cohort_table import Case, Problem, read_table
from model_training.exam_check import look_at_exams
from model_training.patches import _identify
from tests.helpers import dicom_series
from tests.training.test_run import run_here


@pytest.fixture
def rows(cohort: Path) -> list[dict[str, str]]:
    with open(cohort / "cohort.csv", newline="", encoding="utf-8") as file:
        found = list(csv.DictReader(file))
    return [{**row, "exam": str(cohort / row["exam"])} for row in found]


def written(path: Path, rows: list[dict[str, str]]) -> Path:
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path


def found(path: Path) -> list[Problem]:
    table = read_table(path)
    before = set(table.problems)
    return [problem for problem in look_at_exams(table).problems if problem not in before]


def test_a_sound_cohort_gets_no_more_problems(rows: list[dict[str, str]], tmp_path: Path) -> None:
    assert found(written(tmp_path / "c.csv", rows)) == []


def test_the_same_files_under_another_path_and_patient_are_named(rows: list[dict[str, str]], tmp_path: Path) -> None:
    copies = []
    for number, (row, patient) in enumerate(((rows[2], "somebody else"), (rows[5], rows[5]["patient_id"]))):
        path = shutil.copy(row["exam"], tmp_path / f"other-{number}.nrrd")
        copies.append({**row, "exam": str(path), "patient_id": patient})
    problems = found(written(tmp_path / "c.csv", [*rows, *copies]))
    # Line 1 is the header; a second exam of the same patient is no copy that leaks.
    assert [(p.row, p.column, p.severity) for p in problems] == [(len(rows) + 2, "exam", "warning")]
    assert "the files of the exam in row 4, of another patient" in problems[0].message
    code, out, _ = run_here("check", str(tmp_path / "c.csv"), "--json")
    assert code == 0
    assert any("of another patient" in p["message"] for p in json.loads(out)["problems"])


def test_a_copy_whose_files_have_other_names_is_named_and_has_the_same_mark(tmp_path: Path) -> None:
    exam = dicom_series.write(dicom_series.slices(11, 40, 40), tmp_path / "exam")
    (tmp_path / "copy").mkdir()
    for number, path in enumerate(sorted(exam.iterdir())):
        # In another order, and another one in the middle.
        shutil.copy(path, tmp_path / "copy" / f"Z{(number + 3) % 11:03d}.dcm")
    rows = [
        {"exam": name, "x": "20", "y": "20", "z": "5", "outcome": "0", "patient_id": name} for name in ("exam", "copy")
    ]
    path = written(tmp_path / "c.csv", rows)
    assert [p.row for p in found(path) if "of another patient" in p.message] == [3]
    _, (one, other) = _identify(read_table(path).cases, no_progress, None)
    assert one == other


def test_files_of_the_same_size_are_no_copies(rows: list[dict[str, str]], tmp_path: Path) -> None:
    data = Path(rows[0]["exam"]).read_bytes()
    # Another last voxel.
    (tmp_path / "near.nrrd").write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    more = {**rows[0], "exam": str(tmp_path / "near.nrrd"), "patient_id": "other"}
    assert [p for p in found(written(tmp_path / "c.csv", [*rows, more])) if "another patient" in p.message] == []


def test_an_exam_that_can_not_be_read_is_an_error_before_the_training(
    rows: list[dict[str, str]], tmp_path: Path
) -> None:
    (tmp_path / "torn.nrrd").write_bytes(b"NRRD0004\ntype: short\n")
    problems = found(written(tmp_path / "c.csv", [*rows, {**rows[0], "exam": str(tmp_path / "torn.nrrd")}]))
    assert [(p.row, p.column, p.severity) for p in problems] == [(len(rows) + 2, "exam", "error")]
    _, out, _ = run_here("check", str(tmp_path / "c.csv"), "--json")
    assert json.loads(out)["ready"] is False


@pytest.mark.parametrize(
    ("keyword", "column", "values"),
    [("ConvolutionKernel", "kernel", ("B30f", "B50f")), ("StudyDate", "study_date", ("20200105", "20210607")),
     ("Manufacturer", "manufacturer", ("A", "B")), ("ManufacturerModelName", "manufacturer_model", ("One", "Two"))],
)  # fmt: skip
def test_headers_that_the_outcome_goes_with_are_named(
    keyword: str,
    column: str,
    values: tuple[str, str],
    rows: list[dict[str, str]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    plain = [{key: value for key, value in row.items() if key != "kernel"} for row in rows]
    record = find_series(Path(rows[0]["exam"]))[0]

    def tied_to(case: Case) -> SeriesRecord:
        return replace(record, attributes={keyword: values[case.outcome]}, files=(case.exam,))

    monkeypatch.setattr(exam_check, "series_of", tied_to)
    problems = found(written(tmp_path / "c.csv", plain))
    assert [(p.row, p.column, p.severity) for p in problems] == [(None, column, "warning")]
    assert problems[0].message.startswith("In the exams' headers the outcome goes with this column")
    # A table that names it has been asked already.
    named = [{**row, column: "same"} for row in plain]
    assert found(written(tmp_path / "d.csv", named)) == []


@pytest.mark.parametrize("column", ["pixel_mm", "increment_mm"])
def test_voxels_in_the_headers_that_the_outcome_goes_with_are_named(
    column: str, rows: list[dict[str, str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    unnamed = [{k: v for k, v in row.items() if k not in ("pixel_mm", "increment_mm")} for row in rows]
    exams = {}
    for outcome, mm in enumerate((0.5, 0.75)):
        sizes = {"pixel": (mm, mm)} if column == "pixel_mm" else {"increment": 2 + mm}
        slices = dicom_series.slices(11, 40, 40, **sizes)  # type: ignore[arg-type]
        exams[outcome] = find_series(dicom_series.write(slices, tmp_path / str(outcome)))[0]
    monkeypatch.setattr(exam_check, "series_of", lambda case: exams[case.outcome])
    said = [(p.row, p.column) for p in found(written(tmp_path / "c.csv", unnamed)) if p.row is None]
    assert said == [(None, column)]
    named = [{**row, column: "1"} for row in unnamed]
    assert [p for p in found(written(tmp_path / "d.csv", named)) if p.row is None] == []
