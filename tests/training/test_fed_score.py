"""The score that a network is fed is one quantity, its scale is the training part's, and copies stay in one fold."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from hyrisk_desktop.errors import InputError
from model_training.cautions import cautions, tied_headers
from model_training.cohort_table import MOST_AGATSTON, read_table
from model_training.dataset import GIVEN, CohortData, joined, load_cohort
from model_training.export import platt_calibration
from model_training.folds import make_folds, patient_overlap
from model_training.phantom.cohort import write_cohort
from model_training.tied import chance_of_dates, chance_of_kinds, chance_of_numbers, tied
from model_training.units import Settings, Unit, fold_of, score_rule


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("fed") / "cohort"
    write_cohort(folder, 12, 5_300_000, workers=2)
    return folder


def table(folder: Path, tmp_path: Path, change: dict[int, dict[str, str]] | None = None, drop: str = "") -> Path:
    """The cohort's table with cells changed by row (from 0; -1: every row), its slabs named where they lie."""
    head, *lines = (folder / "cohort.csv").read_text().splitlines()
    names = head.split(",")
    rows = [dict(zip(names, line.split(","), strict=True)) for line in lines]
    for n, row in enumerate(rows):
        row["exam"] = str(folder / row["exam"])
        row.update((change or {}).get(-1, {}))
        row.update((change or {}).get(n, {}))
    kept = [name for name in names if name != drop]
    path = tmp_path / "cohort.csv"
    path.write_text("\n".join([",".join(kept), *(",".join(row[name] for name in kept) for row in rows)]) + "\n")
    return path


def data_of(path: Path, tmp_path: Path) -> CohortData:
    return load_cohort(path, tmp_path / "cache")


def test_a_phantoms_column_is_the_region_score_and_a_missing_one_too(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    for path in (table(folder, tmp_path), table(folder, tmp_path / "other", drop="agatston")):
        data = data_of(path, tmp_path)
        assert (data.quantity, data.unscored) == ("region", ())
        np.testing.assert_allclose(data.agatston, data.region_agatston)
        assert GIVEN not in data.scores()


def test_a_missing_grade_is_named_by_its_line_of_the_file(folder: Path, tmp_path: Path) -> None:
    path = table(folder, tmp_path, {3: {"grade": ""}})
    path.write_text(path.read_text().replace("\n", "\n\n", 1))
    with pytest.raises(InputError, match="Row 6, column grade"):
        data_of(path, tmp_path).score_values("grade")


def test_another_quantity_is_fed_as_it_is_and_stands_among_the_baselines(folder: Path, tmp_path: Path) -> None:
    leaked = {n: {"agatston": str(100 + 50 * n)} for n in range(12)}
    data = data_of(table(folder, tmp_path, leaked), tmp_path)
    assert data.quantity == "external"
    assert data.score_values("agatston").tolist() == [100 + 50 * n for n in range(12)]
    assert data.scores()[GIVEN].tolist() == [100 + 50 * n for n in range(12)]
    assert data.scores()["agatston"].tolist() == data.region_agatston.tolist()


def test_one_score_that_differs_makes_it_another_quantity(folder: Path, tmp_path: Path) -> None:
    region = data_of(table(folder, tmp_path), tmp_path).region_agatston[3]
    near = data_of(table(folder, tmp_path, {3: {"agatston": f"{region + 0.0009 * (1 + region):.6f}"}}), tmp_path)
    far = data_of(table(folder, tmp_path, {3: {"agatston": f"{region + 0.0012 * (1 + region):.6f}"}}), tmp_path)
    assert (near.quantity, far.quantity) == ("region", "external")


def test_a_column_in_part_filled_is_refused_where_it_would_be_fed(folder: Path, tmp_path: Path) -> None:
    path = table(folder, tmp_path, {2: {"agatston": ""}, 7: {"agatston": ""}})
    data = data_of(path, tmp_path)
    with pytest.raises(InputError, match="Rows 4, 9, column agatston"):
        data.score_values("agatston")
    assert data.score_values("grade").shape == (12,)
    found = read_table(path)
    with pytest.raises(InputError, match="Rows 4, 9"):
        found.require_score("agatston")
    found.require_score("grade")
    assert not [p for p in found.problems if p.column == "agatston"], "who trains on grades need not fill it"
    assert data.quantity == "region"


@pytest.mark.parametrize(
    ("column", "text", "fits"),
    [
        ("agatston", "-0.1", False), ("agatston", "1e308", False), ("agatston", "nan", False), ("agatston", "inf", False),
        ("agatston", f"{MOST_AGATSTON:.0f}", True), ("agatston", f"{MOST_AGATSTON + 1:.0f}", False), ("agatston", "0", True),
        ("grade", "3", True), ("grade", "3.01", False), ("grade", "-1", False), ("grade", "nan", False),
    ],
)  # fmt: skip
def test_impossible_values_name_row_and_column(
    folder: Path, tmp_path: Path, column: str, text: str, fits: bool
) -> None:
    path = table(folder, tmp_path, {4: {column: text}})
    errors = [(p.row, p.column) for p in read_table(path).problems if p.severity == "error"]
    assert errors == ([] if fits else [(6, column)])
    if not fits:
        with pytest.raises(InputError, match=f"Row 6, column {column}"):
            data_of(path, tmp_path)


def test_a_score_that_is_the_same_everywhere_is_said(folder: Path, tmp_path: Path) -> None:
    path = table(folder, tmp_path, {-1: {"grade": "2"}})
    said = [p.message for p in read_table(path).problems if p.column == "grade"]
    assert said == ["every row has the same grade, so it can tell nobody apart."]
    assert not [p for p in read_table(folder).problems if p.column in ("grade", "agatston")]


def test_the_scale_ends_at_the_training_parts_highest_score(folder: Path, tmp_path: Path) -> None:
    settings = Settings(str(folder), "", score="agatston", folds=2)
    data = data_of(table(folder, tmp_path, {n: {"agatston": str(200 + n)} for n in range(12)}), tmp_path)
    fold = fold_of(settings, Unit(34, 1), data)
    assert score_rule(settings, data, fold).highest == data.agatston[fold.training].max()
    leaking = data.agatston.copy()
    leaking[[*fold.test, *fold.inner]] = 9000.0
    assert score_rule(settings, replace(data, agatston=leaking), fold).highest == data.agatston[fold.training].max()
    small = replace(data, agatston=np.full(12, 3.2))
    assert score_rule(settings, small, fold).highest == 100.0


def test_joined_by_patient_or_by_files_also_by_way_of_others() -> None:
    patients = ("ann", "ben", "cid", "dan", "ann", "eve")
    files = ("1", "2", "2", "3", "4", "4")
    groups = joined(patients, files)
    same = {(i, j) for i in range(6) for j in range(6) if groups[i] == groups[j]}
    assert same == {(i, j) for i in range(6) for j in range(6) if {i, j} <= {0, 4, 5} or {i, j} <= {1, 2} or i == j}
    assert len(set(joined(patients, ()))) == 5
    # Who is joined to one case already takes that one along: here ann's two cases, by way of the second one's file.
    assert len(set(joined(("ann", "ben", "ann"), ("1", "2", "2")))) == 1


def test_copies_under_another_name_stay_in_one_fold(folder: Path, tmp_path: Path) -> None:
    data = data_of(table(folder, tmp_path), tmp_path)
    assert data.copies == 0
    assert len(set(data.groups)) == 12
    exams = list(data.exams)
    order = np.argsort(data.outcome, kind="stable")
    for a, b in zip(order[:4], order[-4:], strict=True):
        exams[b] = exams[a]
    copied = replace(data, exams=tuple(exams))
    assert copied.copies == 8
    folds = make_folds(copied.outcome, copied.groups, 2, 3)
    assert patient_overlap(folds, copied.groups) == 0
    assert all(
        len({a in fold.test, b in fold.test}) == 1 for fold in folds for a, b in zip(order[:4], order[-4:], strict=True)
    )


def test_a_copy_with_another_header_is_known_by_its_pixels(folder: Path, tmp_path: Path) -> None:
    data = data_of(table(folder, tmp_path), tmp_path)
    patches = np.array(data.patches)
    patches[5] = patches[9]
    copied = replace(data, patches=patches)
    assert copied.copies == 2
    assert copied.groups[5] == copied.groups[9]
    patches[5, 0, 0, 0] += 1
    assert replace(data, patches=patches).copies == 0


def test_a_bundle_is_fed_the_quantity_it_was_trained_on(folder: Path, tmp_path: Path) -> None:
    data = data_of(table(folder, tmp_path, {n: {"agatston": str(100 + n)} for n in range(12)}), tmp_path)
    own = data_of(folder / "cohort.csv", tmp_path)
    assert data.score_values("agatston", "region").tolist() == data.region_agatston.tolist()
    assert data.score_values("agatston", "external").tolist() == [100 + n for n in range(12)]
    with pytest.raises(InputError, match="from elsewhere"):
        own.score_values("agatston", "external")
    assert own.score_values("grade", "region").tolist() == own.grade.tolist()


def cohort_of_kernels(folder: Path, tmp_path: Path, kernels: str) -> list[str]:
    """What the check says of the kernel where the table is three times as long."""
    path = table(folder, tmp_path)
    head, *lines = path.read_text().splitlines()
    at = {name: n for n, name in enumerate(head.split(","))}
    rows = []
    for n in range(24):
        cells = lines[n % 12].split(",")
        cells[at["patient_id"]], cells[at["outcome"]], cells[at["kernel"]] = f"p{n % 12}", str(n % 2), kernels[n]
        rows.append(",".join(cells))
    path.write_text("\n".join([head, *rows]) + "\n")
    return [p.message for p in read_table(path).problems if p.column == "kernel"]


def test_an_outcome_tied_to_the_kernel_is_said(folder: Path, tmp_path: Path) -> None:
    assert cohort_of_kernels(folder, tmp_path, "AABB" * 6) == []
    (said,) = cohort_of_kernels(folder, tmp_path, "AB" * 12)
    assert said.startswith("the outcome goes with this column (p = ")


def test_chance_is_that_of_the_tables() -> None:
    outcome = np.array([0, 1] * 15)
    tied_to = np.where(outcome == 1, "A", "B").tolist()
    assert chance_of_kinds(["A"] * 30, outcome) == 1.0
    assert chance_of_kinds(tied_to, outcome) < 1e-5
    rare = [f"only {n}" if n < 4 else "A" for n in range(30)]
    assert chance_of_kinds(rare, outcome) > 0.5, "four rare values are one, and half of each outcome"
    # Twelve and three against four and eleven: Yates' correction, worked out by hand (chi2 = 6.5625).
    kinds = ["A"] * 12 + ["B"] * 3 + ["A"] * 4 + ["B"] * 11
    assert chance_of_kinds(kinds, np.array([0] * 15 + [1] * 15)) == pytest.approx(0.01041, abs=1e-4)
    days = [f"20{10 + n // 2 + 20 * (n % 2)}-01-01" for n in range(30)]
    assert chance_of_dates(days, outcome) < 1e-4
    assert chance_of_dates(["unknown"] * len(days), outcome) == 1.0
    assert [name for name, _ in tied({"kernel": tied_to, "note": tied_to, "study_date": days}, outcome)] == [
        "kernel",
        "study_date",
    ]
    assert list(tied({"kernel": tied_to[:19]}, outcome[:19])) == [], "too few"
    assert len(list(tied({"kernel": tied_to[:20]}, outcome[:20]))) == 1


def test_voxels_that_the_outcome_goes_with_are_said(folder: Path, tmp_path: Path) -> None:
    outcome = np.array([0, 1] * 15)
    sizes = [f"{0.6 + 0.1 * dead + 0.001 * n}" for n, dead in enumerate(outcome)]
    assert chance_of_numbers(sizes, outcome) < 1e-5
    assert chance_of_numbers(["0.7"] * 30, outcome) == 1.0
    assert chance_of_numbers([*sizes[:19], *["unknown"] * 11], outcome) == 1.0
    assert [name for name, _ in tied({"pixel_mm": sizes, "age": sizes}, outcome)] == ["pixel_mm"]
    data = data_of(table(folder, tmp_path), tmp_path)
    many = replace(data, outcome=np.tile([0, 1], 15), kernel=("",) * 30, patches=np.repeat(data.patches[:1], 30, 0))
    wide = np.where(many.outcome == 1, 0.8, 0.7)
    for column in ("pixel_mm", "increment_mm"):
        other = {"pixel_mm": np.ones(30), "increment_mm": np.ones(30)} | {column: wide}
        (said,) = tied_headers(replace(many, **other))  # type: ignore[arg-type]
        assert said.startswith(f"{column}: the outcome goes with this column")


def results(low: float) -> dict[str, object]:
    sure = {"auc": 0.8, "ci": [0.7, 0.9]}
    return {"pooled": {"hyrisknet": {"auc": 0.61, "ci": [low, 0.72]}, "risknet": sure}}


@pytest.mark.parametrize(("low", "chance"), [(0.5, True), (0.501, False)])
def test_no_better_than_chance_is_said(folder: Path, tmp_path: Path, low: float, chance: bool) -> None:
    data = data_of(table(folder, tmp_path), tmp_path)
    said = cautions(results(low), data)
    assert len(said) == chance
    if chance:
        assert said[0].startswith(
            "HyRiskNet is not better than chance on this cohort: AUC 0.610, 95 % interval 0.500 to 0.720"
        )
    copied = replace(data, exams=(data.exams[1], *data.exams[1:]))
    assert "2 exams have the very files" in cautions(results(0.6), copied)[0]


def test_the_calibration_keeps_the_range_it_was_fitted_on() -> None:
    rng = np.random.default_rng(0)
    odds = rng.normal(0, 2, 200)
    outcome = (rng.random(200) < 1 / (1 + np.exp(-odds))).astype(np.int64)
    platt = platt_calibration(odds, outcome)
    assert platt.lowest is not None
    assert platt.highest is not None
    assert 0 <= odds.min() - platt.lowest < 1e-5
    assert 0 <= platt.highest - odds.max() < 1e-5
    assert not any(platt.beyond(float(o)) for o in odds)


@pytest.mark.parametrize("pattern", ["%Y%m%d", "%Y-%m-%d", "%d.%m.%Y", "%m/%d/%Y", "%Y%m%d%H%M%S", "%Y-%m-%d %H:%M"])
def test_a_date_is_told_in_whatever_order_it_is_written_and_although_some_exams_have_none(pattern: str) -> None:
    outcome = np.arange(60) % 2
    # The survivors' years come first, and neither day nor month tells anything.
    days = [datetime(2016 + o, 1 + i * 7 % 12, 1 + i * 11 % 28, tzinfo=UTC) for i, o in enumerate(outcome)]
    texts = [day.strftime(pattern) for day in days]
    assert chance_of_dates(texts, outcome) < 1e-6
    assert chance_of_dates(["", "", *texts[2:]], outcome) < 1e-6
    assert chance_of_dates([*texts[:19], *([""] * 41)], outcome) == 1.0, "too few"
    assert chance_of_dates(texts, np.arange(60) // 2 % 2) > 0.01
